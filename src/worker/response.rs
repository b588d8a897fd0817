//! Responses.

use web_sys::{Headers, Response, ResponseInit};

use crate::api::problem::Problem;

/// A response before it is one of JavaScript's.
pub(super) struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    /// A JSON body.
    pub fn json(status: u16, body: String) -> Self {
        Self { status, content_type: "application/json", headers: Vec::new(), body }
    }

    /// With one more header.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As a response of JavaScript; without a body for `HEAD`.
    pub fn into_response(self, is_head: bool) -> Response {
        let init = ResponseInit::new();
        init.set_status(self.status);
        // None of these can be refused: names and values are checked ASCII.
        if let Ok(headers) = Headers::new() {
            let _ = headers.set("content-type", self.content_type);
            for (name, value) in &self.headers {
                let _ = headers.set(name, value);
            }
            init.set_headers(&headers);
        }
        let body = (!is_head).then_some(self.body.as_str());
        Response::new_with_opt_str_and_init(body, &init).unwrap_or_else(|_| Response::error())
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self {
            status: problem.code.status(),
            content_type: "application/problem+json",
            headers: Vec::new(),
            body: problem.to_json(),
        }
    }
}
