//! The Cloudflare Worker: thin glue between workerd and the core.
//!
//! | module | what it is |
//! |---|---|
//! | `settings` | the environment, read once per isolate |
//! | `routes` | which request does what |
//! | `response` | responses, problems among them |
//! | `call` | waiting for JavaScript |
//! | `fetch` | HTTP over Workers' fetch, with deadlines and size limits |
//! | `glue` | the JavaScript that wasm calls, beside the JavaScript that calls wasm (`entry.js`) |
//! | `store` | the Redis that the settings choose |
//! | `embedded` | the embedded store: a Durable Object with SQLite |

mod call;
mod embedded;
mod fetch;
mod glue;
mod response;
mod routes;
mod settings;
mod store;

use worker::js_sys::Function;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Context, Env, worker_sys};

/// Every request of the Worker, called by `entry.js`, which describes it in `head` and has read its
/// `body` already unless that is undefined. `respond` is called with a response whatever goes
/// wrong, unless the client is gone.
#[wasm_bindgen]
pub fn handle(
    head: String,
    request: web_sys::Request,
    body: Option<Vec<u8>>,
    env: Env,
    context: worker_sys::Context,
    respond: Function,
) {
    spawn_local(async move {
        let context = Context::new(context);
        let response = routes::handle(&head, &request, body, &env, &context);
        if let Some(response) = call::unless_abandoned(response).await {
            // It is the resolver of a promise, which cannot throw.
            let _ = respond.call1(&JsValue::UNDEFINED, &response);
        }
    });
}
