//! Lookup and store: what a run asks of the cache, and how it is told no.
//!
//! Nothing here fails a run. A lookup that cannot be answered is a miss with a reason; what became
//! of a write is a [`WriteOutcome`] for log and metrics.

mod breaker;
mod health;
mod lease;
mod memory;
mod tier;

use std::time::Duration;

use futures_util::FutureExt;

pub use self::breaker::{Breaker, Change, State};
pub use self::health::{Health, Ping};
pub use self::lease::{Claim, Failure, FlightKeys, LEASE, Lease, RENEWAL, Seen};
use self::tier::Tier;
use crate::clock;
use crate::codec::{self, DecodeError, Stored};
use crate::key::Scheme;
use crate::redis::{Command, Redis, RedisError, Reply};

/// How long the cache may take, each from the start of its transport on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For a lookup, which a run waits for.
    pub lookup: Duration,
    /// For a write, which comes after the response.
    pub write: Duration,
}

impl Default for Deadlines {
    /// 500 ms for a lookup (a Redis on another continent is slow, not dead), 5 s for a write.
    fn default() -> Self {
        Self { lookup: Duration::from_millis(500), write: Duration::from_secs(5) }
    }
}

/// How long a [`Breaker`] is open, unless it is told otherwise: the most that a Redis which is well again
/// stays unused. Runs that find nothing pay for a model, so it is short; a Redis that hangs delays one
/// run in this time, by a deadline.
const BREAKER_PAUSE: Duration = Duration::from_secs(5);

/// Longest value that is written, unless a cache is told otherwise. Escaped in a reply it may take twice
/// that, and longer replies are not read; Upstash refuses requests over 10 MB.
const MAX_VALUE_BYTES: usize = 5 * 1024 * 1024;

/// A cache in a Redis.
#[derive(Debug)]
pub struct Cache<R> {
    redis: R,
    deadlines: Deadlines,
    max_value_bytes: usize,
    breaker: Breaker,
    on_change: OnChange,
    memory: Option<Tier>,
}

/// Told of a change of the breaker's state, and of the reason when a lookup failed.
pub type OnChange = fn(Change, Option<MissReason>);

/// What a lookup found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The output.
    Hit(Stored),
    /// Nothing, or nothing that can be used.
    Miss(Option<MissReason>),
}

/// Why a lookup found nothing that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissReason {
    /// Redis cannot be reached.
    Unreachable,
    /// Redis did not answer within the deadline.
    Timeout,
    /// Redis refused the token, or the user and password.
    Unauthorized,
    /// Redis refused the number of the database.
    Database,
    /// Redis refused the command, or answered with an HTTP error.
    RedisError,
    /// Redis takes no more requests for now: a rate limit.
    Busy,
    /// The answer is not one of Redis.
    BadReply,
    /// Redis was not asked, since it kept failing: the breaker is open.
    CircuitOpen,
    /// The value is longer than what is read.
    ValueTooLarge,
    /// Something other than a string is stored at the key.
    WrongType,
    /// The value is not Base64.
    NotBase64,
    /// The value is not UTF-8.
    NotUtf8,
    /// The value is not JSON.
    NotJson,
    /// The value is no envelope of a known version.
    NotEnvelope,
    /// The value is `null`, which is stored and never served.
    NullValue,
    /// Somebody else executes the same, and did not come to an end in the time that there is to wait.
    WaitTimeout,
    /// Somebody else executed the same, and its output cannot be shared.
    NotShared,
}

