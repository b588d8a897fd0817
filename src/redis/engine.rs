//! What the commands do to a table of rows: Redis's meaning, over any table.

use super::{Command, Reply};

/// Longest value that is taken, in bytes: SQLite in a Durable Object refuses rows over 2 MB.
pub const MAX_VALUE_BYTES: usize = 1_900_000;

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What is stored.
    pub value: String,
    /// Milliseconds since 1970 from which on the row is no more; None: never.
    pub expires_at: Option<u64>,
}

/// A table of rows by key.
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
