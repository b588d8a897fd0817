//! Nodes that call a language model.
//!
//! What their providers are asked is decided here, so that nothing of it is left to the Worker: a
//! request has what Dynamiq's library would send for the same node. What that would leave out, or
//! send as something else, is refused by name.

mod anthropic;
mod fields;
mod models;
mod providers;

use serde_saphyr::Location;

use super::super::model::{Fallback, FallbackTrigger, Kind, Llm, Wire};
use super::super::prompt::Prompt;
use super::Mistakes;
use super::nodes::{self, Scope};
use super::yaml::{RawFallback, RawNode};
use fields::Fields;
use providers::{PROVIDERS, Ways};

/// A node of a type with `llms` in its name.
pub(super) fn compile(
    mistakes: &mut Mistakes<'_>,
    scope: &Scope<'_>,
    id: &str,
    raw: &mut RawNode,
) -> Option<Kind> {
    let (what, at) = (format!("node `{id}`"), raw.r#type.referenced);
    let provider = PROVIDERS.iter().find(|provider| provider.node == raw.r#type.value)?;
    let model = mistakes.required(&what, "model", raw.model.take(), at);
    let connection = mistakes.required(&what, "connection", raw.connection.take(), at);
    let connection = connection
        .and_then(|name| mistakes.provider(scope.connections, &what, &name, provider.connection));
    let prompt = match scope.fallback_of {
        Some(prompt) => Some(prompt.clone()),
        None => own_prompt(mistakes, scope, &what, raw),
    };
    let fallback = raw.fallback.take().map(|fallback| (fallback.referenced, fallback.value));
    let mut fields = Fields::take(raw, provider.ways);
    let (model, mut prompt) = (model?, prompt?);
    let prefix = match provider.ways {
        Ways::Custom => raw.provider_prefix.take(),
        _ => None,
    };
    let model_name = match provider.model_name(&model.value, prefix) {
        Ok(name) => name,
        Err((at, reason)) => {
            mistakes.add(at, format!("{what}: {reason}"));
            return None;
        }
    };
    let mut refuse = |at: Option<Location>, reason: String| {
        mistakes.add(at.unwrap_or(model.referenced), format!("{what}: {reason}"));
    };
    fields.check(&mut refuse);
    models::apply(provider, &model_name, &mut fields, &mut prompt, &mut refuse);
    let parameters = match provider.wire {
        Wire::Anthropic => anthropic::parameters(&model_name, fields, &prompt, &mut refuse),
        _ => fields.into_parameters(),
    };
    let fallback = match fallback {
        Some((at, fallback)) => compile_fallback(mistakes, scope, id, &prompt, at, fallback),
        None => None,
    };
    Some(Kind::Llm(Llm {
        model: model_name,
        wire: provider.wire,
        connection: connection?,
        prompt,
        parameters,
        fallback,
    }))
}

fn own_prompt(
    mistakes: &mut Mistakes<'_>,
    scope: &Scope<'_>,
    what: &str,
    raw: &mut RawNode,
) -> Option<Prompt> {
    let at = raw.r#type.referenced;
    let name = mistakes.required(what, "prompt", raw.prompt.take(), at)?;
    mistakes.look_up(scope.prompts, &name, || format!("{what}: prompt")).cloned()?
}

/// What takes over from the node of that id: a node of its own, with the prompt of the first.
fn compile_fallback(
    mistakes: &mut Mistakes<'_>,
    scope: &Scope<'_>,
    id: &str,
    prompt: &Prompt,
    at: Location,
    raw: RawFallback,
) -> Option<Box<Fallback>> {
    let Some(mut node) = raw.llm else {
        if raw.enabled {
            mistakes.add(at, format!("node `{id}`: the field `fallback.llm` is missing"));
        }
        return None;
    };
    let what = format!("node `{id}`: fallback.llm");
    if !PROVIDERS.iter().any(|provider| provider.node == node.r#type.value) {
        let reason = format!("{what}: the edge cannot run the type `{}`", node.r#type.value);
        mistakes.add(node.r#type.referenced, reason);
        return None;
    }
    // Dynamiq's fallback is no part of a flow, is given the prompt of the first node, and is never
    // served from the cache.
    for (is_there, field) in [
        (
            node.caching.as_ref().is_some_and(|caching| caching.value.enabled),
            "caching.enabled: it is never served from the cache",
        ),
        (!node.depends.is_empty(), "depends: it is no part of a flow"),
        (!node.input_mapping.0.is_empty(), "input_mapping: it is given the input of the node"),
        (node.prompt.is_some(), "prompt: it is given that of the node"),
        (node.fallback.is_some(), "fallback: one is enough"),
    ] {
        if is_there {
            mistakes.add(at, format!("{what} cannot have {field}"));
        }
    }
    let own_id = node.id.take().map_or_else(|| format!("{id}/fallback"), |id| id.value);
    let scope = Scope { fallback_of: Some(prompt), ..*scope };
    let node = nodes::compile(mistakes, &scope, &own_id, *node)?;
    let triggers = raw.triggers.unwrap_or_else(|| vec![FallbackTrigger::Any]);
    raw.enabled.then(|| Box::new(Fallback { triggers, node }))
}

#[cfg(test)]
mod tests;
