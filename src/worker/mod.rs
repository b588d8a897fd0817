//! The Cloudflare Worker: thin glue between workerd and the core.
//!
//! | module | what it is |
//! |---|---|
//! | `settings` | the environment, read once per isolate |
//! | `routes` | which request does what |
//! | `response` | responses, problems among them |
//! | `fetch` | HTTP over Workers' fetch, with deadlines and size limits |
//! | `store` | the Redis that the settings choose |
//! | `embedded` | the embedded store: a Durable Object with SQLite |

mod embedded;
mod fetch;
mod response;
mod routes;
mod settings;
mod store;

use worker::{Context, Env, event};

/// Every request of the Worker. An error would become a bare 500, so there is none.
#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> worker::Result<web_sys::Response> {
    Ok(routes::handle(request, &env, &context).await)
}
