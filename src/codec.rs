//! Stored values, in the form that goes with the scheme of the key.
//!
//! `dynamiq`: the output as JSON text in Base64, as Dynamiq writes and reads it.
//!
//! `canonical`: an envelope that says when it was stored and until when it is fresh, in milliseconds
//! since 1970, `null` being forever. What is not known in it is passed over, so that it can grow.
//!
//! ```json
//! {"v":1,"stored_at":1795000000000,"fresh_until":1795003600000,"body":{"content": "…"}}
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::{Dialect, Document, Item, Value, is_null};
use crate::key::Scheme;

/// The version of the envelope.
const VERSION: &str = "1";

/// An output that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// As JSON text, as it was written.
    pub output: String,
    /// When, in milliseconds since 1970, where that is known.
    pub stored_at: Option<u64>,
    /// Until when it is fresh, in milliseconds since 1970; None for ever, or where that is not known.
    pub fresh_until: Option<u64>,
}

impl Stored {
    /// Whether it is fresh at `now`, in milliseconds since 1970.
    pub fn is_fresh(&self, now: u64) -> bool {
        self.fresh_until.is_none_or(|until| until > now)
    }
}

/// Why a stored value is not an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Base64 that ends too early.
    #[error("the stored value is not Base64")]
    NotBase64,
    /// The bytes are not UTF-8.
    #[error("the stored value is not UTF-8")]
    NotUtf8,
    /// The text is not JSON; `NaN` and `Infinity`, which Python writes, are not.
    #[error("the stored value is not JSON")]
    NotJson,
    /// JSON, but no envelope of a version that is known.
    #[error("the stored value is not an envelope of version {VERSION}")]
    NotEnvelope,
    /// The output `null`, which Dynamiq stores and never serves.
    #[error("the stored value is null")]
    Null,
}

/// The value stored for an output, given as JSON text in Python's spelling, under a `dynamiq` key.
pub fn encode(output: &str) -> String {
    STANDARD.encode(output)
}

/// The value stored for an output, given as JSON text, under a `canonical` key. `ttl` in seconds.
pub fn seal(output: &str, stored_at: u64, ttl: Option<u64>) -> String {
    let fresh_until = match fresh_until(stored_at, ttl) {
        Some(until) => until.to_string(),
        None => "null".to_owned(),
    };
    format!(
        "{{\"v\":{VERSION},\"stored_at\":{stored_at},\"fresh_until\":{fresh_until},\"body\":{output}}}"
    )
}

/// Until when an output is fresh, in milliseconds since 1970; None for ever. `ttl` in seconds.
pub fn fresh_until(stored_at: u64, ttl: Option<u64>) -> Option<u64> {
    ttl.map(|ttl| stored_at.saturating_add(ttl.saturating_mul(1000)))
}

/// The output in a stored value.
pub fn read(stored: &str, scheme: Scheme) -> Result<Stored, DecodeError> {
    match scheme {
        Scheme::Dynamiq => {
            decode(stored).map(|output| Stored { output, stored_at: None, fresh_until: None })
        }
        Scheme::Canonical => open(stored),
    }
}

fn open(stored: &str) -> Result<Stored, DecodeError> {
    let document = Document::parse(stored, Dialect::STRICT).map_err(|_| DecodeError::NotJson)?;
    let envelope = document.root();
    let integer = |name| match envelope.get(name).map(Value::item) {
        Some(Item::Integer(text)) => Some(text),
        _ => None,
    };
    let body = envelope.get("body").filter(|_| integer("v") == Some(VERSION));
    let body = body.ok_or(DecodeError::NotEnvelope)?;
    if body.is_null() {
        return Err(DecodeError::Null);
    }
    let time = |name| integer(name).and_then(|text| text.parse().ok());
    let (stored_at, fresh_until) = (time("stored_at"), time("fresh_until"));
    Ok(Stored { output: body.raw().to_owned(), stored_at, fresh_until })
}

/// The JSON text of the output in a value under a `dynamiq` key, as it was written.
///
/// Base64 is read as Python reads it: characters outside the alphabet and everything after a
/// complete padding are ignored.
pub fn decode(stored: &str) -> Result<String, DecodeError> {
    let bytes = match STANDARD.decode(stored) {
        Ok(bytes) => bytes,
        Err(_) => decode_leniently(stored.as_bytes()).ok_or(DecodeError::NotBase64)?,
    };
    let text = String::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)?;
    check(&text).map(|()| text)
}

