//! What the commands do to a table of rows: Redis's meaning, over any table.

use super::command::{CommandError, integer};
use super::glob::Pattern;
use super::{Command, Reply};

/// Longest value that is taken, in bytes: SQLite in a Durable Object refuses rows over 2 MB.
pub const MAX_VALUE_BYTES: usize = 1_900_000;

/// How many keys a `SCAN` looks at when it does not say, as in Redis.
const SCAN_COUNT: u64 = 10;
/// How many keys a `SCAN` looks at at most.
const MAX_SCAN_COUNT: u64 = 1000;

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What is stored.
    pub value: String,
    /// Milliseconds since 1970 from which on the row is no more; None: never.
    pub expires_at: Option<u64>,
}

/// A row that a scan came by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Greater than that of every row that was written earlier; at least 1.
    pub position: u64,
    /// Its key.
    pub key: String,
    /// As in [`Row`].
    pub expires_at: Option<u64>,
}

/// A table of rows by key. Each write gives its row a position after all others.
pub trait Rows {
    /// What can go wrong with it.
    type Error;

    /// The row at a key.
    fn get(&mut self, key: &str) -> Result<Option<Row>, Self::Error>;
    /// When the row at a key expires, without its value: None when there is no row.
    fn expiry(&mut self, key: &str) -> Result<Option<Option<u64>>, Self::Error>;
    /// Puts a row in the place of what is there.
    fn put(&mut self, key: &str, value: &str, expires_at: Option<u64>) -> Result<(), Self::Error>;
    /// Longest value that a row may have, in bytes.
    fn max_value_bytes(&self) -> usize {
        MAX_VALUE_BYTES
    }
    /// The first `count` rows behind a position whose keys begin with `prefix`, by position.
    fn scan(&mut self, prefix: &str, behind: u64, count: u64) -> Result<Vec<Scanned>, Self::Error>;
    /// Removes a row.
    fn remove(&mut self, key: &str) -> Result<(), Self::Error>;
}

/// Carries a command out at `now`, in milliseconds since 1970. Rows that have expired are not
/// there.
pub fn execute<R: Rows>(rows: &mut R, command: &Command<'_>, now: u64) -> Result<Reply, R::Error> {
    let live = |expires_at| is_live(expires_at, now);
    Ok(match command {
        Command::Get(key) => get(rows, key, now)?.map_or(Reply::Nil, |row| Reply::Text(row.value)),
        Command::Set { key, value, expiry, if_absent } => {
            if *if_absent && rows.expiry(key)?.is_some_and(live) {
                return Ok(Reply::Nil);
            }
            put(rows, key, value, expiry.and_then(super::Expiry::as_millis), now)?
        }
        Command::SetEx { key, seconds, value } => {
            put(rows, key, value, Some(seconds.saturating_mul(1000)), now)?
        }
        Command::Del(keys) => {
            let mut removed = 0;
            for key in keys {
                if rows.expiry(key)?.is_some_and(live) {
                    removed += 1;
                }
                rows.remove(key)?;
            }
            Reply::Integer(removed)
        }
        Command::PTtl(key) => Reply::Integer(match rows.expiry(key)? {
            Some(Some(at)) if at > now => i64::try_from(at - now).unwrap_or(i64::MAX),
            Some(None) => -1,
            _ => -2,
        }),
        // Whoever has a clock has waited.
        Command::MGet(keys) | Command::Await { keys, .. } => {
            let mut replies = Vec::with_capacity(keys.len());
            for key in keys {
                replies.push(get(rows, key, now)?.map_or(Reply::Nil, |row| Reply::Text(row.value)));
            }
            Reply::Array(replies)
        }
        Command::IncrBy { key, by } => increment(rows, key, *by, now)?,
        Command::Scan { cursor, pattern, count } => {
            scan(rows, *cursor, pattern.as_deref(), count.unwrap_or(SCAN_COUNT), now)?
        }
        Command::CompareAndDelete { key, expected } => {
            let is_it = get(rows, key, now)?.is_some_and(|row| row.value == *expected);
            if is_it {
                rows.remove(key)?;
            }
            Reply::Integer(is_it.into())
        }
        Command::CompareAndExpire { key, expected, milliseconds } => {
            match get(rows, key, now)?.filter(|row| row.value == *expected) {
                Some(row) => {
                    rows.put(key, &row.value, Some(now.saturating_add(*milliseconds)))?;
                    Reply::Integer(1)
                }
                None => Reply::Integer(0),
            }
        }
        Command::Ping(message) => Reply::Text(message.as_deref().unwrap_or("PONG").to_owned()),
    })
}

fn is_live(expires_at: Option<u64>, now: u64) -> bool {
    expires_at.is_none_or(|at| at > now)
}

fn get<R: Rows>(rows: &mut R, key: &str, now: u64) -> Result<Option<Row>, R::Error> {
    Ok(rows.get(key)?.filter(|row| is_live(row.expires_at, now)))
}

fn put<R: Rows>(
    rows: &mut R,
    key: &str,
    value: &str,
    lifetime: Option<u64>,
    now: u64,
) -> Result<Reply, R::Error> {
    let limit = rows.max_value_bytes();
    if value.len() > limit {
        return Ok(Reply::Error(format!(
            "ERR value too large: {} bytes, the embedded store takes up to {limit}",
            value.len()
        )));
    }
    rows.put(key, value, lifetime.map(|lifetime| now.saturating_add(lifetime)))?;
    Ok(Reply::ok())
}

fn increment<R: Rows>(rows: &mut R, key: &str, by: i64, now: u64) -> Result<Reply, R::Error> {
    let row = get(rows, key, now)?;
    let expires_at = row.as_ref().and_then(|row| row.expires_at);
    let Some(old) = row.map_or(Some(0), |row| integer(&row.value)) else {
        return Ok(Reply::Error(CommandError::not_an_integer().0));
    };
    let Some(new) = old.checked_add(by) else {
        return Ok(Reply::Error("ERR increment or decrement would overflow".to_owned()));
    };
    rows.put(key, &new.to_string(), expires_at)?;
    Ok(Reply::Integer(new))
}

/// The cursor is a position. A row that is written during a scan moves behind it and is met again; one
/// that stays is met once.
fn scan<R: Rows>(
    rows: &mut R,
    cursor: u64,
    pattern: Option<&str>,
    count: u64,
    now: u64,
) -> Result<Reply, R::Error> {
    let pattern = pattern.map(Pattern::parse);
    let prefix = pattern.as_ref().map(Pattern::prefix).unwrap_or_default();
    let count = count.min(MAX_SCAN_COUNT);
    let found = rows.scan(&prefix, cursor, count)?;
    let is_all = (found.len() as u64) < count;
    let next = found.last().filter(|_| !is_all).map_or(0, |row| row.position);
    let keys = found
        .into_iter()
        .filter(|row| is_live(row.expires_at, now))
        .filter(|row| pattern.as_ref().is_none_or(|pattern| pattern.matches(&row.key)))
        .map(|row| Reply::Text(row.key));
    Ok(Reply::scanned(next, keys.collect()))
}
