//! One execution for many askers: a lease in Redis, and what its holder leaves behind.
//!
//! Beside an entry that is not there yet, two keys may live for some seconds. The *lease* says that
//! somebody executes for everybody: it holds a random token, is taken with `SET … NX PX`, kept alive
//! while the execution goes on, and deleted by who has the token. A *failure* says that the holder
//! has nothing to share, and why:
//!
//! ```json
//! {"attempt":1,"at":1795000000000,"final":false,"error":{"kind":"timeout","message":"…"}}
//! ```
//!
//! What the error holds is for the caller of this module to say; `null` is an output that cannot be
//! shared.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Cache, Entry, Lookup, MissReason, WriteOutcome};
use crate::codec::Stored;
use crate::json::{Dialect, Document, Item, Value};
use crate::key::{Scheme, push_hex};
use crate::redis::{Command, Expiry, Redis, RedisError, Reply};

/// How long a lease lives that nobody keeps alive: after so long others go on without its holder.
pub const LEASE: Duration = Duration::from_secs(10);
/// How often a holder keeps it alive.
pub const RENEWAL: Duration = Duration::from_secs(3);
/// How long a failure is there to be seen, which is longer than any pause between two looks.
const FAILURE: Duration = Duration::from_secs(5);
/// How many holders may fail, one after the other, before all askers fail.
const ATTEMPTS: u32 = 3;

/// The keys of an entry, its lease and its failure. The latter cannot look like the key of an entry,
/// which ends with a hash or a version; they hold the entry's hash, by which the embedded store keeps
/// all three in one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlightKeys {
    entry: String,
    lease: String,
    failure: String,
    scheme: Scheme,
}

impl FlightKeys {
    /// Those of the entry at `key`, which has been made by that scheme.
    pub fn of(key: &str, scheme: Scheme) -> Self {
        let mut prefix = "edgememo:".to_owned();
        push_hex(&mut prefix, &Sha256::digest(key).into());
        let (lease, failure) = (format!("{prefix}:lease"), format!("{prefix}:failure"));
        Self { entry: key.to_owned(), lease, failure, scheme }
    }
}

/// The right, and the duty, to execute for everybody who asks for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    keys: FlightKeys,
    token: String,
    /// The how manieth holder this is, from 1.
    attempt: u32,
    /// False when nobody said whether it was taken: it is given back all the same.
    is_certain: bool,
}

/// What a holder has to say when it has no output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The how manieth holder failed.
    pub attempt: u32,
    /// When, in milliseconds since 1970 by its clock.
    pub at: u64,
    /// Whether nobody shall try again.
    pub is_final: bool,
    /// Why, as JSON text; None when there is an output that cannot be shared.
    pub error: Option<String>,
}

/// What there is for who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// An output, as fresh as it can be.
    Output(Stored),
    /// The output `null`, which is never served.
    Null,
    /// Somebody executes.
    Held,
    /// Nobody executes any more, and the last who did left this.
    Failure(Failure),
    /// Neither.
    Nothing,
}

/// What came of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It was free. What else there is says whether an execution is still wanted.
    Taken(Lease, Seen),
    /// Somebody else has it.
    Held(Seen),
    /// Nobody knows, or this Redis has no leases: to wait for others makes no sense. A lease that may
    /// have been taken has to be given back, and a Redis that failed has a reason.
    Unknown(Option<Lease>, Option<MissReason>),
}

