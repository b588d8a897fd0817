use std::path::Path;

use super::super::Compiler;
use super::super::connections::CONNECTION_TYPES;
use super::super::nodes::NODE_TYPES;
use super::*;
use crate::definition::{Connection, Role, Setting};

const TOOLS: &str = "[{type: function, function: {name: f, parameters: {type: object}}}]";

/// A node of a type with a model and fields, or its mistakes.
fn compile(node: &str, model: &str, fields: &str) -> Result<Llm, String> {
    let connection = PROVIDERS.iter().find(|provider| provider.node.ends_with(node)).unwrap();
    let (node, connection) = (connection.node, connection.connection);
    let more = match connection {
        "dynamiq.connections.HttpApiKey" => ", url: 'https://own.example', api_key: '${oc.env:K}'",
        _ => "",
    };
    let text = format!(
        "connections: {{c: {{type: {connection}{more}}}}}\n\
         prompts: {{p: {{messages: [{{role: system, content: s}}, {{content: '{{{{ text }}}}'}}]}}}}\n\
         nodes: {{a: {{type: {node}, model: '{model}', connection: c, prompt: p{fields}}}}}"
    );
    let mut compiler = Compiler::default();
    compiler.file(Path::new("a.yaml"), &text);
    match compiler.finish() {
        Ok(mut definitions) => match definitions.nodes.remove(0).kind {
            Kind::Llm(llm) => Ok(llm),
            other => panic!("{other:?}"),
        },
        Err(mistakes) => {
            let reasons: Vec<_> = mistakes.into_iter().map(|mistake| mistake.reason).collect();
            Err(reasons.join("; "))
        }
    }
}

#[test]
fn a_bound_on_executions_is_one_for_fallbacks_too() {
    let llm = "{type: dynamiq.nodes.llms.OpenAI, model: n, connection: c}";
    let text = format!(
        "connections: {{c: {{type: dynamiq.connections.OpenAI}}}}\n\
         prompts: {{p: {{messages: [{{content: x}}]}}}}\n\
         nodes: {{a: {{type: dynamiq.nodes.llms.OpenAI, model: m, connection: c, prompt: p, \
         error_handling: {{timeout_seconds: 0.5}}, fallback: {{enabled: true, llm: {llm}}}}}}}"
    );
    let mut compiler = Compiler::default();
    compiler.file(Path::new("a.yaml"), &text);
    let mut definitions = compiler.finish().unwrap();
    definitions.bound_executions(0.7);
    let node = &definitions.nodes[0];
    assert_eq!(node.error_handling.timeout_seconds, 0.5);
    let Kind::Llm(Llm { fallback: Some(fallback), .. }) = &node.kind else { panic!("{node:?}") };
    assert_eq!(fallback.node.error_handling.timeout_seconds, 0.7);
}

fn sent(node: &str, model: &str, fields: &str) -> String {
    let llm = compile(node, model, fields).unwrap();
    let pairs: Vec<_> = llm.parameters.iter().map(|(name, v)| format!("{name}={v}")).collect();
    pairs.join(" ")
}

#[test]
fn every_type_of_node_is_known_with_its_connection() {
    for provider in PROVIDERS {
        assert!(NODE_TYPES.iter().any(|(name, _)| *name == provider.node), "{}", provider.node);
        let connection = provider.connection;
        assert!(CONNECTION_TYPES.iter().any(|(name, _)| *name == connection), "{connection}");
        assert!(compile(provider.node, "m", "").is_ok(), "{}", provider.node);
    }
}

