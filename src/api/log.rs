//! The structured line that each run leaves in the log: nothing of what was said in it, and no
//! secrets.

use super::push_optional;
use crate::cache::WriteOutcome;
use crate::json::write_string;
use crate::node::{Finished, NodeError, Outcome};

/// Whose run it is.
#[derive(Debug, Clone, Copy)]
pub struct RunOf<'a> {
    /// A UUID; nodes that ran in one workflow have the same.
    pub run_id: &'a str,
    /// The workflow in which a node ran.
    pub workflow: Option<&'a str>,
    /// The id of the caller's API key.
    pub caller: &'a str,
}

/// The line of a node.
pub fn node_line(
    of: RunOf<'_>,
    node_id: &str,
    finished: &Finished,
    write: Option<WriteOutcome>,
) -> String {
    let mut line = head("run", of);
    member(&mut line, "node", Some(node_id));
    member(&mut line, "status", Some(finished.outcome().as_str()));
    member(&mut line, "error", finished.result.as_ref().err().map(NodeError::type_name));
    member(&mut line, "cache", Some(finished.cache.status()));
    member(&mut line, "reason", finished.cache.reason());
    member(&mut line, "write", write.map(WriteOutcome::as_str));
    let usage = finished.usage;
    let tokens = |tokens| Some(tokens).filter(|&tokens| tokens > 0);
    for (name, number) in [
        ("lookup_ms", finished.lookup_ms),
        ("execute_ms", finished.execute_ms),
        ("prompt_tokens", tokens(usage.prompt_tokens)),
        ("completion_tokens", tokens(usage.completion_tokens)),
        ("total_tokens", tokens(usage.total_tokens)),
    ] {
        if let Some(number) = number {
            line.push_str(&format!(",\"{name}\":{number}"));
        }
    }
    line.push('}');
    line
}

/// The line of a workflow, which stands beside those of its nodes.
pub fn workflow_line(of: RunOf<'_>, outcome: Outcome, duration_ms: u64) -> String {
    let mut line = head("workflow", of);
    member(&mut line, "status", Some(outcome.as_str()));
    line.push_str(&format!(",\"duration_ms\":{duration_ms}}}"));
    line
}

fn head(event: &str, of: RunOf<'_>) -> String {
    let mut line = String::with_capacity(320);
    line.push_str("{\"event\":");
    write_string(&mut line, event);
    member(&mut line, "run_id", Some(of.run_id));
    if of.workflow.is_some() {
        member(&mut line, "workflow", of.workflow);
    }
    member(&mut line, "caller", Some(of.caller));
    line
}

fn member(line: &mut String, name: &str, value: Option<&str>) {
    line.push(',');
    write_string(line, name);
    line.push(':');
    push_optional(line, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Usage;

    const OF: RunOf<'_> = RunOf { run_id: "id", workflow: None, caller: "team-a" };

    #[test]
    fn a_line_tells_of_a_run_and_nothing_of_what_was_said() {
        let finished = Finished {
            input: Some("{\"text\": \"CANARY\"}".to_owned()),
            execute_ms: Some(7),
            usage: Usage { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
            ..Finished::refused(NodeError::Upstream("CANARY".to_owned()))
        };
        assert_eq!(
            node_line(RunOf { workflow: Some("w"), ..OF }, "a\"b", &finished, None),
            r#"{"event":"run","run_id":"id","workflow":"w","caller":"team-a","node":"a\"b","status":"failure","error":"UpstreamError","cache":"bypass","reason":null,"write":null,"execute_ms":7,"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#
        );
        assert_eq!(
            workflow_line(RunOf { workflow: Some("w"), ..OF }, Outcome::Success, 9),
            r#"{"event":"workflow","run_id":"id","workflow":"w","caller":"team-a","status":"success","duration_ms":9}"#
        );
    }
}
