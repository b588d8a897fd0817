//! Dynamiq's workflow YAML as it is written, before its parts are looked up in one another.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::model::{CachingConfig, ErrorHandling};
use super::prompts::RawPrompt;

/// The types alone; everything else is passed over.
#[derive(Deserialize)]
pub struct Types {
    #[serde(default)]
    pub connections: BTreeMap<String, Type>,
    #[serde(default)]
    pub nodes: BTreeMap<String, Type>,
}

#[derive(Deserialize)]
pub struct Type {
    pub r#type: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default)]
    pub connections: BTreeMap<String, RawConnection>,
    #[serde(default)]
    pub prompts: BTreeMap<String, RawPrompt>,
    #[serde(default)]
    pub nodes: BTreeMap<String, RawNode>,
    #[serde(default)]
    pub flows: BTreeMap<String, RawFlow>,
    #[serde(default)]
    pub workflows: BTreeMap<String, RawWorkflow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConnection {
    #[serde(rename = "type")]
    pub _type: String,
    pub api_key: Option<Spanned<String>>,
    pub url: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawNode {
    pub r#type: Spanned<String>,
    pub name: Option<String>,
    pub model: String,
    pub connection: Spanned<String>,
    pub prompt: Spanned<String>,
    #[serde(default)]
    pub caching: CachingConfig,
    pub error_handling: Option<Spanned<ErrorHandling>>,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u64>,
    pub top_p: Option<f64>,
    pub seed: Option<i64>,
    pub stop: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFlow {
    #[serde(rename = "name")]
    pub _name: Option<String>,
    pub nodes: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWorkflow {
    pub flow: Spanned<String>,
    #[serde(rename = "version")]
    pub _version: Option<String>,
}
