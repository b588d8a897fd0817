//! Flows: nodes that wait for one another.

use std::cell::OnceCell;

use futures_util::future::Either;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::clock::Timer;
use crate::definition::{Flow, Trigger, Workflow};
use crate::node::{self, Completed, Context, Node, Outcome, Run};
use crate::redis::Redis;

/// What a flow gave.
#[derive(Debug)]
pub struct Finished {
    /// What its nodes gave, in the order of the flow.
    pub nodes: Vec<FinishedNode>,
    /// The places of the nodes whose failure is one of the flow.
    pub failed: Vec<usize>,
}

/// What a node of a flow gave.
#[derive(Debug)]
pub struct FinishedNode {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// What it gave.
    pub finished: node::Finished,
}

impl Finished {
    /// Whether everything that was asked for came from the cache.
    pub fn is_from_cache(&self) -> bool {
        let ran = || self.nodes.iter().filter(|node| node.finished.outcome() != Outcome::Skip);
        ran().next().is_some() && ran().all(|node| node.finished.cache.is_output_from_cache())
    }
}

/// Runs a workflow: each node as soon as those that it depends on are done, with its own lookup.
///
/// `nodes` are those of the flow, in its order. A node gets the results of all its ancestors, in
/// the order of the flow, and of nothing else: its key never depends on what was faster. Where
/// `run` brings results, they are passed over. Those who wait elsewhere for what a node gave do not
/// wait for the rest of the flow.
pub async fn run<N: Node, R: Redis, T: Timer>(
    workflow: &Workflow,
    nodes: Vec<N>,
    run: Run<'_>,
    context: Context<'_, R, T>,
) -> Finished {
    let Workflow { id, flow } = workflow;
    context.callbacks.on_workflow_start(id);
    context.callbacks.on_flow_start(&flow.id);
    let finished = run_nodes(flow, &nodes, run, context).await;
    let failed = failed(flow, &nodes, &finished);
    if failed.is_empty() {
        context.callbacks.on_flow_end(&flow.id);
        context.callbacks.on_workflow_end(id);
    } else {
        context.callbacks.on_flow_error(&flow.id);
        context.callbacks.on_workflow_error(id);
    }
    let name = |node: &N| (node.id().to_owned(), node.name().map(str::to_owned));
    let nodes = (nodes.iter().map(name).zip(finished))
        .map(|((id, name), finished)| FinishedNode { id, name, finished })
        .collect();
    Finished { nodes, failed }
}

async fn run_nodes<N: Node, R: Redis, T: Timer>(
    flow: &Flow,
    nodes: &[N],
    run: Run<'_>,
    context: Context<'_, R, T>,
) -> Vec<node::Finished> {
    // Set once each, while later nodes look at those that are set.
    let done: Vec<OnceCell<node::Finished>> = nodes.iter().map(|_| OnceCell::new()).collect();
    let result_of = |place: usize| {
        let (node, finished) = (nodes.get(place)?, done.get(place)?.get()?);
        Some(Completed {
            node_id: node.id(),
            behavior: node.error_handling().behavior,
            input: finished.input.as_deref().unwrap_or(run.input.raw()),
            result: &finished.result,
        })
    };
    let result_of = &result_of;
    {
        // Runs of nodes, and beside them what is told of those that are over. Nobody waits for the
        // latter: what the last run leaves of them is begun again after the response.
        let mut beside = FuturesUnordered::new();
        let mut running: usize = 0;
        let mut waiting: Vec<usize> = (0..nodes.len()).collect();
        loop {
            waiting.retain(|&place| {
                let Some((node, wiring)) = nodes.get(place).zip(flow.nodes.get(place)) else {
                    return false;
                };
                if !wiring.depends.iter().all(|&depend| result_of(depend).is_some()) {
                    return true;
                }
                running += 1;
                beside.push(Either::Left(async move {
                    let completed: Vec<_> =
                        wiring.ancestors.iter().filter_map(|&place| result_of(place)).collect();
                    let run = Run { completed: &completed, ..run };
                    Some((place, *node::run(node, run, context).await))
                }));
                false
            });
            if running == 0 {
                break;
            }
            let Some(Some((place, finished))) = beside.next().await else { continue };
            running -= 1;
            let Some(done) = done.get(place) else { continue };
            // Each node runs once.
            let _ = done.set(finished);
            if let Some(finished) = done.get() {
                beside.push(Either::Right(async move {
                    finished.tell_meanwhile(context).await;
                    None
                }));
            }
        }
    }
    done.into_iter().filter_map(OnceCell::into_inner).collect()
}

/// The places of the nodes whose failure nobody took care of: neither their own error handling nor a
/// node that was run because of it.
fn failed<N: Node>(flow: &Flow, nodes: &[N], finished: &[node::Finished]) -> Vec<usize> {
    let outcome = |place: usize| finished.get(place).map(node::Finished::outcome);
    let is_handled = |place: usize| {
        let id = nodes.get(place).map(Node::id);
        (0..).zip(nodes).any(|(other, node)| {
            matches!(outcome(other), Some(Outcome::Success | Outcome::Failure))
                && (node.depends().iter())
                    .any(|on| on.trigger == Trigger::Failure && Some(on.node.as_str()) == id)
        })
    };
    let raises = |place: usize| {
        nodes.get(place).is_some_and(|node| {
            node.error_handling().behavior == crate::definition::Behavior::Raise
        })
    };
    (0..flow.nodes.len())
        .filter(|&place| outcome(place) == Some(Outcome::Failure) && raises(place))
        .filter(|&place| !is_handled(place))
        .collect()
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
