//! Steps 5 to 7 of a run: the lookup, whose turn it is to execute, and what is to be stored.

use std::cell::Cell;
use std::time::Duration;

use super::flight::{self, Asked, Turn};
use super::lifecycle::{Context, Finished, Run};
use super::report::{CacheReport, NotStored};
use super::retry::wait_for_next;
use super::shared;
use super::slots::Purpose;
use super::{Execution, Node, NodeError, Usage};
use crate::cache::{Cache, Entry, Lease, Lookup, MissReason, WriteOutcome};
use crate::clock::{self, Timer};
use crate::codec::Stored;
use crate::config::RedisCacheConfig;
use crate::definition::CachingConfig;
use crate::json::{Dialect, Document, Value};
use crate::key::{KeyError, KeyRequest, Scheme, cache_key, check_kwargs};
use crate::redis::Redis;

/// Where a run looks for its output, and puts it.
pub(super) enum Keyed<'a> {
    Under(Place<'a>),
    /// Nowhere, and why.
    Nowhere(CacheReport),
}

/// An entry.
pub(super) struct Place<'a> {
    key: String,
    config: &'a RedisCacheConfig,
}

/// An entry that is to be made anew after the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    key: String,
    config: RedisCacheConfig,
}

/// What a run owes those who wait for it.
#[derive(Debug)]
pub struct Flight {
    lease: Lease,
    /// Why it has no output; with none there is one to store.
    failure: Option<NodeError>,
}

/// The key of a run with that input, when both switches are on.
pub(super) fn key_of<'a, N: Node>(
    node: &N,
    run: Run<'a>,
    input: Value<'_>,
) -> Result<Keyed<'a>, NodeError> {
    let invalid = |error: KeyError| NodeError::Validation(error.to_string());
    // Keywords that cannot be hashed are refused without a cache too: a request does not become
    // valid by turning a switch.
    let nowhere = |report| check_kwargs(run.kwargs).map(|()| Keyed::Nowhere(report));
    let CachingConfig { enabled, key: scheme, .. } = node.caching();
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
        input,
        kwargs: run.kwargs,
        definition: definition.as_ref().map(Document::root),
    };
    match cache_key(&request) {
        Ok(key) => Ok(Keyed::Under(Place { key, config })),
        // What the scheme cannot tell apart runs all the same.
        Err(error @ KeyError::NotCanonical { .. }) => {
            Ok(Keyed::Nowhere(CacheReport::NoKey(error.code())))
        }
        Err(error) => Err(invalid(error)),
    }
}

/// Step 5: what is served, or what is left to do without that. Both in boxes, so that they are moved at
/// once.
pub(super) async fn look_up<'a, N: Node, R: Redis, T: Timer>(
    node: &N,
    keyed: Keyed<'a>,
    context: &Context<'_, R, T>,
) -> Result<Box<Finished>, Box<Missed<'a>>> {
    let place = match keyed {
        Keyed::Under(place) => place,
        Keyed::Nowhere(report) => return Err(Missed::NotLookedUp(report).into()),
    };
    // Memory needs no connection, and what it has is fresh.
    if let Some(stored) = context.cache.recall(&place.key) {
        let cache = CacheReport::HitInMemory { key: place.key, age: age(&stored) };
        return Ok(served(stored, cache, Some(0)));
    }
    let caching = node.caching();
    let since = clock::now_ms();
    let lookup = {
        let _slot = context.slots.take(Purpose::Lookup).await;
        context.cache.lookup(&place.key, caching.key).await
    };
    judge(lookup, place, since, caching)
}

