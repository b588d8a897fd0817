//! Failures as JSON, for runs elsewhere that wait for the one that failed.

use super::NodeError;
use crate::json::{Dialect, Document, Item, write_string};

/// Longest message that is taken over; those of edgememo are shorter.
const MAX_MESSAGE_CHARS: usize = 1000;

/// A failure as JSON text: `{"kind":"busy","status":429,"message":"…"}`. How long a provider wants to
/// be left alone is not told: nobody tries again because of it.
pub(super) fn write(error: &NodeError) -> String {
    let (kind, status) = match error {
        NodeError::Validation(_) => ("validation", None),
        NodeError::Transform(_) => ("transform", None),
        NodeError::Upstream { status, .. } => ("upstream", *status),
        NodeError::Refused(_) => ("refused", None),
        NodeError::Busy { status, .. } => ("busy", Some(*status)),
        NodeError::Timeout(_) => ("timeout", None),
        NodeError::Skipped { .. } => ("skipped", None),
    };
    let mut out = format!("{{\"kind\":\"{kind}\"");
    if let Some(status) = status {
        out.push_str(&format!(",\"status\":{status}"));
    }
    out.push_str(",\"message\":");
    write_string(&mut out, &error.to_string());
    out.push('}');
    out
}

/// The failure in such a text; None when it is of a kind that nobody shares.
pub(super) fn read(text: &str) -> Option<NodeError> {
    let document = Document::parse(text, Dialect::STRICT).ok()?;
    let failure = document.root();
    let text = |name| Some(failure.get(name)?.as_str()?.to_str()?.into_owned());
    let status = match failure.get("status").map(|status| status.item()) {
        Some(Item::Integer(status)) => Some(status.parse().ok()?),
        _ => None,
    };
    // Who can write to the Redis could have written anything.
    let message = text("message")?.chars().take(MAX_MESSAGE_CHARS).collect();
    Some(match text("kind")?.as_str() {
        "validation" => NodeError::Validation(message),
        "transform" => NodeError::Transform(message),
        "upstream" => NodeError::Upstream { message, status },
        "refused" => NodeError::Refused(message),
        "busy" => NodeError::Busy { message, retry_after: None, status: status? },
        "timeout" => NodeError::Timeout(message),
        _ => return None,
    })
}

/// Whether it is an error of the request, which another try would meet again: any 4xx of the provider
/// but those that ask for another time.
pub(super) fn is_of_the_request(error: &NodeError) -> bool {
    const REQUEST_TIMEOUT: u16 = 408;
    match error {
        NodeError::Validation(_) | NodeError::Transform(_) | NodeError::Refused(_) => true,
        NodeError::Upstream { status: Some(REQUEST_TIMEOUT), .. } => false,
        NodeError::Upstream { status, .. } => matches!(status, Some(400..=499)),
        NodeError::Busy { .. } | NodeError::Timeout(_) | NodeError::Skipped { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_is_shared_is_the_same_failure() {
        let message = || "said \"no\"\n".to_owned();
        for error in [
            NodeError::Validation(message()),
            NodeError::Transform(message()),
            NodeError::upstream(message()),
            NodeError::Upstream { message: message(), status: Some(500) },
            NodeError::Refused(message()),
            NodeError::Busy { message: message(), retry_after: None, status: 529 },
            NodeError::Timeout(message()),
        ] {
            assert_eq!(read(&write(&error)), Some(error));
        }
    }

    #[test]
    fn errors_of_the_request_are_those_that_another_try_meets_again() {
        let upstream = |status| NodeError::Upstream { message: String::new(), status };
        let busy = NodeError::Busy { message: String::new(), retry_after: None, status: 429 };
        for (error, is_of_the_request) in [
            (NodeError::Refused(String::new()), true),
            (NodeError::Validation(String::new()), true),
            (upstream(Some(402)), true),
            (upstream(Some(409)), true),
            (upstream(Some(408)), false),
            (upstream(Some(500)), false),
            (upstream(Some(302)), false),
            (upstream(None), false),
            (busy, false),
            (NodeError::Timeout(String::new()), false),
        ] {
            assert_eq!(super::is_of_the_request(&error), is_of_the_request, "{error:?}");
        }
    }

    #[test]
    fn a_message_is_taken_over_up_to_a_bound() {
        let long = write(&NodeError::Refused("é".repeat(100_000)));
        assert_eq!(read(&long), Some(NodeError::Refused("é".repeat(MAX_MESSAGE_CHARS))));
    }

    #[test]
    fn what_is_no_failure_is_none() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"kind":"busy","message":"m"}"#,
            r#"{"kind":"upstream","status":70000,"message":"m"}"#,
            r#"{"kind":"skipped","message":"m"}"#,
            r#"{"kind":"upstream","message":1}"#,
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
