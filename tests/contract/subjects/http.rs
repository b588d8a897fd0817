//! HTTP for the client of the REST dialect.

use std::time::Duration;

use edgememo::http::{HttpClient, HttpError, Request, Response};
use ureq::http::{self, Response as Answer};
use ureq::{Agent, AsSendBody, Body, Error};

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

    fn run<B: AsSendBody>(
        &self,
        request: http::Result<http::Request<B>>,
        deadline: Option<Duration>,
    ) -> Result<Answer<Body>, Error> {
        let request = self.0.configure_request(request?).timeout_global(deadline).build();
        self.0.run(request)
    }
}

impl HttpClient for Http {
    async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
        let Request { method, url, headers, body, deadline, .. } = request;
        let limit = request.max_response_bytes;
        let failure = |error| match error {
            Error::Timeout(_) => HttpError::Timeout(deadline.unwrap_or_default()),
            Error::BodyExceedsLimit(_) => HttpError::TooLarge(limit),
            _ => HttpError::Unreachable,
        };
        let mut builder = http::Request::builder().method(method).uri(url);
        let mut lines = headers.as_lines().lines();
        while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
            builder = builder.header(name, value);
        }
        let response = match body {
            Some(body) => self.run(builder.body(body), deadline),
            None => self.run(builder.body(()), deadline),
        };
        let response = response.map_err(failure)?;
        let status = response.status().as_u16();
        let body = response.into_body().into_with_config().limit(limit as u64).read_to_vec();
        Ok(Response { status, body: body.map_err(failure)?, headers: Vec::new() })
    }
}
