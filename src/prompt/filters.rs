//! The filters of templates: `value | name`.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::access::item;
use super::format::format_percent;
use super::methods::{pad, replace, strip};
use super::number::{
    Number, arithmetic, binary, index_of, items, length, size_of, sort, view_items,
};
use super::print::{push_value, to_json, to_str};
use super::render::{Given, soft_str};
use super::text::{
    capitalize, escape, is_alphanumeric, is_space, lines, lower, sub, title_words, upper,
};
use super::value::{Dict, Result, Seq, Value, View};
use super::work::Work;
use super::{Fail, checks};
use crate::template::FILTERS;
use crate::template::ast::{BinaryOp, CompareOp};

pub(super) fn call(name: &str, value: Value, given: Given, work: &Work) -> Result {
    work.charge(16 + value.weight())?;
    match name {
        "abs" | "count" | "length" | "e" | "escape" | "forceescape" | "first" | "last" | "list"
        | "items" | "safe" | "string" | "striptags" | "upper" | "lower" | "capitalize"
        | "title" | "wordcount" | "reverse" | "urlencode" | "pprint" => {
            let [] = given.bind([])?;
            plain(name, value, work)
        }
        "center" | "trim" | "replace" | "truncate" | "indent" | "format" => {
            texts(name, value, given, work)
        }
        "int" | "float" | "round" | "filesizeformat" => numbers(name, &value, given, work),
        "map" | "select" | "reject" | "selectattr" | "rejectattr" => {
            lazily(name, value, given, work)
        }
        "d" | "default" => {
            let [default, boolean] = given.bind(["default_value", "boolean"])?;
            let falsy = boolean.is_some_and(|boolean| boolean.truth()) && !value.truth();
            if value.is_undefined() || falsy {
                return Ok(default.unwrap_or_else(|| Value::str("")));
            }
            Ok(value)
        }
        "tojson" => {
            let [indent] = given.bind(["indent"])?;
            let indent = match indent {
                None | Some(Value::None) => None,
                Some(Value::Str(text)) => Some(text.to_string()),
                Some(number) => {
                    let count = usize::try_from(size_of(&number)?).unwrap_or(0);
                    work.charge(count)?;
                    Some(" ".repeat(count))
                }
            };
            Ok(Value::text(to_json(&value, indent.as_deref(), work)?, true))
        }
        _ => lists(name, value, given, work),
    }
}

fn plain(name: &str, value: Value, work: &Work) -> Result {
    match name {
        "abs" => match Number::of(&value)? {
            Some(Number::Int(number)) => number
                .checked_abs()
                .map(Value::Int)
                .ok_or_else(|| Fail::refused("arithmetic with an integer over 128 bits")),
            Some(Number::Float(number)) => Ok(Value::Float(number.abs())),
            None if value.is_undefined() => {
                Err(Fail::type_error("bad operand type for abs()".to_owned()))
            }
            None => Err(Fail::type_error("bad operand type for abs()".to_owned())),
        },
        "count" | "length" => Ok(Value::Int(length(&value)? as i128)),
        "e" | "escape" => match value {
            Value::Markup(_) => Ok(value),
            _ => Ok(Value::text(escape(&to_str(&value, work)?), true)),
        },
        "forceescape" => Ok(Value::text(escape(&to_str(&value, work)?), true)),
        "safe" => Ok(Value::text(to_str(&value, work)?, true)),
        "string" => match value {
            Value::Str(_) | Value::Markup(_) => Ok(value),
            _ => to_str(&value, work).map(Value::str),
        },
        "first" => first(&value, work),
        "last" => last(&value, work),
        "list" => Value::list(items(&value, work)?),
        "items" => match &value {
            Value::Undefined(_) => Ok(Value::iter(Vec::new(), None)),
            Value::Dict(dict) => Ok(Value::iter(view_items(View::Items, dict)?, None)),
            _ => {
                let failure = "Can only get item pairs from a mapping.".to_owned();
                Ok(Value::iter(Vec::new(), Some(Fail::type_error(failure))))
            }
        },
        "reverse" => match &value {
            Value::Str(text) | Value::Markup(text) => {
                let text: String = text.chars().rev().collect();
                Ok(Value::text(text, matches!(value, Value::Markup(_))))
            }
            // Python cannot go backwards through a generator and makes a list.
            Value::Iter(_) => {
                let mut values = items(&value, work)?;
                values.reverse();
                Value::list(values)
            }
            _ => {
                let mut values = items(&value, work)?;
                values.reverse();
                Ok(Value::iter(values, None))
            }
        },
        "striptags" => {
            let text = to_str(&value, work)?;
            strip_tags(&text).map(Value::str)
        }
        "urlencode" => url_encode(&value, work),
        "pprint" => {
            let mut out = String::new();
            push_value(&mut out, &sorted_inside(&value, work)?, work)?;
            if out.chars().count() > 80 {
                return Err(Fail::refused("`pprint` of a value that takes several lines"));
            }
            Ok(Value::str(out))
        }
        _ => {
            let (text, markup) = soft_str(&value, work)?;
            work.charge(text.len())?;
            Ok(match name {
                "upper" => Value::text(upper(&text)?, markup),
                "lower" => Value::text(lower(&text)?, markup),
                "capitalize" => Value::text(capitalize(&text)?, markup),
                "title" => Value::str(title_words(&text)?),
                _ => Value::Int(count_words(&text)?),
            })
        }
    }
}

