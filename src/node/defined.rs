//! Nodes as they are defined: what each type does stands in a file of its own.

use super::embedder::{self, Embeddings};
use super::http_call::{self, Target};
use super::llm::{self, Provider};
use super::{Execution, Node, NodeError, choice, converter};
use crate::ai::Ai;
use crate::definition::{
    self, CachingConfig, Choice, Converter, Depend, ErrorHandling, HttpCall, Kind, Llm, Setting,
    SettingError,
};
use crate::http::HttpClient;
use crate::json::Value;
use crate::transform::Transformer;

/// What a node does, with what it needs from the settings, found once.
#[derive(Debug)]
pub struct Resolved(Work);

#[derive(Debug)]
enum Work {
    Choice(Choice),
    Converter(Converter),
    Embedder(Box<Embeddings>),
    HttpCall(Box<(HttpCall, Target)>),
    Llm(Box<(Llm, Provider)>),
}

impl Resolved {
    /// What a node needs from the environment, or why it cannot be had.
    pub fn new(
        node: &definition::Node,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingError> {
        let resolve = |setting: &Setting| setting.resolve(&env);
        let node_type = &node.node_type;
        Ok(Self(match &node.kind {
            Kind::Choice(choice) => Work::Choice(choice.clone()),
            Kind::Converter(converter) => Work::Converter(*converter),
            Kind::Embedder(embedder) => {
                Work::Embedder(Box::new(Embeddings::new(node_type, embedder, resolve)?))
            }
            Kind::HttpCall(call) => {
                let target = Target::new(node_type, call, resolve)?;
                Work::HttpCall(Box::new(((**call).clone(), target)))
            }
            Kind::Llm(llm) => {
                let provider = Provider::new(node_type, llm, &env)?;
                Work::Llm(Box::new((llm.clone(), provider)))
            }
        }))
    }
}

/// A node as it is defined.
#[derive(Debug)]
pub struct Defined<'a, O> {
    definition: &'a definition::Node,
    resolved: &'a Resolved,
    outside: &'a O,
}

impl<'a, O: HttpClient + Ai> Defined<'a, O> {
    /// A node with what it needs, which has to have been found for this definition, and with who
    /// carries its requests.
    pub fn new(definition: &'a definition::Node, resolved: &'a Resolved, outside: &'a O) -> Self {
        Self { definition, resolved, outside }
    }
}

impl<O: HttpClient + Ai> Node for Defined<'_, O> {
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
        Some(match &self.resolved.0 {
            Work::Choice(choice) => &choice.fingerprint,
            Work::Converter(converter) => converter::fingerprint(*converter),
            Work::Embedder(embeddings) => embeddings.fingerprint(),
            Work::HttpCall(work) => work.1.fingerprint(),
            Work::Llm(work) => work.1.fingerprint(),
        })
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

    fn fallback(&self, error: &NodeError) -> Option<impl Node> {
        let Work::Llm(work) = &self.resolved.0 else { return None };
        let (llm, provider) = &**work;
        let (fallback, resolved) = llm.fallback.as_deref().zip(provider.fallback())?;
        llm::is_trigger(&fallback.triggers, error)
            .then(|| Defined::new(&fallback.node, resolved, self.outside))
    }

    fn validate(
        &self,
        input: Value<'_>,
        kwargs: Option<Value<'_>>,
    ) -> Result<Option<String>, NodeError> {
        match &self.resolved.0 {
            Work::Choice(_) => Ok(None),
            Work::Converter(_) => converter::validate(input).map(Some),
            Work::Embedder(_) => embedder::validate(input).map(Some),
            Work::HttpCall(work) => http_call::validate(&work.0, &work.1, input).map(Some),
            Work::Llm(work) => llm::validate(&work.0, input, kwargs).map(|()| None),
        }
    }

    async fn execute(&self, execution: Execution<'_>) -> Result<String, NodeError> {
        match &self.resolved.0 {
            Work::Choice(choice) => choice::execute(choice, execution),
            Work::Converter(converter) => converter::execute(*converter, execution),
            Work::Embedder(embeddings) => {
                embedder::execute(embeddings, self.outside, execution).await
            }
            Work::HttpCall(work) => {
                http_call::execute(&work.0, &work.1, self.outside, execution).await
            }
            Work::Llm(work) => llm::execute(&work.0, &work.1, self.outside, execution).await,
        }
    }
}
