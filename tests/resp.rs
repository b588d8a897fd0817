//! RESP over the system's sockets, with a real Redis: `cargo test --test resp`. It needs a
//! `redis-server`, so that `cargo test` alone leaves it out.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command as Program, Stdio};
use std::time::{Duration, Instant};

use edgememo::redis::connection::RedisConnection;
use edgememo::redis::memory::Memory;
use edgememo::redis::resp::{ByteStream, Dial, Resp};
use edgememo::redis::{Command, Expiry, Redis, RedisError, Reply};
use futures_executor::block_on;

const DEADLINE: Duration = Duration::from_secs(2);

/// Sockets of the system, from which so many bytes are read at once.
struct Sockets(usize);

struct Socket {
    stream: Option<TcpStream>,
    until: Instant,
    deadline: Duration,
    size: usize,
}

impl Dial for Sockets {
    type Stream = Socket;

    fn dial(&self, to: &RedisConnection, bytes: &[u8], deadline: Duration) -> Socket {
        let address: SocketAddr = format!("{}:{}", to.host, to.port).parse().unwrap();
        let until = Instant::now() + deadline;
        let mut stream = TcpStream::connect_timeout(&address, deadline).ok();
        if let Some(stream) = &mut stream {
            stream.write_all(bytes).unwrap();
        }
        Socket { stream, until, deadline, size: self.0 }
    }
}

impl ByteStream for Socket {
    async fn read(&mut self) -> Result<Vec<u8>, RedisError> {
        let stream = self.stream.as_mut().ok_or(RedisError::Unreachable)?;
        let left = self.until.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
        let mut bytes = vec![0; self.size];
        match stream.read(&mut bytes) {
            Ok(length) => bytes.truncate(length),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(RedisError::Timeout(self.deadline));
            }
            Err(_) => return Err(RedisError::Unreachable),
        }
        Ok(bytes)
    }
}

/// A Redis with a password, and a user `edge` who may read and nothing else.
struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Server {
    fn start() -> Self {
        let program = std::env::var("EDGEMEMO_REDIS_SERVER");
        let program = program.unwrap_or_else(|_| "redis-server".to_owned());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = Program::new(&program)
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; name it in EDGEMEMO_REDIS_SERVER"));
        let config = format!(
            "port {port}\nbind 127.0.0.1\nsave \"\"\nrequirepass secret\n\
             user edge on >secret ~my-app:* +get\n"
        );
        process.stdin.take().unwrap().write_all(config.as_bytes()).unwrap();
        let server = Self { process, port };
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "{program} does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn ask(
        &self,
        credentials: &str,
        db: &str,
        commands: &[Command<'_>],
    ) -> Result<Vec<Reply>, RedisError> {
        let url = format!("redis://{credentials}127.0.0.1:{}{db}", self.port);
        ask(&url, 4096, commands)
    }
}

fn ask(url: &str, size: usize, commands: &[Command<'_>]) -> Result<Vec<Reply>, RedisError> {
    let resp = Resp::new(Sockets(size), RedisConnection::from_url(url).unwrap());
    block_on(resp.execute(commands, DEADLINE))
}

fn commands() -> Vec<Command<'static>> {
    let claim = |value: &'static str| Command::Set {
        key: "lease".into(),
        value: value.into(),
        expiry: Some(Expiry::Milliseconds(60_000)),
        if_absent: true,
    };
    vec![
        Command::Ping(None),
        Command::Ping(Some("é".into())),
        Command::get("nothing"),
        Command::store("k", "a\r\n$-1\r\né\0", None),
        Command::get("k"),
        Command::PTtl("k".into()),
        Command::PTtl("nothing".into()),
        Command::store("short", "", Some(60)),
        Command::get("short"),
        claim("a"),
        claim("b"),
        Command::Del(vec!["k".into(), "nothing".into(), "lease".into()]),
        Command::get("k"),
    ]
}

#[test]
fn a_redis_answers_as_the_store_in_memory_does_however_its_answer_is_split() {
    let server = Server::start();
    let expected = block_on(Memory::new().execute(&commands(), DEADLINE));
    for (db, size) in [4096, 1, 2, 3, 7].into_iter().enumerate() {
        let url = format!("redis://:secret@127.0.0.1:{}/{db}", server.port);
        assert_eq!(ask(&url, size, &commands()), expected, "{size} bytes at once");
    }
}

#[test]
fn databases_are_apart() {
    let server = Server::start();
    let stored = server.ask(":secret@", "/5", &[Command::store("k", "v", None)]);
    assert_eq!(stored, Ok(vec![Reply::ok()]));
    let get = [Command::get("k")];
    assert_eq!(server.ask(":secret@", "", &get), Ok(vec![Reply::Nil]));
    assert_eq!(server.ask("default:secret@", "/5", &get), Ok(vec![Reply::Text("v".to_owned())]));
    assert_eq!(server.ask(":secret@", "/16", &get), Err(RedisError::Database));
}

#[test]
fn credentials_and_rights_are_told_apart() {
    let server = Server::start();
    let (mine, other) = ([Command::get("my-app:k")], [Command::get("k")]);
    for credentials in ["", ":wrong@", "nobody:secret@"] {
        assert_eq!(server.ask(credentials, "", &mine), Err(RedisError::Unauthorized));
        assert_eq!(server.ask(credentials, "/1", &mine), Err(RedisError::Unauthorized));
    }
    assert_eq!(server.ask("edge:secret@", "", &mine), Ok(vec![Reply::Nil]));
    assert_eq!(server.ask("edge:secret@", "/1", &mine), Err(RedisError::Database));
    let refused = server.ask("edge:secret@", "", &other).unwrap();
    assert!(matches!(&refused[..], [Reply::Error(error)] if error.starts_with("NOPERM")));
}

#[test]
fn a_redis_that_is_not_there_or_says_nothing_is_told_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let connection = RedisConnection::from_url(&url).unwrap();
    let deadline = Duration::from_millis(50);
    let resp = Resp::new(Sockets(16), connection);
    let get = || block_on(resp.execute(&[Command::get("k")], deadline));
    assert_eq!(get(), Err(RedisError::Timeout(deadline)));
    drop(listener);
    assert_eq!(get(), Err(RedisError::Unreachable));
}
