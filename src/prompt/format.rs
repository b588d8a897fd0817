//! Python's ways to format: `%` and `str.format`.

use super::Fail;
use super::number::{Number, index_of};
use super::print::{float, push_str, push_value, to_str};
use super::text::sub;
use super::value::{Result, Value};
use super::work::Work;

/// The longest width and precision.
const MAX_WIDTH: usize = 100_000;
const MAX_PRECISION: usize = 100;

/// What stands between `%` or `:` and the letter of the type.
#[derive(Debug, Clone, Copy, Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

fn value_error(message: &str) -> Fail {
    Fail::python(&format!("ValueError: {message}"))
}

/// `format % args`; the mapping is what names in parentheses are looked up in.
pub(super) fn format_percent(
    format: &str,
    args: &[Value],
    mapping: Option<&Value>,
    work: &Work,
) -> Result<String> {
    let mut out = String::new();
    let mut args = args.iter();
    let mut named = false;
    let mut chars = format.chars().peekable();
    work.charge(format.len())?;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut given = None;
        if chars.next_if_eq(&'(').is_some() {
            let mut name = String::new();
            let mut open = 1;
            loop {
                let c = chars.next().ok_or_else(|| value_error("incomplete format key"))?;
                open += i32::from(c == '(') - i32::from(c == ')');
                if open == 0 {
                    break;
                }
                name.push(c);
            }
            let Some(Value::Dict(dict)) = mapping else {
                return Err(Fail::type_error("format requires a mapping".to_owned()));
            };
            named = true;
            let name = Value::str(name);
            given = Some(
                dict.get(&name)?
                    .cloned()
                    .ok_or_else(|| Fail::python("KeyError: a name of the format is missing"))?,
            );
        } else if named {
            return Err(Fail::refused("a format with names and without"));
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "-+ #0".contains(*c)) {
            match flag {
                '-' => spec.align = Some('<'),
                '+' => spec.sign = Some('+'),
                ' ' if spec.sign.is_none() => spec.sign = Some(' '),
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                _ => {}
            }
        }
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| -> Result<usize> {
            let mut number = 0_usize;
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                number = number.saturating_mul(10).saturating_add(digit as usize - '0' as usize);
            }
            Ok(number)
        };
        if chars.peek() == Some(&'*') {
            return Err(Fail::refused("`*` in a format"));
        }
        spec.width = number(&mut chars)?;
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(&mut chars)?);
            if chars.peek() == Some(&'*') {
                return Err(Fail::refused("`*` in a format"));
            }
        }
        chars.next_if(|c| matches!(c, 'h' | 'l' | 'L'));
        let Some(kind) = chars.next() else { return Err(value_error("incomplete format")) };
        if kind == '%' {
            if spec.width > 0 || given.is_some() {
                return Err(Fail::refused("`%%` with a width"));
            }
            out.push('%');
            continue;
        }
        let value = match given {
            Some(value) => value,
            None => args.next().cloned().ok_or_else(|| {
                Fail::type_error("not enough arguments for format string".to_owned())
            })?,
        };
        check_size(&spec)?;
        work.charge(spec.width)?;
        push_percent(&mut out, &value, kind, spec, work)?;
    }
    if args.next().is_some() && mapping.is_none() {
        return Err(Fail::type_error("not all arguments converted".to_owned()));
    }
    Ok(out)
}

fn check_size(spec: &Spec) -> Result<()> {
    if spec.width > MAX_WIDTH || spec.precision.is_some_and(|precision| precision > MAX_PRECISION) {
        return Err(Fail::refused("a format with such a width or precision"));
    }
    Ok(())
}