fn count_words(text: &str) -> Result<i128> {
    let (mut count, mut inside) = (0, false);
    for c in text.chars() {
        let is_word = c == '_' || is_alphanumeric(c)?;
        count += i128::from(is_word && !inside);
        inside = is_word;
    }
    Ok(count)
}

fn first(value: &Value, work: &Work) -> Result {
    let none = || Value::undefined("No first item, sequence was empty.");
    match value {
        Value::Iter(iter) => {
            if iter.busy.get() {
                return Err(Fail::refused("using a generator inside a loop over it"));
            }
            if let Some(value) = iter.items.borrow_mut().pop_front() {
                return Ok(value);
            }
            iter.failure.borrow_mut().take().map_or_else(|| Ok(none()), Err)
        }
        Value::Range(range) if range.len() > 0 => Ok(range.at(0)),
        _ => Ok(items(value, work)?.into_iter().next().unwrap_or_else(none)),
    }
}

fn last(value: &Value, work: &Work) -> Result {
    let none = || Value::undefined("No last item, sequence was empty.");
    match value {
        Value::Iter(_) | Value::Loop(_) => {
            Err(Fail::type_error("'generator' object is not reversible".to_owned()))
        }
        Value::Range(range) if range.len() > 0 => Ok(range.at(range.len() - 1)),
        Value::Markup(text) => {
            Ok(text.chars().next_back().map_or_else(none, |c| Value::text(c.to_string(), true)))
        }
        _ => Ok(items(value, work)?.pop().unwrap_or_else(none)),
    }
}

/// The value with the members of objects in the order of their names.
fn sorted_inside(value: &Value, work: &Work) -> Result {
    let all = |items: &[Value]| -> Result<Vec<Value>> {
        items.iter().map(|item| sorted_inside(item, work)).collect()
    };
    Ok(match value {
        Value::List(seq) => Value::list(all(&seq.items)?)?,
        Value::Tuple(seq) => Value::tuple(all(&seq.items)?)?,
        Value::Dict(dict) => {
            let mut pairs = Vec::new();
            for (key, value) in dict.pairs() {
                if !matches!(key, Value::Str(_)) {
                    return Err(Fail::refused("`pprint` of such names"));
                }
                pairs.push((key.clone(), sorted_inside(value, work)?));
            }
            Value::Dict(Dict::new(sort(pairs, false, work)?)?)
        }
        _ => value.clone(),
    })
}

/// The text without tags and comments, with single spaces and without entities.
fn strip_tags(text: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let tag = rest.get(at..).unwrap_or_default();
        let end = match tag.strip_prefix("<!--") {
            Some(comment) => comment.find("-->").map(|end| end + 7),
            None => tag.find('>').map(|end| end + 1),
        };
        let Some(end) = end else { break };
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = tag.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    let words: Vec<_> = out.split(is_space).filter(|word| !word.is_empty()).collect();
    unescape(&words.join(" "))
}

