//! Where the nodes of a model send what they ask.

use super::{NodeError, failure};
use crate::ai::Ai;
use crate::http::{Headers, HttpClient, Request, Secret};

/// Largest answer that is read from a provider. An isolate has 128 MB, of which the tape of an answer
/// made of the smallest tokens takes about four times its length.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A provider of models.
#[derive(Debug)]
pub(super) enum Endpoint {
    /// An address, and the key that goes there.
    Http { url: String, headers: Headers, api_key: Secret },
    /// A binding of the Worker, and the model that is asked through it.
    Binding { name: String, model: String },
}

impl Endpoint {
    /// The answer to a request, which is a JSON text, as text.
    pub async fn ask(
        &self,
        outside: &(impl HttpClient + Ai),
        body: &str,
    ) -> Result<String, NodeError> {
        match self {
            Self::Http { url, headers, api_key } => {
                let request = Request {
                    method: "POST",
                    url,
                    headers,
                    body: Some(body),
                    deadline: None,
                    max_response_bytes: MAX_ANSWER_BYTES,
                    wanted: &["retry-after"],
                    is_lossy: false,
                };
                let response = outside.send(request).await.map_err(failure::unanswered)?;
                if response.status != 200 {
                    return Err(failure::refusal(api_key, &response));
                }
                // What is no text is no answer.
                Ok(String::from_utf8(response.body).unwrap_or_default())
            }
            Self::Binding { name, model } => {
                let answer = outside.run(name, model, body).await;
                answer.map_err(|error| failure::of_binding(name, error))
            }
        }
    }

    /// What an answer that makes no sense is told with.
    pub fn no_sense(&self, what: &str) -> NodeError {
        let check = match self {
            Self::Http { .. } => "check the connection's url",
            Self::Binding { .. } => "check the model",
        };
        NodeError::upstream(format!("the provider's answer is not {what} ({check})"))
    }
}
