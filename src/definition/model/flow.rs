//! Flows: which node waits for which.

use serde::{Deserialize, Serialize};

use super::Condition;

/// A flow that can be run under an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflow {
    /// Its id.
    pub id: String,
    /// What it runs.
    pub flow: Flow,
}

/// Nodes that depend on one another, without a cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Its id.
    pub id: String,
    /// In the order in which they are written.
    pub nodes: Vec<FlowNode>,
}

/// A node in its place in a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowNode {
    /// The index of the node among all nodes that are deployed.
    pub node: usize,
    /// The places in this flow of the nodes that it depends on.
    pub depends: Vec<usize>,
    /// The places of those, and of what they depend on, and so on, in ascending order.
    pub ancestors: Vec<usize>,
}

/// What a node waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depend {
    /// The id of the other node.
    pub node: String,
    /// The option that the other node, a choice, has to have taken.
    pub option: Option<String>,
    /// What has to hold for its result.
    pub condition: Option<Condition>,
    /// What has to have come of it.
    pub trigger: Trigger,
}

/// What has to have come of a node for another one to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// An output, or whatever its error handling lets pass.
    #[default]
    Success,
    /// A failure.
    Failure,
}