fn unescape(text: &str) -> Result<String> {
    const KNOWN: [(&str, &str); 6] = [
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#34;", "\""),
    ];
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, entity) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        match KNOWN.into_iter().find(|(name, _)| entity.starts_with(name)) {
            Some((name, character)) => {
                out.push_str(character);
                rest = entity.get(name.len()..).unwrap_or_default();
            }
            None => {
                let after = entity.get(1..).unwrap_or_default();
                if after.starts_with(|c: char| c.is_alphanumeric() || c == '#') {
                    return Err(Fail::refused("`striptags` of a text with such entities"));
                }
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn quote(value: &Value, in_query: bool, work: &Work) -> Result<String> {
    use std::fmt::Write as _;
    let text = to_str(value, work)?;
    work.charge(text.len() * 3)?;
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if !in_query => out.push('/'),
            b' ' if in_query => out.push('+'),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    Ok(out)
}

fn url_encode(value: &Value, work: &Work) -> Result {
    let pairs = match value {
        Value::Dict(dict) => view_items(View::Items, dict)?,
        Value::Undefined(_)
        | Value::List(_)
        | Value::Tuple(_)
        | Value::View(..)
        | Value::Range(_)
        | Value::Iter(_) => items(value, work)?,
        Value::Loop(_) => return Err(Fail::refused("`urlencode` of `loop`")),
        _ => return quote(value, false, work).map(Value::str),
    };
    let mut out = Vec::new();
    for pair in pairs {
        let parts = items(&pair, work)?;
        let [name, value] = parts.as_slice() else {
            return Err(Fail::python("ValueError: urlencode needs pairs"));
        };
        out.push(format!("{}={}", quote(name, true, work)?, quote(value, true, work)?));
    }
    Ok(Value::str(out.join("&")))
}

fn string_of(value: &Value, what: &str) -> Result<Rc<str>> {
    match value {
        Value::Str(text) | Value::Markup(text) => Ok(text.clone()),
        Value::Undefined(hint) => Err(Fail::undefined(hint)),
        _ => Err(Fail::type_error(format!("{what} must be str, not {}", value.type_name()))),
    }
}

fn texts(name: &str, value: Value, given: Given, work: &Work) -> Result {
    match name {
        "center" => {
            let [width] = given.bind(["width"])?;
            let width = width.map_or(Ok(80), |width| size_of(&width))?;
            let (text, markup) = soft_str(&value, work)?;
            let width = usize::try_from(width).unwrap_or(0);
            Ok(Value::text(pad(&text, width, ' ', name, work)?, markup))
        }
        "trim" => {
            let [chars] = given.bind(["chars"])?;
            let chars = match chars {
                None | Some(Value::None) => None,
                Some(chars) => Some(string_of(&chars, "strip arg")?),
            };
            let (text, markup) = soft_str(&value, work)?;
            Ok(Value::text(strip(&text, chars.as_deref(), "strip"), markup))
        }
        "replace" => {
            let [old, new, count] = given.bind(["old", "new", "count"])?;
            let (Some(old), Some(new)) = (old, new) else {
                return Err(Fail::type_error("replace needs two arguments".to_owned()));
            };
            let count = match count {
                None | Some(Value::None) => None,
                Some(count) => usize::try_from(size_of(&count)?).ok(),
            };
            let [text, old, new] = [&value, &old, &new].map(|value| to_str(value, work));
            replace(&text?, &old?, &new?, count, work).map(Value::str)
        }
        "truncate" => truncate(value, given, work),
        "indent" => indent(&value, given, work),
        _ => {
            let Given { positional, keywords } = given;
            let (text, markup) = soft_str(&value, work)?;
            if markup {
                return Err(Fail::refused("`format` of a text that is marked as safe"));
            }
            if keywords.is_empty() {
                return format_percent(&text, &positional, None, work).map(Value::str);
            }
            if !positional.is_empty() {
                return Err(Fail::python(
                    "FilterArgumentError: can't handle positional and keyword arguments at the same time",
                ));
            }
            let pairs = keywords.into_iter().map(|(name, value)| (Value::Str(name), value));
            let mapping = Value::Dict(Dict::new(pairs.collect())?);
            format_percent(&text, std::slice::from_ref(&mapping), Some(&mapping), work)
                .map(Value::str)
        }
    }
}

fn truncate(value: Value, given: Given, work: &Work) -> Result {
    let [limit, kill, end, leeway] = given.bind(["length", "killwords", "end", "leeway"])?;
    let limit = limit.map_or(Ok(255), |limit| index_of(&limit))?;
    let end = end.unwrap_or_else(|| Value::str("..."));
    let leeway = match leeway {
        None | Some(Value::None) => 5,
        Some(leeway) => index_of(&leeway)?,
    };
    let end_length = length(&end)? as i128;
    if limit < end_length || leeway < 0 {
        return Err(Fail::python("AssertionError: the length is too small"));
    }
    let count = length(&value)? as i128;
    if count <= limit.saturating_add(leeway) {
        return Ok(value);
    }
    let text = string_of(&value, "the truncated value")?;
    let end_text = string_of(&end, "the end")?;
    work.charge(text.len() * 2)?;
    let kept = sub(&text, 0, usize::try_from(limit - end_length).unwrap_or(0));
    let kept = match kill {
        Some(kill) if kill.truth() => kept,
        _ => kept.rsplit_once(' ').map_or(kept, |(kept, _)| kept),
    };
    let markup = matches!(value, Value::Markup(_));
    binary(
        BinaryOp::Add,
        &Value::text(kept, markup),
        &Value::text(end_text, matches!(end, Value::Markup(_))),
        work,
    )
}

fn indent(value: &Value, given: Given, work: &Work) -> Result {
    let [width, first, blank] = given.bind(["width", "first", "blank"])?;
    let is_set = |value: Option<Value>| value.is_some_and(|value| value.truth());
    let (first, blank) = (is_set(first), is_set(blank));
    let width = match width {
        None => Value::str("    "),
        Some(width @ (Value::Str(_) | Value::Markup(_))) => width,
        Some(width) => binary(BinaryOp::Mul, &Value::str(" "), &width, work)?,
    };
    let text = string_of(value, "the indented value")?;
    let markup = matches!(value, Value::Markup(_));
    if markup != matches!(width, Value::Markup(_))
        && width.as_str().is_some_and(|width| !width.trim().is_empty())
    {
        return Err(Fail::refused("`indent` with a text that is marked as safe"));
    }
    let width = string_of(&width, "the width")?;
    let text = format!("{text}\n");
    let all = lines(&text, false);
    work.charge(all.len().saturating_mul(width.len() + 1) + text.len())?;
    let mut out = String::new();
    for (index, line) in all.into_iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let indents = if index == 0 { first } else { blank || !line.is_empty() };
        if indents {
            out.push_str(&width);
        }
        out.push_str(line);
    }
    Ok(Value::text(out, markup))
}

fn numbers(name: &str, value: &Value, given: Given, work: &Work) -> Result {
    match name {
        "float" => {
            let [default] = given.bind(["default"])?;
            let found = match value {
                Value::Undefined(hint) => return Err(Fail::undefined(hint)),
                Value::Str(text) | Value::Markup(text) => parse_float(text)?,
                _ => Number::of(value)?.map(Number::float),
            };
            Ok(found.map_or_else(|| default.unwrap_or(Value::Float(0.0)), Value::Float))
        }
        "int" => to_int(value, given),
        "round" => round(value, given, work),
        _ => {
            let [binary] = given.bind(["binary"])?;
            let bytes = match value {
                Value::Undefined(hint) => return Err(Fail::undefined(hint)),
                Value::Str(text) | Value::Markup(text) => parse_float(text)?,
                _ => Number::of(value)?.map(Number::float),
            };
            let bytes = bytes.ok_or_else(|| Fail::type_error("a number is required".to_owned()))?;
            file_size(bytes, binary.is_some_and(|binary| binary.truth()))
        }
    }
}

fn file_size(bytes: f64, binary: bool) -> Result {
    let base: i128 = if binary { 1024 } else { 1000 };
    if bytes == 1.0 {
        return Ok(Value::str("1 Byte"));
    }
    if !bytes.is_finite() || bytes.abs() > 1e30 {
        return Err(Fail::refused("`filesizeformat` of such a number"));
    }
    if bytes < base as f64 {
        return Ok(Value::str(format!("{} Bytes", bytes.trunc() as i128)));
    }
    let mut unit = base;
    let mut letter = 'k';
    for next in "KMGTPEZY".chars() {
        unit *= base;
        letter = next;
        if bytes < unit as f64 {
            break;
        }
    }
    let size = format!("{:.1}", base as f64 * bytes / unit as f64);
    Ok(Value::str(match (binary, letter) {
        (true, letter) => format!("{size} {letter}iB"),
        (false, 'K') => format!("{size} kB"),
        (false, letter) => format!("{size} {letter}B"),
    }))
}

/// The digits of a number without the underscores between them; None where an underscore is not
/// between digits.
fn without_underscores(text: &str) -> Result<Option<String>> {
    let text = text.trim_matches(is_space);
    if text.chars().any(|c| !c.is_ascii() && c.is_numeric()) {
        return Err(Fail::refused("numbers in digits beyond ASCII"));
    }
    let bytes = text.as_bytes();
    let is_digit =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    let wrong = bytes.iter().enumerate().any(|(at, byte)| {
        *byte == b'_' && !(is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)))
    });
    Ok((!wrong).then(|| text.replace('_', "")))
}

