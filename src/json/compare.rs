//! Python's comparisons of the values that JSON has.

use std::cmp::Ordering;

use super::python::double;
use super::{Item, Value};

/// How two values stand to one another in Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `==`
    Equal,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// None of the three, as with `NaN`.
    Neither,
    /// They differ, and `<` and `>` raise: what the left is, and what the right is.
    Unordered(&'static str, &'static str),
}

impl From<Ordering> for Relation {
    fn from(ordering: Ordering) -> Self {
        match ordering {
            Ordering::Less => Self::Less,
            Ordering::Equal => Self::Equal,
            Ordering::Greater => Self::Greater,
        }
    }
}

impl Value<'_> {
    /// How this stands to another value: numbers and booleans by their exact value, strings by code
    /// point, arrays by the first elements that differ.
    ///
    /// Two `NaN` inside arrays or objects are equal, since Python's `json` reads all of them as one
    /// object. It calls itself as deep as the values nest, which the parser bounds.
    pub fn relation(self, other: Self) -> Relation {
        match (self.item(), other.item()) {
            (Item::Null, Item::Null) => Relation::Equal,
            (Item::String(a), Item::String(b)) => a.compare(b).into(),
            (Item::Array(mut a), Item::Array(mut b)) => loop {
                match (a.next(), b.next()) {
                    (None, None) => return Relation::Equal,
                    (None, Some(_)) => return Relation::Less,
                    (Some(_), None) => return Relation::Greater,
                    (Some(a), Some(b)) => match a.inner_relation(b) {
                        Relation::Equal => {}
                        differ => return differ,
                    },
                }
            },
            (Item::Object(_), Item::Object(_)) => {
                let (a, b) = (self.resolved_members(true, &[]), other.resolved_members(true, &[]));
                let same = a.len() == b.len()
                    && a.iter().zip(&b).all(|((a_name, a), (b_name, b))| {
                        a_name.compare(*b_name).is_eq() && a.inner_relation(*b) == Relation::Equal
                    });
                if same { Relation::Equal } else { self.unordered(other) }
            }
            (a, b) => match (Number::of(a), Number::of(b)) {
                (Some(a), Some(b)) => a.compare(b).map_or(Relation::Neither, Relation::from),
                _ => self.unordered(other),
            },
        }
    }

    /// Whether Python has an order for values like these: numbers and booleans, strings, arrays.
    pub fn has_order(self) -> bool {
        !matches!(self.item(), Item::Null | Item::Object(_))
    }

    fn unordered(self, other: Self) -> Relation {
        Relation::Unordered(self.kind_name(), other.kind_name())
    }

    /// The relation of values inside others, where an object of Python's is equal to itself.
    fn inner_relation(self, other: Self) -> Relation {
        let is_nan = |value: Self| matches!(value.item(), Item::Float("NaN"));
        if is_nan(self) && is_nan(other) { Relation::Equal } else { self.relation(other) }
    }
}

/// A number of Python's; its booleans are numbers.
#[derive(Debug, Clone, Copy)]
enum Number<'d> {
    Integer(Integer<'d>),
    Float(f64),
}

#[derive(Debug, Clone, Copy)]
struct Integer<'d> {
    is_negative: bool,
    /// Without zeros before them.
    digits: &'d str,
}

impl<'d> Number<'d> {
    fn of(item: Item<'d>) -> Option<Self> {
        let integer = |digits| Self::Integer(Integer { is_negative: false, digits });
        Some(match item {
            Item::Bool(bool) => integer(if bool { "1" } else { "0" }),
            Item::Integer(text) => Self::Integer(Integer::new(text)),
            // The parser has seen that it is a number.
            Item::Float(text) => Self::Float(double(text).unwrap_or(f64::NAN)),
            _ => return None,
        })
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => Some(a.compare(b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Integer(a), Self::Float(b)) => a.compare_float(b),
            (Self::Float(a), Self::Integer(b)) => b.compare_float(a).map(Ordering::reverse),
        }
    }
}

impl<'d> Integer<'d> {
    fn new(text: &'d str) -> Self {
        match text.strip_prefix('-') {
            Some(digits) => Self { is_negative: digits != "0", digits },
            None => Self { is_negative: false, digits: text },
        }
    }

