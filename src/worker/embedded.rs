//! The embedded store: one of the Durable Objects that share the keys, with its rows in SQLite.
//!
//! It answers the commands of [`crate::redis::engine`] in Upstash's REST dialect and is reached
//! only through its binding, so it asks for no token. Rows that have expired are not there, and an
//! hourly alarm removes them; over the byte cap the oldest go.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::future::select;

use worker::{
    DurableObject, Env, Error, Method, Request, Response, Result, SqlStorage, SqlStorageValue,
    State, durable_object,
};

use super::settings;
use super::timer::JsTimer;
use crate::clock::{self, Timer};
use crate::redis::dialect::{self, Encoding};
use crate::redis::engine::{self, Row, Rows, Scanned};
use crate::redis::glob::after_prefix;
use crate::redis::waiters::Waiters;
use crate::redis::{Command, Reply};

/// What a shard may hold, in bytes.
pub(super) const MAX_BYTES_SETTING: &str = "EMBEDDED_SHARD_MAX_BYTES";
/// 64 MiB a shard, 1 GiB in all.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How often expired rows are removed, in milliseconds.
pub(super) const SWEEP_INTERVAL_SETTING: &str = "EMBEDDED_SWEEP_INTERVAL_MS";
/// An hour.
const SWEEP_INTERVAL_MS: u64 = 3_600_000;
/// What a row costs beside its key and its value, roughly.
const ROW_OVERHEAD: usize = 64;

/// `position` grows with every write, which makes it the age; `bytes` is what the cap counts.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entries (
        position INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        expires_at INTEGER,
        bytes INTEGER NOT NULL,
        value TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS entries_by_expiry ON entries (expires_at)
        WHERE expires_at IS NOT NULL;
";

/// A shard.
#[durable_object(alarm)]
pub struct EmbeddedShard {
    state: State,
    table: RefCell<Result<Table, String>>,
    /// When the next sweep is, as far as it is known, in milliseconds since 1970.
    sweep_at: Cell<Option<u64>>,
    sweep_interval_ms: u64,
    /// Who waits for a key to go.
    waiting: RefCell<Waiters>,
}

