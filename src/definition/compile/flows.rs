//! Flows: their nodes in the order in which they can run, or why there is no such order.

use std::collections::BTreeMap;

use super::super::model::{Flow, FlowNode, Node};
use super::Mistakes;
use super::yaml::RawFlow;

/// The flows of a file by their ids; None for one with a mistake. `places` says where among all
/// nodes those of the file are.
pub(super) fn compile(
    mistakes: &mut Mistakes<'_>,
    flows: &BTreeMap<String, RawFlow>,
    places: &BTreeMap<String, usize>,
    nodes: &[Node],
) -> BTreeMap<String, Option<Flow>> {
    (flows.iter()).map(|(id, raw)| (id.clone(), mistakes.flow(id, raw, places, nodes))).collect()
}

impl Mistakes<'_> {
    fn flow(
        &mut self,
        id: &str,
        raw: &RawFlow,
        places: &BTreeMap<String, usize>,
        nodes: &[Node],
    ) -> Option<Flow> {
        let before = self.found.len();
        let mut flow = Flow { id: id.to_owned(), nodes: Vec::new() };
        for (at, name) in raw.nodes.iter().enumerate() {
            if raw.nodes.iter().take(at).any(|earlier| earlier.value == name.value) {
                let reason = format!("flow `{id}`: node `{}` is in it twice", name.value);
                self.add(name.referenced, reason);
            }
            let what = || format!("flow `{id}`: node");
            let Some(&node) = self.look_up(places, name, what) else { continue };
            let place = |name: &str| raw.nodes.iter().position(|other| other.value == name);
            let mut depends = Vec::new();
            for depend in nodes.get(node).map_or(&[][..], |node| &node.depends) {
                match place(&depend.node) {
                    Some(place) => depends.push(place),
                    None => self.add(
                        name.referenced,
                        format!(
                            "flow `{id}`: node `{}` depends on `{}`, which is not in the flow",
                            name.value, depend.node
                        ),
                    ),
                }
            }
            flow.nodes.push(FlowNode { node, depends, ancestors: Vec::new() });
        }
        if self.found.len() > before {
            return None;
        }
        for place in 0..flow.nodes.len() {
            let ancestors = ancestors(&flow, place);
            if ancestors.contains(&place) {
                // Every node of a cycle depends on itself in the end; one message is enough.
                let is_in_it = |other: usize| {
                    ancestors.contains(&other) && self::ancestors(&flow, other).contains(&place)
                };
                let names: Vec<_> = (raw.nodes.iter().enumerate())
                    .filter(|(other, _)| is_in_it(*other))
                    .map(|(_, name)| format!("`{}`", name.value))
                    .collect();
                if let Some(name) = raw.nodes.get(place) {
                    let reason = format!(
                        "flow `{id}`: node `{}` depends on itself, by way of {}",
                        name.value,
                        names.join(", ")
                    );
                    self.add(name.referenced, reason);
                }
                return None;
            }
            if let Some(node) = flow.nodes.get_mut(place) {
                node.ancestors = ancestors;
            }
        }
        Some(flow)
    }
}

/// The places of all nodes that have to be done before that one.
fn ancestors(flow: &Flow, place: usize) -> Vec<usize> {
    let mut found = vec![false; flow.nodes.len()];
    let mut open = vec![place];
    while let Some(place) = open.pop() {
        for &depend in flow.nodes.get(place).map_or(&[][..], |node| &node.depends) {
            if let Some(found) = found.get_mut(depend)
                && !std::mem::replace(found, true)
            {
                open.push(depend);
            }
        }
    }
    (0..).zip(found).filter_map(|(place, found)| found.then_some(place)).collect()
}
