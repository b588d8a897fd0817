//! JSON strings: spans of a text, compared and respelled without being decoded first.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write as _;

/// A string as it stands in a JSON text, without its quotes.
///
/// It may hold lone surrogates (`\ud800`), which Python keeps and Rust's `str` cannot.
#[derive(Debug, Clone, Copy)]
pub struct Str<'d> {
    raw: &'d str,
    escaped: bool,
}

impl<'d> Str<'d> {
    /// A string whose text holds no escapes.
    pub(super) fn plain(raw: &'d str) -> Self {
        Self { raw, escaped: false }
    }

    /// A string whose text holds escapes, which the parser has checked.
    pub(super) fn escaped(raw: &'d str) -> Self {
        Self { raw, escaped: true }
    }

    /// What the string denotes, or None when it holds a lone surrogate.
    pub fn to_str(self) -> Option<Cow<'d, str>> {
        if !self.escaped {
            return Some(Cow::Borrowed(self.raw));
        }
        self.code_points().map(char::from_u32).collect::<Option<String>>().map(Cow::Owned)
    }

    /// Whether the string denotes `text`.
    pub fn is(self, text: &str) -> bool {
        if self.escaped {
            self.code_points().eq(text.chars().map(u32::from))
        } else {
            self.raw == text
        }
    }

    /// Order by code point, which is Python's order of strings.
    pub fn compare(self, other: Self) -> Ordering {
        if self.escaped || other.escaped {
            self.code_points().cmp(other.code_points())
        } else {
            // UTF-8 keeps the order of code points.
            self.raw.cmp(other.raw)
        }
    }

    /// The code points, an escaped surrogate pair being one.
    fn code_points(self) -> impl Iterator<Item = u32> + 'd {
        let mut units = Units { rest: self.raw.chars() };
        let mut held = None;
        std::iter::from_fn(move || {
            let unit = held.take().or_else(|| units.next())?;
            let Unit::Escaped(high @ 0xd800..=0xdbff) = unit else { return Some(unit.code()) };
            match units.next() {
                Some(Unit::Escaped(low @ 0xdc00..=0xdfff)) => {
                    Some(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                }
                after => {
                    held = after;
                    Some(high)
                }
            }
        })
    }

    /// Appends the string, without quotes, as Python's `json.dumps` spells it.
    pub(super) fn write_python(self, out: &mut String) {
        if !self.escaped {
            return write_text(out, self.raw);
        }
        for unit in (Units { rest: self.raw.chars() }) {
            match unit {
                Unit::Literal(c) => write_char(out, c),
                Unit::Escaped(code) => match u8::try_from(code) {
                    Ok(byte) if byte.is_ascii() => write_char(out, char::from(byte)),
                    _ => write_escape(out, code),
                },
            }
        }
    }
}

/// Appends `text`, which is no JSON yet, as Python's `json.dumps` spells it, without quotes.
pub(super) fn write_text(out: &mut String, text: &str) {
    let mut rest = text;
    loop {
        let plain = rest.bytes().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
        let Some((head, tail)) = rest.split_at_checked(plain) else { return };
        out.push_str(head);
        let mut chars = tail.chars();
        let Some(c) = chars.next() else { return };
        write_char(out, c);
        rest = chars.as_str();
    }
}

/// Whether Python writes the character as it is.
fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

fn write_char(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        ' '..='~' => out.push(c),
        _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write_escape(out, (*unit).into())),
    }
}

fn write_escape(out: &mut String, code: u32) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\u{code:04x}");
}

/// A character of the text, or what an escape stands for: a UTF-16 code unit.
#[derive(Clone, Copy)]
enum Unit {
    Literal(char),
    Escaped(u32),
}

impl Unit {
    fn code(self) -> u32 {
        match self {
            Self::Literal(c) => c.into(),
            Self::Escaped(code) => code,
        }
    }
}

struct Units<'d> {
    rest: std::str::Chars<'d>,
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let c = self.rest.next()?;
        if c != '\\' {
            return Some(Unit::Literal(c));
        }
        Some(Unit::Escaped(match self.rest.next()? {
            'b' => 0x8,
            'f' => 0xc,
            'n' => 0xa,
            'r' => 0xd,
            't' => 0x9,
            'u' => {
                let (digits, rest) = self.rest.as_str().split_at_checked(4)?;
                self.rest = rest.chars();
                u32::from_str_radix(digits, 16).ok()?
            }
            // `"`, `\` and `/` stand for themselves.
            other => other.into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dialect, Document};
    use super::*;

    fn with<R>(json: &str, read: impl FnOnce(Str<'_>) -> R) -> R {
        let document = Document::parse(json, Dialect::STRICT).unwrap();
        read(document.root().as_str().unwrap())
    }

    #[test]
    fn strings_denote_the_same_however_they_are_spelled() {
        with(r#""\u00e9\ud83d\ude00\/\n""#, |s| {
            assert_eq!(s.to_str().unwrap(), "é😀/\n");
            assert!(s.is("é😀/\n"));
            assert!(!s.is("é😀/"));
        });
    }

    #[test]
    fn a_lone_surrogate_is_no_str() {
        for json in [r#""\ud800""#, r#""\udc00\ud800""#, r#""\ud800x""#, r#""\ud800😀""#] {
            with(json, |s| assert_eq!(s.to_str(), None, "{json}"));
        }
    }

    #[test]
    fn order_is_by_code_point_not_by_utf16_unit() {
        // In UTF-16 U+1F600 (d83d…) comes before U+FFFD; by code point after it.
        with(r#""\ud83d\ude00""#, |emoji| {
            with("\"\u{fffd}\"", |replacement| {
                assert_eq!(emoji.compare(replacement), Ordering::Greater);
            });
            with("\"😀\"", |same| assert_eq!(emoji.compare(same), Ordering::Equal));
            with(r#""\ud83d""#, |lone| assert_eq!(emoji.compare(lone), Ordering::Greater));
        });
    }

    #[test]
    fn escapes_are_respelled_as_python_does() {
        let respelled = |json: &str| {
            with(json, |s| {
                let mut out = String::new();
                s.write_python(&mut out);
                out
            })
        };
        assert_eq!(respelled(r#""\u0041\/\u000a\u00E9é\u007f""#), r"A/\n\u00e9\u00e9\u007f");
        assert_eq!(respelled(r#""\uD800\u0022""#), r#"\ud800\""#);
    }
}
