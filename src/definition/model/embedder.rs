//! Nodes that turn a text into a vector.

use serde::{Deserialize, Serialize};

use super::Api;

/// A call of an embedding model that speaks OpenAI's API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedder {
    /// The provider's name of the model.
    pub model: String,
    /// Where the provider is.
    pub connection: Api,
    /// How long the vector is to be; None for what the model gives.
    pub dimensions: Option<u32>,
}
