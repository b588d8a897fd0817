//! What single models are asked in another way than others of their provider.

use super::super::super::prompt::{Prompt, Role};
use super::super::json::Json;
use super::fields::{Fields, Refuse};
use super::providers::{Provider, Ways};

/// Models of OpenAI that do not reason unless they are told to.
const NOT_REASONING: [&str; 18] = [
    "gpt-5.1",
    "gpt-5.1-2025-11-13",
    "gpt-5.2",
    "gpt-5.2-2025-12-11",
    "gpt-5.4",
    "gpt-5.4-2026-03-05",
    "gpt-5.4-mini",
    "gpt-5.4-mini-2026-03-17",
    "gpt-5.4-nano",
    "gpt-5.4-nano-2026-03-17",
    "gpt-5.5",
    "gpt-5.5-2026-04-23",
    "gpt-5.6",
    "gpt-5.6-terra",
    "gpt-5.6-luna",
    "gpt-5.6-sol",
    "gpt-6-sol",
    "gpt-6-luna",
];

const RESPONSES_API: &str =
    "Dynamiq asks this model through OpenAI's Responses API, which the edge does not speak";

const NOT_SENT: &str = "is not sent to this model: leave it out";

/// Makes of the fields what is sent to a model of a provider.
pub fn apply(
    provider: &Provider,
    model: &str,
    fields: &mut Fields,
    prompt: &mut Prompt,
    refuse: &mut Refuse<'_>,
) {
    let model = model.to_lowercase();
    match provider.ways {
        Ways::OpenAi | Ways::Azure => open_ai(provider.ways, &model, fields, prompt, refuse),
        Ways::Mistral => {
            fields.rename("seed", "random_seed");
            require_as_any(fields);
        }
        Ways::Fireworks => require_as_any(fields),
        _ => {}
    }
    if rejects_sampling(&model) {
        fields.refuse(&["temperature", "top_p"], NOT_SENT, refuse);
    }
}

/// Some providers have another word for it.
fn require_as_any(fields: &mut Fields) {
    if fields.get("tool_choice").and_then(Json::as_text) == Some("required") {
        fields.set("tool_choice", Json::text("any"));
    }
}

fn open_ai(
    ways: Ways,
    model: &str,
    fields: &mut Fields,
    prompt: &mut Prompt,
    refuse: &mut Refuse<'_>,
) {
    let is_any = |starts: &[&str]| starts.iter().any(|start| model.starts_with(start));
    let is_o = is_any(&["o1", "o3", "o4"]);
    let is_gpt = is_any(&["gpt-5", "gpt-6"]);
    let effort = fields.remove("reasoning_effort");
    let verbosity = fields.remove("verbosity");
    let is_chat = model.contains("chat");
    let (has_effort, has_verbosity) =
        (is_any(&["o3", "o4"]) || (is_gpt && !is_chat), is_gpt && !is_chat);
    for (field, is_sent) in [(&effort, has_effort), (&verbosity, has_verbosity)] {
        if let Some(field) = field.as_ref().filter(|_| !is_sent) {
            refuse(Some(field.at), format!("{} {NOT_SENT}", field.name));
        }
    }
    if !(is_o || is_gpt) {
        return;
    }
    if ["pro", "codex", "deep-research"].iter().any(|part| model.contains(part)) {
        refuse(None, RESPONSES_API.to_owned());
    }
    fields.rename("max_tokens", "max_completion_tokens");
    let default = if NOT_REASONING.contains(&model) { "none" } else { "medium" };
    let text = |field: Option<super::fields::Field>| {
        field.and_then(|field| field.value.as_text().map(str::to_owned))
    };
    let effort = text(effort).filter(|effort| effort != "auto");
    let effort = effort.unwrap_or_else(|| default.to_owned());
    let sampling: &[&str] = &["temperature", "top_p", "presence_penalty", "frequency_penalty"];
    if is_o {
        fields.refuse(sampling, NOT_SENT, refuse);
        fields.refuse(&["parallel_tool_calls"], NOT_SENT, refuse);
        if model != "o3-mini" {
            fields.refuse(&["stop"], NOT_SENT, refuse);
        }
        if has_effort {
            // They take no instructions of the system.
            for message in &mut prompt.messages {
                if message.role == Role::System {
                    message.role = Role::User;
                }
            }
        }
    } else {
        fields.refuse(&["stop"], NOT_SENT, refuse);
        let is_reasoning = effort != "none" || !is_any(&["gpt-5.", "gpt-6"]);
        if !is_chat {
            let penalties = &["presence_penalty", "frequency_penalty"];
            fields.refuse(if is_reasoning { sampling } else { penalties }, NOT_SENT, refuse);
        }
        let is_newer = is_any(&["gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-6"]);
        if ways == Ways::OpenAi && is_newer && is_reasoning && fields.get("tools").is_some() {
            refuse(None, format!("{RESPONSES_API} when it reasons and has tools"));
        }
    }
    if ways == Ways::Azure {
        return;
    }
    if has_effort {
        fields.add("reasoning_effort", Json::text(&effort));
    }
    if has_verbosity {
        let verbosity = text(verbosity).unwrap_or_else(|| "medium".to_owned());
        fields.add("verbosity", Json::text(&verbosity));
    }
}

/// Whether a model of Anthropic, of whichever provider, takes no temperature: `claude-FAMILY-MAJOR`,
/// or with a minor version, from a version of its family on.
fn rejects_sampling(model: &str) -> bool {
    let Some((_, rest)) = model.split_once("claude-") else { return false };
    let mut parts = rest.split('-');
    let family = parts.next().unwrap_or_default();
    let version = |part: Option<&str>| {
        let digits: String =
            part?.chars().take_while(|digit| digit.is_ascii_digit()).take(3).collect();
        digits.parse::<u32>().ok().filter(|_| digits.len() < 3)
    };
    let major = version(parts.next());
    let minor = major.and_then(|_| version(parts.next())).unwrap_or_default();
    let since = match family {
        "mythos" => return true,
        "opus" => (4, 7),
        "sonnet" | "fable" => (5, 0),
        "haiku" => (5, 5),
        _ => return false,
    };
    major.is_some_and(|major| (major, minor) >= since)
}
