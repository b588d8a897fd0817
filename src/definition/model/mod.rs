//! Definitions in the form in which the Worker carries them.

mod choice;
mod condition;
mod converter;
mod embedder;
mod flow;
mod http_call;
mod llm;
mod origin;

use serde::{Deserialize, Serialize};

pub use choice::{Choice, ChoiceOption, HitPolicy};
pub use condition::{Comparison, Condition, Operand, Test};
pub use converter::{Converter, PageFormat, PagePart};
pub use embedder::Embedder;
pub use flow::{Depend, Flow, FlowNode, Trigger, Workflow};
pub use http_call::{Given, HttpCall, Method, PayloadType, ResponseType, Template, header_mistake};
pub use llm::{Fallback, FallbackTrigger, Llm, Wire};
pub use origin::Origin;
pub use origin::UrlMistake;

use super::Scheme;
use super::prompt::Prompt;
use super::transform::Transformer;

/// Everything that is deployed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definitions {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// All workflows.
    pub workflows: Vec<Workflow>,
}

impl Definitions {
    /// Lets no execution take longer than that, of whichever node.
    pub fn bound_executions(&mut self, seconds: f64) {
        self.nodes.iter_mut().for_each(|node| node.bound_executions(seconds));
    }
}

/// A node that can be run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its id, which is part of its cache keys.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// Dynamiq's name of the type, such as `dynamiq.nodes.llms.OpenAI`.
    pub node_type: String,
    /// The first of the two caching switches.
    pub caching: CachingConfig,
    /// How long an execution may take, how often it is tried, and what a failure means.
    pub error_handling: ErrorHandling,
    /// What it waits for in a flow.
    pub depends: Vec<Depend>,
    /// What the input is made of.
    pub input_transformer: Transformer,
    /// Constants that are put into the input: names, and values as JSON texts.
    pub input_mapping: Vec<(String, String)>,
    /// What is made of the output.
    pub output_transformer: Transformer,
    /// What it does.
    pub kind: Kind,
}

impl Node {
    fn bound_executions(&mut self, seconds: f64) {
        let own = &mut self.error_handling.timeout_seconds;
        *own = own.min(seconds);
        if let Kind::Llm(Llm { fallback: Some(fallback), .. }) = &mut self.kind {
            fallback.node.bound_executions(seconds);
        }
    }
}

/// What a node does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// It makes text of a web page.
    Converter(Converter),
    /// It turns a text into a vector.
    Embedder(Embedder),
    /// It calls an API.
    HttpCall(Box<HttpCall>),
    /// It calls a language model.
    Llm(Llm),
    /// It chooses what runs after it.
    Choice(Choice),
}

/// Dynamiq's `CachingConfig`, which says whether the node opts in; and what the edge adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CachingConfig {
    /// Off by default.
    pub enabled: bool,
    /// How keys are made; `dynamiq` by default.
    pub key: Scheme,
    /// Whether equal runs at once share one execution. Definitions have it on for language models
    /// unless they say otherwise; here it is off by default.
    pub single_flight: bool,
    /// How long a run waits for the execution of another, in milliseconds; None for as long as one of
    /// its own may take.
    pub single_flight_wait_ms: Option<u64>,
    /// RFC 5861, in seconds: for how long beyond its ttl an output is served while it is made anew.
    /// Under `canonical` keys only, like the next.
    pub stale_while_revalidate: u64,
    /// RFC 5861, in seconds: for how long beyond its ttl an output is served when the node fails.
    pub stale_if_error: u64,
}

impl CachingConfig {
    /// For how many seconds an entry is of use when its ttl is over.
    pub fn stale_for(&self) -> u64 {
        self.stale_while_revalidate.max(self.stale_if_error)
    }
}

/// Dynamiq's `ErrorHandling`, as far as the edge knows it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ErrorHandling {
    /// For one execution; Dynamiq's default for LLM nodes is 600.
    pub timeout_seconds: f64,
    /// The wait before the first retry.
    pub retry_interval_seconds: f64,
    /// How often a failed execution is tried again.
    pub max_retries: u32,
    /// By how much each further wait is longer.
    pub backoff_rate: f64,
    /// The longest wait.
    pub max_retry_interval_seconds: Option<f64>,
    /// What a failure means for the nodes that depend on this one, and for the flow.
    pub behavior: Behavior,
}

/// What a failure of a node means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Behavior {
    /// What depends on the node is skipped, and the flow fails.
    #[default]
    Raise,
    /// What depends on the node runs, and sees the failure in its input.
    Return,
}

impl Default for ErrorHandling {
    fn default() -> Self {
        Self {
            timeout_seconds: 600.0,
            retry_interval_seconds: 1.0,
            max_retries: 0,
            backoff_rate: 1.0,
            max_retry_interval_seconds: None,
            behavior: Behavior::Raise,
        }
    }
}

/// A connection to a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Connection {
    /// An API over HTTP.
    Api(Api),
    /// Workers AI, by the name of the Worker's binding to it.
    Binding(String),
}

/// An API over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// Always from the environment. None where an API needs none.
    pub api_key: Option<Setting>,
    /// Its base URL.
    pub url: Setting,
    /// Its version, where that is a part of requests.
    pub api_version: Option<Setting>,
}

/// A text, or the name of an environment variable that holds it (`${oc.env:NAME,default}`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setting {
    /// Written in the definition.
    Text(String),
    /// Read when the Worker starts.
    Env {
        /// The variable.
        name: String,
        /// Used when the variable is not set.
        default: Option<String>,
    },
}

impl Setting {
    /// The text. A variable that is set to nothing counts as not set.
    pub fn resolve(&self, env: impl Fn(&str) -> Option<String>) -> Result<String, SettingError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Env { name, default } => env(name)
                .filter(|value| !value.is_empty())
                .or_else(|| default.clone())
                .ok_or_else(|| SettingError::Missing(name.clone())),
        }
    }

    /// A base URL that this setting came to, without the slash at its end.
    pub fn base_url(&self, text: &str) -> Result<String, SettingError> {
        match (Origin::split(text), self) {
            (Ok(_), _) => Ok(text.trim_end_matches('/').to_owned()),
            (Err(mistake), Self::Env { name, .. }) => {
                Err(SettingError::Url { name: name.clone(), mistake })
            }
            (Err(mistake), Self::Text(_)) => {
                Err(SettingError::Url { name: "the url of a connection".to_owned(), mistake })
            }
        }
    }
}

/// Why a setting cannot be used. Holds its name, and never what it is set to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The variable is not set.
    #[error("{0} is not set")]
    Missing(String),
    /// The variable is not a URL.
    #[error("{name} {mistake}")]
    Url {
        /// Its name.
        name: String,
        /// What is wrong with it.
        mistake: UrlMistake,
    },
}