fn push_percent(
    out: &mut String,
    value: &Value,
    kind: char,
    spec: Spec,
    work: &Work,
) -> Result<()> {
    let mut spec = spec;
    match kind {
        's' | 'r' => {
            let mut text = String::new();
            if kind == 's' {
                push_str(&mut text, value, work)?
            } else {
                push_value(&mut text, value, work)?
            }
            spec.zero = false;
            let text = spec.precision.map_or(text.as_str(), |precision| sub(&text, 0, precision));
            pad(out, text, spec, '>');
        }
        'd' | 'i' | 'u' => {
            let text = match value {
                Value::Float(number) if number.is_finite() && number.abs() < 1e30 => {
                    (number.trunc() as i128).to_string()
                }
                Value::Big(text) => text.to_string(),
                Value::Int(_) | Value::Bool(_) => index_of(value)?.to_string(),
                _ => {
                    return Err(Fail::type_error(format!(
                        "%{kind} format: a real number is required"
                    )));
                }
            };
            let (negative, digits) = signed(&text);
            push_number(out, negative, "", &min_digits(digits, spec.precision), spec, '>');
        }
        'x' | 'X' | 'o' => {
            let number = match value {
                Value::Int(_) | Value::Bool(_) => index_of(value)?,
                _ => {
                    return Err(Fail::type_error(format!(
                        "%{kind} format: an integer is required"
                    )));
                }
            };
            let (prefix, digits) = radix(number, kind);
            let prefix = if spec.alternate { prefix } else { "" };
            push_number(out, number < 0, prefix, &min_digits(&digits, spec.precision), spec, '>');
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let Some(number) = Number::of(value)? else {
                return Err(Fail::type_error("must be real number".to_owned()));
            };
            push_float(out, number.float(), kind, spec, '>')?;
        }
        'c' => match value {
            Value::Str(text) if text.chars().count() == 1 => {
                spec.zero = false;
                pad(out, text, spec, '>');
            }
            _ => return Err(Fail::refused("`%c` of this value")),
        },
        'a' => return Err(Fail::refused("`%a`")),
        _ => return Err(value_error("unsupported format character")),
    }
    Ok(())
}

fn min_digits(digits: &str, least: Option<usize>) -> String {
    let missing = least.unwrap_or(0).saturating_sub(digits.len());
    format!("{}{digits}", "0".repeat(missing))
}

fn signed(text: &str) -> (bool, &str) {
    text.strip_prefix('-').map_or((false, text), |digits| (true, digits))
}

fn radix(number: i128, kind: char) -> (&'static str, String) {
    let size = number.unsigned_abs();
    match kind {
        'x' => ("0x", format!("{size:x}")),
        'X' => ("0X", format!("{size:X}")),
        'o' => ("0o", format!("{size:o}")),
        _ => ("0b", format!("{size:b}")),
    }
}

/// The digits of a float without its sign.
fn float_digits(number: f64, kind: char, precision: usize, alternate: bool) -> String {
    let number = number.abs();
    let lower = kind.to_ascii_lowercase();
    let text = if number.is_nan() {
        "nan".to_owned()
    } else if number.is_infinite() {
        "inf".to_owned()
    } else {
        match lower {
            'e' => scientific(number, precision),
            'g' => general(number, precision, alternate),
            _ => format!("{number:.precision$}"),
        }
    };
    if kind.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text }
}

fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (negative, digits) = signed(exponent);
    format!("{mantissa}e{}{digits:0>2}", if negative { '-' } else { '+' })
}

fn general(number: f64, precision: usize, alternate: bool) -> String {
    let precision = precision.max(1);
    let text = scientific(number, precision - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') && !alternate {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..precision as i64).contains(&exponent) {
        let decimals = usize::try_from(precision as i64 - 1 - exponent).unwrap_or(0);
        return trimmed(&format!("{number:.decimals$}"));
    }
    let tail = text.get(mantissa.len()..).unwrap_or_default();
    format!("{}{tail}", trimmed(mantissa))
}

fn push_float(out: &mut String, number: f64, kind: char, spec: Spec, align: char) -> Result<()> {
    if spec.alternate {
        return Err(Fail::refused("`#` in the format of a float"));
    }
    let mut spec = spec;
    let percent = kind == '%';
    let number = if percent { number * 100.0 } else { number };
    let kind = if percent { 'f' } else { kind };
    let mut digits = float_digits(number, kind, spec.precision.unwrap_or(6), false);
    if !number.is_finite() && spec.zero {
        return Err(Fail::refused("padding NaN or an infinity with zeros"));
    }
    if percent {
        digits.push('%');
    }
    spec.precision = None;
    push_number(out, number.is_sign_negative() && !number.is_nan(), "", &digits, spec, align);
    Ok(())
}

