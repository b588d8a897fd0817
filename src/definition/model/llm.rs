//! Nodes that call a language model.

use serde::{Deserialize, Serialize};

use super::{Connection, Prompt};

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
