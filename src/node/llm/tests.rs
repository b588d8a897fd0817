use std::cell::RefCell;

use futures_executor::block_on;

use super::*;
use crate::ai::AiError;
use crate::definition::{Content, Message, Prompt, Role};
use crate::http::{HttpError, Request, Response};

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

impl Ai for Upstream {
    async fn run(&self, binding: &str, model: &str, inputs: &str) -> Result<String, AiError> {
        self.asked.borrow_mut().push((binding.to_owned(), model.to_owned(), inputs.to_owned()));
        match &self.answer {
            Ok(response) => Ok(String::from_utf8(response.body.clone()).unwrap()),
            Err(_) => Err(AiError::Unbound),
        }
    }
}

fn parameters(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const TYPE: &str = "dynamiq.nodes.llms.OpenAI";
const URL: &str = "https://api.example/v1";

fn llm() -> Llm {
    Llm {
        model: "gpt".to_owned(),
        wire: Wire::ChatCompletions,
        connection: Connection::Api(Api {
            api_key: Some(Setting::Text("CANARY".to_owned())),
            url: Setting::Text("https://api.example/v1/".to_owned()),
            api_version: None,
        }),
        prompt: Prompt {
            messages: vec![Message {
                role: Role::System,
                content: Content::Text("Say {{ text }}".to_owned()),
                ..Message::default()
            }],
            required: vec!["text".to_owned()],
        },
        parameters: parameters(&[
            ("temperature", "0"),
            ("max_tokens", "5"),
            ("seed", "-1"),
            ("stop", r#"["\n", "x"]"#),
        ]),
        fallback: None,
    }
}

fn execute(upstream: &Upstream) -> Result<String, NodeError> {
    execute_with(&llm(), upstream)
}

fn execute_with(llm: &Llm, upstream: &Upstream) -> Result<String, NodeError> {
    let provider = Provider::new(TYPE, llm, &|_| None).unwrap();
    let input = Document::parse(r#"{"text": "hi"}"#, Dialect::STRICT).unwrap();
    let used = std::cell::Cell::default();
    let execution = Execution {
        input: input.root(),
        node_id: "a",
        callbacks: &crate::node::NoCallbacks,
        used: &used,
    };
    block_on(super::execute(llm, &provider, upstream, execution))
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
        r#"{"model":"gpt","messages":[{"content":"Say hi","role":"system"}],"temperature":0,"max_tokens":5,"seed":-1,"stop":["\n", "x"]}"#
    );
}

#[test]
fn every_change_of_what_is_asked_changes_the_fingerprint() {
    let before = fingerprint(TYPE, &llm(), Some(URL));
    assert_eq!(
        before,
        r#"{"type":"dynamiq.nodes.llms.OpenAI","url":"https://api.example/v1","request":{"model":"gpt","messages":[{"content":"Say {{ text }}","role":"system"}],"temperature":0,"max_tokens":5,"seed":-1,"stop":["\n", "x"]}}"#
    );
    let changes: [fn(&mut Llm); 8] = [
        |llm| llm.model.push('x'),
        |llm| llm.prompt.messages[0].content = Content::Text("Say {{ text }}x".to_owned()),
        |llm| llm.prompt.messages[0].role = Role::User,
        |llm| llm.prompt.messages[0].is_static = true,
        |llm| llm.parameters.truncate(3),
        |llm| llm.parameters.push(("tools".to_owned(), "[]".to_owned())),
        |llm| llm.parameters.swap(0, 1),
        |llm| llm.parameters[0].1.push('1'),
    ];
    for change in changes {
        let mut llm = llm();
        change(&mut llm);
        assert_ne!(fingerprint(TYPE, &llm, Some(URL)), before);
    }
    assert_ne!(fingerprint(TYPE, &llm(), Some("https://other.example/v1")), before);
    assert_ne!(fingerprint("dynamiq.nodes.llms.Groq", &llm(), Some(URL)), before);
}

#[test]
fn failures_of_the_provider_are_told_apart_and_never_with_the_key() {
    let refusal = r#"{"error":{"message":"no CANARY here"}}"#;
    let redacted =
        |status| format!("the provider answered with status {status}: no [redacted] here");
    let wrong_key = |status| {
        format!("the provider refused the key with status {status}: check the connection's api_key")
    };
    let busy = |status| NodeError::Busy { message: redacted(status), retry_after: None, status };
    let failed = |status| NodeError::Upstream { message: redacted(status), status: Some(status) };
    for (status, error) in [
        (400, NodeError::Refused(redacted(400))),
        (401, NodeError::Refused(wrong_key(401))),
        (403, NodeError::Refused(wrong_key(403))),
        (404, NodeError::Refused(redacted(404))),
        (302, failed(302)),
        (500, failed(500)),
        (422, NodeError::Refused(redacted(422))),
        (429, busy(429)),
        (503, busy(503)),
        (529, busy(529)),
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

#[test]
fn a_fallback_takes_over_after_the_failures_that_its_triggers_name() {
    use FallbackTrigger::{Any, Connection, RateLimit};
    let none = String::new;
    let busy = |status| NodeError::Busy { message: none(), retry_after: None, status };
    for (error, rate_limit, connection, any) in [
        (busy(429), true, false, true),
        (busy(503), false, true, true),
        (NodeError::upstream(none()), false, true, true),
        (NodeError::Timeout(none()), false, true, true),
        (NodeError::Refused(none()), false, false, true),
        (NodeError::Validation(none()), false, false, false),
        (NodeError::Transform(none()), false, false, false),
    ] {
        let after = |trigger| is_trigger(&[trigger], &error);
        let found = (after(RateLimit), after(Connection), after(Any));
        assert_eq!(found, (rate_limit, connection, any), "{error:?}");
        assert_eq!(is_trigger(&[RateLimit, Connection], &error), rate_limit || connection);
        assert!(!is_trigger(&[], &error));
    }
}

#[test]
fn keys_in_headers_of_their_own_are_kept_as_well() {
    for (wire, header) in [(Wire::Anthropic, "x-api-key CANARY"), (Wire::Azure, "api-key CANARY")] {
        let upstream = answering(500, r#"{"error":"no CANARY here"}"#);
        let error = execute_with(&Llm { wire, ..llm() }, &upstream).unwrap_err();
        assert_eq!(error.to_string(), "the provider answered with status 500: no [redacted] here");
        let (_, headers, _) = upstream.asked.take().remove(0);
        assert!(headers.contains(header) && !headers.contains("authorization"), "{headers}");
    }
}

#[test]
fn a_binding_is_asked_without_an_address() {
    let llm =
        Llm { wire: Wire::WorkersAi, connection: Connection::Binding("AI".to_owned()), ..llm() };
    let upstream = answering(200, r#"{"response":"ok"}"#);
    assert_eq!(execute_with(&llm, &upstream).unwrap(), r#"{"content": "ok"}"#);
    let (binding, model, inputs) = upstream.asked.take().remove(0);
    assert_eq!((binding.as_str(), model.as_str()), ("AI", "gpt"));
    assert!(inputs.starts_with(r#"{"messages":[{"content":"Say hi","role":"system"}],"temp"#));
    let unbound = Upstream { answer: Err(HttpError::Unreachable), asked: RefCell::default() };
    assert!(matches!(execute_with(&llm, &unbound), Err(NodeError::Refused(_))));
    assert!(fingerprint("t", &llm, None).starts_with(r#"{"type":"t","request":{"model":"gpt","#));
}

/// What is sent of these messages.
fn sent(llm: &Llm, messages: &str) -> String {
    chat::messages(llm, messages.to_owned()).unwrap()
}

#[test]
fn what_a_message_lacks_for_a_provider_is_put_in() {
    let plain = r#"[{"content":" ","role":"user"},{"content":"So","role":"assistant"}]"#;
    assert_eq!(sent(&llm(), plain), plain);
    let mistral = Llm { wire: Wire::Mistral, ..llm() };
    assert_eq!(
        sent(&mistral, plain),
        r#"[{"content":" ","role":"user"},{"content":"So","role":"assistant","prefix":true}]"#
    );
    assert_eq!(
        sent(&mistral, r#"[{"content":"x","role":"user"}]"#),
        r#"[{"content":"x","role":"user"}]"#
    );
    let tooled = Llm { parameters: parameters(&[("tools", "[{}]")]), ..llm() };
    assert_eq!(
        sent(
            &tooled,
            r#"[{"content":"","role":"system"},{"content":"\n","role":"user","name":"n"}]"#
        ),
        r#"[{"content":"","role":"system"},{"content":"[System: Empty message content sanitised to satisfy protocol]","role":"user","name":"n"}]"#
    );
    let answered = r#"[{"content":"x","role":"tool","tool_call_id":"c"}]"#.to_owned();
    assert!(matches!(chat::messages(&tooled, answered), Err(NodeError::Validation(_))));
}
