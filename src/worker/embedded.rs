//! The embedded store: one of the Durable Objects that share the keys, with its rows in SQLite.
//!
//! It answers the commands of [`crate::redis::engine`] in Upstash's REST dialect and is reached
//! only through its binding, so it asks for no token. Rows that have expired are not there, and an
//! hourly alarm removes them; over the byte cap the oldest go.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use serde::Deserialize;
use worker::{
    DurableObject, Env, Error, Method, Request, Response, Result, SqlStorage, SqlStorageValue,
    State, durable_object,
};

use super::settings;
use crate::clock;
use crate::redis::engine::{self, Row, Rows};
use crate::redis::{Command, Reply, dialect};

/// What a shard may hold, in bytes.
pub(super) const MAX_BYTES_SETTING: &str = "EMBEDDED_SHARD_MAX_BYTES";
/// 64 MiB a shard, 1 GiB in all.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
const SWEEP_INTERVAL: Duration = Duration::from_secs(3600);
/// What a row costs beside its key and its value, roughly.
const ROW_OVERHEAD: usize = 64;

/// `position` grows with every write, which makes it the age; `bytes` is what the cap counts.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entries (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        value TEXT NOT NULL,
        expires_at INTEGER,
        bytes INTEGER NOT NULL
    );
    CREATE INDEX IF NOT EXISTS entries_by_expiry ON entries (expires_at)
        WHERE expires_at IS NOT NULL;
";

/// A shard.
#[durable_object(alarm)]
pub struct EmbeddedShard {
    state: State,
    table: RefCell<Result<Table, String>>,
    /// Whether a sweep is known to be scheduled.
    sweep_scheduled: Cell<bool>,
}

