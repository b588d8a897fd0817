//! The configuration of runs.

/// Dynamiq's `RedisCacheConfig`, the second of the two caching switches, without the connection:
/// that is the store's, a [`RedisConnection`](crate::redis::connection::RedisConnection).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RedisCacheConfig {
    /// The first part of the key; None leaves it out, which is not the same as the empty text.
    pub namespace: Option<String>,
    /// Seconds for which an entry is kept: None forever, 0 not at all.
    pub ttl: Option<u64>,
}
