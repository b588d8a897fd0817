//! Lookup and store: what a run asks of the cache, and how it is told no.
//!
//! Nothing here fails a run. A lookup that cannot be answered is a miss with a reason; what became
//! of a write is a [`WriteOutcome`] for log and metrics.

use std::time::Duration;

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

/// A cache in a Redis.
#[derive(Debug)]
pub struct Cache<R> {
    redis: R,
    deadlines: Deadlines,
}

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
    /// The answer is not one of Redis.
    BadReply,
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
            Self::BadReply => "redis-bad-reply",
            Self::WrongType => "wrong-type",
            Self::NotBase64 => "not-base64",
            Self::NotUtf8 => "not-utf8",
            Self::NotJson => "not-json",
            Self::NotEnvelope => "not-envelope",
            Self::NullValue => "null-value",
        }
    }

    /// Whether the output is worth a write after this: not when the write would be refused too or
    /// land in another database, and not when it would replace what somebody else keeps at the key.
    pub fn allows_write(self) -> bool {
        !matches!(self, Self::Unauthorized | Self::Database | Self::WrongType)
    }
}

impl From<&RedisError> for MissReason {
    fn from(error: &RedisError) -> Self {
        match error {
            RedisError::Unreachable => Self::Unreachable,
            RedisError::Timeout(_) => Self::Timeout,
            RedisError::Unauthorized => Self::Unauthorized,
            RedisError::Database => Self::Database,
            RedisError::Refused | RedisError::Status(_) => Self::RedisError,
            RedisError::BadReply | RedisError::ReplyTooLarge(_) => Self::BadReply,
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
    /// Redis refused the value for its size.
    TooLarge,
    /// Redis refused the write.
    Refused,
    /// Redis cannot be reached.
    Unreachable,
    /// No answer within the deadline; the entry may be there all the same.
    TimedOut,
}

impl WriteOutcome {
    /// The name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::TooLarge => "too-large",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed-out",
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
    /// How the key was made, on which the form of the value depends.
    pub scheme: Scheme,
    /// When the output was made, in milliseconds since 1970.
    pub stored_at: u64,
}

impl<R: Redis> Cache<R> {
    /// A cache in `redis`.
    pub fn new(redis: R, deadlines: Deadlines) -> Self {
        Self { redis, deadlines }
    }

    /// Where the entries are.
    pub fn redis(&self) -> &R {
        &self.redis
    }

    /// Looks a key of that scheme up: one `GET`.
    pub async fn lookup(&self, key: &str, scheme: Scheme) -> Lookup {
        let replies = self.redis.execute(&[Command::get(key)], self.deadlines.lookup).await;
        let reply = match replies {
            Ok(replies) => replies.into_iter().next(),
            Err(error) => return Lookup::Miss(Some((&error).into())),
        };
        match reply {
            Some(Reply::Text(stored)) => match codec::read(&stored, scheme) {
                Ok(stored) => Lookup::Hit(stored),
                Err(error) => Lookup::Miss(Some(error.into())),
            },
            Some(Reply::Nil) => Lookup::Miss(None),
            Some(Reply::Error(error)) if error.starts_with("WRONGTYPE") => {
                Lookup::Miss(Some(MissReason::WrongType))
            }
            Some(Reply::Error(_)) => Lookup::Miss(Some(MissReason::RedisError)),
            Some(Reply::Integer(_) | Reply::Array(_)) | None => {
                Lookup::Miss(Some(MissReason::BadReply))
            }
        }
    }

    /// Writes an entry: one `SETEX`, or `SET` without a ttl.
    pub async fn store(&self, entry: &Entry) -> WriteOutcome {
        let value = match entry.scheme {
            Scheme::Dynamiq => codec::encode(&entry.output),
            Scheme::Canonical => codec::seal(&entry.output, entry.stored_at, entry.ttl),
        };
        let command = Command::store(&entry.key, &value, entry.ttl);
        let replies = self.redis.execute(&[command], self.deadlines.write).await;
        match replies.map(|replies| replies.into_iter().next()) {
            Ok(Some(Reply::Text(_))) => WriteOutcome::Stored,
            Ok(Some(Reply::Error(error))) if is_about_size(&error) => WriteOutcome::TooLarge,
            Ok(_) => WriteOutcome::Refused,
            Err(RedisError::Unreachable) => WriteOutcome::Unreachable,
            Err(RedisError::Timeout(_)) => WriteOutcome::TimedOut,
            Err(RedisError::Status(413)) => WriteOutcome::TooLarge,
            Err(_) => WriteOutcome::Refused,
        }
    }
}

/// The embedded store's words and Upstash's for a value over the limit.
fn is_about_size(error: &str) -> bool {
    error.starts_with("ERR value too large") || error.contains("size exceeded")
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;
    use crate::redis::memory::{Fault, Memory};

    fn cache() -> Cache<Memory> {
        Cache::new(Memory::new(), Deadlines::default())
    }

    fn entry(output: &str) -> Entry {
        let (scheme, stored_at) = (Scheme::Dynamiq, 1000);
        Entry { key: "k".to_owned(), output: output.to_owned(), ttl: Some(60), scheme, stored_at }
    }

    fn look_up(cache: &Cache<Memory>) -> Lookup {
        block_on(cache.lookup("k", Scheme::Dynamiq))
    }

    fn hit(output: &str) -> Lookup {
        Lookup::Hit(Stored { output: output.to_owned(), stored_at: None })
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
        let stored = Stored { output: "[1]".to_owned(), stored_at: Some(1000) };
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
            (Fault::Fails(RedisError::ReplyTooLarge(1)), "redis-bad-reply"),
            (error("WRONGTYPE Operation against a key"), "wrong-type"),
            (error("NOPERM this user has no permissions"), "redis-error"),
            (Fault::Answers(Reply::Integer(1)), "redis-bad-reply"),
            (Fault::Answers(Reply::Text("hello world".to_owned())), "not-base64"),
            (Fault::Answers(Reply::Text("//4=".to_owned())), "not-utf8"),
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
            (error("ERR value too large: 2 bytes"), "too-large"),
            (error("READONLY You can't write"), "refused"),
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
}
