//! HTTP over Workers' fetch, with a deadline and a limit on what is read.

use std::time::Duration;

use web_sys::{AbortSignal, Headers, RequestInit, RequestRedirect, WorkerGlobalScope};
use worker::js_sys::futures::JsFuture;
use worker::js_sys::{self, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::Fetcher;

use crate::http::{HttpClient, HttpError, Request, Response};

/// The internet.
#[derive(Debug, Clone, Copy)]
pub(super) struct GlobalFetch;

impl HttpClient for GlobalFetch {
    async fn post(&self, request: Request<'_>) -> Result<Response, HttpError> {
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        send(request, |url, init| Ok(scope.fetch_with_str_and_init(url, init))).await
    }
}

/// A Durable Object or a service.
#[derive(Debug, Clone)]
pub(super) struct BoundFetch(pub Fetcher);

impl HttpClient for BoundFetch {
    async fn post(&self, request: Request<'_>) -> Result<Response, HttpError> {
        send(request, |url, init| self.0.fetch_with_str_and_init(url, init)).await
    }
}

async fn send(
    request: Request<'_>,
    fetch: impl FnOnce(&str, &RequestInit) -> Result<js_sys::Promise, JsValue>,
) -> Result<Response, HttpError> {
    let failed = |error: JsValue| classify(&error, request.deadline);
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_redirect(RequestRedirect::Manual);
    init.set_body(&JsValue::from_str(request.body));
    let headers = Headers::new().map_err(failed)?;
    headers.set("content-type", "application/json").map_err(failed)?;
    if let Some(token) = request.bearer {
        headers.set("authorization", &format!("Bearer {}", token.expose())).map_err(failed)?;
    }
    init.set_headers(&headers);
    let milliseconds = u32::try_from(request.deadline.as_millis()).unwrap_or(u32::MAX);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(milliseconds)));

    let promise = fetch(request.url, &init).map_err(failed)?;
    let response: web_sys::Response =
        JsFuture::from(promise).await.map_err(failed)?.unchecked_into();
    let status = response.status();
    let limit = request.max_response_bytes;
    let headers = response.headers();
    match read_body(&headers, limit, || response.array_buffer(), || response.body()).await {
        Ok(body) => Ok(Response { status, body }),
        Err(BodyError::TooLarge) => Err(HttpError::TooLarge(limit)),
        Err(BodyError::Broken(error)) => Err(classify(&error, request.deadline)),
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

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It is longer than the limit.
    TooLarge,
    /// The transport failed.
    Broken(JsValue),
}

/// Reads the whole body of a request or a response: at once when its length is announced, else
/// piece by piece, so that nothing over the limit is held.
pub(super) async fn read_body(
    headers: &Headers,
    limit: usize,
    array_buffer: impl FnOnce() -> Result<js_sys::Promise, JsValue>,
    stream: impl FnOnce() -> Option<web_sys::ReadableStream>,
) -> Result<Vec<u8>, BodyError> {
    let header = |name: &str| headers.get(name).ok().flatten();
    let announced = header("content-length").and_then(|length| length.parse::<usize>().ok());
    match announced {
        Some(length) if length > limit => Err(BodyError::TooLarge),
        // The length of an encoded body says nothing about what comes out.
        Some(_) if header("content-encoding").is_none() => {
            let promise = array_buffer().map_err(BodyError::Broken)?;
            let buffer = JsFuture::from(promise).await.map_err(BodyError::Broken)?;
            Ok(Uint8Array::new(&buffer).to_vec())
        }
        _ => match stream() {
            Some(stream) => read_stream(stream, limit).await,
            None => Ok(Vec::new()),
        },
    }
}

async fn read_stream(
    stream: web_sys::ReadableStream,
    limit: usize,
) -> Result<Vec<u8>, BodyError> {
    let reader: web_sys::ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut body = Vec::new();
    loop {
        let piece = JsFuture::from(reader.read()).await.map_err(BodyError::Broken)?;
        let member = |name| Reflect::get(&piece, &JsValue::from_str(name));
        if member("done").map_err(BodyError::Broken)?.is_truthy() {
            return Ok(body);
        }
        let bytes = Uint8Array::new(&member("value").map_err(BodyError::Broken)?);
        if body.len() + bytes.length() as usize > limit {
            // Whether the other side hears of it does not matter here.
            let _ = reader.cancel();
            return Err(BodyError::TooLarge);
        }
        body.extend(bytes.to_vec());
    }
}
