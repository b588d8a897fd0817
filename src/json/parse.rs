//! From JSON text to a tape of tokens: one pass, no recursion, nothing copied.

use super::scan::{BLOCK, Stop, block_at, run_end, run_in_block};
use super::tape::{MAX_TEXT, Tape};

/// What a parser accepts beyond RFC 8259, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Accept the tokens `NaN`, `Infinity` and `-Infinity`, as Python's `json` does.
    pub non_finite: bool,
    /// How deep arrays and objects may nest.
    pub max_depth: usize,
    /// How many digits an integer (a number without fraction and exponent) may have.
    pub max_integer_digits: usize,
}

/// Python's recursion limit, near which `json.loads` gives up.
const MAX_DEPTH: usize = 1000;
/// Python's `sys.get_int_max_str_digits()`.
const MAX_INTEGER_DIGITS: usize = 4300;

impl Dialect {
    /// RFC 8259 with Python's limits: what comes over HTTP.
    pub const STRICT: Self =
        Self { non_finite: false, max_depth: MAX_DEPTH, max_integer_digits: MAX_INTEGER_DIGITS };
    /// What Python's `json.loads` accepts.
    pub const PYTHON: Self = Self { non_finite: true, ..Self::STRICT };
}

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {position}")]
pub struct ParseError {
    /// Offset in bytes from the start of the text.
    pub position: usize,
    /// What was wrong there.
    pub kind: ParseErrorKind,
}

/// The reasons for which a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The text ends in the middle of a value.
    #[error("unexpected end of text")]
    UnexpectedEnd,
    /// A value was expected.
    #[error("expected a value")]
    ExpectedValue,
    /// A member's name was expected.
    #[error("expected a name in double quotes")]
    ExpectedName,
    /// `:` was expected.
    #[error("expected `:`")]
    ExpectedColon,
    /// `,` or the end of the array or object was expected.
    #[error("expected `,` or the end of the array or object")]
    ExpectedComma,
    /// Something follows the value.
    #[error("unexpected text after the value")]
    TrailingText,
    /// A control character stands unescaped in a string.
    #[error("unescaped control character in a string")]
    ControlCharacter,
    /// A backslash starts something that is not an escape.
    #[error("invalid escape in a string")]
    InvalidEscape,
    /// A number is not spelled as JSON spells numbers.
    #[error("invalid number")]
    InvalidNumber,
    /// `NaN`, `Infinity` or `-Infinity` where they are not accepted.
    #[error("NaN and Infinity are not JSON")]
    NonFinite,
    /// Arrays and objects nest deeper than [`Dialect::max_depth`].
    #[error("nested deeper than the limit of {0} levels")]
    TooDeep(usize),
    /// An integer has more digits than [`Dialect::max_integer_digits`].
    #[error("an integer has more digits than the limit of {0}")]
    TooManyDigits(usize),
    /// The text is larger than the tape can address (2 GiB).
    #[error("text longer than the limit of {0} bytes")]
    TooLong(u32),
}

impl ParseErrorKind {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::NonFinite => "non-finite-number",
            Self::TooDeep(_) => "too-deep",
            Self::TooManyDigits(_) => "number-too-long",
            Self::TooLong(_) => "text-too-long",
            _ => "invalid-json",
        }
    }
}

type Result<T, E = ParseErrorKind> = std::result::Result<T, E>;

