//! The body of a run's result: Dynamiq's `RunnableResult`, with what the cache had to do with it.

use super::push_optional;
use crate::flow;
use crate::json::write_string;
use crate::node::{CacheReport, Event, Finished, NodeError};

/// The result of a node, written as JSON by [`RunnableResult::to_json`].
#[derive(Debug, Clone, Copy)]
pub struct RunnableResult<'a> {
    /// A UUID.
    pub run_id: &'a str,
    /// The input as JSON text, as it came; `null` when there was none.
    pub input: &'a str,
    /// What the run gave.
    pub finished: &'a Finished,
    /// The events, when they were asked for.
    pub trace: Option<&'a [Event]>,
}

/// The result of a workflow, likewise.
#[derive(Debug, Clone, Copy)]
pub struct WorkflowResult<'a> {
    /// A UUID.
    pub run_id: &'a str,
    /// The input as JSON text, as it came; `null` when there was none.
    pub input: &'a str,
    /// What the nodes gave, or why none of them was run.
    pub finished: Result<&'a flow::Finished, &'a NodeError>,
    /// The events, when they were asked for.
    pub trace: Option<&'a [Event]>,
}

/// The HTTP status of a run.
pub fn status(result: &Result<String, NodeError>) -> u16 {
    match result {
        Ok(_) => 200,
        Err(error) => status_of(error),
    }
}

/// The HTTP status of a failed run.
pub fn status_of(error: &NodeError) -> u16 {
    match error {
        NodeError::Validation(_) | NodeError::Transform(_) | NodeError::Skipped { .. } => 422,
        NodeError::Upstream { .. } | NodeError::Refused(_) | NodeError::Busy { .. } => 502,
        NodeError::Timeout(_) => 504,
    }
}

impl RunnableResult<'_> {
    /// The body. Input and output go in as they are, nothing is parsed again.
    pub fn to_json(&self) -> String {
        let Self { run_id, input, finished, trace } = *self;
        let mut out = String::with_capacity(input.len() + finished.size() + 512);
        push_result(&mut out, input, finished);
        out.push_str(",\"run_id\":");
        write_string(&mut out, run_id);
        push_cache(&mut out, &finished.cache);
        push_trace(&mut out, trace);
        out.push('}');
        out
    }
}

impl WorkflowResult<'_> {
    /// The body: the output has the result of each node under its id.
    pub fn to_json(&self) -> String {
        let Self { run_id, input, finished, trace } = *self;
        let size: usize = finished.map_or(0, |flow| {
            flow.nodes.iter().map(|node| input.len() + node.finished.size() + 512).sum()
        });
        let mut out = String::with_capacity(input.len() + size + 512);
        let failed = match finished {
            Ok(flow) => flow.failed.as_slice(),
            Err(_) => &[],
        };
        let is_success = finished.is_ok() && failed.is_empty();
        out.push_str("{\"status\":");
        out.push_str(if is_success { "\"success\"" } else { "\"failure\"" });
        out.push_str(",\"input\":");
        out.push_str(input);
        out.push_str(",\"output\":");
        match finished {
            Err(_) => out.push_str("null"),
            Ok(flow) => {
                for (index, node) in flow.nodes.iter().enumerate() {
                    out.push(if index == 0 { '{' } else { ',' });
                    write_string(&mut out, &node.id);
                    out.push(':');
                    push_result(&mut out, input, &node.finished);
                    push_cache(&mut out, &node.finished.cache);
                    out.push('}');
                }
                out.push_str(if flow.nodes.is_empty() { "{}" } else { "}" });
            }
        }
        out.push_str(",\"error\":");
        match finished {
            Err(error) => push_error(&mut out, error),
            Ok(_) if is_success => out.push_str("null"),
            Ok(flow) => push_failures(&mut out, flow),
        }
        out.push_str(",\"is_output_from_cache\":");
        let is_cached = finished.is_ok_and(flow::Finished::is_from_cache);
        out.push_str(if is_cached { "true" } else { "false" });
        out.push_str(",\"run_id\":");
        write_string(&mut out, run_id);
        push_trace(&mut out, trace);
        out.push('}');
        out
    }
}

