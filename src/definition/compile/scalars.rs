//! What a scalar without quotes means in Dynamiq and what it means here.
//!
//! Dynamiq reads YAML 1.1 with PyYAML, and floats by a rule of OmegaConf's own; the parser here reads
//! YAML 1.2. `010` is 8 there and 10.0 here.

use serde_saphyr::Options;

use super::json::Json;

/// How definitions are parsed. Only `true` and `false` are booleans: `y` is a text in Dynamiq. A text
/// has to be in quotes if it looks like a number or a boolean, which Dynamiq takes for no text.
pub(super) fn options() -> Options {
    // Without the excerpt that goes over several lines: file and line say where.
    serde_saphyr::options! { with_snippet: false, strict_booleans: true, no_schema: true }
}

/// Why a scalar without quotes cannot stand in a definition, if it cannot. What it is is not repeated:
/// it might be a key that somebody has written into the file.
pub(super) fn mistake(text: &str, is_key: bool, is_flow: bool) -> Option<String> {
    if is_flow && text.contains('?') {
        // To YAML 1.1 that is the end of a text, and the beginning of a name.
        return Some("put this text in quotes: Dynamiq does not read `?` here".to_owned());
    }
    let there = in_dynamiq(text);
    if is_key {
        let is_text = there == Some(Json::text(text)) || text == "=";
        return (!is_text).then(|| {
            format!("without quotes this name is {} in Dynamiq: put it in quotes", kind(&there))
        });
    }
    // What the parser refuses it refuses itself, where it stands.
    let here = Some(here(text)?);
    (there != here).then(|| {
        let (there, here) = match (kind(&there), kind(&here)) {
            (there, here) if there == here => (there, "another one"),
            kinds => kinds,
        };
        format!(
            "without quotes this is {there} in Dynamiq, and {here} here: put a text in quotes, and \
             write a number as JSON does, or true or false"
        )
    })
}

fn kind(value: &Option<Json>) -> &'static str {
    match value {
        Some(Json::Literal(literal)) => match literal.as_str() {
            "null" => "null",
            "true" | "false" => "a boolean",
            _ => "a number",
        },
        Some(_) => "a text",
        None => "a mistake",
    }
}

/// What the parser here makes of it. None: a mistake.
fn here(text: &str) -> Option<Json> {
    // Nothing but these can be something else than a text, and they stand for themselves in a list.
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._:~=".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_word) || text.ends_with(':') {
        return Some(if text.is_empty() { Json::default() } else { Json::text(text) });
    }
    let list = format!("[{text}]");
    let mut items: Vec<Json> = serde_saphyr::from_str_with_options(&list, options()).ok()?;
    items.pop()
}

/// What it is in Dynamiq. None: a mistake.
fn in_dynamiq(text: &str) -> Option<Json> {
    let literal = |literal: &str| Some(Json::Literal(literal.to_owned()));
    match text {
        "" | "~" | "null" | "Null" | "NULL" => literal("null"),
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => literal("true"),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            literal("false")
        }
        "=" | "<<" => None,
        _ => match (integer(text), float(text)) {
            (Some(value), _) => literal(&value?),
            (None, Some(value)) => literal(&format!("{value:?}")),
            (None, None) => Some(Json::text(text)),
        },
    }
}

fn is_run(text: &str, of: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(of)
}

fn is_digit_or_bar(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

/// Digits and bars, the first of them a digit.
fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit()) && is_run(text, is_digit_or_bar)
}

/// Digits with single bars between them.
fn is_barred(text: &str) -> bool {
    text.split('_').all(|part| is_run(part, |byte| byte.is_ascii_digit()))
}

/// Minutes or seconds.
fn is_sixtieth(text: &str) -> bool {
    match text.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    }
}

fn signed(text: &str) -> (&'static str, &str) {
    match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    }
}

/// The decimal digits of an integer of YAML 1.1; Some(None) for one that Python cannot read, and for
/// one that is too large to be told.
fn integer(text: &str) -> Option<Option<String>> {
    let (sign, digits) = signed(text);
    let of_radix = |digits: &str, radix| u128::from_str_radix(&digits.replace('_', ""), radix).ok();
    let value = if let Some(digits) = digits.strip_prefix("0b")
        && is_run(digits, |byte| matches!(byte, b'0' | b'1' | b'_'))
    {
        of_radix(digits, 2)
    } else if let Some(digits) = digits.strip_prefix("0x")
        && is_run(digits, |byte| byte.is_ascii_hexdigit() || byte == b'_')
    {
        of_radix(digits, 16)
    } else if let Some(rest) = digits.strip_prefix('0') {
        if !rest.bytes().all(|byte| matches!(byte, b'0'..=b'7' | b'_')) {
            return None;
        }
        of_radix(digits, 8)
    } else {
        let mut parts = digits.split(':');
        let first = parts.next().filter(|first| is_number(first))?;
        let mut value = of_radix(first, 10);
        for part in parts {
            let next = is_sixtieth(part).then(|| of_radix(part, 10))?;
            value = value.zip(next).and_then(|(value, next)| {
                value.checked_mul(60).and_then(|value| value.checked_add(next))
            });
        }
        value
    };
    Some(value.map(|value| format!("{}{value}", if value == 0 { "" } else { sign })))
}

