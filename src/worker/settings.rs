//! The environment of the Worker, read once per isolate: it cannot change while one lives.

use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use worker::wasm_bindgen::JsValue;
use worker::{Env, js_sys};

use super::embedded::{MAX_BYTES_SETTING, SWEEP_INTERVAL_SETTING};
use super::fetch::Fetch;
use super::glue;
use super::metrics::Metrics;
use super::providers::Providers;
use super::socket::Sockets;
use super::store::{Embedded, Store};
use crate::api::auth::ApiKeys;
use crate::api::log;
use crate::api::problem::{Code, Problem};
use crate::api::request::{CacheDefaults, MAX_TTL};
use crate::cache::{Cache, Deadlines, Health};
use crate::definition::{Definitions, SettingError};
use crate::node::{Resolved, SUBREQUESTS};
use crate::redis::resp::Resp;
use crate::redis::rest::Rest;
use crate::redis::settings::{Choice, choose};

/// What the build script made of `workflows/`.
const DEFINITIONS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/definitions.postcard"));

/// Largest body of a request, unless `MAX_BODY_BYTES` says otherwise.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The largest memory tier, in units of 1024 * 1024 bytes: half of what an isolate has. Requests and
/// their values need the other half.
const MAX_MEMORY_MB: usize = 64;

/// How long something stays in memory, unless `CACHE_MEMORY_TTL` says otherwise.
const MEMORY_TTL: Duration = Duration::from_secs(5);

/// Everything that requests share.
pub(super) struct App {
    pub definitions: Definitions,
    /// What the nodes need, in their order; or the variable that is not set.
    pub resolved: Vec<Result<Resolved, SettingError>>,
    pub api_keys: Option<ApiKeys>,
    pub insecure: bool,
    pub max_body_bytes: usize,
    pub max_subrequests: u32,
    pub cache_defaults: CacheDefaults,
    pub cache: Cache<Store>,
    pub health: Health,
    /// When there is a binding for them.
    pub metrics: Option<Metrics>,
    /// To the providers.
    pub providers: Providers,
}

thread_local! {
    static APP: OnceCell<Result<Rc<App>, Problem>> = const { OnceCell::new() };
}

/// The settings, or what is wrong with them.
pub(super) fn app(env: impl FnOnce() -> Env) -> Result<Rc<App>, Problem> {
    APP.with(|app| app.get_or_init(|| read(&env()).map(Rc::new)).clone())
}

/// A variable or a secret; one that is empty is not set. One that is not a text (`[vars]` may hold
/// numbers and lists) counts as its JSON text.
fn variable(env: &Env, name: &str) -> Option<String> {
    let value = js_sys::Reflect::get(env, &JsValue::from_str(name)).ok()?;
    let text = match value.as_string() {
        Some(text) => text,
        None => js_sys::JSON::stringify(&value).ok()?.as_string()?,
    };
    Some(text).filter(|text| !text.is_empty())
}

