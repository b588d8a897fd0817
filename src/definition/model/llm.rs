//! Nodes that call a language model.

use serde::{Deserialize, Serialize};

use super::{Connection, Node, Prompt};

/// A call of a language model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Llm {
    /// The provider's name of the model.
    pub model: String,
    /// How the provider is spoken to.
    pub wire: Wire,
    /// Where the provider is.
    pub connection: Connection,
    /// What is sent.
    pub prompt: Prompt,
    /// What else a request has, in the provider's names: names, and values as JSON texts.
    pub parameters: Vec<(String, String)>,
    /// What takes over when all attempts have failed.
    pub fallback: Option<Box<Fallback>>,
}

impl Llm {
    /// Whether the model is told of tools.
    pub fn has_tools(&self) -> bool {
        self.parameters.iter().any(|(name, _)| name == "tools")
    }
}

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wire {
    /// OpenAI's chat completions.
    ChatCompletions,
    /// The same, under `/v1` of the server's URL.
    Ollama,
    /// The same, with a last message of the assistant marked as the begin of the answer.
    Mistral,
    /// The same, with the deployment in the path and the key in a header of its own.
    Azure,
    /// Anthropic's messages.
    Anthropic,
    /// A binding of the Worker.
    WorkersAi,
}

/// Dynamiq's `FallbackConfig`, where it is enabled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fallback {
    /// After which failures; any of them is enough.
    pub triggers: Vec<FallbackTrigger>,
    /// What is run instead: a node with a language model.
    pub node: Node,
}

/// Dynamiq's `FallbackTrigger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FallbackTrigger {
    /// The provider failed, in whatever way.
    Any,
    /// It has had too many requests.
    RateLimit,
    /// It could not be reached, took too long, or broke down.
    Connection,
}