/// A float of YAML 1.1, or of OmegaConf.
fn float(text: &str) -> Option<f64> {
    let (sign, digits) = signed(text);
    let negated = |value: f64| if sign == "-" { -value } else { value };
    match (digits, text) {
        (".inf" | ".Inf" | ".INF", _) => return Some(negated(f64::INFINITY)),
        (_, ".nan" | ".NaN" | ".NAN") => return Some(f64::NAN),
        _ => {}
    }
    let plain = |text: &str| text.replace('_', "").parse::<f64>().ok();
    if let Some((first, rest)) = digits.split_once(':') {
        let (sixtieths, fraction) = rest.split_once('.')?;
        let is_float = is_number(first)
            && sixtieths.split(':').all(is_sixtieth)
            && fraction.bytes().all(is_digit_or_bar);
        let mut parts: Vec<&str> = digits.split(':').collect();
        let last = is_float.then(|| parts.pop())??;
        let whole = parts.into_iter().try_fold(0.0, |sum, part| Some(sum * 60.0 + plain(part)?))?;
        return Some(negated(whole * 60.0 + plain(last)?));
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let is_exponent = |text: &str| {
        is_run(text.strip_prefix(['+', '-']).unwrap_or(text), |byte| byte.is_ascii_digit())
    };
    if !exponent.is_none_or(is_exponent) {
        return None;
    }
    let has_sign = exponent.is_none_or(|exponent| exponent.starts_with(['+', '-']));
    let is_float = match mantissa.split_once('.') {
        // A sign before the point makes it a text.
        Some(("", fraction)) => digits == text && is_number(fraction) && has_sign,
        Some((whole, fraction)) => {
            is_number(whole)
                && fraction.bytes().all(is_digit_or_bar)
                && (has_sign || is_barred(whole))
        }
        None => exponent.is_some() && is_barred(mantissa),
    };
    if is_float { plain(digits).map(negated) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What OmegaConf 2.3.1 makes of them over PyYAML 6.0.3, as JSON; `?` is a mistake.
    const IN_DYNAMIQ: &[(&str, &str)] = &[
        ("y", r#""y""#),
        ("N", r#""N""#),
        ("yes", "true"),
        ("No", "false"),
        ("ON", "true"),
        ("off", "false"),
        ("true", "true"),
        ("TRUE", "true"),
        ("tRue", r#""tRue""#),
        ("null", "null"),
        ("Null", "null"),
        ("~", "null"),
        ("nULL", r#""nULL""#),
        ("0", "0"),
        ("-0", "0"),
        ("+1", "1"),
        ("00", "0"),
        ("010", "8"),
        ("-010", "-8"),
        ("08", r#""08""#),
        ("0o7", r#""0o7""#),
        ("0x1F", "31"),
        ("0X1F", r#""0X1F""#),
        ("-0x1f", "-31"),
        ("0x1_F", "31"),
        ("0x_", "?"),
        ("0b1", "1"),
        ("0B1", r#""0B1""#),
        ("0b_", "?"),
        ("1_000", "1000"),
        ("1_", "1"),
        ("_1", r#""_1""#),
        ("0_7", "7"),
        ("1:30", "90"),
        ("1:30:20", "5420"),
        ("-1:30", "-90"),
        ("1:60", r#""1:60""#),
        ("01:30", r#""01:30""#),
        ("1:5", "65"),
        ("1:30.5", "90.5"),
        ("2001-12-14", r#""2001-12-14""#),
        ("1.", "1.0"),
        (".5", "0.5"),
        ("-.5", r#""-.5""#),
        ("+.5", r#""+.5""#),
        ("+1.5", "1.5"),
        (".5e3", r#"".5e3""#),
        (".5e+3", "500.0"),
        ("1e3", "1000.0"),
        ("1E+3", "1000.0"),
        ("1e-7", "1e-7"),
        ("1.e3", "1000.0"),
        ("1.5E3", "1500.0"),
        ("1__0.5", "10.5"),
        ("1__0.5e3", r#""1__0.5e3""#),
        ("1_0.5e3", "10500.0"),
        ("1e1_0", r#""1e1_0""#),
        ("1_0e1", "100.0"),
        ("01.5", "1.5"),
        ("01e3", "1000.0"),
        ("0e0", "0.0"),
        (".inf", "inf"),
        ("-.INF", "-inf"),
        ("+.nan", r#""+.nan""#),
        (".NaN", "NaN"),
        ("inf", r#""inf""#),
        ("nan", r#""nan""#),
        ("1e400", "inf"),
        ("18446744073709551616", "18446744073709551616"),
        ("9223372036854775807", "9223372036854775807"),
        ("=", "?"),
        ("<<", "?"),
        ("???", r#""???""#),
        ("...", r#""...""#),
        ("1.2.3", r#""1.2.3""#),
        ("+", r#""+""#),
    ];

    #[test]
    fn a_scalar_is_read_as_dynamiq_reads_it() {
        for &(text, expected) in IN_DYNAMIQ {
            let found = in_dynamiq(text).map_or_else(|| "?".to_owned(), |value| value.to_string());
            assert_eq!(found, expected, "{text}");
        }
    }

    /// Those of the table that the parser reads as something else.
    #[test]
    fn a_scalar_that_means_something_else_is_refused() {
        let differ: Vec<&str> = (IN_DYNAMIQ.iter().map(|(text, _)| *text))
            .filter(|text| mistake(text, false, false).is_some())
            .collect();
        assert_eq!(
            differ,
            [
                "yes", "No", "ON", "off", "00", "010", "-010", "08", "0o7", "0X1F", "0x_", "0B1",
                "0b_", "1_", "0_7", "1:30", "1:30:20", "-1:30", "1:5", "1:30.5", "-.5", "+.5",
                ".5e3", "1__0.5", "1_0.5e3", "1_0e1", "=", "<<"
            ]
        );
    }
}
