//! Definitions in the form in which the Worker carries them.

use serde::{Deserialize, Serialize};

use super::Scheme;
use super::prompt::Prompt;

/// Everything that is deployed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definitions {
    /// All nodes, by id.
    pub nodes: Vec<Node>,
}

/// A node that can be run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its id, which is part of its cache keys.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// Dynamiq's name of the type, such as `dynamiq.nodes.llms.OpenAI`.
    pub node_type: String,
    /// The first of the two caching switches.
    pub caching: CachingConfig,
    /// How long an execution may take.
    pub error_handling: ErrorHandling,
    /// What it does.
    pub llm: Llm,
}

/// Dynamiq's `CachingConfig`: whether the node opts in; and how its keys are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CachingConfig {
    /// Off by default.
    pub enabled: bool,
    /// `dynamiq` by default.
    pub key: Scheme,
}

/// Dynamiq's `ErrorHandling`, as far as the edge knows it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ErrorHandling {
    /// For one execution; Dynamiq's default for LLM nodes is 600.
    pub timeout_seconds: f64,
    /// The wait before the first retry.
    pub retry_interval_seconds: f64,
    /// How often a failed execution is tried again.
    pub max_retries: u32,
    /// By how much each further wait is longer.
    pub backoff_rate: f64,
    /// The longest wait.
    pub max_retry_interval_seconds: Option<f64>,
}

impl Default for ErrorHandling {
    fn default() -> Self {
        Self {
            timeout_seconds: 600.0,
            retry_interval_seconds: 1.0,
            max_retries: 0,
            backoff_rate: 1.0,
            max_retry_interval_seconds: None,
        }
    }
}

/// A call of a language model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Llm {
    /// The provider's name of the model.
    pub model: String,
    /// Where the provider is.
    pub connection: Connection,
    /// What is sent.
    pub prompt: Prompt,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Bound on the tokens of the answer.
    pub max_tokens: Option<u64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// For repeatable sampling.
    pub seed: Option<i64>,
    /// Texts at which the answer ends.
    pub stop: Option<Vec<String>>,
}

/// A connection to a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Always from the environment.
    pub api_key: Setting,
    /// Base URL of the API.
    pub url: Setting,
}

/// A text, or the name of an environment variable that holds it (`${oc.env:NAME,default}`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setting {
    /// Written in the definition.
    Text(String),
    /// Read when the Worker starts.
    Env {
        /// The variable.
        name: String,
        /// Used when the variable is not set.
        default: Option<String>,
    },
}

impl Setting {
    /// The text; where it is missing, the name of the variable to set. A variable that is set to
    /// nothing counts as not set.
    pub fn resolve(&self, env: impl Fn(&str) -> Option<String>) -> Result<String, &str> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Env { name, default } => {
                env(name).filter(|value| !value.is_empty()).or_else(|| default.clone()).ok_or(name)
            }
        }
    }
}
