//! Nodes: what can be run, and the order of a run.

mod lifecycle;
mod llm;
mod retry;
mod trace;

pub use lifecycle::{CacheReport, Finished, NotStored, Run, run};
pub use llm::{OpenAi, Provider};
pub use trace::{Callbacks, Event, NoCallbacks, Trace};

use std::time::Duration;

use crate::definition::{CachingConfig, ErrorHandling};
use crate::json::Value;
use crate::prompt::PromptError;

/// Something that can be run.
#[expect(async_fn_in_trait, reason = "callers never need to name the future or its bounds")]
pub trait Node {
    /// The id, which is part of the cache key.
    fn id(&self) -> &str;

    /// The first of the two caching switches.
    fn caching(&self) -> CachingConfig;

    /// What the node does, as JSON text without secrets: a part of canonical keys, so that another
    /// model or prompt never gets this one's answers.
    fn definition(&self) -> Option<&str> {
        None
    }

    /// How often a failed execution is tried again. By default never.
    fn error_handling(&self) -> ErrorHandling {
        ErrorHandling::default()
    }

    /// Whether this can be run; asked before the cache is.
    fn validate(&self, run: &Run<'_>) -> Result<(), NodeError> {
        let _ = run;
        Ok(())
    }

    /// Does the work. The output is JSON text in Python's spelling (see [`crate::json::dumps`]),
    /// which is what is stored.
    async fn execute(&self, input: Value<'_>) -> Result<String, NodeError>;
}

/// Why a run failed. No message holds a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The input, or another part of the request, cannot be run.
    #[error("{0}")]
    Validation(String),
    /// The provider failed, or made no sense.
    #[error("{0}")]
    Upstream(String),
    /// The provider refused, as it would do again: a wrong key, a wrong request.
    #[error("{0}")]
    Refused(String),
    /// The provider has too much to do.
    #[error("{message}")]
    Busy {
        /// What it said.
        message: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The provider took too long.
    #[error("{0}")]
    Timeout(String),
}

impl NodeError {
    /// The name in `error.type`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Validation(_) => "ValidationError",
            Self::Upstream(_) | Self::Refused(_) | Self::Busy { .. } => "UpstreamError",
            Self::Timeout(_) => "TimeoutError",
        }
    }
}

impl From<PromptError> for NodeError {
    fn from(error: PromptError) -> Self {
        Self::Validation(error.to_string())
    }
}
