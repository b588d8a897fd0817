//! JSON strings: spans of a text, compared and respelled without being decoded first.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::scan::{Stop, run_end, run_in_common};

/// A string as it stands in a JSON text, without its quotes.
///
/// It may hold lone surrogates (`\ud800`), which Python keeps and Rust's `str` cannot.
#[derive(Debug, Clone, Copy)]
pub struct Str<'d> {
    raw: &'d str,
    escaped: bool,
}

impl<'d> Str<'d> {
    /// A string of which the parser has checked the escapes, if there are any.
    pub(super) fn new(raw: &'d str, escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// The string as it stands in the text, without its quotes.
    pub(crate) fn raw(self) -> &'d str {
        self.raw
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

    /// The string as Python's `json.dumps` prints it, with its quotes.
    pub(crate) fn to_json(self) -> String {
        let mut out = String::from("\"");
        for code in self.code_points() {
            match char::from_u32(code) {
                Some(c) => push_char(&mut out, c),
                None => out.extend(unit_escape(code as u16).map(char::from)),
            }
        }
        out.push('"');
        out
    }

    /// The code points, an escaped surrogate pair being one.
    pub(crate) fn code_points(self) -> impl Iterator<Item = u32> + Clone + 'd {
        code_points(self.raw)
    }
}

/// Order by code point of the two strings that begin at these places of a text, after their opening
/// quotes. Nothing beyond the first difference is looked at, however long the strings are.
pub(super) fn compare_at(text: &str, a: usize, b: usize) -> Ordering {
    let mut same = run_in_common(text.as_bytes(), a, b);
    while !(text.is_char_boundary(a + same) && text.is_char_boundary(b + same)) {
        same -= 1;
    }
    let rest = |start: usize| code_points(text.get(start + same..).unwrap_or_default());
    rest(a).cmp(rest(b))
}

/// The code points of a string's text up to its closing quote, or its end.
fn code_points(text: &str) -> impl Iterator<Item = u32> + Clone {
    let mut units = Units { rest: text.chars() };
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

/// Appends `text`, which is no JSON yet, as a JSON string in Python's spelling (ASCII only).
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    loop {
        let plain = run_end(rest.as_bytes(), 0, Stop::Ascii);
        let Some((head, tail)) = rest.split_at_checked(plain) else { break };
        out.push_str(head);
        let mut chars = tail.chars();
        let Some(c) = chars.next() else { break };
        push_char(out, c);
        rest = chars.as_str();
    }
    out.push('"');
}

fn push_char(out: &mut String, c: char) {
    match u8::try_from(c).ok().and_then(short_escape) {
        Some(escape) => out.extend(['\\', char::from(escape)]),
        None if matches!(c, ' '..='~') => out.push(c),
        None => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.extend(unit_escape(*unit).map(char::from));
            }
        }
    }
}

/// The letter of a two-character escape.
pub(super) fn short_escape(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x8 => b'b',
        0xc => b'f',
        _ => return None,
    })
}

/// `\uXXXX`
pub(super) fn unit_escape(unit: u16) -> [u8; 6] {
    let digit = |shift: u16| match (unit >> shift & 0xf) as u8 {
        value @ 0..=9 => b'0' + value,
        value => b'a' + value - 10,
    };
    [b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]
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

/// Ends with the text, or with a quote that is not escaped.
#[derive(Clone)]
struct Units<'d> {
    rest: std::str::Chars<'d>,
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let c = self.rest.next()?;
        match c {
            '"' => {
                self.rest = "".chars();
                return None;
            }
            '\\' => {}
            _ => return Some(Unit::Literal(c)),
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
    fn strings_are_compared_where_they_stand() {
        let long = "x".repeat(40);
        for (a, b, order) in [
            ("", "", Ordering::Equal),
            ("", "a", Ordering::Less),
            ("abc", "abd", Ordering::Less),
            ("é", "è", Ordering::Greater),
            (r"a\u0062", "ab", Ordering::Equal),
            (r"a\u0062", r"a\u0061c", Ordering::Greater),
            (r"\ud83d\ude00", "😀", Ordering::Equal),
            (r"\ud800", r"\ud800", Ordering::Equal),
            (r"\ud800", r"\ud800x", Ordering::Less),
            ("x\\\"", "x", Ordering::Greater),
            ("x", r"x\u0000", Ordering::Less),
        ] {
            for prefix in [0, 15, 16, 33].map(|length| "x".repeat(length) + "é") {
                let text = format!("[\"{prefix}{a}\",\"{prefix}{b}\" , \"{long}\"]");
                let (first, second) = (2, 2 + prefix.len() + a.len() + 3);
                assert_eq!(compare_at(&text, first, second), order, "{text}");
                assert_eq!(compare_at(&text, second, first), order.reverse(), "{text}");
            }
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
    fn strings_are_written_in_ascii() {
        let mut out = String::new();
        write_string(&mut out, "a\"\\\n\u{7f}é😀/\u{1}");
        assert_eq!(out, r#""a\"\\\n\u007f\u00e9\ud83d\ude00/\u0001""#);
    }
}