impl DurableObject for EmbeddedShard {
    fn new(state: State, env: Env) -> Self {
        let max_bytes = settings::number(&env, MAX_BYTES_SETTING);
        let table = max_bytes.map_err(|problem| problem.detail).and_then(|max_bytes| {
            Table::open(state.storage().sql(), max_bytes.unwrap_or(MAX_BYTES))
                .map_err(|error| error.to_string())
        });
        let sweep_interval_ms = settings::number(&env, SWEEP_INTERVAL_SETTING);
        Self {
            state,
            table: RefCell::new(table),
            sweep_at: Cell::new(None),
            sweep_interval_ms: sweep_interval_ms.ok().flatten().unwrap_or(SWEEP_INTERVAL_MS),
            waiting: RefCell::default(),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if request.method() != Method::Post {
            return error("ERR only POST is known here", 405);
        }
        let pipeline = request.path() == "/pipeline";
        let encoding = request.headers().get(dialect::ENCODING_HEADER)?;
        let encoding = Encoding::from_header(encoding.as_deref());
        let body = request.text().await?;
        let Ok(commands) = dialect::read_request(&body, pipeline) else {
            return error("ERR the body is not JSON", 400);
        };
        let commands: Vec<_> = commands.into_iter().map(parse).collect();
        if let [Ok(Command::Await { milliseconds, keys })] = commands.as_slice() {
            self.until_gone(keys.get(1), *milliseconds).await;
        }
        let (replies, can_expire, gone) = match &mut *self.table.borrow_mut() {
            Ok(table) => {
                let replies: Vec<_> = commands.into_iter().map(|args| table.run(args)).collect();
                let can_expire = std::mem::take(&mut table.wrote_expiring);
                (replies, can_expire, std::mem::take(&mut table.deleted))
            }
            Err(reason) => return error(&format!("ERR {reason}"), 500),
        };
        gone.iter().for_each(|key| self.wake(key));
        if can_expire {
            self.schedule_sweep(None).await;
        }
        match (pipeline, replies.first()) {
            (false, Some(Reply::Error(message))) => error(message, 400),
            (false, Some(reply)) => json(dialect::write_reply(reply, encoding), 200),
            _ => json(dialect::write_replies(&replies, encoding), 200),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.sweep_at.set(None);
        let next = match &mut *self.table.borrow_mut() {
            Ok(table) => {
                table.remove_expired(clock::now_ms())?;
                table.next_expiry()?
            }
            Err(_) => None,
        };
        if next.is_some() {
            self.schedule_sweep(next).await;
        }
        Response::empty()
    }
}

impl EmbeddedShard {
    /// Waits until a key is not there, for some milliseconds at most.
    async fn until_gone(&self, key: Option<&Cow<'_, str>>, milliseconds: u64) {
        let Some(key) = key else { return };
        let until = clock::now_ms().saturating_add(milliseconds);
        loop {
            let expires_at = match &mut *self.table.borrow_mut() {
                Ok(table) => match table.expiry(key) {
                    Ok(Some(expires_at)) => expires_at,
                    Ok(None) | Err(_) => return,
                },
                Err(_) => return,
            };
            let (now, end) = (clock::now_ms(), expires_at.unwrap_or(until).min(until));
            if end <= now {
                return;
            }
            let mut is_registered = false;
            let woken = pin!(poll_fn(|context| {
                if std::mem::replace(&mut is_registered, true) {
                    return Poll::Ready(());
                }
                self.waiting.borrow_mut().add(key, end, now, context.waker().clone());
                Poll::Pending
            }));
            select(woken, pin!(JsTimer.sleep(Duration::from_millis(end - now)))).await;
        }
    }

    /// Wakes those who wait for a key to go.
    fn wake(&self, gone: &str) {
        let woken = self.waiting.borrow_mut().take(gone);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Sets the alarm, while there is something that can expire: an idle shard sleeps. It rings
    /// after an interval, or when the next row expires if that is later; a write brings it forward
    /// again. A sweep that cannot be scheduled costs space, not answers: the next write tries again.
    async fn schedule_sweep(&self, next_expiry: Option<u64>) {
        let now = clock::now_ms();
        let at = now.saturating_add(self.sweep_interval_ms).max(next_expiry.unwrap_or(0));
        let is_soon_enough = |set: u64| set <= at;
        if self.sweep_at.get().is_some_and(is_soon_enough) {
            return;
        }
        let storage = self.state.storage();
        let set = match storage.get_alarm().await {
            Ok(set) => set.and_then(|set| u64::try_from(set).ok()),
            Err(_) => return,
        };
        if set.is_some_and(is_soon_enough) {
            self.sweep_at.set(set);
        } else if storage.set_alarm(Duration::from_millis(at - now)).await.is_ok() {
            self.sweep_at.set(Some(at));
        }
    }
}

fn error(message: &str, status: u16) -> Result<Response> {
    json(dialect::write_reply(&Reply::Error(message.to_owned()), Encoding::Plain), status)
}

fn json(body: String, status: u16) -> Result<Response> {
    let mut response = Response::ok(body)?.with_status(status);
    response.headers_mut().set("content-type", "application/json")?;
    Ok(response)
}

/// A command, or the reply to what is none.
fn parse(args: Option<Vec<String>>) -> Result<Command<'static>, Reply> {
    let Some(args) = args else {
        return Err(Reply::Error("ERR a command is an array of strings and numbers".to_owned()));
    };
    let args = args.into_iter().map(Cow::Owned).collect();
    Command::parse(args).map_err(|error| Reply::Error(error.0))
}

/// The rows of a shard.
struct Table {
    sql: SqlStorage,
    max_bytes: u64,
    /// The sum over all rows, once somebody needed it.
    bytes: Option<u64>,
    /// Whether a row with an expiry has been written since somebody looked.
    wrote_expiring: bool,
    /// What somebody asked to have deleted since somebody looked.
    deleted: Vec<String>,
}

impl Table {
    fn open(sql: SqlStorage, max_bytes: u64) -> Result<Self> {
        sql.exec(SCHEMA, None)?;
        Ok(Self { sql, max_bytes, bytes: None, wrote_expiring: false, deleted: Vec::new() })
    }

    fn run(&mut self, command: Result<Command<'_>, Reply>) -> Reply {
        let command = match command {
            Ok(command) => command,
            Err(refused) => return refused,
        };
        let reply = engine::execute(self, &command, clock::now_ms())
            .unwrap_or_else(|error| Reply::Error(format!("ERR {error}")));
        match command {
            Command::Del(keys) => self.deleted.extend(keys.into_iter().map(Cow::into_owned)),
            Command::CompareAndDelete { key, .. } => self.deleted.push(key.into_owned()),
            _ => {}
        }
        reply
    }

    fn remove_expired(&mut self, now: u64) -> Result<()> {
        self.remove_where("expires_at <= ?", vec![integer(now)])
    }

    /// When the next row expires, in milliseconds since 1970.
    fn next_expiry(&self) -> Result<Option<u64>> {
        let query = "SELECT MIN(expires_at) FROM entries WHERE expires_at IS NOT NULL";
        let row = self.sql.exec(query, None)?.raw().next().transpose()?;
        Ok(row.and_then(|row| row.into_iter().next()).and_then(unsigned))
    }

    /// The sum of what all rows count; adding it up is put off until something is written.
    fn bytes(&mut self) -> Result<u64> {
        if let Some(bytes) = self.bytes {
            return Ok(bytes);
        }
        let query = "SELECT CAST(TOTAL(bytes) AS INTEGER) FROM entries";
        let row = self.sql.exec(query, None)?.raw().next().transpose()?;
        let bytes = row.and_then(|row| row.into_iter().next()).and_then(unsigned).unwrap_or(0);
        self.bytes = Some(bytes);
        Ok(bytes)
    }

    /// Removes rows, and what they counted.
    fn remove_where(&mut self, condition: &str, bindings: Vec<SqlStorageValue>) -> Result<()> {
        let removed = self
            .sql
            .exec(&format!("DELETE FROM entries WHERE {condition} RETURNING bytes"), bindings)?;
        for row in removed.raw() {
            let freed = row?.into_iter().next().and_then(unsigned).unwrap_or(0);
            self.bytes = self.bytes.map(|bytes| bytes.saturating_sub(freed));
        }
        Ok(())
    }

    /// Makes room: what has expired goes first, then the oldest row, again and again.
    fn evict(&mut self) -> Result<()> {
        if self.bytes()? > self.max_bytes {
            self.remove_expired(clock::now_ms())?;
        }
        while self.bytes()? > self.max_bytes {
            let before = self.bytes;
            self.remove_where("position = (SELECT MIN(position) FROM entries)", Vec::new())?;
            if self.bytes == before {
                break;
            }
        }
        Ok(())
    }
}

impl Rows for Table {
    type Error = Error;

    fn get(&mut self, key: &str) -> Result<Option<Row>> {
        let query = "SELECT value, expires_at FROM entries WHERE key = ?";
        let row = self.sql.exec(query, vec![key.into()])?.raw().next().transpose()?;
        let Some(row) = row else { return Ok(None) };
        let mut columns = row.into_iter();
        match (columns.next(), columns.next()) {
            (Some(SqlStorageValue::String(value)), expires_at) => {
                Ok(Some(Row { value, expires_at: expires_at.and_then(unsigned) }))
            }
            _ => Ok(None),
        }
    }

    fn expiry(&mut self, key: &str) -> Result<Option<Option<u64>>> {
        let query = "SELECT expires_at FROM entries WHERE key = ?";
        let row = self.sql.exec(query, vec![key.into()])?.raw().next().transpose()?;
        Ok(row.map(|row| row.into_iter().next().and_then(unsigned)))
    }

    fn put(&mut self, key: &str, value: &str, expires_at: Option<u64>) -> Result<()> {
        self.remove(key)?;
        let sum = self.bytes()?;
        let bytes = (key.len() + value.len() + ROW_OVERHEAD) as u64;
        self.sql.exec(
            "INSERT INTO entries (key, value, expires_at, bytes) VALUES (?, ?, ?, ?)",
            vec![
                key.into(),
                value.into(),
                expires_at.map_or(SqlStorageValue::Null, integer),
                integer(bytes),
            ],
        )?;
        self.bytes = Some(sum.saturating_add(bytes));
        self.wrote_expiring |= expires_at.is_some();
        self.evict()
    }

    /// `+position` keeps SQLite from walking the whole table: it goes through the range of keys.
    fn scan(&mut self, prefix: &str, behind: u64, count: u64) -> Result<Vec<Scanned>> {
        let end = after_prefix(prefix);
        let mut bindings = vec![prefix.into(), integer(behind)];
        let condition = match end {
            Some(end) => {
                bindings.push(end.as_str().into());
                "key >= ? AND +position > ? AND key < ?"
            }
            None => "key >= ? AND position > ?",
        };
        bindings.push(integer(count));
        let query = format!(
            "SELECT position, key, expires_at FROM entries WHERE {condition}
             ORDER BY position LIMIT ?"
        );
        let mut found = Vec::new();
        for row in self.sql.exec(&query, bindings)?.raw() {
            let mut columns = row?.into_iter();
            let position = columns.next().and_then(unsigned);
            if let (Some(position), Some(SqlStorageValue::String(key))) = (position, columns.next())
            {
                let expires_at = columns.next().and_then(unsigned);
                found.push(Scanned { position, key, expires_at });
            }
        }
        Ok(found)
    }

    /// A value that would push everything else out is refused.
    fn max_value_bytes(&self) -> usize {
        let share = usize::try_from(self.max_bytes / 2).unwrap_or(usize::MAX);
        share.min(engine::MAX_VALUE_BYTES)
    }

    fn remove(&mut self, key: &str) -> Result<()> {
        self.remove_where("key = ?", vec![key.into()])
    }
}

/// SQLite's integers reach JavaScript as doubles, which are exact up to 2^53: beyond any clock.
fn integer(number: u64) -> SqlStorageValue {
    const MAX_SAFE: u64 = (1 << 53) - 1;
    SqlStorageValue::Integer(number.min(MAX_SAFE) as i64)
}

fn unsigned(value: SqlStorageValue) -> Option<u64> {
    match value {
        SqlStorageValue::Integer(number) => u64::try_from(number).ok(),
        _ => None,
    }
}
