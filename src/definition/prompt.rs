//! Prompts in the form in which the Worker carries them.

use serde::{Deserialize, Serialize};

/// What is sent to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// In the order in which they are sent.
    pub messages: Vec<Message>,
    /// Variables that the input has to have, sorted.
    pub required: Vec<String>,
}

/// A message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// A Jinja template, or for a static message a text.
    pub content: String,
    /// Sent as it is written.
    pub is_static: bool,
}

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The default.
    #[default]
    User,
    /// Instructions.
    System,
    /// The model.
    Assistant,
}

impl Role {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
            Self::Assistant => "assistant",
        }
    }
}
