//! Which Redis the settings ask for.

use super::connection::RedisConnection;
use crate::http::Secret;

/// What the settings ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A Redis behind Upstash's REST dialect.
    Rest {
        /// `https://…`
        url: String,
        /// What is shown to it.
        token: Secret,
    },
    /// A Redis over TCP.
    Resp(RedisConnection),
    /// No Redis: the embedded store.
    Embedded,
}

/// Upstash's names for a Redis over HTTP, and those of Vercel's marketplace.
const REST: [(&str, &str); 2] = [
    ("UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"),
    ("KV_REST_API_URL", "KV_REST_API_TOKEN"),
];
const URL: &str = "REDIS_URL";
const HOST: &str = "REDIS_HOST";
const PORT: &str = "REDIS_PORT";
const DB: &str = "REDIS_DB";
const USERNAME: &str = "REDIS_USERNAME";
const PASSWORD: &str = "REDIS_PASSWORD";
const TLS: &str = "REDIS_TLS";

/// A variable by its name.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads the settings of the store; `variable` gives one by its name. An error says what is wrong
/// with which of them, and holds none of their values.
pub fn choose(variable: Variable<'_>) -> Result<Choice, String> {
    let mut rest: Option<(&str, String, String)> = None;
    for (url_name, token_name) in REST {
        let Some((url, token)) = pair(variable, url_name, token_name)? else { continue };
        match &rest {
            None => rest = Some((url_name, url, token)),
            Some((first, same_url, same_token)) if (same_url, same_token) != (&url, &token) => {
                return Err(contradiction(first, url_name));
            }
            Some(_) => {}
        }
    }
    let resp = resp(variable)?;
    match (rest, resp) {
        (Some((rest, ..)), Some((resp, _))) => Err(contradiction(rest, resp)),
        (Some((_, url, token)), None) => Ok(Choice::Rest { url, token: Secret::new(token) }),
        (None, Some((_, connection))) => Ok(Choice::Resp(connection)),
        (None, None) => Ok(Choice::Embedded),
    }
}

fn contradiction(first: &str, second: &str) -> String {
    format!("{first} and {second} name different stores: keep one of them")
}

fn missing(set: &str, missing: &str) -> String {
    format!("{set} is set, but {missing} is not")
}

/// A URL and its token: both or neither.
fn pair(
    variable: Variable<'_>,
    url_name: &str,
    token_name: &str,
) -> Result<Option<(String, String)>, String> {
    match (variable(url_name), variable(token_name)) {
        (None, None) => Ok(None),
        // Paths are put after it.
        (Some(url), Some(_)) if url.contains(['?', '#']) => {
            Err(format!("{url_name} has to be without ? and #; the token goes in {token_name}"))
        }
        (Some(url), Some(token)) if url.starts_with("https://") || url.starts_with("http://") => {
            Ok(Some((url, token)))
        }
        (Some(_), Some(_)) => Err(format!("{url_name} has to start with https:// or http://")),
        (Some(_), None) => Err(missing(url_name, token_name)),
        (None, Some(_)) => Err(missing(token_name, url_name)),
    }
}

/// The connection, and the name of the setting that gives it.
fn resp(variable: Variable<'_>) -> Result<Option<(&'static str, RedisConnection)>, String> {
    let host = variable(HOST);
    let port = parsed(variable, PORT, "a number from 1 to 65535")?;
    let db = parsed(variable, DB, "the number of a database")?;
    let tls = parsed(variable, TLS, "true or false")?;
    let (username, password) = (variable(USERNAME), variable(PASSWORD));
    if let Some(url) = variable(URL) {
        let connection =
            RedisConnection::from_url(&url).map_err(|error| format!("{URL} {error}"))?;
        let differs = [
            (HOST, host.is_some_and(|host| host != connection.host)),
            (PORT, port.is_some_and(|port| port != connection.port)),
            (DB, db.is_some_and(|db| db != connection.db)),
            (USERNAME, username.is_some() && username != connection.username),
            (PASSWORD, password.is_some() && password.map(Secret::new) != connection.password),
            (TLS, tls.is_some_and(|tls| tls != connection.tls)),
        ];
        return match differs.into_iter().find(|(_, differs)| *differs) {
            Some((name, _)) => Err(contradiction(URL, name)),
            None => Ok(Some((URL, connection))),
        };
    }
    let Some(host) = host else {
        // To go on without it would be to store elsewhere than was meant.
        let others = [PORT, DB, USERNAME, PASSWORD, TLS];
        return match others.into_iter().find(|name| variable(name).is_some()) {
            Some(name) => Err(missing(name, HOST)),
            None => Ok(None),
        };
    };
    if host.contains([':', '/', '@']) {
        return Err(format!("{HOST} has to be a name or an IPv4 address; for a URL use {URL}"));
    }
    if username.is_some() && password.is_none() {
        return Err(missing(USERNAME, PASSWORD));
    }
    let usual = RedisConnection::new(host);
    Ok(Some((
        HOST,
        RedisConnection {
            port: port.unwrap_or(usual.port),
            db: db.unwrap_or(usual.db),
            tls: tls.unwrap_or(usual.tls),
            username,
            password: password.map(Secret::new),
            ..usual
        },
    )))
}

