//! What only Redis's own protocol has: replies that are split anywhere, databases, users.

use edgememo::redis::connection::RedisConnection;
use edgememo::redis::memory::Memory;
use edgememo::redis::resp::Resp;
use edgememo::redis::{Command, Redis as _, RedisError, Reply};
use futures_executor::block_on;

use super::subjects::{Sockets, server};
use super::{PATIENCE, assert_refused, fresh, text};

/// The URL of the Redis with other credentials, and with that path.
fn url(credentials: Option<&str>, db: &str) -> String {
    let url = server("CONTRACT_RESP_URL");
    let (own, address) = url.trim_start_matches("redis://").rsplit_once('@').unwrap();
    let credentials = credentials.unwrap_or(own);
    format!("redis://{credentials}@{address}{db}")
}

fn ask(
    credentials: Option<&str>,
    db: &str,
    size: usize,
    commands: &[Command<'_>],
) -> Result<Vec<Reply>, RedisError> {
    let connection = RedisConnection::from_url(&url(credentials, db)).unwrap();
    block_on(Resp::new(Sockets(size), connection).execute(commands, PATIENCE))
}

pub fn a_redis_answers_as_the_memory_does_however_its_answer_is_split() {
    for size in [4096, 1, 2, 3, 7] {
        let (key, none) = (fresh("split"), fresh("none"));
        let commands = [
            Command::Ping(Some("é".into())),
            Command::store(&key, "a\r\n$-1\r\né\0", None),
            Command::get(&key),
            Command::PTtl(key.as_str().into()),
            Command::MGet(vec![key.as_str().into(), none.as_str().into()]),
            Command::IncrBy { key: key.as_str().into(), by: 1 },
            Command::Del(vec![key.as_str().into(), none.as_str().into()]),
            Command::get(&key),
        ];
        let expected = block_on(Memory::new().execute(&commands, PATIENCE));
        assert_eq!(ask(None, "", size, &commands), expected, "{size} bytes at once");
    }
}

pub fn databases_are_apart() {
    let key = fresh("database");
    let stored = ask(None, "/5", 4096, &[Command::store(&key, "v", Some(60))]);
    assert_eq!(stored, Ok(vec![Reply::ok()]));
    let get = [Command::get(&key)];
    assert_eq!(ask(None, "", 4096, &get), Ok(vec![Reply::Nil]));
    assert_eq!(ask(None, "/5", 4096, &get), Ok(vec![text("v")]));
    assert_eq!(ask(None, "/16", 4096, &get), Err(RedisError::Database));
}

/// `edge` may read `my-app:*`, and nothing else.
pub fn credentials_and_rights_are_told_apart() {
    let (mine, other) = ([Command::get("my-app:k")], [Command::get("k")]);
    for credentials in [":wrong", "nobody:secret"] {
        for db in ["", "/1"] {
            let answer = ask(Some(credentials), db, 4096, &mine);
            assert_eq!(answer, Err(RedisError::Unauthorized), "{credentials}");
        }
    }
    let edge = format!("edge:{}", server("CONTRACT_EDGE_PASSWORD"));
    assert_eq!(ask(Some(&edge), "", 4096, &mine), Ok(vec![Reply::Nil]));
    assert_eq!(ask(Some(&edge), "/1", 4096, &mine), Err(RedisError::Database));
    for refused in [other, [Command::store("my-app:k", "v", None)]] {
        assert_refused(&ask(Some(&edge), "", 4096, &refused).unwrap()[0], "NOPERM");
    }
}