fn parse_float(text: &str) -> Result<Option<f64>> {
    let Some(digits) = without_underscores(text)? else { return Ok(None) };
    let number = digits.parse().ok();
    if text.contains('_') && digits.contains(['e', 'E', 'n', 'i']) {
        return Err(Fail::refused("reading such a number with underscores"));
    }
    Ok(number)
}

/// Python's `int(text, base)`; None where it fails.
fn parse_int(text: &str, base: i128) -> Result<Option<i128>> {
    let Some(digits) = without_underscores(text)? else { return Ok(None) };
    let radix = match u32::try_from(base) {
        Ok(radix @ 2..=36) => radix,
        _ => return Err(Fail::refused("the base of an integer")),
    };
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let prefix = match radix {
        2 => ["0b", "0B"],
        8 => ["0o", "0O"],
        16 => ["0x", "0X"],
        _ => ["", ""],
    };
    let bare = prefix.into_iter().find_map(|prefix| digits.strip_prefix(prefix)).unwrap_or(digits);
    if bare.is_empty() || !bare.chars().all(|c| c.is_digit(radix)) {
        return Ok(None);
    }
    match i128::from_str_radix(bare, radix) {
        Ok(number) => Ok(Some(if negative { -number } else { number })),
        Err(_) => Err(Fail::refused("reading an integer over 128 bits")),
    }
}

