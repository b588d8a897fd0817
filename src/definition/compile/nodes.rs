//! Nodes: what all types have. What a type has of its own is in a file of its own.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use super::super::model::{Depend, ErrorHandling, Kind, Node};
use super::super::prompt::Prompt;
use super::super::transform::Transformer;
use super::connections::Connections;
use super::yaml::{Constant, RawDepend, RawNode, RawTransformer};
use super::{Mistakes, embedder, http_call, llm};

/// How the nodes of a type are compiled.
type Compile = fn(&mut Mistakes<'_>, &Scope<'_>, &str, &mut RawNode) -> Option<Kind>;

/// The types that the edge knows.
pub(super) const NODE_TYPES: [(&str, Compile); 3] = [
    ("dynamiq.nodes.embedders.OpenAITextEmbedder", embedder::openai),
    ("dynamiq.nodes.llms.OpenAI", llm::compile),
    ("dynamiq.nodes.tools.HttpApiCall", http_call::compile),
];

/// What nodes refer to in their file; None for what has a mistake.
pub(super) struct Scope<'a> {
    pub connections: &'a Connections,
    pub prompts: &'a BTreeMap<String, Option<Prompt>>,
}

/// The node of that id.
pub(super) fn compile(
    mistakes: &mut Mistakes<'_>,
    scope: &Scope<'_>,
    id: &str,
    mut raw: RawNode,
) -> Option<Node> {
    let (type_name, compile) =
        NODE_TYPES.into_iter().find(|(name, _)| *name == raw.r#type.value)?;
    let kind = compile(mistakes, scope, id, &mut raw);
    mistakes.refuse_left_over(&format!("node `{id}`"), type_name, raw.left_over());
    let depends = mistakes.depends(id, raw.depends);
    let mut transformer = |field, raw| mistakes.transformer(&format!("node `{id}`: {field}"), raw);
    let input_transformer = transformer("input_transformer", raw.input_transformer);
    let output_transformer = transformer("output_transformer", raw.output_transformer);
    let error_handling = mistakes.error_handling(id, raw.error_handling);
    Some(Node {
        id: id.to_owned(),
        name: raw.name,
        node_type: raw.r#type.value,
        caching: raw.caching,
        error_handling,
        depends,
        input_transformer: input_transformer?,
        input_mapping: raw.input_mapping.0.into_iter().map(|(k, Constant(v))| (k, v)).collect(),
        output_transformer: output_transformer?,
        kind: kind?,
    })
}

impl Mistakes<'_> {
    fn transformer(
        &mut self,
        what: &str,
        raw: Option<Spanned<RawTransformer>>,
    ) -> Option<Transformer> {
        let Some(raw) = raw else { return Some(Transformer::default()) };
        let RawTransformer { path, selector } = &raw.value;
        match Transformer::compile(path.as_deref(), Some(&selector.0)) {
            Ok(transformer) => Some(transformer),
            Err(error) => {
                self.add(raw.referenced, format!("{what}: {error}"));
                None
            }
        }
    }

    /// What a node depends on. Whether its flow has it is for the flow to say.
    fn depends(&mut self, id: &str, raw: Vec<Spanned<RawDepend>>) -> Vec<Depend> {
        let mut depends: Vec<Depend> = Vec::new();
        for Spanned { value, referenced, .. } in raw {
            if depends.iter().any(|depend| depend.node == value.node) {
                self.add(referenced, format!("node `{id}`: it depends on `{}` twice", value.node));
            }
            let RawDepend { node, option, trigger } = value;
            depends.push(Depend { node, option, trigger });
        }
        depends
    }

    fn error_handling(&mut self, id: &str, raw: Option<Spanned<ErrorHandling>>) -> ErrorHandling {
        let Some(raw) = raw else { return ErrorHandling::default() };
        let ErrorHandling {
            timeout_seconds,
            retry_interval_seconds,
            max_retries,
            backoff_rate,
            max_retry_interval_seconds,
            behavior: _,
        } = raw.value;
        let longest = max_retry_interval_seconds.unwrap_or_default();
        for (field, wrong, bound) in [
            // A day is longer than any request lives.
            (
                "timeout_seconds",
                !(timeout_seconds > 0.0 && timeout_seconds <= 86_400.0),
                "over 0 and at most 86400",
            ),
            (
                "retry_interval_seconds",
                !(0.0..=86_400.0).contains(&retry_interval_seconds),
                "from 0 to 86400",
            ),
            // A request may make 50 subrequests on the smallest plan.
            ("max_retries", max_retries > 20, "at most 20"),
            ("backoff_rate", !(0.0..=100.0).contains(&backoff_rate), "from 0 to 100"),
            ("max_retry_interval_seconds", !(0.0..=86_400.0).contains(&longest), "from 0 to 86400"),
        ] {
            if wrong {
                let reason = format!("node `{id}`: error_handling.{field} has to be {bound}");
                self.add(raw.referenced, reason);
            }
        }
        raw.value
    }
}
