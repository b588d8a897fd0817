//! The URLs of calls, and where redirects lead.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::definition::{Origin, UrlMistake};

/// What stands in no URL as it is.
const UNSAFE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// What Python's `quote_plus` escapes.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A URL that a request is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub origin: Origin,
    /// From its slash on.
    path: String,
    /// Without its question mark.
    query: Option<String>,
}

impl Url {
    pub fn parse(text: &str) -> Result<Self, UrlMistake> {
        let (origin, rest) = Origin::split(text)?;
        Ok(Self::at(origin, rest))
    }

    /// What follows an origin; what comes after `#` is never sent.
    fn at(origin: Origin, rest: &str) -> Self {
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (path, query) =
            rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let encode = |text| utf8_percent_encode(text, UNSAFE).to_string();
        let path = if path.is_empty() { "/".to_owned() } else { encode(path) };
        Self { origin, path, query: query.map(encode) }
    }

    /// With these pairs after what the query has.
    pub fn add_query(&mut self, pairs: &str) {
        if pairs.is_empty() {
            return;
        }
        match &mut self.query {
            Some(query) if !query.is_empty() => {
                query.push('&');
                query.push_str(pairs);
            }
            query => *query = Some(pairs.to_owned()),
        }
    }

    /// Where a redirect from here leads.
    pub fn join(&self, location: &str) -> Result<Self, UrlMistake> {
        if location.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(UrlMistake::Control);
        }
        let with = |rest: &str| Ok(Self::at(self.origin.clone(), rest));
        if location.starts_with("//") {
            let scheme = self.origin.as_str().split_once("//").map_or("", |(scheme, _)| scheme);
            Self::parse(&format!("{scheme}{location}"))
        } else if location.starts_with('/') {
            with(location)
        } else if location.is_empty() || location.starts_with('#') {
            Ok(self.clone())
        } else if location.starts_with('?') {
            with(&format!("{}{location}", self.path))
        } else if has_scheme(location) {
            Self::parse(location)
        } else {
            let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            with(&format!("{folder}/{location}"))
        }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.origin.as_str(), self.path)?;
        self.query.as_ref().map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| !scheme.contains(['/', '?', '#']))
}

/// A text in a query or a form.
pub(super) fn form_encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string().replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_sent_as_python_sends_it() {
        for (text, sent) in [
            ("http://h", "http://h/"),
            ("http://h?q", "http://h/?q"),
            ("http://h/p a?x=1 2&é=%7e%2f#frag", "http://h/p%20a?x=1%202&%C3%A9=%7e%2f"),
            (
                "http://h/\\\\other.example/\"<>^`{|}",
                "http://h/%5C%5Cother.example/%22%3C%3E%5E%60%7B%7C%7D",
            ),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), sent, "{text}");
        }
        let with = |text, pairs| {
            let mut url = Url::parse(text).unwrap();
            url.add_query(pairs);
            url.to_string()
        };
        assert_eq!(with("http://h/?x=1", "z=1"), "http://h/?x=1&z=1");
        assert_eq!(with("http://h/a", "z=1"), "http://h/a?z=1");
        assert_eq!(with("http://h/a?", "z=1"), "http://h/a?z=1");
        assert_eq!(with("http://h/a", ""), "http://h/a");
        assert_eq!(form_encode("x y/é~+%20"), "x+y%2F%C3%A9~%2B%2520");
    }

    #[test]
    fn a_location_is_read_against_the_url() {
        let url = Url::parse("https://h:8443/a/b?c#d").unwrap();
        for (location, to) in [
            ("", "https://h:8443/a/b?c"),
            ("#x", "https://h:8443/a/b?c"),
            ("?x", "https://h:8443/a/b?x"),
            ("x", "https://h:8443/a/x"),
            ("../x?y:z", "https://h:8443/a/../x?y:z"),
            ("x/y:z", "https://h:8443/a/x/y:z"),
            ("/x", "https://h:8443/x"),
            ("/\\other/", "https://h:8443/%5Cother/"),
            ("\\\\other/", "https://h:8443/a/%5C%5Cother/"),
            ("//other/x", "https://other/x"),
            ("http://other", "http://other/"),
        ] {
            assert_eq!(url.join(location).unwrap().to_string(), to, "{location}");
        }
        for location in
            ["https:other", "javascript:x", "https:\\\\other", "//u@other", "/\t/other", "///x"]
        {
            assert!(url.join(location).is_err(), "{location:?}");
        }
    }
}
