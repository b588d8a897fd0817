//! Anthropic's messages.

use super::super::NodeError;
use super::chat::{PLACEHOLDER, each, is_blank};
use super::output::{Answer, printed, tokens, tool_call, usage};
use super::request_body as with_messages;
use crate::definition::Llm;
use crate::http::{Headers, Secret};
use crate::json::{Dialect, Document, Item, Value, write_string};

/// The version of the API that is spoken here.
const VERSION: &str = "2023-06-01";

/// Where requests go, and with which headers.
pub(super) fn address(base: &str, api_key: Option<&Secret>) -> (String, Headers) {
    let base = base.strip_suffix("/v1/messages").unwrap_or(base);
    let headers = Headers::json().with("anthropic-version", VERSION);
    let headers = match api_key {
        Some(key) => headers.with("x-api-key", key.expose()),
        None => headers,
    };
    (format!("{base}/v1/messages"), headers)
}

/// The body of a request: the messages of the system apart, those of one speaker in a row as one,
/// and texts and images as blocks.
pub(super) fn request_body(llm: &Llm, messages: &str) -> Result<String, NodeError> {
    let broken = |_| NodeError::Validation("the prompt's messages are no JSON".to_owned());
    let document = Document::parse(messages, Dialect::PYTHON).map_err(broken)?;
    let (mut system, mut turns) = (Vec::new(), Vec::<Turn>::new());
    for message in each(&document) {
        let role = message.get("role").and_then(Value::as_str);
        let is = |name: &str| role.is_some_and(|role| role.is(name));
        let content = message.get("content");
        if is("system") && turns.is_empty() {
            system.extend(blocks(content, "")?);
            continue;
        }
        let role = if is("user") {
            "user"
        } else if is("assistant") && message.get("tool_calls").is_none() {
            "assistant"
        } else {
            return Err(NodeError::Validation(
                "the edge sends Anthropic messages of the system, of users and of assistants \
                 without calls of tools, in this order"
                    .to_owned(),
            ));
        };
        let blocks = blocks(content, PLACEHOLDER)?;
        match turns.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => turn.blocks.extend(blocks),
            None => turns.push(Turn { role, blocks }),
        }
    }
    // The begin of an answer may not end in white space.
    if let Some(Turn { role: "assistant", blocks }) = turns.last_mut()
        && let Some(Block::Text(text)) = blocks.last_mut()
    {
        text.truncate(text.trim_end().len());
    }
    let turns: Vec<_> = turns.iter().map(Turn::to_json).collect();
    let mut body = with_messages(llm, &format!("[{}]", turns.join(",")));
    if !system.is_empty() && body.pop().is_some() {
        body.push_str(",\"system\":");
        body.push_str(&to_json(&system));
        body.push('}');
    }
    Ok(body)
}

/// What one speaker says in a row.
struct Turn {
    role: &'static str,
    blocks: Vec<Block>,
}

impl Turn {
    fn to_json(&self) -> String {
        format!("{{\"role\":\"{}\",\"content\":{}}}", self.role, to_json(&self.blocks))
    }
}

enum Block {
    Text(String),
    /// An image or a document: its type, and its source as JSON.
    Media(&'static str, String),
}

fn to_json(blocks: &[Block]) -> String {
    let mut out = String::from("[");
    for (index, block) in blocks.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match block {
            Block::Text(text) => {
                out.push_str("{\"type\":\"text\",\"text\":");
                write_string(&mut out, text);
                out.push('}');
            }
            Block::Media(kind, source) => {
                out.push_str(&format!("{{\"type\":\"{kind}\",\"source\":{source}}}"));
            }
        }
    }
    out.push(']');
    out
}

/// The blocks of a message. A text that is blank is replaced, or without a replacement left out when
/// there is nothing in it at all.
fn blocks(content: Option<Value<'_>>, replacement: &str) -> Result<Vec<Block>, NodeError> {
    let text = |value: Option<Value<'_>>| {
        let text = value.and_then(Value::as_str).and_then(|text| text.to_str());
        text.map(|text| text.into_owned()).unwrap_or_default()
    };
    let Some(Item::Array(parts)) = content.map(Value::item) else {
        let text = text(content);
        return Ok(match (is_blank(&text), replacement) {
            (true, "") if text.is_empty() => Vec::new(),
            (true, replacement) if !replacement.is_empty() => {
                vec![Block::Text(replacement.to_owned())]
            }
            _ => vec![Block::Text(text)],
        });
    };
    let mut blocks = Vec::new();
    for part in parts {
        match part.get("image_url") {
            Some(image) => blocks.push(media(&text(image.get("url").or(Some(image))))?),
            None => blocks.push(Block::Text(text(part.get("text")))),
        }
    }
    Ok(blocks)
}

