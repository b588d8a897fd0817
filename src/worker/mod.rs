//! The Cloudflare Worker: thin glue between workerd and the core.
//!
//! | module | what it is |
//! |---|---|
//! | `settings` | the environment, read once per isolate |
//! | `routes` | which request does what |
//! | `response` | responses, problems among them |
//! | `fetch` | HTTP over Workers' fetch, with deadlines and size limits |
//! | `glue` | the JavaScript that wasm calls, beside the JavaScript that calls wasm (`entry.js`) |
//! | `store` | the Redis that the settings choose |
//! | `embedded` | the embedded store: a Durable Object with SQLite |

mod embedded;
mod fetch;
mod glue;
mod response;
mod routes;
mod settings;
mod store;

use worker::wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{Context, Env, worker_sys};

/// Every request of the Worker, called by `entry.js`, which describes it in `head` and has read its
/// `body` already when that is a `Uint8Array`. The promise is never rejected: what goes wrong is a
/// response too.
#[wasm_bindgen(
    wasm_bindgen = worker::wasm_bindgen,
    wasm_bindgen_futures = worker::wasm_bindgen_futures,
    js_sys = worker::js_sys
)]
pub async fn handle(
    head: String,
    request: web_sys::Request,
    body: JsValue,
    env: Env,
    context: worker_sys::Context,
) -> web_sys::Response {
    routes::handle(&head, &request, body, &env, &Context::new(context)).await
}