impl DurableObject for EmbeddedShard {
    fn new(state: State, env: Env) -> Self {
        let max_bytes = settings::number(&env, MAX_BYTES_SETTING);
        let table = max_bytes.map_err(|problem| problem.detail).and_then(|max_bytes| {
            Table::open(state.storage().sql(), max_bytes.unwrap_or(MAX_BYTES))
                .map_err(|error| error.to_string())
        });
        Self { state, table: RefCell::new(table), sweep_scheduled: Cell::new(false) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if request.method() != Method::Post {
            return error("ERR only POST is known here", 405);
        }
        let pipeline = request.path() == "/pipeline";
        let body = request.text().await?;
        let Ok(commands) = dialect::read_request(&body, pipeline) else {
            return error("ERR the body is not JSON", 400);
        };
        let (replies, can_expire) = match &mut *self.table.borrow_mut() {
            Ok(table) => {
                let replies: Vec<_> = commands.into_iter().map(|args| table.run(args)).collect();
                (replies, std::mem::take(&mut table.wrote_expiring))
            }
            Err(reason) => return error(&format!("ERR {reason}"), 500),
        };
        if can_expire {
            self.schedule_sweep().await?;
        }
        match (pipeline, replies.first()) {
            (false, Some(Reply::Error(message))) => error(message, 400),
            (false, Some(reply)) => json(dialect::write_reply(reply), 200),
            _ => json(dialect::write_replies(&replies), 200),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.sweep_scheduled.set(false);
        let more = match &mut *self.table.borrow_mut() {
            Ok(table) => {
                table.remove_expired(clock::now_ms())?;
                table.holds_expiring()?
            }
            Err(_) => false,
        };
        if more {
            self.schedule_sweep().await?;
        }
        Response::empty()
    }
}

impl EmbeddedShard {
    /// Sets the alarm, while there is something that can expire: an idle shard sleeps.
    async fn schedule_sweep(&self) -> Result<()> {
        if self.sweep_scheduled.replace(true) {
            return Ok(());
        }
        let storage = self.state.storage();
        if storage.get_alarm().await?.is_none() {
            storage.set_alarm(SWEEP_INTERVAL).await?;
        }
        Ok(())
    }
}

fn error(message: &str, status: u16) -> Result<Response> {
    json(dialect::write_reply(&Reply::Error(message.to_owned())), status)
}

fn json(body: String, status: u16) -> Result<Response> {
    let mut response = Response::ok(body)?.with_status(status);
    response.headers_mut().set("content-type", "application/json")?;
    Ok(response)
}

/// The rows of a shard.
struct Table {
    sql: SqlStorage,
    max_bytes: u64,
    /// The sum over all rows, kept here so that a write need not add them up.
    bytes: u64,
    /// Whether a row with an expiry has been written since somebody looked.
    wrote_expiring: bool,
}

impl Table {
    fn open(sql: SqlStorage, max_bytes: u64) -> Result<Self> {
        #[derive(Deserialize)]
        struct Sum {
            bytes: f64,
        }
        sql.exec(SCHEMA, None)?;
        let sum: Sum = sql.exec("SELECT TOTAL(bytes) AS bytes FROM entries", None)?.one()?;
        Ok(Self { sql, max_bytes, bytes: sum.bytes as u64, wrote_expiring: false })
    }

    fn run(&mut self, args: Option<Vec<String>>) -> Reply {
        let Some(args) = args else {
            return Reply::Error("ERR a command is an array of strings and numbers".to_owned());
        };
        match Command::parse(args.into_iter().map(Into::into).collect()) {
            Ok(command) => engine::execute(self, &command, clock::now_ms())
                .unwrap_or_else(|error| Reply::Error(format!("ERR {error}"))),
            Err(error) => Reply::Error(error.0),
        }
    }

    fn remove_expired(&mut self, now: u64) -> Result<()> {
        self.remove_where("expires_at <= ?", vec![integer(now)])
    }

    fn holds_expiring(&self) -> Result<bool> {
        let query = "SELECT 1 FROM entries WHERE expires_at IS NOT NULL LIMIT 1";
        Ok(self.sql.exec(query, None)?.raw().next().transpose()?.is_some())
    }

    /// Removes rows, and what they counted.
    fn remove_where(&mut self, condition: &str, bindings: Vec<SqlStorageValue>) -> Result<()> {
        let removed = self
            .sql
            .exec(&format!("DELETE FROM entries WHERE {condition} RETURNING bytes"), bindings)?;
        for row in removed.raw() {
            if let Some(SqlStorageValue::Integer(bytes)) = row?.first() {
                self.bytes = self.bytes.saturating_sub(u64::try_from(*bytes).unwrap_or(0));
            }
        }
        Ok(())
    }

    /// Makes room: what has expired goes first, then the oldest row, again and again.
    fn evict(&mut self) -> Result<()> {
        if self.bytes > self.max_bytes {
            self.remove_expired(clock::now_ms())?;
        }
        while self.bytes > self.max_bytes {
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
                Ok(Some(Row { value, expires_at: expires_at.and_then(milliseconds) }))
            }
            _ => Ok(None),
        }
    }

    fn expiry(&mut self, key: &str) -> Result<Option<Option<u64>>> {
        let query = "SELECT expires_at FROM entries WHERE key = ?";
        let row = self.sql.exec(query, vec![key.into()])?.raw().next().transpose()?;
        Ok(row.map(|row| row.into_iter().next().and_then(milliseconds)))
    }

    fn put(&mut self, key: &str, value: &str, expires_at: Option<u64>) -> Result<()> {
        self.remove(key)?;
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
        self.bytes = self.bytes.saturating_add(bytes);
        self.wrote_expiring |= expires_at.is_some();
        self.evict()
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

fn milliseconds(value: SqlStorageValue) -> Option<u64> {
    match value {
        SqlStorageValue::Integer(number) => u64::try_from(number).ok(),
        // JavaScript has one kind of number.
        SqlStorageValue::Float(number) => Some(number as u64),
        _ => None,
    }
}