/// What is served of what a lookup found.
#[inline(never)]
fn judge(
    lookup: Lookup,
    place: Place<'_>,
    since: u64,
    caching: CachingConfig,
) -> Result<Box<Finished>, Box<Missed<'_>>> {
    let (stale, reason) = match lookup {
        Lookup::Miss(reason) => (None, reason),
        Lookup::Hit(stored) => match Freshness::of(&stored, caching) {
            Freshness::Fresh => {
                let cache = CacheReport::Hit { key: place.key, age: age(&stored), stale_for: None };
                return Ok(served(stored, cache, waited_ms(since)));
            }
            Freshness::Revalidated { stale_for } => {
                let refresh = Refresh { key: place.key.clone(), config: place.config.clone() };
                let refresh = Some(Box::new(refresh));
                let stale_for = Some(stale_for);
                let cache = CacheReport::Hit { key: place.key, age: age(&stored), stale_for };
                let mut finished = served(stored, cache, waited_ms(since));
                finished.refresh = refresh;
                return Ok(finished);
            }
            Freshness::IfError => (Some(stored), None),
            Freshness::Over => (None, None),
        },
    };
    Err(Missed::NotServed { place, since, stale, reason }.into())
}

/// Why nothing is served from the cache.
pub(super) enum Missed<'a> {
    /// Nobody looked for it.
    NotLookedUp(CacheReport),
    /// There is nothing, or nothing that is served at once.
    NotServed {
        place: Place<'a>,
        /// When the lookup began, in milliseconds since 1970.
        since: u64,
        /// What may be served should the node fail.
        stale: Option<Stored>,
        reason: Option<MissReason>,
    },
}

/// Steps 6 and 7: waits for who executes the same, or executes.
pub(super) async fn wait_or_execute<N: Node, R: Redis, T: Timer>(
    node: &N,
    input: Value<'_>,
    missed: Missed<'_>,
    context: Context<'_, R, T>,
) -> Box<Finished> {
    let (place, since, stale, reason) = match missed {
        Missed::NotServed { place, since, stale, reason } => (place, since, stale, reason),
        Missed::NotLookedUp(report) => {
            let executed = execute(node, input, report.reason(), None, context).await;
            let Executed { result, ms, usage } = executed;
            let execute_ms = Some(ms);
            let finished = Finished { cache: report, execute_ms, usage, ..Finished::of(result) };
            return finished.into();
        }
    };
    let caching = node.caching();
    let is_shared = caching.single_flight
        && context.lead.is_some()
        && place.config.ttl != Some(0)
        && reason.is_none_or(MissReason::is_replaced);
    let turn = if is_shared {
        let asked = Asked { key: &place.key, scheme: caching.key, since, patience: patience(node) };
        flight::take_turn(asked, context).await
    } else {
        Turn::alone(false, None)
    };
    let lookup_ms = waited_ms(since);
    let mut finished = match turn {
        Turn::Output(stored) => {
            let cache = CacheReport::Collapsed { key: place.key, age: age(&stored) };
            return served(stored, cache, lookup_ms);
        }
        Turn::Failure(error) => {
            let not_stored = Some(NotStored::Failed);
            let cache =
                CacheReport::Miss { key: place.key, reason, not_stored, collapsed: Some(true) };
            Finished { cache, ..Finished::of(Err(error)) }.into()
        }
        Turn::Execute { lease, waited, reason: why } => {
            let reason = why.or(reason);
            let collapsed = waited.then_some(false);
            execute_and_keep(node, input, place, lease, reason, collapsed, context).await
        }
    };
    finished.lookup_ms = lookup_ms;
    match stale {
        Some(stored) => if_error(finished, stored),
        None => finished,
    }
}

fn waited_ms(since: u64) -> Option<u64> {
    Some(clock::now_ms().saturating_sub(since))
}

/// For how long a run waits for another: by default for as long as an attempt of its own may take.
fn patience<N: Node>(node: &N) -> Duration {
    match node.caching().single_flight_wait_ms {
        Some(milliseconds) => Duration::from_millis(milliseconds),
        None => attempt_limit(node),
    }
}

/// A definition has been checked; a time that no duration holds is one that nobody sees end.
fn attempt_limit<N: Node>(node: &N) -> Duration {
    Duration::try_from_secs_f64(node.error_handling().timeout_seconds).unwrap_or(Duration::MAX)
}

