//! LLM nodes that speak OpenAI's chat completions.

use std::time::Duration;

use super::{Node, NodeError, Run};
use crate::definition::{self, CachingConfig};
use crate::http::{HttpClient, HttpError, Request, Secret};
use crate::json::{Dialect, Document, Item, Order, Value, dumps, write_string};
use crate::prompt;

/// Largest answer that is read from a provider. An isolate has 128 MB, of which an answer made of
/// the smallest tokens takes sixteen times its length.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// How much of a provider's error message is passed on.
const MAX_MESSAGE_CHARS: usize = 300;

/// A node of the type `dynamiq.nodes.llms.OpenAI`.
#[derive(Debug)]
pub struct OpenAi<'a, H> {
    definition: &'a definition::Node,
    http: H,
    url: &'a str,
    api_key: &'a Secret,
}

impl<'a, H: HttpClient> OpenAi<'a, H> {
    /// A node as defined, with its connection's base URL and key.
    pub fn new(
        definition: &'a definition::Node,
        http: H,
        url: &'a str,
        api_key: &'a Secret,
    ) -> Self {
        Self { definition, http, url, api_key }
    }

    fn request_body(&self, input: Value<'_>) -> Result<String, NodeError> {
        let llm = &self.definition.llm;
        let mut body = String::from("{\"model\":");
        write_string(&mut body, &llm.model);
        body.push_str(",\"messages\":");
        body.push_str(&prompt::render_messages(&llm.prompt, input)?);
        let mut number = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                body.push_str(&format!(",\"{name}\":{value}"));
            }
        };
        number("temperature", llm.temperature.map(|value| value.to_string()));
        number("max_tokens", llm.max_tokens.map(|value| value.to_string()));
        number("top_p", llm.top_p.map(|value| value.to_string()));
        number("seed", llm.seed.map(|value| value.to_string()));
        if let Some(stop) = &llm.stop {
            body.push_str(",\"stop\":[");
            for (index, text) in stop.iter().enumerate() {
                if index > 0 {
                    body.push(',');
                }
                write_string(&mut body, text);
            }
            body.push(']');
        }
        body.push('}');
        Ok(body)
    }

    /// What a provider's refusal says, shortened and without the key.
    fn refusal(&self, status: u16, body: &[u8]) -> NodeError {
        // What a provider says to a wrong key repeats a part of it, in a form of its own.
        if matches!(status, 401 | 403) {
            return NodeError::Upstream(format!(
                "the provider refused the key with status {status}: check the connection's api_key"
            ));
        }
        let said = std::str::from_utf8(body).ok().and_then(error_message);
        let message = match said {
            Some(said) => {
                let said: String =
                    self.api_key.redact(&said).chars().take(MAX_MESSAGE_CHARS).collect();
                format!("the provider answered with status {status}: {said}")
            }
            None => format!("the provider answered with status {status}"),
        };
        NodeError::Upstream(message)
    }
}

impl<H: HttpClient> Node for OpenAi<'_, H> {
    fn id(&self) -> &str {
        &self.definition.id
    }

    fn caching(&self) -> CachingConfig {
        self.definition.caching
    }

    fn validate(&self, run: &Run<'_>) -> Result<(), NodeError> {
        // Dynamiq's LLM nodes act on these; to pass over them would store another call's answer
        // under the key that Python reads.
        for name in ["prompt", "tools", "response_format", "parallel_tool_calls", "tool_choice"] {
            if run.kwargs.is_some_and(|kwargs| kwargs.get(name).is_some()) {
                return Err(NodeError::Validation(format!(
                    "kwargs.{name} is not supported at the edge: put it into the definition"
                )));
            }
        }
        Ok(prompt::check_input(&self.definition.llm.prompt, run.input)?)
    }

    async fn execute(&self, input: Value<'_>) -> Result<String, NodeError> {
        let body = self.request_body(input)?;
        let deadline = Duration::from_secs_f64(self.definition.error_handling.timeout_seconds);
        let request = Request {
            url: &format!("{}/chat/completions", self.url.trim_end_matches('/')),
            bearer: Some(self.api_key),
            body: &body,
            deadline,
            max_response_bytes: MAX_ANSWER_BYTES,
        };
        let response = self.http.post(request).await.map_err(|error| {
            let message = format!("the provider {error}");
            match error {
                HttpError::Timeout(_) => NodeError::Timeout(message),
                HttpError::Unreachable | HttpError::TooLarge(_) => NodeError::Upstream(message),
            }
        })?;
        if response.status != 200 {
            return Err(self.refusal(response.status, &response.body));
        }
        std::str::from_utf8(&response.body).ok().and_then(read_output).ok_or_else(|| {
            NodeError::Upstream(
                "the provider's answer is not a chat completion (check the connection's url)"
                    .to_owned(),
            )
        })
    }
}

/// Dynamiq's output of a chat completion: `{"content": …}`.
fn read_output(body: &str) -> Option<String> {
    let document = Document::parse(body, Dialect::STRICT).ok()?;
    let Item::Array(mut choices) = document.root().get("choices")?.item() else { return None };
    let content = choices.next()?.get("message")?.get("content")?;
    if content.as_str().is_none() && !content.is_null() {
        return None;
    }
    Some(format!("{{\"content\": {}}}", dumps(content, Order::AsWritten)))
}

/// `error.message` of an error body, OpenAI's shape.
fn error_message(body: &str) -> Option<String> {
    let document = Document::parse(body, Dialect::STRICT).ok()?;
    let message = document.root().get("error")?.get("message")?.as_str()?.to_str()?;
    Some(message.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_has_the_content_in_python_spelling() {
        let body = r#"{"choices":[{"message":{"role":"assistant","content":"é\/"}}]}"#;
        assert_eq!(read_output(body).unwrap(), r#"{"content": "\u00e9/"}"#);
        let refusal = r#"{"choices":[{"message":{"content":null}}]}"#;
        assert_eq!(read_output(refusal).unwrap(), r#"{"content": null}"#);
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
        ] {
            assert_eq!(read_output(body), None, "{body}");
        }
    }
}
