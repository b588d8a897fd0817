//! A tier in memory in front of Redis: what was read or written a short while ago, bounded by bytes.
//!
//! It belongs to one isolate and hears of nothing that others do. So nothing stays for longer than its
//! lifetime, which starts when Redis was asked and not when the tier is, and nothing outlives the entry
//! in Redis.

use std::cell::RefCell;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use crate::codec::Stored;

/// What an entry counts at least, in bytes, which bounds how many there are.
const LEAST: usize = 1024;
/// What is set aside for the place of each, in bytes. The library's list and table of places may be half
/// empty, and do not become smaller when few large entries follow many small ones.
const PLACE: usize = 256;
/// What the allocator adds to a key and an output, in bytes.
const ALLOCATED: usize = 32;
/// What an entry is expected to take, in bytes. For half as many entries as fit so, the library
/// remembers that they were there; what is set aside is enough for that too.
const EXPECTED: usize = 16 * 1024;

/// Entries in memory, the least used of which make room for new ones.
#[derive(Debug)]
pub(super) struct Tier {
    /// Borrowed for as long as a call takes, and never while something is awaited.
    entries: RefCell<Cache<Box<str>, Kept, ByBytes>>,
    /// In milliseconds.
    lifetime: u64,
}

/// Times are milliseconds since 1970.
#[derive(Debug)]
struct Kept {
    stored: Stored,
    since: u64,
    until: u64,
}

impl Kept {
    /// A clock that was set back says nothing of how long an entry has been here.
    fn is_alive(&self, now: u64) -> bool {
        self.since <= now && now < self.until
    }
}

#[derive(Debug)]
struct ByBytes;

impl Weighter<Box<str>, Kept> for ByBytes {
    fn weight(&self, key: &Box<str>, kept: &Kept) -> u64 {
        let bytes = key.len().saturating_add(kept.stored.output.len()).saturating_add(ALLOCATED);
        u64::try_from(bytes.max(LEAST)).unwrap_or(u64::MAX)
    }
}

