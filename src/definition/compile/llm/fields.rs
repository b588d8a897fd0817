//! The fields of a node that become members of its requests.

use serde_saphyr::{Location, Spanned};

use super::super::json::Json;
use super::super::yaml::RawNode;
use super::providers::Ways;

/// Fields that were written, in the order in which they are sent.
pub struct Fields(Vec<Field>);

pub struct Field {
    pub name: &'static str,
    pub value: Json,
    pub at: Location,
}

/// Adds a mistake, at a place or at the model's.
pub type Refuse<'r> = dyn FnMut(Option<Location>, String) + 'r;

impl Fields {
    /// Takes those that are sent to a provider. Those that Dynamiq's library leaves out stay where
    /// they are, and are refused there.
    pub fn take(raw: &mut RawNode, ways: Ways) -> Self {
        let mut fields = Self(Vec::new());
        let number = |value: &f64| Json::Literal(value.to_string());
        fields.push("temperature", &mut raw.temperature, number);
        fields.push("max_tokens", &mut raw.max_tokens, |value| Json::Literal(value.to_string()));
        fields.push("top_p", &mut raw.top_p, number);
        if ways != Ways::Anthropic {
            fields.push("seed", &mut raw.seed, |value| Json::Literal(value.to_string()));
        }
        if ways != Ways::WorkersAi {
            fields.push("stop", &mut raw.stop, |texts| {
                Json::List(texts.iter().map(|text| Json::text(text)).collect())
            });
        }
        if !matches!(ways, Ways::Anthropic | Ways::Mistral | Ways::Cerebras) {
            fields.push("presence_penalty", &mut raw.presence_penalty, number);
            fields.push("frequency_penalty", &mut raw.frequency_penalty, number);
        }
        fields.push("tools", &mut raw.tools, |tools| Json::List(tools.clone()));
        if ways != Ways::WorkersAi {
            fields.push("tool_choice", &mut raw.tool_choice, |text| Json::text(text));
            if ways != Ways::Cerebras {
                fields.push("parallel_tool_calls", &mut raw.parallel_tool_calls, |value| {
                    Json::bool(*value)
                });
            }
        }
        if ways != Ways::Anthropic {
            fields.push("response_format", &mut raw.response_format, Json::clone);
        }
        if ways == Ways::OpenAi {
            fields.push("reasoning_effort", &mut raw.reasoning_effort, |text| Json::text(text));
            fields.push("verbosity", &mut raw.verbosity, |text| Json::text(text));
        }
        // Dynamiq takes an empty list for none.
        fields.0.retain(|field| !matches!(&field.value, Json::List(items) if items.is_empty()));
        fields
    }

    fn push<T>(
        &mut self,
        name: &'static str,
        raw: &mut Option<Spanned<T>>,
        value: impl Fn(&T) -> Json,
    ) {
        if let Some(field) = raw.take() {
            self.0.push(Field { name, value: value(&field.value), at: field.referenced });
        }
    }

    /// Checks what does not depend on the provider.
    pub fn check(&self, refuse: &mut Refuse<'_>) {
        for Field { name, value, at } in &self.0 {
            let has_to_be = match (*name, value) {
                ("tools", Json::List(tools)) if !tools.iter().all(is_function) => {
                    "a list of {type: function, function: {name: …}}"
                }
                ("response_format", value) if !value.is_map() => "an object",
                ("tool_choice", value)
                    if !matches!(value.as_text(), Some("auto" | "none" | "required")) =>
                {
                    "auto, none or required"
                }
                ("tool_choice" | "parallel_tool_calls", _) if self.get("tools").is_none() => {
                    "left out where there are no tools"
                }
                _ => continue,
            };
            refuse(Some(*at), format!("{name} has to be {has_to_be}"));
        }
    }

    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|field| field.name == name).map(|field| &field.value)
    }

    pub fn remove(&mut self, name: &str) -> Option<Field> {
        let place = self.0.iter().position(|field| field.name == name)?;
        Some(self.0.remove(place))
    }

    /// Sends a field under another name.
    pub fn rename(&mut self, name: &str, sent_as: &'static str) {
        if let Some(field) = self.0.iter_mut().find(|field| field.name == name) {
            field.name = sent_as;
        }
    }

    /// Sends a field with another value.
    pub fn set(&mut self, name: &str, value: Json) {
        if let Some(field) = self.0.iter_mut().find(|field| field.name == name) {
            field.value = value;
        }
    }

    /// Sends one more.
    pub fn add(&mut self, name: &'static str, value: Json) {
        self.0.push(Field { name, value, at: Location::UNKNOWN });
    }

    /// Refuses fields, for a reason.
    pub fn refuse(&self, names: &[&str], why: &str, refuse: &mut Refuse<'_>) {
        for field in self.0.iter().filter(|field| names.contains(&field.name)) {
            refuse(Some(field.at), format!("{} {why}", field.name));
        }
    }

    /// Names, and values as JSON texts.
    pub fn into_parameters(self) -> Vec<(String, String)> {
        let pair = |field: Field| (field.name.to_owned(), field.value.to_string());
        self.0.into_iter().map(pair).collect()
    }
}

fn is_function(tool: &Json) -> bool {
    let name = tool.get("function").and_then(|function| function.get("name"));
    tool.get("type").and_then(Json::as_text) == Some("function")
        && name.is_some_and(|name| name.as_text().is_some())
}
