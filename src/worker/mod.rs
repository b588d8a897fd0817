//! The Cloudflare Worker: thin glue between workerd and the core.
//!
//! | module | what it is |
//! |---|---|
//! | `settings` | the environment, read once per isolate |
//! | `routes` | which request does what |
//! | `requests` | running what is under way |
//! | `runs` | runs of nodes and workflows |
//! | `run_ids` | their ids |
//! | `response` | responses, problems among them |
//! | `call` | waiting for JavaScript |
//! | `fetch` | HTTP over Workers' fetch, with deadlines and size limits |
//! | `socket` | TCP over Workers' sockets |
//! | `glue` | the JavaScript that wasm calls, beside the JavaScript that calls wasm (`entry.js`) |
//! | `store` | the Redis that the settings choose |
//! | `metrics` | where the metrics of runs go |
//! | `embedded` | the embedded store: a Durable Object with SQLite |

mod call;
mod embedded;
mod fetch;
mod glue;
mod metrics;
mod providers;
mod requests;
mod response;
mod routes;
mod run_ids;
mod runs;
mod settings;
mod socket;
mod store;
mod timer;

use worker::wasm_bindgen::{self, prelude::wasm_bindgen};

/// Every request of the Worker, called by `entry.js`, which describes it in `head` and has read its
/// `body` already unless that is undefined. The event is always answered, whatever goes wrong,
/// unless its client is gone.
#[wasm_bindgen]
pub fn handle(head: String, body: Option<Vec<u8>>, event: glue::Event) {
    requests::start(async move {
        routes::handle(&head, body, &event).await.send(&event, &head);
    });
}
