//! JSON texts as people and attackers write them, for property tests.
//!
//! A [`Node`] is what a text denotes, and [`Spelling`] are the choices of who writes it down: where
//! white space goes, what is escaped and how, which of a number's many spellings. Two spellings of
//! one node denote the same.

#![expect(clippy::indexing_slicing, reason = "a helper of tests")]

use proptest::collection::vec;
use proptest::prelude::*;

/// A string as code points; surrogates among them are lone ones.
pub type Text = Vec<u32>;

/// What a text denotes.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Null,
    Bool(bool),
    Number(Number),
    /// `NaN`, `Infinity` or `-Infinity`.
    NonFinite(&'static str),
    Text(Text),
    Array(Vec<Node>),
    Object(Vec<(Text, Node)>),
}

/// A number: digits × 10^exponent.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    pub negative: bool,
    /// Without zeros at either end; none is zero.
    pub digits: String,
    pub exponent: i64,
    /// Whether it is spelled without fraction and exponent; only one that has no fraction is.
    pub whole: bool,
}

impl Number {
    fn new(negative: bool, digits: &str, exponent: i64, whole: bool) -> Self {
        let digits = digits.trim_start_matches('0');
        let trimmed = digits.trim_end_matches('0');
        let exponent = exponent + (digits.len() - trimmed.len()) as i64;
        let whole = whole && (trimmed.is_empty() || (0..60).contains(&exponent));
        Self { negative, digits: trimmed.to_owned(), exponent, whole }
    }
}

/// Which kinds of nodes there are.
#[derive(Debug, Clone, Copy)]
pub struct Kinds {
    /// Lone surrogates, duplicate names, `NaN` and `Infinity`, which only `dynamiq` accepts, and
    /// numbers beyond the limits of `canonical`.
    pub extreme: bool,
}

pub fn node(kinds: Kinds) -> impl Strategy<Value = Node> {
    scalar(kinds).prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Node::Array),
            vec((text(kinds), inner), 0..6).prop_map(move |members| object(kinds, members)),
        ]
    })
}

/// A node that is an object, as an input is.
pub fn object_node(kinds: Kinds) -> impl Strategy<Value = Node> {
    vec((text(kinds), node(kinds)), 0..6).prop_map(move |members| object(kinds, members))
}

fn object(kinds: Kinds, members: Vec<(Text, Node)>) -> Node {
    let mut kept: Vec<(Text, Node)> = Vec::new();
    for (name, value) in members {
        if kinds.extreme || kept.iter().all(|(other, _)| *other != name) {
            kept.push((name, value));
        }
    }
    Node::Object(kept)
}

pub fn scalar(kinds: Kinds) -> impl Strategy<Value = Node> {
    let non_finite = prop_oneof![Just("NaN"), Just("Infinity"), Just("-Infinity")];
    prop_oneof![
        2 => Just(Node::Null),
        2 => any::<bool>().prop_map(Node::Bool),
        12 => number(kinds).prop_map(Node::Number),
        12 => text(kinds).prop_map(Node::Text),
        u32::from(kinds.extreme) => non_finite.prop_map(Node::NonFinite),
    ]
}

pub fn number(kinds: Kinds) -> impl Strategy<Value = Number> {
    let digits = prop_oneof![
        4 => "[0-9]{1,3}",
        4 => "[0-9]{14,24}",
        1 => "[1-9]0{10,22}[1-9]",
        1 => "[0-9]{60,90}",
        // What doubles around their limits look like.
        1 => Just("9007199254740993".to_owned()),
        1 => Just("17976931348623157".to_owned()),
        1 => Just("22250738585072014".to_owned()),
        1 => any::<f64>().prop_map(|double| {
            format!("{double:e}").chars().take_while(|c| *c != 'e').filter(char::is_ascii_digit).collect()
        }),
    ];
    let exponent = prop_oneof![
        8 => -3_i64..3,
        8 => -30_i64..30,
        4 => -400_i64..400,
        u32::from(kinds.extreme) => prop_oneof![-1_000_100_i64..-999_900, 999_900_i64..1_000_100],
        u32::from(kinds.extreme) => any::<i64>().prop_map(|n| n / 2),
    ];
    (any::<bool>(), digits, exponent, any::<bool>()).prop_map(
        |(negative, digits, exponent, whole)| Number::new(negative, &digits, exponent, whole),
    )
}

