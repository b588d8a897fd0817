//! Nodes that call a language model.

use super::super::model::{Kind, Llm};
use super::Mistakes;
use super::nodes::Scope;
use super::yaml::RawNode;

/// A node of the type `dynamiq.nodes.llms.OpenAI`.
pub(super) fn compile(
    mistakes: &mut Mistakes<'_>,
    scope: &Scope<'_>,
    id: &str,
    raw: &mut RawNode,
) -> Option<Kind> {
    let (what, at) = (format!("node `{id}`"), raw.r#type.referenced);
    let model = mistakes.required(&what, "model", raw.model.take(), at);
    let connection = mistakes.required(&what, "connection", raw.connection.take(), at);
    let connection = connection.and_then(|name| mistakes.provider(scope.connections, &what, &name));
    let prompt = mistakes.required(&what, "prompt", raw.prompt.take(), at);
    let prompt = prompt.and_then(|name| {
        mistakes.look_up(scope.prompts, &name, || format!("{what}: prompt")).cloned()
    });
    let llm = Llm {
        temperature: raw.temperature.take().map(|field| field.value),
        max_tokens: raw.max_tokens.take().map(|field| field.value),
        top_p: raw.top_p.take().map(|field| field.value),
        seed: raw.seed.take().map(|field| field.value),
        stop: raw.stop.take().map(|field| field.value),
        model: model?.value,
        connection: connection?,
        prompt: prompt??,
    };
    Some(Kind::Llm(llm))
}
