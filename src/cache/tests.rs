//! Lookups and writes, over a store in memory.

use futures_executor::block_on;

use super::*;
use crate::redis::memory::{Fault, Memory};

fn cache() -> Cache<Memory> {
    Cache::new(Memory::new(), Deadlines::default())
}

fn entry(output: &str) -> Entry {
    let (scheme, stored_at) = (Scheme::Dynamiq, 1000);
    let (key, output) = ("k".to_owned(), output.to_owned());
    Entry { key, output, ttl: Some(60), stale_for: 0, scheme, stored_at }
}

fn look_up(cache: &Cache<Memory>) -> Lookup {
    block_on(cache.lookup("k", Scheme::Dynamiq))
}

fn hit(output: &str) -> Lookup {
    Lookup::Hit(Stored { output: output.to_owned(), stored_at: None, fresh_until: None })
}

#[test]
fn what_was_stored_is_found_until_it_expires() {
    let cache = cache();
    assert_eq!(look_up(&cache), Lookup::Miss(None));
    assert_eq!(block_on(cache.store(&entry("{\"a\": 1}"))), WriteOutcome::Stored);
    assert_eq!(look_up(&cache), hit("{\"a\": 1}"));
    cache.redis.advance(Duration::from_secs(60));
    assert_eq!(look_up(&cache), Lookup::Miss(None));
    assert_eq!(cache.redis.take_journal(), ["GET", "SETEX", "GET", "GET"]);
}

#[test]
fn under_a_canonical_key_is_an_envelope() {
    let cache = cache();
    let entry = Entry { scheme: Scheme::Canonical, ..entry("[1]") };
    assert_eq!(block_on(cache.store(&entry)), WriteOutcome::Stored);
    let (output, fresh_until) = ("[1]".to_owned(), Some(61_000));
    let stored = Stored { output, stored_at: Some(1000), fresh_until };
    assert_eq!(block_on(cache.lookup("k", Scheme::Canonical)), Lookup::Hit(stored));
    // The other scheme would never look there; what it would find is rubbish to it.
    assert_eq!(look_up(&cache), Lookup::Miss(Some(MissReason::NotBase64)));
}

#[test]
fn falsy_outputs_are_hits_and_null_is_not() {
    let cache = cache();
    for output in ["{}", "[]", "0", "false", "\"\""] {
        block_on(cache.store(&entry(output)));
        assert_eq!(look_up(&cache), hit(output));
    }
    block_on(cache.store(&entry("null")));
    assert_eq!(look_up(&cache), Lookup::Miss(Some(MissReason::NullValue)));
}

#[test]
fn a_lookup_that_cannot_be_answered_is_a_miss_with_a_name() {
    let error = |text: &str| Fault::Answers(Reply::Error(text.to_owned()));
    for (fault, reason) in [
        (Fault::Fails(RedisError::Unreachable), "redis-unreachable"),
        (Fault::Fails(RedisError::Timeout(Duration::ZERO)), "redis-timeout"),
        (Fault::Fails(RedisError::Unauthorized), "redis-unauthorized"),
        (Fault::Fails(RedisError::Database), "redis-database"),
        (Fault::Fails(RedisError::Refused), "redis-error"),
        (Fault::Fails(RedisError::Status(500)), "redis-error"),
        (Fault::Fails(RedisError::BadReply), "redis-bad-reply"),
        (Fault::Fails(RedisError::Status(429)), "redis-busy"),
        (Fault::Fails(RedisError::ReplyTooLarge(1)), "value-too-large"),
        (error("ERR max requests limit exceeded. Limit: 1, Usage: 1"), "redis-busy"),
        (error("WRONGTYPE Operation against a key"), "wrong-type"),
        (error("NOPERM this user has no permissions"), "redis-error"),
        (Fault::Answers(Reply::Integer(1)), "redis-bad-reply"),
        (Fault::Answers(Reply::Text("hello world".to_owned())), "not-base64"),
        (Fault::Answers(Reply::Text("//4=".to_owned())), "not-utf8"),
        (Fault::Answers(Reply::Bytes(vec![255])), "not-utf8"),
        (Fault::Answers(Reply::Text(codec::encode("NaN"))), "not-json"),
    ] {
        let cache = cache();
        cache.redis.set_fault(Some(fault.clone()));
        let Lookup::Miss(Some(found)) = look_up(&cache) else {
            panic!("{fault:?} gave a hit or no reason")
        };
        assert_eq!(found.as_str(), reason, "{fault:?}");
    }
}

