//! Who may call.
//!
//! Callers send an API key; `EDGEMEMO_API_KEYS` holds the SHA-256 of each with the namespaces it
//! covers. Without keys nobody may call, except in insecure mode, which is for local work.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::problem::{Code, Problem};

/// The configured API keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeys(Vec<ApiKey>);

/// One of `EDGEMEMO_API_KEYS`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// A name for logs.
    pub id: String,
    /// SHA-256 of the key.
    #[serde(deserialize_with = "sha256_hex")]
    sha256: [u8; 32],
    /// The namespaces that it covers; `*` covers all, and runs without a namespace.
    namespaces: Vec<String>,
    /// Whether it may administer the cache.
    #[serde(default)]
    pub admin: bool,
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller<'a> {
    /// The holder of an API key.
    Key(&'a ApiKey),
    /// Anybody on this machine, in insecure mode.
    Local,
}

/// What a request shows of its caller.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The key, from whichever header.
    pub key: Option<&'a str>,
    /// Scheme and authority of the request's URL: `http://localhost:8787`.
    pub url_origin: &'a str,
    /// The header `Origin`.
    pub origin: Option<&'a str>,
}

impl ApiKeys {
    /// Reads `EDGEMEMO_API_KEYS`. The error names the place and never quotes the text.
    pub fn parse(json: &str) -> Result<Self, String> {
        let keys: Vec<ApiKey> = serde_json::from_str(json).map_err(|error| {
            format!(
                "{:?} error at line {} column {}",
                error.classify(),
                error.line(),
                error.column()
            )
        })?;
        if keys.is_empty() {
            return Err("the list is empty".to_owned());
        }
        Ok(Self(keys))
    }

    /// The key that was presented; compares with all of them, in constant time.
    fn find(&self, presented: &str) -> Option<&ApiKey> {
        let digest: [u8; 32] = Sha256::digest(presented).into();
        let mut found = None;
        for key in &self.0 {
            let equal: Choice = key.sha256.ct_eq(&digest);
            if bool::from(equal) {
                found = Some(key);
            }
        }
        found
    }
}

/// The caller, or why there is none that may call. `keys` is None when none are configured.
pub fn authenticate<'k>(
    keys: Option<&'k ApiKeys>,
    insecure: bool,
    request: Credentials<'_>,
) -> Result<Caller<'k>, Problem> {
    if let (Some(keys), Some(presented)) = (keys, request.key) {
        return keys.find(presented).map(Caller::Key).ok_or_else(|| {
            Problem::new(
                Code::Unauthenticated,
                "the API key is not one of EDGEMEMO_API_KEYS; check it, and that it was hashed \
                 without a trailing newline",
            )
        });
    }
    if insecure {
        return check_local(request).map(|()| Caller::Local);
    }
    Err(match keys {
        Some(_) => Problem::new(
            Code::Unauthenticated,
            "send an API key in `Authorization: Bearer`, `x-api-key` or `x-edgememo-api-key`",
        ),
        None => Problem::new(
            Code::ApiKeysMissing,
            "set the secret EDGEMEMO_API_KEYS (`wrangler secret put EDGEMEMO_API_KEYS`) to a JSON \
             list such as [{\"id\":\"team-a\",\"sha256\":\"<hex>\",\"namespaces\":[\"my-app\"]}]",
        ),
    })
}

/// A page elsewhere could reach a local Worker under a name that it controls, or by posting across
/// origins: neither is served.
fn check_local(request: Credentials<'_>) -> Result<(), Problem> {
    if !is_loopback(request.url_origin) {
        return Err(Problem::new(
            Code::InsecureHostForbidden,
            "EDGEMEMO_INSECURE is for local work: use localhost, or configure EDGEMEMO_API_KEYS",
        ));
    }
    if request.origin.is_some_and(|origin| origin != request.url_origin) {
        return Err(Problem::new(
            Code::InsecureOriginForbidden,
            "EDGEMEMO_INSECURE does not serve other origins: configure EDGEMEMO_API_KEYS",
        ));
    }
    Ok(())
}

fn is_loopback(url_origin: &str) -> bool {
    let authority = url_origin.split_once("://").map_or(url_origin, |(_, authority)| authority);
    // A host after `@` would be another.
    if authority.contains('@') {
        return false;
    }
    if let Some(rest) = authority.strip_prefix("[::1]") {
        return rest.is_empty() || rest.starts_with(':');
    }
    let host = authority.split(':').next().unwrap_or_default();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

impl Caller<'_> {
    /// Whether the caller has shown a key, so that cache keys may be told.
    pub fn is_authenticated(self) -> bool {
        matches!(self, Self::Key(_))
    }

    /// A name for logs.
    pub fn id(&self) -> &str {
        match self {
            Self::Key(key) => &key.id,
            Self::Local => "local",
        }
    }

    /// Whether the caller may use the cache in that namespace; None is no namespace.
    pub fn check_namespace(self, namespace: Option<&str>) -> Result<(), Problem> {
        let Self::Key(key) = self else { return Ok(()) };
        let covers = |covered: &String| covered == "*" || Some(covered.as_str()) == namespace;
        if key.namespaces.iter().any(covers) {
            return Ok(());
        }
        let detail = match namespace {
            Some(_) => "config.cache.namespace is not one that this API key covers",
            None => {
                "config.cache.namespace is missing, and this API key covers certain namespaces only"
            }
        };
        Err(Problem::new(Code::NamespaceForbidden, detail))
    }
}