fn to_int(value: &Value, given: Given) -> Result {
    let [default, base] = given.bind(["default", "base"])?;
    let default = || default.clone().unwrap_or(Value::Int(0));
    let base = base.map_or(Ok(10), |base| index_of(&base))?;
    let truncated = |number: f64| {
        if number.abs() < 1e38 {
            Ok(Value::Int(number.trunc() as i128))
        } else {
            Err(Fail::refused("reading an integer over 128 bits"))
        }
    };
    Ok(match value {
        Value::Undefined(hint) => return Err(Fail::undefined(hint)),
        Value::Str(text) | Value::Markup(text) => match parse_int(text, base)? {
            Some(number) => Value::Int(number),
            None => match parse_float(text)? {
                Some(number) if number.is_finite() => truncated(number)?,
                _ => default(),
            },
        },
        // Nothing is computed.
        Value::Big(_) => value.clone(),
        _ => match Number::of(value)? {
            Some(Number::Int(number)) => Value::Int(number),
            Some(Number::Float(number)) if number.is_nan() => default(),
            Some(Number::Float(number)) if number.is_infinite() => {
                return Err(Fail::python(
                    "OverflowError: cannot convert float infinity to integer",
                ));
            }
            Some(Number::Float(number)) => truncated(number)?,
            None => default(),
        },
    })
}

fn round(value: &Value, given: Given, work: &Work) -> Result {
    let [precision, method] = given.bind(["precision", "method"])?;
    let precision = precision.unwrap_or(Value::Int(0));
    let method = method.unwrap_or_else(|| Value::str("common"));
    if matches!(precision, Value::None) {
        return Err(Fail::refused("`round` with the precision none"));
    }
    let number = |value: &Value| match Number::of(value)? {
        Some(number) => Ok(number),
        None if value.is_undefined() => {
            Err(Fail::type_error("round of an undefined value".to_owned()))
        }
        None => Err(Fail::type_error(format!(
            "type {} doesn't define __round__ method",
            value.type_name()
        ))),
    };
    match method.as_str() {
        Some("common") => {
            let digits = index_of(&precision)?;
            match number(value)? {
                Number::Int(number) if digits >= 0 => Ok(Value::Int(number)),
                Number::Int(number) => round_tens(number, -digits),
                Number::Float(number) if !number.is_finite() => Ok(Value::Float(number)),
                Number::Float(number) => match usize::try_from(digits) {
                    Ok(digits @ 0..=300) => {
                        let text = format!("{number:.digits$}");
                        Ok(Value::Float(text.parse().unwrap_or(number)))
                    }
                    _ => Err(Fail::refused("`round` of a float with such a precision")),
                },
            }
        }
        Some(method @ ("ceil" | "floor")) => {
            let scale = binary(BinaryOp::Pow, &Value::Int(10), &precision, work)?;
            let scaled = binary(BinaryOp::Mul, value, &scale, work)?;
            let whole = match number(&scaled)? {
                Number::Int(number) => Value::Int(number),
                Number::Float(number) if number.abs() < 1e30 => {
                    let whole = if method == "ceil" { number.ceil() } else { number.floor() };
                    Value::Int(whole as i128)
                }
                Number::Float(_) => return Err(Fail::refused("`round` of such a number")),
            };
            binary(BinaryOp::Div, &whole, &scale, work)
        }
        _ => Err(Fail::python("FilterArgumentError: method must be common, ceil or floor")),
    }
}

/// Rounds an integer to a power of ten, halves to the even one.
fn round_tens(number: i128, tens: i128) -> Result {
    let refused = || Fail::refused("`round` with such a precision");
    let unit = u32::try_from(tens).ok().filter(|tens| *tens < 30).map(|tens| 10_i128.pow(tens));
    let unit = unit.ok_or_else(refused)?;
    let (down, rest) = (number.div_euclid(unit), number.rem_euclid(unit));
    let up = match (rest * 2).cmp(&unit) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => down % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    (down + i128::from(up)).checked_mul(unit).map(Value::Int).ok_or_else(refused)
}

/// The steps to an attribute: `a.b.0`.
struct Path(Vec<Value>);

impl Path {
    fn new(attribute: &Value) -> Result<Self> {
        let text = match attribute {
            Value::None => return Ok(Self(Vec::new())),
            Value::Str(text) | Value::Markup(text) => text,
            _ => return Ok(Self(vec![attribute.clone()])),
        };
        let parts = text.split('.').map(|part| {
            if part.chars().any(|c| !c.is_ascii() && c.is_numeric()) {
                return Err(Fail::refused("numbers in digits beyond ASCII"));
            }
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            match part.parse() {
                Ok(number) if is_number => Ok(Value::Int(number)),
                _ => Ok(Value::str(part)),
            }
        });
        Ok(Self(parts.collect::<Result<_>>()?))
    }