fn read(env: &Env) -> Result<App, Problem> {
    let api_keys = variable(env, "EDGEMEMO_API_KEYS")
        .map(|json| {
            ApiKeys::parse(&json).map_err(|error| {
                let detail = format!(
                    "EDGEMEMO_API_KEYS has to be a JSON list such as [{{\"id\":\"team-a\",\
                     \"sha256\":\"<64 hex digits>\",\"namespaces\":[\"my-app\"]}}]: {error}"
                );
                Problem::new(Code::ApiKeysInvalid, detail)
            })
        })
        .transpose()?;
    let mut definitions: Definitions = postcard::from_bytes(DEFINITIONS)
        .map_err(|error| Problem::new(Code::Internal, format!("definitions: {error}")))?;
    let deadlines = Deadlines::default();
    let milliseconds =
        |name, default| Ok::<_, Problem>(number(env, name)?.map_or(default, Duration::from_millis));
    let deadlines = Deadlines {
        lookup: milliseconds("CACHE_LOOKUP_TIMEOUT_MS", deadlines.lookup)?,
        write: milliseconds("CACHE_WRITE_TIMEOUT_MS", deadlines.write)?,
    };
    let execute_timeout = number(env, "EXECUTE_TIMEOUT_MS")?.map(Duration::from_millis);
    if execute_timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(invalid("EXECUTE_TIMEOUT_MS has to be over 0".to_owned()));
    }
    if let Some(limit) = execute_timeout {
        definitions.bound_executions(limit.as_secs_f64());
    }
    let ttl = |name| match number(env, name)? {
        Some(ttl) if ttl > MAX_TTL => Err(invalid(format!("{name} has to be at most {MAX_TTL}"))),
        ttl => Ok(ttl),
    };
    Ok(App {
        resolved: (definitions.nodes.iter())
            .map(|node| Resolved::new(node, |name| variable(env, name)))
            .collect(),
        definitions,
        api_keys,
        insecure: variable(env, "EDGEMEMO_INSECURE").is_some_and(|value| value == "true"),
        max_subrequests: number(env, "MAX_SUBREQUESTS")?.unwrap_or(SUBREQUESTS),
        max_body_bytes: number(env, "MAX_BODY_BYTES")?.unwrap_or(MAX_BODY_BYTES),
        cache_defaults: CacheDefaults {
            namespace: variable(env, "CACHE_NAMESPACE"),
            ttl: ttl("CACHE_TTL")?,
            max_ttl: ttl("CACHE_MAX_TTL")?,
        },
        cache: cache(env, deadlines)?,
        health: Health::default(),
        metrics: Metrics::new(env),
        providers: Providers::new(env),
    })
}

/// The cache, which tells the log when its breaker changes.
fn cache(env: &Env, deadlines: Deadlines) -> Result<Cache<Store>, Problem> {
    let mut cache = Cache::new(store(env)?, deadlines)
        .with_on_change(|change, reason| glue::log(&log::breaker_line(change, reason)));
    if let Some(bytes) = number(env, "CACHE_MAX_VALUE_BYTES")? {
        cache = cache.with_max_value_bytes(bytes);
    }
    if let Some(pause) = number(env, "CACHE_BREAKER_PAUSE_MS")? {
        cache = cache.with_breaker_pause(Duration::from_millis(pause));
    }
    let megabytes = number(env, "CACHE_MEMORY_MB")?.unwrap_or(0);
    if megabytes > MAX_MEMORY_MB {
        return Err(invalid(format!("CACHE_MEMORY_MB has to be at most {MAX_MEMORY_MB}")));
    }
    let lifetime = number(env, "CACHE_MEMORY_TTL")?.map_or(MEMORY_TTL, Duration::from_secs);
    if megabytes > 0 && !lifetime.is_zero() {
        cache = cache.with_memory(megabytes * 1024 * 1024, lifetime);
    }
    Ok(cache)
}

/// A setting that is a whole number.
pub(super) fn number<T: FromStr<Err: fmt::Display>>(
    env: &Env,
    name: &str,
) -> Result<Option<T>, Problem> {
    let Some(text) = variable(env, name) else { return Ok(None) };
    text.parse().map(Some).map_err(|error| invalid(format!("{name} has to be a number: {error}")))
}

fn invalid(detail: String) -> Problem {
    Problem::new(Code::SettingsInvalid, detail)
}

/// The Redis that the settings name; without any, the embedded store.
fn store(env: &Env) -> Result<Store, Problem> {
    match choose(&|name| variable(env, name)).map_err(invalid)? {
        Choice::Rest { url, token } => Ok(Store::Rest(Rest::new(Fetch::redis(), &url, &token))),
        Choice::Resp(connection) => Ok(Store::Resp(Resp::new(Sockets, connection))),
        Choice::Embedded => embedded(env),
    }
}

fn embedded(env: &Env) -> Result<Store, Problem> {
    // The shards read it for themselves; a mistake in it is better told here.
    number::<u64>(env, MAX_BYTES_SETTING)?;
    number::<u64>(env, SWEEP_INTERVAL_SETTING)?;
    Embedded::new(env).map(Store::Embedded).ok_or_else(|| {
        invalid(
            "no Redis is configured and the embedded store has no binding: set \
             UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN, or REDIS_URL, or bind EMBEDDED to \
             the Durable Object class EmbeddedShard"
                .to_owned(),
        )
    })
}
