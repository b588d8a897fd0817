//! Python's spelling of JSON: what `json.dumps` with its default settings prints.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::num::ParseFloatError;

use super::decimal::Decimal;
use super::{Order, Spelling, Value, spell};

/// The text that Python's `json.dumps(json.loads(text))` gives: `", "` and `": "` between tokens,
/// ASCII escapes, integers with all their digits, doubles as `repr` prints them, and of duplicate
/// names the last value at the place of the first.
pub fn dumps(value: Value<'_>, order: Order) -> String {
    // Python's spelling refuses nothing.
    spell(value, Spelling::Python(order)).unwrap_or_default()
}

/// A JSON number with a fraction or an exponent as Python's `repr` prints the double nearest to
/// it: the shortest digits that round-trip, always with `.0` or an exponent, which is used below
/// 1e-4 and from 1e16 on. `NaN`, `Infinity` and `-Infinity` stay.
pub(super) fn float_repr(text: &str) -> Cow<'_, str> {
    if let Some(short) = short_float(text) {
        return Cow::Borrowed(short);
    }
    // "inf" and "nan", which Rust would accept too, are not JSON and never come here.
    let Ok(value) = double(text) else { return Cow::Borrowed(text) };
    if value.is_nan() {
        return Cow::Borrowed("NaN");
    }
    if value.is_infinite() {
        return Cow::Borrowed(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    Cow::Owned(repr(value))
}

/// The double nearest to a JSON number, or a non-finite one.
pub(super) fn double(text: &str) -> Result<f64, ParseFloatError> {
    // Rust stops reading an exponent after 65535, which as many zeros before it can take back.
    const LONG: usize = 4;
    let exponent = text.split_once(['e', 'E']).map_or("", |(_, exponent)| exponent);
    if exponent.len() <= LONG {
        return text.parse();
    }
    match Decimal::read(text) {
        Some(decimal) => decimal.to_scientific().parse(),
        None => if text.starts_with('-') { "-0.0" } else { "0.0" }.parse(),
    }
}

/// What most numbers are: at most 15 digits and no exponent. Doubles tell all such numbers apart,
/// so the shortest digits are those that were written, without zeros at the end.
fn short_float(text: &str) -> Option<&str> {
    const DIGITS: usize = 15;
    let (whole, fraction) = text.split_once('.')?;
    if text.len() > DIGITS + 1 || (whole.ends_with('0') && fraction.starts_with("0000")) {
        return None;
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let zeros = fraction.len() - fraction.trim_end_matches('0').len();
    text.get(..text.len() - zeros.min(fraction.len() - 1))
}

/// The shortest digits that round-trip, in the form `-1.5e-7`.
fn shortest(value: f64) -> String {
    let spelled = format!("{value:e}");
    // Of two texts of that length that are equally near, Python takes the even one and Rust the
    // upper. With less than 16 digits there are never two.
    let digits =
        spelled.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    if digits >= 16 {
        let even = format!("{value:.*e}", digits - 1);
        if even.parse() == Ok(value) {
            return even;
        }
    }
    spelled
}

/// What Python's `repr` prints for a finite double.
pub fn repr(value: f64) -> String {
    let spelled = shortest(value);
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
            // Half-way between two texts.
            ("900719925474099.25", "900719925474099.2"),
            ("900719925474099.75", "900719925474099.8"),
            ("2.98023223876953125e-08", "2.9802322387695312e-08"),
            ("5e-324", "5e-324"),
            ("9.5367431640625e-07", "9.5367431640625e-07"),
            ("NaN", "NaN"),
        ] {
            assert_eq!(float_repr(text), repr, "{text}");
        }
    }

    #[test]
    fn an_exponent_may_be_taken_back_by_zeros() {
        let zeros = "0".repeat(700_000);
        for (text, repr) in [
            (format!("0.{zeros}1e700001"), "1.0"),
            (format!("-1{zeros}.0e-700000"), "-1.0"),
            (format!("0.{zeros}15e655401"), "0.0"),
            (format!("-0.{zeros}e99999999999999999999"), "-0.0"),
            (format!("1{zeros}.5e+000000"), "Infinity"),
            ("1e00000000000000000002".to_owned(), "100.0"),
            ("1e-99999999999999999999".to_owned(), "0.0"),
            ("-1.5e99999999999999999999".to_owned(), "-Infinity"),
            ("12345678901234567890123e-00022".to_owned(), "1.2345678901234567"),
        ] {
            assert_eq!(float_repr(&text), repr, "{:.40}", text);
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