/// Parses a whole text onto a tape.
pub(super) fn parse(text: &str, dialect: Dialect, tape: Tape) -> Result<Tape, ParseError> {
    if text.len() > MAX_TEXT as usize {
        return Err(ParseError { position: 0, kind: ParseErrorKind::TooLong(MAX_TEXT) });
    }
    let mut parser = Parser { bytes: text.as_bytes(), at: 0, tape, dialect };
    match parser.document() {
        Ok(()) => Ok(parser.tape),
        Err(kind) => Err(ParseError { position: parser.at, kind }),
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    tape: Tape,
    dialect: Dialect,
}

/// A container that is open.
#[derive(Clone, Copy)]
struct Open {
    is_object: bool,
    /// Its place on the tape.
    index: u32,
}

impl Parser<'_> {
    fn document(&mut self) -> Result<()> {
        // The innermost container, and those around it.
        let mut inner: Option<Open> = None;
        let mut outer: Vec<Option<Open>> = Vec::new();
        self.skip_white_space();
        loop {
            // A value.
            match self.peek() {
                Some(b'"') => self.string()?,
                Some(bracket @ (b'{' | b'[')) => {
                    if outer.len() >= self.dialect.max_depth {
                        return Err(ParseErrorKind::TooDeep(self.dialect.max_depth));
                    }
                    outer.push(inner);
                    let is_object = bracket == b'{';
                    inner = Some(Open { is_object, index: self.tape.len() });
                    self.tape.open(self.at);
                    self.at += 1;
                    self.skip_white_space();
                    match self.peek() {
                        Some(b'}') if is_object => {}
                        Some(b']') if !is_object => {}
                        _ => {
                            if is_object {
                                self.name()?;
                            }
                            continue;
                        }
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal("true")?,
                Some(b'f') => self.literal("false")?,
                Some(b'n') => self.literal("null")?,
                Some(b'N') => self.non_finite("NaN", self.at)?,
                Some(b'I') => self.non_finite("Infinity", self.at)?,
                Some(_) => return Err(ParseErrorKind::ExpectedValue),
                None => return Err(ParseErrorKind::UnexpectedEnd),
            }
            // What follows it: the ends of containers, and a comma.
            loop {
                self.skip_white_space();
                let Some(Open { is_object, index }) = inner else {
                    return match self.peek() {
                        Some(_) => Err(ParseErrorKind::TrailingText),
                        None => Ok(()),
                    };
                };
                match (self.peek(), is_object) {
                    (Some(b','), _) => {
                        self.at += 1;
                        self.skip_white_space();
                        if is_object {
                            self.name()?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        self.tape.close(index, self.at);
                        inner = outer.pop().flatten();
                    }
                    (None, _) => return Err(ParseErrorKind::UnexpectedEnd),
                    _ => return Err(ParseErrorKind::ExpectedComma),
                }
            }
        }
    }

    /// A member's name and the colon after it, up to the value.
    fn name(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(_) => return Err(ParseErrorKind::ExpectedName),
            None => return Err(ParseErrorKind::UnexpectedEnd),
        }
        self.skip_white_space();
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(ParseErrorKind::ExpectedColon),
            None => return Err(ParseErrorKind::UnexpectedEnd),
        }
        self.skip_white_space();
        Ok(())
    }

    /// A string. Most are short and have no escapes: for them there is no call.
    #[inline(always)]
    fn string(&mut self) -> Result<()> {
        self.tape.push(self.at);
        self.at += 1;
        if let Some(block) = block_at(self.bytes, self.at) {
            self.at += run_in_block(block, Stop::Json, 0).unwrap_or(BLOCK);
        }
        if self.peek() != Some(b'"') {
            self.any_string()?;
        }
        self.at += 1;
        Ok(())
    }

    /// What a string holds, up to the closing quote.
    #[inline(never)]
    fn any_string(&mut self) -> Result<()> {
        loop {
            self.at = run_end(self.bytes, self.at, Stop::Json);
            match self.peek() {
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(ParseErrorKind::ControlCharacter),
                None => return Err(ParseErrorKind::UnexpectedEnd),
            }
        }
    }

    fn escape(&mut self) -> Result<()> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(ParseErrorKind::InvalidEscape);
                }
                self.at += 6;
            }
            Some(_) => return Err(ParseErrorKind::InvalidEscape),
            None => return Err(ParseErrorKind::UnexpectedEnd),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
            if self.peek() == Some(b'I') {
                return self.non_finite("Infinity", start);
            }
        }
        let integer_at = self.at;
        let digits = self.digits();
        if digits == 0 || (digits > 1 && self.bytes.get(integer_at) == Some(&b'0')) {
            self.at = integer_at;
            return Err(ParseErrorKind::InvalidNumber);
        }
        let mut is_integer = true;
        if self.peek() == Some(b'.') {
            is_integer = false;
            self.at += 1;
            if self.digits() == 0 {
                return Err(ParseErrorKind::InvalidNumber);
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(ParseErrorKind::InvalidNumber);
            }
        }
        if is_integer && digits > self.dialect.max_integer_digits {
            self.at = start;
            return Err(ParseErrorKind::TooManyDigits(self.dialect.max_integer_digits));
        }
        self.tape.push(start);
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn literal(&mut self, word: &str) -> Result<()> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(ParseErrorKind::ExpectedValue);
        }
        self.tape.push(self.at);
        self.at += word.len();
        Ok(())
    }

    /// `NaN` or `Infinity`, which began at `start`; a sign has been read.
    fn non_finite(&mut self, word: &str, start: usize) -> Result<()> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(ParseErrorKind::ExpectedValue);
        }
        if !self.dialect.non_finite {
            self.at = start;
            return Err(ParseErrorKind::NonFinite);
        }
        self.tape.push(start);
        self.at += word.len();
        Ok(())
    }

    fn skip_white_space(&mut self) {
        while let Some(byte) = self.peek()
            && byte <= b' '
            && matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
        {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;

    #[track_caller]
    fn refused(text: &str, position: usize, kind: ParseErrorKind) {
        let error = Document::parse(text, Dialect::STRICT).expect_err(text);
        assert_eq!(error, ParseError { position, kind }, "{text}");
    }

    #[test]
    fn malformed_texts_are_refused_with_position_and_reason() {
        use ParseErrorKind::*;
        refused("", 0, UnexpectedEnd);
        refused("  ", 2, UnexpectedEnd);
        refused("{", 1, UnexpectedEnd);
        refused("[1", 2, UnexpectedEnd);
        refused("\"a", 2, UnexpectedEnd);
        refused("\"a\\", 2, UnexpectedEnd);
        refused("{\"a\"", 4, UnexpectedEnd);
        refused("[1,]", 3, ExpectedValue);
        refused("{\"a\":1,}", 7, ExpectedName);
        refused("{'a':1}", 1, ExpectedName);
        refused("{\"a\" 1}", 5, ExpectedColon);
        refused("[1 2]", 3, ExpectedComma);
        refused("[1}", 2, ExpectedComma);
        refused("{} {}", 3, TrailingText);
        refused("\u{feff}{}", 0, ExpectedValue);
        refused("\"\n\"", 1, ControlCharacter);
        refused(r#""\x41""#, 1, InvalidEscape);
        refused(r#""\u12""#, 1, InvalidEscape);
        refused("01", 0, InvalidNumber);
        refused("-", 1, InvalidNumber);
        refused("1.", 2, InvalidNumber);
        refused("1e+", 3, InvalidNumber);
        refused("tru", 0, ExpectedValue);
        refused("[NaN]", 1, NonFinite);
        refused("-Infinity", 0, NonFinite);
        refused("-Infinit", 1, ExpectedValue);
    }

    #[test]
    fn nesting_is_bounded_and_needs_no_native_stack() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(Document::parse(&deep(1000), Dialect::STRICT).is_ok());
        refused(&deep(1001), 1000, ParseErrorKind::TooDeep(1000));
        let unbounded = Dialect { max_depth: usize::MAX, ..Dialect::STRICT };
        assert!(Document::parse(&deep(1_000_000), unbounded).is_ok());
    }

    #[test]
    fn integers_are_bounded_in_digits_but_fractions_are_not() {
        let digits = "9".repeat(4300);
        assert!(Document::parse(&format!("-{digits}"), Dialect::STRICT).is_ok());
        refused(&format!("-{digits}9"), 0, ParseErrorKind::TooManyDigits(4300));
        assert!(Document::parse(&format!("{digits}9.0"), Dialect::STRICT).is_ok());
    }

    #[test]
    fn the_verdict_is_the_same_without_a_tape() {
        for text in ["null", " [1, {\"a\": [true]}] ", "{\"a\":1,}", "[1}", "[[]", "nul", "1 2", ""]
        {
            let verdict = |tape| parse(text, Dialect::STRICT, tape).err();
            assert_eq!(verdict(Tape::off()), verdict(Tape::new()), "{text}");
        }
    }

    #[test]
    fn python_accepts_the_non_finite_tokens() {
        for text in ["NaN", "Infinity", "-Infinity", "[-Infinity, NaN]"] {
            assert!(Document::parse(text, Dialect::PYTHON).is_ok(), "{text}");
        }
        assert!(Document::parse("+Infinity", Dialect::PYTHON).is_err());
        assert!(Document::parse("-NaN", Dialect::PYTHON).is_err());
    }
}
