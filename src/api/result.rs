//! The body of a run's result: Dynamiq's `RunnableResult`, with what the cache had to do with it.

use crate::json::write_string;
use crate::node::{Event, Finished, NodeError};

/// A result, written as JSON by [`RunnableResult::to_json`].
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

/// The HTTP status of a run.
pub fn status(result: &Result<String, NodeError>) -> u16 {
    match result {
        Ok(_) => 200,
        Err(NodeError::Validation(_)) => 422,
        Err(NodeError::Upstream(_) | NodeError::Refused(_) | NodeError::Busy { .. }) => 502,
        Err(NodeError::Timeout(_)) => 504,
    }
}

impl RunnableResult<'_> {
    /// The body. Input and output go in as they are, nothing is parsed again.
    pub fn to_json(&self) -> String {
        let Self { run_id, input, finished, trace } = *self;
        let output = finished.result.as_deref().unwrap_or("null");
        let mut out = String::with_capacity(input.len() + output.len() + 512);
        out.push_str("{\"status\":");
        out.push_str(if finished.result.is_ok() { "\"success\"" } else { "\"failure\"" });
        out.push_str(",\"input\":");
        out.push_str(input);
        out.push_str(",\"output\":");
        out.push_str(output);
        out.push_str(",\"error\":");
        match &finished.result {
            Ok(_) => out.push_str("null"),
            Err(error) => push_error(&mut out, error),
        }
        out.push_str(",\"is_output_from_cache\":");
        out.push_str(if finished.cache.is_hit() { "true" } else { "false" });
        out.push_str(",\"run_id\":");
        write_string(&mut out, run_id);
        out.push_str(",\"cache\":{\"status\":");
        write_string(&mut out, finished.cache.status());
        out.push_str(",\"key\":");
        push_optional(&mut out, finished.cache.key());
        out.push_str(",\"reason\":");
        push_optional(&mut out, finished.cache.reason());
        out.push('}');
        if let Some(events) = trace {
            out.push_str(",\"trace\":[");
            for (index, event) in events.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                event.write_json(&mut out);
            }
            out.push(']');
        }
        out.push('}');
        out
    }
}

fn push_error(out: &mut String, error: &NodeError) {
    out.push_str("{\"type\":");
    write_string(out, error.type_name());
    out.push_str(",\"message\":");
    write_string(out, &error.to_string());
    // As in Dynamiq, where only errors of agents can be recovered from.
    out.push_str(",\"recoverable\":false}");
}

fn push_optional(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => write_string(out, text),
        None => out.push_str("null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::CacheReport;

    fn finished(result: Result<String, NodeError>, cache: CacheReport) -> Finished {
        Finished { result, cache, write: None, lookup_ms: None, execute_ms: None }
    }

    #[test]
    fn a_hit_has_the_members_of_the_design() {
        let hit = CacheReport::Hit { key: "my-app:a:b:c".to_owned(), age: None };
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
        let error = NodeError::Upstream("down".to_owned());
        let finished = finished(Err(error), CacheReport::NoCacheConfig);
        let event = Event {
            name: "node_end",
            node_id: "a".to_owned(),
            at_ms: 3,
            is_output_from_cache: Some(true),
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
