//! Whether Redis answers, asked rarely however often it is wanted.

use std::cell::Cell;
use std::time::Duration;

use super::{Cache, MissReason};
use crate::clock::{self, Timer};
use crate::redis::Redis;

/// How far apart two `PING`s of an isolate are, in milliseconds.
const INTERVAL_MS: u64 = 5000;
/// How often a request looks whether the first `PING` of another has been answered.
const POLL: Duration = Duration::from_millis(25);

/// What a `PING` took in milliseconds, or why it was not answered.
pub type Ping = Result<u64, MissReason>;

/// The last `PING` of an isolate.
#[derive(Debug, Default)]
pub struct Health {
    /// When the last one was sent, in milliseconds since 1970. For as long as the interval it stands for
    /// the one that is under way too: should its request vanish, another sends the next.
    sent_at: Cell<Option<u64>>,
    last: Cell<Option<Ping>>,
}

impl Health {
    /// Sends a `PING` when the last one is some seconds old; otherwise gives its result. A request that
    /// comes while the first of all is under way waits for it, as long as that may take.
    pub async fn ask<R: Redis, T: Timer>(&self, cache: &Cache<R>, timer: &T) -> Ping {
        if self.is_due(clock::now_ms()) {
            let ping = cache.ping().await;
            self.last.set(Some(ping));
            return ping;
        }
        let polls = cache.deadlines.lookup.as_millis() / POLL.as_millis() + 2;
        for _ in 0..polls {
            if let Some(last) = self.last.get() {
                return last;
            }
            timer.sleep(POLL).await;
        }
        Err(MissReason::Timeout)
    }

    /// Whether it is time for a `PING`, which the caller then sends.
    fn is_due(&self, now: u64) -> bool {
        let passed = self.sent_at.get().and_then(|sent| now.checked_sub(sent));
        let is_due = passed.is_none_or(|passed| passed >= INTERVAL_MS);
        if is_due {
            self.sent_at.set(Some(now));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;
    use crate::cache::Deadlines;
    use crate::clock::NoTimer;
    use crate::redis::memory::{Fault, Memory};
    use crate::redis::{RedisError, Reply};

    fn ask(health: &Health, cache: &Cache<Memory>) -> Ping {
        block_on(health.ask(cache, &NoTimer))
    }

    #[test]
    fn many_who_ask_share_one_ping() {
        let (health, cache) = (Health::default(), Cache::new(Memory::new(), Deadlines::default()));
        for _ in 0..100 {
            assert!(ask(&health, &cache).is_ok());
        }
        assert_eq!(cache.redis().take_journal(), ["PING"]);
        // Also bad news is not asked for again and again.
        let health = Health::default();
        cache.redis().set_fault(Some(Fault::Fails(RedisError::Unreachable)));
        for _ in 0..100 {
            assert_eq!(ask(&health, &cache), Err(MissReason::Unreachable));
        }
        assert_eq!(cache.redis().take_journal(), ["PING"]);
    }

    #[test]
    fn a_ping_is_due_every_five_seconds_and_when_the_clock_was_set_back() {
        let health = Health::default();
        let due = [0, 1, 4999, 5000, 5001, 9999, 10_000, 3, 4].map(|now| health.is_due(now));
        assert_eq!(due, [true, false, false, true, false, false, true, true, false]);
    }

    #[test]
    fn who_asks_while_the_first_ping_hangs_does_not_wait_for_ever() {
        let (health, cache) = (Health::default(), Cache::new(Memory::new(), Deadlines::default()));
        assert!(health.is_due(clock::now_ms()), "and then its request vanished");
        assert_eq!(ask(&health, &cache), Err(MissReason::Timeout));
        assert!(cache.redis().take_journal().is_empty());
    }

    #[test]
    fn a_ping_that_is_refused_says_why() {
        for (reply, reason) in [
            (Reply::Error("ERR max requests limit exceeded".to_owned()), MissReason::Busy),
            (Reply::Error("NOPERM".to_owned()), MissReason::RedisError),
            (Reply::Integer(1), MissReason::BadReply),
        ] {
            let (health, cache) =
                (Health::default(), Cache::new(Memory::new(), Deadlines::default()));
            cache.redis().set_fault(Some(Fault::Answers(reply)));
            assert_eq!(ask(&health, &cache), Err(reason));
        }
    }
}
