//! The node type that chooses what runs after it: Dynamiq's `Choice`.

use super::{Execution, NodeError, Outcome, condition};
use crate::definition::{Choice, ChoiceOption, HitPolicy};
use crate::json::{Order, Value, dumps, write_string};

/// How large an output may be, in bytes: it holds the input once for each option, and so does the
/// input of whatever depends on it.
const MAX_OUTPUT: usize = 4 << 20;

/// Evaluates the options: `{id: {"status", "input", "output"}}`, with the input of the choice.
pub(super) fn execute(choice: &Choice, execution: Execution<'_>) -> Result<String, NodeError> {
    if choice.options.is_empty() {
        return Ok("{}".to_owned());
    }
    execution.running();
    let outcomes = match choice.hit_policy {
        HitPolicy::First => first(&choice.options, execution.input)?,
        HitPolicy::All => all(&choice.options, execution.input)?,
    };
    let input = dumps(execution.input, Order::AsWritten);
    if input.len().saturating_mul(outcomes.len()) > MAX_OUTPUT {
        let message = "the input is too large for a choice with so many options: its output would have over 4 MiB";
        return Err(NodeError::Validation(message.to_owned()));
    }
    let mut out = String::new();
    for (option, outcome) in choice.options.iter().zip(outcomes) {
        out.push_str(if out.is_empty() { "{" } else { ", " });
        write_string(&mut out, &option.id);
        out.push_str(": {\"status\": \"");
        out.push_str(outcome.as_str());
        out.push_str("\", \"input\": ");
        out.push_str(&input);
        out.push_str(", \"output\": ");
        out.push_str(match outcome {
            Outcome::Success => "true}",
            Outcome::Failure => "false}",
            Outcome::Skip => "null}",
        });
    }
    out.push('}');
    Ok(out)
}

/// The first that is taken ends it: those after it are skipped, and their conditions do not fail.
fn first(options: &[ChoiceOption], input: Value<'_>) -> Result<Vec<Outcome>, NodeError> {
    let mut is_taken = false;
    let outcome = |option: &ChoiceOption| {
        if is_taken {
            return Ok(Outcome::Skip);
        }
        is_taken = holds(option, input)?.unwrap_or(true);
        Ok(if is_taken { Outcome::Success } else { Outcome::Failure })
    };
    options.iter().map(outcome).collect()
}

/// Each for itself; those without a condition when no condition holds.
fn all(options: &[ChoiceOption], input: Value<'_>) -> Result<Vec<Outcome>, NodeError> {
    let held = options.iter().map(|option| holds(option, input)).collect::<Result<Vec<_>, _>>()?;
    let is_any = held.contains(&Some(true));
    let outcome = |held| match held {
        Some(true) => Outcome::Success,
        Some(false) => Outcome::Failure,
        None if is_any => Outcome::Skip,
        None => Outcome::Success,
    };
    Ok(held.into_iter().map(outcome).collect())
}

/// Whether the option's condition holds, where it has one.
fn holds(option: &ChoiceOption, input: Value<'_>) -> Result<Option<bool>, NodeError> {
    let holds = option.condition.as_ref().map(|condition| condition::holds(condition, input));
    holds
        .transpose()
        .map_err(|error| NodeError::Validation(format!("option {}: {error}", option.id)))
}

#[cfg(test)]
mod tests;
