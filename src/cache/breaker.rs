//! A circuit breaker: a Redis that keeps failing is left alone for a while, so that runs do not wait
//! for it.
//!
//! ```text
//! closed ── half of the last lookups failed ──▶ open ── after a pause ──▶ half-open
//!    ▲                                           ▲                          │   │
//!    │                                           └──── the probe failed ────┘   │
//!    └────────────────────────── the probe was answered ────────────────────────┘
//! ```
//!
//! It judges lookups alone, which runs wait for. A write has its time after the response, and is not
//! tried unless the breaker is closed or other runs wait for it.

use std::cell::Cell;
use std::time::Duration;

/// How many of the last lookups are judged.
const WINDOW: u32 = 20;

/// How many have to be known before they are judged. A new isolate knows of none: it shall not wait for
/// ten deadlines before it learns that Redis hangs, and not give up a cache for a connection that broke
/// once or twice.
const MIN_LOOKUPS: u32 = 5;

/// A breaker, closed at first. It allocates nothing, and asks for the time only when it is not closed or
/// a lookup has failed.
#[derive(Debug)]
pub struct Breaker {
    pause: Duration,
    patience: Duration,
    now: Cell<Now>,
    /// Grows with every change and every probe: what was begun before does not count any more.
    epoch: Cell<u32>,
}

/// Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
enum Now {
    Closed(Window),
    Open { since: u64 },
    HalfOpen { since: u64 },
}

/// The last lookups, one bit each, the newest lowest: set when it failed.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    failed: u32,
    known: u32,
}

impl Window {
    fn with(self, failed: bool) -> Self {
        let kept = (1 << WINDOW) - 1;
        Self {
            failed: (self.failed << 1 | u32::from(failed)) & kept,
            known: (self.known + 1).min(WINDOW),
        }
    }

    fn is_bad(self) -> bool {
        self.known >= MIN_LOOKUPS && self.failed.count_ones() * 2 >= self.known
    }
}

/// What a breaker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Lookups go to Redis.
    Closed,
    /// None does, until the pause is over.
    Open,
    /// One has gone, to see whether Redis is well again.
    HalfOpen,
}

impl State {
    /// The name in logs and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// A change of state, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What it did until now.
    pub from: State,
    /// What it does from now on.
    pub to: State,
}

/// The permission for a lookup, to be given back to [`Breaker::record`]. One that is not, since its
/// request vanished, costs nothing: a probe is over some time after its deadline.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    epoch: u32,
    /// What changed with it: it is a probe.
    pub change: Option<Change>,
}

impl Breaker {
    /// A breaker that is open for `pause` before it lets a probe through, whose answer takes at most
    /// `deadline`. The pause stays the same however often probes fail: while the breaker is open runs pay
    /// for what the cache has, and a probe costs one of them a deadline.
    pub fn new(pause: Duration, deadline: Duration) -> Self {
        Self {
            pause,
            patience: pause.saturating_add(deadline),
            now: Cell::new(Now::Closed(Window::default())),
            epoch: Cell::new(0),
        }
    }