impl<R: Redis> Cache<R> {
    /// Asks for the lease, and looks whether there is an output by now: one round trip. The token is
    /// one that nobody else has.
    pub async fn claim(&self, keys: &FlightKeys, token: String, now: u64) -> Claim {
        let milliseconds = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
        let set = Command::Set {
            key: (&*keys.lease).into(),
            value: (&*token).into(),
            expiry: Some(Expiry::Milliseconds(milliseconds)),
            if_absent: true,
        };
        let look = Command::MGet(vec![(&*keys.entry).into(), (&*keys.failure).into()]);
        let lease =
            |is_certain| Lease { keys: keys.clone(), token: token.clone(), attempt: 1, is_certain };
        let replies = match self.redis.execute(&[set, look], self.deadlines.lookup).await {
            Ok(replies) => replies,
            Err(error) => {
                let is_refused = matches!(
                    error,
                    RedisError::Unauthorized | RedisError::Database | RedisError::Refused
                );
                let lease = (!is_refused).then(|| lease(false));
                return Claim::Unknown(lease, Some((&error).into()));
            }
        };
        let mut replies = replies.into_iter();
        let seen = |reply, is_held| match reply {
            Some(Reply::Array(found)) => {
                let mut found = found.into_iter();
                see(keys.scheme, found.next(), is_held, found.next(), now)
            }
            _ => None,
        };
        match (replies.next(), replies.next()) {
            (Some(Reply::Text(_)), look) => {
                Claim::Taken(lease(true), seen(look, false).unwrap_or(Seen::Nothing))
            }
            (Some(Reply::Nil), look) => {
                seen(look, true).map_or(Claim::Unknown(None, None), Claim::Held)
            }
            _ => Claim::Unknown(None, None),
        }
    }

    /// Looks again, or, with a store that can, waits until there is something to see, for as long as
    /// `patience` at most. An error says that waiting makes no sense any more.
    pub async fn look(
        &self,
        keys: &FlightKeys,
        patience: Option<Duration>,
        now: impl Fn() -> u64,
    ) -> Result<Seen, MissReason> {
        let wanted = [&keys.entry, &keys.lease, &keys.failure].map(|key| (&**key).into()).to_vec();
        let (command, deadline) = match patience {
            None => (Command::MGet(wanted), self.deadlines.lookup),
            Some(patience) => {
                let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
                let deadline = self.deadlines.lookup.saturating_add(patience);
                (Command::Await { milliseconds, keys: wanted }, deadline)
            }
        };
        let Reply::Array(found) = self.ask(command, deadline).await? else {
            return Err(MissReason::BadReply);
        };
        let mut found = found.into_iter();
        let (entry, lease) = (found.next(), found.next());
        let is_held = lease.is_some_and(|lease| lease != Reply::Nil);
        see(keys.scheme, entry, is_held, found.next(), now()).ok_or(MissReason::BadReply)
    }

    /// Keeps a lease alive for another while. That it was lost in the meantime changes nothing: the
    /// execution goes on, and costs what it would have cost without leases.
    pub async fn renew(&self, lease: &Lease) {
        if !lease.is_certain {
            return;
        }
        let command = Command::CompareAndExpire {
            key: (&*lease.keys.lease).into(),
            expected: (&*lease.token).into(),
            milliseconds: u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX),
        };
        // Whatever is answered.
        let _ = self.redis.execute(&[command], self.deadlines.lookup).await;
    }

    /// Gives a lease back that was not made use of, which a run waits for. Where that does not succeed
    /// it ends by itself.
    pub async fn release(&self, lease: &Lease) {
        let _ = self.redis.execute(&[lease.release()], self.deadlines.lookup).await;
    }

    /// Stores what the holder of a lease has, and gives the lease back after it: one round trip.
    /// Where the entry cannot be stored, those who wait are told.
    pub async fn store_and_release(&self, entry: &Entry, lease: &Lease) -> WriteOutcome {
        let outcome = self.write(entry, Some(lease.release())).await;
        if outcome != WriteOutcome::Stored {
            self.fail(lease, None, false, entry.stored_at).await;
        }
        outcome
    }

    /// Leaves a failure for those who wait, and gives the lease back after it: one round trip. The
    /// error is JSON text; None says that there is an output which cannot be shared.
    pub async fn fail(&self, lease: &Lease, error: Option<&str>, is_final: bool, at: u64) {
        let is_final = is_final || lease.attempt >= ATTEMPTS;
        let (attempt, error) = (lease.attempt, error.unwrap_or("null"));
        let value =
            format!("{{\"attempt\":{attempt},\"at\":{at},\"final\":{is_final},\"error\":{error}}}");
        let milliseconds = u64::try_from(FAILURE.as_millis()).unwrap_or(u64::MAX);
        let failure = Command::Set {
            key: (&*lease.keys.failure).into(),
            value: value.into(),
            expiry: Some(Expiry::Milliseconds(milliseconds)),
            if_absent: false,
        };
        // Whose lease it is when nobody knows: only who has it may say that it failed.
        let commands =
            if lease.is_certain { vec![failure, lease.release()] } else { vec![lease.release()] };
        let _ = self.redis.execute(&commands, self.deadlines.write).await;
    }

    /// Whether waiting for a change is something this store does for us.
    pub fn wakes(&self) -> bool {
        self.redis.wakes()
    }
}