    fn get(&self, value: &Value, default: Option<&Value>) -> Result {
        let mut value = value.clone();
        for part in &self.0 {
            value = item(&value, part)?;
            if let Some(default) = default.filter(|default| !matches!(default, Value::None))
                && value.is_undefined()
            {
                value = default.clone();
            }
        }
        Ok(value)
    }
}

/// The lower case of a text; another value as it is.
fn folded(value: Value, case_sensitive: bool) -> Result {
    match &value {
        Value::Str(text) if !case_sensitive => lower(text).map(Value::str),
        Value::Markup(text) if !case_sensitive => Ok(Value::text(lower(text)?, true)),
        _ => Ok(value),
    }
}

/// What is made item by item, when it is asked for. Here it is made at once, and a failure waits
/// until somebody gets there.
fn lazily(name: &str, value: Value, given: Given, work: &Work) -> Result {
    let mut made = Vec::new();
    let failure = match fill(name, &value, given, &mut made, work) {
        Ok(()) => None,
        Err(failure @ Fail::Python(_)) => Some(failure),
        Err(failure) => return Err(failure),
    };
    made.iter().try_for_each(Value::check_plain)?;
    Ok(Value::iter(made, failure))
}

fn fill(name: &str, value: &Value, given: Given, made: &mut Vec<Value>, work: &Work) -> Result<()> {
    if !value.truth() {
        return Ok(());
    }
    let Given { mut positional, keywords } = given;
    positional.reverse();
    if name == "map" {
        if let (true, Some(at)) =
            (positional.is_empty(), keywords.iter().position(|(known, _)| &**known == "attribute"))
        {
            let mut keywords = keywords;
            let path = Path::new(&keywords.swap_remove(at).1)?;
            let [default] = Given { positional, keywords }.bind(["default"])?;
            for item in items(value, work)? {
                work.step()?;
                made.push(path.get(&item, default.as_ref())?);
            }
            return Ok(());
        }
        let Some(filter) = positional.pop() else {
            return Err(Fail::python("FilterArgumentError: map requires a filter argument"));
        };
        let filter = named(&filter, &FILTERS, "filter")?;
        positional.reverse();
        for item in items(value, work)? {
            let given = Given { positional: positional.clone(), keywords: keywords.clone() };
            made.push(call(&filter, item, given, work)?);
        }
        return Ok(());
    }
    let path = if name.ends_with("attr") {
        let Some(attribute) = positional.pop() else {
            return Err(Fail::python("FilterArgumentError: Missing parameter for attribute name"));
        };
        Path::new(&attribute)?
    } else {
        Path(Vec::new())
    };
    let test = positional.pop();
    positional.reverse();
    for item in items(value, work)? {
        work.step()?;
        let tested = path.get(&item, None)?;
        let holds = match &test {
            Some(test) => {
                let test = named(test, &crate::template::TESTS, "test")?;
                let given = Given { positional: positional.clone(), keywords: keywords.clone() };
                checks::call(&test, &tested, given, work)?
            }
            None => tested.truth(),
        };
        if holds == name.starts_with("select") {
            made.push(item);
        }
    }
    Ok(())
}

/// The name of a filter or a test that the edge has.
fn named(value: &Value, known: &[&str], kind: &str) -> Result<Rc<str>> {
    match value.as_str() {
        Some(name) if known.contains(&name) => Ok(name.into()),
        Some(name) => Err(Fail::refused(&format!("the {kind} `{name}`"))),
        None => Err(Fail::python(&format!("TemplateRuntimeError: No such {kind}"))),
    }
}

fn truth_of(value: Option<Value>) -> bool {
    value.is_some_and(|value| value.truth())
}

