//! The order of a run, which is Dynamiq's.

use super::retry::wait_for_next;
use super::{Callbacks, Node, NodeError};
use crate::cache::{Cache, Entry, Lookup, MissReason};
use crate::clock::{self, Timer};
use crate::codec::Stored;
use crate::config::RedisCacheConfig;
use crate::definition::CachingConfig;
use crate::json::{Dialect, Document, Value};
use crate::key::{KeyError, KeyRequest, Scheme, cache_key, check_kwargs};
use crate::redis::Redis;

/// What a run is given.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The input of the node.
    pub input: Value<'a>,
    /// Further keywords, which are part of the key.
    pub kwargs: Option<Value<'a>>,
    /// The second of the two caching switches.
    pub cache: Option<&'a RedisCacheConfig>,
}

/// What a run gave.
#[derive(Debug)]
pub struct Finished {
    /// The output as JSON text, or why there is none.
    pub result: Result<String, NodeError>,
    /// What the cache had to do with it.
    pub cache: CacheReport,
    /// What is to be stored once the response is out.
    pub write: Option<Entry>,
    /// Milliseconds that the lookup took, when there was one.
    pub lookup_ms: Option<u64>,
    /// Milliseconds that the execution took, when there was one.
    pub execute_ms: Option<u64>,
}

impl Finished {
    /// A run that did not get as far as the cache.
    pub fn refused(error: NodeError) -> Self {
        Self {
            result: Err(error),
            cache: CacheReport::NotReached,
            write: None,
            lookup_ms: None,
            execute_ms: None,
        }
    }
}

/// What the cache had to do with a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheReport {
    /// The run did not get as far as the cache.
    NotReached,
    /// The run brought no cache config.
    NoCacheConfig,
    /// The node does not opt in.
    CachingDisabled,
    /// There is no canonical key for what the run was given: the code of the reason.
    NoKey(&'static str),
    /// The output came from the cache.
    Hit {
        /// Where it was.
        key: String,
        /// How many seconds ago it was stored, where that is known.
        age: Option<u64>,
    },
    /// It did not.
    Miss {
        /// Where it was looked for.
        key: String,
        /// Why nothing usable was found, unless there was just nothing.
        reason: Option<MissReason>,
        /// Why the output is not stored either; None when it will be.
        not_stored: Option<NotStored>,
    },
}

/// Why an output is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStored {
    /// There is none.
    Failed,
    /// A ttl of 0 asks for it.
    TtlZero,
    /// The lookup showed that a write would fail, or replace something foreign.
    Lookup,
}

/// Runs a node.
///
/// 1. the input is validated;
/// 2. `on_node_start`;
/// 3. lookup, if both switches are on: one `GET`, and a hit ends the run's work;
/// 4. on a miss the node executes, between `on_node_execute_start` and `on_node_execute_end` or
///    `on_node_execute_error`, and again after a pause where its error handling says so;
/// 5. a successful output is set aside for storing;
/// 6. `on_node_end`, or `on_node_error`.
pub async fn run<N: Node, R: Redis>(
    node: &N,
    run: Run<'_>,
    cache: &Cache<R>,
    callbacks: &impl Callbacks,
    timer: &impl Timer,
) -> Finished {
    let finished = match node.validate(&run).and_then(|()| key_of(node, run)) {
        Ok(keyed) => look_up_or_execute(node, run, keyed, cache, callbacks, timer).await,
        Err(error) => Finished::refused(error),
    };
    // 6.
    match &finished.result {
        Ok(_) => callbacks.on_node_end(node.id(), finished.cache.is_hit()),
        Err(_) => callbacks.on_node_error(node.id()),
    }
    finished
}

async fn look_up_or_execute<N: Node, R: Redis>(
    node: &N,
    run: Run<'_>,
    keyed: Keyed<'_>,
    cache: &Cache<R>,
    callbacks: &impl Callbacks,
    timer: &impl Timer,
) -> Finished {
    // 2.
    callbacks.on_node_start(node.id());
    // 3.
    let scheme = node.caching().key;
    let (mut reason, mut lookup_ms) = (None, None);
    let keyed = match keyed {
        Keyed::Nowhere(report) => Keyed::Nowhere(report),
        Keyed::Under { key, config } => {
            let started = clock::now_ms();
            let lookup = cache.lookup(&key, scheme).await;
            lookup_ms = Some(clock::now_ms().saturating_sub(started));
            match lookup {
                Lookup::Hit(Stored { output, stored_at }) => {
                    let age = stored_at.map(|at| clock::now_ms().saturating_sub(at) / 1000);
                    return Finished {
                        result: Ok(output),
                        cache: CacheReport::Hit { key, age },
                        write: None,
                        lookup_ms,
                        execute_ms: None,
                    };
                }
                Lookup::Miss(why) => reason = why,
            }
            Keyed::Under { key, config }
        }
    };
    // 4.
    let started = clock::now_ms();
    let result = execute_with_retry(node, run.input, callbacks, timer).await;
    let execute_ms = Some(clock::now_ms().saturating_sub(started));
    // 5.
    let (cache, write) = match keyed {
        Keyed::Nowhere(report) => (report, None),
        Keyed::Under { key, config } => {
            let admitted = admit(&result, config, reason);
            let write = admitted.as_ref().ok().map(|output| Entry {
                key: key.clone(),
                output: (*output).clone(),
                ttl: config.ttl,
                scheme,
                stored_at: clock::now_ms(),
            });
            (CacheReport::Miss { key, reason, not_stored: admitted.err() }, write)
        }
    };
    Finished { result, cache, write, lookup_ms, execute_ms }
}

