//! One store in several parts: which part a key is in, and how commands are shared among them.
//!
//! Commands for one shard that follow one another go to it in one request. What concerns several shards
//! goes to one after the other, within one deadline; the cache does so only to list and to delete, since
//! all that belongs to an entry is in its shard.

use std::borrow::Cow;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Command, Redis, RedisError, Reply};
use crate::clock;

/// How many shards there are. Changing it moves every entry.
pub const SHARDS: u8 = 16;

/// What the keys of the cache's own records begin with; then comes the SHA-256 of an entry's key, in
/// hexadecimal, and `:`.
const RECORD_PREFIX: &str = "edgememo:";

/// The shard of a key: by its hash, so that a namespace spreads over all of them. What is kept about an
/// entry (`edgememo:{SHA-256 of its key}:…`) is in the shard of the entry.
pub fn shard_of(key: &str) -> u8 {
    let byte = record_of(key).unwrap_or_else(|| Sha256::digest(key).first().copied());
    byte.map_or(0, |byte| byte % SHARDS)
}

/// The first byte of the hash in the key of a record. None when the key is not of one.
fn record_of(key: &str) -> Option<Option<u8>> {
    let hash = key.strip_prefix(RECORD_PREFIX)?.get(..65)?.strip_suffix(':')?;
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    hash.bytes().all(is_digit).then(|| u8::from_str_radix(hash.get(..2)?, 16).ok())
}

/// The shards of a store.
pub trait Shards {
    /// One of them.
    type Shard: Redis;

    /// A shard by its number, below [`SHARDS`].
    fn shard(&self, number: u8) -> Result<Self::Shard, RedisError>;
}

/// A store in several parts.
#[derive(Debug)]
pub struct Sharded<S>(S);

impl<S: Shards> Sharded<S> {
    /// The store that has these shards.
    pub fn new(shards: S) -> Self {
        Self(shards)
    }
}

impl<S: Shards> Redis for Sharded<S> {
    async fn execute(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError> {
        let started = clock::now_ms();
        let mut replies = Vec::with_capacity(commands.len());
        for run in commands.chunk_by(|a, b| home(a).is_some() && home(a) == home(b)) {
            let Some(first) = run.first() else { continue };
            let mut pending = Pending::new(first);
            // A run for one shard goes as it is; the parts of a command go one after the other.
            loop {
                let (shard, part) = match home(first) {
                    Some(shard) => (shard, None),
                    None => match pending.next_part(first) {
                        Some((shard, part)) => (shard, Some([part])),
                        None => break replies.push(pending.reply),
                    },
                };
                let spent = Duration::from_millis(clock::now_ms().saturating_sub(started));
                let left = deadline.checked_sub(spent).ok_or(RedisError::Timeout(deadline))?;
                let asked = part.as_ref().map_or(run, |part| part);
                let found = self.0.shard(shard)?.execute(asked, left).await?;
                if part.is_none() {
                    break replies.extend(found);
                }
                pending.add(first, shard, found)?;
            }
        }
        Ok(replies)
    }
}

/// The shard that a command goes to as it is; None when it has to be taken apart.
fn home(command: &Command<'_>) -> Option<u8> {
    match command {
        Command::Scan { .. } => None,
        Command::Del(keys) | Command::MGet(keys) => {
            let first = keys.first().map(|key| shard_of(key))?;
            keys.iter().all(|key| shard_of(key) == first).then_some(first)
        }
        command => Some(command.key().map_or(0, shard_of)),
    }
}

/// A command that was taken apart, and what is known of its reply.
struct Pending {
    /// The shard that is looked at next.
    shard: u8,
    reply: Reply,
}

impl Pending {
    fn new(command: &Command<'_>) -> Self {
        let (shard, reply) = match command {
            Command::Scan { cursor, .. } => (split_cursor(*cursor).0, Reply::Nil),
            Command::MGet(keys) => (0, Reply::Array(keys.iter().map(|_| Reply::Nil).collect())),
            _ => (0, Reply::Integer(0)),
        };
        Self { shard, reply }
    }

