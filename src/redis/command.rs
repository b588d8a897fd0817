//! The commands that the cache uses, and what Redis replies.

use std::borrow::Cow;

mod parse;

pub use self::parse::integer;

/// A command. [`Command::args`] is its wire form, [`Command::parse`] the way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// `GET key`
    Get(Cow<'a, str>),
    /// `SET key value [EX seconds | PX milliseconds] [NX]`
    Set {
        /// Where.
        key: Cow<'a, str>,
        /// What.
        value: Cow<'a, str>,
        /// For how long; None forever.
        expiry: Option<Expiry>,
        /// Only when there is nothing yet.
        if_absent: bool,
    },
    /// `SETEX key seconds value`
    SetEx {
        /// Where.
        key: Cow<'a, str>,
        /// For how many seconds; at least 1.
        seconds: u64,
        /// What.
        value: Cow<'a, str>,
    },
    /// `DEL key [key …]`
    Del(Vec<Cow<'a, str>>),
    /// `PTTL key`
    PTtl(Cow<'a, str>),
    /// `MGET key [key …]`
    MGet(Vec<Cow<'a, str>>),
    /// Deletes the key if that is what it holds: [`COMPARE_AND_DELETE`] by `EVAL`. The reply is how many
    /// were deleted.
    CompareAndDelete {
        /// Where.
        key: Cow<'a, str>,
        /// What.
        expected: Cow<'a, str>,
    },
    /// Gives the key that lifetime if that is what it holds: [`COMPARE_AND_EXPIRE`] by `EVAL`. The reply
    /// is how many have it now.
    CompareAndExpire {
        /// Where.
        key: Cow<'a, str>,
        /// What.
        expected: Cow<'a, str>,
        /// For how many milliseconds from now on; at least 1.
        milliseconds: u64,
    },
    /// `INCRBY key increment`: the number at the key grows, and keeps its expiry.
    IncrBy {
        /// Where.
        key: Cow<'a, str>,
        /// By how much; negative numbers shrink it.
        by: i64,
    },
    /// `SCAN cursor [MATCH pattern] [COUNT count]`: some of the keys; [`Reply::into_scanned`] reads
    /// the reply.
    Scan {
        /// Where to go on: 0 at first, then what the last reply said.
        cursor: u64,
        /// The keys that are wanted, as [`Pattern`](super::glob::Pattern) reads it; None: all.
        pattern: Option<Cow<'a, str>>,
        /// How many keys to look at, at least 1; None: 10. A hint.
        count: Option<u64>,
    },
    /// `EDGEMEMO.AWAIT milliseconds key [key …]`, which the embedded store alone knows: the reply of
    /// `MGET`, as soon as the second key is not there, or after that time.
    Await {
        /// For how long at most.
        milliseconds: u64,
        /// Which keys; the second is waited for.
        keys: Vec<Cow<'a, str>>,
    },
    /// `PING [message]`
    Ping(Option<Cow<'a, str>>),
}

/// The script of [`Command::CompareAndDelete`].
pub const COMPARE_AND_DELETE: &str =
    "if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) end return 0";
/// The script of [`Command::CompareAndExpire`].
pub const COMPARE_AND_EXPIRE: &str = "if redis.call('GET',KEYS[1])==ARGV[1] then \
     return redis.call('PEXPIRE',KEYS[1],ARGV[2]) end return 0";

/// How long an entry lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// `EX`
    Seconds(u64),
    /// `PX`
    Milliseconds(u64),
}

impl Expiry {
    /// The lifetime in milliseconds; None when it overflows.
    pub fn as_millis(self) -> Option<u64> {
        match self {
            Self::Seconds(seconds) => seconds.checked_mul(1000),
            Self::Milliseconds(milliseconds) => Some(milliseconds),
        }
    }
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing there.
    Nil,
    /// A status (`OK`, `PONG`) or a string.
    Text(String),
    /// A string that is not UTF-8. Nothing here stores one.
    Bytes(Vec<u8>),
    /// A number.
    Integer(i64),
    /// Several replies.
    Array(Vec<Reply>),
    /// The command was refused, in Redis's words (`WRONGTYPE …`).
    Error(String),
}

impl Reply {
    /// The reply to a command that has nothing to say.
    pub fn ok() -> Self {
        Self::Text("OK".to_owned())
    }

    /// A string; what is no UTF-8 is kept as bytes.
    pub fn string(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }

    /// The reply to a `SCAN`: where to go on, 0 at the end, and some keys.
    pub fn scanned(next: u64, keys: Vec<Self>) -> Self {
        Self::Array(vec![Self::Text(next.to_string()), Self::Array(keys)])
    }

    /// What a `SCAN` found, likewise. None when it is no reply to one.
    pub fn into_scanned(self) -> Option<(u64, Vec<Self>)> {
        let Self::Array(parts) = self else { return None };
        let mut parts = parts.into_iter();
        match (parts.next(), parts.next(), parts.next()) {
            (Some(Self::Text(next)), Some(Self::Array(keys)), None) => {
                Some((next.parse().ok()?, keys))
            }
            _ => None,
        }
    }
}

/// Why arguments are not a command, in Redis's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(pub String);

impl CommandError {
    fn new(message: &str) -> Self {
        Self(format!("ERR {message}"))
    }

    fn arity(name: &str) -> Self {
        Self(format!("ERR wrong number of arguments for '{name}' command"))
    }

    /// What is said of an argument or a value that should be a number.
    pub fn not_an_integer() -> Self {
        Self::new("value is not an integer or out of range")
    }

    fn expire_time(name: &str) -> Self {
        Self(format!("ERR invalid expire time in '{name}' command"))
    }
}

impl<'a> Command<'a> {
    /// `GET key`
    pub fn get(key: &'a str) -> Self {
        Self::Get(key.into())
    }

    /// What writes an entry as Dynamiq does: `SETEX` with a ttl, `SET` without.
    pub fn store(key: &'a str, value: &'a str, ttl: Option<u64>) -> Self {
        let (key, value) = (key.into(), value.into());
        match ttl {
            Some(seconds) => Self::SetEx { key, seconds, value },
            None => Self::Set { key, value, expiry: None, if_absent: false },
        }
    }

    /// The key that the command is about; for several the first.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Get(key) | Self::PTtl(key) => Some(key),
            Self::Set { key, .. }
            | Self::SetEx { key, .. }
            | Self::IncrBy { key, .. }
            | Self::CompareAndDelete { key, .. }
            | Self::CompareAndExpire { key, .. } => Some(key),
            Self::Del(keys) | Self::MGet(keys) | Self::Await { keys, .. } => {
                keys.first().map(|key| &**key)
            }
            Self::Scan { .. } | Self::Ping(_) => None,
        }
    }

    /// Name and arguments as they go over the wire.
    pub fn args(&self) -> Vec<Cow<'_, str>> {
        let text = |text: &'static str| Cow::Borrowed(text);
        match self {
            Self::Get(key) => vec![text("GET"), Cow::Borrowed(key)],
            Self::Set { key, value, expiry, if_absent } => {
                let mut args = vec![text("SET"), Cow::Borrowed(&**key), Cow::Borrowed(&**value)];
                match expiry {
                    Some(Expiry::Seconds(n)) => args.extend([text("EX"), n.to_string().into()]),
                    Some(Expiry::Milliseconds(n)) => {
                        args.extend([text("PX"), n.to_string().into()])
                    }
                    None => {}
                }
                if *if_absent {
                    args.push(text("NX"));
                }
                args
            }
            Self::SetEx { key, seconds, value } => vec![
                text("SETEX"),
                Cow::Borrowed(key),
                seconds.to_string().into(),
                Cow::Borrowed(value),
            ],
            Self::Del(keys) => named("DEL", keys),
            Self::MGet(keys) => named("MGET", keys),
            Self::Await { milliseconds, keys } => {
                let mut args = named("EDGEMEMO.AWAIT", keys);
                args.insert(1, milliseconds.to_string().into());
                args
            }
            Self::CompareAndDelete { key, expected } => {
                let (key, expected) = (Cow::Borrowed(&**key), Cow::Borrowed(&**expected));
                vec![text("EVAL"), text(COMPARE_AND_DELETE), text("1"), key, expected]
            }
            Self::CompareAndExpire { key, expected, milliseconds } => {
                let (key, expected) = (Cow::Borrowed(&**key), Cow::Borrowed(&**expected));
                let milliseconds = milliseconds.to_string().into();
                vec![text("EVAL"), text(COMPARE_AND_EXPIRE), text("1"), key, expected, milliseconds]
            }
            Self::PTtl(key) => vec![text("PTTL"), Cow::Borrowed(key)],
            Self::IncrBy { key, by } => {
                vec![text("INCRBY"), Cow::Borrowed(key), by.to_string().into()]
            }
            Self::Scan { cursor, pattern, count } => {
                let mut args = vec![text("SCAN"), cursor.to_string().into()];
                if let Some(pattern) = pattern {
                    args.extend([text("MATCH"), Cow::Borrowed(&**pattern)]);
                }
                if let Some(count) = count {
                    args.extend([text("COUNT"), count.to_string().into()]);
                }
                args
            }
            Self::Ping(message) => std::iter::once(text("PING"))
                .chain(message.iter().map(|message| Cow::Borrowed(&**message)))
                .collect(),
        }
    }
}

/// A command by its name and some keys.
fn named<'a>(name: &'static str, keys: &'a [Cow<'_, str>]) -> Vec<Cow<'a, str>> {
    std::iter::once(Cow::Borrowed(name))
        .chain(keys.iter().map(|key| Cow::Borrowed(&**key)))
        .collect()
}