/// How an entry may be used.
enum Freshness {
    Fresh,
    /// At once, and it is made anew afterwards.
    Revalidated {
        /// For how many seconds it has not been fresh.
        stale_for: u64,
    },
    /// When the node fails.
    IfError,
    /// Not any more.
    Over,
}

impl Freshness {
    fn of(stored: &Stored, caching: CachingConfig) -> Self {
        let Some(until) = stored.fresh_until else { return Self::Fresh };
        let now = clock::now_ms();
        if stored.is_fresh(now) {
            return Self::Fresh;
        }
        let stale_ms = now.saturating_sub(until);
        let is_within = |seconds: u64| stale_ms < seconds.saturating_mul(1000);
        if is_within(caching.stale_while_revalidate) {
            Self::Revalidated { stale_for: stale_ms.div_ceil(1000) }
        } else if is_within(caching.stale_if_error) {
            Self::IfError
        } else {
            Self::Over
        }
    }
}

/// How many seconds ago it was stored.
fn age(stored: &Stored) -> Option<u64> {
    stored.stored_at.map(|at| clock::now_ms().saturating_sub(at) / 1000)
}

fn served(stored: Stored, cache: CacheReport, lookup_ms: Option<u64>) -> Box<Finished> {
    Finished { cache, lookup_ms, ..Finished::of(Ok(stored.output)) }.into()
}

/// What the run gives when its node failed for a reason that may pass: the last good output.
fn if_error(mut finished: Box<Finished>, stored: Stored) -> Box<Finished> {
    let status = match &finished.result {
        Ok(_) => return finished,
        Err(error) if shared::is_of_the_request(error) => return finished,
        Err(NodeError::Busy { status, .. }) => Some(*status),
        Err(NodeError::Upstream { status, .. }) => *status,
        Err(_) => None,
    };
    let Some(key) = finished.cache.key().map(str::to_owned) else { return finished };
    finished.cache = CacheReport::StaleIfError { key, age: age(&stored), status };
    finished.result = Ok(stored.output);
    finished
}

/// Executes, for others too where there is a lease, and sets a successful output aside.
async fn execute_and_keep<N: Node, R: Redis, T: Timer>(
    node: &N,
    input: Value<'_>,
    place: Place<'_>,
    lease: Option<Lease>,
    reason: Option<MissReason>,
    collapsed: Option<bool>,
    context: Context<'_, R, T>,
) -> Box<Finished> {
    if let (Some(lead), Some(_)) = (context.lead, &lease) {
        lead();
    }
    let why = reason.map(MissReason::as_str);
    let Executed { result, ms, usage } = execute(node, input, why, lease.as_ref(), context).await;
    // 7.
    let caching = node.caching();
    let admitted = admit(&result, place.config, reason);
    let write = admitted.as_ref().ok().map(|output| {
        Box::new(Entry {
            key: place.key.clone(),
            output: (*output).clone(),
            ttl: place.config.ttl,
            stale_for: caching.stale_for(),
            scheme: caching.key,
            stored_at: clock::now_ms(),
        })
    });
    let not_stored = admitted.err();
    let failure = || result.as_ref().err().cloned();
    let flight = lease.map(|lease| Box::new(Flight { lease, failure: failure() }));
    let cache = CacheReport::Miss { key: place.key, reason, not_stored, collapsed };
    Finished { cache, write, flight, execute_ms: Some(ms), usage, ..Finished::of(result) }.into()
}

/// What an execution gave.
struct Executed {
    result: Result<String, NodeError>,
    ms: u64,
    usage: Usage,
}

