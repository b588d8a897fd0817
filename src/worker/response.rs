//! Responses.

use std::borrow::Cow;
use std::cell::RefCell;

use super::glue::{self, Event};
use crate::api::problem::Problem;

/// Name and value. Values are ASCII without line breaks: every one is built by this crate from checked
/// parts.
type Header = (&'static str, Cow<'static, str>);

thread_local! {
    /// Those of the latest response, which JavaScript has too.
    static LATEST: RefCell<Vec<Header>> = RefCell::default();
}

/// A response before it is one of JavaScript's.
pub(super) struct Answer {
    status: u16,
    headers: Vec<Header>,
    body: String,
}

impl Answer {
    fn new(status: u16, content_type: &'static str, body: String) -> Self {
        let mut headers = Vec::with_capacity(5);
        headers.push(("content-type", content_type.into()));
        Self { status, headers, body }
    }

    /// A JSON body.
    pub fn json(status: u16, body: String) -> Self {
        Self::new(status, "application/json", body)
    }

    /// Adds a header.
    pub fn add_header(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        self.headers.push((name, value.into()));
    }

    /// Answers the event; without a body for `HEAD`, which `head` begins with.
    pub fn send(self, event: &Event, head: &str) {
        let body = (!head.starts_with("HEAD\n")).then_some(self.body.as_bytes());
        let latest = LATEST.replace(self.headers);
        let (are_all, lines) = LATEST.with_borrow(|headers| lines(headers, &latest));
        glue::respond(event, self.status, are_all, &lines, body);
    }
}

impl From<Problem> for Answer {
    #[cold]
    fn from(problem: Problem) -> Self {
        Self::new(problem.code.status(), "application/problem+json", problem.to_json())
    }
}

/// Names and values in turn, a line each, of the headers that are not as in the latest response; of all,
/// when the names are not the same.
fn lines(headers: &[Header], latest: &[Header]) -> (bool, String) {
    let has_same_names = headers.len() == latest.len()
        && headers.iter().zip(latest).all(|((name, _), (other, _))| name == other);
    let mut lines = String::with_capacity(240);
    for (place, (name, value)) in headers.iter().enumerate() {
        if has_same_names && latest.get(place).is_some_and(|(_, other)| is_same(value, other)) {
            continue;
        }
        for part in [if lines.is_empty() { "" } else { "\n" }, name, "\n", value] {
            lines.push_str(part);
        }
    }
    (!has_same_names, lines)
}

/// Whether texts are equal, eight bytes at a time: `==` goes byte by byte in wasm.
fn is_same(text: &str, other: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks();
    let (other_words, other_rest) = other.as_bytes().as_chunks();
    let is_same = |(word, other): (&[u8; 8], &[u8; 8])| {
        u64::from_ne_bytes(*word) == u64::from_ne_bytes(*other)
    };
    text.len() == other.len() && rest == other_rest && words.iter().zip(other_words).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_the_latest_response_is_told() {
        let age = |seconds: &'static str| vec![("a", Cow::Borrowed("1")), ("age", seconds.into())];
        let told = |headers: &[Header], latest: &[Header]| lines(headers, latest);
        assert_eq!(told(&age("7"), &[]), (true, "a\n1\nage\n7".to_owned()));
        assert_eq!(told(&age("7"), &age("7")), (false, String::new()));
        assert_eq!(told(&age("8"), &age("7")), (false, "age\n8".to_owned()));
        let other = vec![("a", Cow::Borrowed("1")), ("allow", "7".into())];
        assert_eq!(told(&age("7"), &other), (true, "a\n1\nage\n7".to_owned()));
        assert_eq!(told(&age("7")[..1], &age("7")), (true, "a\n1".to_owned()));
        for (one, other) in [("12345678", "12345679"), ("123456789", "12345678:"), ("1", "12")] {
            assert_eq!(told(&age(one), &age(other)), (false, format!("age\n{one}")));
            assert_eq!(told(&age(one), &age(one)), (false, String::new()));
        }
    }
}
