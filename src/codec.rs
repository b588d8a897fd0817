//! Stored values: an output as JSON text in Base64, as Dynamiq writes and reads it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::{Dialect, is_null};

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
    /// The output `null`, which Dynamiq stores and never serves.
    #[error("the stored value is null")]
    Null,
}

/// The value stored for an output, given as JSON text in Python's spelling.
pub fn encode(output: &str) -> String {
    STANDARD.encode(output)
}

/// The JSON text of the output in a stored value, as it was written.
///
/// Base64 is read as Python reads it: characters outside the alphabet and everything after a
/// complete padding are ignored.
pub fn decode(stored: &str) -> Result<String, DecodeError> {
    let bytes = match STANDARD.decode(stored) {
        Ok(bytes) => bytes,
        Err(_) => decode_leniently(stored.as_bytes()).ok_or(DecodeError::NotBase64)?,
    };
    let text = String::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)?;
    match is_null(&text, Dialect::STRICT) {
        Ok(true) => Err(DecodeError::Null),
        Ok(false) => Ok(text),
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
