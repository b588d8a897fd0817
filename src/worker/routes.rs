//! Which request does what.

use std::borrow::Cow;
use std::rc::Rc;

use percent_encoding::percent_decode_str;
use worker::{Context, console_log};

use super::call::call;
use super::fetch;
use super::glue;
use super::response::Answer;
use super::settings::{self, App, DeployedNode};
use super::timer::JsTimer;
use crate::api::auth::{Caller, Credentials, authenticate};
use crate::api::cache_status::cache_status;
use crate::api::problem::{Code, Problem};
use crate::api::request::RunRequest;
use crate::api::result::{self, RunnableResult};
use crate::cache::WriteOutcome;
use crate::json::{Dialect, Document, write_string};
use crate::node::{Event, Finished, NoCallbacks, NodeError, OpenAi, Run, Trace, run};

/// What a path stands for.
enum Route<'p> {
    Health,
    Nodes,
    RunNode(Cow<'p, str>),
}

impl<'p> Route<'p> {
    fn of(path: &'p str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let first = (segments.next()?, segments.next(), segments.next(), segments.next());
        match (first, segments.next()) {
            (("healthz", None, None, None), None) => Some(Self::Health),
            (("v1", Some("nodes"), None, None), None) => Some(Self::Nodes),
            (("v1", Some("nodes"), Some(id), Some("run")), None) => {
                Some(Self::RunNode(percent_decode_str(id).decode_utf8().ok()?))
            }
            _ => None,
        }
    }

    fn allow(&self) -> &'static str {
        match self {
            Self::Health | Self::Nodes => "GET, HEAD",
            Self::RunNode(_) => "POST",
        }
    }
}

/// What a request shows before its body is read.
struct Head<'h> {
    method: &'h str,
    /// Scheme and authority of the URL.
    url_origin: &'h str,
    path: &'h str,
    /// The header `Origin`.
    page_origin: Option<&'h str>,
    /// The API key.
    key: Option<&'h str>,
    /// A UUID, in case that it becomes a run.
    run_id: &'h str,
}

