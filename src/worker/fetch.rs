//! HTTP over Workers' fetch, with a deadline and a limit on what is read.

use std::time::Duration;

use worker::js_sys::{self, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};

use super::call::call;
use super::glue;
use crate::http::{HttpClient, HttpError, Request, Response};

/// Sends requests to the internet, to a Durable Object or to a service.
#[derive(Debug)]
pub(super) struct Fetch(JsValue);

impl Fetch {
    /// To the internet.
    pub fn global() -> Self {
        Self(js_sys::global().into())
    }

    /// To whatever has a method `fetch`.
    pub fn bound(fetcher: impl Into<JsValue>) -> Self {
        Self(fetcher.into())
    }
}

impl HttpClient for Fetch {
    async fn post(&self, request: Request<'_>) -> Result<Response, HttpError> {
        let Request { url, bearer, body, deadline, max_response_bytes: limit } = request;
        let authorization = bearer.map(|token| format!("Bearer {}", token.expose()));
        let authorization = authorization.as_deref();
        let deadline_ms = u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX);
        let start = |done: &_, call| {
            glue::post(&self.0, url, authorization, body, deadline_ms, limit, done, call);
        };
        match call(start).await {
            (0, error) => Err(classify(&error, deadline)),
            (status, body) => {
                let retry_after = retry_after(status, &body);
                match bytes(body) {
                    Some(body) => Ok(Response { status, body, retry_after }),
                    None => Err(HttpError::TooLarge(limit)),
                }
            }
        }
    }
}

/// What glue.js notes at the body of a provider that has too much to do.
fn retry_after(status: u16, body: &JsValue) -> Option<Duration> {
    if !matches!(status, 429 | 503) {
        return None;
    }
    let seconds = js_sys::Reflect::get(body, &JsValue::from_str("retryAfter")).ok()?.as_f64()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// What the name of an error means. Its text stays where it is: it may hold the URL.
fn classify(name: &JsValue, deadline: Duration) -> HttpError {
    match name.as_string().as_deref() {
        Some("TimeoutError" | "AbortError") => HttpError::Timeout(deadline),
        _ => HttpError::Unreachable,
    }
}

/// The bytes of a body that was read; None when it was over the limit.
pub(super) fn bytes(body: JsValue) -> Option<Vec<u8>> {
    body.dyn_into::<Uint8Array>().ok().map(|bytes| bytes.to_vec())
}
