//! Responses.

use super::glue::{self, Event};
use crate::api::problem::Problem;

/// A response before it is one of JavaScript's.
pub(super) struct Answer {
    status: u16,
    /// A line each, such as `age: 7`. Values are ASCII without line breaks: every one is built by this
    /// crate from checked parts.
    headers: String,
    body: String,
}

impl Answer {
    fn new(status: u16, content_type: &str, body: String) -> Self {
        let mut headers = String::with_capacity(512);
        headers.push_str("content-type: ");
        headers.push_str(content_type);
        Self { status, headers, body }
    }

    /// A JSON body.
    pub fn json(status: u16, body: String) -> Self {
        Self::new(status, "application/json", body)
    }

    /// Adds a header.
    pub fn add_header(&mut self, name: &str, value: &str) {
        for part in ["\n", name, ": ", value] {
            self.headers.push_str(part);
        }
    }

    /// Answers the event; without a body for `HEAD`, which `head` begins with.
    pub fn send(self, event: &Event, head: &str) {
        let body = (!head.starts_with("HEAD\n")).then_some(self.body.as_bytes());
        glue::respond(event, self.status, &self.headers, body);
    }
}

impl From<Problem> for Answer {
    #[cold]
    fn from(problem: Problem) -> Self {
        Self::new(problem.code.status(), "application/problem+json", problem.to_json())
    }
}
