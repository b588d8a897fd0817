//! What is deployed, as `GET /v1/nodes` and `GET /v1/workflows` list it: no secrets, and nothing of
//! where requests go.

use super::push_optional;
use crate::definition::{Definitions, Kind, Node, Workflow};
use crate::json::write_string;

/// `{"nodes": […]}`: what can be run, and with which variables.
pub fn nodes(definitions: &Definitions) -> String {
    let mut out = String::from("{\"nodes\":[");
    for (index, node) in definitions.nodes.iter().enumerate() {
        out.push_str(if index == 0 { "{\"id\":" } else { ",{\"id\":" });
        write_string(&mut out, &node.id);
        out.push_str(",\"name\":");
        push_optional(&mut out, node.name.as_deref());
        out.push_str(",\"type\":");
        write_string(&mut out, &node.node_type);
        out.push_str(",\"model\":");
        push_optional(&mut out, model(node));
        out.push_str(",\"input\":");
        push_list(&mut out, inputs(node));
        out.push_str(",\"caching\":");
        out.push_str(if node.caching.enabled { "true" } else { "false" });
        out.push_str(",\"key\":");
        write_string(&mut out, node.caching.key.as_str());
        out.push('}');
    }
    out.push_str("]}");
    out
}

/// `{"workflows": […]}`: what can be run, of which nodes it is made, and which variables they need
/// from the input.
pub fn workflows(definitions: &Definitions) -> String {
    let mut out = String::from("{\"workflows\":[");
    for (index, workflow) in definitions.workflows.iter().enumerate() {
        out.push_str(if index == 0 { "{\"id\":" } else { ",{\"id\":" });
        write_string(&mut out, &workflow.id);
        out.push_str(",\"flow\":");
        write_string(&mut out, &workflow.flow.id);
        out.push_str(",\"input\":");
        push_list(&mut out, workflow_inputs(definitions, workflow));
        out.push_str(",\"nodes\":[");
        for (index, place) in workflow.flow.nodes.iter().enumerate() {
            let Some(node) = definitions.nodes.get(place.node) else { continue };
            out.push_str(if index == 0 { "{\"id\":" } else { ",{\"id\":" });
            write_string(&mut out, &node.id);
            out.push_str(",\"depends\":");
            push_list(&mut out, node.depends.iter().map(|depend| depend.node.as_str()));
            out.push('}');
        }
        out.push_str("]}");
    }
    out.push_str("]}");
    out
}

fn model(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Embedder(embedder) => Some(&embedder.model),
        Kind::Converter(_) | Kind::HttpCall(_) => None,
        Kind::Llm(llm) => Some(&llm.model),
        Kind::Choice(_) => None,
    }
}

/// The members that the node demands of its (transformed) input.
fn inputs(node: &Node) -> Vec<&str> {
    match &node.kind {
        Kind::Converter(_) => vec!["content"],
        Kind::Embedder(_) => vec!["query"],
        Kind::HttpCall(call) if call.url.is_none() => vec!["url"],
        Kind::Choice(_) | Kind::HttpCall(_) => Vec::new(),
        Kind::Llm(llm) => llm.prompt.required.iter().map(String::as_str).collect(),
    }
}

/// What the input of a workflow has to have: what its nodes demand and do not get from a transformer,
/// a constant or a node before them. What a transformer reads is not known.
fn workflow_inputs<'d>(definitions: &'d Definitions, workflow: &Workflow) -> Vec<&'d str> {
    let mut names = Vec::new();
    for place in &workflow.flow.nodes {
        let Some(node) = definitions.nodes.get(place.node) else { continue };
        if !node.input_transformer.is_identity() {
            continue;
        }
        let before = |name: &str| {
            place.ancestors.iter().any(|&ancestor| {
                let node = workflow.flow.nodes.get(ancestor);
                node.and_then(|place| definitions.nodes.get(place.node))
                    .is_some_and(|node| node.id == name)
            })
        };
        let is_given = |name: &str| {
            before(name) || node.input_mapping.iter().any(|(constant, _)| constant == name)
        };
        names.extend(inputs(node).into_iter().filter(|name| !is_given(name)));
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn push_list<'a>(out: &mut String, texts: impl IntoIterator<Item = &'a str>) {
    out.push('[');
    for (index, text) in texts.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(out, text);
    }
    out.push(']');
}