/// Executes, and keeps the lease alive meanwhile.
async fn execute<N: Node, R: Redis, T: Timer>(
    node: &N,
    input: Value<'_>,
    why: Option<&'static str>,
    lease: Option<&Lease>,
    context: Context<'_, R, T>,
) -> Executed {
    let started = clock::now_ms();
    let used = Cell::default();
    let execution =
        Execution { input, node_id: node.id(), callbacks: context.callbacks, used: &used };
    let executing = execute_with_retry(node, execution, why, context);
    let result = match lease {
        None => executing.await,
        Some(lease) => flight::beside(executing, flight::keep_alive(lease, context)).await,
    };
    Executed { result, ms: clock::now_ms().saturating_sub(started), usage: used.get() }
}

async fn execute_with_retry<N: Node, R: Redis, T: Timer>(
    node: &N,
    execution: Execution<'_>,
    why: Option<&'static str>,
    context: Context<'_, R, T>,
) -> Result<String, NodeError> {
    let handling = node.error_handling();
    let limit = attempt_limit(node);
    let mut attempt = 0;
    loop {
        let slot = context.slots.take(Purpose::Execution).await;
        context.callbacks.on_node_execute_start(node.id(), why);
        let result = context.timer.timeout(limit, node.execute(execution)).await;
        drop(slot);
        let error = match result {
            Some(Ok(output)) => {
                context.callbacks.on_node_execute_end(node.id());
                return Ok(output);
            }
            Some(Err(error)) => error,
            None => {
                let limit = limit.as_millis();
                NodeError::Timeout(format!("the execution did not end within {limit} ms"))
            }
        };
        context.callbacks.on_node_execute_error(node.id());
        if !wait_for_next(attempt, &error, &handling, context.timer).await {
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

/// Makes an entry anew that was served although it was not fresh any more, unless somebody else does.
/// `input` is what was hashed. What it gave is to be stored, as after a run.
pub async fn refresh<N: Node, R: Redis, T: Timer>(
    node: &N,
    input: Value<'_>,
    stale: &Refresh,
    context: Context<'_, R, T>,
) -> Option<Box<Finished>> {
    let Refresh { key, config } = stale;
    let lease = flight::claim_once(key, node.caching().key, context).await?;
    let place = Place { key: key.clone(), config };
    Some(execute_and_keep(node, input, place, Some(lease), None, None, context).await)
}

impl Finished {
    /// What follows the response, or in a flow the node: the output is stored, and those who wait for it
    /// are told, once however often it is asked for. None when there is nothing to store.
    pub async fn conclude<R: Redis>(&self, cache: &Cache<R>) -> Option<WriteOutcome> {
        if let Some(outcome) = self.concluded.get() {
            return outcome;
        }
        let outcome = match (&self.write, &self.flight) {
            (None, None) => None,
            (Some(entry), None) => Some(cache.store(entry).await),
            (Some(entry), Some(flight)) => {
                Some(cache.store_and_release(entry, &flight.lease).await)
            }
            (None, Some(flight)) => {
                let Flight { lease, failure } = &**flight;
                let error = failure.as_ref().map(shared::write);
                let is_final = failure.as_ref().is_some_and(shared::is_of_the_request);
                cache.fail(lease, error.as_deref(), is_final, clock::now_ms()).await;
                None
            }
        };
        self.concluded.set(Some(outcome));
        outcome
    }

    /// Lets those who wait know what there is to know, while something else goes on. What is not over
    /// with that is begun again by [`Finished::conclude`].
    pub(crate) async fn tell_meanwhile<R: Redis, T: Timer>(&self, context: Context<'_, R, T>) {
        if self.flight.is_some() {
            let _slot = context.slots.take(Purpose::Lookup).await;
            self.conclude(context.cache).await;
        }
    }

    /// What became of the write, as far as it is known.
    pub fn written(&self) -> Option<WriteOutcome> {
        self.concluded.get().flatten()
    }

    /// Whether something follows the response: see [`Finished::conclude`] and [`refresh`].
    pub fn is_concluded(&self) -> bool {
        let is_owed =
            self.concluded.get().is_none() && (self.write.is_some() || self.flight.is_some());
        !is_owed && self.refresh.is_none()
    }
}
