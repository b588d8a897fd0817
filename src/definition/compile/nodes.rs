//! Nodes: what all types have. What a type has of its own is in a file of its own.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use super::super::Scheme;
use super::super::model::{CachingConfig, Depend, ErrorHandling, Kind, Node, Trigger};
use super::super::prompt::Prompt;
use super::super::transform::Transformer;
use super::connections::Connections;
use super::yaml::{RawCaching, RawDepend, RawNode, RawTransformer};
use super::{Mistakes, choice, converter, embedder, http_call, llm};

/// How long an entry may be of use beyond its ttl, in seconds: a year.
const LONGEST_WINDOW: u64 = 31_536_000;

/// How the nodes of a type are compiled.
type Compile = fn(&mut Mistakes<'_>, &Scope<'_>, &str, &mut RawNode) -> Option<Kind>;

/// The types that the edge knows.
pub(super) const NODE_TYPES: &[(&str, Compile)] = &[
    ("dynamiq.nodes.embedders.OpenAITextEmbedder", embedder::compile),
    ("dynamiq.nodes.embedders.MistralTextEmbedder", embedder::compile),
    ("dynamiq.nodes.operators.Choice", choice::compile),
    ("dynamiq.nodes.tools.HttpApiCall", http_call::compile),
    ("dynamiq.nodes.llms.OpenAI", llm::compile),
    ("dynamiq.nodes.llms.AzureAI", llm::compile),
    ("dynamiq.nodes.llms.Anthropic", llm::compile),
    ("dynamiq.nodes.llms.Groq", llm::compile),
    ("dynamiq.nodes.llms.Mistral", llm::compile),
    ("dynamiq.nodes.llms.DeepSeek", llm::compile),
    ("dynamiq.nodes.llms.TogetherAI", llm::compile),
    ("dynamiq.nodes.llms.FireworksAI", llm::compile),
    ("dynamiq.nodes.llms.Cerebras", llm::compile),
    ("dynamiq.nodes.llms.xAI", llm::compile),
    ("dynamiq.nodes.llms.Ollama", llm::compile),
    ("dynamiq.nodes.llms.OpenRouter", llm::compile),
    ("dynamiq.nodes.llms.CustomLLM", llm::compile),
    ("edgememo.nodes.embedders.WorkersAITextEmbedder", embedder::compile),
    ("edgememo.nodes.llms.WorkersAI", llm::compile),
    ("edgememo.nodes.converters.HTMLConverter", converter::compile),
];

/// What nodes refer to in their file; None for what has a mistake.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub connections: &'a Connections,
    pub prompts: &'a BTreeMap<String, Option<Prompt>>,
    /// The options of the choices, by the ids of the nodes.
    pub options: &'a BTreeMap<String, Vec<String>>,
    /// The prompt of the node for which this one takes over.
    pub fallback_of: Option<&'a Prompt>,
}

/// The options that nodes may wait for.
pub(super) fn options(nodes: &BTreeMap<String, RawNode>) -> BTreeMap<String, Vec<String>> {
    let ids = |raw: &RawNode| {
        let options = raw.options.iter().flat_map(|options| &options.value);
        options.filter_map(|option| option.value.id.clone()).collect()
    };
    nodes.iter().map(|(id, raw)| (id.clone(), ids(raw))).collect()
}

/// The node of that id.
pub(super) fn compile(
    mistakes: &mut Mistakes<'_>,
    scope: &Scope<'_>,
    id: &str,
    mut raw: RawNode,
) -> Option<Node> {
    let (type_name, compile) = NODE_TYPES.iter().find(|(name, _)| *name == raw.r#type.value)?;
    let kind = compile(mistakes, scope, id, &mut raw);
    mistakes.refuse_left_over(&format!("node `{id}`"), type_name, raw.left_over());
    let depends = mistakes.depends(scope, id, raw.depends);
    let mut transformer = |field, raw| mistakes.transformer(&format!("node `{id}`: {field}"), raw);
    let input_transformer = transformer("input_transformer", raw.input_transformer);
    let output_transformer = transformer("output_transformer", raw.output_transformer);
    let error_handling = mistakes.error_handling(id, raw.error_handling);
    let caching = mistakes.caching(id, raw.caching, matches!(kind, Some(Kind::Llm(_))));
    Some(Node {
        id: id.to_owned(),
        name: raw.name,
        node_type: raw.r#type.value,
        caching,
        error_handling,
        depends,
        input_transformer: input_transformer?,
        input_mapping: raw.input_mapping.0.into_iter().map(|(k, v)| (k, v.to_string())).collect(),
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
    fn depends(
        &mut self,
        scope: &Scope<'_>,
        id: &str,
        raw: Vec<Spanned<RawDepend>>,
    ) -> Vec<Depend> {
        let mut depends: Vec<Depend> = Vec::new();
        for Spanned { value, referenced, .. } in raw {
            let RawDepend { node, option, condition, trigger } = value;
            let what = format!("node `{id}`: it depends on `{node}`");
            if depends.iter().any(|depend| depend.node == node) {
                self.add(referenced, format!("{what} twice"));
            }
            let option = option.filter(|option| !option.is_empty());
            if let (Some(option), Some(known)) = (&option, scope.options.get(&node))
                && !known.contains(option)
            {
                self.add(referenced, format!("{what}, which has no option `{option}`"));
            }
            if option.is_some() && trigger == Trigger::Failure {
                let reason = "a node that fails takes no option; leave out `option` or `trigger`";
                self.add(referenced, format!("{what}: {reason}"));
            }
            let condition = condition.and_then(|condition| self.condition(&what, condition));
            depends.push(Depend { node, option, condition, trigger });
        }
        depends
    }

    fn caching(
        &mut self,
        id: &str,
        raw: Option<Spanned<RawCaching>>,
        is_llm: bool,
    ) -> CachingConfig {
        let Some(Spanned { value, referenced, .. }) = raw else {
            return CachingConfig { single_flight: is_llm, ..CachingConfig::default() };
        };
        let RawCaching { stale_while_revalidate, stale_if_error, .. } = value;
        for (field, seconds) in
            [("stale_while_revalidate", stale_while_revalidate), ("stale_if_error", stale_if_error)]
        {
            if seconds > 0 && value.key == Scheme::Dynamiq {
                let reason = format!(
                    "node `{id}`: caching.{field} needs `key: canonical`: under a `dynamiq` key the \
                     entry is shared with Python, to which its ttl says when it is over"
                );
                self.add(referenced, reason);
            } else if seconds > LONGEST_WINDOW {
                let reason =
                    format!("node `{id}`: caching.{field} has to be at most {LONGEST_WINDOW}");
                self.add(referenced, reason);
            }
        }
        CachingConfig {
            enabled: value.enabled,
            key: value.key,
            single_flight: value.single_flight.unwrap_or(is_llm),
            single_flight_wait_ms: value.single_flight_wait_ms,
            stale_while_revalidate,
            stale_if_error,
        }
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
