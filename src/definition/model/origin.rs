//! Origins: where a node may send requests.

/// Scheme, host and port of a URL, in one spelling: lower case, without the port that the scheme has
/// anyway.
///
/// Only what every reader of URLs reads alike is taken for one. A host is letters, digits, `-`, `.`
/// and `_`; there is no user name, no escape and no backslash before the path. So equal texts are
/// equal origins, also for whoever sends the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// Why a text is not a URL that the edge sends requests to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlMistake {
    /// Another scheme, or none.
    #[error("has to start with https:// or http://")]
    Scheme,
    /// `user:password@`
    #[error("may not hold a user name or a password")]
    UserInfo,
    /// A host that two readers might read differently.
    #[error("has to have a host of letters, digits, `-`, `.` and `_` (punycode for others)")]
    Host,
    /// Not a port.
    #[error("has to have a port from 1 to 65535, or none")]
    Port,
    /// A line break, a tab and the like.
    #[error("may not hold control characters")]
    Control,
    /// Something after an origin that was to stand alone.
    #[error("has to be scheme, host and port alone, as in https://api.example.com")]
    NotAlone,
}

impl Origin {
    /// The origin of a URL, and what follows it there.
    pub fn split(url: &str) -> Result<(Self, &str), UrlMistake> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlMistake::Scheme)?;
        let (scheme, default_port) = match scheme {
            _ if scheme.eq_ignore_ascii_case("https") => ("https", 443),
            _ if scheme.eq_ignore_ascii_case("http") => ("http", 80),
            _ => return Err(UrlMistake::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(UrlMistake::UserInfo);
        }
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(read_port(port).ok_or(UrlMistake::Port)?)),
            None => (authority, None),
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_plain) {
            return Err(UrlMistake::Host);
        }
        if rest.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(UrlMistake::Control);
        }
        let mut text = format!("{scheme}://{}", host.to_ascii_lowercase());
        if let Some(port) = port.filter(|port| *port != default_port) {
            text.push_str(&format!(":{port}"));
        }
        Ok((Self(text), rest))
    }

    /// An origin that stands alone.
    pub fn parse(text: &str) -> Result<Self, UrlMistake> {
        match Self::split(text)? {
            (origin, "" | "/") => Ok(origin),
            _ => Err(UrlMistake::NotAlone),
        }
    }

    /// The origin, as in `https://api.example.com:8443`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn read_port(text: &str) -> Option<u16> {
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { text.parse().ok().filter(|port| *port > 0) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling() {
        for (url, origin, rest) in [
            ("https://api.example.com", "https://api.example.com", ""),
            ("HTTPS://API.Example.com:443/a?b#c", "https://api.example.com", "/a?b#c"),
            ("http://h:80?x=http://other/", "http://h", "?x=http://other/"),
            ("http://h:0443/", "http://h:443", "/"),
            ("https://127.0.0.1:8080#a@b", "https://127.0.0.1:8080", "#a@b"),
        ] {
            assert_eq!(Origin::split(url), Ok((Origin(origin.to_owned()), rest)), "{url}");
        }
    }

    #[test]
    fn what_readers_of_urls_read_differently_is_refused() {
        use UrlMistake::{Control, Host, Port, Scheme, UserInfo};
        for (url, mistake) in [
            ("", Scheme),
            ("//h/", Scheme),
            ("ftp://h/", Scheme),
            (" https://h/", Scheme),
            ("ht\ttps://h/", Scheme),
            ("https:/h/", Scheme),
            ("https:h://x", Scheme),
            ("https://u@h/", UserInfo),
            ("https://u:p@h/", UserInfo),
            ("https://a\\@b/", UserInfo),
            ("https:///h", Host),
            ("https://", Host),
            ("https://a\\b/", Host),
            ("https://a%2eb/", Host),
            ("https://a b/", Host),
            ("https://a\tb/", Host),
            ("https://a\u{3002}b/", Host),
            ("https://[::1]/", Port),
            ("https://[fe80]/", Host),
            ("https://h:/", Port),
            ("https://h:0/", Port),
            ("https://h:65536/", Port),
            ("https://h:+80/", Port),
            ("https://h:80:80/", Port),
            ("https://h/a\nb", Control),
            ("https://h/a\u{7f}", Control),
        ] {
            assert_eq!(Origin::split(url), Err(mistake), "{url:?}");
        }
    }

    #[test]
    fn an_origin_of_a_list_stands_alone() {
        assert_eq!(Origin::parse("https://h/").map(|origin| origin.0), Ok("https://h".to_owned()));
        for text in ["https://h/a", "https://h?", "https://h#", "https://h//"] {
            assert_eq!(Origin::parse(text), Err(UrlMistake::NotAlone), "{text}");
        }
    }
}