fn parsed<T: std::str::FromStr>(
    variable: Variable<'_>,
    name: &str,
    what: &str,
) -> Result<Option<T>, String> {
    let text = variable(name);
    text.map(|text| text.parse().map_err(|_| format!("{name} has to be {what}"))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(settings: &[(&str, &str)]) -> Result<Choice, String> {
        choose(&|name| {
            settings.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const REST_URL: (&str, &str) = ("UPSTASH_REDIS_REST_URL", "https://rest.example");
    const REST_TOKEN: (&str, &str) = ("UPSTASH_REDIS_REST_TOKEN", "CANARY");

    #[test]
    fn the_settings_choose_the_transport() {
        let rest = Choice::Rest { url: REST_URL.1.to_owned(), token: Secret::new("CANARY") };
        let kv = [("KV_REST_API_URL", REST_URL.1), ("KV_REST_API_TOKEN", "CANARY")];
        assert_eq!(chosen(&[]), Ok(Choice::Embedded));
        assert_eq!(chosen(&[REST_URL, REST_TOKEN]), Ok(rest.clone()));
        assert_eq!(chosen(&kv), Ok(rest.clone()));
        assert_eq!(chosen(&[REST_URL, REST_TOKEN, kv[0], kv[1]]), Ok(rest), "the same twice");

        let url = "rediss://me:CANARY@redis.example:7000/2";
        let resp = Choice::Resp(RedisConnection::from_url(url).unwrap());
        let parts = [
            ("REDIS_HOST", "redis.example"),
            ("REDIS_PORT", "7000"),
            ("REDIS_DB", "2"),
            ("REDIS_USERNAME", "me"),
            ("REDIS_PASSWORD", "CANARY"),
            ("REDIS_TLS", "true"),
        ];
        assert_eq!(chosen(&[("REDIS_URL", url)]), Ok(resp.clone()));
        assert_eq!(chosen(&parts), Ok(resp.clone()));
        let both: Vec<_> = parts.into_iter().chain([("REDIS_URL", url)]).collect();
        assert_eq!(chosen(&both), Ok(resp), "the same twice");
        assert_eq!(
            chosen(&[("REDIS_HOST", "h")]),
            Ok(Choice::Resp(RedisConnection::new("h"))),
            "the other parts have Dynamiq's defaults"
        );
    }

    #[test]
    fn settings_that_contradict_each_other_are_both_named() {
        let url = ("REDIS_URL", "redis://me:CANARY@h:7000/2");
        let kv = [("KV_REST_API_URL", "https://kv.example"), ("KV_REST_API_TOKEN", "CANARY")];
        let host = ("REDIS_HOST", "other");
        for (settings, names) in [
            (vec![REST_URL, REST_TOKEN, url], ["UPSTASH_REDIS_REST_URL", "REDIS_URL"]),
            (vec![REST_URL, REST_TOKEN, host], ["UPSTASH_REDIS_REST_URL", "REDIS_HOST"]),
            (vec![kv[0], kv[1], url], ["KV_REST_API_URL", "REDIS_URL"]),
            (vec![REST_URL, REST_TOKEN, kv[0], kv[1]], [REST_URL.0, "KV_REST_API_URL"]),
            (vec![url, host], ["REDIS_URL", "REDIS_HOST"]),
            (vec![url, ("REDIS_PORT", "6379")], ["REDIS_URL", "REDIS_PORT"]),
            (vec![url, ("REDIS_DB", "0")], ["REDIS_URL", "REDIS_DB"]),
            (vec![url, ("REDIS_USERNAME", "you")], ["REDIS_URL", "REDIS_USERNAME"]),
            (vec![url, ("REDIS_PASSWORD", "other")], ["REDIS_URL", "REDIS_PASSWORD"]),
            (vec![url, ("REDIS_TLS", "true")], ["REDIS_URL", "REDIS_TLS"]),
        ] {
            let error = chosen(&settings).unwrap_err();
            for name in names {
                assert!(error.contains(name), "{name}: {error}");
            }
            assert!(!error.contains("CANARY") && !error.contains("other"), "{error}");
        }
    }

    #[test]
    fn a_setting_that_is_missing_or_wrong_is_named() {
        let host = ("REDIS_HOST", "h");
        for (settings, name) in [
            (vec![REST_URL], "UPSTASH_REDIS_REST_TOKEN"),
            (vec![REST_TOKEN], "UPSTASH_REDIS_REST_URL"),
            (vec![("UPSTASH_REDIS_REST_URL", "CANARY"), REST_TOKEN], "UPSTASH_REDIS_REST_URL"),
            (
                vec![("KV_REST_API_URL", "https://h?_token=CANARY"), ("KV_REST_API_TOKEN", "t")],
                "KV_REST_API_TOKEN",
            ),
            (vec![("REDIS_URL", "CANARY")], "REDIS_URL"),
            (vec![("REDIS_PASSWORD", "CANARY")], "REDIS_HOST"),
            (vec![("REDIS_TLS", "true")], "REDIS_HOST"),
            (vec![("REDIS_HOST", "redis://:CANARY@h")], "REDIS_URL"),
            (vec![host, ("REDIS_USERNAME", "me")], "REDIS_PASSWORD"),
            (vec![host, ("REDIS_PORT", "0")], "REDIS_PORT"),
            (vec![host, ("REDIS_DB", "first")], "REDIS_DB"),
            (vec![host, ("REDIS_TLS", "yes")], "REDIS_TLS"),
        ] {
            let error = chosen(&settings).unwrap_err();
            assert!(error.contains(name), "{name}: {error}");
            assert!(!error.contains("CANARY"), "{error}");
        }
    }
}
