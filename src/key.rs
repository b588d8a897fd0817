//! Cache keys, bit for bit those of Dynamiq's Python library.
//!
//! ```text
//! [{namespace}:]{entity_id}:{sha256(input)}:{sha256(kwargs)}
//! ```
//!
//! Both hashes are taken over Python's JSON spelling with sorted members (see
//! [`Order::SortedOutsideArrays`]), in lower-case hex. Namespace and entity id are written as they
//! are, so a `:` in them can make two pairs look alike (`a:b` + `c`, `a` + `b:c`); it is Dynamiq's
//! format, and the entity ids are the deployment's own.

use sha2::{Digest, Sha256};

use crate::json::{Item, Order, Value, dumps, dumps_members};

/// Keywords of a run that name the run and not the work: left out before hashing.
const LEFT_OUT: [&str; 5] = ["config", "run_id", "parent_run_id", "wf_run_id", "executor"];
/// Keywords that collide with the parameters of Dynamiq's cache functions: refused.
const REFUSED: [&str; 3] = ["self", "entity_id", "input_data"];

/// Why there is no key for a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The input is not an object.
    #[error("input has to be an object, not {0}")]
    InputNotObject(&'static str),
    /// The keywords are not an object.
    #[error("kwargs has to be an object, not {0}")]
    KwargsNotObject(&'static str),
    /// A keyword has a name that Dynamiq keeps for itself.
    #[error("kwargs.{0} is a reserved name")]
    ReservedKeyword(&'static str),
}

/// The key under which a node's output is stored. `kwargs` None is the same as `{}`.
pub fn cache_key(
    namespace: Option<&str>,
    entity_id: &str,
    input: Value<'_>,
    kwargs: Option<Value<'_>>,
) -> Result<String, KeyError> {
    if !input.is_object() {
        return Err(KeyError::InputNotObject(input.kind_name()));
    }
    let input = dumps(input, Order::SortedOutsideArrays);
    let kwargs = canonical_kwargs(kwargs)?;
    let namespace_length = namespace.map_or(0, |namespace| namespace.len() + 1);
    let mut key = String::with_capacity(namespace_length + entity_id.len() + 2 * 65);
    if let Some(namespace) = namespace {
        key.push_str(namespace);
        key.push(':');
    }
    key.push_str(entity_id);
    for text in [input, kwargs] {
        key.push(':');
        push_hex(&mut key, &Sha256::digest(text));
    }
    Ok(key)
}

/// The text whose hash is the last part of the key.
fn canonical_kwargs(kwargs: Option<Value<'_>>) -> Result<String, KeyError> {
    check_kwargs(kwargs)?;
    let Some(Item::Object(members)) = kwargs.map(Value::item) else { return Ok("{}".to_owned()) };
    let hashed = members.filter(|(name, _)| !LEFT_OUT.into_iter().any(|left| name.is(left)));
    Ok(dumps_members(hashed, Order::SortedOutsideArrays))
}

/// Refuses keywords of which there is no key.
pub fn check_kwargs(kwargs: Option<Value<'_>>) -> Result<(), KeyError> {
    let Some(kwargs) = kwargs else { return Ok(()) };
    let Item::Object(mut members) = kwargs.item() else {
        return Err(KeyError::KwargsNotObject(kwargs.kind_name()));
    };
    match members.find_map(|(name, _)| REFUSED.into_iter().find(|reserved| name.is(reserved))) {
        Some(reserved) => Err(KeyError::ReservedKeyword(reserved)),
        None => Ok(()),
    }
}

/// Appends bytes in lower-case hex.
pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xf] {
            out.extend(DIGITS.get(usize::from(nibble)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Dialect, Document};

    fn key(input: &str, kwargs: &str) -> Result<String, KeyError> {
        let input = Document::parse(input, Dialect::STRICT).unwrap();
        let kwargs = Document::parse(kwargs, Dialect::STRICT).unwrap();
        cache_key(Some("my-app"), "summarizer", input.root(), Some(kwargs.root()))
    }

    #[test]
    fn keywords_that_name_the_run_do_not_change_the_key() {
        let run = r#"{"run_id":"1","config":{},"parent_run_id":2,"wf_run_id":3,"executor":4}"#;
        assert_eq!(key("{}", run), key("{}", "{}"));
        assert_ne!(key("{}", r#"{"run":"1"}"#), key("{}", "{}"));
    }

    #[test]
    fn reserved_keywords_are_refused_by_name() {
        for name in ["self", "entity_id", "input_data"] {
            let error = key("{}", &format!(r#"{{"{name}":1}}"#)).unwrap_err();
            assert_eq!(error.to_string(), format!("kwargs.{name} is a reserved name"));
        }
    }
}
