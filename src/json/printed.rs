//! What Python's `str()` prints for the values that JSON has.

use std::fmt::Write as _;

use super::python::float_repr;
use super::{Item, Value};

/// Why the edge does not print a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unprintable {
    /// A text has half of a surrogate pair.
    #[error("a lone surrogate")]
    LoneSurrogate,
    /// Inside an array or object Python escapes it or not, by its version of Unicode.
    #[error("U+{0:04X} inside a value")]
    Character(u32),
}

impl Value<'_> {
    /// What Python's `str()` prints: a string as it is, and anything else as `repr()` does. It calls
    /// itself as deep as the value nests, which the parser bounds.
    pub fn printed(self) -> Result<String, Unprintable> {
        if let Some(string) = self.as_str() {
            return match string.to_str() {
                Some(text) => Ok(text.into_owned()),
                None => Err(Unprintable::LoneSurrogate),
            };
        }
        let mut out = String::new();
        push_value(&mut out, self)?;
        Ok(out)
    }
}

fn push_value(out: &mut String, value: Value<'_>) -> Result<(), Unprintable> {
    match value.item() {
        Item::Null => out.push_str("None"),
        Item::Bool(bool) => out.push_str(if bool { "True" } else { "False" }),
        Item::Integer("-0") => out.push('0'),
        Item::Integer(text) => out.push_str(text),
        Item::Float(text) => out.push_str(match float_repr(text).as_ref() {
            "NaN" => "nan",
            "Infinity" => "inf",
            "-Infinity" => "-inf",
            finite => finite,
        }),
        Item::String(string) => push_repr(out, string.code_points())?,
        Item::Array(values) => {
            out.push('[');
            for (index, value) in values.enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                push_value(out, value)?;
            }
            out.push(']');
        }
        Item::Object(_) => {
            out.push('{');
            for (index, (name, value)) in value.resolved_members(false, &[]).into_iter().enumerate()
            {
                out.push_str(if index == 0 { "" } else { ", " });
                push_repr(out, name.code_points())?;
                out.push_str(": ");
                push_value(out, value)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// Appends what Python's `repr()` prints for the string of these code points.
pub(crate) fn push_repr(
    out: &mut String,
    code_points: impl Iterator<Item = u32> + Clone,
) -> Result<(), Unprintable> {
    let has = |quote: char| code_points.clone().any(|code| code == u32::from(quote));
    let quote = if has('\'') && !has('"') { '"' } else { '\'' };
    out.push(quote);
    for code in code_points {
        let c = char::from_u32(code).unwrap_or_default();
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if c == quote || c == '\\' => out.extend(['\\', c]),
            _ if is_printable(code).ok_or(Unprintable::Character(code))? => out.push(c),
            _ => {
                // Writing to a String cannot fail.
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
    Ok(())
}

/// Whether Python 3.11 and later call a character printable; None where that depends on their version
/// of Unicode.
fn is_printable(code: u32) -> Option<bool> {
    // A surrogate is none.
    let Some(c) = char::from_u32(code) else { return Some(false) };
    Some(match code {
        0x20..=0x7e => true,
        0..=0xa0 | 0xad => false,
        0xa1..=0x377 => true,
        0x600..=0x605
        | 0x61c
        | 0x6dd
        | 0x70f
        | 0x890
        | 0x891
        | 0x8e2
        | 0x1680
        | 0x180e
        | 0x2000..=0x200f
        | 0x2028..=0x202f
        | 0x205f..=0x2064
        | 0x2066..=0x206f
        | 0x3000
        | 0xe000..=0xf8ff
        | 0xfeff
        | 0xfff9..=0xfffb
        | 0xf0000..=0xffffd
        | 0x10_0000..=0x10_fffd => false,
        0xfe00..=0xfe0f | 0x20d0..=0x20f0 => true,
        0x1f3fb..=0x1f3ff => true,
        _ if c.is_alphabetic() || c.escape_debug().len() == 1 => known(c)?,
        _ => return None,
    })
}

/// True for a character that Python's Unicode has; None for one that is too new.
fn known(c: char) -> Option<bool> {
    match u32::from(c) {
        0x88f
        | 0x897
        | 0xc5c
        | 0xcdc
        | 0xcf3
        | 0x1b4e
        | 0x1b4f
        | 0x1b7f
        | 0x1c89
        | 0x1c8a
        | 0x20c1
        | 0x2427..=0x2429
        | 0x2b96
        | 0x2ffc..=0x2fff
        | 0x31e4..=0x31ef
        | 0xa7cb..=0xa7f1
        | 0xfbc3..=0xfdff => None,
        0..=0xffff
        | 0x1d400..=0x1d7ff
        | 0x1f300..=0x1f6d7
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x2b738 => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dialect, Document};
    use super::*;

    fn printed(text: &str) -> Result<String, Unprintable> {
        Document::parse(text, Dialect::PYTHON).unwrap().root().printed()
    }

    #[test]
    fn values_print_as_python_prints_them() {
        for (text, expected) in [
            ("null", "None"),
            (
                "[true, false, -0, -0.0, 1e16, 1.50, NaN, -Infinity]",
                "[True, False, 0, -0.0, 1e+16, 1.5, nan, -inf]",
            ),
            (r#""it's\n""#, "it's\n"),
            (
                r#"["it's", "\"", "'\"\\\n\u0000\u00ad\ue000é\ud83d\ude00\ud800"]"#,
                r#"["it's", '"', '\'"\\\n\x00\xad\ue000é😀\ud800']"#,
            ),
            (
                r#"{"b": [], "a": {"x": 12345678901234567890123}, "b": 1}"#,
                "{'b': 1, 'a': {'x': 12345678901234567890123}}",
            ),
        ] {
            assert_eq!(printed(text).unwrap(), expected);
        }
    }

    #[test]
    fn what_depends_on_the_version_of_python_is_not_printed() {
        assert_eq!(printed(r#""\ud800""#), Err(Unprintable::LoneSurrogate));
        assert_eq!(printed(r#"["\u0378"]"#), Err(Unprintable::Character(0x378)));
        assert_eq!(printed(r#""\u0378""#).unwrap(), "\u{378}");
    }
}
