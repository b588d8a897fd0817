//! Cache keys: the hash of what a node is asked, in one of two schemes.
//!
//! `docs/keys.md` has the rules of both, with their reasons.
//!
//! ```
//! use edgememo::json::{Dialect, Document};
//! use edgememo::key::{KeyRequest, Scheme, cache_key};
//!
//! let input = Document::parse(r#"{"text": "hello", "n": 1.0}"#, Dialect::STRICT)?;
//! let request = KeyRequest {
//!     scheme: Scheme::Dynamiq,
//!     namespace: Some("my-app"),
//!     entity_id: "summarizer",
//!     input: input.root(),
//!     kwargs: None,
//!     definition: None,
//! };
//! assert!(cache_key(&request)?.starts_with("my-app:summarizer:"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod explain;
mod scheme;

pub use explain::{
    Component, Difference, DifferenceKind, ExplainError, Explanation, Side, explain,
};
pub use scheme::Scheme;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::json::{Item, Order, Refusal, Spelling, Value, Writer, spell};

/// Keywords of a run that name the run and not the work: left out before hashing.
const LEFT_OUT: [&str; 5] = ["config", "run_id", "parent_run_id", "wf_run_id", "executor"];
/// Keywords that collide with the parameters of Dynamiq's cache functions: refused.
const REFUSED: [&str; 3] = ["self", "entity_id", "input_data"];

/// SHA-256 of `{}`, which Dynamiq hashes for a run without keywords. Most have none.
const NO_KWARGS: [u8; 32] = [
    0x44, 0x13, 0x6f, 0xa3, 0x55, 0xb3, 0x67, 0x8a, 0x11, 0x46, 0xad, 0x16, 0xf7, 0xe8, 0x64, 0x9e,
    0x94, 0xfb, 0x4f, 0xc2, 0x1f, 0xe7, 0x7e, 0x83, 0x10, 0xc0, 0x60, 0xf6, 0x1c, 0xaa, 0xff, 0x8a,
];

/// The last part of a canonical key. Whoever changes what is hashed changes it too, and adds a file
/// beside `tests/vectors/canonical.json`, which has what this version hashes.
const CANONICAL_VERSION: &str = "v1";
/// What stands for itself in a part of a canonical key: RFC 3986's unreserved characters.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a scheme writes what it hashes.
fn spelling(scheme: Scheme) -> Spelling {
    match scheme {
        Scheme::Dynamiq => Spelling::Python(Order::SortedOutsideArrays),
        Scheme::Canonical => Spelling::Canonical,
    }
}

/// What a key is made of.
#[derive(Debug, Clone, Copy)]
pub struct KeyRequest<'a> {
    /// How.
    pub scheme: Scheme,
    /// The first part; None leaves it out, which is not the same as the empty text.
    pub namespace: Option<&'a str>,
    /// The node's id.
    pub entity_id: &'a str,
    /// The node's input, an object.
    pub input: Value<'a>,
    /// Further keywords, an object. None is the same as `{}`.
    pub kwargs: Option<Value<'a>>,
    /// What the node does (model, prompt, parameters; never secrets). A part of canonical keys
    /// only: Dynamiq's do not know it.
    pub definition: Option<Value<'a>>,
}

/// Why there is no key for a request.
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
    /// Something has no canonical spelling.
    #[error("{component} has {} at byte {}, which the canonical scheme does not take",
        .refusal.kind, .refusal.position)]
    NotCanonical {
        /// In which part of the request.
        component: Component,
        /// What and where.
        refusal: Refusal,
    },
}

impl KeyError {
    /// The stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InputNotObject(_) => "input-not-object",
            Self::KwargsNotObject(_) => "kwargs-not-object",
            Self::ReservedKeyword(_) => "reserved-keyword",
            Self::NotCanonical { refusal, .. } => refusal.kind.code(),
        }
    }

    /// The offset in bytes in the text of the component, where there is one.
    pub fn position(&self) -> Option<usize> {
        match self {
            Self::NotCanonical { refusal, .. } => Some(refusal.position),
            _ => None,
        }
    }
}