fn lists(name: &str, value: Value, given: Given, work: &Work) -> Result {
    match name {
        "join" => {
            let [separator, attribute] = given.bind(["d", "attribute"])?;
            let separator = separator.map_or(Ok(String::new()), |text| to_str(&text, work))?;
            let path = Path::new(&attribute.unwrap_or(Value::None))?;
            let mut out = String::new();
            for (index, item) in items(&value, work)?.iter().enumerate() {
                if index > 0 {
                    work.charge(separator.len())?;
                    out.push_str(&separator);
                }
                out.push_str(&to_str(&path.get(item, None)?, work)?);
            }
            Ok(Value::str(out))
        }
        "sum" => {
            let [attribute, start] = given.bind(["attribute", "start"])?;
            let path = Path::new(&attribute.unwrap_or(Value::None))?;
            sum(items(&value, work)?, &path, start.unwrap_or(Value::Int(0)), work)
        }
        "min" | "max" => {
            let [case, attribute] = given.bind(["case_sensitive", "attribute"])?;
            let path = Path::new(&attribute.unwrap_or(Value::None))?;
            extreme(name, items(&value, work)?, &path, truth_of(case), work)
        }
        "sort" => {
            let [reverse, case, attribute] =
                given.bind(["reverse", "case_sensitive", "attribute"])?;
            let attribute = attribute.unwrap_or(Value::None);
            let paths: Vec<Path> = match &attribute {
                Value::Str(text) | Value::Markup(text) => text
                    .split(',')
                    .map(|part| Path::new(&Value::str(part)))
                    .collect::<Result<_>>()?,
                _ => vec![Path::new(&attribute)?],
            };
            let case = truth_of(case);
            let mut keyed = Vec::new();
            for item in items(&value, work)? {
                let keys = paths.iter().map(|path| folded(path.get(&item, None)?, case));
                keyed.push((Value::list(keys.collect::<Result<_>>()?)?, item));
            }
            let sorted = sort(keyed, truth_of(reverse), work)?;
            Value::list(sorted.into_iter().map(|(_, item)| item).collect())
        }
        "dictsort" => {
            let [case, by, reverse] = given.bind(["case_sensitive", "by", "reverse"])?;
            let by_value = match by.as_ref().map(Value::as_str) {
                None | Some(Some("key")) => false,
                Some(Some("value")) => true,
                _ => return Err(Fail::python("FilterArgumentError: sort by \"key\" or \"value\"")),
            };
            let Value::Dict(dict) = &value else {
                return Err(match &value {
                    Value::Undefined(hint) => Fail::undefined(hint),
                    _ => Fail::python("AttributeError: no attribute 'items'"),
                });
            };
            let case = truth_of(case);
            let mut keyed = Vec::new();
            for (key, value) in dict.pairs() {
                let by = folded(if by_value { value.clone() } else { key.clone() }, case)?;
                keyed.push((by, Value::tuple(vec![key.clone(), value.clone()])?));
            }
            let sorted = sort(keyed, truth_of(reverse), work)?;
            Value::list(sorted.into_iter().map(|(_, pair)| pair).collect())
        }
        "groupby" => {
            let [attribute, default, case] =
                given.bind(["attribute", "default", "case_sensitive"])?;
            let attribute = attribute
                .ok_or_else(|| Fail::type_error("groupby needs an attribute".to_owned()))?;
            group(
                items(&value, work)?,
                &Path::new(&attribute)?,
                default.as_ref(),
                truth_of(case),
                work,
            )
        }
        "unique" => {
            let [case, attribute] = given.bind(["case_sensitive", "attribute"])?;
            let path = Path::new(&attribute.unwrap_or(Value::None))?;
            let mut made = Vec::new();
            let filled = items(&value, work)
                .and_then(|values| unique(values, &path, truth_of(case), &mut made, work));
            later(made, filled)
        }
        "batch" | "slice" => {
            let [count, fill_with] = given.bind(["count", "fill_with"])?;
            let count = count.ok_or_else(|| Fail::type_error(format!("{name} needs a count")))?;
            let fill_with = fill_with.unwrap_or(Value::None);
            let mut made = Vec::new();
            let filled = items(&value, work).and_then(|values| {
                let count = match &count {
                    Value::Int(_) | Value::Bool(_) => index_of(&count)?,
                    _ => return Err(Fail::refused(&format!("`{name}` with such a count"))),
                };
                match name {
                    "batch" => batch(values, count, &fill_with, &mut made, work),
                    _ => slices(&values, count, &fill_with, &mut made, work),
                }
            });
            later(made, filled)
        }
        _ => Err(Fail::refused(&format!("the filter `{name}`"))),
    }
}

fn later(made: Vec<Value>, filled: Result<()>) -> Result {
    match filled {
        Ok(()) => Ok(Value::iter(made, None)),
        Err(failure @ Fail::Python(_)) => Ok(Value::iter(made, Some(failure))),
        Err(failure) => Err(failure),
    }
}

