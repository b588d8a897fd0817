//! The order of a run, over a store in memory.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_executor::block_on;

use super::*;
use crate::cache::Deadlines;
use crate::definition::{CachingConfig, ErrorHandling};
use crate::json::{Dialect, Document};
use crate::key::Scheme;
use crate::node::{Execution, Trace};
use crate::redis::memory::{Fault, Memory};
use crate::redis::{Command, RedisError, Reply};

/// Counts its executions; fails when told to.
struct Counting {
    enabled: bool,
    key: Scheme,
    executed: Cell<u32>,
    failing: Cell<bool>,
    /// After how many failures it works.
    failures: u32,
}

impl Node for Counting {
    fn id(&self) -> &str {
        "counting"
    }

    fn caching(&self) -> CachingConfig {
        CachingConfig { enabled: self.enabled, key: self.key, ..CachingConfig::default() }
    }

    fn definition(&self) -> Option<&str> {
        Some(r#"{"model":"a"}"#)
    }

    fn error_handling(&self) -> ErrorHandling {
        ErrorHandling { max_retries: self.failures, ..ErrorHandling::default() }
    }

    fn validate(
        &self,
        input: Value<'_>,
        _: Option<Value<'_>>,
    ) -> Result<Option<String>, NodeError> {
        match input.get("text") {
            Some(_) => Ok(None),
            None => Err(NodeError::Validation("input.text is missing".to_owned())),
        }
    }

    async fn execute(&self, _: Execution<'_>) -> Result<String, NodeError> {
        self.executed.set(self.executed.get() + 1);
        if self.failing.get() || self.executed.get() <= self.failures {
            return Err(NodeError::upstream("down"));
        }
        Ok(format!("{{\"n\": {}}}", self.executed.get()))
    }
}

/// A node, a cache and the means to run the one over the other.
struct Setup {
    node: Counting,
    cache: Cache<Memory>,
    config: Option<RedisCacheConfig>,
    timer: Pauses,
}

/// Notes the pauses and does not take them.
#[derive(Default)]
struct Pauses(RefCell<Vec<Duration>>);

impl Timer for Pauses {
    async fn sleep(&self, duration: Duration) {
        self.0.borrow_mut().push(duration);
    }

    fn random(&self) -> f64 {
        0.5
    }
}

impl Setup {
    fn new() -> Self {
        Self {
            node: Counting {
                enabled: true,
                key: Scheme::Dynamiq,
                executed: Cell::new(0),
                failing: Cell::new(false),
                failures: 0,
            },
            cache: Cache::new(Memory::new(), Deadlines::default()),
            config: Some(RedisCacheConfig { namespace: None, ttl: Some(60) }),
            timer: Pauses::default(),
        }
    }

