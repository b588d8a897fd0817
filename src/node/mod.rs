//! Nodes: what can be run, and the order of a run.

mod cached;
mod callbacks;
mod choice;
mod condition;
mod converter;
mod defined;
mod dependencies;
mod embedder;
mod endpoint;
mod failure;
mod flight;
mod http_call;
mod lifecycle;
mod llm;
mod report;
mod retry;
mod shared;
mod slots;

pub use cached::{Flight, Refresh, refresh};
pub use callbacks::{Callbacks, Event, NoCallbacks, Subject, Trace, Usage};
pub use defined::{Defined, Resolved};
pub use dependencies::{Completed, Outcome};
pub use lifecycle::{Context, Finished, Run, run};
pub use report::{CacheReport, NotStored};
pub use slots::{SUBREQUESTS, Slots};

use std::cell::Cell;
use std::time::Duration;

use crate::definition::{CachingConfig, Depend, ErrorHandling};
use crate::json::Value;
use crate::prompt::PromptError;
use crate::transform::{TransformError, Transformer};

/// Something that can be run.
#[expect(async_fn_in_trait, reason = "callers never need to name the future or its bounds")]
pub trait Node {
    /// The id, which is part of the cache key.
    fn id(&self) -> &str;

    /// A name for people.
    fn name(&self) -> Option<&str> {
        None
    }

    /// The first of the two caching switches.
    fn caching(&self) -> CachingConfig;

    /// What the node does, as JSON text without secrets: a part of canonical keys, so that another
    /// model or prompt never gets this one's answers.
    fn definition(&self) -> Option<&str> {
        None
    }

    /// How long an execution may take, how often a failed one is tried again, and what a failure
    /// means for the nodes that depend on this. By default one execution of at most ten minutes.
    fn error_handling(&self) -> ErrorHandling {
        ErrorHandling::default()
    }

    /// What the node waits for in a flow, and what has to have come of it.
    fn depends(&self) -> &[Depend] {
        &[]
    }

    /// What the input is made of.
    fn input_transformer(&self) -> Option<&Transformer> {
        None
    }

    /// Constants that are put into the input: names, and values as JSON texts.
    fn input_mapping(&self) -> &[(String, String)] {
        &[]
    }

    /// What is made of the output. The cache holds the output itself.
    fn output_transformer(&self) -> Option<&Transformer> {
        None
    }

    /// Checks what the node is given, before the cache is asked. What it returns, as JSON text,
    /// takes the place of the input: it is what is hashed and executed.
    fn validate(
        &self,
        input: Value<'_>,
        kwargs: Option<Value<'_>>,
    ) -> Result<Option<String>, NodeError> {
        let _ = (input, kwargs);
        Ok(None)
    }

    /// What takes over after this failure, with the same input; its output is not stored, here or
    /// anywhere. By default nothing does.
    fn fallback(&self, error: &NodeError) -> Option<impl Node> {
        let _ = error;
        None::<NoNode>
    }

    /// Does the work. The output is JSON text in Python's spelling (see [`crate::json::dumps`]),
    /// which is what is stored.
    async fn execute(&self, execution: Execution<'_>) -> Result<String, NodeError>;
}

/// What takes over where nothing does.
enum NoNode {}

impl Node for NoNode {
    fn id(&self) -> &str {
        match *self {}
    }

    fn caching(&self) -> CachingConfig {
        match *self {}
    }

    async fn execute(&self, _: Execution<'_>) -> Result<String, NodeError> {
        match *self {}
    }
}

/// What an execution is given.
#[derive(Clone, Copy)]
pub struct Execution<'a> {
    /// The input, transformed and valid.
    pub input: Value<'a>,
    node_id: &'a str,
    callbacks: &'a dyn Callbacks,
    used: &'a Cell<Usage>,
}

impl Execution<'_> {
    /// Tells that the work has begun.
    pub fn running(&self) {
        self.callbacks.on_node_execute_run(self.node_id, None);
    }

    /// Tells what the work has used.
    pub fn used(&self, usage: Usage) {
        self.used.set(self.used.get() + usage);
        self.callbacks.on_node_execute_run(self.node_id, Some(usage));
    }
}

/// Why a run failed. No message holds a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The input, or another part of the request, cannot be run.
    #[error("{0}")]
    Validation(String),
    /// A transformer fails on what the node was given, or on its output.
    #[error("{0}")]
    Transform(String),
    /// The provider failed, or made no sense.
    #[error("{message}")]
    Upstream {
        /// What it said.
        message: String,
        /// The HTTP status that said that it failed, if one did.
        status: Option<u16>,
    },
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
        /// The HTTP status that said it: 429 when it has had too many requests from us, rather than
        /// from everybody.
        status: u16,
    },
    /// The provider took too long.
    #[error("{0}")]
    Timeout(String),
    /// What the node depends on did not come out as it has to: the node is not run.
    #[error("{message}")]
    Skipped {
        /// Dynamiq's name of the exception.
        type_name: &'static str,
        /// Which dependency, and what is wrong with it.
        message: String,
    },
}

/// Too many requests, as an HTTP status.
const RATE_LIMIT: u16 = 429;

impl NodeError {
    /// A failure of the provider that no status told.
    pub fn upstream(message: impl Into<String>) -> Self {
        Self::Upstream { message: message.into(), status: None }
    }

    /// The name in `error.type`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Validation(_) => "ValidationError",
            Self::Transform(_) => "TransformError",
            Self::Upstream { .. } | Self::Refused(_) | Self::Busy { .. } => "UpstreamError",
            Self::Timeout(_) => "TimeoutError",
            Self::Skipped { type_name, .. } => type_name,
        }
    }
}

impl From<PromptError> for NodeError {
    fn from(error: PromptError) -> Self {
        Self::Validation(error.to_string())
    }
}

impl From<TransformError> for NodeError {
    fn from(error: TransformError) -> Self {
        Self::Transform(error.to_string())
    }
}
