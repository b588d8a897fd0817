//! What Python's `str()` prints for the values that JSON has.

use std::fmt::Write as _;

use super::python::float_repr;
use super::{Item, Str, Value};

/// Why the edge does not print a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unprintable {
    /// A text has half of a surrogate pair.
    #[error("a lone surrogate")]
    LoneSurrogate,
    /// Inside an array or object Python escapes it or not, by its version of Unicode.
    #[error("U+{0:04X} inside an array or an object")]
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
        push_repr(&mut out, self)?;
        Ok(out)
    }
}

fn push_repr(out: &mut String, value: Value<'_>) -> Result<(), Unprintable> {
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
        Item::String(string) => push_string(out, string)?,
        Item::Array(values) => {
            out.push('[');
            for (index, value) in values.enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                push_repr(out, value)?;
            }
            out.push(']');
        }
        Item::Object(_) => {
            out.push('{');
            for (index, (name, value)) in value.resolved_members(false, &[]).into_iter().enumerate()
            {
                out.push_str(if index == 0 { "" } else { ", " });
                push_string(out, name)?;
                out.push_str(": ");
                push_repr(out, value)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn push_string(out: &mut String, string: Str<'_>) -> Result<(), Unprintable> {
    let has = |quote: char| string.code_points().any(|code| code == u32::from(quote));
    let quote = if has('\'') && !has('"') { '"' } else { '\'' };
    out.push(quote);
    for code in string.code_points() {
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

/// What Python's `isprintable` says of a character in every version from 3.10 on; None for others.
fn is_printable(code: u32) -> Option<bool> {
    match code {
        0x7f..=0xa0 | 0xad | 0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x2064 | 0x3000 => {
            Some(false)
        }
        0xd800..=0xf8ff | 0xfeff | 0xf_0000..=0xf_fffd | 0x10_0000..=0x10_fffd => Some(false),
        0..=0x1f => Some(false),
        // Latin, Greek up to its gaps, Cyrillic, Hebrew.
        0x20..=0x377 | 0x3a3..=0x52f | 0x5d0..=0x5ea | 0x1e00..=0x1f15 => Some(true),
        // Punctuation, currencies, arrows and signs.
        0x2010..=0x205e | 0x20a0..=0x20bf | 0x2190..=0x2426 | 0x2460..=0x2b73 => Some(true),
        // Kana, Han, Hangul and their punctuation.
        0x3001..=0x303f | 0x3041..=0x3096 | 0x3099..=0x30ff | 0x3400..=0x9ffc => Some(true),
        0xac00..=0xd7a3 | 0xff01..=0xffbe | 0x2_0000..=0x2_a6dd => Some(true),
        // Emoji.
        0xfe00..=0xfe0f | 0x1_f300..=0x1_f6d7 | 0x1_f90c..=0x1_f9cb => Some(true),
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