    /// What it does.
    pub fn state(&self) -> State {
        match self.now.get() {
            Now::Closed(_) => State::Closed,
            Now::Open { .. } => State::Open,
            Now::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Whether a lookup may be sent. `clock` gives milliseconds since 1970.
    pub fn permit(&self, clock: impl Fn() -> u64) -> Option<Permit> {
        let (since, wait) = match self.now.get() {
            Now::Closed(_) => return Some(Permit { epoch: self.epoch.get(), change: None }),
            Now::Open { since } => (since, self.pause),
            // A request can vanish, and with it the probe.
            Now::HalfOpen { since } => (since, self.patience),
        };
        let now = clock();
        // A clock that was set back counts as one that has run on: no pause is for ever.
        let is_over =
            now.checked_sub(since).is_none_or(|passed| u128::from(passed) >= wait.as_millis());
        is_over.then(|| {
            let change = self.change(Now::HalfOpen { since: now });
            Permit { epoch: self.epoch.get(), change }
        })
    }

    /// Notes how a lookup ended. What was begun before the last change says nothing of now.
    pub fn record(&self, permit: &Permit, failed: bool, clock: impl Fn() -> u64) -> Option<Change> {
        if permit.epoch != self.epoch.get() {
            return None;
        }
        let window = match self.now.get() {
            Now::Closed(window) => window.with(failed),
            _ if failed => return self.change(Now::Open { since: clock() }),
            _ => return self.change(Now::Closed(Window::default())),
        };
        if failed && window.is_bad() {
            return self.change(Now::Open { since: clock() });
        }
        self.now.set(Now::Closed(window));
        None
    }

    /// None for a probe in the place of one that vanished.
    fn change(&self, now: Now) -> Option<Change> {
        let from = self.state();
        self.now.set(now);
        self.epoch.set(self.epoch.get().wrapping_add(1));
        Some(Change { from, to: self.state() }).filter(|change| change.from != change.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: u64 = 5000;
    const DEADLINE: u64 = 500;

    fn breaker() -> Breaker {
        Breaker::new(Duration::from_millis(PAUSE), Duration::from_millis(DEADLINE))
    }

    /// A lookup at that time, which ends at once; whether it was sent, and what changed.
    fn look_up(breaker: &Breaker, at: u64, failed: bool) -> (bool, Vec<(State, State)>) {
        let Some(permit) = breaker.permit(|| at) else { return (false, Vec::new()) };
        let changes = [permit.change, breaker.record(&permit, failed, || at)];
        (true, changes.into_iter().flatten().map(|change| (change.from, change.to)).collect())
    }

    fn open(breaker: &Breaker, at: u64) {
        while breaker.state() != State::Open {
            assert!(look_up(breaker, at, true).0);
        }
    }

    #[test]
    fn a_new_breaker_opens_with_the_third_failure_of_five_and_not_before() {
        for (lookups, opens) in [
            ([true; 5].as_slice(), true),
            (&[true; 4], false),
            (&[false, false, true, true, true], true),
            (&[true, true, true, false, false], false),
            (&[true, true, true, false, false, true], true),
            (&[false, false, false, true, true], false),
        ] {
            let breaker = breaker();
            let changes: Vec<_> =
                lookups.iter().flat_map(|&failed| look_up(&breaker, 0, failed).1).collect();
            let expected = if opens { vec![(State::Closed, State::Open)] } else { Vec::new() };
            assert_eq!(changes, expected, "{lookups:?}");
        }
    }

    #[test]
    fn of_the_last_twenty_lookups_half_have_to_fail() {
        let breaker = breaker();
        for _ in 0..1000 {
            look_up(&breaker, 0, false);
        }
        for failures in 1..=9 {
            assert!(look_up(&breaker, 0, true).1.is_empty(), "{failures}");
        }
        assert_eq!(look_up(&breaker, 0, true).1, [(State::Closed, State::Open)]);
        // Every third failing is not enough, however long it goes on.
        let breaker = self::breaker();
        for lookup in 0..1000 {
            assert!(look_up(&breaker, 0, lookup % 3 == 2).1.is_empty());
        }
    }

    #[test]
    fn an_open_breaker_sends_nothing_until_its_pause_is_over_and_then_one_probe() {
        let breaker = breaker();
        open(&breaker, 1000);
        assert!(!look_up(&breaker, 1000 + PAUSE - 1, false).0);
        let probe = breaker.permit(|| 1000 + PAUSE).unwrap();
        assert_eq!(probe.change, Some(Change { from: State::Open, to: State::HalfOpen }));
        assert!(breaker.permit(|| 1000 + PAUSE + DEADLINE).is_none());
        let closed = Change { from: State::HalfOpen, to: State::Closed };
        assert_eq!(breaker.record(&probe, false, || 0), Some(closed));
        // What was before is forgotten.
        for _ in 0..4 {
            assert!(look_up(&breaker, 9000, true).1.is_empty());
        }
    }

    #[test]
    fn a_probe_that_fails_begins_another_pause_of_the_same_length() {
        let breaker = breaker();
        open(&breaker, 0);
        for probe in 1..4 {
            let at = probe * PAUSE;
            assert!(!look_up(&breaker, at - 1, true).0);
            let changes = [(State::Open, State::HalfOpen), (State::HalfOpen, State::Open)];
            assert_eq!(look_up(&breaker, at, true), (true, changes.to_vec()));
        }
    }

    #[test]
    fn a_probe_whose_request_vanished_is_followed_by_another() {
        let breaker = breaker();
        open(&breaker, 0);
        let vanished = breaker.permit(|| PAUSE).unwrap();
        let patience = PAUSE + DEADLINE;
        assert!(breaker.permit(|| PAUSE + patience - 1).is_none());
        let probe = breaker.permit(|| PAUSE + patience).unwrap();
        assert_eq!(probe.change, None, "it is half-open all the while");
        assert!(breaker.permit(|| PAUSE + patience).is_none(), "one at a time");
        // Should the first come back after all, it says nothing of now.
        assert_eq!(breaker.record(&vanished, true, || 0), None);
        assert!(breaker.record(&probe, false, || 0).is_some());
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn what_was_under_way_when_the_state_changed_does_not_change_it_again() {
        let breaker = breaker();
        let early: Vec<_> = (0..30).map(|_| breaker.permit(|| 0).unwrap()).collect();
        let changes = early.iter().filter_map(|permit| breaker.record(permit, true, || 0));
        assert_eq!(changes.count(), 1);
        let probe = breaker.permit(|| PAUSE).unwrap();
        assert_eq!(breaker.record(&early[0], false, || PAUSE), None);
        assert_eq!(breaker.state(), State::HalfOpen);
        assert!(breaker.record(&probe, false, || PAUSE).is_some());
        for permit in &early {
            assert_eq!(breaker.record(permit, true, || PAUSE), None);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_it_open() {
        let breaker = breaker();
        open(&breaker, 1_000_000);
        assert!(look_up(&breaker, 1, false).0);
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn without_a_pause_every_lookup_is_sent() {
        let breaker = Breaker::new(Duration::ZERO, Duration::ZERO);
        for _ in 0..100 {
            assert!(look_up(&breaker, 7, true).0);
        }
    }
}
