//! The body of a run: `{"input": {…}, "config": {"cache": {…}}, "kwargs": {…}, "trace": false}`.

use crate::config::RedisCacheConfig;
use crate::json::{Item, Str, Value};

/// Namespaces go into keys, which Upstash bounds at 32 KB.
const MAX_NAMESPACE_BYTES: usize = 1024;
/// The largest lifetime that Redis takes, in whole seconds, is far above this: 100 years.
pub(crate) const MAX_TTL: u64 = 100 * 365 * 24 * 3600;

/// What a request asks for.
#[derive(Debug, Clone)]
pub struct RunRequest<'d> {
    /// The input of the node, an object.
    pub input: Value<'d>,
    /// Further keywords, an object.
    pub kwargs: Option<Value<'d>>,
    /// The second caching switch, with the Worker's defaults applied.
    pub cache: Option<RedisCacheConfig>,
    /// Whether to return the events.
    pub trace: bool,
}

/// What the Worker's settings say where a request is silent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheDefaults {
    /// `CACHE_NAMESPACE`
    pub namespace: Option<String>,
    /// `CACHE_TTL`, in seconds.
    pub ttl: Option<u64>,
    /// `CACHE_MAX_TTL`, in seconds: longer lifetimes, and endless ones, are cut to it.
    pub max_ttl: Option<u64>,
}

/// What is wrong with a field, which is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct FieldError {
    /// The path of the field, such as `config.cache.ttl`.
    pub field: String,
    problem: String,
}

type Result<T> = std::result::Result<T, FieldError>;

fn field_error<T>(field: impl Into<String>, problem: impl Into<String>) -> Result<T> {
    Err(FieldError { field: field.into(), problem: problem.into() })
}

impl<'d> RunRequest<'d> {
    /// Reads the body of a request. What is not known is refused: a misspelled switch would look
    /// like a cache that never hits.
    pub fn parse(body: Value<'d>, defaults: &CacheDefaults) -> Result<Self> {
        let [input, config, kwargs, trace] =
            members(body, "", ["input", "config", "kwargs", "trace"])?;
        let Some(input) = input else {
            return field_error("input", "is missing: send {\"input\": {…}}");
        };
        object(input, "input")?;
        let kwargs = kwargs.filter(|kwargs| !kwargs.is_null());
        if let Some(kwargs) = kwargs {
            object(kwargs, "kwargs")?;
        }
        let trace = match trace.map(Value::item) {
            None | Some(Item::Null) => false,
            Some(Item::Bool(trace)) => trace,
            Some(_) => return field_error("trace", "has to be true or false"),
        };
        Ok(Self { input, kwargs, cache: cache_config(config, defaults)?, trace })
    }
}

fn cache_config(
    config: Option<Value<'_>>,
    defaults: &CacheDefaults,
) -> Result<Option<RedisCacheConfig>> {
    let Some(config) = config.filter(|config| !config.is_null()) else { return Ok(None) };
    let [cache] = members(config, "config", ["cache"])?;
    let Some(cache) = cache.filter(|cache| !cache.is_null()) else { return Ok(None) };
    let [backend, named, lifetime] =
        members(cache, "config.cache", ["backend", "namespace", "ttl"])?;
    if backend.is_some_and(|backend| !backend.as_str().is_some_and(|text| text.is("Redis"))) {
        return field_error("config.cache.backend", "has to be \"Redis\"");
    }
    let (namespace, ttl) = (namespace(named, defaults)?, ttl(lifetime, defaults)?);
    Ok(Some(RedisCacheConfig { namespace, ttl }))
}

