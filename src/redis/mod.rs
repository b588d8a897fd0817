//! Redis: one command layer, several transports.
//!
//! | module | what it is |
//! |---|---|
//! | [`command`] | the commands the cache uses, and their replies |
//! | [`dialect`] | Upstash's REST dialect, both sides of it |
//! | [`rest`] | a client for that dialect over any HTTP client |
//! | [`resp`] | a client for Redis's own protocol over any stream of bytes |
//! | [`connection`] | where such a Redis is, and as whom it is asked |
//! | [`settings`] | which transport the settings ask for |
//! | [`engine`] | what the commands do to a table of rows: the embedded store and the memory store |
//! | [`glob`] | patterns for keys |
//! | [`sharded`] | one store in several parts: which keys are where |
//! | [`memory`] | a store in memory for tests, with faults that can be injected |

pub mod command;
pub mod connection;
pub mod dialect;
pub mod engine;
pub mod glob;
pub mod memory;
pub mod resp;
pub mod rest;
pub mod settings;
pub mod sharded;
pub mod waiters;

use std::time::Duration;

pub use command::{Command, Expiry, Reply};

/// Largest answer that is read. Several copies of a value live at once, and an isolate has 128 MB;
/// Upstash refuses requests over 10 MB by default, so that hardly a larger value exists.
pub const MAX_REPLY_BYTES: usize = 10 * 1024 * 1024;

/// A connection to a Redis.
///
/// Futures need not be `Send`: a Worker is single-threaded.
#[expect(async_fn_in_trait, reason = "callers never need to name the future or its bounds")]
pub trait Redis {
    /// Sends the commands in one round trip and returns as many replies, in their order. A `GET` may take a
    /// second one, as long as a transport tries how to ask for it.
    ///
    /// The deadline starts when the transport does. An error means that nothing is known of any
    /// of the commands; a command that Redis refused is a [`Reply::Error`].
    async fn execute(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError>;

    /// The reply to a `GET` of what is ASCII or of no use. Of anything else it may not be exact, but it
    /// is never taken for ASCII.
    async fn get_ascii(&self, key: &str, deadline: Duration) -> Result<Reply, RedisError> {
        let replies = self.execute(&[Command::get(key)], deadline).await?;
        replies.into_iter().next().ok_or(RedisError::BadReply)
    }

    /// Whether [`Command::Await`] is known, so that who waits for another is woken.
    fn wakes(&self) -> bool {
        false
    }
}

/// Why there are no replies. None of the messages holds a token, a URL or a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// No connection.
    #[error("Redis cannot be reached")]
    Unreachable,
    /// No complete reply within the deadline.
    #[error("Redis did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The token or the password was refused, or one is needed.
    #[error("Redis refused the credentials (check its token, or its user and password)")]
    Unauthorized,
    /// The database cannot be used.
    #[error("Redis refused the database (check its number, and the rights of its user)")]
    Database,
    /// Redis takes no connections, or none of this kind.
    #[error("Redis refused the connection")]
    Refused,
    /// An HTTP status that is neither a reply nor an error of Redis.
    #[error("Redis answered with HTTP status {0}")]
    Status(u16),
    /// An answer that is not of Redis: a proxy's page, something truncated.
    #[error("Redis answered with something that is not a reply")]
    BadReply,
    /// An answer larger than the limit.
    #[error("Redis answered with more than {0} bytes")]
    ReplyTooLarge(usize),
}
