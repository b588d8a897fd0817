//! TCP over Workers' sockets, with and without TLS.

use std::borrow::Cow;
use std::time::Duration;

use worker::wasm_bindgen::JsValue;

use super::call::call;
use super::fetch::{bytes, milliseconds};
use super::glue;
use crate::redis::RedisError;
use crate::redis::connection::RedisConnection;
use crate::redis::resp::{ByteStream, Dial};

/// Opens connections to the internet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sockets;

impl Dial for Sockets {
    type Stream = Socket;

    fn dial(&self, to: &RedisConnection, bytes: &[u8], deadline: Duration) -> Socket {
        let host = match to.host.contains(':') {
            true => Cow::Owned(format!("[{}]", to.host)),
            false => Cow::Borrowed(to.host.as_str()),
        };
        let deadline_ms = milliseconds(deadline);
        let connection = glue::open_socket(&host, to.port.get(), to.tls, bytes, deadline_ms);
        Socket { connection, deadline }
    }
}

/// A connection, closed when it is dropped.
pub(super) struct Socket {
    connection: JsValue,
    deadline: Duration,
}

impl ByteStream for Socket {
    async fn read(&mut self) -> Result<Vec<u8>, RedisError> {
        match call(|done, call| glue::read_socket(&self.connection, done, call)).await {
            (200, piece) => Ok(bytes(piece).unwrap_or_default()),
            (_, error) => Err(match error.as_string().as_deref() {
                Some("TimeoutError") => RedisError::Timeout(self.deadline),
                _ => RedisError::Unreachable,
            }),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        glue::close_socket(&self.connection);
    }
}
