//! What is deployed: nodes, their prompts and their connections.
//!
//! Definitions are written in Dynamiq's workflow YAML (`workflows/*.yaml`). The build script
//! checks them and compiles them (the `compile` module, which it shares with the tests);
//! the Worker reads only what comes out.

#[cfg(test)]
pub(crate) mod compile;
mod model;
mod prompt;
#[cfg(test)]
pub(crate) mod prompts;

use crate::key::Scheme;
use crate::transform;

pub use model::{
    Api, Behavior, CachingConfig, Choice, ChoiceOption, Comparison, Condition, Connection,
    Converter, Definitions, Depend, Embedder, ErrorHandling, Fallback, FallbackTrigger, Flow,
    FlowNode, Given, HitPolicy, HttpCall, Kind, Llm, Method, Node, Operand, Origin, PageFormat,
    PagePart, PayloadType, ResponseType, Setting, SettingError, Template, Test, Trigger,
    UrlMistake, Wire, Workflow, header_mistake,
};
pub use prompt::{Content, Detail, Message, Part, Prompt, Role};
