//! One execution for many askers: who executes, and how the others wait.
//!
//! `cache` has the lease by which askers agree, also across isolates. Waiting costs commands: one for
//! each look, at pauses that grow, and never more than [`MAX_COMMANDS`] for a run, its lookup among
//! them. Who has waited for too long executes too.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::shared;
use super::slots::Purpose;
use super::{Context, NodeError};
use crate::cache::{Claim, Failure, FlightKeys, Lease, MissReason, RENEWAL, Seen};
use crate::clock::{self, Timer};
use crate::codec::Stored;
use crate::key::Scheme;
use crate::redis::Redis;

/// The first pause between two looks, the growth of the next, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const GROWTH: f64 = 1.5;
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// By how much a pause may be shorter, so that those who came together do not look together.
const JITTER: f64 = 0.25;
/// How many commands a run sends that waits for another, from its lookup on.
const MAX_COMMANDS: u32 = 21;
/// Those of a claim.
const CLAIM: u32 = 2;
/// Those of giving back what was claimed.
const RELEASE: u32 = 1;
/// How long a store is asked to wait that wakes those who wait: a connection that hangs is noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// What a run has asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub key: &'a str,
    pub scheme: Scheme,
    /// When, in milliseconds since 1970.
    pub since: u64,
    /// For how long it waits for others at most.
    pub patience: Duration,
}

/// What a run does that found nothing.
#[derive(Debug)]
pub(super) enum Turn {
    /// It executes, for others too when there is a lease. The reason says why it does not wait for
    /// another, or no longer.
    Execute { lease: Option<Lease>, waited: bool, reason: Option<MissReason> },
    /// It has the output of another.
    Output(Stored),
    /// It fails as another did.
    Failure(NodeError),
}

impl Turn {
    /// It executes for itself.
    pub fn alone(waited: bool, reason: Option<MissReason>) -> Self {
        Self::Execute { lease: None, waited, reason }
    }
}

/// Finds out what a run does that found nothing, which takes as long as others take.
pub(super) async fn take_turn<R: Redis, T: Timer>(
    asked: Asked<'_>,
    context: Context<'_, R, T>,
) -> Turn {
    let mut waiting = Waiting {
        asked,
        context,
        keys: FlightKeys::of(asked.key, asked.scheme),
        until: asked.since.saturating_add(as_millis(asked.patience)),
        commands: 1,
        pause: FIRST_PAUSE,
        has_waited: false,
    };
    loop {
        let seen = match waiting.claim().await {
            Ok(seen) => seen,
            Err(turn) => return turn,
        };
        if let Err(turn) = waiting.wait(seen).await {
            return turn;
        }
    }
}

/// Asks once for the right to make an entry anew, and waits for nobody.
pub(super) async fn claim_once<R: Redis, T: Timer>(
    key: &str,
    scheme: Scheme,
    context: Context<'_, R, T>,
) -> Option<Lease> {
    let keys = FlightKeys::of(key, scheme);
    let claim = context.cache.claim(&keys, token(context.timer), clock::now_ms()).await;
    match claim {
        // A failure is so new that another would follow.
        Claim::Taken(lease, Seen::Output(_) | Seen::Failure(_))
        | Claim::Unknown(Some(lease), _) => {
            context.cache.release(&lease).await;
            None
        }
        Claim::Taken(lease, _) => Some(lease),
        Claim::Held(_) | Claim::Unknown(None, _) => None,
    }
}

/// Keeps a lease alive until it is dropped.
pub(super) async fn keep_alive<R: Redis, T: Timer>(lease: &Lease, context: Context<'_, R, T>) {
    loop {
        context.timer.sleep(RENEWAL).await;
        if !context.slots.spare_request() {
            // It ends by itself, and then others go on: that costs a call, and not this run.
            return;
        }
        let _slot = context.slots.take(Purpose::Lookup).await;
        context.cache.renew(lease).await;
    }
}

/// What a future gives, and beside it another for as long as that takes.
pub(super) async fn beside<M: Future>(main: M, side: impl Future) -> M::Output {
    let side = async {
        side.await;
        std::future::pending::<Infallible>().await
    };
    match select(pin!(main), pin!(side)).await {
        Either::Left((output, _)) => output,
        Either::Right((never, _)) => match never {},
    }
}

struct Waiting<'a, R, T> {
    asked: Asked<'a>,
    context: Context<'a, R, T>,
    keys: FlightKeys,
    /// In milliseconds since 1970.
    until: u64,
    commands: u32,
    pause: Duration,
    has_waited: bool,
}