/// What is at a URL, or in it.
fn media(url: &str) -> Result<Block, NodeError> {
    let mut source = String::new();
    if url.starts_with("https://") {
        source.push_str("{\"type\":\"url\",\"url\":");
        write_string(&mut source, url);
        source.push('}');
        return Ok(Block::Media("image", source));
    }
    let inline = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    let kind = match inline {
        Some((media_type, _)) if media_type.starts_with("image/") => "image",
        Some(("application/pdf", _)) => "document",
        _ => {
            return Err(NodeError::Validation(
                "Anthropic takes images with a URL that starts with https://, data:image/ or \
                 data:application/pdf, and of the latter two in base64"
                    .to_owned(),
            ));
        }
    };
    let (media_type, data) = inline.unwrap_or_default();
    source.push_str("{\"type\":\"base64\",\"media_type\":");
    write_string(&mut source, media_type);
    source.push_str(",\"data\":");
    write_string(&mut source, data);
    source.push('}');
    Ok(Block::Media(kind, source))
}

/// What a message of the model says, in the form in which Dynamiq has it.
pub(super) fn read(root: Value<'_>) -> Option<Answer> {
    let Item::Array(blocks) = root.get("content")?.item() else { return None };
    let is = |value: Option<Value<'_>>, text: &str| {
        value.and_then(Value::as_str).is_some_and(|value| value.is(text))
    };
    if !is(root.get("type"), "message") {
        return None;
    }
    let (mut content, mut tool_calls) = (String::new(), Vec::new());
    for (index, block) in blocks.enumerate() {
        if is(block.get("type"), "text") {
            let text = block.get("text")?.as_str()?.to_json();
            content.push_str(text.strip_prefix('"')?.strip_suffix('"')?);
        } else if is(block.get("type"), "tool_use") {
            tool_calls.push(tool_call(
                // Its place among the blocks.
                &format!("\"index\": {index}, "),
                &printed(block.get("input")?),
                &printed(block.get("name")?),
                &printed(block.get("id")?),
                "\"function\"",
            ));
        }
    }
    let used = root.get("usage");
    let count = |name| tokens(used, name).unwrap_or_default();
    let read = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
    Some(Answer {
        content: if content.is_empty() { "null".to_owned() } else { format!("\"{content}\"") },
        tool_calls,
        usage: usage(
            read.map(count).into_iter().fold(0, u64::saturating_add),
            count("output_tokens"),
            None,
        ),
        is_filtered: is(root.get("stop_reason"), "refusal"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Api, Connection, Prompt, Setting, Wire};

    /// What is asked with these messages, without what is always the same.
    fn asked(messages: &str) -> Result<String, NodeError> {
        let llm = Llm {
            model: "m".to_owned(),
            wire: Wire::Anthropic,
            connection: Connection::Api(Api {
                api_key: None,
                url: Setting::Text(String::new()),
                api_version: None,
            }),
            prompt: Prompt { messages: Vec::new(), required: Vec::new() },
            parameters: vec![("max_tokens".to_owned(), "5".to_owned())],
            fallback: None,
        };
        let body = request_body(&llm, messages)?;
        let rest = body.strip_prefix(r#"{"model":"m","messages":"#).unwrap();
        Ok(rest.replacen(r#","max_tokens":5"#, "", 1).strip_suffix('}').unwrap().to_owned())
    }

    fn refused(messages: &str) -> bool {
        matches!(asked(messages), Err(NodeError::Validation(_)))
    }

    #[test]
    fn messages_are_blocks_by_speaker_with_the_system_apart() {
        assert_eq!(
            asked(r#"[{"content":"a","role":"system"},{"content":"b","role":"system"},{"content":"c","role":"user"},{"content":"d","role":"user"},{"content":"e \n","role":"assistant"}]"#).unwrap(),
            r#"[{"role":"user","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},{"role":"assistant","content":[{"type":"text","text":"e"}]}],"system":[{"type":"text","text":"a"},{"type":"text","text":"b"}]"#
        );
        assert_eq!(
            asked(r#"[{"content":"","role":"system"},{"content":"x ","role":"assistant"},{"content":"c","role":"user"}]"#).unwrap(),
            r#"[{"role":"assistant","content":[{"type":"text","text":"x "}]},{"role":"user","content":[{"type":"text","text":"c"}]}]"#
        );
    }

    #[test]
    fn a_text_with_nothing_in_it_has_dynamiqs_placeholder() {
        assert_eq!(
            asked(r#"[{"content":" ","role":"system"},{"content":" \n","role":"user"}]"#).unwrap(),
            r#"[{"role":"user","content":[{"type":"text","text":"[System: Empty message content sanitised to satisfy protocol]"}]}],"system":[{"type":"text","text":" "}]"#
        );
    }

    #[test]
    fn images_are_sent_as_urls_or_as_what_is_in_them() {
        let image = |url: &str| {
            asked(&format!(
                r#"[{{"content":[{{"type":"text","text":"t"}},{{"type":"image_url","image_url":{{"url":"{url}","detail":"auto"}}}}],"role":"user"}}]"#
            ))
        };
        let block = |url: &str| {
            let start = r#"[{"role":"user","content":[{"type":"text","text":"t"},"#;
            let body = image(url).unwrap();
            body.strip_prefix(start).unwrap().strip_suffix("]}]").unwrap().to_owned()
        };
        assert_eq!(
            block("https://x.example/a.png"),
            r#"{"type":"image","source":{"type":"url","url":"https://x.example/a.png"}}"#
        );
        assert_eq!(
            block("data:image/png;base64,aGk="),
            r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}"#
        );
        assert_eq!(
            block("data:application/pdf;base64,aGk="),
            r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"aGk="}}"#
        );
        for url in ["http://x.example/a.png", "data:text/plain;base64,aGk=", "data:image/png,x", ""]
        {
            assert!(matches!(image(url), Err(NodeError::Validation(_))), "{url}");
        }
    }

    #[test]
    fn what_anthropic_would_be_told_otherwise_is_refused() {
        assert!(refused(r#"[{"content":"a","role":"user"},{"content":"b","role":"system"}]"#));
        assert!(refused(r#"[{"content":"a","role":"tool","tool_call_id":"c"}]"#));
        assert!(refused(r#"[{"content":"a","role":"assistant","tool_calls":[{}]}]"#));
    }

    #[test]
    fn an_answer_has_dynamiqs_form() {
        let read = |body: &str| {
            let document = Document::parse(body, Dialect::STRICT).unwrap();
            read(document.root())
        };
        let answer = read(
            r#"{"type":"message","content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"é"},{"type":"text","text":"\n"},{"type":"tool_use","id":"t1","name":"f","input":{"b":2.0,"a":[]}}],"stop_reason":"tool_use","usage":{"input_tokens":9,"output_tokens":4,"cache_read_input_tokens":5,"cache_creation_input_tokens":2}}"#,
        )
        .unwrap();
        let usage = answer.usage;
        assert_eq!([usage.prompt_tokens, usage.completion_tokens, usage.total_tokens], [16, 4, 20]);
        assert_eq!(
            answer.into_output().unwrap(),
            r#"{"content": "\u00e9\n", "tool_calls": [{"index": 3, "function": {"arguments": {"b": 2.0, "a": []}, "name": "f"}, "id": "t1", "type": "function"}]}"#
        );
        let many = r#"{"type":"message","content":[],"usage":{"input_tokens":18446744073709551615,"cache_read_input_tokens":1}}"#;
        assert_eq!(read(many).unwrap().usage.prompt_tokens, u64::MAX);
        for nothing in ["[]", r#"[{"type":"text","text":""}]"#] {
            let answer = read(&format!(r#"{{"type":"message","content":{nothing}}}"#)).unwrap();
            assert_eq!(answer.into_output().unwrap(), r#"{"content": null}"#);
        }
        let filtered = r#"{"type":"message","content":[],"stop_reason":"refusal"}"#;
        assert!(read(filtered).unwrap().into_output().is_err());
        for other in
            [r#"{"choices":[]}"#, r#"{"content":[]}"#, r#"{"type":"error","error":{}}"#, "1"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