impl Lease {
    /// As the holder that comes after this failure.
    pub fn after(self, failure: &Failure) -> Self {
        Self { attempt: failure.attempt.saturating_add(1), ..self }
    }

    fn release(&self) -> Command<'_> {
        Command::CompareAndDelete {
            key: (&*self.keys.lease).into(),
            expected: (&*self.token).into(),
        }
    }
}

/// What the replies mean; None when they are none.
fn see(
    scheme: Scheme,
    entry: Option<Reply>,
    is_held: bool,
    failure: Option<Reply>,
    now: u64,
) -> Option<Seen> {
    let found = match entry? {
        Reply::Text(stored) => super::found(&stored, scheme),
        Reply::Bytes(_) => Lookup::Miss(Some(MissReason::NotUtf8)),
        // MGET gives nothing for a key of another type.
        Reply::Nil => Lookup::Miss(None),
        _ => return None,
    };
    Some(match found {
        Lookup::Hit(stored) if stored.is_fresh(now) => Seen::Output(stored),
        Lookup::Miss(Some(MissReason::NullValue)) => Seen::Null,
        _ if is_held => Seen::Held,
        // Rubbish is to be replaced, and what is stale to be refreshed.
        _ => match failure? {
            Reply::Text(text) => read(&text).map_or(Seen::Nothing, Seen::Failure),
            _ => Seen::Nothing,
        },
    })
}

fn read(text: &str) -> Option<Failure> {
    let document = Document::parse(text, Dialect::STRICT).ok()?;
    let failure = document.root();
    let integer = |name| match failure.get(name).map(Value::item) {
        Some(Item::Integer(text)) => text.parse::<u64>().ok(),
        _ => None,
    };
    let error = failure.get("error")?;
    Some(Failure {
        attempt: u32::try_from(integer("attempt")?).ok()?,
        at: integer("at")?,
        is_final: matches!(failure.get("final")?.item(), Item::Bool(true)),
        error: (!error.is_null()).then(|| error.raw().to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{KeyRequest, cache_key};

    proptest! {
        #[test]
        fn no_entry_has_the_key_of_a_lease_or_a_failure(
            namespace in prop_oneof![any::<String>(), "edgememo(:[0-9a-f]{64})?(:lease)?"],
            entity_id in prop_oneof![any::<String>(), "[0-9a-f]{64}", Just("lease".to_owned())],
            scheme in prop_oneof![Just(Scheme::Dynamiq), Just(Scheme::Canonical)],
        ) {
            let input = Document::parse("{}", Dialect::STRICT).unwrap();
            let key = cache_key(&KeyRequest {
                scheme,
                namespace: Some(&namespace),
                entity_id: &entity_id,
                input: input.root(),
                kwargs: None,
                definition: None,
            });
            let key = key.unwrap();
            prop_assert!(!key.ends_with(":lease") && !key.ends_with(":failure"), "{}", key);
            let keys = FlightKeys::of(&key, scheme);
            prop_assert!(keys.lease.starts_with("edgememo:") && keys.lease.ends_with(":lease"));
            prop_assert!(keys.failure.starts_with("edgememo:") && keys.failure.ends_with(":failure"));
        }

        #[test]
        fn whatever_stands_in_the_place_of_a_failure_is_read_without_harm(text: String) {
            prop_assert_eq!(read(&text), None);
        }
    }

    #[test]
    fn a_failure_says_who_failed_when_and_why() {
        let read = |text| read(text).unwrap();
        let failure = read(r#"{"attempt":2,"at":5,"final":true,"error":{"kind":"timeout"}}"#);
        let error = Some(r#"{"kind":"timeout"}"#.to_owned());
        assert_eq!(failure, Failure { attempt: 2, at: 5, is_final: true, error });
        let not_shared = read(r#"{"attempt":1,"at":5,"final":false,"error":null}"#);
        assert_eq!(not_shared, Failure { attempt: 1, at: 5, is_final: false, error: None });
    }
}
