//! LLM nodes that speak OpenAI's chat completions.

use super::{Execution, NodeError, Usage};
use crate::definition::{Llm, Setting};
use crate::http::{Headers, HttpClient, HttpError, Request, Response, Secret};
use crate::json::{Dialect, Document, Item, Order, Value, dumps, write_string};
use crate::prompt;

/// Largest answer that is read from a provider. An isolate has 128 MB, of which the tape of an answer
/// made of the smallest tokens takes about four times its length.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// How much of a provider's error message is passed on.
const MAX_MESSAGE_CHARS: usize = 300;

/// Where a node sends its requests.
#[derive(Debug)]
pub(super) struct Provider {
    url: String,
    headers: Headers,
    api_key: Secret,
    fingerprint: String,
}

impl Provider {
    /// The provider of a node, with the base URL and the key of its connection; or the setting that
    /// is missing.
    pub fn new(
        node_type: &str,
        llm: &Llm,
        resolve: impl Fn(&Setting) -> Result<String, String>,
    ) -> Result<Self, String> {
        let url = resolve(&llm.connection.url)?.trim_end_matches('/').to_owned();
        let api_key = Secret::new(resolve(&llm.connection.api_key)?);
        let fingerprint = fingerprint(node_type, llm, &url);
        Ok(Self {
            url: format!("{url}/chat/completions"),
            headers: Headers::json().with_bearer(&api_key),
            api_key,
            fingerprint,
        })
    }

    /// What is asked of the provider, before an input is filled in.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What a provider's refusal says, shortened and without the key.
    fn refusal(&self, response: &Response) -> NodeError {
        let status = response.status;
        // What a provider says to a wrong key repeats a part of it, in a form of its own.
        if matches!(status, 401 | 403) {
            return NodeError::Refused(format!(
                "the provider refused the key with status {status}: check the connection's api_key"
            ));
        }
        let said = std::str::from_utf8(&response.body).ok().and_then(error_message);
        let message = match said {
            Some(said) => {
                let said: String =
                    self.api_key.redact(&said).chars().take(MAX_MESSAGE_CHARS).collect();
                format!("the provider answered with status {status}: {said}")
            }
            None => format!("the provider answered with status {status}"),
        };
        match status {
            400 | 404 => NodeError::Refused(message),
            429 | 503 => NodeError::Busy { message, retry_after: response.retry_after() },
            _ => NodeError::Upstream(message),
        }
    }
}

/// Keywords that Dynamiq's LLM nodes act on. To pass over them would store another call's answer
/// under the key that Python reads.
const ACTED_ON: [&str; 5] =
    ["prompt", "tools", "response_format", "parallel_tool_calls", "tool_choice"];

/// Checks what the node is given.
pub(super) fn validate(
    llm: &Llm,
    input: Value<'_>,
    kwargs: Option<Value<'_>>,
) -> Result<(), NodeError> {
    let acted_on = |name: &&str| kwargs.is_some_and(|kwargs| kwargs.get(name).is_some());
    if let Some(name) = ACTED_ON.into_iter().find(acted_on) {
        return Err(NodeError::Validation(format!(
            "kwargs.{name} is not supported at the edge: put it into the definition"
        )));
    }
    Ok(prompt::check_input(&llm.prompt, input)?)
}

/// Asks the provider.
pub(super) async fn execute(
    llm: &Llm,
    provider: &Provider,
    http: &impl HttpClient,
    execution: Execution<'_>,
) -> Result<String, NodeError> {
    execution.running();
    let body = request_body(llm, &prompt::render_messages(&llm.prompt, execution.input)?);
    let request = Request {
        method: "POST",
        url: &provider.url,
        headers: &provider.headers,
        body: Some(&body),
        deadline: None,
        max_response_bytes: MAX_ANSWER_BYTES,
        wanted: &["retry-after"],
    };
    let response = http.send(request).await.map_err(|error| {
        let message = format!("the provider {error}");
        match error {
            HttpError::Timeout(_) => NodeError::Timeout(message),
            HttpError::Unreachable | HttpError::TooLarge(_) => NodeError::Upstream(message),
        }
    })?;
    if response.status != 200 {
        return Err(provider.refusal(&response));
    }
    let (output, usage) = (std::str::from_utf8(&response.body).ok().and_then(read_output))
        .ok_or_else(|| {
            NodeError::Upstream(
                "the provider's answer is not a chat completion (check the connection's url)"
                    .to_owned(),
            )
        })?;
    execution.used(usage);
    Ok(output)
}

