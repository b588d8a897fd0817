//! The JavaScript beside this file, as Rust sees it.

use web_sys::Request;
use worker::Env;
use worker::js_sys::Function;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::worker_sys::Context;

#[wasm_bindgen]
extern "C" {
    /// What workerd gives for a request, and the resolver of the promise that it waits for.
    pub type Event;

    #[wasm_bindgen(method, getter)]
    pub(super) fn request(this: &Event) -> Request;

    #[wasm_bindgen(method, getter)]
    pub(super) fn env(this: &Event) -> Env;

    #[wasm_bindgen(method, getter)]
    pub(super) fn ctx(this: &Event) -> Context;
}

#[wasm_bindgen]
extern "C" {
    /// A line in the log.
    #[wasm_bindgen(js_namespace = console)]
    pub(super) fn log(line: &str);

    /// Fills it with random bytes, of which there may be 65,536.
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    pub(super) fn fill_random(bytes: &mut [u8]);
}

#[wasm_bindgen(module = "/src/worker/glue.js")]
extern "C" {
    /// Answers with 200 and a `Uint8Array`, with 413, or with 0.
    #[wasm_bindgen(js_name = readBody)]
    pub(super) fn read_body(request: &Request, limit: usize, done: &Function, call: u32);

    /// What requests have in common but for their URLs and bodies. `lines`: a name and a value of a header
    /// in turn. `cache`: what `fetch` takes under that name. It does not throw; what is no header makes
    /// `send` fail.
    pub(super) fn prepare(
        fetcher: &JsValue,
        method: &str,
        lines: &str,
        cache: Option<&str>,
    ) -> JsValue;

    /// Answers with the status and a `Uint8Array` (or a string, when that is as good) or null, or with
    /// 0 and the name of the error. `target` is what `prepare` made.
    pub(super) fn send(
        target: &JsValue,
        url: &str,
        body: Option<&[u8]>,
        deadline_ms: Option<u32>,
        hangs_up: bool,
        limit: usize,
        wanted: Option<&str>,
        is_lossy: bool,
        done: &Function,
        call: u32,
    );

    /// A connection through which `bytes` leave at once. It is open until it is closed, or for as
    /// long as the deadline says.
    #[wasm_bindgen(js_name = openSocket)]
    pub(super) fn open_socket(
        hostname: &str,
        port: u16,
        tls: bool,
        bytes: &[u8],
        deadline_ms: u32,
    ) -> JsValue;

    /// Answers with 200 and a `Uint8Array`, which is empty at the end, or with 0 and the name of the
    /// error.
    #[wasm_bindgen(js_name = readSocket)]
    pub(super) fn read_socket(connection: &JsValue, done: &Function, call: u32);

    /// Closes a connection, whatever its state.
    #[wasm_bindgen(js_name = closeSocket)]
    pub(super) fn close_socket(connection: &JsValue);

    /// Answers with 200 and the JSON text of what a binding gave, with 413 when that is over the
    /// limit, with 404 when there is no such binding, or with 0 and the message of the error.
    #[wasm_bindgen(js_name = runModel)]
    pub(super) fn run_model(
        env: &JsValue,
        binding: &str,
        model: &str,
        inputs: &str,
        limit: usize,
        done: &Function,
        call: u32,
    );

    /// Adds a data point, of which this is the JSON text, to a dataset. It does not throw.
    #[wasm_bindgen(js_name = writeDataPoint)]
    pub(super) fn write_data_point(dataset: &JsValue, point: &str);

    /// Ends what a call has started and nobody waits for any more.
    pub(super) fn cancel(call: u32);

    /// Keeps nothing more of a call whose request is gone.
    pub(super) fn forget(call: u32);

    /// Answers with 200 after that time.
    pub(super) fn sleep(milliseconds: u32, done: &Function, call: u32);

    /// The header `Origin`.
    #[wasm_bindgen(js_name = originOf)]
    pub(super) fn origin_of(event: &Event) -> Option<String>;

    /// `headers`: a name and a value in turn, a line each; all of them, or those that are not as in the
    /// latest response. `body` is UTF-8.
    pub(super) fn respond(
        event: &Event,
        status: u16,
        are_all: bool,
        headers: &str,
        body: Option<&[u8]>,
    );
}