impl MissReason {
    /// The name in headers, bodies and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "redis-unreachable",
            Self::Timeout => "redis-timeout",
            Self::Unauthorized => "redis-unauthorized",
            Self::Database => "redis-database",
            Self::RedisError => "redis-error",
            Self::Busy => "redis-busy",
            Self::BadReply => "redis-bad-reply",
            Self::CircuitOpen => "redis-circuit-open",
            Self::ValueTooLarge => "value-too-large",
            Self::WrongType => "wrong-type",
            Self::NotBase64 => "not-base64",
            Self::NotUtf8 => "not-utf8",
            Self::NotJson => "not-json",
            Self::NotEnvelope => "not-envelope",
            Self::NullValue => "null-value",
            Self::WaitTimeout => "single-flight-timeout",
            Self::NotShared => "single-flight-not-shared",
        }
    }

    /// Whether the output is worth a write after this: not when the write would be refused too or
    /// land in another database, and not when it would replace what somebody else keeps at the key.
    pub fn allows_write(self) -> bool {
        !matches!(self, Self::Unauthorized | Self::Database | Self::WrongType)
    }

    /// Whether the lookup said for sure that there is no output yet, so that it is worth asking who else
    /// executes: nothing was there, or something that the output will replace.
    pub fn is_replaced(self) -> bool {
        matches!(self, Self::NotBase64 | Self::NotUtf8 | Self::NotJson | Self::NotEnvelope)
    }

    /// Whether the lookup failed: Redis is broken, gone, or not to be used. A value that cannot be used
    /// came from a Redis that works, and one that is busy works too.
    fn is_failure(self) -> bool {
        match self {
            Self::Unreachable
            | Self::Timeout
            | Self::Unauthorized
            | Self::Database
            | Self::RedisError
            | Self::BadReply => true,
            Self::Busy
            | Self::CircuitOpen
            | Self::ValueTooLarge
            | Self::WrongType
            | Self::NotBase64
            | Self::NotUtf8
            | Self::NotJson
            | Self::NotEnvelope
            | Self::NullValue
            | Self::WaitTimeout
            | Self::NotShared => false,
        }
    }
}

impl From<&RedisError> for MissReason {
    fn from(error: &RedisError) -> Self {
        match error {
            RedisError::Unreachable => Self::Unreachable,
            RedisError::Timeout(_) => Self::Timeout,
            RedisError::Unauthorized => Self::Unauthorized,
            RedisError::Database => Self::Database,
            RedisError::Status(429) => Self::Busy,
            RedisError::Refused | RedisError::Status(_) => Self::RedisError,
            RedisError::BadReply => Self::BadReply,
            RedisError::ReplyTooLarge(_) => Self::ValueTooLarge,
        }
    }
}

impl From<DecodeError> for MissReason {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::NotBase64 => Self::NotBase64,
            DecodeError::NotUtf8 => Self::NotUtf8,
            DecodeError::NotJson => Self::NotJson,
            DecodeError::NotEnvelope => Self::NotEnvelope,
            DecodeError::Null => Self::NullValue,
        }
    }
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteOutcome {
    /// The entry is there.
    Stored,
    /// The value is over the limit, that of the cache or that of Redis.
    TooLarge,
    /// Redis refused the write, or answered with something else.
    Refused,
    /// Who was sent may not write, or nobody may: a read-only token, a user without the right, a
    /// replica.
    ReadOnly,
    /// Redis takes no more requests for now.
    Busy,
    /// Redis cannot be reached.
    Unreachable,
    /// No answer within the deadline; the entry may be there all the same.
    TimedOut,
    /// Not tried, since Redis kept failing: the breaker is not closed.
    CircuitOpen,
}

impl WriteOutcome {
    /// The name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::TooLarge => "too-large",
            Self::Refused => "refused",
            Self::ReadOnly => "read-only",
            Self::Busy => "busy",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed-out",
            Self::CircuitOpen => "circuit-open",
        }
    }
}

/// An entry that is still to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub key: String,
    /// The output, as JSON text in Python's spelling.
    pub output: String,
    /// For how many seconds, at least 1; None forever.
    pub ttl: Option<u64>,
    /// For how many seconds more it is kept when it is no longer fresh, where the form of the value
    /// says until when it is.
    pub stale_for: u64,
    /// How the key was made, on which the form of the value depends.
    pub scheme: Scheme,
    /// When the output was made, in milliseconds since 1970.
    pub stored_at: u64,
}

