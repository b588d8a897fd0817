//! What the cache does with its tier in memory, where it has one.

use std::time::Duration;

use super::tier::Tier;
use super::{Cache, Entry};
use crate::clock;
use crate::codec::{self, Stored};
use crate::key::Scheme;
use crate::redis::Reply;

impl<R> Cache<R> {
    /// With a tier in memory for so many bytes, in which what was read from Redis or written to it stays
    /// for `lifetime` at most. For as long a change that others make may not be seen.
    pub fn with_memory(self, bytes: usize, lifetime: Duration) -> Self {
        Self { memory: Some(Tier::new(bytes, lifetime)), ..self }
    }

    /// What memory has under a key. Redis hears nothing of it, and whether it is well does not matter.
    pub fn recall(&self, key: &str) -> Option<Stored> {
        self.memory.as_ref()?.get(key, clock::now_ms())
    }

    /// Keeps in memory what Redis was asked for at `since` and gave, with its reply to `PTTL`.
    pub(super) fn remember_read(
        &self,
        key: &str,
        stored: &Stored,
        scheme: Scheme,
        lifetime: Option<Reply>,
        since: u64,
    ) {
        if let Some(tier) = &self.memory {
            tier.insert(key, stored.clone(), since, over_at(stored, scheme, lifetime, since));
        }
    }

    /// Keeps in memory what was written at `since`, as a lookup would find it.
    pub(super) fn remember_written(&self, entry: &Entry, since: u64) {
        let Some(tier) = &self.memory else { return };
        if codec::check(&entry.output).is_err() {
            return tier.remove(&entry.key);
        }
        let until = codec::fresh_until(entry.stored_at, entry.ttl);
        let (stored_at, fresh_until) = match entry.scheme {
            Scheme::Dynamiq => (None, None),
            Scheme::Canonical => (Some(entry.stored_at), until),
        };
        let stored = Stored { output: entry.output.clone(), stored_at, fresh_until };
        tier.insert(&entry.key, stored, since, until.unwrap_or(u64::MAX));
    }
}