/// `null` asks for no namespace; leaving it out asks for the default.
fn namespace(value: Option<Value<'_>>, defaults: &CacheDefaults) -> Result<Option<String>> {
    let Some(value) = value else { return Ok(defaults.namespace.clone()) };
    if value.is_null() {
        return Ok(None);
    }
    match value.as_str().map(|text| text.to_str()) {
        Some(Some(text)) if text.len() <= MAX_NAMESPACE_BYTES => Ok(Some(text.into_owned())),
        Some(Some(_)) => field_error(
            "config.cache.namespace",
            format!("is longer than {MAX_NAMESPACE_BYTES} bytes"),
        ),
        Some(None) => field_error("config.cache.namespace", "holds a lone surrogate"),
        None => field_error("config.cache.namespace", "has to be a string or null"),
    }
}

/// `null` asks for an endless lifetime; leaving it out asks for the default.
fn ttl(value: Option<Value<'_>>, defaults: &CacheDefaults) -> Result<Option<u64>> {
    let ttl = match value.map(Value::item) {
        None => defaults.ttl,
        Some(Item::Null) => None,
        Some(Item::Integer(text)) => match text.parse::<u64>() {
            Ok(seconds) if seconds <= MAX_TTL => Some(seconds),
            _ if text == "-0" => Some(0),
            _ => {
                return field_error(
                    "config.cache.ttl",
                    format!("has to be from 0 to {MAX_TTL} seconds, or null"),
                );
            }
        },
        Some(_) => {
            return field_error(
                "config.cache.ttl",
                "has to be a whole number of seconds, or null for no expiry",
            );
        }
    };
    Ok(match (ttl, defaults.max_ttl) {
        (Some(ttl), Some(max)) => Some(ttl.min(max)),
        (None, max) => max,
        (ttl, None) => ttl,
    })
}

fn object(value: Value<'_>, field: &str) -> Result<()> {
    if value.is_object() { Ok(()) } else { Err(no_object(value, field)) }
}

fn no_object(value: Value<'_>, field: &str) -> FieldError {
    let problem = format!("has to be an object, not {}", value.kind_name());
    FieldError { field: field.to_owned(), problem }
}

/// The members of these names; of several of one name the last. The body has no path.
fn members<'d, const N: usize>(
    value: Value<'d>,
    path: &str,
    known: [&str; N],
) -> Result<[Option<Value<'d>>; N]> {
    let mut found = [None; N];
    let Item::Object(members) = value.item() else {
        return Err(no_object(value, if path.is_empty() { "the body" } else { path }));
    };
    for (name, value) in members {
        let place = known.iter().position(|known| name.is(known));
        match place.and_then(|place| found.get_mut(place)) {
            Some(member) => *member = Some(value),
            None => return Err(unknown(path, name, &known)),
        }
    }
    Ok(found)
}

/// What a request says about the connection to Redis, by mistake.
const CONNECTION: [&str; 7] = ["host", "port", "db", "username", "password", "url", "token"];

