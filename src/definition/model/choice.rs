//! Nodes that choose what runs after them.

use serde::{Deserialize, Serialize};

use super::Condition;

/// A choice between options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// In their order.
    pub options: Vec<ChoiceOption>,
    /// How many of them may be taken.
    pub hit_policy: HitPolicy,
    /// The options and the policy as JSON text, for canonical keys.
    pub fingerprint: String,
}

/// An option of a choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceOption {
    /// What other nodes name in `depends`.
    pub id: String,
    /// When it is taken; None is when no other is.
    pub condition: Option<Condition>,
}

/// Which options of a choice are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HitPolicy {
    /// The first whose condition holds, or that has none.
    #[default]
    First,
    /// All whose condition holds; where there is none, those without a condition.
    All,
}
