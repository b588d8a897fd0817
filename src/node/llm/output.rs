//! Dynamiq's output of a language model: `{"content"}`, or `{"content","tool_calls"}`.

use super::super::{NodeError, Usage};
use crate::json::{Dialect, Document, Item, Order, Value, dumps};

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// A text or null, as JSON.
    pub content: String,
    /// Each as JSON.
    pub tool_calls: Vec<String>,
    pub usage: Usage,
    /// Whether a filter ended the answer.
    pub is_filtered: bool,
}

impl Answer {
    /// The output in Python's spelling. An answer of which a filter has left nothing is a failure.
    pub fn into_output(self) -> Result<String, NodeError> {
        let Self { content, tool_calls, usage: _, is_filtered } = self;
        if is_filtered && tool_calls.is_empty() && matches!(content.as_str(), "null" | "\"\"") {
            let message = "the provider's content filter left nothing of the answer: look at the \
                           prompt and the input";
            return Err(NodeError::Refused(message.to_owned()));
        }
        Ok(match tool_calls.is_empty() {
            true => format!("{{\"content\": {content}}}"),
            false => {
                format!("{{\"content\": {content}, \"tool_calls\": [{}]}}", tool_calls.join(", "))
            }
        })
    }
}

/// A call of a tool, from its parts: further members, each with a comma behind it, and values as JSON.
pub(super) fn tool_call(
    before: &str,
    arguments: &str,
    name: &str,
    id: &str,
    r#type: &str,
) -> String {
    format!(
        "{{{before}\"function\": {{\"arguments\": {arguments}, \"name\": {name}}}, \"id\": {id}, \
         \"type\": {type}}}"
    )
}

/// A value in Python's spelling.
pub(super) fn printed(value: Value<'_>) -> String {
    dumps(value, Order::AsWritten)
}

/// The arguments of a call: what the text denotes where it is JSON, otherwise the text.
pub(super) fn arguments(value: Option<Value<'_>>) -> String {
    let Some(value) = value.filter(|value| !value.is_null()) else { return "\"\"".to_owned() };
    let Some(text) = value.as_str() else { return printed(value) };
    let parsed = text.to_str().and_then(|text| {
        let parse = |text: &str| {
            let document = Document::parse(text, Dialect::PYTHON).ok()?;
            Some(printed(document.root()))
        };
        parse(&text).or_else(|| parse(&with_escapes(&text)?))
    });
    parsed.unwrap_or_else(|| printed(value))
}

/// Escapes in the place of control characters in strings, which models write and Dynamiq reads.
fn with_escapes(text: &str) -> Option<String> {
    if !text.contains(|char: char| char < ' ') {
        return None;
    }
    let mut out = String::with_capacity(text.len() + 8);
    let (mut is_string, mut is_escaped) = (false, false);
    for char in text.chars() {
        match char {
            '"' if !is_escaped => is_string = !is_string,
            '\0'..' ' if is_string => {
                out.push_str(&format!("\\u{:04x}", u32::from(char)));
                continue;
            }
            _ => {}
        }
        is_escaped = is_string && char == '\\' && !is_escaped;
        out.push(char);
    }
    Some(out)
}

/// A number of tokens.
pub(super) fn tokens(usage: Option<Value<'_>>, name: &str) -> Option<u64> {
    match usage?.get(name)?.item() {
        Item::Integer(text) => text.parse().ok(),
        _ => None,
    }
}

/// Tokens read and written, and where the provider has not counted both together their sum.
pub(super) fn usage(prompt_tokens: u64, completion_tokens: u64, total: Option<u64>) -> Usage {
    let sum = prompt_tokens.saturating_add(completion_tokens);
    let total_tokens = total.filter(|total| *total > 0).unwrap_or(sum);
    Usage { prompt_tokens, completion_tokens, total_tokens }
}

/// What OpenAI's `usage` says, in an answer.
pub(super) fn openai_usage(answer: Value<'_>) -> Usage {
    let used = answer.get("usage");
    let count = |name| tokens(used, name);
    usage(
        count("prompt_tokens").unwrap_or_default(),
        count("completion_tokens").unwrap_or_default(),
        count("total_tokens"),
    )
}

/// The members of `tool_calls`, where there are any, each read with its place; None when one of
/// them makes no sense.
pub(super) fn calls(
    message: Value<'_>,
    read: impl Fn(usize, Value<'_>) -> Option<String>,
) -> Option<Vec<String>> {
    match message.get("tool_calls").map(Value::item) {
        Some(Item::Array(calls)) => {
            calls.enumerate().map(|(index, call)| read(index, call)).collect()
        }
        _ => Some(Vec::new()),
    }
}