impl Tier {
    /// An empty tier for so many bytes, its own needs included, in which an entry stays that long at most.
    pub fn new(bytes: usize, lifetime: Duration) -> Self {
        let capacity = u64::try_from(bytes / (LEAST + PLACE) * LEAST).unwrap_or(u64::MAX);
        Self {
            entries: RefCell::new(Cache::with_weighter(bytes / EXPECTED, capacity, ByBytes)),
            lifetime: u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The output under a key, unless its time is over.
    pub fn get(&self, key: &str, now: u64) -> Option<Stored> {
        match self.entries.borrow().get(key) {
            Some(kept) if kept.is_alive(now) => return Some(kept.stored.clone()),
            Some(_) => {}
            None => return None,
        }
        self.remove(key);
        None
    }

    /// Keeps an output in the place of what was there. It is of `since`, when Redis was asked for it or
    /// told of it, and is over at `until`. What is over already is not kept, nor what is larger than the
    /// tier.
    pub fn insert(&self, key: &str, stored: Stored, since: u64, until: u64) {
        let until = until.min(since.saturating_add(self.lifetime));
        if until <= since {
            return self.remove(key);
        }
        self.entries.borrow_mut().insert(key.into(), Kept { stored, since, until });
    }

    /// Forgets what is under a key.
    pub fn remove(&self, key: &str) {
        self.entries.borrow_mut().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIFETIME: u64 = 5000;

    fn tier(bytes: usize) -> Tier {
        Tier::new(bytes, Duration::from_millis(LIFETIME))
    }

    fn stored(output: &str) -> Stored {
        Stored { output: output.to_owned(), stored_at: Some(1), fresh_until: None }
    }

    impl Tier {
        fn output(&self, key: &str, now: u64) -> Option<String> {
            self.get(key, now).map(|stored| stored.output)
        }

        /// What the texts take, and what the library says of itself; its list may have room for as many
        /// places again.
        fn size(&self) -> usize {
            let entries = self.entries.borrow();
            let texts = (entries.iter())
                .map(|(key, kept)| key.len() + kept.stored.output.capacity() + ALLOCATED);
            let memory = entries.memory_used();
            texts.sum::<usize>() + 2 * memory.entries + memory.map
        }
    }

    #[test]
    fn what_was_kept_is_found_for_its_lifetime_and_no_longer_however_often_it_is_asked_for() {
        let tier = tier(1 << 20);
        assert_eq!(tier.get("k", 1000), None);
        tier.insert("k", stored("1"), 1000, u64::MAX);
        for now in 1000..1000 + LIFETIME {
            assert_eq!(tier.get("k", now), Some(stored("1")));
        }
        assert_eq!(tier.get("k", 1000 + LIFETIME), None);
        assert!(tier.entries.borrow().is_empty(), "what is over takes no room");
    }

    #[test]
    fn nothing_outlives_its_entry() {
        let tier = tier(1 << 20);
        tier.insert("k", stored("1"), 1000, 1500);
        assert!(tier.get("k", 1499).is_some());
        assert_eq!(tier.get("k", 1500), None);
        // An entry that lives long stays no longer than others.
        tier.insert("k", stored("1"), 1000, 1_000_000);
        assert_eq!(tier.get("k", 1000 + LIFETIME), None);
    }

    #[test]
    fn what_is_over_already_is_not_kept_and_ends_what_was_there() {
        for until in [0, 999, 1000] {
            let tier = tier(1 << 20);
            tier.insert("k", stored("1"), 1000, u64::MAX);
            tier.insert("k", stored("2"), 1000, until);
            assert_eq!(tier.get("k", 1000), None);
        }
        let tier = Tier::new(1 << 20, Duration::ZERO);
        tier.insert("k", stored("1"), 1000, u64::MAX);
        assert_eq!(tier.get("k", 1000), None);
    }

    #[test]
    fn a_new_output_takes_the_place_of_the_old_one_and_its_time_counts() {
        let tier = tier(1 << 20);
        tier.insert("k", stored("1"), 1000, u64::MAX);
        tier.insert("other", stored("3"), 1000, u64::MAX);
        tier.insert("k", stored("2"), 4000, u64::MAX);
        assert_eq!(tier.output("k", 8999).as_deref(), Some("2"));
        assert_eq!(tier.output("other", 5999).as_deref(), Some("3"));
        assert_eq!(tier.entries.borrow().len(), 2);
        tier.remove("k");
        assert_eq!(tier.get("k", 4000), None);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_live_longer() {
        let tier = tier(1 << 20);
        tier.insert("k", stored("1"), 1_000_000, u64::MAX);
        assert_eq!(tier.get("k", 999_999), None);
    }

    #[test]
    fn what_is_larger_than_the_tier_is_not_kept_and_drives_nothing_out() {
        let tier = tier(20_000);
        tier.insert("small", stored("1"), 1000, u64::MAX);
        tier.insert("k", stored("2"), 1000, u64::MAX);
        tier.insert("k", stored(&"x".repeat(20_000)), 1000, u64::MAX);
        assert_eq!(tier.get("k", 1000), None, "neither the new nor the old");
        assert_eq!(tier.output("small", 1000).as_deref(), Some("1"));
        tier.insert("fits", stored(&"x".repeat(5000)), 1000, u64::MAX);
        assert!(tier.get("fits", 1000).is_some());
    }

    #[test]
    fn what_is_asked_for_stays_when_others_pass_through() {
        let tier = tier(100_000);
        tier.insert("wanted", stored("1"), 1000, u64::MAX);
        for passing in 0..10_000 {
            tier.insert(&format!("passing {passing}"), stored(&"x".repeat(1000)), 1000, u64::MAX);
            assert!(tier.get("wanted", 1000).is_some(), "{passing}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_never_takes_more_than_its_bytes(
            kilobytes in 64_usize..512,
            largest in prop::sample::select(vec![1_usize, 100, 3000, 100_000]),
            entries in prop::collection::vec((0_u16..4000, 0_usize..30, any::<usize>()), 1..4000),
        ) {
            let tier = tier(kilobytes << 10);
            for (now, (number, key, output)) in (1000..).zip(entries) {
                let key = format!("{number}:{}", "k".repeat(key));
                let output = output % largest;
                tier.insert(&key, stored(&"x".repeat(output)), now, u64::MAX);
                // Of what is larger the library may say at once that it is not worth its place.
                let is_small = key.len() + output < kilobytes << 4;
                prop_assert!(!is_small || tier.get(&key, now).is_some(), "not kept");
                if number % 16 == 0 {
                    prop_assert!(tier.size() <= kilobytes << 10, "{} bytes", tier.size());
                }
            }
        }
    }
}