/// The key under which a node's output is stored.
pub fn cache_key(request: &KeyRequest<'_>) -> Result<String, KeyError> {
    let KeyRequest { scheme, namespace, entity_id, input, kwargs, definition } = *request;
    if !input.is_object() {
        return Err(KeyError::InputNotObject(input.kind_name()));
    }
    check_kwargs(kwargs)?;
    let input = hash(scheme, |writer| write(writer, Component::Input, Some(input)))?;
    let kwargs = match (scheme, kwargs) {
        (Scheme::Dynamiq, None) => NO_KWARGS,
        (Scheme::Dynamiq, _) => hash(scheme, |writer| write(writer, Component::Kwargs, kwargs))?,
        (Scheme::Canonical, _) => hash(scheme, |writer| {
            writer.verbatim("{");
            if definition.is_some() {
                writer.verbatim("\"definition\":");
                write(writer, Component::Definition, definition)?;
                writer.verbatim(",");
            }
            writer.verbatim("\"kwargs\":");
            write(writer, Component::Kwargs, kwargs)?;
            writer.verbatim("}");
            Ok(())
        })?,
    };

    let names = namespace.map_or(0, str::len) + entity_id.len();
    let mut key = String::with_capacity(names + "::".len() + 2 * 64 + "::v1".len());
    for part in namespace.into_iter().chain([entity_id]) {
        match scheme {
            Scheme::Dynamiq => key.push_str(part),
            Scheme::Canonical => key.extend(utf8_percent_encode(part, &RESERVED)),
        }
        key.push(':');
    }
    push_hex(&mut key, &input);
    key.push(':');
    push_hex(&mut key, &kwargs);
    if scheme == Scheme::Canonical {
        key.push(':');
        key.push_str(CANONICAL_VERSION);
    }
    Ok(key)
}

/// The text that a scheme hashes for a value.
pub fn canonicalize(value: Value<'_>, scheme: Scheme) -> Result<String, Refusal> {
    spell(value, spelling(scheme))
}

fn hash(
    scheme: Scheme,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), KeyError>,
) -> Result<[u8; 32], KeyError> {
    let mut hasher = Sha256::new();
    let mut sink = |piece: &[u8]| hasher.update(piece);
    let mut writer = Writer::new(spelling(scheme), &mut sink);
    write(&mut writer)?;
    writer.finish();
    Ok(hasher.finalize().into())
}