fn sha256_hex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    use serde::de::Error as _;
    let text = String::deserialize(deserializer)?;
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok()))
        .collect();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .filter(|_| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .ok_or_else(|| D::Error::custom("sha256 has to be 64 hex digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that nobody holds, one for two namespaces, and one for all.
    const KEYS: &str = r#"[
        {"id":"a","sha256":"0000000000000000000000000000000000000000000000000000000000000000","namespaces":["other"]},
        {"id":"team","sha256":"SHA","namespaces":["my-app",""]},
        {"id":"root","sha256":"ROOT","namespaces":["*"],"admin":true}
    ]"#;

    fn keys() -> ApiKeys {
        let hex = |key: &str| {
            let mut out = String::new();
            crate::key::push_hex(&mut out, &Sha256::digest(key).into());
            out
        };
        let json = KEYS.replace("SHA", &hex("team-key")).replace("ROOT", &hex("root-key"));
        ApiKeys::parse(&json).unwrap()
    }

    fn call<'a>(
        key: Option<&'a str>,
        url_origin: &'a str,
        origin: Option<&'a str>,
    ) -> Credentials<'a> {
        Credentials { key, url_origin, origin }
    }

    #[test]
    fn a_key_is_known_by_its_hash() {
        let keys = keys();
        let caller = authenticate(Some(&keys), false, call(Some("team-key"), "https://x", None));
        assert_eq!(caller.map(|caller| caller.id().to_owned()), Ok("team".to_owned()));
        for wrong in ["", "team-key ", "Team-key", "root"] {
            let refused = authenticate(Some(&keys), false, call(Some(wrong), "https://x", None));
            assert_eq!(refused.unwrap_err().code, Code::Unauthenticated, "{wrong}");
        }
        let none = authenticate(Some(&keys), false, call(None, "https://x", None));
        assert_eq!(none.unwrap_err().code, Code::Unauthenticated);
    }

    #[test]
    fn without_keys_nobody_may_call() {
        let refused = authenticate(None, false, call(Some("any"), "http://localhost", None));
        assert_eq!(refused.unwrap_err().code, Code::ApiKeysMissing);
    }

    #[test]
    fn a_wrong_key_is_refused_in_insecure_mode_too() {
        let keys = keys();
        let refused = authenticate(Some(&keys), true, call(Some("x"), "http://localhost", None));
        assert_eq!(refused.unwrap_err().code, Code::Unauthenticated);
    }

    #[test]
    fn insecure_mode_serves_loopback_and_its_own_origin_only() {
        let code = |host: &str, origin: Option<&str>| {
            authenticate(None, true, call(None, host, origin)).map_err(|problem| problem.code)
        };
        for host in [
            "http://localhost:8787",
            "http://127.0.0.1:8787",
            "http://127.8.8.8",
            "http://[::1]:8787",
            "http://a.localhost",
        ] {
            assert_eq!(code(host, None), Ok(Caller::Local), "{host}");
            assert_eq!(code(host, Some(host)), Ok(Caller::Local), "{host}");
            let foreign = Err(Code::InsecureOriginForbidden);
            assert_eq!(code(host, Some("https://evil.example")), foreign, "{host}");
            assert_eq!(code(host, Some("null")), foreign, "{host}");
        }
        for host in [
            "http://evil.example:8787",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "http://notlocalhost",
            "http://10.0.0.1",
            "http://0.0.0.0",
            "http://[::1].evil.example",
            "http://[::2]:8787",
            "http://localhost:80@evil.example",
            "",
        ] {
            assert_eq!(code(host, None), Err(Code::InsecureHostForbidden), "{host}");
        }
    }

    #[test]
    fn a_key_covers_its_namespaces_only() {
        let keys = keys();
        let team = Caller::Key(keys.find("team-key").unwrap());
        let root = Caller::Key(keys.find("root-key").unwrap());
        for namespace in [Some("my-app"), Some("")] {
            assert_eq!(team.check_namespace(namespace), Ok(()), "{namespace:?}");
        }
        for namespace in [Some("other"), Some("my-app:x"), Some("*"), None] {
            let refused = team.check_namespace(namespace).unwrap_err();
            assert_eq!(refused.code, Code::NamespaceForbidden, "{namespace:?}");
            assert_eq!(root.check_namespace(namespace), Ok(()));
            assert_eq!(Caller::Local.check_namespace(namespace), Ok(()));
        }
    }

    #[test]
    fn malformed_keys_are_refused_without_being_quoted() {
        for text in [
            "",
            "CANARY",
            "[]",
            "{}",
            r#"[{"id":"a","sha256":"CANARY","namespaces":[]}]"#,
            r#"[{"id":"a","sha256":"+a","namespaces":[]}]"#,
            r#"[{"id":"a","namespaces":[]}]"#,
            r#"[{"id":"a","sha256":"","namespaces":[],"CANARY":1}]"#,
        ] {
            let error = ApiKeys::parse(text).expect_err(text);
            assert!(!error.contains("CANARY"), "{error}");
        }
    }
}
