//! HTTP as the core sees it: a request, a response, and who carries them.

use std::time::Duration;

/// A POST request with a JSON body.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Where to.
    pub url: &'a str,
    /// The token for `Authorization: Bearer`.
    pub bearer: Option<&'a Secret>,
    /// A JSON text.
    pub body: &'a str,
    /// For headers and body of the response, from the start of the request on.
    pub deadline: Duration,
    /// Largest body that is read.
    pub max_response_bytes: usize,
}

/// A complete response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
    /// The header `Retry-After` of a status 429 or 503.
    pub retry_after: Option<Duration>,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No connection, or one that broke.
    #[error("cannot be reached")]
    Unreachable,
    /// No complete response within the deadline.
    #[error("did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// A body over the limit.
    #[error("answered with more than {0} bytes")]
    TooLarge(usize),
}

/// Who carries requests. Redirects are never followed: they would carry credentials to strangers.
#[expect(async_fn_in_trait, reason = "callers never need to name the future or its bounds")]
pub trait HttpClient {
    /// Sends a request and reads the whole response.
    async fn post(&self, request: Request<'_>) -> Result<Response, HttpError>;
}

impl<H: HttpClient> HttpClient for &H {
    async fn post(&self, request: Request<'_>) -> Result<Response, HttpError> {
        (**self).post(request).await
    }
}

/// A text that cannot be printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without the secret.
    pub fn redact(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "[redacted]") }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_neither_printed_nor_left_in_a_text() {
        let secret = Secret::new("CANARY");
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(secret.redact("key CANARY is wrong"), "key [redacted] is wrong");
        assert_eq!(Secret::new("").redact("text"), "text");
    }
}