impl<R: Redis> Cache<R> {
    /// A cache in `redis`.
    pub fn new(redis: R, deadlines: Deadlines) -> Self {
        Self {
            redis,
            deadlines,
            max_value_bytes: MAX_VALUE_BYTES,
            breaker: Breaker::new(BREAKER_PAUSE, deadlines.lookup),
            on_change: |_, _| (),
            memory: None,
        }
    }

    /// With another limit on the length of stored values.
    pub fn with_max_value_bytes(self, max_value_bytes: usize) -> Self {
        Self { max_value_bytes, ..self }
    }

    /// With a breaker that is open for as long before it tries again; without a pause it is never.
    pub fn with_breaker_pause(self, pause: Duration) -> Self {
        Self { breaker: Breaker::new(pause, self.deadlines.lookup), ..self }
    }

    /// With somebody who is told when the state of the breaker changes.
    pub fn with_on_change(self, on_change: OnChange) -> Self {
        Self { on_change, ..self }
    }

    /// Where the entries are.
    pub fn redis(&self) -> &R {
        &self.redis
    }

    /// What the breaker does.
    pub fn breaker(&self) -> State {
        self.breaker.state()
    }

    /// Looks a key of that scheme up in Redis: one `GET`, or nothing while the breaker is open. With
    /// memory there is a `PTTL` with it, in the same round trip, for values that do not say how long they
    /// live.
    pub async fn lookup(&self, key: &str, scheme: Scheme) -> Lookup {
        let Some(permit) = self.breaker.permit(clock::now_ms) else {
            return Lookup::Miss(Some(MissReason::CircuitOpen));
        };
        self.tell(permit.change, None);
        // Only memory has to know.
        let since = self.memory.as_ref().map_or(0, |_| clock::now_ms());
        let deadline = self.deadlines.lookup;
        let answered = match scheme {
            // Base64 is stored.
            Scheme::Dynamiq if self.memory.is_none() => {
                match self.redis.get_ascii(key, deadline).await {
                    Ok(reply) => usable(reply).map(|reply| (reply, None)),
                    Err(error) => Err(MissReason::from(&error)),
                }
            }
            Scheme::Dynamiq => {
                let commands = [Command::get(key), Command::PTtl(key.into())];
                self.ask_for_first(&commands, deadline).boxed_local().await
            }
            Scheme::Canonical => {
                self.ask_for_first(&[Command::get(key)], deadline).boxed_local().await
            }
        };
        let found = match answered {
            Ok((Reply::Text(stored), lifetime)) => {
                let found = found(&stored, scheme);
                if let Lookup::Hit(stored) = &found {
                    self.remember_read(key, stored, scheme, lifetime, since);
                }
                found
            }
            Ok((Reply::Bytes(_), _)) => Lookup::Miss(Some(MissReason::NotUtf8)),
            Ok((Reply::Nil, _)) => Lookup::Miss(None),
            Ok(_) => Lookup::Miss(Some(MissReason::BadReply)),
            Err(reason) => Lookup::Miss(Some(reason)),
        };
        let failure = match &found {
            Lookup::Miss(reason) => reason.filter(|reason| reason.is_failure()),
            Lookup::Hit(_) => None,
        };
        self.tell(self.breaker.record(&permit, failure.is_some(), clock::now_ms), failure);
        found
    }

    /// Sends a `PING`, whatever the breaker does.
    async fn ping(&self) -> Ping {
        let started = clock::now_ms();
        match self.ask(Command::Ping(None), self.deadlines.lookup).await? {
            Reply::Text(_) => Ok(clock::now_ms().saturating_sub(started)),
            _ => Err(MissReason::BadReply),
        }
    }

    /// The reply to a command that somebody waits for, unless it is an error.
    async fn ask(&self, command: Command<'_>, deadline: Duration) -> Result<Reply, MissReason> {
        self.ask_for_first(&[command], deadline).await.map(|(reply, _)| reply)
    }

