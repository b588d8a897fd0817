//! A Redis in memory, for tests: its clock is set by hand, and it can be told to fail.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;
use std::time::Duration;

use super::engine::{self, Row, Rows, Scanned};
use super::{Command, Redis, RedisError, Reply};

/// A store that lives as long as the value.
#[derive(Debug, Default)]
pub struct Memory {
    table: RefCell<Table>,
    now: Cell<u64>,
    journal: RefCell<Vec<String>>,
    fault: RefCell<Option<Fault>>,
}

/// The rows, each with its position.
#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<String, (u64, Row)>,
    last: u64,
}

/// What goes wrong from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Every call fails without having done anything.
    Fails(RedisError),
    /// Every call fails, but what it asked for was done.
    FailsButDone(RedisError),
    /// Every call takes as long as it may, and does nothing.
    Hangs,
    /// Every command is answered with this.
    Answers(Reply),
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.now.set(self.now.get().saturating_add(by));
    }

    /// Sets or clears what goes wrong.
    pub fn set_fault(&self, fault: Option<Fault>) {
        *self.fault.borrow_mut() = fault;
    }

    /// The names of the commands that came, in order, since the last call.
    pub fn take_journal(&self) -> Vec<String> {
        self.journal.take()
    }

    fn apply(&self, commands: &[Command<'_>]) -> Vec<Reply> {
        let mut table = self.table.borrow_mut();
        commands
            .iter()
            .map(|command| {
                let Ok(reply) = engine::execute(&mut *table, command, self.now.get());
                reply
            })
            .collect()
    }
}

impl Redis for Memory {
    async fn execute(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError> {
        let names = commands.iter().filter_map(|c| c.args().into_iter().next());
        self.journal.borrow_mut().extend(names.map(std::borrow::Cow::into_owned));
        match self.fault.borrow().clone() {
            None => Ok(self.apply(commands)),
            Some(Fault::Fails(error)) => Err(error),
            Some(Fault::FailsButDone(error)) => {
                self.apply(commands);
                Err(error)
            }
            Some(Fault::Hangs) => {
                self.advance(deadline);
                Err(RedisError::Timeout(deadline))
            }
            Some(Fault::Answers(reply)) => Ok(vec![reply; commands.len()]),
        }
    }
}

impl Rows for Table {
    type Error = Infallible;

    fn get(&mut self, key: &str) -> Result<Option<Row>, Infallible> {
        Ok(self.rows.get(key).map(|(_, row)| row.clone()))
    }

    fn expiry(&mut self, key: &str) -> Result<Option<Option<u64>>, Infallible> {
        Ok(self.rows.get(key).map(|(_, row)| row.expires_at))
    }

    fn put(&mut self, key: &str, value: &str, expires_at: Option<u64>) -> Result<(), Infallible> {
        self.last += 1;
        let row = Row { value: value.to_owned(), expires_at };
        self.rows.insert(key.to_owned(), (self.last, row));
        Ok(())
    }

    fn scan(&mut self, prefix: &str, behind: u64, count: u64) -> Result<Vec<Scanned>, Infallible> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let in_range =
            self.rows.range::<str, _>(from).take_while(|(key, _)| key.starts_with(prefix));
        let mut found: Vec<_> = in_range
            .filter(|(_, (position, _))| *position > behind)
            .map(|(key, (position, row))| Scanned {
                position: *position,
                key: key.clone(),
                expires_at: row.expires_at,
            })
            .collect();
        found.sort_unstable_by_key(|row| row.position);
        found.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(found)
    }

