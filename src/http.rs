//! HTTP as the core sees it: a request, a response, and who carries them.

use std::sync::Arc;
use std::time::Duration;

/// A request.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `POST` and so on.
    pub method: &'a str,
    /// Where to.
    pub url: &'a str,
    /// Its headers.
    pub headers: &'a Headers,
    /// Its body; None for a method without one.
    pub body: Option<&'a str>,
    /// For headers and body of the response, from the start of the request on. None where whoever
    /// waits drops the future in time.
    pub deadline: Option<Duration>,
    /// Largest body that is read.
    pub max_response_bytes: usize,
    /// The headers of the response that matter, in lower case.
    pub wanted: &'a [&'static str],
    /// Whether what is not UTF-8 in the response may be replaced by U+FFFD: a small one is read faster
    /// then.
    pub is_lossy: bool,
}

/// The headers of a request. They hold credentials, so that they cannot be printed by accident.
///
/// They are made once and sent often: copies share the text, and are equal without a look at it.
#[derive(Clone, Eq, Default)]
pub struct Headers(Arc<str>);

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Headers {
    /// Those of a request with a JSON body.
    pub fn json() -> Self {
        Self::default().with("content-type", "application/json")
    }

    /// With one more. A name or a value with a line break is left out: it would be two headers.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        let is_header = |text: &str| !text.contains(['\n', '\r', '\0']);
        if is_header(name) && is_header(value) && !name.is_empty() {
            return Self([&*self.0, name, "\n", value, "\n"].concat().into());
        }
        self
    }

    /// With `Authorization: Bearer`.
    #[must_use]
    pub fn with_bearer(self, token: &Secret) -> Self {
        self.with("authorization", &format!("Bearer {}", token.expose()))
    }

    /// A name and a value in turn, a line each.
    pub fn as_lines(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A complete response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
    /// Those of the wanted headers that were there. `retry-after` is a number of seconds, also
    /// where it was a date.
    pub headers: Vec<(&'static str, String)>,
}

impl Response {
    /// One of the wanted headers.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(wanted, _)| *wanted == name).map(|(_, value)| value.as_str())
    }

    /// What `retry-after` says, when it was wanted and is there.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header("retry-after")?.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    }
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
    async fn send(&self, request: Request<'_>) -> Result<Response, HttpError>;
}

impl<H: HttpClient> HttpClient for &H {
    async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
        (**self).send(request).await
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
        let headers = Headers::json().with_bearer(&secret);
        assert!(!format!("{headers:?}").contains("CANARY"));
    }

    #[test]
    fn a_header_is_one_line() {
        let headers = Headers::default().with("a", "b").with("c", "d\ninjected: e").with("", "f");
        assert_eq!(headers.as_lines(), "a\nb\n");
    }

    #[test]
    fn retry_after_is_a_time_that_can_be_waited() {
        let after = |value: &str| {
            let headers = vec![("retry-after", value.to_owned())];
            Response { headers, ..Response::default() }.retry_after()
        };
        assert_eq!(after("1.5"), Some(Duration::from_millis(1500)));
        for value in ["", "soon", "-1", "NaN", "1e300"] {
            assert_eq!(after(value), None, "{value}");
        }
    }
}
