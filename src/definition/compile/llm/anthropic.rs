//! What Anthropic's messages have in the place of OpenAI's parameters.

use super::super::super::prompt::{Prompt, Role};
use super::super::json::Json;
use super::fields::{Fields, Refuse};

/// Models by how long their answers can be; of others it is not known.
const MAX_TOKENS: [(u32, &[&str]); 2] = [
    (
        64_000,
        &[
            "claude-haiku-4-5-20251001",
            "claude-haiku-4-5",
            "claude-sonnet-4-5",
            "claude-sonnet-4-5-20250929",
            "claude-opus-4-5-20251101",
            "claude-opus-4-5",
        ],
    ),
    (
        128_000,
        &[
            "claude-sonnet-5",
            "claude-sonnet-5-5",
            "claude-sonnet-4-6",
            "claude-opus-4-6",
            "claude-opus-4-6-20260205",
            "claude-opus-4-7",
            "claude-opus-4-7-20260416",
            "claude-opus-4-8",
            "claude-opus-5",
            "claude-opus-5-5",
            "claude-fable-5",
            "claude-fable-5-1",
            "claude-mythos-5",
            "claude-mythos-5-1",
            "claude-mythos-preview",
            "claude-haiku-5-5",
        ],
    ),
];

/// How many tokens an answer may have where a node does not say: Anthropic wants to be told.
fn default_max_tokens(model: &str) -> u32 {
    let known = MAX_TOKENS.iter().find(|(_, models)| models.contains(&model));
    known.map_or(4096, |(tokens, _)| *tokens)
}

/// The parameters of a node in Anthropic's names.
pub fn parameters(
    model: &str,
    mut fields: Fields,
    prompt: &Prompt,
    refuse: &mut Refuse<'_>,
) -> Vec<(String, String)> {
    let mut messages = prompt.messages.iter().skip_while(|message| message.role == Role::System);
    if messages.clone().next().is_none() {
        refuse(None, "Anthropic needs a message that is not of the system".to_owned());
    }
    if messages.any(|message| message.role == Role::System) {
        let reason = "Anthropic takes messages of the system only before all others";
        refuse(None, reason.to_owned());
    }
    fields.rename("stop", "stop_sequences");
    if fields.get("max_tokens").is_none() {
        fields.add("max_tokens", Json::Literal(default_max_tokens(model).to_string()));
    }
    let choice = fields.remove("tool_choice");
    let parallel = fields.remove("parallel_tool_calls");
    if let Some(Json::List(tools)) = fields.get("tools") {
        let tools = Json::List(tools.iter().map(tool).collect());
        fields.set("tools", tools);
    }
    if choice.is_some() || parallel.is_some() {
        let choice = match choice.as_ref().and_then(|choice| choice.value.as_text()) {
            Some("required") => "any",
            Some("none") => "none",
            _ => "auto",
        };
        let mut members = vec![("type".to_owned(), Json::text(choice))];
        if let Some(parallel) = parallel {
            let disabled = parallel.value == Json::bool(false);
            members.push(("disable_parallel_tool_use".to_owned(), Json::bool(disabled)));
        }
        fields.add("tool_choice", Json::Map(members));
    }
    fields.into_parameters()
}

/// A function as Anthropic describes it.
fn tool(tool: &Json) -> Json {
    let member = |name| tool.get("function").and_then(|function| function.get(name));
    let nothing =
        || Json::map([("type", Json::text("object")), ("properties", Json::Map(Vec::new()))]);
    let schema = member("parameters").cloned().unwrap_or_else(nothing);
    let name = member("name").cloned().unwrap_or_else(|| Json::text(""));
    let mut members = vec![
        ("name".to_owned(), name),
        ("input_schema".to_owned(), schema),
        ("type".to_owned(), Json::text("custom")),
    ];
    for name in ["description", "strict"] {
        members.extend(member(name).map(|value| (name.to_owned(), value.clone())));
    }
    Json::Map(members)
}