#[test]
fn a_write_says_what_became_of_it() {
    let error = |text: &str| Fault::Answers(Reply::Error(text.to_owned()));
    for (fault, outcome) in [
        (Fault::Fails(RedisError::Unreachable), "unreachable"),
        (Fault::Fails(RedisError::Timeout(Duration::ZERO)), "timed-out"),
        (Fault::Fails(RedisError::Unauthorized), "refused"),
        (Fault::Fails(RedisError::Status(413)), "too-large"),
        (Fault::Fails(RedisError::Status(429)), "busy"),
        (Fault::Fails(RedisError::BadReply), "refused"),
        (error("ERR max daily request limit exceeded. Limit: 1, Usage: 1"), "busy"),
        (error("ERR max request size exceeded. Limit: 1, Actual: 2"), "too-large"),
        (Fault::Answers(Reply::Nil), "refused"),
        (error("ERR value too large: 2 bytes"), "too-large"),
        (error("READONLY You can't write"), "read-only"),
        (error("NOPERM this user has no permissions to run the 'set' command"), "read-only"),
        (error("ERR something else"), "refused"),
    ] {
        let cache = cache();
        cache.redis.set_fault(Some(fault.clone()));
        assert_eq!(block_on(cache.store(&entry("1"))).as_str(), outcome, "{fault:?}");
    }
}

#[test]
fn a_write_that_failed_but_landed_is_a_hit_later() {
    let cache = cache();
    let lost = Fault::FailsButDone(RedisError::Timeout(Duration::ZERO));
    cache.redis.set_fault(Some(lost));
    assert_eq!(block_on(cache.store(&entry("1"))), WriteOutcome::TimedOut);
    cache.redis.set_fault(None);
    assert_eq!(look_up(&cache), hit("1"));
}

#[test]
fn a_value_over_the_limit_is_not_sent() {
    let cache = cache().with_max_value_bytes(8);
    assert_eq!(block_on(cache.store(&entry("1234567"))), WriteOutcome::TooLarge);
    assert!(cache.redis.take_journal().is_empty());
    // The limit is on what is stored: six digits are eight characters of Base64.
    assert_eq!(block_on(cache.store(&entry("123456"))), WriteOutcome::Stored);
    assert_eq!(look_up(&cache), hit("123456"));
}

thread_local! {
    static CHANGES: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn note(change: Change, reason: Option<MissReason>) {
    let reason = reason.map(MissReason::as_str);
    let line = format!("{} to {}: {reason:?}", change.from.as_str(), change.to.as_str());
    CHANGES.with_borrow_mut(|changes| changes.push(line));
}

#[test]
fn a_redis_that_keeps_failing_is_left_alone_and_one_change_is_told() {
    let cache = cache().with_on_change(note);
    cache.redis.set_fault(Some(Fault::Fails(RedisError::Unreachable)));
    for _ in 0..MIN_FAILURES {
        assert_eq!(look_up(&cache), Lookup::Miss(Some(MissReason::Unreachable)));
    }
    cache.redis.take_journal();
    for _ in 0..100 {
        assert_eq!(look_up(&cache), Lookup::Miss(Some(MissReason::CircuitOpen)));
        assert_eq!(block_on(cache.store(&entry("1"))).as_str(), "circuit-open");
    }
    assert!(cache.redis.take_journal().is_empty());
    assert_eq!(CHANGES.take(), ["closed to open: Some(\"redis-unreachable\")"]);
    assert_eq!(MissReason::CircuitOpen.as_str(), "redis-circuit-open");
    assert!(MissReason::CircuitOpen.allows_write(), "it may be closed when there is an output");
}

#[test]
fn a_redis_that_is_well_again_is_used_again() {
    let cache = cache().with_breaker_pause(Duration::ZERO).with_on_change(note);
    cache.redis.set_fault(Some(Fault::Fails(RedisError::BadReply)));
    for _ in 0..MIN_FAILURES {
        look_up(&cache);
    }
    assert_eq!(block_on(cache.store(&entry("1"))), WriteOutcome::CircuitOpen);
    cache.redis.set_fault(None);
    assert_eq!(look_up(&cache), Lookup::Miss(None));
    assert_eq!(block_on(cache.store(&entry("1"))), WriteOutcome::Stored);
    assert_eq!(look_up(&cache), hit("1"));
    let expected = [
        "closed to open: Some(\"redis-bad-reply\")",
        "open to half-open: None",
        "half-open to closed: None",
    ];
    assert_eq!(CHANGES.take(), expected);
}

/// How many lookups have to fail in a new isolate.
const MIN_FAILURES: usize = 5;

#[test]
fn values_that_cannot_be_used_and_a_busy_redis_do_not_open_the_breaker() {
    let error = |text: &str| Fault::Answers(Reply::Error(text.to_owned()));
    for fault in [
        error("WRONGTYPE Operation against a key"),
        error("ERR max requests limit exceeded"),
        Fault::Fails(RedisError::Status(429)),
        Fault::Fails(RedisError::ReplyTooLarge(1)),
        Fault::Answers(Reply::Text("hello world".to_owned())),
        Fault::Answers(Reply::Bytes(vec![255])),
        Fault::Answers(Reply::Text(codec::encode("null"))),
    ] {
        let cache = cache();
        cache.redis.set_fault(Some(fault.clone()));
        for _ in 0..100 {
            look_up(&cache);
        }
        assert_eq!(cache.breaker(), State::Closed, "{fault:?}");
    }
}
