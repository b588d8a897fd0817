//! From a prompt of Dynamiq's YAML to a [`Prompt`]. Runs when the Worker is built.

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_saphyr::{Location, Spanned};

use super::prompt::{Content, Detail, Message, Part, Prompt, Role};
use crate::template::Template;

/// A prompt as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPrompt {
    messages: Vec<RawMessage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMessage {
    #[serde(default)]
    role: Role,
    content: Spanned<RawContent>,
    #[serde(default, rename = "static")]
    is_static: bool,
    tool_calls: Option<Spanned<Vec<Json>>>,
    tool_call_id: Option<String>,
    name: Option<String>,
    /// Dynamiq sends neither.
    #[serde(rename = "metadata")]
    _metadata: Option<de::IgnoredAny>,
    #[serde(rename = "type")]
    _type: Option<MessageType>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum MessageType {
    Message,
    Vision,
}

enum RawContent {
    Text(String),
    Parts(Vec<RawPart>),
}

impl<'de> Deserialize<'de> for RawContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawContent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of text and image_url parts")
            }

            fn visit_str<E>(self, text: &str) -> Result<RawContent, E> {
                Ok(RawContent::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawContent, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = seq.next_element()? {
                    parts.push(part);
                }
                Ok(RawContent::Parts(parts))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPart {
    r#type: Option<PartType>,
    text: Option<String>,
    image_url: Option<RawImage>,
}

#[derive(Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum PartType {
    Text,
    ImageUrl,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawImage {
    url: String,
    #[serde(default)]
    detail: Detail,
}

/// What the calls of tools are made of, in the order in which it is written.
enum Json {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, an integer, a boolean, a list or an object")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Int(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
                value.try_into().map(Json::Int).map_err(|_| E::custom("an integer is too large"))
            }

            fn visit_str<E>(self, value: &str) -> Result<Json, E> {
                Ok(Json::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Json::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Json::Map(members))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

impl Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}

impl RawPrompt {
    /// The prompt of that id, or its mistakes, each with its place.
    pub fn compile(&self, id: &str, mistake: &mut dyn FnMut(Location, String)) -> Option<Prompt> {
        let mut required = BTreeSet::new();
        let mut messages = Vec::new();
        for message in &self.messages {
            match message.compile(&mut required) {
                Ok(compiled) => messages.push(compiled),
                Err((place, reason)) => {
                    mistake(place, format!("prompt `{id}`: {reason}"));
                    return None;
                }
            }
        }
        let required = required.iter().map(|name| name.to_string()).collect();
        Some(Prompt { messages, required })
    }
}

type Compiled<T> = Result<T, (Location, String)>;

impl RawMessage {
    fn compile(&self, required: &mut BTreeSet<Rc<str>>) -> Compiled<Message> {
        let place = self.content.referenced;
        let mut read = |source: &str| match Template::parse(source) {
            Ok(template) => {
                required.extend(template.required);
                Ok(())
            }
            Err(mistake) => Err((place, mistake.to_string())),
        };
        let parts = match &self.content.value {
            RawContent::Text(text) => {
                if !self.is_static {
                    read(text)?;
                }
                return Ok(Message {
                    role: self.role,
                    content: Content::Text(text.clone()),
                    is_static: self.is_static,
                    tool_calls: self.tool_calls()?,
                    tool_call_id: self.tool_call_id.clone(),
                    name: self.name.clone(),
                });
            }
            RawContent::Parts(parts) => parts,
        };
        let mut content = Vec::new();
        for part in parts {
            let part = part.compile().map_err(|reason| (place, reason))?;
            match &part {
                Part::Text(_) if self.is_static => {}
                Part::Text(source) | Part::Image { url: source, .. } => read(source)?,
            }
            content.push(part);
        }
        // Dynamiq sends nothing more of a message with parts.
        let (role, is_static) = (self.role, self.is_static);
        Ok(Message { role, content: Content::Parts(content), is_static, ..Message::default() })
    }

    fn tool_calls(&self) -> Compiled<Option<String>> {
        let Some(calls) = &self.tool_calls else { return Ok(None) };
        let are_objects = calls.value.iter().all(|call| matches!(call, Json::Map(_)));
        match serde_json::to_string(&calls.value) {
            Ok(text) if are_objects && !calls.value.is_empty() => Ok(Some(text)),
            _ => Err((calls.referenced, "tool_calls has to be a list of objects".to_owned())),
        }
    }
}

impl RawPart {
    fn compile(&self) -> Result<Part, String> {
        let is = |kind| self.r#type.is_none_or(|r#type| r#type == kind);
        match (&self.text, &self.image_url) {
            (Some(text), None) if is(PartType::Text) => Ok(Part::Text(text.clone())),
            (None, Some(image)) if is(PartType::ImageUrl) => {
                Ok(Part::Image { url: image.url.clone(), detail: image.detail })
            }
            _ => Err("a part has to have a text, or an image_url, and the type of it".to_owned()),
        }
    }
}