fn unknown(path: &str, name: Str<'_>, known: &[&str]) -> FieldError {
    let name = name.to_str().unwrap_or_default();
    let problem = if path == "config.cache" && CONNECTION.contains(&&*name) {
        "cannot be given by a request: the connection to Redis is a setting of the Worker"
            .to_owned()
    } else {
        format!("is not known here; known are {}", known.join(", "))
    };
    let name: String = name.chars().take(60).collect();
    let field = if path.is_empty() { name } else { format!("{path}.{name}") };
    FieldError { field, problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Dialect, Document};

    fn with_defaults<R>(
        body: &str,
        defaults: &CacheDefaults,
        read: impl FnOnce(Result<RunRequest<'_>>) -> R,
    ) -> R {
        let document = Document::parse(body, Dialect::STRICT).unwrap();
        read(RunRequest::parse(document.root(), defaults))
    }

    fn cache(body: &str, defaults: &CacheDefaults) -> Option<RedisCacheConfig> {
        with_defaults(body, defaults, |request| request.unwrap().cache)
    }

    fn refused(body: &str) -> String {
        with_defaults(body, &CacheDefaults::default(), |request| {
            request.expect_err(body).to_string()
        })
    }

    #[test]
    fn the_second_switch_is_the_presence_of_config_cache() {
        let none = CacheDefaults::default();
        for off in [
            r#"{"input":{}}"#,
            r#"{"input":{},"config":null}"#,
            r#"{"input":{},"config":{}}"#,
            r#"{"input":{},"config":{"cache":null}}"#,
        ] {
            assert_eq!(cache(off, &none), None, "{off}");
        }
        let on = r#"{"input":{},"config":{"cache":{}}}"#;
        assert_eq!(cache(on, &none), Some(RedisCacheConfig::default()));
    }

    #[test]
    fn the_settings_fill_in_what_a_request_leaves_out() {
        let defaults =
            CacheDefaults { namespace: Some("app".to_owned()), ttl: Some(60), max_ttl: Some(100) };
        let config = |namespace: Option<&str>, ttl| {
            Some(RedisCacheConfig { namespace: namespace.map(str::to_owned), ttl })
        };
        for (sent, expected) in [
            ("", config(Some("app"), Some(60))),
            (r#""namespace":null,"ttl":null"#, config(None, Some(100))),
            (r#""namespace":"","ttl":0"#, config(Some(""), Some(0))),
            (r#""backend":"Redis","namespace":"x","ttl":1000"#, config(Some("x"), Some(100))),
        ] {
            let body = format!(r#"{{"input":{{}},"config":{{"cache":{{{sent}}}}}}}"#);
            assert_eq!(cache(&body, &defaults), expected, "{sent}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        for (body, start) in [
            ("[]", "the body has to be an object, not an array"),
            ("{}", "input is missing"),
            (r#"{"input":null}"#, "input has to be an object, not null"),
            (r#"{"input":"x"}"#, "input has to be an object, not a string"),
            (r#"{"input":{},"inputs":1}"#, "inputs is not known here"),
            (r#"{"input":{},"kwargs":[]}"#, "kwargs has to be an object"),
            (r#"{"input":{},"trace":1}"#, "trace has to be true or false"),
            (r#"{"input":{},"config":1}"#, "config has to be an object"),
            (r#"{"input":{},"config":{"caching":{}}}"#, "config.caching is not known here"),
            (r#"{"input":{},"config":{"cache":true}}"#, "config.cache has to be an object"),
        ] {
            let message = refused(body);
            assert!(message.starts_with(start), "{body}: {message}");
        }
        for (member, start) in [
            (r#""backend":"Memory""#, "config.cache.backend has to be \"Redis\""),
            (r#""backend":null"#, "config.cache.backend has to be"),
            (r#""ttls":1"#, "config.cache.ttls is not known here"),
            (r#""ttl":-1"#, "config.cache.ttl has to be from 0 to 3153600000"),
            (r#""ttl":3153600001"#, "config.cache.ttl has to be from 0 to"),
            (r#""ttl":99999999999999999999999"#, "config.cache.ttl has to be from 0 to"),
            (r#""ttl":1.0"#, "config.cache.ttl has to be a whole number"),
            (r#""ttl":"1""#, "config.cache.ttl has to be a whole number"),
            (r#""namespace":1"#, "config.cache.namespace has to be a string"),
            (r#""namespace":"\ud800""#, "config.cache.namespace holds a lone surrogate"),
        ] {
            let body = format!(r#"{{"input":{{}},"config":{{"cache":{{{member}}}}}}}"#);
            let message = refused(&body);
            assert!(message.starts_with(start), "{member}: {message}");
        }
    }

    #[test]
    fn a_request_never_carries_a_connection() {
        for name in ["host", "port", "db", "username", "password", "url", "token"] {
            let body = format!(r#"{{"input":{{}},"config":{{"cache":{{"{name}":"CANARY"}}}}}}"#);
            let message = refused(&body);
            assert!(message.starts_with(&format!("config.cache.{name} cannot be given")));
            assert!(!message.contains("CANARY"));
        }
    }
}
