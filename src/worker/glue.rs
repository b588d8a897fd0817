//! The JavaScript beside this file, as Rust sees it.

use web_sys::{Request, Response};
use worker::js_sys::Promise;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};

#[wasm_bindgen(module = "/src/worker/glue.js")]
extern "C" {
    /// Resolves with a `Uint8Array`, or with null when the body is over the limit.
    #[wasm_bindgen(js_name = readBody)]
    pub(super) fn read_body(message: &Request, limit: usize) -> Promise;

    /// Resolves with `[status, Uint8Array or null]`.
    pub(super) fn post(
        fetcher: &JsValue,
        url: &str,
        authorization: Option<&str>,
        body: &str,
        deadline_ms: u32,
        limit: usize,
    ) -> Promise;

    /// `headers`: a name and a value in turn, a line each.
    pub(super) fn respond(status: u16, headers: &str, body: Option<&str>) -> Response;
}