    /// Runs the node and carries out the write, as the Worker does after the response.
    fn run(&self, input: &str) -> (Box<Finished>, Vec<&'static str>) {
        let document = Document::parse(input, Dialect::STRICT).unwrap();
        let given = Run { cache: self.config.as_ref(), ..Run::new(document.root()) };
        let (trace, slots) = (Trace::new(), Slots::default());
        let (cache, timer) = (&self.cache, &self.timer);
        let context = Context { cache, callbacks: &trace, timer, slots: &slots, lead: None };
        let finished = block_on(run(&self.node, given, context));
        if let Some(entry) = &finished.write {
            block_on(self.cache.store(entry));
        }
        (finished, trace.into_events().into_iter().map(|event| event.name).collect())
    }
}

const INPUT: &str = r#"{"text": "hello"}"#;

#[test]
fn a_hit_skips_execution_and_its_callbacks() {
    let setup = Setup::new();
    let (first, events) = setup.run(INPUT);
    assert_eq!(first.result.as_deref(), Ok("{\"n\": 1}"));
    assert!(!first.cache.is_output_from_cache() && first.cache.is_store_scheduled());
    assert_eq!(events, ["node_start", "node_execute_start", "node_execute_end", "node_end"]);
    let (second, events) = setup.run(INPUT);
    assert_eq!(second.result.as_deref(), Ok("{\"n\": 1}"));
    assert!(second.cache.is_output_from_cache());
    assert_eq!(events, ["node_start", "node_end"]);
    assert_eq!(setup.cache.redis().take_journal(), ["GET", "SETEX", "GET"]);
}

#[test]
fn a_hit_in_memory_asks_nothing_of_redis_and_says_so() {
    for key in [Scheme::Dynamiq, Scheme::Canonical] {
        let cache = Setup::new().cache.with_memory(1 << 20, Duration::from_secs(3600));
        let setup = Setup { cache, node: Counting { key, ..Setup::new().node }, ..Setup::new() };
        let (first, _) = setup.run(INPUT);
        setup.cache.redis().take_journal();
        setup.cache.redis().set_fault(Some(Fault::Fails(RedisError::Unreachable)));
        let (second, events) = setup.run(INPUT);
        assert_eq!(second.result, first.result);
        assert!(second.cache.is_output_from_cache() && second.write.is_none());
        assert_eq!((second.cache.status(), second.cache.reason()), ("hit", Some("memory")));
        assert_eq!(second.cache.key(), first.cache.key());
        assert_eq!(second.cache.age().is_some(), key == Scheme::Canonical);
        assert_eq!(second.lookup_ms, Some(0));
        assert_eq!(events, ["node_start", "node_end"]);
        assert!(setup.cache.redis().take_journal().is_empty());
    }
}

#[test]
fn with_one_switch_off_redis_is_not_contacted() {
    let off_at_the_node =
        Setup { node: Counting { enabled: false, ..Setup::new().node }, ..Setup::new() };
    let off_in_the_run = Setup { config: None, ..Setup::new() };
    for (setup, reason) in
        [(off_at_the_node, "caching-disabled"), (off_in_the_run, "no-cache-config")]
    {
        for n in 1..=2 {
            let (finished, _) = setup.run(INPUT);
            assert_eq!(finished.result, Ok(format!("{{\"n\": {n}}}")));
            assert_eq!(finished.cache.status(), "bypass");
            assert_eq!(finished.cache.reason(), Some(reason));
        }
        assert!(setup.cache.redis().take_journal().is_empty(), "{reason}");
    }
}

#[test]
fn an_invalid_input_reaches_neither_cache_nor_node() {
    let setup = Setup::new();
    let (finished, events) = setup.run("{}");
    assert!(matches!(finished.result, Err(NodeError::Validation(_))));
    assert_eq!(events, ["node_error"]);
    assert_eq!(setup.node.executed.get(), 0);
    assert!(setup.cache.redis().take_journal().is_empty());
}

fn canonical() -> Setup {
    let node = Counting { key: Scheme::Canonical, ..Setup::new().node };
    Setup { node, ..Setup::new() }
}

#[test]
fn a_canonical_entry_is_found_however_the_input_is_spelled_and_tells_its_age() {
    let setup = canonical();
    let (first, _) = setup.run(r#"{"text": "hello", "n": [{"b": 1.0, "a": 2}]}"#);
    assert!(first.cache.key().is_some_and(|key| key.ends_with(":v1")));
    assert_eq!((first.cache.is_output_from_cache(), first.cache.age()), (false, None));
    let (second, _) = setup.run(r#"{"n": [{"a": 20e-1, "b": 1}], "text": "\u0068ello"}"#);
    assert!(second.cache.is_output_from_cache());
    assert!(second.cache.age().is_some_and(|seconds| seconds < 60));
    assert_eq!(second.result.as_deref(), Ok("{\"n\": 1}"));
    // The other scheme looks elsewhere.
    let dynamiq = Setup { cache: setup.cache, ..Setup::new() };
    assert!(!dynamiq.run(INPUT).0.cache.is_output_from_cache());
}

#[test]
fn what_has_no_canonical_key_runs_without_the_cache() {
    let setup = canonical();
    for (input, reason) in [
        (r#"{"text": 1, "text": 2}"#, "duplicate-name"),
        (r#"{"text": "\ud800"}"#, "lone-surrogate"),
        (r#"{"text": 1e1000000}"#, "exponent-out-of-range"),
    ] {
        let (finished, _) = setup.run(input);
        assert!(finished.result.is_ok() && finished.write.is_none());
        let report = finished.cache;
        assert_eq!((report.status(), report.reason()), ("bypass", Some(reason)));
    }
    assert!(setup.cache.redis().take_journal().is_empty());
}

#[test]
fn retries_happen_behind_one_lookup_and_only_the_success_is_stored() {
    let node = Counting { failures: 2, ..Setup::new().node };
    let setup = Setup { node, ..Setup::new() };
    let (finished, events) = setup.run(INPUT);
    assert_eq!(finished.result.as_deref(), Ok("{\"n\": 3}"));
    let [start, error] = ["node_execute_start", "node_execute_error"];
    assert_eq!(
        events,
        ["node_start", start, error, start, error, start, "node_execute_end", "node_end"]
    );
    assert_eq!(setup.timer.0.take(), [Duration::from_secs(1); 2]);
    assert_eq!(setup.cache.redis().take_journal(), ["GET", "SETEX"]);
    // One more failure than retries.
    setup.node.executed.set(0);
    setup.node.failing.set(true);
    let (finished, _) = setup.run(r#"{"text": "other"}"#);
    assert_eq!((finished.result.is_err(), setup.node.executed.get()), (true, 3));
}

#[test]
fn a_failure_is_not_stored() {
    let setup = Setup::new();
    setup.node.failing.set(true);
    let (finished, events) = setup.run(INPUT);
    assert!(finished.result.is_err() && finished.write.is_none());
    assert_eq!(events, ["node_start", "node_execute_start", "node_execute_error", "node_error"]);
    assert_eq!(setup.cache.redis().take_journal(), ["GET"]);
    setup.node.failing.set(false);
    assert!(!setup.run(INPUT).0.cache.is_output_from_cache());
    assert!(setup.run(INPUT).0.cache.is_output_from_cache());
}

#[test]
fn inputs_that_hold_one_another_end_before_the_memory_does() {
    let (input, result) = (format!("\"{}\"", "x".repeat(MAX_WITH_RESULTS / 2)), Ok("1".to_owned()));
    let done = |node_id| Completed {
        node_id,
        behavior: crate::definition::Behavior::Raise,
        input: &input,
        result: &result,
    };
    let document = Document::parse(INPUT, Dialect::STRICT).unwrap();
    let given = |ids: &[&'static str]| {
        let completed: Vec<_> = ids.iter().map(|id| done(id)).collect();
        with_results(Run { completed: &completed, ..Run::new(document.root()) }, true)
    };
    assert!(given(&["a"]).is_ok());
    let error = given(&["a", "b"]).err().unwrap();
    assert_eq!(error.type_name(), "TransformError");
    assert!(error.to_string().contains("16 MiB"), "{error}");
}

#[test]
fn a_ttl_of_zero_looks_up_and_does_not_store() {
    let setup =
        Setup { config: Some(RedisCacheConfig { namespace: None, ttl: Some(0) }), ..Setup::new() };
    for _ in 0..2 {
        let (finished, _) = setup.run(INPUT);
        assert_eq!((finished.cache.status(), finished.cache.reason()), ("miss", Some("ttl-zero")));
    }
    assert_eq!(setup.cache.redis().take_journal(), ["GET", "GET"]);
}

#[test]
fn a_dead_redis_costs_the_entry_and_never_the_answer() {
    let setup = Setup::new();
    setup.cache.redis().set_fault(Some(Fault::Fails(RedisError::Unreachable)));
    let (finished, _) = setup.run(INPUT);
    assert!(finished.result.is_ok());
    assert_eq!(finished.cache.reason(), Some("redis-unreachable"));
    setup.cache.redis().set_fault(None);
    assert!(!setup.run(INPUT).0.cache.is_output_from_cache());
    assert!(setup.run(INPUT).0.cache.is_output_from_cache());
}

#[test]
fn a_corrupt_entry_is_replaced_but_a_foreign_one_is_not() {
    let setup = Setup::new();
    let (first, _) = setup.run(INPUT);
    let key = first.cache.key().unwrap();
    let garbage = Command::store(key, "hello world", None);
    block_on(setup.cache.redis().execute(&[garbage], Duration::MAX)).unwrap();
    assert_eq!(setup.run(INPUT).0.cache.reason(), Some("not-base64"));
    assert!(setup.run(INPUT).0.cache.is_output_from_cache());

    let wrong_type = Reply::Error("WRONGTYPE Operation against a key".to_owned());
    setup.cache.redis().set_fault(Some(Fault::Answers(wrong_type)));
    setup.cache.redis().take_journal();
    let (finished, _) = setup.run(INPUT);
    assert_eq!(finished.cache.reason(), Some("wrong-type"));
    assert_eq!(setup.cache.redis().take_journal(), ["GET"]);
}
