//! From the text of a template to tokens, by the rules of Jinja2's lexer.

use std::rc::Rc;

use super::Mistake;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Data(Rc<str>),
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name(Rc<str>),
    Str(Rc<str>),
    Int(i128),
    Float(f64),
    Op(&'static str),
    Eof,
}

impl Token {
    pub fn describe(&self) -> String {
        match self {
            Self::Data(_) => "text".to_owned(),
            Self::VariableBegin => "`{{`".to_owned(),
            Self::VariableEnd => "`}}`".to_owned(),
            Self::BlockBegin => "`{%`".to_owned(),
            Self::BlockEnd => "`%}`".to_owned(),
            Self::Name(name) => format!("`{name}`"),
            Self::Str(_) => "a string".to_owned(),
            Self::Int(_) | Self::Float(_) => "a number".to_owned(),
            Self::Op(op) => format!("`{op}`"),
            Self::Eof => "the end of the template".to_owned(),
        }
    }
}

/// The operators, longer ones first.
const OPERATORS: [&str; 27] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";", "!",
];

/// What Python calls white space.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// The tokens of a template with the lines on which they begin.
pub(super) fn tokenize(source: &str) -> Result<Vec<(Token, u32)>, Mistake> {
    // A carriage return is a line feed, and one line feed at the end goes.
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = source.strip_suffix('\n').unwrap_or(&source);
    let mut lexer = Lexer { rest: source, line: 1, tokens: Vec::new(), last: '\n' };
    lexer.root()?;
    lexer.push(Token::Eof);
    Ok(lexer.tokens)
}

struct Lexer<'s> {
    rest: &'s str,
    line: u32,
    tokens: Vec<(Token, u32)>,
    /// The character before `rest`.
    last: char,
}

impl<'s> Lexer<'s> {
    fn push(&mut self, token: Token) {
        self.tokens.push((token, self.line));
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, Mistake> {
        Err(Mistake { line: self.line, reason: reason.into() })
    }

    /// Goes on by that many bytes, and gives them.
    fn take(&mut self, bytes: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.line += taken.bytes().filter(|byte| *byte == b'\n').count() as u32;
        self.last = taken.chars().next_back().unwrap_or(self.last);
        taken
    }

    fn skip_space(&mut self) {
        let trimmed = self.rest.trim_start_matches(is_space);
        self.take(self.rest.len() - trimmed.len());
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            self.take(text.len());
        }
        found
    }