    /// What is asked next, and of which shard. None when there is nothing more to ask.
    fn next_part<'a>(&mut self, command: &'a Command<'_>) -> Option<(u8, Command<'a>)> {
        while self.shard < SHARDS {
            let shard = self.shard;
            self.shard += 1;
            let of_shard = |keys: &'a [Cow<'_, str>]| -> Vec<Cow<'a, str>> {
                let own = keys.iter().filter(|key| shard_of(key) == shard);
                own.map(|key| Cow::Borrowed(&**key)).collect()
            };
            let part = match command {
                Command::Scan { cursor, pattern, count } => {
                    self.shard = SHARDS;
                    let pattern = pattern.as_deref().map(Cow::Borrowed);
                    Command::Scan { cursor: split_cursor(*cursor).1, pattern, count: *count }
                }
                Command::Del(keys) => Command::Del(of_shard(keys)),
                Command::MGet(keys) => Command::MGet(of_shard(keys)),
                _ => return None,
            };
            if !matches!(&part, Command::Del(keys) | Command::MGet(keys) if keys.is_empty()) {
                return Some((shard, part));
            }
        }
        None
    }

    /// Takes the reply of a shard. An error is the reply to the whole command.
    fn add(
        &mut self,
        command: &Command<'_>,
        shard: u8,
        found: Vec<Reply>,
    ) -> Result<(), RedisError> {
        let found = found.into_iter().next().ok_or(RedisError::BadReply)?;
        if matches!(found, Reply::Error(_)) {
            self.shard = SHARDS;
            self.reply = found;
            return Ok(());
        }
        match (command, &mut self.reply, found) {
            (Command::Scan { .. }, reply, found) => {
                let (row, keys) = found.into_scanned().ok_or(RedisError::BadReply)?;
                *reply = Reply::scanned(join_cursor(shard, row), keys);
            }
            (Command::MGet(keys), Reply::Array(values), Reply::Array(found)) => {
                let places = keys.iter().zip(values).filter(|(key, _)| shard_of(key) == shard);
                places.zip(found).for_each(|((_, value), found)| *value = found);
            }
            (_, Reply::Integer(sum), Reply::Integer(more)) => *sum = sum.saturating_add(more),
            _ => return Err(RedisError::BadReply),
        }
        Ok(())
    }
}

/// The shard and the row of a cursor.
fn split_cursor(cursor: u64) -> (u8, u64) {
    let shards = u64::from(SHARDS);
    (u8::try_from(cursor % shards).unwrap_or(0), cursor / shards)
}

