//! JSON that loses nothing: numbers of any size, the order of members, duplicate names, lone
//! surrogates.
//!
//! A [`Document`] is a text and the tape of its tokens; a [`Value`] is a place on that tape.
//! Strings and numbers stay spans of the text until somebody asks for what they denote. This is
//! what keys are made from, so an input never passes through a representation that would change it
//! (`serde_json::Value` folds big integers into doubles and drops duplicates).

mod compare;
mod decimal;
mod order;
mod parse;
mod printed;
mod python;
mod scan;
mod string;
mod tape;
mod write;

use order::{Arrangement, Member, Wanted, arrange};
use scan::{Stop, run_end};
use tape::{Extent, Tape};

pub use compare::Relation;
pub use parse::{Dialect, ParseError, ParseErrorKind};
pub use printed::Unprintable;
pub(crate) use printed::push_repr;
pub use python::{dumps, repr};
pub use string::{Str, write_string};
pub use write::{Order, Refusal, RefusalKind, Spelling, Writer, spell, spell_without};

/// A parsed text.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    text: &'a str,
    tape: Tape,
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
        parse::parse(text, dialect, Tape::new()).map(|tape| Self { text, tape })
    }

    /// The value that the text is.
    pub fn root(&self) -> Value<'_> {
        Value { document: self, index: 0 }
    }

    /// The first byte of a value, which says what it is.
    #[inline]
    fn first_byte(&self, index: u32) -> u8 {
        self.text.as_bytes().get(self.tape.start(index)).copied().unwrap_or_default()
    }

    /// The index of what follows a value.
    #[inline]
    fn after(&self, index: u32) -> u32 {
        match self.first_byte(index) {
            b'{' | b'[' => self.tape.extent(index).next,
            _ => index + 1,
        }
    }

    /// The string at `index`.
    fn string(&self, index: u32) -> Str<'_> {
        let bytes = self.text.as_bytes();
        let start = self.tape.start(index) + 1;
        let (mut end, mut escaped) = (run_end(bytes, start, Stop::Json), false);
        while bytes.get(end) == Some(&b'\\') {
            escaped = true;
            end = run_end(bytes, end + 2, Stop::Json);
        }
        Str::new(self.text.get(start..end).unwrap_or_default(), escaped)
    }

    /// The number at `index` as it is spelled, and whether it has neither fraction nor exponent.
    #[inline]
    fn number(&self, index: u32) -> (&str, bool) {
        let start = self.tape.start(index);
        let (mut end, mut is_integer) = (start, true);
        while let Some(byte) = self.text.as_bytes().get(end) {
            match byte {
                b'0'..=b'9' | b'-' => {}
                // The letters of `NaN` and `Infinity` too.
                b'.' | b'+' | b'a'..=b'z' | b'A'..=b'Z' => is_integer = false,
                _ => break,
            }
            end += 1;
        }
        (self.text.get(start..end).unwrap_or_default(), is_integer)
    }
}

/// Whether a text is JSON and what value it is: true for `null`. Takes no memory for what the text
/// holds, however much that is.
pub fn is_null(text: &str, dialect: Dialect) -> Result<bool, ParseError> {
    parse::parse(text, dialect, Tape::off())?;
    Ok(text.trim_ascii_start().starts_with("null"))
}

impl<'d> Value<'d> {
    fn first_byte(self) -> u8 {
        self.document.first_byte(self.index)
    }

    fn tape(self, Extent { first, next, .. }: Extent) -> Values<'d> {
        Values { document: self.document, next: first, end: next }
    }

    /// What this is.
    pub fn item(self) -> Item<'d> {
        match self.first_byte() {
            b'n' => Item::Null,
            b't' => Item::Bool(true),
            b'f' => Item::Bool(false),
            b'"' => Item::String(self.document.string(self.index)),
            b'[' => Item::Array(self.tape(self.document.tape.extent(self.index))),
            b'{' => Item::Object(Members(self.tape(self.document.tape.extent(self.index)))),
            _ => match self.document.number(self.index) {
                (text, true) => Item::Integer(text),
                (text, false) => Item::Float(text),
            },
        }
    }

    /// The text of this value as it was written.
    pub fn raw(self) -> &'d str {
        let text = self.document.text;
        let start = self.document.tape.start(self.index);
        let length = match self.item() {
            Item::Null | Item::Bool(true) => 4,
            Item::Bool(false) => 5,
            Item::Integer(text) | Item::Float(text) => text.len(),
            Item::String(string) => string.raw().len() + 2,
            Item::Array(_) | Item::Object(_) => {
                let rest = text.get(start..).unwrap_or_default();
                match self.document.tape.extent(self.index).end {
                    Some(end) => end as usize - start,
                    None => rest.find([']', '}']).map_or(0, |bracket| bracket + 1),
                }
            }
        };
        text.get(start..start + length).unwrap_or_default()
    }

    /// The member of that name; of several the last, as Python has it. None when there is none, or
    /// when this is not an object.
    pub fn get(self, name: &str) -> Option<Value<'d>> {
        let Item::Object(members) = self.item() else { return None };
        members.filter(|(member, _)| member.is(name)).last().map(|(_, value)| value)
    }

    /// The members of an object as Python has them: of duplicate names the last value, at the place
    /// of the first. In the order of their names, or as written; without those that are left out.
    /// What is not an object has none.
    pub fn resolved_members(self, sorted: bool, without: &[&str]) -> Vec<(Str<'d>, Value<'d>)> {
        let document = self.document;
        let Item::Object(members) = self.item() else { return Vec::new() };
        let wanted = Wanted { sorted, duplicates: true, without };
        let mut list = Vec::new();
        match arrange(document, document.tape.extent(self.index), wanted, &mut list) {
            Arrangement::Listed => {
                let value = |member: &Member| Value { document, index: member.name + 1 };
                list.iter().map(|member| (document.string(member.name), value(member))).collect()
            }
            Arrangement::AsWritten | Arrangement::Duplicate(_) => members.collect(),
        }
    }

    /// Whether this is `null`.
    pub fn is_null(self) -> bool {
        self.first_byte() == b'n'
    }

    /// Whether this is an object.
    pub fn is_object(self) -> bool {
        self.first_byte() == b'{'
    }

    /// The string that this is.
    pub fn as_str(self) -> Option<Str<'d>> {
        (self.first_byte() == b'"').then(|| self.document.string(self.index))
    }

    /// What kind of value this is, in JSON's words.
    pub fn kind_name(self) -> &'static str {
        match self.first_byte() {
            b'n' => "null",
            b't' | b'f' => "a boolean",
            b'"' => "a string",
            b'[' => "an array",
            b'{' => "an object",
            _ => "a number",
        }
    }
}

/// The values of an array.
#[derive(Debug, Clone, Copy)]
pub struct Values<'d> {
    document: &'d Document<'d>,
    next: u32,
    end: u32,
}

impl<'d> Iterator for Values<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        if self.next >= self.end {
            return None;
        }
        let value = Value { document: self.document, index: self.next };
        self.next = self.document.after(self.next);
        Some(value)
    }
}

/// The members of an object as they were written, duplicates included.
#[derive(Debug, Clone, Copy)]
pub struct Members<'d>(Values<'d>);

impl<'d> Iterator for Members<'d> {
    type Item = (Str<'d>, Value<'d>);

    fn next(&mut self) -> Option<(Str<'d>, Value<'d>)> {
        let name = self.0.next()?.as_str()?;
        Some((name, self.0.next()?))
    }
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
}
