//! What a provider's failures mean.

use super::NodeError;
use crate::http::{HttpError, Response, Secret};
use crate::json::{Dialect, Document, Value};

/// How much of a provider's error message is passed on.
const MAX_MESSAGE_CHARS: usize = 300;

/// Why there is no response.
pub(super) fn unanswered(error: HttpError) -> NodeError {
    let message = format!("the provider {error}");
    match error {
        HttpError::Timeout(_) => NodeError::Timeout(message),
        HttpError::Unreachable | HttpError::TooLarge(_) => NodeError::Upstream(message),
    }
}

/// What a provider's refusal says, shortened and without the key.
pub(super) fn refusal(api_key: &Secret, response: &Response) -> NodeError {
    let status = response.status;
    // What a provider says to a wrong key repeats a part of it, in a form of its own.
    if matches!(status, 401 | 403) {
        return NodeError::Refused(format!(
            "the provider refused the key with status {status}: check the connection's api_key"
        ));
    }
    let said = std::str::from_utf8(&response.body).ok().and_then(error_message);
    let message = match said {
        Some(said) => {
            format!(
                "the provider answered with status {status}: {}",
                shortened(&api_key.redact(&said))
            )
        }
        None => format!("the provider answered with status {status}"),
    };
    match status {
        400 | 404 | 413 | 422 => NodeError::Refused(message),
        // Anthropic is overloaded with a status of its own.
        429 | 503 | 529 => NodeError::Busy {
            message,
            retry_after: response.retry_after(),
            is_rate_limit: status == 429,
        },
        _ => NodeError::Upstream(message),
    }
}

/// The begin of a message.
pub(super) fn shortened(message: &str) -> String {
    message.chars().take(MAX_MESSAGE_CHARS).collect()
}

/// What an error body says: `error.message`, or where there is none `error` or `message`.
fn error_message(body: &str) -> Option<String> {
    let document = Document::parse(body, Dialect::STRICT).ok()?;
    let text = |value: Value<'_>| Some(value.as_str()?.to_str()?.into_owned());
    let root = document.root();
    match root.get("error") {
        Some(error) => error.get("message").and_then(text).or_else(|| text(error)),
        None => root.get("message").and_then(text),
    }
}
