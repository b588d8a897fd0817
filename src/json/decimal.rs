//! Numbers by their exact decimal value: what the canonical spelling makes of them.

use super::write::RefusalKind;

/// How many digits a number may have, zeros at both ends not counted.
const MAX_DIGITS: usize = 4300;
/// How far the decimal point may be from the first digit that is not zero.
const MAX_EXPONENT: i64 = 999_999;
/// Up to how many digits before the point ECMAScript prints without an exponent; an integer of that
/// length is its own spelling.
pub(super) const PLAIN_DIGITS: usize = 21;

/// A number as `±0.digits × 10^point`; the digits begin and end with one that is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal<'d> {
    negative: bool,
    /// The digits before and after the point in the text.
    whole: &'d [u8],
    fraction: &'d [u8],
    point: i64,
}

impl<'d> Decimal<'d> {
    /// Reads a JSON number. None is zero.
    pub fn parse(text: &'d str) -> Result<Option<Self>, RefusalKind> {
        let Some(decimal) = Self::read(text) else { return Ok(None) };
        if decimal.whole.len() + decimal.fraction.len() > MAX_DIGITS {
            return Err(RefusalKind::TooManyDigits(MAX_DIGITS));
        }
        if (decimal.point - 1).abs() > MAX_EXPONENT {
            return Err(RefusalKind::ExponentOutOfRange(MAX_EXPONENT as u32));
        }
        Ok(Some(decimal))
    }

    /// Reads a JSON number without bounds. None is zero.
    pub fn read(text: &'d str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let point = whole.len() as i64;
        let (whole, leading) = trim_start(whole);
        let (fraction, leading) =
            if whole.is_empty() { trim_start(fraction) } else { (fraction, leading) };
        let point = if whole.is_empty() { -leading } else { point - leading };
        let fraction = fraction.trim_end_matches('0');
        let whole = if fraction.is_empty() { whole.trim_end_matches('0') } else { whole };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let point = point.saturating_add(saturating(exponent));
        Some(Self { negative, whole: whole.as_bytes(), fraction: fraction.as_bytes(), point })
    }

    /// `-0.digitse12`, for a reader that does not take long exponents: beyond what a double holds
    /// they are cut.
    pub fn to_scientific(self) -> String {
        let mut out = String::from(if self.negative { "-0." } else { "0." });
        self.digits(0, i64::MAX, &mut |digits: &[u8]| {
            out.extend(digits.iter().map(|digit| char::from(*digit)));
        });
        out.push_str(&format!("e{}", self.point.clamp(-1000, 1000)));
        out
    }

    /// Writes the number as ECMAScript's `Number::toString` lays digits out, with all of its own.
    pub fn write(self, mut out: impl FnMut(&[u8])) {
        const ZEROS: &[u8] = b"000000000000000000000";
        let zeros = |count: i64| ZEROS.get(..count as usize).unwrap_or(ZEROS);
        let count = (self.whole.len() + self.fraction.len()) as i64;
        if self.negative {
            out(b"-");
        }
        if count <= self.point && self.point <= PLAIN_DIGITS as i64 {
            self.digits(0, count, &mut out);
            out(zeros(self.point - count));
        } else if 0 < self.point && self.point <= PLAIN_DIGITS as i64 {
            self.digits(0, self.point, &mut out);
            out(b".");
            self.digits(self.point, count, &mut out);
        } else if -6 < self.point && self.point <= 0 {
            out(b"0.");
            out(zeros(-self.point));
            self.digits(0, count, &mut out);
        } else {
            self.digits(0, 1, &mut out);
            if count > 1 {
                out(b".");
                self.digits(1, count, &mut out);
            }
            let exponent = self.point - 1;
            out(if exponent < 0 { b"e-" } else { b"e+" });
            out(exponent.unsigned_abs().to_string().as_bytes());
        }
    }

    /// Writes the digits of that range, of both parts together.
    fn digits(self, from: i64, to: i64, out: &mut impl FnMut(&[u8])) {
        let split = self.whole.len();
        let (from, to) = (from as usize, to as usize);
        for (part, offset) in [(self.whole, 0), (self.fraction, split)] {
            let start = from.saturating_sub(offset).min(part.len());
            let end = to.saturating_sub(offset).min(part.len());
            out(part.get(start..end).unwrap_or_default());
        }
    }
}

/// A text without its leading zeros, and how many those are.
fn trim_start(text: &str) -> (&str, i64) {
    let trimmed = text.trim_start_matches('0');
    (trimmed, (text.len() - trimmed.len()) as i64)
}

/// An exponent, or a number far beyond the bound.
fn saturating(exponent: &str) -> i64 {
    let (negative, digits) = match exponent.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
    };
    let value = digits.bytes().fold(0_i64, |value, digit| {
        // Longer than any text, so that no number of zeros can bring it back into the bound.
        (value * 10 + i64::from(digit - b'0')).min(1 << 40)
    });
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn written(text: &str) -> String {
        let mut out = Vec::new();
        match Decimal::parse(text).unwrap() {
            None => out.push(b'0'),
            Some(decimal) => decimal.write(|digits| out.extend_from_slice(digits)),
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_of_one_value_have_one_spelling() {
        for (texts, spelling) in [
            (&["0", "-0", "0.0", "-0e5", "0.000E-999999999999999999999"][..], "0"),
            (&["1", "1.0", "1e0", "10e-1", "0.1E+1", "0.0001e4", "1e00000000000000000000"], "1"),
            (&["-120", "-1.2e2", "-120.000", "-0.12e3"], "-120"),
            (&["1.5", "15e-1", "0.0015e3"], "1.5"),
            (&["100000000000000000000", "1e20"], "100000000000000000000"),
            (&["123e18", "123000000000000000000"], "123000000000000000000"),
            (&["1e21", "1000000000000000000000"], "1e+21"),
            (
                &["1234567890123456789012", "123456789012345678901.2e1"],
                "1.234567890123456789012e+21",
            ),
            (&["0.000001", "1e-6"], "0.000001"),
            (&["0.0000001", "1e-7"], "1e-7"),
            (&["12e-8"], "1.2e-7"),
            (&["9007199254740993", "9007199254740993.0"], "9007199254740993"),
            (&["0.1000000000000000055511151231257827"], "0.1000000000000000055511151231257827"),
            (&["1e999999"], "1e+999999"),
            (&["1e-999999"], "1e-999999"),
        ] {
            for text in texts {
                assert_eq!(written(text), spelling, "{text}");
            }
        }
    }

    #[test]
    fn digits_and_exponents_are_bounded() {
        let too_large = Err(RefusalKind::ExponentOutOfRange(999_999));
        for text in ["1e1000000", "10e999999", "1e-1000000", "-1e99999999999999999999999999"] {
            assert_eq!(Decimal::parse(text), too_large, "{text}");
        }
        let digits = "9".repeat(4300);
        assert!(Decimal::parse(&format!("000{digits}.000")).is_ok());
        assert_eq!(Decimal::parse(&format!("0.{digits}9")), Err(RefusalKind::TooManyDigits(4300)));
        // The value counts and not how long it is written.
        assert_eq!(written(&format!("0.{}1e2000000", "0".repeat(2_000_000))), "0.1");
    }
}