/// What a node asks of a provider, before an input is filled in: another model, prompt, parameter or
/// base URL gives another text. The key of the provider is no part of it.
fn fingerprint(node_type: &str, llm: &Llm, url: &str) -> String {
    let mut messages = String::from("[");
    for message in &llm.prompt.messages {
        if messages.len() > 1 {
            messages.push(',');
        }
        prompt::describe(message, &mut messages);
    }
    messages.push(']');
    let mut text = String::from("{\"type\":");
    write_string(&mut text, node_type);
    text.push_str(",\"url\":");
    write_string(&mut text, url);
    text.push_str(",\"request\":");
    text.push_str(&request_body(llm, &messages));
    text.push('}');
    text
}

/// The body of a request, given its messages as JSON text.
fn request_body(llm: &Llm, messages: &str) -> String {
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

/// Dynamiq's output of a chat completion, `{"content": …}`, and the tokens that it took.
fn read_output(body: &str) -> Option<(String, Usage)> {
    let document = Document::parse(body, Dialect::STRICT).ok()?;
    let root = document.root();
    let Item::Array(mut choices) = root.get("choices")?.item() else { return None };
    let content = choices.next()?.get("message")?.get("content")?;
    if content.as_str().is_none() && !content.is_null() {
        return None;
    }
    let tokens = |name| match root.get("usage")?.get(name)?.item() {
        Item::Integer(text) => text.parse().ok(),
        _ => None,
    };
    let usage = Usage {
        prompt_tokens: tokens("prompt_tokens").unwrap_or_default(),
        completion_tokens: tokens("completion_tokens").unwrap_or_default(),
        total_tokens: tokens("total_tokens").unwrap_or_default(),
    };
    Some((format!("{{\"content\": {}}}", dumps(content, Order::AsWritten)), usage))
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
    use crate::definition::{Connection, Content, Message, Prompt, Role};

    #[test]
    fn the_output_has_the_content_in_python_spelling() {
        let body = r#"{"choices":[{"message":{"role":"assistant","content":"é\/"}}]}"#;
        assert_eq!(read_output(body).unwrap().0, r#"{"content": "\u00e9/"}"#);
        let refusal = r#"{"choices":[{"message":{"content":null}}]}"#;
        assert_eq!(read_output(refusal).unwrap().0, r#"{"content": null}"#);
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
        asked: RefCell<Vec<(String, String, String)>>,
    }

    impl HttpClient for Upstream {
        async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
            let (url, body) = (request.url.to_owned(), request.body.unwrap_or_default().to_owned());
            let headers = request.headers.as_lines().replace('\n', " ");
            self.asked.borrow_mut().push((url, headers, body));
            self.answer.clone()
        }
    }

    const TYPE: &str = "dynamiq.nodes.llms.OpenAI";
    const URL: &str = "https://api.example/v1";

    fn llm() -> Llm {
        Llm {
            model: "gpt".to_owned(),
            connection: Connection {
                api_key: Setting::Text("CANARY".to_owned()),
                url: Setting::Text("https://api.example/v1/".to_owned()),
            },
            prompt: Prompt {
                messages: vec![Message {
                    role: Role::System,
                    content: Content::Text("Say {{ text }}".to_owned()),
                    ..Message::default()
                }],
                required: vec!["text".to_owned()],
            },
            temperature: Some(0.0),
            max_tokens: Some(5),
            top_p: Some(0.5),
            seed: Some(-1),
            stop: Some(vec!["\n".to_owned(), "x".to_owned()]),
        }
    }

    fn execute(upstream: &Upstream) -> Result<String, NodeError> {
        let llm = llm();
        let resolve = |setting: &Setting| setting.resolve(|_| None).map_err(str::to_owned);
        let provider = Provider::new(TYPE, &llm, resolve).unwrap();
        let input = Document::parse(r#"{"text": "hi"}"#, Dialect::STRICT).unwrap();
        let used = std::cell::Cell::default();
        let execution = Execution {
            input: input.root(),
            node_id: "a",
            callbacks: &crate::node::NoCallbacks,
            used: &used,
        };
        block_on(super::execute(&llm, &provider, upstream, execution))
    }

    fn answering(status: u16, body: &str) -> Upstream {
        let answer = Ok(Response { status, body: body.into(), headers: Vec::new() });
        Upstream { answer, asked: RefCell::default() }
    }

    #[test]
    fn the_request_has_what_the_definition_says() {
        let provider = answering(200, r#"{"choices":[{"message":{"content":"ok"}}]}"#);
        assert_eq!(execute(&provider).unwrap(), r#"{"content": "ok"}"#);
        let (url, headers, body) = provider.asked.take().remove(0);
        assert_eq!(url, "https://api.example/v1/chat/completions");
        assert_eq!(headers, "content-type application/json authorization Bearer CANARY ");
        assert_eq!(
            body,
            r#"{"model":"gpt","messages":[{"content":"Say hi","role":"system"}],"temperature":0,"max_tokens":5,"top_p":0.5,"seed":-1,"stop":["\n","x"]}"#
        );
    }

    #[test]
    fn every_change_of_what_is_asked_changes_the_fingerprint() {
        let before = fingerprint(TYPE, &llm(), URL);
        assert_eq!(
            before,
            r#"{"type":"dynamiq.nodes.llms.OpenAI","url":"https://api.example/v1","request":{"model":"gpt","messages":[{"content":"Say {{ text }}","role":"system"}],"temperature":0,"max_tokens":5,"top_p":0.5,"seed":-1,"stop":["\n","x"]}}"#
        );
        let changes: [fn(&mut Llm); 8] = [
            |llm| llm.model.push('x'),
            |llm| llm.prompt.messages[0].content = Content::Text("Say {{ text }}x".to_owned()),
            |llm| llm.prompt.messages[0].role = Role::User,
            |llm| llm.prompt.messages[0].is_static = true,
            |llm| llm.temperature = None,
            |llm| llm.max_tokens = Some(6),
            |llm| llm.seed = Some(1),
            |llm| llm.stop = None,
        ];
        for change in changes {
            let mut llm = llm();
            change(&mut llm);
            assert_ne!(fingerprint(TYPE, &llm, URL), before);
        }
        assert_ne!(fingerprint(TYPE, &llm(), "https://other.example/v1"), before);
        assert_ne!(fingerprint("dynamiq.nodes.llms.Groq", &llm(), URL), before);
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
        let late = execute(&failing(HttpError::Timeout(std::time::Duration::ZERO))).unwrap_err();
        assert_eq!(late.type_name(), "TimeoutError");
        for error in [HttpError::Unreachable, HttpError::TooLarge(1)] {
            assert_eq!(execute(&failing(error)).unwrap_err().type_name(), "UpstreamError");
        }
    }

    #[test]
    fn keywords_that_dynamiq_acts_on_are_refused_by_name() {
        let input = Document::parse(r#"{"text": "hi"}"#, Dialect::STRICT).unwrap();
        let validated = |kwargs: &str| {
            let kwargs = Document::parse(kwargs, Dialect::STRICT).unwrap();
            validate(&llm(), input.root(), Some(kwargs.root()))
        };
        assert_eq!(validated(r#"{"user": 1}"#), Ok(()));
        for name in ["prompt", "tools", "response_format", "parallel_tool_calls", "tool_choice"] {
            let error = validated(&format!(r#"{{"{name}": null}}"#)).unwrap_err();
            assert!(error.to_string().starts_with(&format!("kwargs.{name} is not supported")));
        }
    }
}