/// Appends a number with its sign, grouped and padded.
fn push_number(
    out: &mut String,
    negative: bool,
    prefix: &str,
    digits: &str,
    spec: Spec,
    align: char,
) {
    let mut head = match (negative, spec.sign) {
        (true, _) => "-".to_owned(),
        (false, Some(sign @ ('+' | ' '))) => sign.to_string(),
        _ => String::new(),
    };
    head.push_str(prefix);
    let grouped;
    let digits = match spec.grouping {
        Some(mark) => {
            grouped = group(
                digits,
                mark,
                if matches!(spec.kind, Some('x' | 'X' | 'o' | 'b')) { 4 } else { 3 },
            );
            &grouped
        }
        None => digits,
    };
    let inner = spec.align == Some('=') || (spec.zero && spec.align.is_none());
    if inner {
        let fill = spec.fill.unwrap_or(if spec.zero { '0' } else { ' ' });
        let missing = spec.width.saturating_sub(head.chars().count() + digits.chars().count());
        out.push_str(&head);
        out.extend(std::iter::repeat_n(fill, missing));
        out.push_str(digits);
    } else {
        head.push_str(digits);
        pad(out, &head, spec, align);
    }
}

fn group(digits: &str, mark: char, size: usize) -> String {
    let whole = digits.find(|c: char| !c.is_ascii_hexdigit() || (size == 3 && !c.is_ascii_digit()));
    let (whole, rest) =
        digits.split_at_checked(whole.unwrap_or(digits.len())).unwrap_or((digits, ""));
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % size == 0 {
            out.push(mark);
        }
        out.push(digit);
    }
    out + rest
}

fn pad(out: &mut String, text: &str, spec: Spec, align: char) {
    let missing = spec.width.saturating_sub(text.chars().count());
    let fill = spec.fill.unwrap_or(' ');
    let before = match spec.align.unwrap_or(align) {
        '<' => 0,
        '^' => missing / 2,
        _ => missing,
    };
    out.extend(std::iter::repeat_n(fill, before));
    out.push_str(text);
    out.extend(std::iter::repeat_n(fill, missing - before));
}

/// `text.format(*args, **kwargs)`
pub(super) fn format_braces(
    format: &str,
    args: &[Value],
    keywords: &[(std::rc::Rc<str>, Value)],
    work: &Work,
) -> Result<String> {
    let mut out = String::new();
    let mut rest = format;
    let (mut next, mut manual) = (0_usize, false);
    work.charge(format.len())?;
    loop {
        let Some(at) = rest.find(['{', '}']) else {
            out.push_str(rest);
            return Ok(out);
        };
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        if let Some(after) = after.strip_prefix("{{") {
            out.push('{');
            rest = after;
            continue;
        }
        if let Some(after) = after.strip_prefix("}}") {
            out.push('}');
            rest = after;
            continue;
        }
        let field = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let Some((field, after)) = field else {
            return Err(value_error("single '{' or '}' in a format"));
        };
        rest = after;
        if field.contains('{') || field.contains('[') {
            return Err(Fail::refused("brackets in a replacement field"));
        }
        let (name, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = match name.split_once('!') {
            Some((name, conversion)) => (name, Some(conversion)),
            None => (name, None),
        };
        if name.contains('.') {
            return Err(Fail::refused("attributes in a replacement field"));
        }
        let missing = || Fail::python("IndexError: a replacement field has no argument");
        let value = if name.is_empty() {
            if manual {
                return Err(value_error("cannot switch to automatic field numbering"));
            }
            next += 1;
            args.get(next - 1).ok_or_else(missing)?
        } else if name.bytes().all(|byte| byte.is_ascii_digit()) {
            if next > 0 {
                return Err(value_error("cannot switch to manual field specification"));
            }
            manual = true;
            name.parse().ok().and_then(|index: usize| args.get(index)).ok_or_else(missing)?
        } else {
            let found = keywords.iter().find(|(known, _)| **known == *name);
            let missing = || Fail::python("KeyError: a replacement field has no argument");
            found.map(|(_, value)| value).ok_or_else(missing)?
        };
        match conversion {
            None => push_formatted(&mut out, value, spec, work)?,
            Some("s") => push_formatted(&mut out, &Value::str(to_str(value, work)?), spec, work)?,
            Some("r") => {
                let mut text = String::new();
                push_value(&mut text, value, work)?;
                push_formatted(&mut out, &Value::str(text), spec, work)?;
            }
            Some(_) => return Err(Fail::refused("this conversion in a replacement field")),
        }
    }
}

fn parse_spec(text: &str) -> Option<Spec> {
    let mut spec = Spec::default();
    let is_align = |c: Option<&char>| matches!(c, Some('<' | '>' | '=' | '^'));
    let all: Vec<char> = text.chars().collect();
    let mut chars = all.as_slice();
    if is_align(chars.get(1)) {
        spec.fill = chars.first().copied();
        spec.align = chars.get(1).copied();
        chars = chars.get(2..)?;
    } else if is_align(chars.first()) {
        spec.align = chars.first().copied();
        chars = chars.get(1..)?;
    }
    let mut chars = chars.iter().copied().peekable();
    spec.sign = chars.next_if(|c| matches!(c, '+' | '-' | ' '));
    spec.alternate = chars.next_if_eq(&'#').is_some();
    spec.zero = chars.next_if_eq(&'0').is_some();
    let number = |chars: &mut std::iter::Peekable<_>| {
        let mut found = None;
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            let number: usize = found.unwrap_or(0);
            found = Some(number.saturating_mul(10).saturating_add(digit as usize - '0' as usize));
        }
        found
    };
    spec.width = number(&mut chars).unwrap_or(0);
    spec.grouping = chars.next_if(|c| matches!(c, ',' | '_'));
    if chars.next_if_eq(&'.').is_some() {
        spec.precision = Some(number(&mut chars)?);
    }
    spec.kind = chars.next();
    chars.next().is_none().then_some(spec)
}

