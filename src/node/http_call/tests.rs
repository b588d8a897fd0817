use std::cell::{Cell, RefCell};

use futures_executor::block_on;

use super::*;
use crate::definition::{Method, PayloadType, header_mistake};

fn text(text: &str) -> Template {
    Template(vec![Setting::Text(text.to_owned())])
}

fn secret(name: &str) -> Given {
    let secret = Setting::Env { name: name.to_owned(), default: None };
    Given::Template(Template(vec![Setting::Text("Bearer ".to_owned()), secret]))
}

fn json(text: &str) -> Given {
    Given::Json(text.to_owned())
}

pub(super) fn call() -> HttpCall {
    HttpCall {
        url: Some(text("https://home.example/api?v=1")),
        home: Some(text("https://home.example")),
        method: Method::Get,
        headers: vec![
            ("Authorization".to_owned(), secret("TOKEN")),
            ("accept".to_owned(), json(r#""text/x-own""#)),
        ],
        params: vec![("key".to_owned(), secret("KEY")), ("own".to_owned(), json("[1, 2.0]"))],
        data: Vec::new(),
        payload_type: PayloadType::Raw,
        response_type: None,
        success_codes: vec![200],
        timeout_seconds: 30.0,
        allowed_origins: vec![text("https://other.example:8443")],
        max_response_bytes: 1000,
    }
}

fn target(call: &HttpCall) -> Target {
    let env = |name: &str| Some(format!("CANARY-{name}&"));
    let resolve = |setting: &Setting| setting.resolve(env);
    Target::new("dynamiq.nodes.tools.HttpApiCall", call, resolve).unwrap()
}

/// Answers requests one after the other, and keeps what was asked: a line for each.
struct Servers {
    answers: RefCell<Vec<Response>>,
    asked: RefCell<Vec<String>>,
}

impl HttpClient for Servers {
    async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
        let headers = request.headers.as_lines().trim_end().replace('\n', "|");
        let body = request.body.map_or(String::new(), |body| format!(" [{body}]"));
        let asked = format!("{} {} {headers}{body}", request.method, request.url);
        self.asked.borrow_mut().push(asked);
        let mut answers = self.answers.borrow_mut();
        if answers.is_empty() { Err(HttpError::Unreachable) } else { Ok(answers.remove(0)) }
    }
}

fn ok(body: &str) -> Response {
    Response { status: 200, body: body.into(), headers: Vec::new() }
}

fn redirect(status: u16, location: &str) -> Response {
    let headers = vec![("location", location.to_owned())];
    Response { status, body: Vec::new(), headers }
}

/// What a call gave, and what was asked for it.
fn run(
    call: &HttpCall,
    input: &str,
    answers: Vec<Response>,
) -> (Result<String, NodeError>, Vec<String>) {
    let target = target(call);
    let document = Document::parse(input, Dialect::STRICT).unwrap();
    let servers = Servers { answers: RefCell::new(answers), asked: RefCell::default() };
    let result = validate(call, &target, document.root()).and_then(|input| {
        let document = Document::parse(&input, Dialect::PYTHON).unwrap();
        let used = Cell::default();
        let execution = Execution {
            input: document.root(),
            node_id: "a",
            callbacks: &crate::node::NoCallbacks,
            used: &used,
        };
        block_on(execute(call, &target, &servers, execution))
    });
    (result, servers.asked.take())
}

fn sent(call: &HttpCall, input: &str) -> String {
    let (result, asked) = run(call, input, vec![ok("x")]);
    result.unwrap();
    asked.concat()
}

fn refused(call: &HttpCall, input: &str) -> String {
    let (result, asked) = run(call, input, vec![ok("x")]);
    assert_eq!(asked, [""; 0]);
    match result.unwrap_err() {
        NodeError::Validation(message) => message,
        other => panic!("{other:?}"),
    }
}

/// What the definition's own headers and params are once the environment is known.
const HOME: &str = "GET https://home.example/api?v=1&key=Bearer+CANARY-KEY%26&own=1&own=2.0";
const HEADERS: &str = "user-agent|edgememo|authorization|Bearer CANARY-TOKEN&|accept|text/x-own";

#[test]
fn members_of_the_input_go_over_those_of_the_definition() {
    assert_eq!(sent(&call(), "{}"), format!("{HOME} {HEADERS}"));
    assert_eq!(
        sent(
            &call(),
            r#"{"params":{"own":null,"b":[true,null,"é ~"]},"headers":{"ACCEPT":null,"X-A":"1"}}"#
        ),
        "GET https://home.example/api?v=1&key=Bearer+CANARY-KEY%26&b=True&b=%C3%A9+~ \
         user-agent|edgememo|authorization|Bearer CANARY-TOKEN&|x-a|1"
    );
    assert!(sent(&call(), r#"{"url":"https://HOME.example:443/x"}"#).contains("CANARY"));
}

#[test]
fn data_becomes_a_form_or_json_as_in_python() {
    let mut post = HttpCall { method: Method::Post, ..call() };
    post.headers.clear();
    post.params.clear();
    post.data = vec![("own".to_owned(), secret("KEY")), ("n".to_owned(), json("1.50"))];
    let start = "POST https://home.example/api?v=1 accept|*/*|user-agent|edgememo|content-type|";
    assert_eq!(
        sent(&post, r#"{"data":{"a":[1,null,"x y"],"b":null,"n":1e16}}"#),
        format!(
            "{start}application/x-www-form-urlencoded [own=Bearer+CANARY-KEY%26&n=1e%2B16&a=1&a=x+y]"
        )
    );
    assert_eq!(
        sent(&post, r#"{"payload_type":"json","data":{"é":[1.0,{"b":null}]}}"#),
        format!(
            "{start}application/json [{}]",
            r#"{"own": "Bearer CANARY-KEY&", "n": 1.5, "\u00e9": [1.0, {"b": null}]}"#
        )
    );
    post.data.clear();
    assert_eq!(
        sent(&post, r#"{"payload_type":"json","headers":{"Content-Type":"x/y"}}"#),
        "POST https://home.example/api?v=1 accept|*/*|user-agent|edgememo|content-type|x/y [{}]"
    );
    assert_eq!(
        sent(&post, r#"{"method":"DELETE"}"#),
        "DELETE https://home.example/api?v=1 accept|*/*|user-agent|edgememo"
    );
    // Python sends `{}` with it, which means nothing.
    let get = r#"{"method":"GET","payload_type":"json"}"#;
    assert_eq!(sent(&post, get), "GET https://home.example/api?v=1 accept|*/*|user-agent|edgememo");
}

#[test]
fn what_cannot_be_sent_is_refused_before_the_cache_is_asked() {
    let nested = "params.a: has to be a string, a number, true, false, null or a list of those";
    for (input, message) in [
        (
            r#"{"url":"https://strange.example/"}"#,
            "url: its origin is not among the allowed_origins of the node",
        ),
        (
            r#"{"url":"http://home.example/"}"#,
            "url: its origin is not among the allowed_origins of the node",
        ),
        (
            r#"{"url":"https://home.example:444/"}"#,
            "url: its origin is not among the allowed_origins of the node",
        ),
        (
            r#"{"url":"https://home.example.strange.example/"}"#,
            "url: its origin is not among the allowed_origins of the node",
        ),
        (
            r#"{"url":"https://home.example@strange.example/"}"#,
            "url: may not hold a user name or a password",
        ),
        (
            r#"{"url":"https://strange.example\\@home.example/"}"#,
            "url: may not hold a user name or a password",
        ),
        (r#"{"url":"/x"}"#, "url: has to start with https:// or http://"),
        (r#"{"params":{"a":{}}}"#, nested),
        (r#"{"params":{"a":[[]]}}"#, nested),
        (
            r#"{"params":{"a":"\ud800"}}"#,
            "params: holds half of a surrogate pair, which cannot be sent",
        ),
        (r#"{"headers":{"a":1}}"#, "headers.a: has to be a string or null, not a number"),
        (
            r#"{"headers":{"a":"b\r\nc: d"}}"#,
            "headers.a: has to be one line of ASCII that does not start with a space",
        ),
        (r#"{"headers":{"HOST":"x"}}"#, "headers.HOST: is not for a definition or an input to set"),
        (
            r#"{"headers":{"transfer-encoding":null}}"#,
            "headers.transfer-encoding: is not for a definition or an input to set",
        ),
        (
            r#"{"data":{"a":1}}"#,
            "data: GET carries no data at the edge: use params, or another method",
        ),
        (
            r#"{"data":"{\"a\":NaN}","method":"POST","payload_type":"json"}"#,
            "data: cannot be sent as JSON: NaN and Infinity are not JSON",
        ),
    ] {
        let told = refused(&call(), input);
        assert!(told.starts_with(message), "{told} for {input}");
    }
    let many: Vec<_> = (0..=100).map(|name| format!(r#""x{name}":null"#)).collect();
    let many = format!(r#"{{"headers":{{{}}}}}"#, many.join(","));
    assert_eq!(refused(&call(), &many), "headers: has to have at most 100 members");
    let nowhere = HttpCall { url: None, home: None, ..call() };
    assert_eq!(refused(&nowhere, "{}"), "url: is missing");
}

#[test]
fn another_origin_gets_nothing_of_the_definition() {
    assert_eq!(
        sent(
            &call(),
            r#"{"url":"https://other.example:8443/x","headers":{"x-a":"1"},"params":{"b":1}}"#
        ),
        "GET https://other.example:8443/x?b=1 accept|*/*|user-agent|edgememo|x-a|1"
    );
}

#[test]
fn redirects_within_the_origin_keep_the_headers() {
    let (result, asked) = run(&call(), "{}", vec![redirect(302, "/b?c"), ok("x")]);
    assert_eq!(result.unwrap(), r#"{"content": "x", "status_code": 200}"#);
    assert_eq!(asked[1], format!("GET https://home.example/b?c {HEADERS}"));
}

#[test]
fn redirects_to_another_origin_lose_credentials_for_good() {
    let there = redirect(307, "https://other.example:8443/x");
    let back = redirect(307, "https://home.example/y");
    let input = r#"{"headers":{"X-Token":"of the caller","Accept-Language":"de"}}"#;
    let (result, asked) = run(&call(), input, vec![there, back, ok("x")]);
    result.unwrap();
    assert_eq!(
        asked[1..],
        [
            "GET https://other.example:8443/x user-agent|edgememo|accept-language|de",
            "GET https://home.example/y user-agent|edgememo|accept-language|de",
        ]
    );
}

#[test]
fn redirects_lead_only_where_the_definition_allows() {
    for location in [
        "https://strange.example/",
        "//strange.example/",
        "http://home.example/",
        "https://home.example:8443/",
        "https://home.example@strange.example/",
        "file:///etc/passwd",
        "https://[::1]/",
    ] {
        for status in [301, 302, 303, 307, 308] {
            let (result, asked) = run(&call(), "{}", vec![redirect(status, location), ok("x")]);
            assert!(matches!(result, Err(NodeError::Refused(_))), "{location}: {result:?}");
            assert_eq!(asked.len(), 1);
        }
    }
}

#[test]
fn methods_and_bodies_change_with_redirects_as_in_python() {
    let post = HttpCall { headers: Vec::new(), params: Vec::new(), ..call() };
    for (method, status, after) in [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("PUT", 301, "PUT"),
        ("PUT", 302, "GET"),
        ("DELETE", 303, "GET"),
        ("POST", 307, "POST"),
        ("PATCH", 308, "PATCH"),
    ] {
        let input = format!(r#"{{"method":"{method}","data":{{"a":1}}}}"#);
        let (result, asked) = run(&post, &input, vec![redirect(status, "/x"), ok("x")]);
        result.unwrap();
        let keeps = matches!(status, 307 | 308);
        let body = if keeps { "|content-type|application/x-www-form-urlencoded [a=1]" } else { "" };
        assert_eq!(
            asked[1],
            format!("{after} https://home.example/x accept|*/*|user-agent|edgememo{body}")
        );
    }
}

#[test]
fn data_of_the_definition_is_not_redirected_to_another_origin() {
    let data = vec![("key".to_owned(), secret("KEY"))];
    let post = HttpCall { method: Method::Post, data, ..call() };
    let location = "https://other.example:8443/x";
    let (result, asked) = run(&post, "{}", vec![redirect(307, location), ok("x")]);
    assert!(matches!(result, Err(NodeError::Refused(_))), "{result:?}");
    assert_eq!(asked.len(), 1);
    let (result, asked) = run(&post, "{}", vec![redirect(303, location), ok("x")]);
    assert!(result.is_ok() && !asked[1].contains("CANARY"), "{asked:?}");
}

#[test]
fn redirects_end() {
    let around = |count| {
        let mut answers = vec![redirect(302, "/x"); count];
        answers.push(ok("x"));
        run(&call(), "{}", answers)
    };
    assert!(around(MAX_REDIRECTS).0.is_ok());
    let (result, asked) = around(MAX_REDIRECTS + 1);
    assert!(matches!(result, Err(NodeError::Refused(_))), "{result:?}");
    assert_eq!(asked.len(), MAX_REDIRECTS + 1);
}

#[test]
fn a_redirect_without_a_location_is_an_answer() {
    let answer = Response { status: 302, ..Response::default() };
    let (result, _) = run(&call(), "{}", vec![answer.clone()]);
    assert!(matches!(result, Err(NodeError::Upstream { .. })), "{result:?}");
    let fine = HttpCall { success_codes: vec![302], ..call() };
    assert!(run(&fine, "{}", vec![answer]).0.is_ok());
}

#[test]
fn other_statuses_are_told_apart_and_without_what_the_environment_holds() {
    let said = "no Bearer CANARY-TOKEN& and key=Bearer+CANARY-KEY%26 here";
    for (status, kind) in [
        (201, "Upstream"),
        (400, "Refused"),
        (401, "Refused"),
        (403, "Refused"),
        (404, "Refused"),
        (429, "Busy"),
        (500, "Upstream"),
        (503, "Busy"),
    ] {
        let (result, _) = run(&call(), "{}", vec![Response { status, ..ok(said) }]);
        let error = result.unwrap_err();
        let told = format!("{error:?}");
        assert!(told.starts_with(kind) && !told.contains("CANARY"), "{told}");
        assert!(told.contains(&status.to_string()), "{told}");
    }
    let url =
        Setting::Env { name: "X".to_owned(), default: Some("https://home.example".to_owned()) };
    let with_default = HttpCall { url: Some(Template(vec![url])), ..call() };
    let target = Target::new("x", &with_default, |setting| {
        Ok(setting.resolve(|name| (name != "X").then(|| "CANARY".to_owned())).unwrap())
    });
    let error = target.unwrap().refusal(&Response { status: 500, ..ok("at https://home.example") });
    assert!(error.to_string().ends_with("at https://home.example"), "{error}");
    let long = Response { status: 500, ..ok(&"x".repeat(1000)) };
    assert!(run(&call(), "{}", vec![long]).0.unwrap_err().to_string().len() < 400);
}

#[test]
fn the_fingerprint_is_what_the_definition_says_without_what_the_environment_holds() {
    let fingerprint = |call: &HttpCall| target(call).fingerprint().to_owned();
    let before = fingerprint(&call());
    assert_eq!(
        before,
        r#"{"type":"dynamiq.nodes.tools.HttpApiCall","url":"https://home.example/api?v=1","home":"https://home.example","method":"GET","payload_type":"raw","response_type":"","headers":{"Authorization":"Bearer ${oc.env:TOKEN}","accept":"text/x-own"},"params":{"key":"Bearer ${oc.env:KEY}","own":[1, 2.0]},"data":{},"success_codes":[200]}"#
    );
    let changes: [fn(&mut HttpCall); 9] = [
        |call| call.url = Some(text("https://home.example/x")),
        |call| call.home = Some(text("https://x.example")),
        |call| call.method = Method::Put,
        |call| call.payload_type = PayloadType::Json,
        |call| call.response_type = Some(crate::definition::ResponseType::Raw),
        |call| call.headers.truncate(1),
        |call| call.params.truncate(1),
        |call| call.data.push(("a".to_owned(), json("1"))),
        |call| call.success_codes.push(201),
    ];
    for change in changes {
        let mut call = call();
        change(&mut call);
        assert_ne!(fingerprint(&call), before);
    }
}

#[test]
fn a_header_from_the_environment_is_checked_too_and_not_told() {
    let resolve = |_: &Setting| Ok("CANARY\r\nx: y".to_owned());
    let target = Target::new("x", &call(), resolve).unwrap();
    let call = HttpCall { url: None, home: None, ..call() };
    assert!(header_mistake("a", "CANARY\r\nx: y").is_some());
    let target =
        Target { mistake: None, home: Origin::parse("https://home.example").ok(), ..target };
    let input = Document::parse(r#"{"url":"https://home.example"}"#, Dialect::STRICT).unwrap();
    let error = validate(&call, &target, input.root()).unwrap_err().to_string();
    assert!(error.starts_with("headers.Authorization:") && !error.contains("CANARY"), "{error}");
}

#[test]
fn origins_from_the_environment_are_checked_before_the_cache_is_asked() {
    for origin in ["home.example", "https://u:CANARY@home.example", "https://home.example/x"] {
        let resolve = |_: &Setting| Ok(origin.to_owned());
        let target = Target::new("x", &call(), resolve).unwrap();
        let input = Document::parse("{}", Dialect::STRICT).unwrap();
        let error = validate(&call(), &target, input.root()).unwrap_err();
        assert!(matches!(error, NodeError::Refused(_)), "{error:?}");
        assert!(!error.to_string().contains("CANARY"), "{error}");
    }
}

#[test]
fn what_a_server_says_is_passed_on_without_what_the_environment_holds() {
    let said = |env: fn(&str) -> String, body: &str| {
        let resolve = |setting: &Setting| setting.resolve(|n| Some(env(n)));
        let target = Target::new("dynamiq.nodes.tools.HttpApiCall", &call(), resolve).unwrap();
        let response = Response { status: 500, body: body.into(), headers: Vec::new() };
        target.refusal(&response).to_string()
    };
    let odd = |name: &str| format!("CA\"NARY {name}");
    for body in [r#"no: CA"NARY TOKEN"#, r#"{"key":"CA\"NARY KEY"}"#, "q=CA%22NARY+KEY&x"] {
        let message = said(odd, body);
        assert!(message.contains("[redacted]") && !message.contains("NARY"), "{message}");
    }
    // Half of a secret at the end of what is looked at, which redaction brings forward.
    let long = |name: &str| format!("CANARY-{name}-{}", "x".repeat(500));
    for filling in 4_000..4_700 {
        let body =
            format!("{} {}{}", long("KEY").repeat(8), "y".repeat(filling - 4_000), long("KEY"));
        assert!(!said(long, &format!("{body} z")).contains("CANARY"), "{filling}");
    }
    assert!(said(|_| "e".to_owned(), "there is an error").ends_with("there is an error"));
    assert!(said(odd, &"word ".repeat(100_000)).len() < 400);
}
