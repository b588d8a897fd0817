//! The transports that reach a server.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use edgememo::http::{Headers, HttpClient, HttpError, Request, Response, Secret};
use edgememo::redis::connection::RedisConnection;
use edgememo::redis::resp::Resp;
use edgememo::redis::rest::Rest;
use edgememo::redis::sharded::{Sharded, Shards};
use edgememo::redis::{Command, Redis, RedisError, Reply};
use futures_executor::block_on;

use super::http::Http;
use super::{Sockets, server};
use crate::contract::{PATIENCE, Subject, ToRedis};

/// A port at which connections are taken and nothing is ever said.
fn silent_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It listens as long as the process lives.
    std::mem::forget(listener);
    port
}

/// A port at which nothing listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Each command by a client in a thread of its own, all released at once.
fn race<R: Redis>(client: impl Fn() -> R + Sync, commands: Vec<Command<'static>>) -> Vec<Reply> {
    let start = Barrier::new(commands.len());
    let run = |command| {
        let client = client();
        start.wait();
        block_on(client.execute(&[command], PATIENCE)).unwrap().remove(0)
    };
    thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> =
            commands.into_iter().map(|command| scope.spawn(move || run(command))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

impl ToRedis for OverRest {
    fn tell_redis(&self, command: &[&[u8]]) {
        tell(command);
    }
}

impl ToRedis for OverResp {
    fn tell_redis(&self, command: &[&[u8]]) {
        tell(command);
    }
}

/// Sends a command to the Redis behind `rest` and `resp`.
fn tell(command: &[&[u8]]) {
    let connection = RedisConnection::from_url(&server("CONTRACT_RESP_URL")).unwrap();
    let mut stream = TcpStream::connect((connection.host.as_str(), connection.port.get())).unwrap();
    let password = connection.password.as_ref().map_or("", |password| password.expose());
    let mut request = Vec::new();
    for args in [&[b"AUTH", password.as_bytes()], command, &[b"QUIT"]] {
        write!(request, "*{}\r\n", args.len()).unwrap();
        for arg in args {
            write!(request, "${}\r\n", arg.len()).unwrap();
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
    }
    stream.write_all(&request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(!answer.contains("-ERR"), "{answer}");
}

/// Upstash's REST dialect in front of a Redis.
pub struct OverRest;

fn rest(url: &str) -> Rest<Http> {
    Rest::new(Http::new(), url, &Secret::new(server("CONTRACT_REST_TOKEN")))
}

impl Subject for OverRest {
    type Client = Rest<Http>;

    fn client(&self) -> Self::Client {
        rest(&server("CONTRACT_REST_URL"))
    }

    fn hanging(&self) -> Self::Client {
        rest(&format!("http://127.0.0.1:{}", silent_port()))
    }

    fn gone(&self) -> Self::Client {
        rest(&format!("http://127.0.0.1:{}", closed_port()))
    }

    fn pass(&self, time: Duration) {
        thread::sleep(time);
    }

    fn at_once(&self, commands: Vec<Command<'static>>) -> Vec<Reply> {
        race(|| self.client(), commands)
    }
}

/// Redis's own protocol over the system's sockets.
pub struct OverResp;

fn resp(url: &str) -> Resp<Sockets> {
    Resp::new(Sockets(65_536), RedisConnection::from_url(url).unwrap())
}

impl Subject for OverResp {
    type Client = Resp<Sockets>;

    fn client(&self) -> Self::Client {
        resp(&server("CONTRACT_RESP_URL"))
    }

    fn hanging(&self) -> Self::Client {
        resp(&format!("redis://127.0.0.1:{}", silent_port()))
    }

    fn gone(&self) -> Self::Client {
        resp(&format!("redis://127.0.0.1:{}", closed_port()))
    }

    fn pass(&self, time: Duration) {
        thread::sleep(time);
    }

    fn at_once(&self, commands: Vec<Command<'static>>) -> Vec<Reply> {
        race(|| self.client(), commands)
    }
}

/// The embedded store on workerd: each shard behind the front of the tests, which adds a path and a
/// token to what the Worker sends.
pub struct OverEmbedded;

pub struct Front {
    http: Http,
    url: String,
}

impl Shards for Front {
    type Shard = Rest<WithToken>;

    fn shard(&self, number: u8) -> Result<Self::Shard, RedisError> {
        let token = Secret::new(server("CONTRACT_EMBEDDED_TOKEN"));
        let http = WithToken { http: self.http.clone(), token };
        Ok(Rest::embedded(http, &format!("{}/shards/{number}", self.url)))
    }
}

/// Shows the token of the front.
pub struct WithToken {
    http: Http,
    token: Secret,
}

impl HttpClient for WithToken {
    async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
        let headers = Headers::json().with_bearer(&self.token);
        self.http.send(Request { headers: &headers, ..request }).await
    }
}

fn embedded(url: &str) -> Sharded<Front> {
    Sharded::new(Front { http: Http::new(), url: url.trim_end_matches('/').to_owned() })
}

impl Subject for OverEmbedded {
    type Client = Sharded<Front>;

    fn client(&self) -> Self::Client {
        embedded(&server("CONTRACT_EMBEDDED_URL"))
    }

    fn hanging(&self) -> Self::Client {
        embedded(&format!("http://127.0.0.1:{}", silent_port()))
    }

    fn gone(&self) -> Self::Client {
        embedded(&format!("http://127.0.0.1:{}", closed_port()))
    }

    fn pass(&self, time: Duration) {
        thread::sleep(time);
    }

    fn at_once(&self, commands: Vec<Command<'static>>) -> Vec<Reply> {
        race(|| self.client(), commands)
    }
}
