//! The tokens of a path, as the lexer of jsonpath-ng 1.6.1 finds them.
//!
//! They are read one by one, as the parser asks for them: whether a mistake of the lexer or one of
//! the parser comes first decides what Dynamiq makes of a selector's text.

use super::parser::Mistake;

/// A piece of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// One of ``*.[]()$,:|&~``.
    Symbol(char),
    /// `..`
    DoubleDot,
    /// `where`
    Where,
    /// A name, bare or in quotes.
    Name(String),
    /// What stands between backquotes.
    Operator(String),
    /// An integer, the nearest to it that an `i64` can hold; None when Python reads more digits
    /// than those of ASCII.
    Number(Option<i64>),
    /// The end of the path.
    End,
}

/// Python's `sys.get_int_max_str_digits()`.
const MAX_DIGITS: usize = 4300;

pub(crate) struct Lexer<'t> {
    rest: &'t str,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    /// The next token; at the end, and from then on, [`Token::End`].
    pub(crate) fn next(&mut self) -> Result<Token, Mistake> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n']);
        let mut chars = self.rest.chars();
        let Some(first) = chars.next() else { return Ok(Token::End) };
        let after = chars.as_str();
        match first {
            'a'..='z' | 'A'..='Z' | '_' | '@' => Ok(match self.take(is_in_name) {
                "where" => Token::Where,
                name => Token::Name(name.to_owned()),
            }),
            '0'..='9' => self.number(false),
            '-' => {
                self.rest = after;
                match after.chars().next() {
                    Some('0'..='9') => self.number(true),
                    Some(digit) if is_foreign_digit(digit) => Err(Mistake::ForeignDigit),
                    _ => Err(Mistake::Character(first)),
                }
            }
            '\'' | '"' => self.quoted(first, after).map(Token::Name),
            '`' => self.quoted(first, after).map(Token::Operator),
            '.' if after.starts_with('.') => {
                self.rest = after.strip_prefix('.').unwrap_or(after);
                Ok(Token::DoubleDot)
            }
            '*' | '.' | '[' | ']' | '(' | ')' | '$' | ',' | ':' | '|' | '&' | '~' => {
                self.rest = after;
                Ok(Token::Symbol(first))
            }
            digit if is_foreign_digit(digit) => Err(Mistake::ForeignDigit),
            other => Err(Mistake::Character(other)),
        }
    }

    /// Takes the characters at the start that are of a kind.
    fn take(&mut self, is_of_kind: fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !is_of_kind(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        self.rest = rest;
        taken
    }

    /// A number, after its sign.
    fn number(&mut self, is_negative: bool) -> Result<Token, Mistake> {
        let digits = self.take(|c| c.is_ascii_digit());
        if self.rest.starts_with(is_foreign_digit) {
            return Ok(Token::Number(None));
        }
        if digits.len() > MAX_DIGITS {
            return Err(Mistake::NumberTooLong);
        }
        // Beyond an i64 there is no place in any array, nor beyond the nearest to it.
        let nearest = digits.parse().unwrap_or(i64::MAX);
        Ok(Token::Number(Some(if is_negative { -nearest } else { nearest })))
    }

    /// What stands in quotes, of which the first has been read. A backslash gives the character
    /// after it.
    fn quoted(&mut self, quote: char, after: &'t str) -> Result<String, Mistake> {
        let mut text = String::new();
        let mut chars = after.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('\n') => return Err(Mistake::Character('\\')),
                    Some(escaped) => text.push(escaped),
                    None => break,
                },
                c if c == quote => {
                    self.rest = chars.as_str();
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(Mistake::OpenQuote)
    }
}

fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '-')
}

/// Whether Python might take this for a digit, as it does with those of every script.
fn is_foreign_digit(c: char) -> bool {
    !c.is_ascii() && c.is_numeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<Token>, Mistake> {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        loop {
            match lexer.next()? {
                Token::End => return Ok(tokens),
                token => tokens.push(token),
            }
        }
    }

    fn name(text: &str) -> Token {
        Token::Name(text.to_owned())
    }

    #[test]
    fn names_are_bare_or_in_quotes() {
        assert_eq!(tokens("a-5@_b").unwrap(), [name("a-5@_b")]);
        assert_eq!(tokens(r#"'a\'b\\' "where""#).unwrap(), [name(r"a'b\"), name("where")]);
        assert_eq!(tokens("where\twhere_").unwrap(), [Token::Where, name("where_")]);
        assert_eq!(tokens(r"`th\is`").unwrap(), [Token::Operator("this".to_owned())]);
        assert_eq!(tokens("'a\nb'").unwrap(), [name("a\nb")]);
    }

    #[test]
    fn numbers_have_a_sign_and_need_no_space() {
        let number = |number| Token::Number(Some(number));
        assert_eq!(tokens("5-3a").unwrap(), [number(5), number(-3), name("a")]);
        assert_eq!(tokens("007").unwrap(), [number(7)]);
        assert_eq!(tokens("-99999999999999999999").unwrap(), [number(-i64::MAX)]);
        assert_eq!(tokens(&"1".repeat(4300)).unwrap(), [number(i64::MAX)]);
        assert_eq!(tokens(&"1".repeat(4301)), Err(Mistake::NumberTooLong));
        assert_eq!(Lexer::new("5\u{663}").next(), Ok(Token::Number(None)));
    }

    #[test]
    fn dots_go_in_pairs() {
        let dot = Token::Symbol('.');
        assert_eq!(tokens("...").unwrap(), [Token::DoubleDot, dot.clone()]);
        assert_eq!(tokens("....").unwrap(), [Token::DoubleDot, Token::DoubleDot]);
        assert_eq!(tokens(". .").unwrap(), [dot.clone(), dot]);
    }

    #[test]
    fn what_is_no_token_is_a_mistake() {
        for (text, mistake) in [
            ("!", Mistake::Character('!')),
            ("é", Mistake::Character('é')),
            ("-", Mistake::Character('-')),
            ("-a", Mistake::Character('-')),
            ("\r", Mistake::Character('\r')),
            ("'a", Mistake::OpenQuote),
            ("'a\\", Mistake::OpenQuote),
            ("'a\\\n'", Mistake::Character('\\')),
            ("\u{663}", Mistake::ForeignDigit),
            ("-\u{663}", Mistake::ForeignDigit),
        ] {
            assert_eq!(tokens(text), Err(mistake), "{text:?}");
        }
    }
}
