//! HTTP for the client of the REST dialect.

use edgememo::http::{HttpClient, HttpError, Request, Response};
use ureq::{Agent, Error};

/// HTTP over the system's sockets; connections are kept, as Workers keep them.
#[derive(Clone)]
pub struct Http(Agent);

impl Http {
    pub fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .build();
        Self(config.into())
    }
}

impl HttpClient for Http {
    async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
        let Request { url, headers, body, deadline, max_response_bytes: limit, .. } = request;
        let failure = |error| match error {
            Error::Timeout(_) => HttpError::Timeout(deadline.unwrap_or_default()),
            Error::BodyExceedsLimit(_) => HttpError::TooLarge(limit),
            _ => HttpError::Unreachable,
        };
        let mut post = self.0.post(url).config().timeout_global(deadline).build();
        let mut lines = headers.as_lines().lines();
        while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
            post = post.header(name, value);
        }
        let response = post.send(body.unwrap_or_default()).map_err(failure)?;
        let status = response.status().as_u16();
        let body = response.into_body().into_with_config().limit(limit as u64).read_to_vec();
        Ok(Response { status, body: body.map_err(failure)?, headers: Vec::new() })
    }
}