async fn execute_with_retry<N: Node>(
    node: &N,
    input: Value<'_>,
    callbacks: &impl Callbacks,
    timer: &impl Timer,
) -> Result<String, NodeError> {
    let handling = node.error_handling();
    let mut attempt = 0;
    loop {
        callbacks.on_node_execute_start(node.id());
        let error = match node.execute(input).await {
            Ok(output) => {
                callbacks.on_node_execute_end(node.id());
                return Ok(output);
            }
            Err(error) => error,
        };
        callbacks.on_node_execute_error(node.id());
        if !wait_for_next(attempt, &error, &handling, timer).await {
            return Err(error);
        }
        attempt += 1;
    }
}

/// The output that is to be stored, or why none is.
fn admit<'r>(
    result: &'r Result<String, NodeError>,
    config: &RedisCacheConfig,
    lookup: Option<MissReason>,
) -> Result<&'r String, NotStored> {
    let output = result.as_ref().map_err(|_| NotStored::Failed)?;
    if config.ttl == Some(0) {
        return Err(NotStored::TtlZero);
    }
    if !lookup.is_none_or(MissReason::allows_write) {
        return Err(NotStored::Lookup);
    }
    Ok(output)
}

/// Where a run looks for its output, and puts it.
enum Keyed<'a> {
    Under {
        key: String,
        config: &'a RedisCacheConfig,
    },
    /// Nowhere, and why.
    Nowhere(CacheReport),
}

/// The key, when both switches are on.
fn key_of<'a, N: Node>(node: &N, run: Run<'a>) -> Result<Keyed<'a>, NodeError> {
    let invalid = |error: KeyError| NodeError::Validation(error.to_string());
    // Keywords that cannot be hashed are refused without a cache too: a request does not become
    // valid by turning a switch.
    let nowhere = |report| check_kwargs(run.kwargs).map(|()| Keyed::Nowhere(report));
    let CachingConfig { enabled, key: scheme } = node.caching();
    let Some(config) = run.cache else {
        return nowhere(CacheReport::NoCacheConfig).map_err(invalid);
    };
    if !enabled {
        return nowhere(CacheReport::CachingDisabled).map_err(invalid);
    }
    let definition = match scheme {
        Scheme::Dynamiq => None,
        Scheme::Canonical => node.definition(),
    };
    let definition = match definition.map(|text| Document::parse(text, Dialect::STRICT)).transpose()
    {
        Ok(definition) => definition,
        Err(error) => return nowhere(CacheReport::NoKey(error.kind.code())).map_err(invalid),
    };
    let request = KeyRequest {
        scheme,
        namespace: config.namespace.as_deref(),
        entity_id: node.id(),
        input: run.input,
        kwargs: run.kwargs,
        definition: definition.as_ref().map(Document::root),
    };
    match cache_key(&request) {
        Ok(key) => Ok(Keyed::Under { key, config }),
        // What the scheme cannot tell apart runs all the same.
        Err(error @ KeyError::NotCanonical { .. }) => {
            Ok(Keyed::Nowhere(CacheReport::NoKey(error.code())))
        }
        Err(error) => Err(invalid(error)),
    }
}

