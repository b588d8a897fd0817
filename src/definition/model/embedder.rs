//! Nodes that turn a text into a vector.

use serde::{Deserialize, Serialize};

use super::Connection;

/// A call of an embedding model: of one that speaks OpenAI's API, or of Workers AI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedder {
    /// The provider's name of the model.
    pub model: String,
    /// Where the provider is.
    pub connection: Connection,
    /// How long the vector is to be; None for what the model gives.
    pub dimensions: Option<u32>,
}
