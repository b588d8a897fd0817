//! Workers AI. Some of its models answer in a form of their own, some in OpenAI's.

use super::chat;
use super::output::{Answer, arguments, calls, openai_usage, printed, tool_call};
use crate::json::{Value, write_string};

/// What a model says.
pub(super) fn read(root: Value<'_>) -> Option<Answer> {
    if root.get("choices").is_some() {
        return chat::read(root);
    }
    let tool_calls = calls(root, read_call)?;
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
    Some(Answer { content, tool_calls, usage: openai_usage(root), is_filtered: false })
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
}
