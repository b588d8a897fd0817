//! Sockets of the system for the client of Redis's own protocol.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use edgememo::redis::RedisError;
use edgememo::redis::connection::RedisConnection;
use edgememo::redis::resp::{ByteStream, Dial};

/// Sockets of the system, from which so many bytes are read at once.
pub struct Sockets(pub usize);

pub struct Socket {
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
