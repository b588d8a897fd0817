//! The JavaScript beside this file, as Rust sees it.

use web_sys::{Request, Response};
use worker::js_sys::Function;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};

#[wasm_bindgen(module = "/src/worker/glue.js")]
extern "C" {
    /// Answers with 200 and a `Uint8Array`, with 413, or with 0.
    #[wasm_bindgen(js_name = readBody)]
    pub(super) fn read_body(request: &Request, limit: usize, done: &Function, call: u32);

    /// Answers with the status and a `Uint8Array` or null, or with 0 and the name of the error.
    pub(super) fn post(
        fetcher: &JsValue,
        url: &str,
        authorization: Option<&str>,
        body: &str,
        deadline_ms: u32,
        limit: usize,
        done: &Function,
        call: u32,
    );

    /// `headers`: a name and a value in turn, a line each.
    pub(super) fn respond(status: u16, headers: &str, body: Option<&str>) -> Response;
}