#[test]
fn a_connection_that_says_nothing_is_that_of_dynamiqs_class() {
    let place = |node: &str| match compile(node, "m", "").unwrap().connection {
        Connection::Api(api) => {
            let none = |_: &str| None;
            let key = api.api_key.map(|key| match key {
                Setting::Env { name, default: None } => name,
                other => panic!("{other:?}"),
            });
            (key.unwrap_or_default(), api.url.resolve(none).unwrap_or("-".to_owned()))
        }
        Connection::Binding(name) => (name, String::new()),
    };
    for (node, key, url) in [
        ("llms.OpenAI", "OPENAI_API_KEY", "https://api.openai.com/v1"),
        ("AzureAI", "AZURE_API_KEY", "-"),
        ("Anthropic", "ANTHROPIC_API_KEY", "https://api.anthropic.com"),
        ("Groq", "GROQ_API_KEY", "https://api.groq.com/openai/v1"),
        ("Mistral", "MISTRAL_API_KEY", "https://api.mistral.ai/v1"),
        ("DeepSeek", "DEEPSEEK_API_KEY", "https://api.deepseek.com/beta"),
        ("TogetherAI", "TOGETHER_API_KEY", "https://api.together.ai/v1"),
        ("FireworksAI", "FIREWORKS_AI_API_KEY", "https://api.fireworks.ai/inference/v1"),
        ("Cerebras", "CEREBRAS_API_KEY", "https://api.cerebras.ai/v1"),
        ("xAI", "XAI_API_KEY", "https://api.x.ai/v1"),
        ("Ollama", "", "http://localhost:11434"),
        ("OpenRouter", "OPENROUTER_API_KEY", "https://openrouter.ai/api/v1"),
        ("CustomLLM", "K", "https://own.example"),
        ("WorkersAI", "AI", ""),
    ] {
        assert_eq!(place(node), (key.to_owned(), url.to_owned()), "{node}");
    }
}

#[test]
fn what_names_the_provider_is_no_part_of_the_model() {
    let model = |node, model| compile(node, model, "").unwrap().model;
    for (node, written, name) in [
        ("llms.OpenAI", "openai/gpt-4o", "gpt-4o"),
        ("Groq", "groq/llama-3.3-70b", "llama-3.3-70b"),
        ("TogetherAI", "together_ai/meta/llama", "meta/llama"),
        ("TogetherAI", "meta/llama", "meta/llama"),
        ("OpenRouter", "openrouter/openai/gpt-4o", "openai/gpt-4o"),
        ("FireworksAI", "fireworks_ai/llama", "accounts/fireworks/models/llama"),
        ("FireworksAI", "accounts/me/models/x", "accounts/me/models/x"),
        ("Anthropic", "anthropic/claude", "claude"),
        ("CustomLLM", "openai/mine", "mine"),
        ("CustomLLM", "meta/llama", "meta/llama"),
        ("WorkersAI", "@cf/meta/llama", "@cf/meta/llama"),
    ] {
        assert_eq!(model(node, written), name, "{node}");
    }
    let custom = |prefix| compile("CustomLLM", "groq/x", &format!(", provider_prefix: {prefix}"));
    assert_eq!(custom("groq").unwrap().model, "x");
    assert!(custom("bedrock").unwrap_err().contains("provider_prefix `bedrock` is not one of"));
}

#[test]
fn fields_are_sent_in_the_names_of_the_provider() {
    let all = format!(
        ", temperature: 0.5, max_tokens: 5, top_p: 1, seed: 7, stop: [x], tools: {TOOLS}, \
         tool_choice: required, response_format: {{type: json_object}}"
    );
    let tools = r#"tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]"#;
    let rest = r#"response_format={"type": "json_object"}"#;
    for (node, seed, choice) in [
        ("llms.OpenAI", "seed", "required"),
        ("Groq", "seed", "required"),
        ("Mistral", "random_seed", "any"),
        ("FireworksAI", "seed", "any"),
    ] {
        let expected = format!(
            "temperature=0.5 max_tokens=5 top_p=1 {seed}=7 stop=[\"x\"] {tools} \
             tool_choice=\"{choice}\" {rest}"
        );
        assert_eq!(sent(node, "m", &all), expected, "{node}");
    }
    assert_eq!(sent("Groq", "m", ", tools: [], stop: []"), "");
    let more = format!(", tools: {TOOLS}, parallel_tool_calls: true, presence_penalty: -1.5");
    let expected = format!("presence_penalty=-1.5 {tools} parallel_tool_calls=true");
    assert_eq!(sent("xAI", "m", &more), expected);
}

