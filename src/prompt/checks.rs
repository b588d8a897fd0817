//! The tests of templates: `value is name`.

use super::Fail;
use super::number::{binary, compare, index_of};
use super::print::to_str;
use super::render::Given;
use super::text::is_case;
use super::value::{Result, Value};
use super::work::Work;
use crate::template::TESTS;
use crate::template::ast::{BinaryOp, CompareOp};

pub(super) fn call(name: &str, value: &Value, given: Given, work: &Work) -> Result<bool> {
    let op = match name {
        "==" | "eq" | "equalto" => Some(CompareOp::Eq),
        "!=" | "ne" => Some(CompareOp::Ne),
        ">" | "gt" | "greaterthan" => Some(CompareOp::Gt),
        ">=" | "ge" => Some(CompareOp::Ge),
        "<" | "lt" | "lessthan" => Some(CompareOp::Lt),
        "<=" | "le" => Some(CompareOp::Le),
        "in" => Some(CompareOp::In),
        _ => None,
    };
    if let Some(op) = op {
        let [other] = given.bind(["other"])?;
        let other = other.ok_or_else(|| missing_argument(name))?;
        return compare(op, value, &other, work);
    }
    match name {
        "divisibleby" => {
            let [number] = given.bind(["num"])?;
            let number = number.ok_or_else(|| missing_argument(name))?;
            return binary(BinaryOp::Mod, value, &number, work)?.equals(&Value::Int(0));
        }
        "sameas" => {
            let [other] = given.bind(["other"])?;
            let other = other.ok_or_else(|| missing_argument(name))?;
            return same(value, &other);
        }
        _ => {
            let [] = given.bind([])?;
        }
    }
    Ok(match name {
        "odd" => binary(BinaryOp::Mod, value, &Value::Int(2), work)?.equals(&Value::Int(1))?,
        "even" => binary(BinaryOp::Mod, value, &Value::Int(2), work)?.equals(&Value::Int(0))?,
        "defined" => !value.is_undefined(),
        "undefined" => value.is_undefined(),
        "none" => matches!(value, Value::None),
        "boolean" => matches!(value, Value::Bool(_)),
        "false" => matches!(value, Value::Bool(false)),
        "true" => matches!(value, Value::Bool(true)),
        "integer" => matches!(value, Value::Int(_) | Value::Big(_)),
        "float" => matches!(value, Value::Float(_)),
        "number" => {
            matches!(value, Value::Bool(_) | Value::Int(_) | Value::Big(_) | Value::Float(_))
        }
        "string" => value.as_str().is_some(),
        "mapping" => matches!(value, Value::Dict(_)),
        "escaped" => matches!(value, Value::Markup(_)),
        "lower" => is_case(&to_str(value, work)?, false)?,
        "upper" => is_case(&to_str(value, work)?, true)?,
        "sequence" => is_sequence(value),
        "iterable" => {
            is_sequence(value) || matches!(value, Value::View(..) | Value::Iter(_) | Value::Loop(_))
        }
        "callable" => matches!(
            value,
            Value::Undefined(_)
                | Value::Joiner(_)
                | Value::Macro(_)
                | Value::Loop(_)
                | Value::Method(_)
                | Value::Function(_)
        ),
        _ if TESTS.contains(&name) => return Err(Fail::refused(&format!("the test `{name}`"))),
        _ => return Err(Fail::refused("a test that it does not have")),
    })
}

/// Whether it has a length and items.
fn is_sequence(value: &Value) -> bool {
    matches!(
        value,
        Value::Undefined(_)
            | Value::Str(_)
            | Value::Markup(_)
            | Value::List(_)
            | Value::Tuple(_)
            | Value::Dict(_)
            | Value::Range(_)
    )
}

fn missing_argument(name: &str) -> Fail {
    Fail::type_error(format!("the test `{name}` needs an argument"))
}

/// Python's `is`, for what is there only once.
fn same(value: &Value, other: &Value) -> Result<bool> {
    let is_single = |value: &Value| matches!(value, Value::None | Value::Bool(_));
    if is_single(value) && is_single(other) {
        return match (value, other) {
            (Value::None, Value::None) => Ok(true),
            (Value::Bool(_), Value::Bool(_)) => Ok(index_of(value)? == index_of(other)?),
            _ => Ok(false),
        };
    }
    if value.type_name() != other.type_name() {
        return Ok(false);
    }
    Err(Fail::refused("the test `sameas` for such values"))
}
