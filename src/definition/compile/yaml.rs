//! Dynamiq's workflow YAML as it is written, before its parts are looked up in one another.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::super::Scheme;
use super::super::model::{
    ErrorHandling, FallbackTrigger, HitPolicy, PageFormat, PagePart, PayloadType, ResponseType,
    Trigger,
};
use super::super::prompts::RawPrompt;
use super::json::Json;

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

/// A structure with the fields of all types. Whoever compiles a type takes the fields that it has;
/// those that are left over are not its own.
macro_rules! by_type {
    ($name:ident { $($common:ident: $common_type:ty,)* } { $($field:ident: $type:ty,)* }) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            pub r#type: Spanned<String>,
            $(#[serde(default)] pub $common: $common_type,)*
            $(pub $field: Option<Spanned<$type>>,)*
        }

        impl $name {
            /// The fields that nobody has taken, with their places.
            pub fn left_over(&self) -> Vec<(&'static str, Location)> {
                let fields = [$((stringify!($field), self.$field.as_ref().map(|f| f.referenced)),)*];
                fields.into_iter().filter_map(|(name, at)| at.map(|at| (name, at))).collect()
            }
        }
    };
}

by_type!(RawConnection {} {
    api_key: String,
    url: String,
    method: String,
    headers: Constants,
    params: Constants,
    data: Constants,
    api_version: String,
    binding: String,
});

/// What a node says of caching.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct RawCaching {
    pub enabled: bool,
    pub key: Scheme,
    pub single_flight: Option<bool>,
    pub single_flight_wait_ms: Option<u64>,
    pub stale_while_revalidate: u64,
    pub stale_if_error: u64,
}

by_type!(RawNode {
    name: Option<String>,
    caching: Option<Spanned<RawCaching>>,
    error_handling: Option<Spanned<ErrorHandling>>,
    depends: Vec<Spanned<RawDepend>>,
    input_transformer: Option<Spanned<RawTransformer>>,
    input_mapping: Constants,
    output_transformer: Option<Spanned<RawTransformer>>,
} {
    model: String,
    connection: String,
    prompt: String,
    temperature: f64,
    max_tokens: u64,
    top_p: f64,
    seed: i64,
    stop: Vec<String>,
    dimensions: u32,
    url: String,
    method: String,
    headers: Constants,
    params: Constants,
    data: Constants,
    payload_type: PayloadType,
    response_type: ResponseType,
    success_codes: Vec<u16>,
    timeout: f64,
    allowed_origins: Vec<String>,
    max_response_bytes: u32,
    format: PageFormat,
    part: PagePart,
    options: Vec<Spanned<RawOption>>,
    hit_policy: HitPolicy,
    presence_penalty: f64,
    frequency_penalty: f64,
    tools: Vec<Json>,
    tool_choice: String,
    parallel_tool_calls: bool,
    response_format: Json,
    reasoning_effort: String,
    verbosity: String,
    provider_prefix: String,
    fallback: RawFallback,
    id: String,
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFallback {
    #[serde(default)]
    pub enabled: bool,
    pub triggers: Option<Vec<FallbackTrigger>>,
    pub llm: Option<Box<RawNode>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawDepend {
    pub node: String,
    pub option: Option<String>,
    pub condition: Option<Spanned<RawCondition>>,
    #[serde(default)]
    pub trigger: Trigger,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOption {
    pub id: Option<String>,
    #[serde(rename = "name")]
    pub _name: Option<String>,
    pub condition: Option<Spanned<RawCondition>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCondition {
    pub variable: Option<Spanned<String>>,
    pub operator: Option<Spanned<String>>,
    #[serde(default)]
    pub value: Json,
    #[serde(default)]
    pub is_not: bool,
    pub operands: Option<Vec<Spanned<RawCondition>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTransformer {
    pub path: Option<String>,
    #[serde(default)]
    pub selector: Pairs<String>,
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

/// A mapping in the order in which it is written; `null` is an empty one.
pub struct Pairs<V>(pub Vec<(String, V)>);

/// Names and constants.
pub type Constants = Pairs<Json>;

impl<V> Default for Pairs<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<V>(std::marker::PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for InOrder<V> {
            type Value = Pairs<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_any(InOrder(std::marker::PhantomData))
    }
}