/// Appends what the results of nodes and those of nodes in a flow have in common, without the brace
/// at the end.
fn push_result(out: &mut String, input: &str, finished: &Finished) {
    out.push_str("{\"status\":\"");
    out.push_str(finished.outcome().as_str());
    out.push_str("\",\"input\":");
    out.push_str(finished.input.as_deref().unwrap_or(input));
    out.push_str(",\"output\":");
    out.push_str(finished.result.as_deref().unwrap_or("null"));
    out.push_str(",\"error\":");
    match &finished.result {
        Ok(_) => out.push_str("null"),
        Err(error) => push_error(out, error),
    }
    out.push_str(",\"is_output_from_cache\":");
    out.push_str(if finished.cache.is_output_from_cache() { "true" } else { "false" });
}

fn push_cache(out: &mut String, report: &CacheReport) {
    out.push_str(",\"cache\":{\"status\":");
    write_string(out, report.status());
    out.push_str(",\"key\":");
    push_optional(out, report.key());
    out.push_str(",\"reason\":");
    push_optional(out, report.reason());
    out.push('}');
}

fn push_trace(out: &mut String, trace: Option<&[Event]>) {
    let Some(events) = trace else { return };
    out.push_str(",\"trace\":[");
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        event.write_json(out);
    }
    out.push(']');
}

/// Which nodes have failed, as Dynamiq says it.
fn push_failures(out: &mut String, flow: &flow::Finished) {
    let failed = || flow.failed.iter().filter_map(|&place| flow.nodes.get(place));
    let names: Vec<_> = failed().map(|node| node.name.as_deref().unwrap_or(&node.id)).collect();
    out.push_str("{\"type\":\"FlowNodeFailureException\",\"message\":");
    let names = names.join(", ");
    write_string(out, &format!("Flow execution failed due to node failures: {names}"));
    out.push_str(",\"recoverable\":false,\"failed_nodes\":[");
    for (index, node) in failed().enumerate() {
        out.push_str(if index == 0 { "{\"id\":" } else { ",{\"id\":" });
        write_string(out, &node.id);
        out.push_str(",\"name\":");
        push_optional(out, node.name.as_deref());
        out.push_str(",\"error_message\":");
        let message = node.finished.result.as_ref().err().map(NodeError::to_string);
        push_optional(out, message.as_deref());
        out.push('}');
    }
    out.push_str("]}");
}

fn push_error(out: &mut String, error: &NodeError) {
    out.push_str("{\"type\":");
    write_string(out, error.type_name());
    out.push_str(",\"message\":");
    write_string(out, &error.to_string());
    // As in Dynamiq, where only errors of agents can be recovered from.
    out.push_str(",\"recoverable\":false}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Subject;

    fn finished(result: Result<String, NodeError>, cache: CacheReport) -> Finished {
        Finished { cache, ..Finished::of(result) }
    }

    #[test]
    fn a_hit_has_the_members_of_the_design() {
        let hit = CacheReport::Hit { key: "my-app:a:b:c".to_owned(), age: None, stale_for: None };
        let finished = finished(Ok(r#"{"content": 1E400}"#.to_owned()), hit);
        let result =
            RunnableResult { run_id: "id", input: "{ }", finished: &finished, trace: None };
        assert_eq!(
            result.to_json(),
            r#"{"status":"success","input":{ },"output":{"content": 1E400},"error":null,"is_output_from_cache":true,"run_id":"id","cache":{"status":"hit","key":"my-app:a:b:c","reason":null}}"#
        );
    }

    #[test]
    fn a_failure_has_an_error_and_a_trace_when_asked() {
        let error = NodeError::upstream("down");
        let finished = finished(Err(error), CacheReport::NoCacheConfig);
        let event = Event {
            name: "node_end",
            subject: Subject::Node,
            id: "a".to_owned(),
            at_ms: 3,
            reason: None,
            is_output_from_cache: Some(true),
            usage: None,
            outcome: None,
        };
        let result = RunnableResult {
            run_id: "id",
            input: "null",
            finished: &finished,
            trace: Some(&[event.clone(), event]),
        };
        assert_eq!(
            result.to_json(),
            r#"{"status":"failure","input":null,"output":null,"error":{"type":"UpstreamError","message":"down","recoverable":false},"is_output_from_cache":false,"run_id":"id","cache":{"status":"bypass","key":null,"reason":"no-cache-config"},"trace":[{"event":"node_end","node_id":"a","at_ms":3,"is_output_from_cache":true},{"event":"node_end","node_id":"a","at_ms":3,"is_output_from_cache":true}]}"#
        );
    }
}