pub fn text(kinds: Kinds) -> impl Strategy<Value = Text> {
    let point = prop_oneof![
        8 => prop::char::range('a', 'e').prop_map(u32::from),
        4 => prop::char::range(' ', '~').prop_map(u32::from),
        2 => 0_u32..0x20,
        2 => prop::sample::select(vec!['"', '\\', '/', '\u{7f}', '\u{80}', 'é', '\u{2028}', '\u{7ff}', '\u{800}'])
            .prop_map(u32::from),
        // In UTF-16 the second of these sorts before the first.
        2 => prop::sample::select(vec!['\u{d7ff}', '\u{e000}', '\u{fffd}', '\u{ffff}', '\u{10000}', '😀', '\u{10ffff}'])
            .prop_map(u32::from),
        1 => any::<char>().prop_map(u32::from),
        2 * u32::from(kinds.extreme) => 0xd800_u32..0xe000,
    ];
    // Few and short ones, so that names meet.
    prop_oneof![
        3 => prop::sample::select(vec!["", "a", "b", "aa", "A", "é", "\u{fffd}", "😀"])
            .prop_map(|name| name.chars().map(u32::from).collect()),
        4 => vec(point.clone(), 0..6),
        1 => vec(point, 0..70),
    ]
    .prop_map(paired)
}

/// A high and a low surrogate side by side are no lone ones.
fn paired(units: Text) -> Text {
    let mut text = Text::new();
    for unit in units {
        let high = text.last().is_some_and(|last| (0xd800..0xdc00).contains(last));
        if !(high && (0xdc00..0xe000).contains(&unit)) {
            text.push(unit);
        }
    }
    text
}

/// The choices of who writes a node down. They are used up one by one and then start over; without
/// any, everything is spelled in the plainest way.
#[derive(Debug, Clone)]
pub struct Spelling {
    choices: Vec<u8>,
    at: usize,
    /// Whether numbers keep what Python tells apart: whole or not, and the sign of zero.
    pub python: bool,
}

pub fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![1 => Just(Vec::new()), 5 => vec(prop_oneof![Just(0_u8), any::<u8>()], 1..60)]
}

impl Spelling {
    pub fn new(choices: &[u8], python: bool) -> Self {
        Self { choices: choices.to_owned(), at: 0, python }
    }

    /// A number below `n`.
    fn choose(&mut self, n: usize) -> usize {
        let choice = self.choices.get(self.at % self.choices.len().max(1)).copied();
        self.at += 1;
        usize::from(choice.unwrap_or_default()) % n
    }

    pub fn spell(&mut self, node: &Node) -> String {
        let mut out = String::new();
        self.white_space(&mut out);
        self.value(&mut out, node);
        self.white_space(&mut out);
        out
    }

    fn value(&mut self, out: &mut String, node: &Node) {
        match node {
            Node::Null => out.push_str("null"),
            Node::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Node::NonFinite(word) => out.push_str(word),
            Node::Number(number) => self.number(out, number),
            Node::Text(text) => self.string(out, text),
            Node::Array(values) => {
                out.push('[');
                self.white_space(out);
                for (place, value) in values.iter().enumerate() {
                    self.comma(out, place);
                    self.value(out, value);
                    self.white_space(out);
                }
                out.push(']');
            }
            Node::Object(members) => {
                out.push('{');
                self.white_space(out);
                for (place, (name, value)) in members.iter().enumerate() {
                    self.comma(out, place);
                    self.string(out, name);
                    self.white_space(out);
                    out.push(':');
                    self.white_space(out);
                    self.value(out, value);
                    self.white_space(out);
                }
                out.push('}');
            }
        }
    }

    fn comma(&mut self, out: &mut String, place: usize) {
        if place > 0 {
            out.push(',');
            self.white_space(out);
        }
    }

    fn white_space(&mut self, out: &mut String) {
        out.push_str(match self.choose(12) {
            8 => " ",
            9 => "\n    ",
            10 => "\t",
            11 => "\r\n \t                                  ",
            _ => "",
        });
    }

