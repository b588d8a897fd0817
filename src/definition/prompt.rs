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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Content,
    /// Whether texts are sent as they are written. URLs of images are templates all the same.
    pub is_static: bool,
    /// The tools that an assistant called, as JSON. Sent as it is written.
    pub tool_calls: Option<String>,
    /// The call that a tool answers.
    pub tool_call_id: Option<String>,
    /// The name of who speaks.
    pub name: Option<String>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// A Jinja template, or for a static message a text.
    Text(String),
    /// Texts and images. A single text is sent as such.
    Parts(Vec<Part>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// A template, or in a static message a text.
    Text(String),
    /// A picture.
    Image {
        /// A template, of variables that are strings.
        url: String,
        /// How closely the model looks.
        detail: Detail,
    },
}

/// How closely a model looks at a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// The default.
    #[default]
    Auto,
    /// In full.
    High,
    /// A small version.
    Low,
}

impl Detail {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::High => "high",
            Self::Low => "low",
        }
    }
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
    /// The answer of a tool.
    Tool,
}

impl Role {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}