/// What `format(value, spec)` gives.
fn push_formatted(out: &mut String, value: &Value, spec: &str, work: &Work) -> Result<()> {
    if spec.is_empty() {
        if matches!(value, Value::Markup(_)) {
            return Err(Fail::refused("formatting a text that is marked as safe"));
        }
        return push_str(out, value, work);
    }
    let invalid = || value_error("invalid format specifier");
    let spec = parse_spec(spec).ok_or_else(invalid)?;
    check_size(&spec)?;
    work.charge(spec.width)?;
    if spec.grouping.is_some() && (spec.zero || spec.align == Some('=')) {
        return Err(Fail::refused("a format that groups and pads inside a number"));
    }
    // A fill of its own wins over the zero.
    let spec = match (spec.zero, spec.align, spec.fill) {
        (true, Some(_), None) => Spec { fill: Some('0'), ..spec },
        _ => spec,
    };
    match value {
        Value::Str(text) => {
            let wrong = spec.sign.is_some() || spec.alternate || spec.grouping.is_some();
            if wrong || spec.align == Some('=') || !matches!(spec.kind, None | Some('s')) {
                return Err(invalid());
            }
            let fill = if spec.zero { spec.fill.or(Some('0')) } else { spec.fill };
            let text = spec.precision.map_or(&**text, |precision| sub(text, 0, precision));
            pad(out, text, Spec { fill, ..spec }, '<');
            Ok(())
        }
        Value::Float(_) | Value::Int(_) | Value::Bool(_) => push_formatted_number(out, value, spec),
        Value::Big(_) | Value::Markup(_) => Err(Fail::refused("formatting this value")),
        _ => Err(Fail::type_error(format!(
            "unsupported format string passed to {}.__format__",
            value.type_name()
        ))),
    }
}

fn push_formatted_number(out: &mut String, value: &Value, spec: Spec) -> Result<()> {
    let invalid = || value_error("invalid format specifier");
    let number = match Number::of(value)? {
        Some(Number::Int(number)) => match spec.kind {
            None | Some('d' | 'x' | 'X' | 'o' | 'b') => {
                if spec.precision.is_some() {
                    return Err(invalid());
                }
                let kind = spec.kind.unwrap_or('d');
                if kind == 'd' {
                    let text = number.unsigned_abs().to_string();
                    push_number(out, number < 0, "", &text, spec, '>');
                    return Ok(());
                }
                if spec.grouping == Some(',') {
                    return Err(invalid());
                }
                let (prefix, digits) = radix(number, kind);
                let prefix = if spec.alternate { prefix } else { "" };
                push_number(out, number < 0, prefix, &digits, spec, '>');
                return Ok(());
            }
            _ => number as f64,
        },
        Some(Number::Float(number)) => number,
        None => return Err(invalid()),
    };
    match spec.kind {
        Some(kind @ ('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%')) => {
            push_float(out, number, kind, spec, '>')
        }
        None if spec.precision.is_none() && !spec.alternate => {
            let text = float(number);
            let (negative, digits) = signed(&text);
            if !number.is_finite() && (spec.zero || spec.grouping.is_some()) {
                return Err(Fail::refused("padding NaN or an infinity with zeros"));
            }
            push_number(out, negative, "", digits, spec, '>');
            Ok(())
        }
        None | Some('n' | 'c') => Err(Fail::refused("this format of a number")),
        _ => Err(invalid()),
    }
}