#[test]
fn anthropic_is_told_in_its_own_words() {
    let tool = r#"{"name": "f", "input_schema": {"type": "object"}, "type": "custom"}"#;
    let tools = format!(", tools: {TOOLS}");
    assert_eq!(sent("Anthropic", "claude", &tools), format!("tools=[{tool}] max_tokens=4096"));
    let choice = |fields: &str| {
        let sent = sent("Anthropic", "claude", &format!(", max_tokens: 3, tools: {TOOLS}{fields}"));
        sent.split_once("tool_choice=").unwrap().1.to_owned()
    };
    assert_eq!(choice(", tool_choice: required"), r#"{"type": "any"}"#);
    assert_eq!(choice(", tool_choice: none"), r#"{"type": "none"}"#);
    assert_eq!(
        choice(", parallel_tool_calls: false"),
        r#"{"type": "auto", "disable_parallel_tool_use": true}"#
    );
    let bare = ", tools: [{type: function, function: {name: g, description: d, strict: true}}]";
    assert_eq!(
        sent("Anthropic", "claude-opus-4-5", bare),
        r#"tools=[{"name": "g", "input_schema": {"type": "object", "properties": {}}, "type": "custom", "description": "d", "strict": true}] max_tokens=64000"#
    );
    assert_eq!(
        sent("Anthropic", "claude-opus-5", ", stop: [x]"),
        "stop_sequences=[\"x\"] max_tokens=128000"
    );
}

#[test]
fn models_of_open_ai_that_reason_are_asked_as_dynamiq_asks_them() {
    for (model, expected) in [
        ("gpt-4.1", "max_tokens=5"),
        ("o1", "max_completion_tokens=5"),
        ("o3", r#"max_completion_tokens=5 reasoning_effort="medium""#),
        ("gpt-5", r#"max_completion_tokens=5 reasoning_effort="medium" verbosity="medium""#),
        ("openai/gpt-5.1", r#"max_completion_tokens=5 reasoning_effort="none" verbosity="medium""#),
        ("gpt-5-chat-latest", "max_completion_tokens=5"),
    ] {
        assert_eq!(sent("llms.OpenAI", model, ", max_tokens: 5"), expected, "{model}");
    }
    let told = ", reasoning_effort: low, verbosity: high";
    let expected = r#"reasoning_effort="low" verbosity="high""#;
    assert_eq!(sent("llms.OpenAI", "gpt-5", told), expected);
    assert_eq!(sent("AzureAI", "gpt-5", ", max_tokens: 5"), "max_completion_tokens=5");
    let role = |model| compile("llms.OpenAI", model, "").unwrap().prompt.messages[0].role;
    assert_eq!(
        [role("o1"), role("o4-mini"), role("gpt-5")],
        [Role::System, Role::User, Role::System]
    );
}

#[test]
fn what_dynamiq_would_not_send_is_refused_by_name() {
    let tools = format!(", tools: {TOOLS}");
    let effort = format!("{tools}, reasoning_effort: low");
    for (node, model, fields, reason) in [
        ("Mistral", "m", ", presence_penalty: 1", "has no field `presence_penalty` at the edge"),
        ("Cerebras", "m", ", frequency_penalty: 1", "has no field `frequency_penalty`"),
        ("Anthropic", "m", ", seed: 1", "has no field `seed`"),
        ("Anthropic", "m", ", response_format: {}", "has no field `response_format`"),
        ("WorkersAI", "m", ", stop: [x]", "has no field `stop`"),
        ("Groq", "m", ", reasoning_effort: low", "has no field `reasoning_effort`"),
        ("Groq", "m", ", id: x", "has no field `id`"),
        (
            "llms.OpenAI",
            "m",
            ", reasoning_effort: low",
            "reasoning_effort is not sent to this model",
        ),
        ("llms.OpenAI", "gpt-5-chat", ", verbosity: low", "verbosity is not sent to this model"),
        (
            "llms.OpenAI",
            "o3",
            ", temperature: 1",
            "node `a`: temperature is not sent to this model",
        ),
        ("llms.OpenAI", "o3", ", stop: [x]", "stop is not sent to this model"),
        ("llms.OpenAI", "gpt-5", ", top_p: 1", "top_p is not sent to this model"),
        ("llms.OpenAI", "gpt-5.1", ", frequency_penalty: 1", "frequency_penalty is not sent"),
        ("llms.OpenAI", "gpt-5.1", ", reasoning_effort: low, top_p: 1", "top_p is not sent"),
        ("llms.OpenAI", "gpt-6-sol", &effort, "Responses API, which the edge does not speak when"),
        ("llms.OpenAI", "gpt-5-pro", "", "Responses API"),
        ("llms.OpenAI", "m", ", tool_choice: auto", "left out where there are no tools"),
        ("llms.OpenAI", "m", ", tools: [{type: function}]", "tools has to be a list of {type"),
        ("llms.OpenAI", "m", ", tools: x", ""),
        ("llms.OpenAI", "m", ", response_format: text", "response_format has to be an object"),
        ("Anthropic", "claude-opus-4-7", ", temperature: 1", "temperature is not sent"),
        ("OpenRouter", "anthropic/claude-sonnet-5", ", top_p: 1", "top_p is not sent"),
    ] {
        let mistake = compile(node, model, fields).expect_err(fields);
        assert!(mistake.contains(reason), "{node} {fields}: {mistake}");
    }
    let mistake = compile("Groq", "m", &format!("{tools}, tool_choice: f")).unwrap_err();
    assert!(mistake.contains("tool_choice has to be auto, none or required"), "{mistake}");
    assert!(compile("llms.OpenAI", "o3-mini", ", stop: [x]").is_ok());
    let sampled = format!("{tools}, temperature: 1, top_p: 1");
    assert!(compile("llms.OpenAI", "gpt-6-sol", &sampled).is_ok());
    for model in
        ["claude-opus-4-6", "claude-opus-4-20250514", "claude-3-5-sonnet", "claude-haiku-5"]
    {
        assert!(compile("Anthropic", model, ", temperature: 1").is_ok(), "{model}");
    }
}

#[test]
fn anthropic_takes_the_system_first_and_somebody_else_after_it() {
    let compile = |messages: &str| {
        let mut compiler = Compiler::default();
        let text = format!(
            "connections: {{c: {{type: dynamiq.connections.Anthropic}}}}\n\
             prompts: {{p: {{messages: {messages}}}}}\n\
             nodes: {{a: {{type: dynamiq.nodes.llms.Anthropic, model: m, connection: c, prompt: p}}}}"
        );
        compiler.file(Path::new("a.yaml"), &text);
        compiler.finish().err().map(|mistakes| mistakes[0].reason.clone()).unwrap_or_default()
    };
    let (system, user) = ("{role: system, content: x}", "{content: x}");
    assert_eq!(compile(&format!("[{system}, {system}, {user}, {user}]")), "");
    assert!(compile(&format!("[{system}]")).contains("needs a message that is not of the system"));
    assert!(compile(&format!("[{user}, {system}]")).contains("only before all others"));
}

#[test]
fn a_fallback_is_a_node_with_the_prompt_of_the_first() {
    let fallback = |fields: &str| compile("llms.OpenAI", "m", &format!(", fallback: {{{fields}}}"));
    let llm = "llm: {type: dynamiq.nodes.llms.OpenAI, model: n, connection: c}";
    let found = fallback(&format!("enabled: true, {llm}")).unwrap().fallback.unwrap();
    assert_eq!(found.triggers, [FallbackTrigger::Any]);
    assert_eq!(found.node.id, "a/fallback");
    let Kind::Llm(second) = &found.node.kind else { panic!("{found:?}") };
    assert_eq!((second.model.as_str(), &*second.prompt.required), ("n", &["text".to_owned()][..]));
    assert_eq!(fallback(llm).unwrap().fallback, None);
    let triggers = format!("enabled: true, triggers: [rate_limit, connection], {llm}");
    let found = fallback(&triggers).unwrap().fallback.unwrap();
    assert_eq!(found.triggers, [FallbackTrigger::RateLimit, FallbackTrigger::Connection]);
    let with =
        |field: &str| fallback(&format!("enabled: true, {}", llm.replace("model: n", field)));
    for (field, reason) in [
        ("x: y, model: n", "unknown field `x`"),
        ("caching: {enabled: true}, model: n", "fallback.llm cannot have caching.enabled"),
        ("prompt: p, model: n", "cannot have prompt"),
        ("depends: [{node: b}], model: n", "cannot have depends"),
        ("stop: [x]", "node `a/fallback`: the field `model` is missing"),
    ] {
        let mistake = with(field).expect_err(field);
        assert!(mistake.contains(reason), "{field}: {mistake}");
    }
    let other = fallback(&llm.replace("llms.OpenAI", "operators.Choice")).unwrap_err();
    assert!(other.contains("fallback.llm: the edge cannot run the type"), "{other}");
    assert!(fallback("enabled: true").unwrap_err().contains("`fallback.llm` is missing"));
}

#[test]
fn a_connection_of_another_type_is_refused() {
    let text = "connections: {c: {type: dynamiq.connections.Groq}}\n\
                prompts: {p: {messages: [{content: x}]}}\n\
                nodes: {a: {type: dynamiq.nodes.llms.OpenAI, model: m, connection: c, prompt: p}}";
    let mut compiler = Compiler::default();
    compiler.file(Path::new("a.yaml"), text);
    let reason = &compiler.finish().unwrap_err()[0].reason;
    assert_eq!(reason, "node `a`: connection `c` is not of the type dynamiq.connections.OpenAI");
}
