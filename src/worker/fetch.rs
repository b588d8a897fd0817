//! HTTP over Workers' fetch, with a deadline and a limit on what is read.

use std::cell::RefCell;
use std::time::Duration;

use worker::js_sys::{self, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};

use super::call::call;
use super::glue;
use crate::http::{Headers, HttpClient, HttpError, Request, Response};

/// Sends requests to the internet, to a Durable Object or to a service.
#[derive(Debug)]
pub(super) struct Fetch {
    to: JsValue,
    /// Whether what took too long is always ended at once, and not left to itself for a while where
    /// that is cheaper.
    hangs_up: bool,
    /// What fetch is told of HTTP caches.
    cache: Option<&'static str>,
    /// The latest, the last of them first: most requests differ from an earlier one in nothing but
    /// their URLs and bodies.
    targets: RefCell<Vec<Target>>,
}

/// How many targets are kept: of lookups, of writes, and a few more.
const TARGETS: usize = 4;

/// What requests may have in common.
#[derive(Debug)]
struct Target {
    method: String,
    headers: Headers,
    /// As JavaScript knows it.
    prepared: JsValue,
}

impl Fetch {
    /// To a Redis on the internet: no HTTP cache answers in its place, whatever a rule for its zone says.
    pub fn redis() -> Self {
        Self { cache: Some("no-store"), ..Self::bound(js_sys::global()) }
    }

    /// To providers on the internet. One request after the other may take too long.
    pub fn providers() -> Self {
        Self { hangs_up: true, ..Self::bound(js_sys::global()) }
    }

    /// To whatever has a method `fetch`.
    pub fn bound(fetcher: impl Into<JsValue>) -> Self {
        Self { to: fetcher.into(), hangs_up: false, cache: None, targets: RefCell::default() }
    }

    fn prepare(&self, method: &str, headers: &Headers) -> JsValue {
        let mut targets = self.targets.borrow_mut();
        let same = |target: &Target| target.method == method && target.headers == *headers;
        if let Some(place) = targets.iter().position(same) {
            targets.swap(0, place);
        } else {
            let prepared = glue::prepare(&self.to, method, headers.as_lines(), self.cache);
            let (method, headers) = (method.to_owned(), headers.clone());
            targets.truncate(TARGETS - 1);
            targets.insert(0, Target { method, headers, prepared });
        }
        targets.first().map_or(JsValue::UNDEFINED, |target| target.prepared.clone())
    }
}

impl HttpClient for Fetch {
    fn send(&self, request: Request<'_>) -> impl Future<Output = Result<Response, HttpError>> {
        let Request { method, url, headers, body, deadline, wanted, is_lossy, .. } = request;
        let limit = request.max_response_bytes;
        let deadline_ms = deadline.map(milliseconds);
        let target = self.prepare(method, headers);
        let names = (!wanted.is_empty()).then(|| wanted.join("\n"));
        let start = |done: &_, call| {
            glue::send(
                &target,
                url,
                body.map(str::as_bytes),
                deadline_ms,
                self.hangs_up,
                limit,
                names.as_deref(),
                is_lossy,
                done,
                call,
            );
        };
        let called = call(start);
        async move {
            let (status, body) = called.await;
            if status == 0 {
                return Err(classify(&body, deadline.unwrap_or_default()));
            }
            let headers = wanted_headers(wanted, &body);
            let body = bytes(body).ok_or(HttpError::TooLarge(limit))?;
            Ok(Response { status, body, headers })
        }
    }
}

/// What glue.js notes at a body: the values of the wanted headers, a line each.
fn wanted_headers(wanted: &[&'static str], body: &JsValue) -> Vec<(&'static str, String)> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let values = js_sys::Reflect::get(body, &JsValue::from_str("wanted")).ok();
    let values = values.and_then(|values| values.as_string()).unwrap_or_default();
    let pairs = wanted.iter().copied().zip(values.split('\n').map(str::to_owned));
    pairs.filter(|(_, value)| !value.is_empty()).collect()
}

/// What the name of an error means. Its text stays where it is: it may hold the URL.
fn classify(name: &JsValue, deadline: Duration) -> HttpError {
    match name.as_string().as_deref() {
        Some("TimeoutError" | "AbortError") => HttpError::Timeout(deadline),
        _ => HttpError::Unreachable,
    }
}

/// The bytes of a body that was read, as text or as bytes; None when it was over the limit.
pub(super) fn bytes(body: JsValue) -> Option<Vec<u8>> {
    if let Some(text) = body.as_string() {
        return Some(text.into_bytes());
    }
    body.dyn_into::<Uint8Array>().ok().map(|bytes| bytes.to_vec())
}

/// A deadline as JavaScript takes it.
pub(super) fn milliseconds(deadline: Duration) -> u32 {
    u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX)
}