impl<R: Redis, T: Timer> Waiting<'_, R, T> {
    /// Asks for the lease. What is seen when somebody else has it; an error ends the waiting.
    async fn claim(&mut self) -> Result<Seen, Turn> {
        let Context { cache, timer, slots, .. } = self.context;
        let claim = {
            let _slot = slots.take(Purpose::Lookup).await;
            cache.claim(&self.keys, token(timer), clock::now_ms()).await
        };
        self.commands += CLAIM;
        match claim {
            Claim::Held(seen) => Ok(seen),
            Claim::Unknown(lease, reason) => {
                Err(Turn::Execute { lease, waited: self.has_waited, reason })
            }
            Claim::Taken(lease, seen) => Err(self.lead(lease, seen).await),
        }
    }

    /// What the new holder of the lease does.
    async fn lead(&mut self, lease: Lease, seen: Seen) -> Turn {
        let mut lease = lease;
        let unused = match seen {
            // It came between the lookup and the lease.
            Seen::Output(stored) => Turn::Output(stored),
            Seen::Failure(failure) if self.is_of_now(&failure) => match outcome(&failure) {
                Outcome::Retry => {
                    lease = lease.after(&failure);
                    return self.execute(lease);
                }
                Outcome::Failed(error) => Turn::Failure(error),
                Outcome::NotShared => Turn::alone(self.has_waited, Some(MissReason::NotShared)),
            },
            Seen::Null | Seen::Held | Seen::Failure(_) | Seen::Nothing => {
                return self.execute(lease);
            }
        };
        self.context.cache.release(&lease).await;
        unused
    }

    fn execute(&self, lease: Lease) -> Turn {
        Turn::Execute { lease: Some(lease), waited: self.has_waited, reason: None }
    }

    /// Waits while somebody executes. When nobody does any more, it is somebody else's turn; an error
    /// ends the waiting.
    async fn wait(&mut self, first: Seen) -> Result<(), Turn> {
        let mut seen = first;
        loop {
            match seen {
                Seen::Output(stored) => return Err(Turn::Output(stored)),
                Seen::Null => {
                    return Err(Turn::alone(self.has_waited, Some(MissReason::NotShared)));
                }
                Seen::Failure(failure) if self.is_of_now(&failure) => match outcome(&failure) {
                    Outcome::Retry => return self.afford(CLAIM + RELEASE),
                    Outcome::Failed(error) => return Err(Turn::Failure(error)),
                    Outcome::NotShared => {
                        return Err(Turn::alone(true, Some(MissReason::NotShared)));
                    }
                },
                Seen::Failure(_) | Seen::Nothing => return self.afford(CLAIM + RELEASE),
                Seen::Held => {}
            }
            self.has_waited = true;
            seen = self.look().await?;
        }
    }

    /// Looks again, after a pause or when the store says that there is something to see. A store says
    /// it to one node of a request at a time: their connections would all be taken by waiting.
    async fn look(&mut self) -> Result<Seen, Turn> {
        self.afford(1)?;
        let Context { cache, timer, slots, .. } = self.context;
        let left = Duration::from_millis(self.until.saturating_sub(clock::now_ms()));
        let woken = cache.wakes().then(|| slots.take_free(Purpose::Wait)).flatten();
        let (_slot, patience) = match woken {
            Some(slot) => (slot, Some(left.min(LONGEST_WAIT))),
            None => {
                let jittered = self.pause.mul_f64(1.0 - JITTER * timer.random());
                timer.sleep(jittered.min(left)).await;
                self.pause = self.pause.mul_f64(GROWTH).min(LONGEST_PAUSE);
                (slots.take(Purpose::Lookup).await, None)
            }
        };
        self.commands += 1;
        let looked = cache.look(&self.keys, patience, clock::now_ms).await;
        looked.map_err(|reason| Turn::alone(true, Some(reason)))
    }

    /// Whether so many more commands may be sent; an error otherwise.
    fn afford(&self, commands: u32) -> Result<(), Turn> {
        let is_over = self.commands + commands > MAX_COMMANDS || clock::now_ms() >= self.until;
        if is_over || !self.context.slots.spare_request() {
            return Err(Turn::alone(true, Some(MissReason::WaitTimeout)));
        }
        Ok(())
    }

    /// Whether it is the failure of an execution that went on when this run began. Clocks differ: a run
    /// that takes a failure for one of now fails with it, and one that does not executes once more.
    fn is_of_now(&self, failure: &Failure) -> bool {
        failure.at >= self.asked.since
    }
}

/// What a failure means for who waits.
enum Outcome {
    Retry,
    Failed(NodeError),
    NotShared,
}

fn outcome(failure: &Failure) -> Outcome {
    match failure.error.as_deref().map(shared::read) {
        None => Outcome::NotShared,
        Some(_) if !failure.is_final => Outcome::Retry,
        Some(Some(error)) => Outcome::Failed(error),
        // Of a Worker that knows other errors.
        Some(None) => Outcome::NotShared,
    }
}

/// What nobody else has: 104 random bits.
fn token(timer: &impl Timer) -> String {
    let mut token = String::with_capacity(26);
    for _ in 0..2 {
        let bits = (timer.random() * (1_u64 << 52) as f64) as u64;
        token.push_str(&format!("{bits:013x}"));
    }
    token
}

fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