/// When an entry is over that was read at `since`, in milliseconds since 1970: what it says itself, or
/// what `PTTL` said. Where nobody knows, it is over.
fn over_at(stored: &Stored, scheme: Scheme, pttl: Option<Reply>, since: u64) -> u64 {
    match (scheme, pttl) {
        (Scheme::Canonical, _) => stored.fresh_until.unwrap_or(u64::MAX),
        (Scheme::Dynamiq, Some(Reply::Integer(-1))) => u64::MAX,
        (Scheme::Dynamiq, Some(Reply::Integer(left))) => {
            since.saturating_add(u64::try_from(left).unwrap_or_default())
        }
        (Scheme::Dynamiq, _) => since,
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;
    use crate::cache::{Deadlines, Lookup, State, WriteOutcome};
    use crate::redis::RedisError;
    use crate::redis::memory::{Fault, Memory};

    /// An entry that is new, for a minute.
    fn entry(output: &str) -> Entry {
        let (key, output, ttl) = ("k".to_owned(), output.to_owned(), Some(60));
        let (scheme, stored_at) = (Scheme::Dynamiq, clock::now_ms());
        Entry { key, output, ttl, stale_for: 0, scheme, stored_at }
    }

    fn look_up(cache: &Cache<Memory>) -> Lookup {
        block_on(cache.lookup("k", Scheme::Dynamiq))
    }

    fn with_memory() -> Cache<Memory> {
        Cache::new(Memory::new(), Deadlines::default())
            .with_memory(1 << 20, Duration::from_secs(3600))
    }

    fn remembered(cache: &Cache<Memory>) -> Option<String> {
        cache.recall("k").map(|stored| stored.output)
    }

    #[test]
    fn without_memory_every_hit_is_one_get() {
        let cache = Cache::new(Memory::new(), Deadlines::default());
        block_on(cache.store(&entry("1")));
        look_up(&cache);
        assert_eq!(cache.recall("k"), None);
        assert_eq!(cache.redis.take_journal(), ["SETEX", "GET"]);
    }

    #[test]
    fn memory_has_what_was_written_and_what_was_read() {
        for scheme in [Scheme::Dynamiq, Scheme::Canonical] {
            let writer = with_memory();
            assert_eq!(writer.recall("k"), None);
            let entry = Entry { scheme, ..entry("[1]") };
            block_on(writer.store(&entry));
            let written = writer.recall("k");
            // As if it were another isolate.
            let reader = Cache { redis: writer.redis, ..with_memory() };
            let Lookup::Hit(found) = block_on(reader.lookup("k", scheme)) else { panic!("a miss") };
            assert_eq!(written.as_ref(), Some(&found), "{scheme:?}");
            assert_eq!(reader.recall("k").as_ref(), Some(&found), "{scheme:?}");
            let commands = reader.redis.take_journal();
            match scheme {
                Scheme::Dynamiq => assert_eq!(commands, ["SETEX", "GET", "PTTL"]),
                // The envelope says how long it lives.
                Scheme::Canonical => assert_eq!(commands, ["SETEX", "GET"]),
            }
        }
    }

    #[test]
    fn memory_answers_when_redis_does_not() {
        let cache = with_memory();
        block_on(cache.store(&entry("1")));
        cache.redis.set_fault(Some(Fault::Fails(RedisError::Unreachable)));
        while cache.breaker() == State::Closed {
            block_on(cache.lookup("other", Scheme::Dynamiq));
        }
        assert_eq!(remembered(&cache).as_deref(), Some("1"));
    }

    #[test]
    fn memory_has_nothing_that_was_not_written_and_nothing_that_is_never_served() {
        for fault in [
            Fault::Fails(RedisError::Timeout(Duration::ZERO)),
            Fault::FailsButDone(RedisError::Unreachable),
            Fault::Answers(Reply::Error("READONLY You can't write".to_owned())),
        ] {
            let cache = with_memory();
            cache.redis.set_fault(Some(fault.clone()));
            block_on(cache.store(&entry("1")));
            assert_eq!(remembered(&cache), None, "{fault:?}");
        }
        for output in ["null", " null ", "NaN", "[Infinity]", ""] {
            let cache = with_memory();
            assert_eq!(block_on(cache.store(&entry(output))), WriteOutcome::Stored);
            assert_eq!(remembered(&cache), None, "{output}");
            assert!(matches!(look_up(&cache), Lookup::Miss(Some(_))));
            assert_eq!(remembered(&cache), None, "{output}");
        }
        // What takes the place of another output ends that too.
        let cache = with_memory();
        block_on(cache.store(&entry("1")));
        assert_eq!(remembered(&cache).as_deref(), Some("1"));
        block_on(cache.store(&entry("null")));
        assert_eq!(remembered(&cache), None);
    }

    #[test]
    fn memory_keeps_no_entry_for_longer_than_redis_does() {
        let since = 1_000_000;
        let over_at = |scheme, pttl, fresh_until| {
            let stored = Stored { output: "1".to_owned(), stored_at: None, fresh_until };
            over_at(&stored, scheme, pttl, since)
        };
        for (pttl, expected) in [
            (Some(Reply::Integer(1500)), since + 1500),
            (Some(Reply::Integer(-1)), u64::MAX),
            // Gone meanwhile.
            (Some(Reply::Integer(-2)), since),
            (Some(Reply::Integer(0)), since),
            (Some(Reply::Integer(i64::MAX)), since + i64::MAX as u64),
            (Some(Reply::Error("NOPERM".to_owned())), since),
            (Some(Reply::Text("1500".to_owned())), since),
            (Some(Reply::Nil), since),
            (None, since),
        ] {
            assert_eq!(over_at(Scheme::Dynamiq, pttl.clone(), None), expected, "{pttl:?}");
        }
        assert_eq!(over_at(Scheme::Canonical, None, Some(7)), 7);
        assert_eq!(over_at(Scheme::Canonical, None, None), u64::MAX);
    }

    #[test]
    fn an_entry_whose_time_is_over_is_a_hit_in_redis_and_is_not_kept_in_memory() {
        let cache = with_memory();
        // Stored long ago by the clock, and fresh for a minute from then on.
        let entry = Entry { scheme: Scheme::Canonical, stored_at: 1000, ..entry("1") };
        block_on(cache.store(&entry));
        assert_eq!(remembered(&cache), None);
        assert!(matches!(block_on(cache.lookup("k", Scheme::Canonical)), Lookup::Hit(_)));
        assert_eq!(remembered(&cache), None);
    }

    #[test]
    fn a_pttl_that_is_refused_costs_the_place_in_memory_and_not_the_hit() {
        let cache = with_memory();
        cache.redis.set_fault(Some(Fault::Answers(Reply::Text(codec::encode("1")))));
        assert!(matches!(look_up(&cache), Lookup::Hit(_)));
        assert_eq!(remembered(&cache), None);
    }
}