/// Where to go on in a shard, or at the start of the next one when this one is done; 0 after the last.
fn join_cursor(shard: u8, row: u64) -> u64 {
    match row {
        0 if shard + 1 < SHARDS => u64::from(shard) + 1,
        0 => 0,
        row => row.saturating_mul(u64::from(SHARDS)).saturating_add(u64::from(shard)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use futures_executor::block_on;
    use proptest::prelude::*;

    use super::*;
    use crate::redis::memory::{Fault, Memory};

    struct Memories(Vec<Memory>);

    impl<'a> Shards for &'a Memories {
        type Shard = &'a Memory;

        fn shard(&self, number: u8) -> Result<&'a Memory, RedisError> {
            self.0.get(usize::from(number)).ok_or(RedisError::Unreachable)
        }
    }

    impl Redis for &Memory {
        async fn execute(
            &self,
            commands: &[Command<'_>],
            deadline: Duration,
        ) -> Result<Vec<Reply>, RedisError> {
            (**self).execute(commands, deadline).await
        }
    }

    fn memories() -> Memories {
        Memories((0..SHARDS).map(|_| Memory::new()).collect())
    }

    fn execute(redis: &impl Redis, commands: &[Command<'_>]) -> Vec<Reply> {
        block_on(redis.execute(commands, Duration::from_secs(1))).unwrap()
    }

    fn hex(key: &str) -> String {
        Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn what_is_kept_about_an_entry_is_in_its_shard() {
        for number in 0..100 {
            let entry = format!("my-app:summarizer:{number}");
            for record in ["lease", "failure"] {
                let key = format!("edgememo:{}:{record}", hex(&entry));
                assert_eq!(shard_of(&key), shard_of(&entry), "{key}");
            }
        }
    }

    #[test]
    fn the_shard_of_other_keys_is_by_their_own_hash() {
        let hash = hex("k");
        let hashed = |key: &str| Sha256::digest(key).first().unwrap() % SHARDS;
        for key in [
            String::new(),
            "edgememo:".to_owned(),
            format!("edgememo:{hash}"),
            format!("edgememo:{}:lease", hash.to_uppercase()),
            format!("edgememo:{}é:lease", "a".repeat(63)),
            format!("edgememo:{hash}0:lease"),
            format!("x:edgememo:{hash}:lease"),
        ] {
            assert_eq!(shard_of(&key), hashed(&key), "{key}");
        }
        // Frozen: entries were stored so.
        assert_eq!(["", "my-app:a", "ü"].map(shard_of), [3, 8, 0]);
    }

    #[test]
    fn keys_of_several_shards_are_found_and_deleted_by_one_command() {
        let shards = memories();
        let redis = Sharded::new(&shards);
        let keys: Vec<Cow<'_, str>> = (0..40).map(|number| format!("k{number}").into()).collect();
        let writes: Vec<_> = keys.iter().map(|key| Command::store(key, key, None)).collect();
        execute(&redis, &writes);
        let wanted: Vec<_> = keys.iter().rev().cloned().chain(["none".into()]).collect();
        let mut found: Vec<_> = keys.iter().rev().map(|key| Reply::Text(key.to_string())).collect();
        found.push(Reply::Nil);
        assert_eq!(execute(&redis, &[Command::MGet(wanted.clone())]), [Reply::Array(found)]);
        assert_eq!(execute(&redis, &[Command::Del(wanted)]), [Reply::Integer(40)]);
    }

    #[test]
    fn a_shard_that_refuses_or_fails_does_so_for_the_whole_command() {
        let shards = memories();
        let redis = Sharded::new(&shards);
        let keys: Vec<Cow<'_, str>> = (0..40).map(|number| format!("k{number}").into()).collect();
        let refusal = Reply::Error("ERR no".to_owned());
        shards.0[7].set_fault(Some(Fault::Answers(refusal.clone())));
        for command in [Command::MGet(keys.clone()), Command::Del(keys.clone())] {
            assert_eq!(execute(&redis, &[command]).first(), Some(&refusal));
        }
        shards.0[7].set_fault(Some(Fault::Fails(RedisError::Unreachable)));
        let result = block_on(redis.execute(&[Command::MGet(keys)], Duration::from_secs(1)));
        assert_eq!(result, Err(RedisError::Unreachable));
    }

    #[test]
    fn one_command_is_one_request_to_one_shard() {
        let shards = memories();
        let redis = Sharded::new(&shards);
        execute(&redis, &[Command::get("k")]);
        execute(&redis, &[Command::Del(vec!["k".into(), "k".into()])]);
        let asked: Vec<_> = shards.0.iter().map(Memory::take_journal).collect();
        let own = usize::from(shard_of("k"));
        assert_eq!(asked[own], ["GET", "DEL"]);
        assert_eq!(asked.concat().len(), 2);
    }

    #[test]
    fn a_scan_goes_through_all_shards_though_rows_come_and_go() {
        let shards = memories();
        let redis = Sharded::new(&shards);
        let keys: Vec<String> = (0..200).map(|number| format!("k:{number}")).collect();
        let writes: Vec<_> = keys.iter().map(|key| Command::store(key, "v", None)).collect();
        execute(&redis, &writes);
        execute(&redis, &[Command::store("other", "v", None)]);
        let (mut cursor, mut found, mut pages) = (0, BTreeSet::new(), 0);
        loop {
            let pattern = Some("k:*".into());
            let scan = Command::Scan { cursor, pattern, count: Some(3) };
            let (next, page) = execute(&redis, &[scan]).remove(0).into_scanned().unwrap();
            for key in page {
                let Reply::Text(key) = key else { panic!("{key:?}") };
                // What was seen is deleted, and something else is written again.
                execute(&redis, &[Command::Del(vec![(&*key).into()])]);
                execute(&redis, &[Command::store("other", &key, None)]);
                assert!(found.insert(key));
            }
            pages += 1;
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(found, keys.into_iter().collect());
        assert!(pages >= 200 / 3, "{pages}");
    }

    fn any_command() -> impl Strategy<Value = Command<'static>> {
        let key = || "[a-h]".prop_map(Cow::<'static, str>::Owned);
        prop_oneof![
            (key(), "[0-9]").prop_map(|(key, value)| Command::Set {
                key,
                value: value.into(),
                expiry: None,
                if_absent: false
            }),
            key().prop_map(Command::Get),
            (key(), -9..9_i64).prop_map(|(key, by)| Command::IncrBy { key, by }),
            proptest::collection::vec(key(), 1..6).prop_map(Command::Del),
            proptest::collection::vec(key(), 1..6).prop_map(Command::MGet),
        ]
    }

    proptest! {
        #[test]
        fn many_shards_answer_as_one_store_does(
            commands in proptest::collection::vec(any_command(), 1..20),
        ) {
            let shards = memories();
            let answers = execute(&Sharded::new(&shards), &commands);
            prop_assert_eq!(answers, execute(&Memory::new(), &commands));
        }
    }
}
