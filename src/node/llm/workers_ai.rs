//! Workers AI. Some of its models answer in a form of their own, some in OpenAI's.

use super::super::NodeError;
use super::super::failure::shortened;
use super::chat;
use super::output::{Answer, arguments, printed, tokens, tool_call, usage};
use crate::ai::AiError;
use crate::json::{Item, Value, write_string};

/// What a model says.
pub(super) fn read(root: Value<'_>) -> Option<Answer> {
    if root.get("choices").is_some() {
        return chat::read(root);
    }
    let tool_calls = match root.get("tool_calls").map(Value::item) {
        Some(Item::Array(calls)) => {
            calls.enumerate().map(|(index, call)| read_call(index, call)).collect::<Option<_>>()?
        }
        _ => Vec::new(),
    };
    let content = match root.get("response") {
        // With a response_format it is a value. Content is a text, always.
        Some(response) if response.is_object() => {
            let mut text = String::new();
            write_string(&mut text, &printed(response));
            text
        }
        Some(response) if response.as_str().is_some() || response.is_null() => printed(response),
        None if !tool_calls.is_empty() => "null".to_owned(),
        _ => return None,
    };
    let used = root.get("usage");
    let count = |name| tokens(used, name);
    Some(Answer {
        content,
        tool_calls,
        usage: usage(
            count("prompt_tokens").unwrap_or_default(),
            count("completion_tokens").unwrap_or_default(),
            count("total_tokens"),
        ),
        is_filtered: false,
    })
}

/// `{"name": …, "arguments": …}`, or a call as OpenAI has it.
fn read_call(index: usize, call: Value<'_>) -> Option<String> {
    if call.get("function").is_some() {
        return chat::read_call(index, call);
    }
    let id = match call.get("id").filter(|id| !id.is_null()) {
        Some(id) => printed(id),
        None => format!("\"call_{index}\""),
    };
    let name = printed(call.get("name")?);
    Some(tool_call("", &arguments(call.get("arguments")), &name, &id, "\"function\""))
}

/// What a failure means. Workers AI says a number first.
pub(in super::super) fn failure(binding: &str, error: AiError) -> NodeError {
    let said = match error {
        AiError::Unbound => {
            return NodeError::Refused(format!(
                "the Worker has no binding `{binding}`: deploy it with an [ai] section that has it, \
                 as `wrangler deploy --env workers-ai` does"
            ));
        }
        AiError::Failed(said) => said,
    };
    let message = format!("Workers AI failed: {}", shortened(&said));
    let code = said.split(|char: char| !char.is_ascii_digit()).find(|digits| digits.len() == 4);
    match code {
        // The day's allowance is used up; there is no room for more at the moment.
        Some("3036" | "3040") => {
            NodeError::Busy { message, retry_after: None, is_rate_limit: true }
        }
        // No such model, no such task, inputs that it does not take, terms that are not accepted.
        Some("3003" | "3041" | "3042" | "5004" | "5005" | "5006" | "5007" | "5016" | "5018") => {
            NodeError::Refused(message)
        }
        _ => NodeError::Upstream(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Dialect, Document};

    fn output(body: &str) -> Option<String> {
        let document = Document::parse(body, Dialect::STRICT).unwrap();
        read(document.root()).map(|answer| answer.into_output().unwrap())
    }

    #[test]
    fn answers_of_both_forms_have_dynamiqs() {
        assert_eq!(output(r#"{"response":"é"}"#).unwrap(), r#"{"content": "\u00e9"}"#);
        let value = r#"{"response":{"a":1.0},"usage":{"prompt_tokens":1}}"#;
        assert_eq!(output(value).unwrap(), r#"{"content": "{\"a\": 1.0}"}"#);
        let call = r#"{"response":null,"tool_calls":[{"name":"f","arguments":{"a":1}}]}"#;
        assert_eq!(
            output(call).unwrap(),
            r#"{"content": null, "tool_calls": [{"function": {"arguments": {"a": 1}, "name": "f"}, "id": "call_0", "type": "function"}]}"#
        );
        let chat = r#"{"choices":[{"message":{"content":"x"}}]}"#;
        assert_eq!(output(chat).unwrap(), r#"{"content": "x"}"#);
        for other in ["null", "[]", "{}", r#"{"response":1}"#, r#"{"tool_calls":[{}]}"#] {
            assert_eq!(output(other), None, "{other}");
        }
    }

    #[test]
    fn failures_are_told_apart_by_their_numbers() {
        let of = |said: &str| failure("AI", AiError::Failed(said.to_owned()));
        assert!(matches!(
            of("3040: Capacity temporarily exceeded"),
            NodeError::Busy { is_rate_limit: true, .. }
        ));
        assert!(matches!(of("AiError: 5007: No such model"), NodeError::Refused(_)));
        assert!(matches!(of("1234567: strange"), NodeError::Upstream(_)));
        assert!(matches!(failure("AI", AiError::Unbound), NodeError::Refused(_)));
        assert!(of(&"x".repeat(1000)).to_string().len() < 400);
    }
}