    fn string(&mut self, out: &mut String, text: &[u32]) {
        out.push('"');
        for &point in text {
            self.character(out, point);
        }
        out.push('"');
    }

    fn character(&mut self, out: &mut String, point: u32) {
        let short = match char::from_u32(point) {
            Some(char @ ('"' | '\\' | '/')) => Some(char),
            Some('\u{8}') => Some('b'),
            Some('\t') => Some('t'),
            Some('\n') => Some('n'),
            Some('\u{c}') => Some('f'),
            Some('\r') => Some('r'),
            _ => None,
        };
        let literal = char::from_u32(point).filter(|c| *c >= ' ' && *c != '"' && *c != '\\');
        match (self.choose(8), literal, short) {
            (0..=4, Some(literal), _) => out.push(literal),
            (0..=5, _, Some(short)) => out.extend(['\\', short]),
            (6, ..) => units(point).for_each(|unit| out.push_str(&format!("\\u{unit:04X}"))),
            _ => units(point).for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }

    fn number(&mut self, out: &mut String, number: &Number) {
        if number.negative && !(number.digits.is_empty() && number.whole) {
            out.push('-');
        }
        let Number { digits, exponent, whole, .. } = number;
        if digits.is_empty() {
            let python = self.python;
            let odd = ["0.0", "0e0", "0.000", "0E+99", "0e-9999999999999999999999"];
            return out.push_str(match (*whole, python) {
                (true, true) => ["0", "-0"][self.choose(2)],
                (false, true) => odd[self.choose(odd.len())],
                (_, false) => {
                    ["0", "0.0", "0e0", "0.00e-5", "0e+99999999999999999999"][self.choose(5)]
                }
            });
        }
        let may_be_whole = (0..60).contains(exponent);
        if (self.python && *whole) || (!self.python && may_be_whole && self.choose(2) == 0) {
            out.push_str(digits);
            return out.push_str(&"0".repeat(*exponent as usize));
        }
        // Where the point goes, counted from the left; zeros make up for what is missing.
        let shift = match self.choose(6) {
            0 => 1,
            1 => digits.len() as i64,
            2 => 0,
            3 => -3,
            4 => digits.len() as i64 + 2,
            _ => digits.len() as i64 / 2,
        };
        let rest = exponent + digits.len() as i64 - shift;
        let (before, after) = if shift <= 0 {
            ("0".to_owned(), "0".repeat(shift.unsigned_abs() as usize) + digits)
        } else {
            let shift = shift as usize;
            let padded = format!("{digits:0<shift$}");
            let (before, after) = padded.split_at(shift);
            (before.to_owned(), after.to_owned())
        };
        out.push_str(&before);
        let after = after + ["", "", "0", "00000000"][self.choose(4)];
        if !after.is_empty() {
            out.push('.');
            out.push_str(&after);
        }
        if rest != 0 || after.is_empty() || self.choose(4) == 1 {
            out.push(if self.choose(2) == 0 { 'e' } else { 'E' });
            if rest < 0 {
                out.push('-');
            } else if self.choose(2) == 1 {
                out.push('+');
            }
            out.push_str(["", "", "0", "00000000000000000000000"][self.choose(4)]);
            out.push_str(&rest.unsigned_abs().to_string());
        }
    }
}

/// The UTF-16 code units of a code point, a lone surrogate among them.
fn units(point: u32) -> impl Iterator<Item = u32> {
    let above = point.wrapping_sub(0x10000);
    let pair = [0xd800 + (above >> 10), 0xdc00 + (above & 0x3ff)];
    let units = if point < 0x10000 { vec![point] } else { pair.to_vec() };
    units.into_iter()
}

/// The node with the members of its objects in another order: of all objects, or of those outside
/// arrays.
pub fn permuted(node: &Node, choices: &[u8], inside_arrays: bool) -> Node {
    let mut spelling = Spelling::new(choices, false);
    permute(node, &mut spelling, inside_arrays)
}

fn permute(node: &Node, order: &mut Spelling, inside_arrays: bool) -> Node {
    match node {
        Node::Array(values) if inside_arrays => {
            Node::Array(values.iter().map(|value| permute(value, order, true)).collect())
        }
        Node::Object(members) => {
            let mut rest: Vec<_> = members.iter().collect();
            let mut permuted = Vec::new();
            while !rest.is_empty() {
                let (name, value) = rest.remove(order.choose(rest.len()));
                permuted.push((name.clone(), permute(value, order, inside_arrays)));
            }
            Node::Object(permuted)
        }
        _ => node.clone(),
    }
}

/// The node with one of the values in it, or itself, replaced. `place` chooses which.
pub fn replaced(node: &Node, place: usize, by: &Node) -> Node {
    let mut node = node.clone();
    let place = place % size(&node);
    replace(&mut node, place, by);
    node
}

fn size(node: &Node) -> usize {
    1 + match node {
        Node::Array(values) => values.iter().map(size).sum(),
        Node::Object(members) => members.iter().map(|(_, value)| size(value)).sum(),
        _ => 0,
    }
}

/// Replaces the value at that place in the order of the text; gives how many places are left to go.
fn replace(node: &mut Node, place: usize, by: &Node) -> Option<usize> {
    if place == 0 {
        *node = by.clone();
        return None;
    }
    let inner: Vec<&mut Node> = match node {
        Node::Array(values) => values.iter_mut().collect(),
        Node::Object(members) => members.iter_mut().map(|(_, value)| value).collect(),
        _ => Vec::new(),
    };
    let mut left = place - 1;
    for value in inner {
        left = replace(value, left, by)?;
    }
    Some(left)
}

/// Texts that may be JSON and mostly are not.
pub fn broken_text() -> impl Strategy<Value = String> {
    let kinds = Kinds { extreme: true };
    let good = (node(kinds), choices())
        .prop_map(|(node, choices)| Spelling::new(&choices, false).spell(&node));
    let edit = (any::<prop::sample::Index>(), 0..3_u8, prop::sample::select(TOKENS));
    let edited = (good, vec(edit, 1..4)).prop_map(|(mut text, edits)| {
        for (index, kind, token) in edits {
            let at = text.floor_char_boundary(index.index(text.len() + 1));
            match kind {
                0 => text.truncate(at),
                1 => text.insert_str(at, token),
                _ => {
                    let end = text.ceil_char_boundary((at + 1).min(text.len()));
                    text.replace_range(at..end, token);
                }
            }
        }
        text
    });
    let soup = vec(prop::sample::select(TOKENS), 0..14).prop_map(|tokens| tokens.concat());
    prop_oneof![3 => edited, 2 => soup]
}

const TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\"a\"",
    "\"\\u0061\"",
    "\"b\"",
    "\"a\":1",
    "\"b\":[]",
    "[]",
    "{}",
    "0",
    "-0",
    "-",
    "1",
    "01",
    "1.",
    ".5",
    "1.5",
    "e",
    "1e",
    "1e5",
    "1E+",
    "1e-7",
    "+",
    "null",
    "nul",
    "true",
    "false",
    "NaN",
    "Infinity",
    "-Infinity",
    "-NaN",
    "Inf",
    " ",
    "\n",
    "\t",
    "\r",
    "\u{b}",
    "\u{c}",
    "\u{a0}",
    "\u{feff}",
    "\0",
    "\u{1f}",
    "\u{7f}",
    "é",
    "😀",
    "\\u",
    "\\u12",
    "\\ud83d",
    "\\ude00",
    "\\ud83d\\ude00",
    "\\uD83D\\u0041",
    "\\x41",
    "\\/",
    "\\\\",
    "\\\"",
    "//",
    "/**/",
    "'",
    "1e400",
    "99999999999999999999999999",
    "0x1",
    "1_0",
    "١",
    "\\u00e9",
];

/// Numbers in odd spellings, not all of which are JSON.
pub fn number_text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
        2 => "-?[0-9]{1,4}\\.0{0,30}[0-9]{1,4}0{0,30}([eE][+-]?0{0,20}[0-9]{1,7})?",
        1 => "-?0(\\.0{1,40})?[eE][+-]?[0-9]{1,40}",
        2 => any::<f64>().prop_map(|double| format!("{double:e}")),
        2 => any::<f64>().prop_map(|double| format!("{double:?}")),
        1 => (-1100_i32..1100).prop_map(|n| format!("{:e}", 2_f64.powi(n))),
        1 => "[-+.eE0-9]{1,8}",
    ]
}
