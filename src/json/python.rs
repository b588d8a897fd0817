//! Python's spelling of JSON: what `json.dumps` with its default settings prints.

use std::fmt::Write as _;

use super::{Item, Str, Value, Values};

/// In which order the members of objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they stand in the text.
    AsWritten,
    /// By code point of the name, in the outer object and in objects directly inside objects. An
    /// object inside an array keeps its order, as do those inside it: Dynamiq's rule.
    SortedOutsideArrays,
}

/// The text that Python's `json.dumps(json.loads(text))` gives: `", "` and `": "` between tokens,
/// ASCII escapes, integers with all their digits, doubles as `repr` prints them, and of duplicate
/// names the last value at the place of the first.
pub fn dumps(value: Value<'_>, order: Order) -> String {
    let mut out = String::with_capacity(value.raw().len() + 16);
    if let Some(frame) = write_start(&mut out, value, order) {
        write_rest(&mut out, frame);
    }
    out
}

/// As [`dumps`], for an object of the given members.
pub fn dumps_members<'d>(
    members: impl Iterator<Item = (Str<'d>, Value<'d>)>,
    order: Order,
) -> String {
    let mut out = String::new();
    let frame = Frame::object(&mut out, members, order);
    write_rest(&mut out, frame);
    out
}

/// Writes what is left of a container, and closes it.
fn write_rest<'d>(out: &mut String, frame: Frame<'d>) {
    let mut open = vec![frame];
    // The innermost container says what comes next.
    while let Some(frame) = open.last_mut() {
        match frame.advance(out) {
            Some((value, order)) => open.extend(write_start(out, value, order)),
            None => drop(open.pop()),
        }
    }
}

/// A container of which some has been written.
struct Frame<'d> {
    rest: Rest<'d>,
    order: Order,
    first: bool,
}

enum Rest<'d> {
    Array(Values<'d>),
    Object(std::vec::IntoIter<(Str<'d>, Value<'d>)>),
}

impl<'d> Frame<'d> {
    fn array(out: &mut String, values: Values<'d>) -> Self {
        out.push('[');
        Self { rest: Rest::Array(values), order: Order::AsWritten, first: true }
    }

    fn object(
        out: &mut String,
        members: impl Iterator<Item = (Str<'d>, Value<'d>)>,
        order: Order,
    ) -> Self {
        out.push('{');
        Self { rest: Rest::Object(resolve(members, order).into_iter()), order, first: true }
    }

    /// Writes what stands before the next value and returns it; at the end writes the bracket.
    fn advance(&mut self, out: &mut String) -> Option<(Value<'d>, Order)> {
        let first = std::mem::replace(&mut self.first, false);
        let separator = if first { "" } else { ", " };
        match &mut self.rest {
            Rest::Array(values) => match values.next() {
                Some(value) => {
                    out.push_str(separator);
                    Some((value, Order::AsWritten))
                }
                None => {
                    out.push(']');
                    None
                }
            },
            Rest::Object(members) => match members.next() {
                Some((name, value)) => {
                    out.push_str(separator);
                    out.push('"');
                    name.write_python(out);
                    out.push_str("\": ");
                    Some((value, self.order))
                }
                None => {
                    out.push('}');
                    None
                }
            },
        }
    }
}

/// Writes a scalar, or the opening of a container, whose rest is returned.
fn write_start<'d>(out: &mut String, value: Value<'d>, order: Order) -> Option<Frame<'d>> {
    match value.item() {
        Item::Null => out.push_str("null"),
        Item::Bool(true) => out.push_str("true"),
        Item::Bool(false) => out.push_str("false"),
        Item::Integer(text) => out.push_str(integer(text)),
        Item::Float(text) => out.push_str(&float_repr(text)),
        Item::String(string) => {
            out.push('"');
            string.write_python(out);
            out.push('"');
        }
        Item::Array(values) => return Some(Frame::array(out, values)),
        Item::Object(members) => return Some(Frame::object(out, members, order)),
    }
    None
}

/// An integer as Python prints it: only minus zero changes.
fn integer(text: &str) -> &str {
    if text == "-0" { "0" } else { text }
}

