//! Nodes as they are defined: what each type does stands in a file of its own.

use super::llm::{self, Provider};
use super::{Execution, Node, NodeError};
use crate::definition::{self, CachingConfig, Depend, ErrorHandling, Kind, Setting};
use crate::http::HttpClient;
use crate::json::Value;
use crate::transform::Transformer;

/// What a node needs from the settings, found once.
#[derive(Debug)]
pub struct Resolved(Needs);

#[derive(Debug)]
enum Needs {
    Llm(Box<Provider>),
}

impl Resolved {
    /// What a node needs from the environment; or the variable that is not set.
    pub fn new(
        node: &definition::Node,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let resolve = |setting: &Setting| setting.resolve(&env).map_err(str::to_owned);
        Ok(Self(match &node.kind {
            Kind::Llm(llm) => Needs::Llm(Box::new(Provider::new(&node.node_type, llm, resolve)?)),
        }))
    }
}

/// A node as it is defined.
#[derive(Debug)]
pub struct Defined<'a, H> {
    definition: &'a definition::Node,
    resolved: &'a Resolved,
    http: &'a H,
}

impl<'a, H: HttpClient> Defined<'a, H> {
    /// A node with what it needs, which has to have been found for this definition.
    pub fn new(definition: &'a definition::Node, resolved: &'a Resolved, http: &'a H) -> Self {
        Self { definition, resolved, http }
    }
}

impl<H: HttpClient> Node for Defined<'_, H> {
    fn id(&self) -> &str {
        &self.definition.id
    }

    fn name(&self) -> Option<&str> {
        self.definition.name.as_deref()
    }

    fn caching(&self) -> CachingConfig {
        self.definition.caching
    }

    fn definition(&self) -> Option<&str> {
        let Needs::Llm(provider) = &self.resolved.0;
        Some(provider.fingerprint())
    }

    fn error_handling(&self) -> ErrorHandling {
        self.definition.error_handling
    }

    fn depends(&self) -> &[Depend] {
        &self.definition.depends
    }

    fn input_transformer(&self) -> Option<&Transformer> {
        Some(&self.definition.input_transformer)
    }

    fn input_mapping(&self) -> &[(String, String)] {
        &self.definition.input_mapping
    }

    fn output_transformer(&self) -> Option<&Transformer> {
        Some(&self.definition.output_transformer)
    }

    fn validate(
        &self,
        input: Value<'_>,
        kwargs: Option<Value<'_>>,
    ) -> Result<Option<String>, NodeError> {
        match &self.definition.kind {
            Kind::Llm(llm) => llm::validate(llm, input, kwargs).map(|()| None),
        }
    }

    async fn execute(&self, execution: Execution<'_>) -> Result<String, NodeError> {
        let Kind::Llm(llm) = &self.definition.kind;
        let Needs::Llm(provider) = &self.resolved.0;
        llm::execute(llm, provider, self.http, execution).await
    }
}
