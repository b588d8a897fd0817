//! The HTTP interface without HTTP: who may call, what a request says, what a response says.
//!
//! | module | what it is |
//! |---|---|
//! | [`auth`] | API keys, and the insecure mode for local work |
//! | [`request`] | the body of a run |
//! | [`result`] | the body of its result |
//! | [`problem`] | errors that are not results of a run (RFC 9457) |
//! | [`cache_status`] | the header `Cache-Status` (RFC 9211) |
//! | [`listing`] | what is deployed |
//! | [`readiness`] | whether the Redis answers |
//! | [`facts`] | what is told of a run when it is over |
//! | [`log`] | the line that it leaves in the log |
//! | [`metrics`] | the data point that it leaves in the metrics |

pub mod auth;
pub mod cache_status;
pub mod facts;
pub mod listing;
pub mod log;
pub mod metrics;
pub mod problem;
pub mod readiness;
pub mod request;
pub mod result;

use crate::json::write_string;

/// Appends a string, or `null`.
fn push_optional(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => write_string(out, text),
        None => out.push_str("null"),
    }
}
