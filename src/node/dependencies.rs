//! What a node of a flow gets from the nodes before it, in Dynamiq's form.

use super::{NodeError, condition};
use crate::definition::{Behavior, Condition, Depend, Trigger};
use crate::json::{Dialect, Document, Value, write_string};

/// A node of a flow that is done.
#[derive(Debug, Clone, Copy)]
pub struct Completed<'a> {
    /// Its id.
    pub node_id: &'a str,
    /// What its failure means for the nodes that depend on it.
    pub behavior: Behavior,
    /// Its input as JSON text.
    pub input: &'a str,
    /// Its output as JSON text, or why there is none.
    pub result: &'a Result<String, NodeError>,
}

/// How a run ended: `success`, `failure` or `skip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There is an output.
    Success,
    /// There is an error.
    Failure,
    /// The node was not run, because of what it depends on.
    Skip,
}

impl Outcome {
    /// Of a result.
    pub fn of(result: &Result<String, NodeError>) -> Self {
        match result {
            Ok(_) => Self::Success,
            Err(NodeError::Skipped { .. }) => Self::Skip,
            Err(_) => Self::Failure,
        }
    }

    /// The name in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Skip => "skip",
        }
    }
}

impl Completed<'_> {
    /// `{"status", "input", "output", "error"}`, the last only where there is one, in Python's
    /// spelling.
    pub fn to_json(self, with_input: bool) -> String {
        let mut out = String::from("{\"status\": \"");
        out.push_str(Outcome::of(self.result).as_str());
        if with_input {
            out.push_str("\", \"input\": ");
            out.push_str(self.input);
            out.push_str(", \"output\": ");
        } else {
            out.push_str("\", \"output\": ");
        }
        out.push_str(self.result.as_deref().unwrap_or("null"));
        if let Err(error) = self.result {
            out.push_str(", \"error\": {\"type\": ");
            write_string(&mut out, error.type_name());
            out.push_str(", \"message\": ");
            write_string(&mut out, &error.to_string());
            out.push_str(", \"recoverable\": false, \"failed_nodes\": []}");
        }
        out.push('}');
        out
    }
}