    fn compare(self, other: Self) -> Ordering {
        let size = |a: &str, b: &str| a.len().cmp(&b.len()).then_with(|| a.cmp(b));
        match (self.is_negative, other.is_negative) {
            (false, false) => size(self.digits, other.digits),
            (true, true) => size(other.digits, self.digits),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }

    /// By the exact values, however large.
    fn compare_float(self, float: f64) -> Option<Ordering> {
        let whole = float.trunc();
        if float.is_infinite() || float.is_nan() {
            return 0.0.partial_cmp(&float);
        }
        // All its digits.
        let text = format!("{whole:.0}");
        Some(self.compare(Integer::new(&text)).then(whole.partial_cmp(&float)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dialect, Document};
    use super::*;

    fn relation(a: &str, b: &str) -> Relation {
        let [a, b] = [a, b].map(|text| Document::parse(text, Dialect::PYTHON).unwrap());
        a.root().relation(b.root())
    }

    #[test]
    fn numbers_compare_by_their_exact_value() {
        for (a, b) in [
            ("1", "1.0"),
            ("true", "1"),
            ("-0.0", "false"),
            ("-0", "0.0"),
            ("9007199254740992", "9007199254740993.0"),
            ("100000000000000000000000", "99999999999999991611392.0"),
        ] {
            let expected = if a.starts_with("1000") { Relation::Greater } else { Relation::Equal };
            assert_eq!(relation(a, b), expected, "{a} {b}");
        }
        for (a, b) in [
            ("9007199254740992.0", "9007199254740993"),
            ("-1", "-0.5"),
            ("-0.5", "0"),
            ("0", "0.5"),
            ("1", "1.5"),
            ("-2", "-1.5"),
            ("-1.5", "-1"),
            ("-100", "-99"),
            ("99", "100"),
            ("1e400", "Infinity"),
            ("9", "1e400"),
            ("-Infinity", "-9"),
            ("1.7976931348623157e308", "1e309"),
        ] {
            let expected = if a == "1e400" { Relation::Equal } else { Relation::Less };
            assert_eq!(relation(a, b), expected, "{a} {b}");
        }
        let huge = "9".repeat(400);
        assert_eq!(relation(&huge, "1.7976931348623157e308"), Relation::Greater);
        assert_eq!(relation(&huge, "Infinity"), Relation::Less);
        assert_eq!(relation("NaN", "NaN"), Relation::Neither);
        assert_eq!(relation("1", "NaN"), Relation::Neither);
    }

    #[test]
    fn strings_compare_by_code_point_however_they_are_spelled() {
        assert_eq!(relation(r#""\u0061""#, r#""a""#), Relation::Equal);
        assert_eq!(relation(r#""\uffff""#, r#""\ud83d\ude00""#), Relation::Less);
        assert_eq!(relation(r#""1""#, "1"), Relation::Unordered("a string", "a number"));
    }

    #[test]
    fn the_first_elements_that_differ_decide() {
        assert_eq!(relation("[1, 2]", "[1.0, true, 0]"), Relation::Greater);
        assert_eq!(relation("[1]", "[1, null]"), Relation::Less);
        assert_eq!(relation("[null, {}, 1]", "[null, {}, 2]"), Relation::Less);
        assert_eq!(relation("[1, null]", "[1, 2]"), Relation::Unordered("null", "a number"));
        assert_eq!(relation("[NaN]", "[NaN]"), Relation::Equal);
        assert_eq!(relation("[NaN]", "[1]"), Relation::Neither);
    }

    #[test]
    fn objects_are_equal_whatever_their_order() {
        assert_eq!(relation(r#"{"a":1,"b":[NaN]}"#, r#"{"b":[NaN],"a":1.0}"#), Relation::Equal);
        assert_eq!(relation(r#"{"a":1,"a":2}"#, r#"{"a":2}"#), Relation::Equal);
        let unordered = Relation::Unordered("an object", "an object");
        assert_eq!(relation(r#"{"a":1}"#, r#"{"b":1}"#), unordered);
        assert_eq!(relation(r#"{"a":1}"#, r#"{"a":1,"b":1}"#), unordered);
    }
}