impl CacheReport {
    /// `hit`, `miss` or `bypass`, as in a result's `cache.status`.
    pub fn status(&self) -> &'static str {
        match self {
            Self::Hit { .. } => "hit",
            Self::Miss { .. } => "miss",
            Self::NotReached | Self::NoCacheConfig | Self::CachingDisabled | Self::NoKey(_) => {
                "bypass"
            }
        }
    }

    /// The key, when there is one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Hit { key, .. } | Self::Miss { key, .. } => Some(key),
            Self::NotReached | Self::NoCacheConfig | Self::CachingDisabled | Self::NoKey(_) => None,
        }
    }

    /// Why the cache did not answer or will not hold the output; None when nothing is unusual.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::NoCacheConfig => Some("no-cache-config"),
            Self::CachingDisabled => Some("caching-disabled"),
            Self::NoKey(code) => Some(code),
            Self::Miss { reason: Some(reason), .. } => Some(reason.as_str()),
            Self::Miss { not_stored: Some(NotStored::TtlZero), .. } => Some("ttl-zero"),
            Self::NotReached | Self::Hit { .. } | Self::Miss { .. } => None,
        }
    }

    /// How many seconds ago the output was stored, where that is known.
    pub fn age(&self) -> Option<u64> {
        match self {
            Self::Hit { age, .. } => *age,
            _ => None,
        }
    }

    /// Whether the output came from the cache.
    pub fn is_hit(&self) -> bool {
        matches!(self, Self::Hit { .. })
    }

    /// Whether a write follows the response.
    pub fn is_store_scheduled(&self) -> bool {
        matches!(self, Self::Miss { not_stored: None, .. })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    use futures_executor::block_on;

    use super::*;
    use crate::cache::Deadlines;
    use crate::definition::{CachingConfig, ErrorHandling};
    use crate::json::{Dialect, Document};
    use crate::node::Trace;
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
            CachingConfig { enabled: self.enabled, key: self.key }
        }

        fn definition(&self) -> Option<&str> {
            Some(r#"{"model":"a"}"#)
        }

        fn error_handling(&self) -> ErrorHandling {
            ErrorHandling { max_retries: self.failures, ..ErrorHandling::default() }
        }

        fn validate(&self, run: &Run<'_>) -> Result<(), NodeError> {
            match run.input.get("text") {
                Some(_) => Ok(()),
                None => Err(NodeError::Validation("input.text is missing".to_owned())),
            }
        }

        async fn execute(&self, _: Value<'_>) -> Result<String, NodeError> {
            self.executed.set(self.executed.get() + 1);
            if self.failing.get() || self.executed.get() <= self.failures {
                return Err(NodeError::Upstream("down".to_owned()));
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
        fn run(&self, input: &str) -> (Finished, Vec<&'static str>) {
            let document = Document::parse(input, Dialect::STRICT).unwrap();
            let given = Run { input: document.root(), kwargs: None, cache: self.config.as_ref() };
            let trace = Trace::new();
            let finished = block_on(run(&self.node, given, &self.cache, &trace, &self.timer));
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
        assert!(!first.cache.is_hit() && first.cache.is_store_scheduled());
        assert_eq!(events, ["node_start", "node_execute_start", "node_execute_end", "node_end"]);
        let (second, events) = setup.run(INPUT);
        assert_eq!(second.result.as_deref(), Ok("{\"n\": 1}"));
        assert!(second.cache.is_hit());
        assert_eq!(events, ["node_start", "node_end"]);
        assert_eq!(setup.cache.redis().take_journal(), ["GET", "SETEX", "GET"]);
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
        assert_eq!((first.cache.is_hit(), first.cache.age()), (false, None));
        let (second, _) = setup.run(r#"{"n": [{"a": 20e-1, "b": 1}], "text": "\u0068ello"}"#);
        assert!(second.cache.is_hit());
        assert!(second.cache.age().is_some_and(|seconds| seconds < 60));
        assert_eq!(second.result.as_deref(), Ok("{\"n\": 1}"));
        // The other scheme looks elsewhere.
        let dynamiq = Setup { cache: setup.cache, ..Setup::new() };
        assert!(!dynamiq.run(INPUT).0.cache.is_hit());
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
        assert_eq!(
            events,
            ["node_start", "node_execute_start", "node_execute_error", "node_error"]
        );
        assert_eq!(setup.cache.redis().take_journal(), ["GET"]);
        setup.node.failing.set(false);
        assert!(!setup.run(INPUT).0.cache.is_hit());
        assert!(setup.run(INPUT).0.cache.is_hit());
    }

    #[test]
    fn a_ttl_of_zero_looks_up_and_does_not_store() {
        let setup = Setup {
            config: Some(RedisCacheConfig { namespace: None, ttl: Some(0) }),
            ..Setup::new()
        };
        for _ in 0..2 {
            let (finished, _) = setup.run(INPUT);
            assert_eq!(
                (finished.cache.status(), finished.cache.reason()),
                ("miss", Some("ttl-zero"))
            );
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
        assert!(!setup.run(INPUT).0.cache.is_hit());
        assert!(setup.run(INPUT).0.cache.is_hit());
    }

    #[test]
    fn a_corrupt_entry_is_replaced_but_a_foreign_one_is_not() {
        let setup = Setup::new();
        let (first, _) = setup.run(INPUT);
        let key = first.cache.key().unwrap();
        let garbage = Command::store(key, "hello world", None);
        block_on(setup.cache.redis().execute(&[garbage], Duration::MAX)).unwrap();
        assert_eq!(setup.run(INPUT).0.cache.reason(), Some("not-base64"));
        assert!(setup.run(INPUT).0.cache.is_hit());

        let wrong_type = Reply::Error("WRONGTYPE Operation against a key".to_owned());
        setup.cache.redis().set_fault(Some(Fault::Answers(wrong_type)));
        setup.cache.redis().take_journal();
        let (finished, _) = setup.run(INPUT);
        assert_eq!(finished.cache.reason(), Some("wrong-type"));
        assert_eq!(setup.cache.redis().take_journal(), ["GET"]);
    }
}