/// The members of an object with duplicates resolved, in the order asked for.
fn resolve<'d>(
    members: impl Iterator<Item = (Str<'d>, Value<'d>)>,
    order: Order,
) -> Vec<(Str<'d>, Value<'d>)> {
    let mut members: Vec<_> = members.collect();
    if members.len() < 2 {
        return members;
    }
    // Most objects are small and have no duplicates: look before anything is copied.
    let mut by_name: Vec<usize> = (0..members.len()).collect();
    let name = |members: &[(Str<'d>, Value<'d>)], index: usize| members.get(index).map(|m| m.0);
    by_name.sort_by(|&a, &b| match (name(&members, a), name(&members, b)) {
        (Some(a), Some(b)) => a.compare(b),
        _ => std::cmp::Ordering::Equal,
    });
    // The sort is stable, so of equal names the first written comes first and the last last.
    let mut kept: Vec<usize> = Vec::with_capacity(members.len());
    for &index in &by_name {
        let same = kept.last().is_some_and(|&first| {
            matches!((name(&members, first), name(&members, index)),
                (Some(a), Some(b)) if a.compare(b).is_eq())
        });
        match (same, kept.last(), members.get(index).copied()) {
            (true, Some(&first), Some((_, value))) => {
                if let Some(member) = members.get_mut(first) {
                    member.1 = value;
                }
            }
            _ => kept.push(index),
        }
    }
    if order == Order::AsWritten {
        kept.sort_unstable();
    }
    kept.into_iter().filter_map(|index| members.get(index).copied()).collect()
}

/// A JSON number with a fraction or an exponent as Python's `repr` prints the double nearest to
/// it: the shortest digits that round-trip, always with `.0` or an exponent, which is used below
/// 1e-4 and from 1e16 on. `NaN`, `Infinity` and `-Infinity` stay.
fn float_repr(text: &str) -> String {
    // "inf" and "nan", which Rust would accept too, are not JSON and never come here.
    let Ok(value) = text.parse::<f64>() else { return text.to_owned() };
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    repr(value)
}

/// What Python's `repr` prints for a finite double.
pub fn repr(value: f64) -> String {
    // Rust's exponent form has the same shortest digits: "-1.5e-7".
    let spelled = format!("{value:e}");
    let (mantissa, exponent) = spelled.split_once('e').unwrap_or((&spelled, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) =
        mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let mut out = String::with_capacity(24);
    out.push_str(sign);
    if !(-4..16).contains(&exponent) {
        out.push_str(mantissa);
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a String cannot fail.
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
        return out;
    }
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    match usize::try_from(exponent) {
        Ok(exponent) => {
            let (whole, fraction) =
                digits.split_at_checked(exponent + 1).unwrap_or((digits.as_str(), ""));
            out.push_str(whole);
            out.extend(std::iter::repeat_n('0', exponent + 1 - whole.len()));
            out.push('.');
            out.push_str(if fraction.is_empty() { "0" } else { fraction });
        }
        Err(_) => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', exponent.unsigned_abs() as usize - 1));
            out.push_str(&digits);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Dialect, Document};
    use super::*;

    fn dumped(text: &str, order: Order) -> String {
        dumps(Document::parse(text, Dialect::PYTHON).unwrap().root(), order)
    }

    #[test]
    fn floats_print_as_repr_does() {
        for (text, repr) in [
            ("1.0", "1.0"),
            ("-0.0", "-0.0"),
            ("1e0", "1.0"),
            ("123456789.125", "123456789.125"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("1.5e16", "1.5e+16"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1.25E-7", "1.25e-07"),
            ("5e-324", "5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("1e400", "Infinity"),
            ("-1e400", "-Infinity"),
            ("0.1e1", "1.0"),
            ("100.5", "100.5"),
            ("9007199254740993.0", "9007199254740992.0"),
            ("NaN", "NaN"),
        ] {
            assert_eq!(float_repr(text), repr, "{text}");
        }
    }

    #[test]
    fn objects_inside_arrays_keep_their_order_at_every_depth_below() {
        assert_eq!(
            dumped(
                r#"{"b":[{"z":1,"a":{"y":1,"b":2}}],"a":{"d":1,"c":2}}"#,
                Order::SortedOutsideArrays
            ),
            r#"{"a": {"c": 2, "d": 1}, "b": [{"z": 1, "a": {"y": 1, "b": 2}}]}"#
        );
    }

    #[test]
    fn of_duplicates_the_last_value_stands_at_the_first_place() {
        let text = r#"{"b":1,"a":2,"\u0062":3,"c":4,"b":5}"#;
        assert_eq!(dumped(text, Order::AsWritten), r#"{"b": 5, "a": 2, "c": 4}"#);
        assert_eq!(dumped(text, Order::SortedOutsideArrays), r#"{"a": 2, "b": 5, "c": 4}"#);
    }

    #[test]
    fn nesting_needs_no_native_stack() {
        let text = "[".repeat(300_000) + &"]".repeat(300_000);
        let dialect = Dialect { max_depth: usize::MAX, ..Dialect::STRICT };
        let document = Document::parse(&text, dialect).unwrap();
        assert_eq!(dumps(document.root(), Order::AsWritten), text);
    }

    #[test]
    fn empty_containers_and_minus_zero() {
        assert_eq!(dumped("[{},[],-0,-0.0]", Order::AsWritten), "[{}, [], 0, -0.0]");
    }
}