    fn data(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(Token::Data(text.into()));
        }
    }

    fn root(&mut self) -> Result<(), Mistake> {
        loop {
            let begin =
                self.rest.match_indices('{').map(|(at, _)| at).find(|at| {
                    matches!(self.rest.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#'))
                });
            let Some(begin) = begin else {
                let text = self.take(self.rest.len());
                self.data(text);
                return Ok(());
            };
            let line = self.line;
            let text = self.take(begin);
            let tag = self.take(2);
            let text = if self.eat("-") {
                text.trim_end_matches(is_space)
            } else {
                self.eat("+");
                text
            };
            if !text.is_empty() {
                self.tokens.push((Token::Data(text.into()), line));
            }
            match tag {
                "{#" => self.comment()?,
                "{{" => self.tag(Token::VariableBegin, Token::VariableEnd, "}}")?,
                _ => match raw_begin(self.rest) {
                    Some(length) => {
                        self.take(length);
                        self.raw()?;
                    }
                    None => self.tag(Token::BlockBegin, Token::BlockEnd, "%}")?,
                },
            }
        }
    }

    fn comment(&mut self) -> Result<(), Mistake> {
        let Some(end) = self.rest.find("#}") else { return self.fail("a comment has no end") };
        let text = self.take(end);
        self.take(2);
        if text.ends_with('-') {
            self.skip_space();
        }
        Ok(())
    }

    /// What follows `{% raw %}`, up to and with `{% endraw %}`.
    fn raw(&mut self) -> Result<(), Mistake> {
        let ends = self.rest.match_indices("{%").map(|(at, _)| at);
        for at in ends {
            let tag = self.rest.get(at + 2..).unwrap_or_default();
            let sign = tag.starts_with(['-', '+']) as usize;
            let inner = tag.get(sign..).unwrap_or_default().trim_start_matches(is_space);
            let Some(inner) = inner.strip_prefix("endraw") else { continue };
            let inner = inner.trim_start_matches(is_space);
            let (after, trims) = if let Some(after) = inner.strip_prefix("-%}") {
                (after, true)
            } else if let Some(after) =
                inner.strip_prefix("%}").or_else(|| inner.strip_prefix("+%}"))
            {
                (after, false)
            } else {
                continue;
            };
            let strips = tag.starts_with('-');
            let text = self.rest.get(..at).unwrap_or_default();
            self.data(if strips { text.trim_end_matches(is_space) } else { text });
            self.take(self.rest.len() - after.len());
            if trims {
                self.skip_space();
            }
            return Ok(());
        }
        self.fail("`raw` has no `endraw`")
    }

    /// What is between `{{` and `}}`, or `{%` and `%}`.
    fn tag(&mut self, begin: Token, end: Token, close: &str) -> Result<(), Mistake> {
        self.push(begin);
        let mut open: Vec<&str> = Vec::new();
        loop {
            if open.is_empty() {
                let signed = |sign: char| {
                    self.rest.strip_prefix(sign).is_some_and(|rest| rest.starts_with(close))
                };
                if signed('-') {
                    self.push(end);
                    self.take(3);
                    self.skip_space();
                    return Ok(());
                }
                if close == "%}" && signed('+') {
                    self.push(end);
                    self.take(3);
                    return Ok(());
                }
                if self.rest.starts_with(close) {
                    self.push(end);
                    self.take(2);
                    return Ok(());
                }
            }
            let Some(c) = self.rest.chars().next() else { return Ok(()) };
            if is_space(c) {
                self.skip_space();
            } else if c.is_ascii_digit() {
                self.number()?;
            } else if c == '_' || c.is_alphanumeric() {
                self.name()?;
            } else if c == '\'' || c == '"' {
                self.string(c)?;
            } else {
                let Some(op) = OPERATORS.into_iter().find(|op| self.rest.starts_with(op)) else {
                    return self.fail(format!("unexpected character `{}`", c.escape_default()));
                };
                match op {
                    "{" => open.push("}"),
                    "(" => open.push(")"),
                    "[" => open.push("]"),
                    "}" | ")" | "]" if open.pop() != Some(op) => {
                        return self.fail(format!("unexpected `{op}`"));
                    }
                    "!" => return self.fail("unexpected character `!`"),
                    _ => {}
                }
                self.push(Token::Op(op));
                self.take(op.len());
            }
        }
    }

    fn name(&mut self) -> Result<(), Mistake> {
        let length =
            self.rest.find(|c: char| !(c == '_' || c.is_alphanumeric())).unwrap_or(self.rest.len());
        let name = self.rest.get(..length).unwrap_or_default();
        // What else Python takes for a letter of a name depends on its version of Unicode.
        let known =
            |c: char| c.is_ascii() || matches!(c, '\u{c0}'..='\u{24f}' | '\u{370}'..='\u{52f}');
        if !name.chars().all(known) {
            return self.fail(format!("the edge takes no such letters in the name `{name}`"));
        }
        self.push(Token::Name(name.into()));
        self.take(length);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Mistake> {
        let bytes = self.rest.as_bytes();
        let radix = match (bytes.first(), bytes.get(1)) {
            (Some(b'0'), Some(b'x' | b'X')) => 16,
            (Some(b'0'), Some(b'o' | b'O')) => 8,
            (Some(b'0'), Some(b'b' | b'B')) => 2,
            _ => 10,
        };
        if radix != 10 {
            let digits = digits_end(bytes, 2, radix, true);
            if digits > 2 {
                let text = self.rest.get(2..digits).unwrap_or_default().replace('_', "");
                return match i128::from_str_radix(&text, radix) {
                    Ok(number) => {
                        self.push(Token::Int(number));
                        self.take(digits);
                        Ok(())
                    }
                    Err(_) => self.fail("the edge knows integers of 128 bits"),
                };
            }
        }
        let whole = digits_end(bytes, 0, 10, false);
        let mut end = whole;
        // In `a.1.5` there is no float.
        if self.last != '.' {
            let mut float_end = None;
            if bytes.get(end) == Some(&b'.') {
                let fraction = digits_end(bytes, end + 1, 10, false);
                if fraction > end + 1 {
                    end = fraction;
                    float_end = Some(fraction);
                }
            }
            if let Some(b'e' | b'E') = bytes.get(end) {
                let sign = matches!(bytes.get(end + 1), Some(b'+' | b'-')) as usize;
                let exponent = digits_end(bytes, end + 1 + sign, 10, false);
                if exponent > end + 1 + sign {
                    float_end = Some(exponent);
                }
            }
            if let Some(end) = float_end {
                let text = self.rest.get(..end).unwrap_or_default().replace('_', "");
                return match text.parse::<f64>() {
                    Ok(number) if number.is_finite() => {
                        self.push(Token::Float(number));
                        self.take(end);
                        Ok(())
                    }
                    _ => self.fail("a number is too large"),
                };
            }
        }
        // A decimal that begins with 0 is only zeros.
        let end = if bytes.first() == Some(&b'0') {
            let zeros = digits_end(bytes, 0, 1, true);
            if zeros < whole {
                return self.fail("an integer begins with 0");
            }
            zeros
        } else {
            whole
        };
        let text = self.rest.get(..end).unwrap_or_default().replace('_', "");
        match text.parse() {
            Ok(number) => {
                self.push(Token::Int(number));
                self.take(end);
                Ok(())
            }
            Err(_) => self.fail("the edge knows integers of 128 bits"),
        }
    }

    fn string(&mut self, quote: char) -> Result<(), Mistake> {
        let mut out = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        let end = loop {
            let Some((at, c)) = chars.next() else {
                return self.fail(format!("unexpected character `{quote}`"));
            };
            if c == quote {
                break at;
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let Some((_, c)) = chars.next() else {
                return self.fail(format!("unexpected character `{quote}`"));
            };
            let mut number = |first: Option<char>, radix: u32, least: usize, most: usize| {
                let mut text = String::from_iter(first);
                let mut ahead = chars.clone();
                while text.len() < most
                    && let Some((_, digit)) = ahead.next().filter(|(_, c)| c.is_digit(radix))
                {
                    text.push(digit);
                    chars = ahead.clone();
                }
                let number = u32::from_str_radix(&text, radix).ok();
                number.filter(|_| text.len() >= least).and_then(char::from_u32)
            };
            let escaped = match c {
                '\n' => continue,
                '\\' | '\'' | '"' => Some(c),
                'a' => Some('\x07'),
                'b' => Some('\x08'),
                'f' => Some('\x0c'),
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                'v' => Some('\x0b'),
                'x' => number(None, 16, 2, 2),
                'u' => number(None, 16, 4, 4),
                'U' => number(None, 16, 8, 8),
                '0'..='7' => number(Some(c), 8, 1, 3),
                'N' => None,
                _ if c.is_ascii() => {
                    out.push('\\');
                    Some(c)
                }
                _ => None,
            };
            match escaped {
                Some(escaped) => out.push(escaped),
                None => return self.fail(format!("the edge does not know the escape `\\{c}`")),
            }
        };
        self.push(Token::Str(out.into()));
        self.take(end + 1);
        Ok(())
    }
}

/// The length of ` raw %}`, where that is what follows `{%`.
fn raw_begin(rest: &str) -> Option<usize> {
    let inner = rest.trim_start_matches(is_space).strip_prefix("raw")?;
    let inner = inner.trim_start_matches(is_space);
    let after = match inner.strip_prefix("-%}") {
        Some(after) => after.trim_start_matches(is_space),
        None => inner.strip_prefix("%}")?,
    };
    Some(rest.len() - after.len())
}

/// Where digits end that single underscores may separate; a radix of 1 is for zeros. With `led`
/// an underscore may be the first.
fn digits_end(bytes: &[u8], from: usize, radix: u32, led: bool) -> usize {
    let is_digit = |at: usize| {
        bytes.get(at).is_some_and(|byte| match radix {
            1 => *byte == b'0',
            _ => char::from(*byte).is_digit(radix),
        })
    };
    let mut end = from;
    loop {
        if is_digit(end) {
            end += 1;
        } else if bytes.get(end) == Some(&b'_') && is_digit(end + 1) && (led || end > from) {
            end += 2;
        } else {
            return end;
        }
    }
}
