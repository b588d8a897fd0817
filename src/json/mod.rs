//! JSON that loses nothing: numbers of any size, the order of members, duplicate names, lone
//! surrogates.
//!
//! A [`Document`] is a text and the tape of its tokens; a [`Value`] is a place on that tape.
//! Strings and numbers stay spans of the text until somebody asks for what they denote. This is
//! what keys are made from, so an input never passes through a representation that would change it
//! (`serde_json::Value` folds big integers into doubles and drops duplicates).

mod parse;
mod python;
mod string;

pub use parse::{Dialect, ParseError, ParseErrorKind};
pub use python::{Order, dumps, dumps_members, repr};
pub use string::Str;

/// A parsed text.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy)]
struct Token {
    kind: Kind,
    /// Bytes of the text; for strings what is between the quotes.
    start: u32,
    end: u32,
    /// The token after this one and everything in it.
    next: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    False,
    True,
    Integer,
    Float,
    NonFinite,
    String,
    EscapedString,
    Array,
    Object,
}

/// A value in a [`Document`].
#[derive(Debug, Clone, Copy)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    index: u32,
}

/// What a [`Value`] is, with what it holds.
#[derive(Debug, Clone, Copy)]
pub enum Item<'d> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent, as spelled.
    Integer(&'d str),
    /// A number with a fraction or an exponent, as spelled; or `NaN`, `Infinity`, `-Infinity`.
    Float(&'d str),
    /// A string.
    String(Str<'d>),
    /// An array.
    Array(Values<'d>),
    /// An object.
    Object(Members<'d>),
}

impl<'a> Document<'a> {
    /// Parses a whole text.
    pub fn parse(text: &'a str, dialect: Dialect) -> Result<Self, ParseError> {
        parse::parse(text, dialect).map(|tokens| Self { text, tokens })
    }

    /// The value that the text is.
    pub fn root(&self) -> Value<'_> {
        Value { document: self, index: 0 }
    }
}

/// Whether a text is JSON and what value it is: true for `null`. Takes no memory for what the text
/// holds, however much that is.
pub fn is_null(text: &str, dialect: Dialect) -> Result<bool, ParseError> {
    parse::check(text, dialect).map(|kind| kind == Kind::Null)
}

impl<'d> Value<'d> {
    fn token(self) -> Token {
        // A tape is never empty and indexes come from it; the default is never seen.
        const NONE: Token = Token { kind: Kind::Null, start: 0, end: 0, next: u32::MAX };
        self.document.tokens.get(self.index as usize).copied().unwrap_or(NONE)
    }

    fn span(self, token: Token) -> &'d str {
        self.document.text.get(token.start as usize..token.end as usize).unwrap_or_default()
    }

    /// What this is.
    pub fn item(self) -> Item<'d> {
        let token = self.token();
        let members = Tape { document: self.document, next: self.index + 1, end: token.next };
        match token.kind {
            Kind::Null => Item::Null,
            Kind::False => Item::Bool(false),
            Kind::True => Item::Bool(true),
            Kind::Integer => Item::Integer(self.span(token)),
            Kind::Float | Kind::NonFinite => Item::Float(self.span(token)),
            Kind::String => Item::String(Str::plain(self.span(token))),
            Kind::EscapedString => Item::String(Str::escaped(self.span(token))),
            Kind::Array => Item::Array(Values(members)),
            Kind::Object => Item::Object(Members(members)),
        }
    }

    /// The text of this value as it was written.
    pub fn raw(self) -> &'d str {
        let mut token = self.token();
        if matches!(token.kind, Kind::String | Kind::EscapedString) {
            token.start -= 1;
            token.end += 1;
        }
        self.span(token)
    }

    /// The member of that name; of several the last, as Python has it. None when there is none, or
    /// when this is not an object.
    pub fn get(self, name: &str) -> Option<Value<'d>> {
        let Item::Object(members) = self.item() else { return None };
        members.filter(|(member, _)| member.is(name)).last().map(|(_, value)| value)
    }

    /// Whether this is `null`.
    pub fn is_null(self) -> bool {
        self.token().kind == Kind::Null
    }

    /// Whether this is an object.
    pub fn is_object(self) -> bool {
        self.token().kind == Kind::Object
    }

    /// The string that this is.
    pub fn as_str(self) -> Option<Str<'d>> {
        match self.item() {
            Item::String(string) => Some(string),
            _ => None,
        }
    }

    /// What kind of value this is, in JSON's words.
    pub fn kind_name(self) -> &'static str {
        match self.token().kind {
            Kind::Null => "null",
            Kind::False | Kind::True => "a boolean",
            Kind::Integer | Kind::Float | Kind::NonFinite => "a number",
            Kind::String | Kind::EscapedString => "a string",
            Kind::Array => "an array",
            Kind::Object => "an object",
        }
    }
}

/// Walks the values of one container.
#[derive(Debug, Clone, Copy)]
struct Tape<'d> {
    document: &'d Document<'d>,
    next: u32,
    end: u32,
}

impl<'d> Iterator for Tape<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        if self.next >= self.end {
            return None;
        }
        let value = Value { document: self.document, index: self.next };
        self.next = value.token().next;
        Some(value)
    }
}

/// The values of an array.
#[derive(Debug, Clone, Copy)]
pub struct Values<'d>(Tape<'d>);

impl<'d> Iterator for Values<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        self.0.next()
    }
}

/// The members of an object as they were written, duplicates included.
#[derive(Debug, Clone, Copy)]
pub struct Members<'d>(Tape<'d>);

impl<'d> Iterator for Members<'d> {
    type Item = (Str<'d>, Value<'d>);

    fn next(&mut self) -> Option<(Str<'d>, Value<'d>)> {
        let name = self.0.next()?.as_str()?;
        Some((name, self.0.next()?))
    }
}

/// Appends `text` as a JSON string in Python's spelling (ASCII only).
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    string::write_text(out, text);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_gives_back_what_was_written() {
        let text = r#" {"a" : [1.50, -0, "x\u0041", {"b":null}], "c": true} "#;
        let document = Document::parse(text, Dialect::STRICT).unwrap();
        let root = document.root();
        assert_eq!(root.raw(), text.trim());
        let Some(Item::Array(values)) = root.get("a").map(Value::item) else { panic!("no array") };
        let raws: Vec<_> = values.map(Value::raw).collect();
        assert_eq!(raws, ["1.50", "-0", r#""x\u0041""#, r#"{"b":null}"#]);
        assert!(matches!(root.get("c").unwrap().item(), Item::Bool(true)));
        assert!(root.get("b").is_none());
    }

    #[test]
    fn of_duplicate_names_the_last_is_found_however_it_is_spelled() {
        let document = Document::parse(r#"{"a":1,"b":2,"\u0061":3}"#, Dialect::STRICT).unwrap();
        assert_eq!(document.root().get("a").unwrap().raw(), "3");
    }

    #[test]
    fn strings_are_written_in_ascii() {
        let mut out = String::new();
        write_string(&mut out, "a\"\\\n\u{7f}é😀/");
        assert_eq!(out, r#""a\"\\\n\u007f\u00e9\ud83d\ude00/""#);
    }
}