    fn remove(&mut self, key: &str) -> Result<(), Infallible> {
        self.rows.remove(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;
    use crate::redis::Expiry;

    fn run(memory: &Memory, command: Command<'_>) -> Reply {
        block_on(memory.execute(&[command], Duration::MAX)).unwrap().remove(0)
    }

    #[test]
    fn an_entry_is_gone_when_its_time_is_over() {
        let memory = Memory::new();
        assert_eq!(run(&memory, Command::store("k", "v", Some(2))), Reply::ok());
        memory.advance(Duration::from_millis(1999));
        assert_eq!(run(&memory, Command::get("k")), Reply::Text("v".to_owned()));
        assert_eq!(run(&memory, Command::PTtl("k".into())), Reply::Integer(1));
        memory.advance(Duration::from_millis(1));
        assert_eq!(run(&memory, Command::get("k")), Reply::Nil);
        assert_eq!(run(&memory, Command::PTtl("k".into())), Reply::Integer(-2));
        assert_eq!(run(&memory, Command::Del(vec!["k".into()])), Reply::Integer(0));
    }

    #[test]
    fn nx_writes_only_where_nothing_lives() {
        let memory = Memory::new();
        let claim = |value: &'static str| Command::Set {
            key: "k".into(),
            value: value.into(),
            expiry: Some(Expiry::Milliseconds(10)),
            if_absent: true,
        };
        assert_eq!(run(&memory, claim("a")), Reply::ok());
        assert_eq!(run(&memory, claim("b")), Reply::Nil);
        memory.advance(Duration::from_millis(10));
        assert_eq!(run(&memory, claim("c")), Reply::ok());
        assert_eq!(run(&memory, Command::get("k")), Reply::Text("c".to_owned()));
    }

    #[test]
    fn only_what_is_still_ones_own_is_deleted_or_kept_alive() {
        let memory = Memory::new();
        let delete = |expected: &'static str| Command::CompareAndDelete {
            key: "k".into(),
            expected: expected.into(),
        };
        let expire = |expected: &'static str| Command::CompareAndExpire {
            key: "k".into(),
            expected: expected.into(),
            milliseconds: 10,
        };
        assert_eq!(run(&memory, expire("mine")), Reply::Integer(0));
        run(&memory, Command::store("k", "mine", None));
        assert_eq!(run(&memory, expire("theirs")), Reply::Integer(0));
        assert_eq!(run(&memory, Command::PTtl("k".into())), Reply::Integer(-1));
        assert_eq!(run(&memory, expire("mine")), Reply::Integer(1));
        assert_eq!(run(&memory, Command::PTtl("k".into())), Reply::Integer(10));
        assert_eq!(run(&memory, delete("theirs")), Reply::Integer(0));
        let both = Command::MGet(vec!["k".into(), "other".into()]);
        let found = Reply::Array(vec![Reply::Text("mine".to_owned()), Reply::Nil]);
        assert_eq!(run(&memory, both), found);
        assert_eq!(run(&memory, delete("mine")), Reply::Integer(1));
        assert_eq!(run(&memory, delete("mine")), Reply::Integer(0));
    }

    #[test]
    fn a_number_grows_within_its_lifetime_and_only_a_number_does() {
        let memory = Memory::new();
        let grow = |by| Command::IncrBy { key: "n".into(), by };
        assert_eq!(run(&memory, grow(5)), Reply::Integer(5));
        run(&memory, Command::store("n", "-7", Some(2)));
        memory.advance(Duration::from_millis(500));
        assert_eq!(run(&memory, grow(2)), Reply::Integer(-5));
        assert_eq!(run(&memory, Command::PTtl("n".into())), Reply::Integer(1500));
        memory.advance(Duration::from_millis(1500));
        assert_eq!(run(&memory, grow(i64::MIN)), Reply::Integer(i64::MIN));
        let overflow = "ERR increment or decrement would overflow".to_owned();
        assert_eq!(run(&memory, grow(-1)), Reply::Error(overflow));
        for value in ["", "x", "1.5", " 1", "01", "9223372036854775808"] {
            run(&memory, Command::store("n", value, None));
            let error = "ERR value is not an integer or out of range".to_owned();
            assert_eq!(run(&memory, grow(1)), Reply::Error(error), "{value}");
            assert_eq!(run(&memory, Command::get("n")), Reply::Text(value.to_owned()));
        }
    }

    #[test]
    fn what_has_expired_is_in_no_scan() {
        let memory = Memory::new();
        run(&memory, Command::store("a:1", "v", Some(1)));
        run(&memory, Command::store("a:2", "v", None));
        run(&memory, Command::store("b:1", "v", None));
        memory.advance(Duration::from_secs(1));
        let scan = Command::Scan { cursor: 0, pattern: Some("a:*".into()), count: Some(100) };
        let keys = vec![Reply::Text("a:2".to_owned())];
        assert_eq!(run(&memory, scan), Reply::scanned(0, keys));
    }

    #[test]
    fn without_a_ttl_an_entry_stays() {
        let memory = Memory::new();
        run(&memory, Command::store("k", "v", Some(1)));
        run(&memory, Command::store("k", "w", None));
        memory.advance(Duration::from_secs(1 << 40));
        assert_eq!(run(&memory, Command::PTtl("k".into())), Reply::Integer(-1));
        assert_eq!(run(&memory, Command::get("k")), Reply::Text("w".to_owned()));
    }

    #[test]
    fn who_hangs_takes_the_time_there_is() {
        let memory = Memory::new();
        run(&memory, Command::store("k", "v", Some(1)));
        memory.set_fault(Some(Fault::Hangs));
        let second = Duration::from_secs(1);
        let answer = block_on(memory.execute(&[Command::get("k")], second));
        assert_eq!(answer, Err(RedisError::Timeout(second)));
        memory.set_fault(None);
        assert_eq!(run(&memory, Command::get("k")), Reply::Nil);
    }

    #[test]
    fn a_value_that_no_row_can_hold_is_refused_by_name() {
        let memory = Memory::new();
        let value = "v".repeat(engine::MAX_VALUE_BYTES + 1);
        let Reply::Error(error) = run(&memory, Command::store("k", &value, None)) else {
            panic!("taken")
        };
        assert!(error.starts_with("ERR value too large: 1900001 bytes"), "{error}");
        assert_eq!(run(&memory, Command::get("k")), Reply::Nil);
    }
}
