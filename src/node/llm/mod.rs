//! Nodes that call a language model: what all providers have in common.

mod anthropic;
mod chat;
mod output;
mod workers_ai;

pub(super) use chat::is_blank;

use super::defined::Resolved;
use super::endpoint::Endpoint;
use super::{Execution, NodeError, RATE_LIMIT};
use crate::ai::Ai;
use crate::definition::{Api, Connection, FallbackTrigger, Llm, Setting, SettingError, Wire};
use crate::http::{HttpClient, Secret};
use crate::json::{Dialect, Document, Value, write_string};
use crate::prompt;

/// Where a node sends its requests.
#[derive(Debug)]
pub(super) struct Provider {
    endpoint: Endpoint,
    fingerprint: String,
    fallback: Option<Box<Resolved>>,
}

impl Provider {
    /// The provider of a node, with the base URL and the key of its connection; or the setting that
    /// is missing.
    pub fn new(
        node_type: &str,
        llm: &Llm,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingError> {
        let resolve = |setting: &Setting| setting.resolve(env);
        let fallback = match &llm.fallback {
            Some(fallback) => Some(Box::new(Resolved::new(&fallback.node, env)?)),
            None => None,
        };
        let (endpoint, place) = match &llm.connection {
            Connection::Api(Api { api_key, url, api_version }) => {
                let api_key = api_key.as_ref().map(resolve).transpose()?.map(Secret::new);
                let version = api_version.as_ref().map(resolve).transpose()?.unwrap_or_default();
                let base = url.base_url(&resolve(url)?)?;
                let (url, headers) = match llm.wire {
                    Wire::Anthropic => anthropic::address(&base, api_key.as_ref()),
                    Wire::Azure => chat::azure(&base, &llm.model, &version, api_key.as_ref()),
                    Wire::Ollama => chat::ollama(&base, api_key.as_ref()),
                    _ => chat::address(&base, api_key.as_ref()),
                };
                let api_key = api_key.unwrap_or_else(|| Secret::new(""));
                // The version is a part of Azure's URLs alone.
                let place = if llm.wire == Wire::Azure { url.clone() } else { base };
                (Endpoint::Http { url, headers, api_key }, Some(place))
            }
            Connection::Binding(name) => {
                (Endpoint::Binding { name: name.clone(), model: llm.model.clone() }, None)
            }
        };
        let fingerprint = fingerprint(node_type, llm, place.as_deref());
        Ok(Self { endpoint, fingerprint, fallback })
    }

    /// What is asked of the provider, before an input is filled in.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What the node that takes over needs from the settings.
    pub fn fallback(&self) -> Option<&Resolved> {
        self.fallback.as_deref()
    }
}

/// Whether a failure is one of those after which another node takes over.
pub(super) fn is_trigger(triggers: &[FallbackTrigger], error: &NodeError) -> bool {
    let trigger = match error {
        // Another model would be asked what makes no sense, too.
        NodeError::Validation(_) | NodeError::Transform(_) | NodeError::Skipped { .. } => {
            return false;
        }
        NodeError::Refused(_) => FallbackTrigger::Any,
        NodeError::Busy { status: RATE_LIMIT, .. } => FallbackTrigger::RateLimit,
        NodeError::Busy { .. } | NodeError::Upstream { .. } | NodeError::Timeout(_) => {
            FallbackTrigger::Connection
        }
    };
    triggers.contains(&trigger) || triggers.contains(&FallbackTrigger::Any)
}

/// Keywords that Dynamiq's LLM nodes act on. To pass over them would store another call's answer
/// under the key that Python reads.
const ACTED_ON: [&str; 5] =
    ["prompt", "tools", "response_format", "parallel_tool_calls", "tool_choice"];

/// Checks what the node is given.
pub(super) fn validate(
    llm: &Llm,
    input: Value<'_>,
    kwargs: Option<Value<'_>>,
) -> Result<(), NodeError> {
    let acted_on = |name: &&str| kwargs.is_some_and(|kwargs| kwargs.get(name).is_some());
    if let Some(name) = ACTED_ON.into_iter().find(acted_on) {
        return Err(NodeError::Validation(format!(
            "kwargs.{name} is not supported at the edge: put it into the definition"
        )));
    }
    Ok(prompt::check_input(&llm.prompt, input)?)
}

/// Asks the provider.
pub(super) async fn execute(
    llm: &Llm,
    provider: &Provider,
    outside: &(impl HttpClient + Ai),
    execution: Execution<'_>,
) -> Result<String, NodeError> {
    let messages = prompt::render_messages(&llm.prompt, execution.input)?;
    execution.running();
    let body = match llm.wire {
        Wire::Anthropic => anthropic::request_body(llm, &messages)?,
        Wire::WorkersAi => inputs(llm, &chat::messages(llm, messages)?),
        _ => request_body(llm, &chat::messages(llm, messages)?),
    };
    let answer = provider.endpoint.ask(outside, &body).await?;
    // Python's dialect: what comes from a provider may have been written by Python.
    let document = Document::parse(&answer, Dialect::PYTHON).ok();
    let read = document.as_ref().and_then(|document| match llm.wire {
        Wire::Anthropic => anthropic::read(document.root()),
        Wire::WorkersAi => workers_ai::read(document.root()),
        _ => chat::read(document.root()),
    });
    let answer = read.ok_or_else(|| provider.endpoint.no_sense("one of a language model"))?;
    execution.used(answer.usage);
    answer.into_output()
}

/// What a node asks of a provider, before an input is filled in: another model, prompt, parameter or
/// base URL gives another text. The key of the provider is no part of it.
fn fingerprint(node_type: &str, llm: &Llm, place: Option<&str>) -> String {
    let mut messages = String::from("[");
    for message in &llm.prompt.messages {
        if messages.len() > 1 {
            messages.push(',');
        }
        prompt::describe(message, &mut messages);
    }
    messages.push(']');
    let mut text = String::from("{\"type\":");
    write_string(&mut text, node_type);
    if let Some(place) = place {
        text.push_str(",\"url\":");
        write_string(&mut text, place);
    }
    text.push_str(",\"request\":");
    text.push_str(&request_body(llm, &messages));
    text.push('}');
    text
}

/// The body of a request, given its messages as JSON text.
fn request_body(llm: &Llm, messages: &str) -> String {
    let mut body = String::from("{\"model\":");
    write_string(&mut body, &llm.model);
    body.push(',');
    push_inputs(&mut body, llm, messages);
    body
}

/// Everything but the model, which a binding is told apart from the rest.
fn inputs(llm: &Llm, messages: &str) -> String {
    let mut inputs = String::from("{");
    push_inputs(&mut inputs, llm, messages);
    inputs
}

fn push_inputs(body: &mut String, llm: &Llm, messages: &str) {
    body.push_str("\"messages\":");
    body.push_str(messages);
    for (name, value) in &llm.parameters {
        body.push(',');
        write_string(body, name);
        body.push(':');
        body.push_str(value);
    }
    body.push('}');
}

#[cfg(test)]
mod tests;
