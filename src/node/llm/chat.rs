//! OpenAI's chat completions, which most providers speak.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::super::NodeError;
use super::output::{Answer, arguments, printed, tokens, tool_call, usage};
use crate::definition::{Llm, Wire};
use crate::http::{Headers, Secret};
use crate::json::{Dialect, Document, Item, Value, write_string};

/// What Dynamiq sends in the place of a text with nothing in it, where a provider takes none.
pub(super) const PLACEHOLDER: &str =
    "[System: Empty message content sanitised to satisfy protocol]";

/// What may not stand in a segment of a path, or in a query.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// Where requests go, and with which headers.
pub(super) fn address(base: &str, api_key: Option<&Secret>) -> (String, Headers) {
    let headers = Headers::json();
    let headers = match api_key {
        Some(key) => headers.with_bearer(key),
        None => headers,
    };
    (format!("{base}/chat/completions"), headers)
}

/// The same for a deployment at Azure.
pub(super) fn azure(
    base: &str,
    deployment: &str,
    version: &str,
    api_key: Option<&Secret>,
) -> (String, Headers) {
    let encoded = |text| utf8_percent_encode(text, RESERVED);
    let deployments = if base.contains("/openai/deployments/") {
        base.to_owned()
    } else {
        format!("{base}/openai/deployments/{}", encoded(deployment))
    };
    let url = format!("{deployments}/chat/completions?api-version={}", encoded(version));
    let headers = Headers::json();
    let headers = match api_key {
        Some(key) => headers.with("api-key", key.expose()),
        None => headers,
    };
    (url, headers)
}

/// The messages of a prompt as Dynamiq sends them to the provider of a node.
pub(super) fn messages(llm: &Llm, mut messages: String) -> Result<String, NodeError> {
    if llm.has_tools() {
        messages = without_blanks(&messages)?;
    }
    if llm.wire == Wire::Mistral && ends_with_assistant(&messages) && messages.ends_with("}]") {
        messages.truncate(messages.len() - 2);
        messages.push_str(",\"prefix\":true}]");
    }
    Ok(messages)
}

/// The messages of an array.
pub(super) fn each<'d>(document: &'d Document<'_>) -> impl Iterator<Item = Value<'d>> {
    let values = match document.root().item() {
        Item::Array(values) => Some(values),
        _ => None,
    };
    values.into_iter().flatten()
}

fn is_text(value: Option<Value<'_>>, text: &str) -> bool {
    value.and_then(Value::as_str).is_some_and(|value| value.is(text))
}

fn ends_with_assistant(messages: &str) -> bool {
    let document = Document::parse(messages, Dialect::PYTHON);
    document.is_ok_and(|document| {
        each(&document).last().is_some_and(|message| is_text(message.get("role"), "assistant"))
    })
}

/// Whether Python's `strip` leaves nothing of a text.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(|char| char.is_whitespace() || ('\x1c'..='\x1f').contains(&char))
}

/// The messages with a placeholder for texts of the user and the assistant that have nothing in
/// them, which Dynamiq puts there when there are tools.
fn without_blanks(messages: &str) -> Result<String, NodeError> {
    let broken = |_| NodeError::Validation("the prompt's messages are no JSON".to_owned());
    let document = Document::parse(messages, Dialect::PYTHON).map_err(broken)?;
    let mut out = String::from("[");
    for message in each(&document) {
        let role = message.get("role");
        if message.get("tool_calls").is_some() || is_text(role, "tool") {
            return Err(NodeError::Validation(
                "a prompt with calls of tools cannot be sent together with tools at the edge"
                    .to_owned(),
            ));
        }
        let content = message.get("content").and_then(Value::as_str).and_then(|text| text.to_str());
        let speaks = is_text(role, "user") || is_text(role, "assistant");
        if out.len() > 1 {
            out.push(',');
        }
        if !(speaks && content.is_some_and(|text| is_blank(&text))) {
            out.push_str(message.raw());
            continue;
        }
        out.push_str("{\"content\":");
        write_string(&mut out, PLACEHOLDER);
        for (name, value) in message.resolved_members(false, &["content"]) {
            out.push(',');
            out.push_str(&format!("\"{}\":{}", name.raw(), value.raw()));
        }
        out.push('}');
    }
    out.push(']');
    Ok(out)
}

/// What a chat completion says.
pub(super) fn read(root: Value<'_>) -> Option<Answer> {
    let Item::Array(mut choices) = root.get("choices")?.item() else { return None };
    let choice = choices.next()?;
    let message = choice.get("message")?;
    let tool_calls = match message.get("tool_calls").map(Value::item) {
        Some(Item::Array(calls)) => {
            calls.enumerate().map(|(index, call)| read_call(index, call)).collect::<Option<_>>()?
        }
        _ => Vec::new(),
    };
    let content = match message.get("content") {
        Some(content) if content.as_str().is_some() || content.is_null() => printed(content),
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
        is_filtered: is_text(choice.get("finish_reason"), "content_filter"),
    })
}

/// A call of a tool. Members that are not OpenAI's come first, as they come first in Dynamiq.
pub(super) fn read_call(index: usize, call: Value<'_>) -> Option<String> {
    let function = call.get("function").filter(|function| function.is_object())?;
    let mut before = String::new();
    for (name, value) in call.resolved_members(false, &["function", "id", "type"]) {
        before.push_str(&format!("{}: {}, ", name.to_json(), printed(value)));
    }
    let given = |name| call.get(name).filter(|value| !value.is_null()).map(printed);
    Some(tool_call(
        &before,
        &arguments(function.get("arguments")),
        &function.get("name").map_or_else(|| "null".to_owned(), printed),
        &given("id").unwrap_or_else(|| format!("\"call_{index}\"")),
        &given("type").unwrap_or_else(|| "\"function\"".to_owned()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(body: &str) -> Option<String> {
        let document = Document::parse(body, Dialect::PYTHON).ok()?;
        read(document.root()).map(|answer| answer.into_output().unwrap())
    }

    #[test]
    fn the_output_has_the_content_in_python_spelling() {
        let body = r#"{"choices":[{"message":{"role":"assistant","content":"é\/"}}]}"#;
        assert_eq!(output(body).unwrap(), r#"{"content": "\u00e9/"}"#);
        let refusal = r#"{"choices":[{"message":{"content":null}}]}"#;
        assert_eq!(output(refusal).unwrap(), r#"{"content": null}"#);
    }

    #[test]
    fn what_is_no_completion_has_no_output() {
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"choices":[]}"#,
            r#"{"choices":[{}]}"#,
            r#"{"choices":[{"message":{}}]}"#,
            r#"{"choices":[{"message":{"content":1}}]}"#,
            r#"{"choices":[{"message":{"content":"a"#,
            r#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"x"}]}}]}"#,
        ] {
            assert_eq!(output(body), None, "{body}");
        }
    }
}
