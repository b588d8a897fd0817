//! Redis's own protocol, RESP2, over a stream of bytes.
//!
//! Each call has a connection of its own. A Worker may not use a connection in another request than
//! the one that made it, and a request holds six at most: one that waited for a model to answer
//! would be one of them. Credentials, database and commands leave in one write, so that a call takes
//! two round trips (TLS adds one).
//!
//! Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/>

use std::borrow::Cow;
use std::time::Duration;

use bytes::BytesMut;
use resp_rs::ParseError;
use resp_rs::resp2::{Frame, parse_frame};

use super::connection::RedisConnection;
use super::{Command, MAX_REPLY_BYTES, Redis, RedisError, Reply};
use crate::http::Secret;

/// Who opens streams of bytes.
pub trait Dial {
    /// A stream of this kind.
    type Stream: ByteStream;

    /// Connects, and sends `bytes` in one write. Does not wait: what became of it is what the first
    /// `read` says. The deadline is for all of it, up to the last `read`.
    fn dial(&self, to: &RedisConnection, bytes: &[u8], deadline: Duration) -> Self::Stream;
}

/// A stream of bytes, which dropping closes.
#[expect(async_fn_in_trait, reason = "callers never need to name the future or its bounds")]
pub trait ByteStream {
    /// The next bytes, as many as there are; none at the end of the stream.
    async fn read(&mut self) -> Result<Vec<u8>, RedisError>;
}

/// A Redis that speaks RESP.
#[derive(Debug)]
pub struct Resp<D> {
    dial: D,
    connection: RedisConnection,
    /// `AUTH` and `SELECT`, as far as they are needed.
    opening: Secret,
    steps: Vec<Step>,
}

/// What is asked before the commands.
#[derive(Debug, Clone, Copy)]
enum Step {
    Auth,
    Select,
}

impl<D: Dial> Resp<D> {
    /// A client for that Redis.
    pub fn new(dial: D, connection: RedisConnection) -> Self {
        let (mut opening, mut steps) = (String::new(), Vec::new());
        if let Some(password) = &connection.password {
            let user = connection.username.as_deref().map(Cow::Borrowed);
            let password = Cow::Borrowed(password.expose());
            let args: Vec<_> =
                [Some("AUTH".into()), user, Some(password)].into_iter().flatten().collect();
            write_command(&mut opening, &args);
            steps.push(Step::Auth);
        }
        if connection.db != 0 {
            write_command(&mut opening, &["SELECT".into(), connection.db.to_string().into()]);
            steps.push(Step::Select);
        }
        Self { dial, connection, opening: Secret::new(opening), steps }
    }
}

impl<D: Dial> Redis for Resp<D> {
    async fn execute(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError> {
        let mut request = self.opening.expose().to_owned();
        for command in commands {
            write_command(&mut request, &command.args());
        }
        let stream = self.dial.dial(&self.connection, request.as_bytes(), deadline);
        drop(request);
        let mut incoming = Incoming { stream, unread: BytesMut::new(), received: 0 };
        for step in &self.steps {
            if let Reply::Error(error) = incoming.reply().await? {
                return Err(step.refused(&error));
            }
        }
        let mut replies = Vec::with_capacity(commands.len());
        for _ in commands {
            let reply = incoming.reply().await?;
            if matches!(&reply, Reply::Error(error) if wants_credentials(error)) {
                return Err(RedisError::Unauthorized);
            }
            replies.push(reply);
        }
        Ok(replies)
    }
}

/// An array of strings, which is how commands are sent.
fn write_command(out: &mut String, args: &[Cow<'_, str>]) {
    write_header(out, '*', args.len());
    for arg in args {
        write_header(out, '$', arg.len());
        out.push_str(arg);
        out.push_str("\r\n");
    }
}

fn write_header(out: &mut String, mark: char, length: usize) {
    out.push(mark);
    out.push_str(&length.to_string());
    out.push_str("\r\n");
}

/// Whether Redis refused a command for want of (other) credentials.
fn wants_credentials(error: &str) -> bool {
    error.starts_with("NOAUTH") || error.starts_with("WRONGPASS")
}

impl Step {
    /// What it means that Redis refused this. The first reply of a connection can also be about the
    /// connection, as when there are too many.
    fn refused(self, error: &str) -> RedisError {
        let error = error.to_ascii_lowercase();
        let is_about = |words: &[&str]| words.iter().any(|word| error.contains(word));
        match self {
            // "WRONGPASS …", "ERR AUTH <password> called without any password configured …",
            // "ERR invalid password", "ERR Client sent AUTH, but no password is set", "NOAUTH …",
            // "ERR wrong number of arguments for 'auth' command" (before Redis 6 there were no users).
            Self::Auth if is_about(&["wrongpass", "auth", "password"]) => RedisError::Unauthorized,
            Self::Select if is_about(&["noauth", "wrongpass"]) => RedisError::Unauthorized,
            // "ERR DB index is out of range", "ERR invalid DB index", "ERR SELECT is not allowed in
            // cluster mode", "NOPERM … to run the 'select' command".
            Self::Select if is_about(&["db index", "select"]) => RedisError::Database,
            _ => RedisError::Refused,
        }
    }
}

/// The replies that arrive.
struct Incoming<S> {
    stream: S,
    unread: BytesMut,
    received: usize,
}

impl<S: ByteStream> Incoming<S> {
    async fn reply(&mut self) -> Result<Reply, RedisError> {
        loop {
            // Nothing is copied here: the bytes go back to where they were.
            let unread = self.unread.split().freeze();
            match parse_frame(unread.clone()) {
                Ok((frame, rest)) => {
                    drop(unread);
                    let reply = reply_of(frame);
                    self.unread = BytesMut::from(rest);
                    return Ok(reply);
                }
                Err(ParseError::Incomplete) => self.unread = BytesMut::from(unread),
                Err(_) => return Err(RedisError::BadReply),
            }
            let more = self.stream.read().await?;
            if more.is_empty() {
                return Err(RedisError::Unreachable);
            }
            self.received = self.received.saturating_add(more.len());
            if self.received > MAX_REPLY_BYTES {
                return Err(RedisError::ReplyTooLarge(MAX_REPLY_BYTES));
            }
            self.unread.extend_from_slice(&more);
        }
    }
}

/// The parser bounds how deep arrays are nested.
fn reply_of(frame: Frame) -> Reply {
    match frame {
        Frame::SimpleString(bytes) | Frame::BulkString(Some(bytes)) => {
            Reply::string(bytes.to_vec())
        }
        Frame::Error(bytes) => Reply::Error(String::from_utf8_lossy(&bytes).into_owned()),
        Frame::Integer(number) => Reply::Integer(number),
        Frame::BulkString(None) | Frame::Array(None) => Reply::Nil,
        Frame::Array(Some(frames)) => Reply::Array(frames.into_iter().map(reply_of).collect()),
    }
}

#[cfg(test)]
mod tests;
