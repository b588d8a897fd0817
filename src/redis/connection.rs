//! Where a Redis is that speaks RESP, and as whom it is asked.

use std::num::NonZeroU16;

use percent_encoding::percent_decode_str;

use crate::http::Secret;

/// The port when none is given.
const PORT: NonZeroU16 = match NonZeroU16::new(6379) {
    Some(port) => port,
    None => NonZeroU16::MIN,
};

/// A Redis over TCP: the connection of Dynamiq's `RedisCacheConfig`, and whether it is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConnection {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: NonZeroU16,
    /// The number of the database.
    pub db: u32,
    /// The user; None is Redis's default user.
    pub username: Option<String>,
    /// The password; None asks without credentials.
    pub password: Option<Secret>,
    /// Whether the connection is TLS.
    pub tls: bool,
}

/// What is wrong with a URL. The messages hold nothing of it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("has to start with redis:// or rediss://")]
    Scheme,
    /// No host.
    #[error("has no host: redis://user:password@host:6379/0")]
    Host,
    /// A port that is none.
    #[error("has a port that is no number from 1 to 65535")]
    Port,
    /// A path that is no number.
    #[error("has a path that is no database number")]
    Db,
    /// A user without a password.
    #[error("has a user without a password: redis://user:password@host")]
    Password,
    /// An escape that stands for no text.
    #[error("has a percent-encoded part that is not UTF-8")]
    Encoding,
    /// Something after the path.
    #[error("has options after `?` or `#`, which are not understood here")]
    Options,
}

impl RedisConnection {
    /// The Redis at a host, at the usual port, asked without credentials.
    pub fn new(host: impl Into<String>) -> Self {
        let host = host.into();
        Self { host, port: PORT, db: 0, username: None, password: None, tls: false }
    }

    /// Reads `redis://[[user]:password@]host[:port][/db]`, or `rediss://` for TLS. User and password
    /// are percent-encoded.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(UrlError::Scheme),
        };
        // A password may hold what separates the other parts.
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, rest),
        };
        if place.contains(['?', '#']) {
            return Err(UrlError::Options);
        }
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let (host, port) = host_and_port(authority)?;
        let (username, password) = match credentials.map(|both| both.split_once(':')) {
            None => (None, None),
            Some(None) => return Err(UrlError::Password),
            Some(Some((user, password))) => (decoded(user)?, decoded(password)?),
        };
        if username.is_some() && password.is_none() {
            return Err(UrlError::Password);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            db: if path.is_empty() { 0 } else { path.parse().map_err(|_| UrlError::Db)? },
            username,
            password: password.map(Secret::new),
            tls,
        })
    }
}

fn host_and_port(authority: &str) -> Result<(&str, NonZeroU16), UrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or(UrlError::Host)?,
        None => match authority.split_once(':') {
            Some((host, _)) => (host, authority.strip_prefix(host).unwrap_or_default()),
            None => (authority, ""),
        },
    };
    if host.is_empty() {
        return Err(UrlError::Host);
    }
    match port.strip_prefix(':') {
        Some(port) => Ok((host, port.parse().map_err(|_| UrlError::Port)?)),
        None if port.is_empty() => Ok((host, PORT)),
        None => Err(UrlError::Port),
    }
}

/// None when there is nothing.
fn decoded(part: &str) -> Result<Option<String>, UrlError> {
    let text = percent_decode_str(part).decode_utf8().map_err(|_| UrlError::Encoding)?;
    Ok(Some(text.into_owned()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16, db: u32) -> RedisConnection {
        RedisConnection { port: NonZeroU16::new(port).unwrap(), db, ..RedisConnection::new(host) }
    }

    fn with(connection: RedisConnection, user: Option<&str>, password: &str) -> RedisConnection {
        let username = user.map(str::to_owned);
        RedisConnection { username, password: Some(Secret::new(password)), ..connection }
    }

    #[test]
    fn a_url_says_where_as_whom_and_how() {
        for (url, expected) in [
            ("redis://h", at("h", 6379, 0)),
            ("redis://h/", at("h", 6379, 0)),
            ("REDIS://redis.example:7000/3", at("redis.example", 7000, 3)),
            ("redis://[::1]:7000", at("::1", 7000, 0)),
            ("redis://[::1]", at("::1", 6379, 0)),
            ("redis://:p@h", with(at("h", 6379, 0), None, "p")),
            ("redis://u:p%40%2F%3A@h/1", with(at("h", 6379, 1), Some("u"), "p@/:")),
            ("redis://u:a:b/c@d@h:1", with(at("h", 1, 0), Some("u"), "a:b/c@d")),
            ("redis://:@h", at("h", 6379, 0)),
        ] {
            assert_eq!(RedisConnection::from_url(url), Ok(expected), "{url}");
        }
        assert!(RedisConnection::from_url("rediss://h").unwrap().tls);
    }

    #[test]
    fn a_url_that_is_wrong_is_refused_without_being_repeated() {
        for (url, error) in [
            ("", UrlError::Scheme),
            ("h:6379", UrlError::Scheme),
            ("https://CANARY@h", UrlError::Scheme),
            ("redis://", UrlError::Host),
            ("redis://:CANARY@", UrlError::Host),
            ("redis://[::1", UrlError::Host),
            ("redis://h:0", UrlError::Port),
            ("redis://h:65536", UrlError::Port),
            ("redis://h:", UrlError::Port),
            ("redis://[::1]7000", UrlError::Port),
            ("redis://h/CANARY", UrlError::Db),
            ("redis://h/-1", UrlError::Db),
            ("redis://CANARY@h", UrlError::Password),
            ("redis://@h", UrlError::Password),
            ("redis://CANARY:@h", UrlError::Password),
            ("redis://:%ff@h", UrlError::Encoding),
            ("redis://h/0?password=CANARY", UrlError::Options),
        ] {
            let found = RedisConnection::from_url(url).unwrap_err();
            assert_eq!(found, error, "{url}");
            assert!(!found.to_string().contains("CANARY"));
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let connection = RedisConnection::from_url("redis://:CANARY@h").unwrap();
        assert!(!format!("{connection:?}").contains("CANARY"));
    }
}
