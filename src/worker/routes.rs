//! Which request does what.

use std::borrow::Cow;

use futures_util::FutureExt;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::call::call;
use super::fetch;
use super::glue;
use super::response::Answer;
use super::run_ids;
use super::runs::{self, Runnable};
use super::settings::{self, App};
use super::timer::JsTimer;
use crate::api::auth::{Caller, Credentials, authenticate};
use crate::api::listing;
use crate::api::problem::{Code, Problem};
use crate::api::readiness;

/// What a path stands for.
enum Route<'p> {
    Health,
    Ready,
    Nodes,
    Workflows,
    RunNode(Cow<'p, str>),
    RunWorkflow(Cow<'p, str>),
}

impl<'p> Route<'p> {
    fn of(path: &'p str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let first = (segments.next()?, segments.next(), segments.next(), segments.next());
        match (first, segments.next()) {
            (("healthz", None, None, None), None) => Some(Self::Health),
            (("readyz", None, None, None), None) => Some(Self::Ready),
            (("v1", Some("nodes"), None, None), None) => Some(Self::Nodes),
            (("v1", Some("workflows"), None, None), None) => Some(Self::Workflows),
            (("v1", Some(what), Some(id), Some("run")), None) => {
                let id = percent_decode_str(id).decode_utf8().ok()?;
                match what {
                    "nodes" => Some(Self::RunNode(id)),
                    "workflows" => Some(Self::RunWorkflow(id)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The methods that it takes.
    fn allow(&self) -> &'static [&'static str] {
        match self {
            Self::Health | Self::Ready | Self::Nodes | Self::Workflows => &["GET", "HEAD"],
            Self::RunNode(_) | Self::RunWorkflow(_) => &["POST"],
        }
    }
}

/// What a request shows before its body is read.
struct Head<'h> {
    method: &'h str,
    /// Scheme and authority of the URL.
    url_origin: &'h str,
    path: &'h str,
    /// The API key.
    key: Option<&'h str>,
}

impl<'h> Head<'h> {
    /// Reads the lines that `describe` in entry.js writes.
    fn parse(description: &'h str) -> Self {
        let mut rest = description;
        let mut line = || {
            let (line, after) = split_once(rest, b'\n').unwrap_or((rest, ""));
            rest = after;
            line
        };
        let (method, (url_origin, path)) = (line(), split_url(line()));
        let (key, authorization) = (line(), line());
        let key = if key.is_empty() { bearer(authorization) } else { Some(key) };
        Self { method, url_origin, path, key }
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = split_once(authorization, b' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Scheme and authority, and the path.
fn split_url(url: &str) -> (&str, &str) {
    let end = url.bytes().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(url.len());
    let url = url.get(..end).unwrap_or_default();
    let authority = find(url, b':').map_or(0, |colon| colon + "://".len());
    let path = url.get(authority..).and_then(|rest| find(rest, b'/')).map(|at| authority + at);
    path.and_then(|path| url.split_at_checked(path)).unwrap_or((url, "/"))
}

/// Where an ASCII character is. For texts as short as these, `str::find` takes longer to get going.
#[inline(never)]
fn find(text: &str, ascii: u8) -> Option<usize> {
    text.bytes().position(|byte| byte == ascii)
}

fn split_once(text: &str, ascii: u8) -> Option<(&str, &str)> {
    let at = find(text, ascii)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Answers any request.
pub(super) async fn handle(head: &str, body: Option<Vec<u8>>, event: &glue::Event) -> Answer {
    let head = Head::parse(head);
    let mut answer = route(body, &head, event).await.unwrap_or_else(Answer::from);
    // What a run gives is the caller's alone, and who asks whether Redis answers means now.
    if head.path.starts_with("/v1") || head.path == "/readyz" {
        answer.add_header("cache-control", "private, no-store");
    }
    answer
}

/// What is not a run, or is not yet known to be one, is beside the future or in a box: there it takes no
/// room among what a hit runs.
async fn route(
    body: Option<Vec<u8>>,
    head: &Head<'_>,
    event: &glue::Event,
) -> Result<Answer, Problem> {
    let route = match find_route(head) {
        // Asked by who has no key.
        Ok(Route::Health) => return Ok(health()),
        Ok(route) => route,
        Err(answer) => return Ok(answer),
    };
    let app = settings::app(|| event.env())?;
    let caller = match authenticate_caller(&app, head, event) {
        Ok(caller) => caller,
        Err(answer) => return Ok(answer),
    };
    let runnable = match route {
        Route::Health => return Ok(health()),
        Route::Ready => return Ok(ready(&app).boxed_local().await),
        Route::Nodes => return Ok(Answer::json(200, listing::nodes(&app.definitions))),
        Route::Workflows => return Ok(Answer::json(200, listing::workflows(&app.definitions))),
        Route::RunNode(id) => Runnable::node(&app, &id)?,
        Route::RunWorkflow(id) => Runnable::workflow(&app, &id)?,
    };
    let body = match body {
        Some(body) => body,
        None => read_body(&app, event).boxed_local().await?,
    };
    if body.len() > app.max_body_bytes {
        return Err(too_large(&app));
    }
    let Ok(body) = String::from_utf8(body) else {
        return Err(Problem::new(Code::InvalidJson, "the body is not UTF-8"));
    };
    let mut buffer = Uuid::encode_buffer();
    let run_id = run_ids::next().hyphenated().encode_lower(&mut buffer);
    runs::run(&app, caller, runnable, run_id, &body, event).await
}

/// What is asked for; or the answer, when there is no such thing.
#[inline(never)]
fn find_route<'h>(head: &Head<'h>) -> Result<Route<'h>, Answer> {
    let Some(route) = Route::of(head.path) else {
        let detail = "this path is not part of the API; runs are \
                      POST /v1/nodes/{id}/run and POST /v1/workflows/{id}/run";
        return Err(Problem::new(Code::NotFound, detail).into());
    };
    if !route.allow().contains(&head.method) {
        let allow = route.allow().join(", ");
        let problem = Problem::new(Code::MethodNotAllowed, format!("use {allow}"));
        let mut answer = Answer::from(problem);
        answer.add_header("allow", allow);
        return Err(answer);
    }
    Ok(route)
}

/// Who asks; or the answer, when that is nobody who may.
#[inline(never)]
fn authenticate_caller<'a>(
    app: &'a App,
    head: &Head<'_>,
    event: &glue::Event,
) -> Result<Caller<'a>, Answer> {
    // Nobody else asks for it.
    let origin = if app.insecure { glue::origin_of(event) } else { None };
    let credentials =
        Credentials { key: head.key, url_origin: head.url_origin, origin: origin.as_deref() };
    authenticate(app.api_keys.as_ref(), app.insecure, credentials).map_err(|problem| {
        let is_unauthenticated = problem.code == Code::Unauthenticated;
        let mut answer = Answer::from(problem);
        if is_unauthenticated {
            answer.add_header("www-authenticate", "Bearer");
        }
        answer
    })
}

fn health() -> Answer {
    Answer::json(200, "{\"status\":\"ok\"}".to_owned())
}

async fn ready(app: &App) -> Answer {
    let ping = app.health.ask(&app.cache, &JsTimer).await;
    let transport = app.cache.redis().transport();
    Answer::json(readiness::status(ping), readiness::to_json(transport, ping, app.cache.breaker()))
}

/// The body, when it has not been read already.
async fn read_body(app: &App, event: &glue::Event) -> Result<Vec<u8>, Problem> {
    let request = event.request();
    let read = call(|done, call| glue::read_body(&request, app.max_body_bytes, done, call)).await;
    match read {
        (0, _) => {
            let detail = "the body ended early; send it again";
            Err(Problem::new(Code::BodyUnreadable, detail))
        }
        (_, body) => fetch::bytes(body).ok_or_else(|| too_large(app)),
    }
}

#[cold]
fn too_large(app: &App) -> Problem {
    let limit = app.max_body_bytes;
    let detail = format!("the limit is {limit} bytes (setting MAX_BODY_BYTES)");
    Problem::new(Code::BodyTooLarge, detail)
}
