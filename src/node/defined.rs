//! Nodes as they are defined: what each type does stands in a file of its own.

use super::embedder::{self, Embeddings};
use super::http_call::{self, Target};
use super::llm::{self, Provider};
<<<<<<< HEAD
use super::{Execution, Node, NodeError, choice};
use crate::ai::Ai;
=======
use super::{Execution, Node, NodeError, choice, converter};
>>>>>>> 7f52775 (Make text of web pages: a node that converts HTML to Markdown or plain text)
use crate::definition::{self, CachingConfig, Depend, ErrorHandling, Kind, Setting};
use crate::http::HttpClient;
use crate::json::Value;
use crate::transform::Transformer;

/// What a node needs from the settings, found once.
#[derive(Debug)]
pub struct Resolved(Needs);

#[derive(Debug)]
enum Needs {
    Embedder(Box<Embeddings>),
    HttpCall(Box<Target>),
    Llm(Box<Provider>),
    Nothing,
}

impl Resolved {
    /// What a node needs from the environment; or the variable that is not set.
    pub fn new(
        node: &definition::Node,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let resolve = |setting: &Setting| setting.resolve(&env).map_err(str::to_owned);
        Ok(Self(match &node.kind {
            Kind::Embedder(embedder) => {
                Needs::Embedder(Box::new(Embeddings::new(&node.node_type, embedder, resolve)?))
            }
            Kind::HttpCall(call) => {
                Needs::HttpCall(Box::new(Target::new(&node.node_type, call, resolve)?))
            }
<<<<<<< HEAD
            Kind::Llm(llm) => Needs::Llm(Box::new(Provider::new(&node.node_type, llm, &env)?)),
            Kind::Choice(_) => Needs::Nothing,
=======
            Kind::Llm(llm) => Needs::Llm(Box::new(Provider::new(&node.node_type, llm, resolve)?)),
            Kind::Choice(_) | Kind::Converter(_) => Needs::Nothing,
>>>>>>> 7f52775 (Make text of web pages: a node that converts HTML to Markdown or plain text)
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
        match (&self.definition.kind, &self.resolved.0) {
            (Kind::Choice(choice), _) => Some(&choice.fingerprint),
            (Kind::Converter(converter), _) => Some(converter::fingerprint(*converter)),
            (_, Needs::Embedder(embeddings)) => Some(embeddings.fingerprint()),
            (_, Needs::HttpCall(target)) => Some(target.fingerprint()),
            (_, Needs::Llm(provider)) => Some(provider.fingerprint()),
            (_, Needs::Nothing) => None,
        }
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
        let (Kind::Llm(llm), Needs::Llm(provider)) = (&self.definition.kind, &self.resolved.0)
        else {
            return None;
        };
        let (fallback, resolved) = llm.fallback.as_deref().zip(provider.fallback())?;
        llm::is_trigger(&fallback.triggers, error)
            .then(|| Defined::new(&fallback.node, resolved, self.outside))
    }

    fn validate(
        &self,
        input: Value<'_>,
        kwargs: Option<Value<'_>>,
    ) -> Result<Option<String>, NodeError> {
        match (&self.definition.kind, &self.resolved.0) {
            (Kind::Choice(_), _) => Ok(None),
            (Kind::Converter(_), _) => converter::validate(input).map(Some),
            (Kind::HttpCall(call), Needs::HttpCall(target)) => {
                http_call::validate(call, target, input).map(Some)
            }
            (Kind::Llm(llm), _) => llm::validate(llm, input, kwargs).map(|()| None),
            (Kind::Embedder(_), _) => embedder::validate(input).map(Some),
            (Kind::HttpCall(_), _) => Err(mismatch()),
        }
    }

    async fn execute(&self, execution: Execution<'_>) -> Result<String, NodeError> {
        match (&self.definition.kind, &self.resolved.0) {
            (Kind::Choice(choice), _) => choice::execute(choice, execution),
            (Kind::Converter(converter), _) => converter::execute(*converter, execution),
            (Kind::Embedder(_), Needs::Embedder(embeddings)) => {
                embedder::execute(embeddings, self.outside, execution).await
            }
            (Kind::HttpCall(call), Needs::HttpCall(target)) => {
                http_call::execute(call, target, self.outside, execution).await
            }
            (Kind::Llm(llm), Needs::Llm(provider)) => {
                llm::execute(llm, provider, self.outside, execution).await
            }
            _ => Err(mismatch()),
        }
    }
}

/// What a node says that was given what another one needs.
fn mismatch() -> NodeError {
    NodeError::Validation("the node was set up for another one".to_owned())
}
