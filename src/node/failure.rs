//! What a provider's failures mean.

use super::{NodeError, RATE_LIMIT};
use crate::ai::AiError;
use crate::http::{HttpError, Response, Secret};
use crate::json::{Dialect, Document, Value};

/// How much of a provider's error message is passed on.
const MAX_MESSAGE_CHARS: usize = 300;

/// Why there is no response.
pub(super) fn unanswered(error: HttpError) -> NodeError {
    let message = format!("the provider {error}");
    match error {
        HttpError::Timeout(_) => NodeError::Timeout(message),
        HttpError::Unreachable | HttpError::TooLarge(_) => NodeError::upstream(message),
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
        RATE_LIMIT | 503 | 529 => {
            NodeError::Busy { message, retry_after: response.retry_after(), status }
        }
        _ => NodeError::Upstream { message, status: Some(status) },
    }
}

/// What the failure of a binding means. Workers AI says a number first.
pub(super) fn of_binding(binding: &str, error: AiError) -> NodeError {
    let said = match error {
        AiError::Unbound => {
            return NodeError::Refused(format!(
                "the Worker has no binding `{binding}`: deploy it with an [ai] section that has it, \
                 as `wrangler deploy --env workers-ai` does"
            ));
        }
        AiError::Failed(said) => said,
    };
    let message = format!("Workers AI failed: {}", shortened(&said));
    let code = said.split(|char: char| !char.is_ascii_digit()).find(|digits| digits.len() == 4);
    match code {
        // The day's allowance is used up; there is no room for more at the moment.
        Some("3036" | "3040") => NodeError::Busy { message, retry_after: None, status: RATE_LIMIT },
        // No such model, no such task, inputs that it does not take, terms that are not accepted.
        Some("3003" | "3041" | "3042" | "5004" | "5005" | "5006" | "5007" | "5016" | "5018") => {
            NodeError::Refused(message)
        }
        _ => NodeError::upstream(message),
    }
}

/// The begin of a message.
fn shortened(message: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_workers_ai_are_told_apart_by_their_numbers() {
        let of = |said: &str| of_binding("AI", AiError::Failed(said.to_owned()));
        assert!(matches!(
            of("3040: Capacity temporarily exceeded"),
            NodeError::Busy { status: RATE_LIMIT, .. }
        ));
        assert!(matches!(of("AiError: 5007: No such model"), NodeError::Refused(_)));
        assert!(matches!(of("1234567: strange"), NodeError::Upstream { .. }));
        assert!(matches!(of_binding("AI", AiError::Unbound), NodeError::Refused(_)));
        assert!(of(&"x".repeat(1000)).to_string().len() < 400);
    }
}
