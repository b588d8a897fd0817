//! From a prompt of Dynamiq's YAML to a [`Prompt`]. Runs when the Worker is built.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::prompt::{Message, Prompt, Role};
use super::variables::required_parameters;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPrompt {
    pub messages: Vec<RawMessage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMessage {
    #[serde(default)]
    pub role: Role,
    pub content: Spanned<String>,
    #[serde(default, rename = "static")]
    pub is_static: bool,
}

impl RawPrompt {
    /// The prompt of that id, or its mistakes, each with its place.
    pub fn compile(&self, id: &str, mistake: &mut dyn FnMut(Location, String)) -> Option<Prompt> {
        let mut required = BTreeSet::new();
        let mut messages = Vec::new();
        for message in &self.messages {
            if !message.is_static {
                match required_parameters(&message.content.value) {
                    Ok(names) => required.extend(names),
                    Err(error) => {
                        mistake(message.content.referenced, format!("prompt `{id}`: {error}"));
                        return None;
                    }
                }
            }
            messages.push(Message {
                role: message.role,
                content: message.content.value.clone(),
                is_static: message.is_static,
            });
        }
        Some(Prompt { messages, required: required.into_iter().collect() })
    }
}
