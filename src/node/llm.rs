//! LLM nodes that speak OpenAI's chat completions.

use std::time::Duration;

use super::{Node, NodeError, Run};
use crate::definition::{self, CachingConfig, ErrorHandling};
use crate::http::{HttpClient, HttpError, Request, Response, Secret};
use crate::json::{Dialect, Document, Item, Order, Value, dumps, write_string};
use crate::prompt;

/// Largest answer that is read from a provider. An isolate has 128 MB, of which the tape of an answer
/// made of the smallest tokens takes about four times its length.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// How much of a provider's error message is passed on.
const MAX_MESSAGE_CHARS: usize = 300;

/// Where a node sends its requests.
#[derive(Debug)]
pub struct Provider {
    url: String,
    api_key: Secret,
    fingerprint: String,
}

impl Provider {
    /// The provider of a node, with the base URL and the key of its connection.
    pub fn new(definition: &definition::Node, url: &str, api_key: Secret) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        let fingerprint = fingerprint(definition, &url);
        Self { url, api_key, fingerprint }
    }
}

/// A node of the type `dynamiq.nodes.llms.OpenAI`.
#[derive(Debug)]
pub struct OpenAi<'a, H> {
    definition: &'a definition::Node,
    provider: &'a Provider,
    http: H,
}

impl<'a, H: HttpClient> OpenAi<'a, H> {
    /// A node as defined, with its provider.
    pub fn new(definition: &'a definition::Node, provider: &'a Provider, http: H) -> Self {
        Self { definition, provider, http }
    }

    /// What a provider's refusal says, shortened and without the key.
    fn refusal(&self, response: &Response) -> NodeError {
        let Response { status, ref body, retry_after } = *response;
        // What a provider says to a wrong key repeats a part of it, in a form of its own.
        if matches!(status, 401 | 403) {
            return NodeError::Refused(format!(
                "the provider refused the key with status {status}: check the connection's api_key"
            ));
        }
        let said = std::str::from_utf8(body).ok().and_then(error_message);
        let message = match said {
            Some(said) => {
                let said: String =
                    self.provider.api_key.redact(&said).chars().take(MAX_MESSAGE_CHARS).collect();
                format!("the provider answered with status {status}: {said}")
            }
            None => format!("the provider answered with status {status}"),
        };
        match status {
            400 | 404 => NodeError::Refused(message),
            429 | 503 => NodeError::Busy { message, retry_after },
            _ => NodeError::Upstream(message),
        }
    }
}

impl<H: HttpClient> Node for OpenAi<'_, H> {
    fn id(&self) -> &str {
        &self.definition.id
    }

    fn caching(&self) -> CachingConfig {
        self.definition.caching
    }

    fn error_handling(&self) -> ErrorHandling {
        self.definition.error_handling
    }

    fn definition(&self) -> Option<&str> {
        Some(&self.provider.fingerprint)
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
        let llm = &self.definition.llm;
        let body = request_body(llm, &prompt::render_messages(&llm.prompt, input)?);
        let deadline = Duration::from_secs_f64(self.definition.error_handling.timeout_seconds);
        let request = Request {
            url: &format!("{}/chat/completions", self.provider.url),
            bearer: Some(&self.provider.api_key),
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
            return Err(self.refusal(&response));
        }
        std::str::from_utf8(&response.body).ok().and_then(read_output).ok_or_else(|| {
            NodeError::Upstream(
                "the provider's answer is not a chat completion (check the connection's url)"
                    .to_owned(),
            )
        })
    }
}