fn sum(values: Vec<Value>, path: &Path, start: Value, work: &Work) -> Result {
    if start.as_str().is_some() {
        return Err(Fail::type_error("sum() can't sum strings".to_owned()));
    }
    let mut total = start;
    // Newer versions of Python keep what an addition of floats loses.
    let (mut exact, mut lost) = (None::<f64>, 0.0);
    for value in values {
        let value = path.get(&value, None)?;
        let (a, b) = (Number::of(&total)?, Number::of(&value)?);
        match (exact, b) {
            (Some(so_far), Some(b)) => {
                let b = b.float();
                let next = so_far + b;
                lost +=
                    if so_far.abs() >= b.abs() { (so_far - next) + b } else { (b - next) + so_far };
                exact = Some(next);
            }
            (None, Some(Number::Float(b))) => {
                let a = a.map_or(0.0, Number::float);
                let next = a + b;
                lost = if a.abs() >= b.abs() { (a - next) + b } else { (b - next) + a };
                exact = Some(next);
            }
            _ => {}
        }
        total = match (a, b) {
            (Some(a), Some(b)) => {
                work.step()?;
                arithmetic(BinaryOp::Add, a, b)?
            }
            _ => binary(BinaryOp::Add, &total, &value, work)?,
        };
    }
    if let (Value::Float(total), Some(exact)) = (&total, exact)
        && total.is_finite()
        && exact + lost != *total
    {
        return Err(Fail::refused("a sum of floats that depends on the version of Python"));
    }
    Ok(total)
}

fn extreme(name: &str, values: Vec<Value>, path: &Path, case: bool, work: &Work) -> Result {
    let mut best: Option<(Value, Value)> = None;
    let op = if name == "min" { CompareOp::Lt } else { CompareOp::Gt };
    for value in values {
        let key = folded(path.get(&value, None)?, case)?;
        let better = match &best {
            Some((so_far, _)) => {
                work.compare(&key, so_far)?;
                key.order(so_far, op)?
            }
            None => true,
        };
        if better {
            best = Some((key, value));
        }
    }
    let none = || Value::undefined("No aggregated item, sequence was empty.");
    Ok(best.map_or_else(none, |(_, value)| value))
}

fn group(
    values: Vec<Value>,
    path: &Path,
    default: Option<&Value>,
    case: bool,
    work: &Work,
) -> Result {
    let mut keyed = Vec::new();
    for value in values {
        keyed.push((folded(path.get(&value, default)?, case)?, value));
    }
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for (key, value) in sort(keyed, false, work)? {
        work.charge(key.weight().saturating_mul(16))?;
        match groups.last_mut() {
            Some((last, members)) if last.equals_inside(&key)? => members.push(value),
            _ => groups.push((key, vec![value])),
        }
    }
    let mut out = Vec::new();
    for (key, members) in groups {
        let key = match members.first() {
            Some(first) if !case => path.get(first, default)?,
            _ => key,
        };
        let pair = vec![key, Value::list(members)?];
        out.push(Value::Tuple(Seq::with(pair, true)?));
    }
    Value::list(out)
}

fn unique(
    values: Vec<Value>,
    path: &Path,
    case: bool,
    made: &mut Vec<Value>,
    work: &Work,
) -> Result<()> {
    let mut texts = BTreeSet::new();
    let mut others: Vec<Value> = Vec::new();
    for value in values {
        work.step()?;
        let key = folded(path.get(&value, None)?, case)?;
        key.check_hashable()?;
        if let Some(text) = key.as_str() {
            if texts.insert(text.to_owned()) {
                made.push(value);
            }
            continue;
        }
        let mut seen = false;
        for other in &others {
            work.step()?;
            seen = seen || other.equals_inside(&key)?;
        }
        if !seen {
            others.push(key);
            made.push(value);
        }
    }
    Ok(())
}

fn batch(
    values: Vec<Value>,
    count: i128,
    fill_with: &Value,
    made: &mut Vec<Value>,
    work: &Work,
) -> Result<()> {
    let mut line = Vec::new();
    for value in values {
        if line.len() as i128 == count {
            made.push(Value::list(std::mem::take(&mut line))?);
        }
        line.push(value);
    }
    if !line.is_empty() {
        let missing = usize::try_from(count - line.len() as i128).unwrap_or(0);
        if !matches!(fill_with, Value::None) {
            work.charge(missing.saturating_mul(16))?;
            line.extend(std::iter::repeat_n(fill_with.clone(), missing));
        }
        made.push(Value::list(line)?);
    }
    Ok(())
}

fn slices(
    values: &[Value],
    count: i128,
    fill_with: &Value,
    made: &mut Vec<Value>,
    work: &Work,
) -> Result<()> {
    if count == 0 {
        return Err(Fail::python("ZeroDivisionError: integer division or modulo by zero"));
    }
    let count = usize::try_from(count).unwrap_or(0);
    work.charge(count.saturating_mul(64))?;
    let (each, extra) = (values.len() / count.max(1), values.len() % count.max(1));
    let mut rest = values;
    for index in 0..count {
        let size = each + usize::from(index < extra);
        let (part, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        rest = after;
        let mut part = part.to_vec();
        if !matches!(fill_with, Value::None) && index >= extra {
            part.push(fill_with.clone());
        }
        made.push(Value::list(part)?);
    }
    Ok(())
}