impl<'h> Head<'h> {
    /// Reads the lines that `describe` in entry.js writes.
    fn parse(description: &'h str) -> Self {
        let mut lines = description.split('\n');
        let mut line = || lines.next().unwrap_or_default();
        let (method, (url_origin, path)) = (line(), split_url(line()));
        let present = |line: &'h str| Some(line).filter(|line| !line.is_empty());
        let page_origin = present(line());
        // The first of these that is there: with pass-through, the others are the provider's.
        let (own, api, authorization) = (present(line()), present(line()), line());
        let key = own.or(api).or_else(|| bearer(authorization));
        Self { method, url_origin, path, page_origin, key, run_id: line() }
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Scheme and authority, and the path.
fn split_url(url: &str) -> (&str, &str) {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    let path = url.get(authority..).and_then(|rest| rest.find('/')).map(|at| authority + at);
    path.and_then(|path| url.split_at_checked(path)).unwrap_or((url, "/"))
}

/// Answers any request.
pub(super) async fn handle(head: &str, body: Option<Vec<u8>>, event: &glue::Event) -> Answer {
    let head = Head::parse(head);
    let answer = route(body, &head, event).await.unwrap_or_else(Answer::from);
    // What a run gives is the caller's alone.
    let private = head.path.starts_with("/v1");
    if private { answer.with_header("cache-control", "private, no-store") } else { answer }
}

async fn route(
    body: Option<Vec<u8>>,
    head: &Head<'_>,
    event: &glue::Event,
) -> Result<Answer, Problem> {
    let Some(route) = Route::of(head.path) else {
        let detail = "this path is not part of the API; runs are POST /v1/nodes/{id}/run";
        return Err(Problem::new(Code::NotFound, detail));
    };
    if !route.allow().split(", ").any(|allowed| allowed == head.method) {
        let detail = format!("use {}", route.allow());
        let problem = Problem::new(Code::MethodNotAllowed, detail);
        return Ok(Answer::from(problem).with_header("allow", route.allow()));
    }
    let id = match route {
        Route::Health => return Ok(Answer::json(200, "{\"status\":\"ok\"}".to_owned())),
        Route::Nodes => None,
        Route::RunNode(id) => Some(id),
    };
    let app = settings::app(|| event.env())?;
    let credentials =
        Credentials { key: head.key, url_origin: head.url_origin, origin: head.page_origin };
    let caller = match authenticate(app.api_keys.as_ref(), app.insecure, credentials) {
        Ok(caller) => caller,
        Err(problem) if problem.code == Code::Unauthenticated => {
            return Ok(Answer::from(problem).with_header("www-authenticate", "Bearer"));
        }
        Err(problem) => return Err(problem),
    };
    let Some(id) = id else { return Ok(Answer::json(200, list_nodes(&app))) };
    let Some(node) = app.nodes.iter().find(|node| node.definition.id == id) else {
        let detail = "no node of this id is deployed; GET /v1/nodes lists them";
        return Err(Problem::new(Code::NodeNotFound, detail));
    };
    let body = read_body(&app, event, body).await?;
    run_node(&app, caller, node, head.run_id, &body, event).await
}

/// The body, which may have been read already.
async fn read_body(
    app: &App,
    event: &glue::Event,
    read: Option<Vec<u8>>,
) -> Result<String, Problem> {
    let limit = app.max_body_bytes;
    let too_large = || {
        let detail = format!("the limit is {limit} bytes (setting MAX_BODY_BYTES)");
        Problem::new(Code::BodyTooLarge, detail)
    };
    let bytes = match read {
        Some(bytes) if bytes.len() > limit => return Err(too_large()),
        Some(bytes) => bytes,
        None => match call(|done, call| {
            glue::read_body(&event.request(), limit, done, call);
        })
        .await
        {
            (0, _) => {
                let detail = "the body ended early; send it again";
                return Err(Problem::new(Code::BodyUnreadable, detail));
            }
            (_, body) => fetch::bytes(body).ok_or_else(too_large)?,
        },
    };
    String::from_utf8(bytes).map_err(|_| Problem::new(Code::InvalidJson, "the body is not UTF-8"))
}

/// Runs a node:
///
/// 1. the body is parsed;
/// 2. its fields are checked, which gives a failed result when they are wrong;
/// 3. the caller has to cover the namespace;
/// 4. the provider has to have a key;
/// 5. the node is run;
/// 6. response first, then the write and the log line.
async fn run_node(
    app: &Rc<App>,
    caller: Caller<'_>,
    node: &DeployedNode,
    run_id: &str,
    body: &str,
    event: &glue::Event,
) -> Result<Answer, Problem> {
    // 1.
    let document = Document::parse(body, Dialect::STRICT)
        .map_err(|error| Problem::new(Code::InvalidJson, error.to_string()))?;
    // 2.
    let request = match RunRequest::parse(document.root(), &app.cache_defaults) {
        Ok(request) => request,
        Err(error) => {
            let input = document.root().get("input").map_or("null", |input| input.raw());
            let finished = Finished::refused(NodeError::Validation(error.to_string()));
            log_run(run_id, &node.definition.id, caller.id(), &finished, None);
            return Ok(answer(run_id, input, &finished, None, caller));
        }
    };
    // 3.
    if let Some(cache) = &request.cache {
        caller.check_namespace(cache.namespace.as_deref())?;
    }
    // 4.
    let provider = node.provider.as_ref().map_err(|variable| {
        let detail = format!(
            "set {variable} (`wrangler secret put {variable}`, or .dev.vars for local work)"
        );
        Problem::new(Code::ProviderKeyMissing, detail)
    })?;
    // 5.
    let llm = OpenAi::new(&node.definition, provider, &app.http);
    let given = Run { input: request.input, kwargs: request.kwargs, cache: request.cache.as_ref() };
    let (mut finished, events) = if request.trace {
        let trace = Trace::new();
        let finished = run(&llm, given, &app.cache, &trace, &JsTimer).await;
        (finished, Some(trace.into_events()))
    } else {
        (run(&llm, given, &app.cache, &NoCallbacks, &JsTimer).await, None)
    };
    // 6.
    let answer = answer(run_id, request.input.raw(), &finished, events.as_deref(), caller);
    match finished.write.take() {
        None => log_run(run_id, &node.definition.id, caller.id(), &finished, None),
        Some(entry) => {
            let (app, caller) = (Rc::clone(app), caller.id().to_owned());
            let run_id = run_id.to_owned();
            let node_id = node.definition.id.clone();
            Context::new(event.ctx()).wait_until(async move {
                let outcome = app.cache.store(&entry).await;
                log_run(&run_id, &node_id, &caller, &finished, Some(outcome));
            });
        }
    }
    Ok(answer)
}

fn answer(
    run_id: &str,
    input: &str,
    finished: &Finished,
    trace: Option<&[Event]>,
    caller: Caller<'_>,
) -> Answer {
    let body = RunnableResult { run_id, input, finished, trace }.to_json();
    let answer = Answer::json(result::status(&finished.result), body);
    let value = cache_status(&finished.cache, caller.is_authenticated());
    let answer = answer.with_header("cache-status", &value);
    let answer = match finished.cache.age() {
        Some(seconds) => answer.with_header("age", &seconds.to_string()),
        None => answer,
    };
    let mut timings = String::new();
    for (name, ms) in [("cache", finished.lookup_ms), ("execute", finished.execute_ms)] {
        let Some(ms) = ms else { continue };
        if !timings.is_empty() {
            timings.push_str(", ");
        }
        timings.push_str(name);
        timings.push_str(";dur=");
        timings.push_str(&ms.to_string());
    }
    if timings.is_empty() { answer } else { answer.with_header("server-timing", &timings) }
}

/// One structured line per run, with nothing of what was said in it.
fn log_run(
    run_id: &str,
    node_id: &str,
    caller: &str,
    finished: &Finished,
    write: Option<WriteOutcome>,
) {
    let mut line = String::with_capacity(256);
    line.push_str("{\"event\":\"run\",\"run_id\":\"");
    line.push_str(run_id);
    // The only two texts that could hold anything.
    line.push_str("\",\"node\":");
    write_string(&mut line, node_id);
    line.push_str(",\"caller\":");
    write_string(&mut line, caller);
    for (name, value) in [
        ("error", finished.result.as_ref().err().map(NodeError::type_name)),
        ("cache", Some(finished.cache.status())),
        ("reason", finished.cache.reason()),
        ("write", write.map(WriteOutcome::as_str)),
    ] {
        let quote = if value.is_some() { "\"" } else { "" };
        for part in [",\"", name, "\":", quote, value.unwrap_or("null"), quote] {
            line.push_str(part);
        }
    }
    for (name, ms) in [("lookup_ms", finished.lookup_ms), ("execute_ms", finished.execute_ms)] {
        if let Some(ms) = ms {
            line.push_str(&format!(",\"{name}\":{ms}"));
        }
    }
    line.push('}');
    console_log!("{line}");
}

/// `{"nodes": […]}`: what can be run and with which variables.
fn list_nodes(app: &App) -> String {
    let mut out = String::from("{\"nodes\":[");
    for (index, DeployedNode { definition, .. }) in app.nodes.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str("{\"id\":");
        write_string(&mut out, &definition.id);
        out.push_str(",\"name\":");
        match &definition.name {
            Some(name) => write_string(&mut out, name),
            None => out.push_str("null"),
        }
        out.push_str(",\"type\":");
        write_string(&mut out, &definition.node_type);
        out.push_str(",\"model\":");
        write_string(&mut out, &definition.llm.model);
        out.push_str(",\"input\":[");
        for (index, name) in definition.llm.prompt.required.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_string(&mut out, name);
        }
        out.push_str("],\"caching\":");
        out.push_str(if definition.caching.enabled { "true" } else { "false" });
        out.push_str(",\"key\":");
        write_string(&mut out, definition.caching.key.as_str());
        out.push('}');
    }
    out.push_str("]}");
    out
}