/// What a node asks of a provider, before an input is filled in: another model, prompt, parameter or
/// base URL gives another text. The key of the provider is no part of it.
fn fingerprint(node: &definition::Node, url: &str) -> String {
    let mut messages = String::from("[");
    for message in &node.llm.prompt.messages {
        if messages.len() > 1 {
            messages.push(',');
        }
        messages.push_str("{\"content\":");
        write_string(&mut messages, &message.content);
        messages.push_str(",\"role\":");
        write_string(&mut messages, message.role.as_str());
        messages.push_str(if message.is_static { ",\"static\":true}" } else { "}" });
    }
    messages.push(']');
    let mut text = String::from("{\"type\":");
    write_string(&mut text, &node.node_type);
    text.push_str(",\"url\":");
    write_string(&mut text, url);
    text.push_str(",\"request\":");
    text.push_str(&request_body(&node.llm, &messages));
    text.push('}');
    text
}

/// The body of a request, given its messages as JSON text.
fn request_body(llm: &definition::Llm, messages: &str) -> String {
    let mut body = String::from("{\"model\":");
    write_string(&mut body, &llm.model);
    body.push_str(",\"messages\":");
    body.push_str(messages);
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
    body
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
    use std::cell::RefCell;

    use futures_executor::block_on;

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

    /// Answers every request with the same, and keeps what was asked.
    struct Upstream {
        answer: Result<Response, HttpError>,
        asked: RefCell<Vec<(String, String, String, Duration)>>,
    }

    impl HttpClient for Upstream {
        async fn post(&self, request: Request<'_>) -> Result<Response, HttpError> {
            let bearer = request.bearer.map(|key| key.expose().to_owned()).unwrap_or_default();
            let (url, body) = (request.url.to_owned(), request.body.to_owned());
            self.asked.borrow_mut().push((url, bearer, body, request.deadline));
            self.answer.clone()
        }
    }

    fn node() -> definition::Node {
        let key = definition::Setting::Text(String::new());
        definition::Node {
            id: "summarizer".to_owned(),
            name: None,
            node_type: "dynamiq.nodes.llms.OpenAI".to_owned(),
            caching: CachingConfig { enabled: true, ..CachingConfig::default() },
            error_handling: ErrorHandling { timeout_seconds: 1.5, ..ErrorHandling::default() },
            llm: definition::Llm {
                model: "gpt".to_owned(),
                connection: definition::Connection { api_key: key.clone(), url: key },
                prompt: definition::Prompt {
                    messages: vec![definition::Message {
                        role: definition::Role::System,
                        content: "Say {{ text }}".to_owned(),
                        is_static: false,
                    }],
                    required: vec!["text".to_owned()],
                },
                temperature: Some(0.0),
                max_tokens: Some(5),
                top_p: Some(0.5),
                seed: Some(-1),
                stop: Some(vec!["\n".to_owned(), "x".to_owned()]),
            },
        }
    }

    fn execute(provider: &Upstream) -> Result<String, NodeError> {
        let node = node();
        let settings = Provider::new(&node, "https://api.example/v1/", Secret::new("CANARY"));
        let llm = OpenAi::new(&node, &settings, provider);
        let input = Document::parse(r#"{"text": "hi"}"#, Dialect::STRICT).unwrap();
        block_on(llm.execute(input.root()))
    }

    fn answering(status: u16, body: &str) -> Upstream {
        let answer = Ok(Response { status, body: body.into(), retry_after: None });
        Upstream { answer, asked: RefCell::default() }
    }

    #[test]
    fn the_request_has_what_the_definition_says() {
        let provider = answering(200, r#"{"choices":[{"message":{"content":"ok"}}]}"#);
        assert_eq!(execute(&provider).unwrap(), r#"{"content": "ok"}"#);
        let (url, bearer, body, deadline) = provider.asked.take().remove(0);
        assert_eq!(url, "https://api.example/v1/chat/completions");
        assert_eq!((bearer.as_str(), deadline), ("CANARY", Duration::from_millis(1500)));
        assert_eq!(
            body,
            r#"{"model":"gpt","messages":[{"content":"Say hi","role":"system"}],"temperature":0,"max_tokens":5,"top_p":0.5,"seed":-1,"stop":["\n","x"]}"#
        );
    }

    #[test]
    fn every_change_of_what_is_asked_changes_the_fingerprint() {
        let url = "https://api.example/v1";
        let before = fingerprint(&node(), url);
        assert_eq!(
            before,
            r#"{"type":"dynamiq.nodes.llms.OpenAI","url":"https://api.example/v1","request":{"model":"gpt","messages":[{"content":"Say {{ text }}","role":"system"}],"temperature":0,"max_tokens":5,"top_p":0.5,"seed":-1,"stop":["\n","x"]}}"#
        );
        let changes: [fn(&mut definition::Node); 9] = [
            |node| node.node_type.push('x'),
            |node| node.llm.model.push('x'),
            |node| node.llm.prompt.messages[0].content.push('x'),
            |node| node.llm.prompt.messages[0].role = definition::Role::User,
            |node| node.llm.prompt.messages[0].is_static = true,
            |node| node.llm.temperature = None,
            |node| node.llm.max_tokens = Some(6),
            |node| node.llm.seed = Some(1),
            |node| node.llm.stop = None,
        ];
        for change in changes {
            let mut node = node();
            change(&mut node);
            assert_ne!(fingerprint(&node, url), before);
        }
        assert_ne!(fingerprint(&node(), "https://other.example/v1"), before);
        // What it is called, how long it may take and how it is cached make no other answer.
        let mut node = node();
        node.name = Some("x".to_owned());
        node.error_handling.timeout_seconds = 9.0;
        node.caching.key = crate::key::Scheme::Canonical;
        assert_eq!(fingerprint(&node, url), before);
    }

    #[test]
    fn failures_of_the_provider_are_told_apart_and_never_with_the_key() {
        let refusal = r#"{"error":{"message":"no CANARY here"}}"#;
        let redacted =
            |status| format!("the provider answered with status {status}: no [redacted] here");
        let wrong_key = |status| {
            format!(
                "the provider refused the key with status {status}: check the connection's api_key"
            )
        };
        let busy = |message| NodeError::Busy { message, retry_after: None };
        for (status, error) in [
            (400, NodeError::Refused(redacted(400))),
            (401, NodeError::Refused(wrong_key(401))),
            (403, NodeError::Refused(wrong_key(403))),
            (404, NodeError::Refused(redacted(404))),
            (302, NodeError::Upstream(redacted(302))),
            (500, NodeError::Upstream(redacted(500))),
            (429, busy(redacted(429))),
            (503, busy(redacted(503))),
        ] {
            assert_eq!(execute(&answering(status, refusal)).unwrap_err(), error);
        }
        let failing = |error| Upstream { answer: Err(error), asked: RefCell::default() };
        let late = execute(&failing(HttpError::Timeout(Duration::from_millis(1500)))).unwrap_err();
        assert_eq!(late.type_name(), "TimeoutError");
        for error in [HttpError::Unreachable, HttpError::TooLarge(1)] {
            assert_eq!(execute(&failing(error)).unwrap_err().type_name(), "UpstreamError");
        }
    }

    #[test]
    fn keywords_that_dynamiq_acts_on_are_refused_by_name() {
        let node = node();
        let settings = Provider::new(&node, "https://x", Secret::new(""));
        let provider = answering(200, "");
        let llm = OpenAi::new(&node, &settings, &provider);
        let input = Document::parse(r#"{"text": "hi"}"#, Dialect::STRICT).unwrap();
        let validate = |kwargs: &str| {
            let kwargs = Document::parse(kwargs, Dialect::STRICT).unwrap();
            let kwargs = Some(kwargs.root());
            llm.validate(&Run { input: input.root(), kwargs, cache: None })
        };
        assert_eq!(validate(r#"{"user": 1}"#), Ok(()));
        for name in ["prompt", "tools", "response_format", "parallel_tool_calls", "tool_choice"] {
            let error = validate(&format!(r#"{{"{name}": null}}"#)).unwrap_err();
            assert!(error.to_string().starts_with(&format!("kwargs.{name} is not supported")));
        }
    }
}