/// Writes a part of the request; one that is missing is `{}`.
fn write(
    writer: &mut Writer<'_>,
    component: Component,
    value: Option<Value<'_>>,
) -> Result<(), KeyError> {
    let Some(value) = value else {
        writer.verbatim("{}");
        return Ok(());
    };
    writer
        .value_without(value, component.left_out())
        .map_err(|refusal| KeyError::NotCanonical { component, refusal })
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
pub(crate) fn push_hex(out: &mut String, bytes: &[u8; 32]) {
    let mut hex = [0; 64];
    let (bytes, _) = bytes.as_chunks::<4>();
    let (digits, _) = hex.as_chunks_mut::<8>();
    for (digits, bytes) in digits.iter_mut().zip(bytes) {
        *digits = hex_digits(*bytes);
    }
    out.push_str(std::str::from_utf8(&hex).unwrap_or_default());
}

/// The digits of four bytes, all at once: pushing them one by one takes as long as a block of the hash.
fn hex_digits(bytes: [u8; 4]) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut nibbles = u64::from(u32::from_be_bytes(bytes));
    nibbles = (nibbles | nibbles << 16) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | nibbles << 8) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 in the bytes that are over 9.
    let letters = (nibbles + 6 * ONES) >> 4 & ONES;
    let to_letters = u64::from(b'a' - b'9' - 1);
    (nibbles + ONES * u64::from(b'0') + letters * to_letters).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Dialect, Document};

    struct Given {
        scheme: Scheme,
        namespace: Option<&'static str>,
        entity_id: &'static str,
        input: &'static str,
        kwargs: &'static str,
        definition: Option<&'static str>,
    }

    const GIVEN: Given = Given {
        scheme: Scheme::Dynamiq,
        namespace: Some("my-app"),
        entity_id: "summarizer",
        input: "{}",
        kwargs: "{}",
        definition: None,
    };

    impl Given {
        fn key(&self) -> Result<String, KeyError> {
            let parse = |text| Document::parse(text, Dialect::PYTHON).unwrap();
            let (input, kwargs) = (parse(self.input), parse(self.kwargs));
            let definition = self.definition.map(parse);
            cache_key(&KeyRequest {
                scheme: self.scheme,
                namespace: self.namespace,
                entity_id: self.entity_id,
                input: input.root(),
                kwargs: Some(kwargs.root()),
                definition: definition.as_ref().map(Document::root),
            })
        }
    }

    const SCHEMES: [Scheme; 2] = [Scheme::Dynamiq, Scheme::Canonical];

    #[test]
    fn no_keywords_hash_as_an_empty_object() {
        assert_eq!(NO_KWARGS, <[u8; 32]>::from(Sha256::digest("{}")));
        let empty = Document::parse("{}", Dialect::STRICT).unwrap();
        let key = |kwargs| {
            cache_key(&KeyRequest {
                scheme: Scheme::Dynamiq,
                namespace: None,
                entity_id: "a",
                input: empty.root(),
                kwargs,
                definition: None,
            })
        };
        assert_eq!(key(None), key(Some(empty.root())));
    }

    #[test]
    fn every_byte_has_its_two_digits() {
        for first in (0..=u8::MAX).step_by(32) {
            let bytes: [u8; 32] = std::array::from_fn(|at| first + at as u8);
            let mut hex = "x".to_owned();
            push_hex(&mut hex, &bytes);
            let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, format!("x{expected}"));
        }
    }

    #[test]
    fn keywords_that_name_the_run_do_not_change_the_key() {
        for scheme in SCHEMES {
            let given = Given { scheme, ..GIVEN };
            let run = r#"{"run_id":"1","config":{},"parent_run_id":2,"wf_run_id":3,"executor":4}"#;
            assert_eq!(Given { kwargs: run, ..given }.key(), given.key());
            assert_ne!(Given { kwargs: r#"{"run":"1"}"#, ..given }.key(), given.key());
        }
    }

    #[test]
    fn reserved_keywords_are_refused_by_name() {
        for (kwargs, name) in [
            (r#"{"self":1}"#, "self"),
            (r#"{"entity_id":1}"#, "entity_id"),
            (r#"{"input_data":1}"#, "input_data"),
        ] {
            for scheme in SCHEMES {
                let error = Given { scheme, kwargs, ..GIVEN }.key().unwrap_err();
                assert_eq!(error.to_string(), format!("kwargs.{name} is a reserved name"));
                assert_eq!(error.code(), "reserved-keyword");
            }
        }
    }

    #[test]
    fn only_the_canonical_key_knows_the_definition() {
        let definition = Some(r#"{"model":"a"}"#);
        assert_eq!(Given { definition, ..GIVEN }.key(), GIVEN.key());
        let canonical = Given { scheme: Scheme::Canonical, ..GIVEN };
        let key = Given { definition, ..canonical }.key();
        assert_ne!(key, canonical.key());
        // A definition is no keyword.
        let kwargs = r#"{"definition":{"model":"a"}}"#;
        assert_ne!(Given { kwargs, ..canonical }.key(), key);
        let other = Some(r#"{"model":"b"}"#);
        assert_ne!(Given { definition: other, ..canonical }.key(), key);
    }

    #[test]
    fn canonical_parts_are_encoded_and_the_version_comes_last() {
        let canonical = Given { scheme: Scheme::Canonical, ..GIVEN };
        let entity_id = "é:%~a";
        let key = Given { namespace: Some(""), entity_id, ..canonical }.key().unwrap();
        assert!(key.starts_with(":%C3%A9%3A%25~a:44136fa355b3678a1146ad16f7e8649e"), "{key}");
        assert!(key.ends_with(":v1"), "{key}");
        let key = Given { namespace: None, entity_id, ..canonical }.key().unwrap();
        assert!(key.starts_with("%C3%A9%3A%25~a:4413"), "{key}");
    }

    #[test]
    fn what_is_not_canonical_is_named_with_its_place() {
        let canonical = Given { scheme: Scheme::Canonical, ..GIVEN };
        for (given, message, code) in [
            (
                Given { input: r#"{"a":1,"\u0061":2}"#, ..canonical },
                "input has two members of one name at byte 7, which the canonical scheme does not take",
                "duplicate-name",
            ),
            (
                Given { kwargs: r#"{"a":"x\ud800"}"#, ..canonical },
                "kwargs has a lone surrogate at byte 7, which the canonical scheme does not take",
                "lone-surrogate",
            ),
            (
                Given { definition: Some("[1e9999999]"), ..canonical },
                "definition has a number with an exponent beyond ±999999 at byte 1, which the canonical scheme does not take",
                "exponent-out-of-range",
            ),
            (
                Given { input: r#"{"a":[NaN]}"#, ..canonical },
                "input has NaN or Infinity at byte 6, which the canonical scheme does not take",
                "non-finite-number",
            ),
        ] {
            let error = given.key().unwrap_err();
            assert_eq!((error.to_string().as_str(), error.code()), (message, code));
        }
    }
}
