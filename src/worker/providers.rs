//! What the providers of models are reached through: fetch, and the Worker's bindings.

use worker::Env;
use worker::wasm_bindgen::JsValue;

use super::call::call;
use super::fetch::Fetch;
use super::glue;
use crate::ai::{Ai, AiError};
use crate::http::{HttpClient, HttpError, Request, Response};

/// Longest answer of a binding, in UTF-16 units.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Providers {
    fetch: Fetch,
    env: JsValue,
}

impl Providers {
    pub fn new(env: &Env) -> Self {
        Self { fetch: Fetch::providers(), env: JsValue::from(env) }
    }
}

impl HttpClient for Providers {
    async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
        self.fetch.send(request).await
    }
}

impl Ai for Providers {
    async fn run(&self, binding: &str, model: &str, inputs: &str) -> Result<String, AiError> {
        let start = |done: &_, call| {
            glue::run_model(&self.env, binding, model, inputs, MAX_ANSWER, done, call);
        };
        match call(start).await {
            (200, output) => Ok(output.as_string().unwrap_or_default()),
            (404, _) => Err(AiError::Unbound),
            (413, _) => Err(AiError::Failed("the answer is too large".to_owned())),
            (_, message) => Err(AiError::Failed(message.as_string().unwrap_or_default())),
        }
    }
}
