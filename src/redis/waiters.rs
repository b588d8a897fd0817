//! Who waits for a key to go.

use std::task::Waker;

/// Those who wait, each for a key and until some time.
#[derive(Debug, Default)]
pub struct Waiters(Vec<Waiter>);

#[derive(Debug)]
struct Waiter {
    key: String,
    /// In milliseconds since 1970.
    until: u64,
    waker: Waker,
}

impl Waiters {
    /// Adds one who waits until then, and forgets those whose time is over at `now`: they have a clock
    /// of their own, or are gone with their request.
    pub fn add(&mut self, key: &str, until: u64, now: u64, waker: Waker) {
        self.0.retain(|waiter| waiter.until > now);
        self.0.push(Waiter { key: key.to_owned(), until, waker });
    }

    /// Takes out those who wait for a key, to be woken.
    pub fn take(&mut self, gone: &str) -> Vec<Waker> {
        let taken = self.0.extract_if(.., |waiter| waiter.key == gone);
        taken.map(|waiter| waiter.waker).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_wait_for_a_key_are_woken_once_and_the_others_stay() {
        let mut waiters = Waiters::default();
        for key in ["a", "b", "a"] {
            waiters.add(key, 20, 10, Waker::noop().clone());
        }
        assert_eq!(["a", "a", "b", "c"].map(|key| waiters.take(key).len()), [2, 0, 1, 0]);
    }

    #[test]
    fn who_was_never_woken_is_forgotten_when_its_time_is_over() {
        let mut waiters = Waiters::default();
        for now in 0..1000 {
            waiters.add(&format!("dead holder {now}"), now + 20, now, Waker::noop().clone());
        }
        assert_eq!(waiters.0.len(), 20);
        assert_eq!(waiters.take("dead holder 999").len(), 1);
    }
}
