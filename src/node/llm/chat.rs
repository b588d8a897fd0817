//! OpenAI's chat completions, which most providers speak.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::super::NodeError;
use super::output::{Answer, arguments, calls, openai_usage, printed, tool_call};
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

/// The same for a server of Ollama, whose URL may end in `/v1` or not.
pub(super) fn ollama(base: &str, api_key: Option<&Secret>) -> (String, Headers) {
    address(&format!("{}/v1", base.strip_suffix("/v1").unwrap_or(base)), api_key)
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
pub(in super::super) fn is_blank(text: &str) -> bool {
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
    let tool_calls = calls(message, read_call)?;
    let content = match message.get("content") {
        Some(content) if content.as_str().is_some() || content.is_null() => printed(content),
        None if !tool_calls.is_empty() => "null".to_owned(),
        _ => return None,
    };
    Some(Answer {
        content,
        tool_calls,
        usage: openai_usage(root),
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

    /// What comes of a call with these members.
    fn call(members: &str) -> String {
        let body = format!(
            r#"{{"choices":[{{"message":{{"content":"","tool_calls":[{{{members}}}]}}}}]}}"#
        );
        let output = output(&body).unwrap();
        let call = output.strip_prefix(r#"{"content": "", "tool_calls": ["#).unwrap();
        call.strip_suffix("]}").unwrap().to_owned()
    }

    #[test]
    fn a_call_of_a_tool_has_dynamiqs_form_and_order() {
        let whole = r#""id":"c","type":"function","function":{"name":"f","arguments":"{\"n\":2.0,\"b\":[1e2,\"é\"]}","extra":1}"#;
        assert_eq!(
            call(whole),
            r#"{"function": {"arguments": {"n": 2.0, "b": [100.0, "\u00e9"]}, "name": "f"}, "id": "c", "type": "function"}"#
        );
        // As some providers add them.
        assert_eq!(
            call(r#""index":0,"id":"c","function":{"name":"f","arguments":{"a":1}}"#),
            r#"{"index": 0, "function": {"arguments": {"a": 1}, "name": "f"}, "id": "c", "type": "function"}"#
        );
        assert_eq!(
            call(r#""type":null,"function":{"arguments":null}"#),
            r#"{"function": {"arguments": "", "name": null}, "id": "call_0", "type": "function"}"#
        );
    }

    #[test]
    fn arguments_that_are_no_json_stay_a_text() {
        let arguments = |text: &str| {
            let mut literal = String::new();
            write_string(&mut literal, text);
            let call =
                call(&format!(r#""id":"c","function":{{"name":"f","arguments":{literal}}}"#));
            let rest = call.strip_prefix(r#"{"function": {"arguments": "#).unwrap();
            rest.strip_suffix(r#", "name": "f"}, "id": "c", "type": "function"}"#)
                .unwrap()
                .to_owned()
        };
        assert_eq!(arguments(r#"{"city": "#), r#""{\"city\": ""#);
        assert_eq!(arguments(""), r#""""#);
        assert_eq!(arguments("null"), "null");
        assert_eq!(arguments("{\"a\": NaN}"), r#"{"a": NaN}"#);
        // Python is told to read them so.
        assert_eq!(arguments("{\n\"a\": \"x\ny\\\"\tz\"}"), r#"{"a": "x\ny\"\tz"}"#);
    }

    #[test]
    fn tokens_are_counted_even_where_the_provider_does_not_add_them_up() {
        let used = |usage: &str| {
            let body = format!(r#"{{"choices":[{{"message":{{"content":""}}}}]{usage}}}"#);
            let document = Document::parse(&body, Dialect::STRICT).unwrap();
            let usage = read(document.root()).unwrap().usage;
            [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]
        };
        assert_eq!(used(""), [0, 0, 0]);
        assert_eq!(used(r#","usage":{"prompt_tokens":1,"completion_tokens":2}"#), [1, 2, 3]);
        let counted = r#","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":9}"#;
        assert_eq!(used(counted), [1, 2, 9]);
    }

    #[test]
    fn an_answer_of_which_a_filter_left_nothing_is_a_failure() {
        let read = |content: &str| {
            let body = format!(
                r#"{{"choices":[{{"message":{{"content":{content}}},"finish_reason":"content_filter"}}]}}"#
            );
            let document = Document::parse(&body, Dialect::STRICT).unwrap();
            read(document.root()).unwrap().into_output()
        };
        for nothing in ["null", "\"\""] {
            assert!(matches!(read(nothing), Err(NodeError::Refused(_))), "{nothing}");
        }
        assert_eq!(read("\"half\""), Ok(r#"{"content": "half"}"#.to_owned()));
    }

    #[test]
    fn addresses_are_those_of_the_providers() {
        assert_eq!(address("https://a/v1", None).0, "https://a/v1/chat/completions");
        for base in ["http://a:11434", "http://a:11434/v1"] {
            assert_eq!(ollama(base, None).0, "http://a:11434/v1/chat/completions");
        }
        let azure = |base| azure(base, "a b/c", "2024-10-21&x", None).0;
        assert_eq!(
            azure("https://r"),
            "https://r/openai/deployments/a%20b%2Fc/chat/completions?api-version=2024-10-21%26x"
        );
        assert_eq!(
            azure("https://r/openai/deployments/d"),
            "https://r/openai/deployments/d/chat/completions?api-version=2024-10-21%26x"
        );
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