    /// The reply to the first of a few commands, unless it is an error; and that to the second, whatever
    /// it is.
    async fn ask_for_first(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<(Reply, Option<Reply>), MissReason> {
        let replies = self.redis.execute(commands, deadline).await;
        let mut replies = replies.map_err(|error| MissReason::from(&error))?.into_iter();
        let first = replies.next().ok_or(MissReason::BadReply).and_then(usable);
        first.map(|first| (first, replies.next()))
    }

    fn tell(&self, change: Option<Change>, failure: Option<MissReason>) {
        if let Some(change) = change {
            (self.on_change)(change, failure);
        }
    }

    /// Writes an entry: one `SETEX`, or `SET` without a ttl; nothing unless the breaker is closed. What
    /// is there then is in memory too.
    pub async fn store(&self, entry: &Entry) -> WriteOutcome {
        self.write(entry, None).await
    }

    /// Writes an entry, and sends a command after it in the same round trip: that somebody waits for,
    /// so it is tried whatever the breaker does.
    async fn write(&self, entry: &Entry, after: Option<Command<'_>>) -> WriteOutcome {
        if after.is_none() && self.breaker() != State::Closed {
            return WriteOutcome::CircuitOpen;
        }
        let value = match entry.scheme {
            Scheme::Dynamiq => codec::encode(&entry.output),
            Scheme::Canonical => codec::seal(&entry.output, entry.stored_at, entry.ttl),
        };
        if value.len() > self.max_value_bytes {
            return WriteOutcome::TooLarge;
        }
        let lifetime = entry.ttl.map(|ttl| ttl.saturating_add(entry.stale_for));
        let mut commands = vec![Command::store(&entry.key, &value, lifetime)];
        commands.extend(after);
        let since = clock::now_ms();
        let replies = self.redis.execute(&commands, self.deadlines.write).await;
        match replies.map(|replies| replies.into_iter().next()) {
            Ok(Some(Reply::Text(_))) => {
                self.remember_written(entry, since);
                WriteOutcome::Stored
            }
            Ok(Some(Reply::Error(error))) if is_about_size(&error) => WriteOutcome::TooLarge,
            Ok(Some(Reply::Error(error))) if is_about_rate(&error) => WriteOutcome::Busy,
            Ok(Some(Reply::Error(error))) if is_about_rights(&error) => WriteOutcome::ReadOnly,
            Ok(_) => WriteOutcome::Refused,
            Err(RedisError::Unreachable) => WriteOutcome::Unreachable,
            Err(RedisError::Timeout(_)) => WriteOutcome::TimedOut,
            Err(RedisError::Status(413)) => WriteOutcome::TooLarge,
            Err(RedisError::Status(429)) => WriteOutcome::Busy,
            Err(_) => WriteOutcome::Refused,
        }
    }
}

/// A reply that is not an error.
fn usable(reply: Reply) -> Result<Reply, MissReason> {
    match reply {
        Reply::Error(error) if error.starts_with("WRONGTYPE") => Err(MissReason::WrongType),
        Reply::Error(error) if is_about_rate(&error) => Err(MissReason::Busy),
        Reply::Error(_) => Err(MissReason::RedisError),
        reply => Ok(reply),
    }
}

/// What a stored value is.
fn found(stored: &str, scheme: Scheme) -> Lookup {
    match codec::read(stored, scheme) {
        Ok(stored) => Lookup::Hit(stored),
        Err(error) => Lookup::Miss(Some(error.into())),
    }
}

/// The embedded store's words and Upstash's for a value over the limit.
fn is_about_size(error: &str) -> bool {
    error.starts_with("ERR value too large") || error.contains("size exceeded")
}

/// Upstash's words for more requests than a plan has, in a second, a day or a month.
fn is_about_rate(error: &str) -> bool {
    error.contains("limit exceeded")
}

/// Redis's words to a user who may not write, Upstash's to a read-only token, and a replica's.
fn is_about_rights(error: &str) -> bool {
    error.starts_with("NOPERM") || error.starts_with("READONLY")
}

#[cfg(test)]
mod tests;
