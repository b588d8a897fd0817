//! Conditions on data.

use serde::{Deserialize, Serialize};

use super::super::transform::Transformer;

/// A condition: of Dynamiq's `ChoiceCondition`, whose operators compare alike whether they are called
/// boolean, numeric or string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The path of what is looked at.
    pub variable: Transformer,
    /// Whether the test has to fail.
    pub is_not: bool,
    /// What is asked of it.
    pub test: Test,
}

/// What a condition asks of what it looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Test {
    /// One of these holds for it.
    Any(Vec<Condition>),
    /// All of these hold for it.
    All(Vec<Condition>),
    /// It compares so.
    Compare(Comparison, Operand),
}

/// A comparison, by Python's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `==`
    Equals,
    /// `>`
    GreaterThan,
    /// `>=`
    GreaterThanOrEquals,
    /// `<`
    LessThan,
    /// `<=`
    LessThanOrEquals,
    /// As a text, it starts with the operand.
    StartsWith,
    /// As a text, it ends with the operand.
    EndsWith,
    /// As a text, it has the operand in it.
    Contains,
}

/// What is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operand {
    /// A value, as JSON text.
    Value(String),
    /// The one value that a path finds in the data.
    Path(Transformer),
}
