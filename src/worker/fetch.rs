//! HTTP over Workers' fetch, with a deadline and a limit on what is read.

use std::time::Duration;

use worker::js_sys::futures::JsFuture;
use worker::js_sys::{self, Array, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};

use super::glue;
use crate::http::{HttpClient, HttpError, Request, Response};

/// Sends requests to the internet, to a Durable Object or to a service.
#[derive(Debug, Clone)]
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
        let deadline_ms = u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX);
        let answer = glue::post(&self.0, url, authorization.as_deref(), body, deadline_ms, limit);
        let answer = JsFuture::from(answer).await.map_err(|error| classify(&error, deadline))?;
        let answer: Array = answer.unchecked_into();
        let status = answer.get(0).as_f64().map_or(0, |status| status as u16);
        let body = bytes(answer.get(1)).ok_or(HttpError::TooLarge(limit))?;
        Ok(Response { status, body })
    }
}

/// What a rejected promise means. Its text is not passed on: it may hold the URL.
fn classify(error: &JsValue, deadline: Duration) -> HttpError {
    let name = Reflect::get(error, &JsValue::from_str("name")).ok().and_then(|n| n.as_string());
    match name.as_deref() {
        Some("TimeoutError" | "AbortError") => HttpError::Timeout(deadline),
        _ => HttpError::Unreachable,
    }
}

/// The bytes of a body that was read; None when it was over the limit.
pub(super) fn bytes(body: JsValue) -> Option<Vec<u8>> {
    body.dyn_into::<Uint8Array>().ok().map(|bytes| bytes.to_vec())
}
