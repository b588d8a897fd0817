//! The structured line that each run leaves in the log: nothing of what was said in it, and no
//! secrets.

use super::facts::{NodeFacts, RunOf};
use super::push_optional;
use crate::cache::{Change, MissReason};
use crate::json::write_string;
use crate::node::Outcome;

/// What stands before the value of a member; no name of one has to be escaped.
macro_rules! name {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// The line of a node.
pub fn node_line(facts: &NodeFacts<'_>) -> String {
    let mut line = head(facts.event, facts.of);
    member(&mut line, name!("node"), Some(facts.node_id));
    member(&mut line, name!("status"), Some(facts.status));
    member(&mut line, name!("error"), facts.error);
    member(&mut line, name!("cache"), Some(facts.cache));
    member(&mut line, name!("reason"), facts.reason);
    member(&mut line, name!("write"), facts.write);
    let usage = facts.usage;
    let tokens = |tokens| Some(tokens).filter(|&tokens| tokens > 0);
    for (name, number) in [
        (name!("lookup_ms"), facts.lookup_ms),
        (name!("execute_ms"), facts.execute_ms),
        (name!("prompt_tokens"), tokens(usage.prompt_tokens)),
        (name!("completion_tokens"), tokens(usage.completion_tokens)),
        (name!("total_tokens"), tokens(usage.total_tokens)),
    ] {
        if let Some(number) = number {
            line.push_str(name);
            line.push_str(&number.to_string());
        }
    }
    line.push('}');
    line
}

/// The line of a workflow, which stands beside those of its nodes.
pub fn workflow_line(of: RunOf<'_>, outcome: Outcome, duration_ms: u64) -> String {
    let mut line = head("workflow", of);
    member(&mut line, name!("status"), Some(outcome.as_str()));
    line.push_str(name!("duration_ms"));
    line.push_str(&duration_ms.to_string());
    line.push('}');
    line
}

/// The line of a change of the breaker's state, with the reason of the lookup that made it open.
pub fn breaker_line(change: Change, reason: Option<MissReason>) -> String {
    let mut line = "{\"event\":\"breaker\"".to_owned();
    member(&mut line, name!("from"), Some(change.from.as_str()));
    member(&mut line, name!("to"), Some(change.to.as_str()));
    member(&mut line, name!("reason"), reason.map(MissReason::as_str));
    line.push('}');
    line
}

fn head(event: &str, of: RunOf<'_>) -> String {
    let mut line = String::with_capacity(320);
    line.push_str("{\"event\":");
    write_string(&mut line, event);
    member(&mut line, name!("run_id"), Some(of.run_id));
    if of.workflow.is_some() {
        member(&mut line, name!("workflow"), of.workflow);
    }
    member(&mut line, name!("caller"), Some(of.caller));
    line
}

fn member(line: &mut String, name: &'static str, value: Option<&str>) {
    line.push_str(name);
    push_optional(line, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::State;
    use crate::node::{Finished, NodeError, Usage};

    const OF: RunOf<'_> = RunOf { run_id: "id", workflow: None, caller: "team-a" };

    #[test]
    fn a_line_tells_of_a_run_and_nothing_of_what_was_said() {
        let finished = Finished {
            input: Some("{\"text\": \"CANARY\"}".to_owned()),
            execute_ms: Some(7),
            usage: Usage { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
            ..Finished::refused(NodeError::upstream("CANARY"))
        };
        assert_eq!(
            node_line(&NodeFacts::new(
                RunOf { workflow: Some("w"), ..OF },
                "a\"b",
                &finished,
                None
            )),
            r#"{"event":"run","run_id":"id","workflow":"w","caller":"team-a","node":"a\"b","status":"failure","error":"UpstreamError","cache":"bypass","reason":null,"write":null,"execute_ms":7,"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#
        );
        assert_eq!(
            workflow_line(RunOf { workflow: Some("w"), ..OF }, Outcome::Success, 9),
            r#"{"event":"workflow","run_id":"id","workflow":"w","caller":"team-a","status":"success","duration_ms":9}"#
        );
    }

    #[test]
    fn a_change_of_the_breaker_is_a_line() {
        let change = Change { from: State::HalfOpen, to: State::Open };
        assert_eq!(
            breaker_line(change, Some(MissReason::Timeout)),
            r#"{"event":"breaker","from":"half-open","to":"open","reason":"redis-timeout"}"#
        );
    }
}
