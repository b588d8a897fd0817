//! What is told of a run of a node when it is over. The log and the metrics are written from it, so
//! that both tell the same: nothing of what was said in the run, and no secrets.

use crate::cache::WriteOutcome;
use crate::node::{Finished, NodeError, Usage};

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

/// What a run of a node came to.
#[derive(Debug, Clone, Copy)]
pub struct NodeFacts<'a> {
    /// `run`, or `refresh` for an execution after a run that was served what is not fresh any more.
    pub event: &'static str,
    /// Whose run it was.
    pub of: RunOf<'a>,
    /// The id of the node.
    pub node_id: &'a str,
    /// `success`, `failure` or `skip`.
    pub status: &'static str,
    /// The type of the error.
    pub error: Option<&'static str>,
    /// `hit`, `miss`, `stale` or `bypass`.
    pub cache: &'static str,
    /// Why the cache did not answer, or will not hold the output, as in a result's `cache.reason`.
    pub reason: Option<&'static str>,
    /// What became of the write, as in [`WriteOutcome::as_str`], or `not-admissible`; None when
    /// there was nothing to store.
    pub write: Option<&'static str>,
    /// Milliseconds that the lookup took, when there was one.
    pub lookup_ms: Option<u64>,
    /// Milliseconds that the execution took, when there was one.
    pub execute_ms: Option<u64>,
    /// The tokens that the execution took.
    pub usage: Usage,
}

impl<'a> NodeFacts<'a> {
    /// The facts of a run, after its write if there was one.
    pub fn new(
        of: RunOf<'a>,
        node_id: &'a str,
        finished: &Finished,
        write: Option<WriteOutcome>,
    ) -> Self {
        let not_tried = finished.cache.is_not_admissible().then_some("not-admissible");
        Self {
            event: "run",
            of,
            node_id,
            status: finished.outcome().as_str(),
            error: finished.result.as_ref().err().map(NodeError::type_name),
            cache: finished.cache.status(),
            reason: finished.cache.reason(),
            write: write.map(WriteOutcome::as_str).or(not_tried),
            lookup_ms: finished.lookup_ms,
            execute_ms: finished.execute_ms,
            usage: finished.usage,
        }
    }

    /// The same of an execution after a run that was served what is not fresh any more.
    pub fn of_refresh(self) -> Self {
        Self { event: "refresh", ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{CacheReport, NotStored};

    #[test]
    fn every_miss_says_what_became_of_the_write() {
        for (not_stored, write, expected) in [
            (None, Some(WriteOutcome::Stored), "stored"),
            (None, Some(WriteOutcome::TooLarge), "too-large"),
            (None, Some(WriteOutcome::CircuitOpen), "circuit-open"),
            (Some(NotStored::Failed), None, "not-admissible"),
            (Some(NotStored::TtlZero), None, "not-admissible"),
            (Some(NotStored::Lookup), None, "not-admissible"),
            (Some(NotStored::FallenBack), None, "not-admissible"),
        ] {
            let cache = CacheReport::Miss {
                key: "k".to_owned(),
                reason: None,
                not_stored,
                collapsed: None,
            };
            let finished = Finished { cache, ..Finished::of(Ok("1".to_owned())) };
            let of = RunOf { run_id: "id", workflow: None, caller: "team-a" };
            assert_eq!(NodeFacts::new(of, "a", &finished, write).write, Some(expected));
        }
    }

    #[test]
    fn where_nothing_was_looked_up_there_is_nothing_to_say_of_a_write() {
        let of = RunOf { run_id: "id", workflow: None, caller: "team-a" };
        for cache in [
            CacheReport::NoCacheConfig,
            CacheReport::Hit { key: "k".to_owned(), age: None, stale_for: None },
        ] {
            let finished = Finished { cache, ..Finished::of(Ok("1".to_owned())) };
            assert_eq!(NodeFacts::new(of, "a", &finished, None).write, None);
        }
    }
}
