//! Whether conditions hold, by Python's rules.

use crate::definition::{Comparison, Condition, Operand, Test};
use crate::json::{Dialect, Document, ParseError, Relation, Unprintable, Value};
use crate::transform::TransformError;

/// Why it cannot be said whether a condition holds. Dynamiq fails too, but for what is unprintable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConditionError {
    #[error(transparent)]
    Path(#[from] TransformError),
    #[error("a condition cannot be evaluated: {0} and {1} have no order; check what is compared")]
    NoOrder(&'static str, &'static str),
    #[error("a condition cannot be evaluated: the edge does not compare {0} as a text")]
    Unprintable(#[from] Unprintable),
    #[error("a condition cannot be evaluated: what it compares cannot be used: {0}")]
    Parse(#[from] ParseError),
}

/// Of what was parsed once, with a level around it.
const ANY_DEPTH: Dialect = Dialect { max_depth: usize::MAX, ..Dialect::PYTHON };

/// Whether a condition holds for data. It calls itself as deep as operands nest, which the compiler
/// of definitions bounds.
pub(super) fn holds(condition: &Condition, data: Value<'_>) -> Result<bool, ConditionError> {
    if condition.variable.is_identity() {
        return holds_for(condition, data, data);
    }
    let text = condition.variable.apply(data)?;
    holds_for(condition, Document::parse(&text, ANY_DEPTH)?.root(), data)
}

fn holds_for(
    condition: &Condition,
    value: Value<'_>,
    data: Value<'_>,
) -> Result<bool, ConditionError> {
    let holds = match &condition.test {
        Test::Any(operands) => any(operands, value, true)?,
        Test::All(operands) => !any(operands, value, false)?,
        Test::Compare(comparison, operand) => {
            let text = match operand {
                Operand::Value(text) => text.clone(),
                Operand::Path(path) => path.find_one(data)?,
            };
            compare(*comparison, value, Document::parse(&text, ANY_DEPTH)?.root())?
        }
    };
    Ok(holds != condition.is_not)
}

/// Whether one of the conditions comes out so. Those after it are not evaluated, and do not fail.
fn any(conditions: &[Condition], data: Value<'_>, wanted: bool) -> Result<bool, ConditionError> {
    for condition in conditions {
        if holds(condition, data)? == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

fn compare(
    comparison: Comparison,
    value: Value<'_>,
    operand: Value<'_>,
) -> Result<bool, ConditionError> {
    Ok(match comparison {
        Comparison::Equals => value.relation(operand) == Relation::Equal,
        Comparison::GreaterThan => order(value, operand)? == Relation::Greater,
        Comparison::LessThan => order(value, operand)? == Relation::Less,
        Comparison::GreaterThanOrEquals => {
            matches!(order(value, operand)?, Relation::Greater | Relation::Equal)
        }
        Comparison::LessThanOrEquals => {
            matches!(order(value, operand)?, Relation::Less | Relation::Equal)
        }
        Comparison::StartsWith => value.printed()?.starts_with(&operand.printed()?),
        Comparison::EndsWith => value.printed()?.ends_with(&operand.printed()?),
        Comparison::Contains => value.printed()?.contains(&operand.printed()?),
    })
}

fn order(value: Value<'_>, operand: Value<'_>) -> Result<Relation, ConditionError> {
    match value.relation(operand) {
        Relation::Unordered(left, right) => Err(ConditionError::NoOrder(left, right)),
        // Equal objects have no order either.
        _ if !value.has_order() => {
            Err(ConditionError::NoOrder(value.kind_name(), operand.kind_name()))
        }
        relation => Ok(relation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::compile::conditions::comparison;
    use crate::json::Item;
    use crate::transform::{Transformer, is_rooted};

    fn text(vector: Value<'_>, name: &str) -> Option<String> {
        Some(vector.get(name)?.as_str()?.to_str()?.into_owned())
    }

    fn path(text: &str) -> Option<Transformer> {
        Transformer::compile(Some(text), None).ok()
    }

    /// A condition of the vectors; None for one that the build refuses.
    fn condition(vector: Value<'_>) -> Option<Condition> {
        let variable = path(&text(vector, "variable").unwrap_or_default())?;
        let is_not = vector.get("is_not").is_some();
        let operator = text(vector, "operator")?;
        let test = match operator.as_str() {
            "and" | "or" => {
                let Item::Array(operands) = vector.get("operands")?.item() else { return None };
                let operands = operands.map(condition).collect::<Option<_>>()?;
                if operator == "and" { Test::All(operands) } else { Test::Any(operands) }
            }
            _ => {
                let (comparison, is_path) = comparison(&operator)?;
                let value = text(vector, "value_json")?;
                let operand = if is_path {
                    let value: String = serde_json::from_str(&value).ok()?;
                    Operand::Path(path(&value).filter(|_| is_rooted(&value))?)
                } else {
                    Operand::Value(value)
                };
                Test::Compare(comparison, operand)
            }
        };
        Some(Condition { variable, is_not, test })
    }

    enum Failure {
        Build,
        Run(String),
    }

    /// What the edge says to a vector.
    fn outcome(vector: Value<'_>) -> Result<bool, Failure> {
        let data = text(vector, "data_json").unwrap();
        let data = Document::parse(&data, Dialect::PYTHON).unwrap();
        let condition = condition(vector.get("condition").unwrap()).ok_or(Failure::Build)?;
        // As the Worker carries it.
        let carried = serde_json::to_string(&condition).unwrap();
        let condition = serde_json::from_str(&carried).unwrap();
        holds(&condition, data.root()).map_err(|error| Failure::Run(error.to_string()))
    }

    /// What depends on the version of Python, or is no JSON text.
    const REFUSED: [&str; 3] = ["U+0378", "U+FFFF", "a lone surrogate"];

    /// `tests/vectors/dynamiq-conditions.json` was made with `Choice.evaluate` of Dynamiq 0.69.0:
    /// random conditions on random data, of which some were kept for each operator and outcome.
    /// `outcome` is what it returned, or the name of what it raised. `value_json` and `data_json` are
    /// texts of JSON, which were read with `json.loads`.
    #[test]
    fn conditions_hold_when_they_do_in_dynamiq_and_fail_when_they_do() {
        let vectors = include_str!("../../tests/vectors/dynamiq-conditions.json");
        let vectors = Document::parse(vectors, Dialect::STRICT).unwrap();
        let Item::Array(vectors) = vectors.root().item() else { panic!("no vectors") };
        let (mut equal, mut failed, mut refused) = (0, 0, 0);
        for vector in vectors {
            let theirs = match vector.get("outcome").unwrap().item() {
                Item::Bool(bool) => Some(bool),
                _ => None,
            };
            match (outcome(vector), theirs) {
                (Err(_), None) => failed += 1,
                // An operand that `and` and `or` never come to.
                (Err(Failure::Build), Some(_)) => refused += 1,
                (Err(Failure::Run(error)), Some(_)) => {
                    assert!(REFUSED.iter().any(|known| error.contains(known)), "{error}");
                    refused += 1;
                }
                (Ok(ours), theirs) => {
                    assert_eq!(Some(ours), theirs, "{}", vector.raw());
                    equal += 1;
                }
            }
        }
        println!("{equal} equal, {failed} fail in Dynamiq and here, {refused} refused here");
        assert_eq!((equal, failed, refused), (280, 94, 1));
    }
}