/// Whether a node can run after what came of its dependencies; otherwise why it is skipped.
pub(super) fn check(depends: &[Depend], completed: &[Completed<'_>]) -> Result<(), NodeError> {
    for depend in depends {
        let id = &depend.node;
        let skipped = |type_name, what: &str| {
            Err(NodeError::Skipped { type_name, message: format!("Dependency {id}: {what}") })
        };
        let Some(done) = completed.iter().find(|done| done.node_id == id) else {
            return skipped("NodeException", "result missed");
        };
        match (Outcome::of(done.result), depend.trigger, done.behavior) {
            (Outcome::Failure, Trigger::Failure, _) => {}
            (_, Trigger::Failure, _) => return skipped("NodeSkippedException", "did not fail"),
            (Outcome::Failure, Trigger::Success, Behavior::Raise) => {
                return skipped("NodeFailedException", "failed");
            }
            (Outcome::Skip, Trigger::Success, Behavior::Raise) => {
                return skipped("NodeSkippedException", "skipped");
            }
            (_, Trigger::Success, _) => {}
        }
        if let Some(condition) = &depend.condition {
            check_condition(done, condition)?;
        }
        if let Some(option) = &depend.option {
            check_option(done, option)?;
        }
    }
    Ok(())
}

/// Whether a condition holds for a result. Where that cannot be said, the node fails.
fn check_condition(done: &Completed<'_>, condition: &Condition) -> Result<(), NodeError> {
    let id = done.node_id;
    let failed = |error| NodeError::Validation(format!("Dependency {id}: {error}"));
    let result = done.to_json(true);
    let result = super::lifecycle::parse_made(&result)?;
    if condition::holds(condition, result.root()).map_err(failed)? {
        return Ok(());
    }
    let message = format!("Dependency {id}: its result does not meet the condition");
    Err(NodeError::Skipped { type_name: "NodeConditionFailedException", message })
}

/// Whether a choice has taken this option. An output that says nothing of it lets the node run.
fn check_option(done: &Completed<'_>, option: &str) -> Result<(), NodeError> {
    let id = done.node_id;
    let output = done.result.as_deref().unwrap_or("null");
    let Ok(output) = Document::parse(output, Dialect::PYTHON) else { return Ok(()) };
    let Some(result) = output.root().get(option).filter(|result| !result.is_null()) else {
        return Ok(());
    };
    let status = result.get("status").and_then(Value::as_str);
    let (type_name, what) = match status {
        Some(status) if status.is("success") => return Ok(()),
        Some(status) if status.is("failure") => ("NodeConditionFailedException", "result is false"),
        Some(status) if status.is("skip") => ("NodeConditionSkippedException", "skipped"),
        _ => {
            let message =
                format!("Dependency {id} option {option}: there is no result of a choice");
            return Err(NodeError::Validation(message));
        }
    };
    let message = format!("Dependency {id} option {option}: {what}");
    Err(NodeError::Skipped { type_name, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Comparison, Operand, Test};
    use crate::transform::Transformer;

    fn depend(trigger: Trigger, option: Option<&str>) -> [Depend; 1] {
        let option = option.map(str::to_owned);
        [Depend { node: "A".to_owned(), option, condition: None, trigger }]
    }

    fn checked(
        depends: &[Depend],
        result: Result<&str, NodeError>,
        behavior: Behavior,
    ) -> Result<(), (&'static str, String)> {
        let result = result.map(str::to_owned);
        let done = Completed { node_id: "A", behavior, input: "{}", result: &result };
        check(depends, &[done]).map_err(|error| (error.type_name(), error.to_string()))
    }

    fn failed<T>() -> Result<T, NodeError> {
        Err(NodeError::upstream("down"))
    }

    fn skipped<T>() -> Result<T, NodeError> {
        let message = "Dependency X: failed".to_owned();
        Err(NodeError::Skipped { type_name: "NodeFailedException", message })
    }

    #[test]
    fn what_a_dependency_came_to_decides_as_in_dynamiq() {
        let [on_success, on_failure] =
            [Trigger::Success, Trigger::Failure].map(|trigger| depend(trigger, None));
        let no = |type_name, message: &str| Err((type_name, message.to_owned()));
        for behavior in [Behavior::Raise, Behavior::Return] {
            assert_eq!(checked(&on_success, Ok("1"), behavior), Ok(()));
            assert_eq!(checked(&on_failure, failed(), behavior), Ok(()));
            for result in [Ok("1"), skipped()] {
                assert_eq!(
                    checked(&on_failure, result, behavior),
                    no("NodeSkippedException", "Dependency A: did not fail")
                );
            }
        }
        let raised = checked(&on_success, failed(), Behavior::Raise);
        assert_eq!(raised, no("NodeFailedException", "Dependency A: failed"));
        let raised = checked(&on_success, skipped(), Behavior::Raise);
        assert_eq!(raised, no("NodeSkippedException", "Dependency A: skipped"));
        assert_eq!(checked(&on_success, failed(), Behavior::Return), Ok(()));
        assert_eq!(checked(&on_success, skipped(), Behavior::Return), Ok(()));
        let missed = check(&on_success, &[]).unwrap_err();
        assert_eq!(
            (missed.type_name(), missed.to_string().as_str()),
            ("NodeException", "Dependency A: result missed")
        );
    }

    #[test]
    fn an_option_has_to_be_the_one_that_was_taken() {
        let output = r#"{"yes": {"status": "success"}, "no": {"status": "failure"}, "x": {"status": "skip"}}"#;
        let checked =
            |option| checked(&depend(Trigger::Success, Some(option)), Ok(output), Behavior::Raise);
        assert_eq!(checked("yes"), Ok(()));
        assert_eq!(checked("none"), Ok(()));
        assert_eq!(
            checked("no").unwrap_err(),
            ("NodeConditionFailedException", "Dependency A option no: result is false".to_owned())
        );
        assert_eq!(
            checked("x").unwrap_err(),
            ("NodeConditionSkippedException", "Dependency A option x: skipped".to_owned())
        );
    }

    #[test]
    fn an_option_without_the_result_of_a_choice_fails_the_node() {
        for output in [r#"{"yes": {}}"#, r#"{"yes": {"status": "done"}}"#, r#"{"yes": true}"#] {
            let depends = depend(Trigger::Success, Some("yes"));
            let (type_name, message) = checked(&depends, Ok(output), Behavior::Raise).unwrap_err();
            assert_eq!(type_name, "ValidationError");
            assert_eq!(message, "Dependency A option yes: there is no result of a choice");
        }
    }

    #[test]
    fn a_condition_looks_at_the_result_after_the_status_and_before_the_option() {
        let checked = |path: &str, comparison, value: &str, result, behavior| {
            let test = Test::Compare(comparison, Operand::Value(value.to_owned()));
            let variable = Transformer::compile(Some(path), None).unwrap();
            let [mut depend] = depend(Trigger::Success, Some("no"));
            depend.condition = Some(Condition { variable, is_not: false, test });
            checked(&[depend], result, behavior).unwrap_err()
        };
        let output = r#"{"no": {"status": "failure"}, "n": 1}"#;
        let (equals, less) = (Comparison::Equals, Comparison::LessThan);
        for (path, value, result, behavior, expected) in [
            (
                "$.output.n",
                "2",
                Ok(output),
                Behavior::Raise,
                "its result does not meet the condition",
            ),
            ("$.output.n", "1.0", Ok(output), Behavior::Raise, "option no: result is false"),
            ("$.status", "\"success\"", failed(), Behavior::Raise, "failed"),
            (
                "$.status",
                "\"success\"",
                failed(),
                Behavior::Return,
                "its result does not meet the condition",
            ),
        ] {
            let (_, message) = checked(path, equals, value, result, behavior);
            assert!(
                message.starts_with("Dependency A") && message.ends_with(expected),
                "{message}"
            );
        }
        let (type_name, message) = checked("$.output.x", less, "1", Ok(output), Behavior::Raise);
        assert_eq!(type_name, "ValidationError", "the node fails, and is not skipped");
        assert!(message.starts_with("Dependency A: a condition cannot be evaluated"), "{message}");
    }

    #[test]
    fn dependents_see_a_result_as_dynamiq_shows_it() {
        let shown = |result: &Result<String, NodeError>, with_input| {
            let done =
                Completed { node_id: "A", behavior: Behavior::Return, input: "{\"x\":1}", result };
            done.to_json(with_input)
        };
        let ok = Ok("{\"v\": 1.0}".to_owned());
        assert_eq!(shown(&ok, false), r#"{"status": "success", "output": {"v": 1.0}}"#);
        assert_eq!(
            shown(&ok, true),
            r#"{"status": "success", "input": {"x":1}, "output": {"v": 1.0}}"#
        );
        assert_eq!(
            shown(&failed(), false),
            r#"{"status": "failure", "output": null, "error": {"type": "UpstreamError", "message": "down", "recoverable": false, "failed_nodes": []}}"#
        );
    }
}