/// Whether a text can be served as an output, under keys of either scheme.
pub fn check(output: &str) -> Result<(), DecodeError> {
    match is_null(output, Dialect::STRICT) {
        Ok(true) => Err(DecodeError::Null),
        Ok(false) => Ok(()),
        Err(_) => Err(DecodeError::NotJson),
    }
}

/// The rules of Python's `binascii.a2b_base64` outside its strict mode; None when the text ends in
/// the middle of a group.
fn decode_leniently(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut sextets, mut pads) = (0_u32, 0_u8, 0_u8);
    for &byte in text {
        if byte == b'=' {
            if sextets >= 2 {
                pads += 1;
                if sextets + pads >= 4 {
                    return Some(bytes);
                }
            }
            continue;
        }
        let Some(value) = sextet(byte) else { continue };
        pads = 0;
        bits = bits << 6 | u32::from(value);
        sextets = (sextets + 1) % 4;
        let complete = match sextets {
            1 => continue,
            2 => bits >> 4,
            3 => bits >> 2,
            _ => bits,
        };
        bytes.extend(complete.to_le_bytes().first());
    }
    (sextets == 0).then_some(bytes)
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_does_not_decode_says_why() {
        assert_eq!(decode("A"), Err(DecodeError::NotBase64));
        assert_eq!(decode("hello world"), Err(DecodeError::NotBase64));
        assert_eq!(decode("//4="), Err(DecodeError::NotUtf8));
        assert_eq!(decode(""), Err(DecodeError::NotJson));
        assert_eq!(decode(&encode("[NaN]")), Err(DecodeError::NotJson));
        assert_eq!(decode(&encode(" null ")), Err(DecodeError::Null));
    }

    #[test]
    fn an_envelope_gives_back_what_was_sealed() {
        let sealed = seal(r#"{"content": 1E400}"#, 1000, Some(60));
        assert_eq!(
            sealed,
            r#"{"v":1,"stored_at":1000,"fresh_until":61000,"body":{"content": 1E400}}"#
        );
        let output = r#"{"content": 1E400}"#.to_owned();
        let stored = Stored { output, stored_at: Some(1000), fresh_until: Some(61_000) };
        assert!(stored.is_fresh(60_999) && !stored.is_fresh(61_000));
        assert_eq!(read(&sealed, Scheme::Canonical), Ok(stored));
        assert!(seal("1", 5, None).contains(r#""fresh_until":null,"#));
        // What a later version adds is no obstacle, and what it lacks is not made up.
        let read = read(r#"{"usage":{},"body":[1],"v":1}"#, Scheme::Canonical);
        assert_eq!(
            read,
            Ok(Stored { output: "[1]".to_owned(), stored_at: None, fresh_until: None })
        );
    }

    #[test]
    fn what_is_no_envelope_says_why() {
        for (stored, error) in [
            ("", DecodeError::NotJson),
            ("eyJ9", DecodeError::NotJson),
            (r#"{"v":1,"body":NaN}"#, DecodeError::NotJson),
            ("[]", DecodeError::NotEnvelope),
            (r#"{"body":1}"#, DecodeError::NotEnvelope),
            (r#"{"v":1}"#, DecodeError::NotEnvelope),
            (r#"{"v":2,"body":1}"#, DecodeError::NotEnvelope),
            (r#"{"v":"1","body":1}"#, DecodeError::NotEnvelope),
            (r#"{"v":1,"body":null}"#, DecodeError::Null),
        ] {
            assert_eq!(read(stored, Scheme::Canonical), Err(error), "{stored}");
        }
    }

    proptest! {
        #[test]
        fn the_lenient_reader_agrees_with_the_strict_one(bytes: Vec<u8>) {
            let text = STANDARD.encode(&bytes);
            prop_assert_eq!(decode_leniently(text.as_bytes()), Some(bytes));
        }

        #[test]
        fn foreign_characters_are_ignored(bytes: Vec<u8>, at: usize, junk in "[^A-Za-z0-9+/=]*") {
            let mut text = STANDARD.encode(&bytes);
            text.insert_str(at % (text.len() + 1), &junk);
            prop_assert_eq!(decode_leniently(text.as_bytes()), Some(bytes));
        }
    }
}
