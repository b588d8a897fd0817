//! The methods of Python's values.

use std::rc::Rc;

use super::Fail;
use super::format::format_braces;
use super::number::{items, size_of};
use super::render::Given;
use super::text::{
    capitalize, escape, is_alphanumeric, is_case, is_space, lines, lower, sub, title, upper,
};
use super::value::{Dict, Loop, Result, Value, View};
use super::work::Work;

pub(super) fn call(receiver: &Value, name: &str, given: Given, work: &Work) -> Result {
    match receiver {
        Value::Str(text) => text_method(text, false, name, given, work),
        Value::Markup(text) => text_method(text, true, name, given, work),
        Value::Dict(dict) => dict_method(dict, name, given),
        Value::List(seq) | Value::Tuple(seq) => {
            sequence_method(receiver, &seq.items, name, given, work)
        }
        Value::Cycler(cycler) => {
            let [] = given.bind([])?;
            match name {
                "next" => {
                    let at = cycler.at.get();
                    cycler.at.set((at + 1) % cycler.items.len().max(1));
                    Ok(cycler.items.get(at).cloned().unwrap_or(Value::None))
                }
                "reset" => {
                    cycler.at.set(0);
                    Ok(Value::None)
                }
                _ => Err(no_method(name)),
            }
        }
        Value::Loop(state) => loop_method(state, name, given, work),
        _ => Err(no_method(name)),
    }
}

fn no_method(name: &str) -> Fail {
    Fail::refused(&format!("the method `{name}` of this value"))
}

fn needs(name: &str) -> Fail {
    Fail::type_error(format!("{name}() needs another argument"))
}

fn loop_method(state: &Loop, name: &str, given: Given, work: &Work) -> Result {
    if !given.keywords.is_empty() {
        return Err(Fail::type_error("unexpected keyword argument".to_owned()));
    }
    if name == "cycle" {
        let count = given.positional.len();
        let at = state.index.get().checked_rem(count);
        let item = at.and_then(|at| given.positional.get(at)).cloned();
        return item.ok_or_else(|| Fail::type_error("no items for cycling given".to_owned()));
    }
    given.positional.iter().try_for_each(Value::check_plain)?;
    let mut last = state.changed.borrow_mut();
    let same = match &*last {
        Some(last) if last.len() == given.positional.len() => {
            let mut same = true;
            for (a, b) in last.iter().zip(&given.positional) {
                work.compare(a, b)?;
                same = same && a.equals_inside(b)?;
            }
            same
        }
        _ => false,
    };
    *last = Some(given.positional);
    Ok(Value::Bool(!same))
}

fn dict_method(dict: &Rc<Dict>, name: &str, given: Given) -> Result {
    if name == "get" {
        if !given.keywords.is_empty() {
            return Err(Fail::type_error("dict.get() takes no keyword arguments".to_owned()));
        }
        let [key, default] = given.bind(["key", "default"])?;
        let key = key.ok_or_else(|| needs("get"))?;
        key.check_hashable()?;
        return Ok(dict.get(&key)?.cloned().or(default).unwrap_or(Value::None));
    }
    let view = match name {
        "keys" => View::Keys,
        "values" => View::Values,
        "items" => View::Items,
        "copy" => {
            let [] = given.bind([])?;
            return Ok(Value::Dict(dict.clone()));
        }
        _ => return Err(no_method(name)),
    };
    let [] = given.bind([])?;
    Ok(Value::View(view, dict.clone()))
}

fn sequence_method(
    receiver: &Value,
    values: &[Value],
    name: &str,
    given: Given,
    work: &Work,
) -> Result {
    if !given.keywords.is_empty() {
        return Err(Fail::type_error(format!("{name}() takes no keyword arguments")));
    }
    if name == "copy" && matches!(receiver, Value::List(_)) {
        let [] = given.bind([])?;
        return Ok(receiver.clone());
    }
    if !matches!(name, "count" | "index") {
        return Err(no_method(name));
    }
    let [wanted] = match given.bind(["value"]) {
        Ok(bound) => bound,
        Err(_) => return Err(Fail::refused("the method `index` with limits")),
    };
    let wanted = wanted.ok_or_else(|| needs(name))?;
    let mut count = 0;
    for (index, value) in values.iter().enumerate() {
        work.compare(value, &wanted)?;
        if value.equals_inside(&wanted)? {
            if name == "index" {
                return Ok(Value::Int(index as i128));
            }
            count += 1;
        }
    }
    if name == "index" {
        return Err(Fail::python("ValueError: the value is not in the list"));
    }
    Ok(Value::Int(count))
}

/// A text that a method was given.
fn text_argument(value: Option<Value>, name: &str) -> Result<Rc<str>> {
    match value {
        Some(Value::Str(text) | Value::Markup(text)) => Ok(text),
        Some(other) => Err(Fail::type_error(format!(
            "{name}() argument must be str, not {}",
            other.type_name()
        ))),
        None => Err(needs(name)),
    }
}

/// A text that may be None.
fn optional_text(value: Option<Value>, name: &str) -> Result<Option<Rc<str>>> {
    match value {
        None | Some(Value::None) => Ok(None),
        other => text_argument(other, name).map(Some),
    }
}

fn count_argument(value: Option<Value>) -> Result<Option<usize>> {
    let Some(value) = value else { return Ok(None) };
    Ok(usize::try_from(size_of(&value)?).ok())
}

fn text_method(text: &Rc<str>, markup: bool, name: &str, given: Given, work: &Work) -> Result {
    work.charge(text.len())?;
    let takes_keywords = matches!(name, "split" | "rsplit" | "splitlines" | "format");
    if !takes_keywords && !given.keywords.is_empty() {
        return if markup {
            Err(Fail::refused("keyword arguments of such a method"))
        } else {
            Err(Fail::type_error(format!("str.{name}() takes no keyword arguments")))
        };
    }
    let made = |text: String| Ok(Value::text(text, markup));
    match name {
        "upper" | "lower" | "capitalize" | "title" | "swapcase" | "casefold" => {
            let [] = given.bind([])?;
            match name {
                "upper" => made(upper(text)?),
                "lower" => made(lower(text)?),
                "capitalize" => made(capitalize(text)?),
                "title" => made(title(text)?),
                "casefold" if text.is_ascii() => made(text.to_ascii_lowercase()),
                _ => Err(no_method(name)),
            }
        }
        "strip" | "lstrip" | "rstrip" => {
            let [chars] = given.bind(["chars"])?;
            let chars = optional_text(chars, name)?;
            made(strip(text, chars.as_deref(), name).to_owned())
        }
        "split" | "rsplit" => {
            let [sep, most] = given.bind(["sep", "maxsplit"])?;
            let sep = optional_text(sep, name)?;
            let most = count_argument(most)?;
            let parts = match sep.as_deref() {
                Some("") => return Err(Fail::python("ValueError: empty separator")),
                Some(sep) => split(text, sep, most, name == "rsplit"),
                None => split_space(text, most, name == "rsplit"),
            };
            work.charge(parts.len() * 32)?;
            Value::list(parts.into_iter().map(|part| Value::text(part, markup)).collect())
        }
        "splitlines" => {
            let [keep] = given.bind(["keepends"])?;
            let parts = lines(text, keep.is_some_and(|keep| keep.truth()));
            work.charge(parts.len() * 32)?;
            Value::list(parts.into_iter().map(|part| Value::text(part, markup)).collect())
        }
        "join" => {
            let [values] = given.bind(["iterable"])?;
            let values = items(&values.ok_or_else(|| needs(name))?, work)?;
            join(text, markup, &values, work)
        }
        "replace" => {
            let [old, new, count] = given.bind(["old", "new", "count"])?;
            let old = text_argument(old, name)?;
            let new = match (markup, new) {
                (true, Some(Value::Str(new))) => escape(&new).into(),
                (_, new) => text_argument(new, name)?,
            };
            made(replace(text, &old, &new, count_argument(count)?, work)?)
        }
        "startswith" | "endswith" => {
            let [affix] = one_of(given, name)?;
            let affixes = match affix {
                Some(Value::Tuple(seq)) => seq.items.clone(),
                affix => vec![affix.ok_or_else(|| needs(name))?],
            };
            for affix in affixes {
                let affix = text_argument(Some(affix), name)?;
                let found = match name {
                    "startswith" => text.starts_with(&*affix),
                    _ => text.ends_with(&*affix),
                };
                if found {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        "find" | "rfind" | "index" | "rindex" => {
            let [part] = one_of(given, name)?;
            let part = text_argument(part, name)?;
            let at = if name.starts_with('r') { text.rfind(&*part) } else { text.find(&*part) };
            match at.and_then(|at| text.get(..at)) {
                Some(before) => Ok(Value::Int(before.chars().count() as i128)),
                None if name.ends_with("find") => Ok(Value::Int(-1)),
                None => Err(Fail::python("ValueError: substring not found")),
            }
        }
        "count" => {
            let [part] = one_of(given, name)?;
            let part = text_argument(part, name)?;
            Ok(Value::Int(text.matches(&*part).count() as i128))
        }
        "removeprefix" | "removesuffix" => {
            let [part] = given.bind(["affix"])?;
            let part = text_argument(part, name)?;
            let rest = match name {
                "removeprefix" => text.strip_prefix(&*part),
                _ => text.strip_suffix(&*part),
            };
            made(rest.unwrap_or(text).to_owned())
        }
        "partition" | "rpartition" => {
            let [sep] = given.bind(["sep"])?;
            let sep = text_argument(sep, name)?;
            if sep.is_empty() {
                return Err(Fail::python("ValueError: empty separator"));
            }
            let parts = match name {
                "partition" => text.split_once(&*sep).map_or([text, "", ""], |(a, b)| [a, &sep, b]),
                _ => text.rsplit_once(&*sep).map_or(["", "", text], |(a, b)| [a, &sep, b]),
            };
            Value::tuple(parts.into_iter().map(|part| Value::text(part, markup)).collect())
        }
        "center" | "ljust" | "rjust" | "zfill" => {
            let [width, fill] = given.bind(["width", "fillchar"])?;
            let width = count_argument(Some(width.ok_or_else(|| needs(name))?))?.unwrap_or(0);
            let fill = match fill {
                None => " ".into(),
                Some(_) if markup || name == "zfill" => return Err(no_method(name)),
                fill => text_argument(fill, name)?,
            };
            let mut chars = fill.chars();
            let (Some(fill), None) = (chars.next(), chars.next()) else {
                return Err(Fail::type_error(
                    "The fill character must be one character".to_owned(),
                ));
            };
            made(pad(text, width, fill, name, work)?)
        }
        "format" => {
            if markup {
                return Err(no_method(name));
            }
            format_braces(text, &given.positional, &given.keywords, work).map(Value::str)
        }
        "isupper" | "islower" => {
            let [] = given.bind([])?;
            Ok(Value::Bool(is_case(text, name == "isupper")?))
        }
        "isspace" | "isascii" | "isdigit" | "isdecimal" | "isnumeric" | "isalpha" | "isalnum"
        | "isidentifier" | "isprintable" => {
            let [] = given.bind([])?;
            is_kind(text, name).map(Value::Bool)
        }
        _ => Err(no_method(name)),
    }
}

/// One argument; limits of a search are not done.
fn one_of(given: Given, name: &str) -> Result<[Option<Value>; 1]> {
    if given.positional.len() > 1 {
        return Err(Fail::refused(&format!("the method `{name}` with limits")));
    }
    given.bind(["sub"])
}

fn is_kind(text: &str, name: &str) -> Result<bool> {
    match name {
        "isascii" => return Ok(text.is_ascii()),
        "isspace" => return Ok(!text.is_empty() && text.chars().all(is_space)),
        _ => {}
    }
    if name == "isalnum" {
        for c in text.chars() {
            if !is_alphanumeric(c)? {
                return Ok(false);
            }
        }
        return Ok(!text.is_empty());
    }
    if !text.is_ascii() {
        return Err(Fail::refused(&format!("the method `{name}` of letters beyond ASCII")));
    }
    let all = |check: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|byte| check(&byte));
    Ok(match name {
        "isdigit" | "isdecimal" | "isnumeric" => all(u8::is_ascii_digit),
        "isalpha" => all(u8::is_ascii_alphabetic),
        "isprintable" => text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        _ => {
            all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
                && !text.starts_with(|c: char| c.is_ascii_digit())
        }
    })
}

pub(super) fn strip<'t>(text: &'t str, chars: Option<&str>, name: &str) -> &'t str {
    let is_in = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    match name {
        "lstrip" => text.trim_start_matches(is_in),
        "rstrip" => text.trim_end_matches(is_in),
        _ => text.trim_matches(is_in),
    }
}

fn split<'t>(text: &'t str, sep: &str, most: Option<usize>, from_end: bool) -> Vec<&'t str> {
    match (most, from_end) {
        (None, _) if from_end => {
            let mut parts: Vec<_> = text.rsplit(sep).collect();
            parts.reverse();
            parts
        }
        (None, _) => text.split(sep).collect(),
        (Some(most), false) => text.splitn(most.saturating_add(1), sep).collect(),
        (Some(most), true) => {
            let mut parts: Vec<_> = text.rsplitn(most.saturating_add(1), sep).collect();
            parts.reverse();
            parts
        }
    }
}

fn split_space(text: &str, most: Option<usize>, from_end: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let most = most.unwrap_or(usize::MAX);
    if from_end {
        let mut rest = text.trim_end_matches(is_space);
        while !rest.is_empty() {
            let at = if parts.len() < most { rest.rfind(is_space) } else { None };
            let Some(at) = at else {
                parts.push(rest);
                break;
            };
            let (before, part) = rest.split_at_checked(at).unwrap_or((rest, ""));
            parts.push(part.trim_start_matches(is_space));
            rest = before.trim_end_matches(is_space);
        }
        parts.reverse();
        return parts;
    }
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let at = if parts.len() < most { rest.find(is_space) } else { None };
        let Some(at) = at else {
            parts.push(rest);
            break;
        };
        let (part, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        parts.push(part);
        rest = after.trim_start_matches(is_space);
    }
    parts
}

fn join(text: &str, markup: bool, values: &[Value], work: &Work) -> Result {
    let mut out = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            work.charge(text.len())?;
            out.push_str(text);
        }
        match value {
            Value::Str(part) if markup => out.push_str(&escape(part)),
            Value::Str(part) | Value::Markup(part) => {
                work.charge(part.len())?;
                out.push_str(part);
            }
            _ if markup => return Err(Fail::refused("joining such values")),
            _ => {
                return Err(Fail::type_error(format!(
                    "sequence item {index}: expected str instance, {} found",
                    value.type_name()
                )));
            }
        }
    }
    // Python gives the only item as it is, marked or not.
    if let ([Value::Markup(only)], false) = (values, markup) {
        let _ = only;
        return Err(Fail::refused("joining a text that is marked as safe"));
    }
    Ok(Value::text(out, markup))
}

pub(super) fn replace(
    text: &str,
    old: &str,
    new: &str,
    count: Option<usize>,
    work: &Work,
) -> Result<String> {
    let found = text.matches(old).count().min(count.unwrap_or(usize::MAX));
    work.charge(found.saturating_mul(new.len()))?;
    Ok(match count {
        Some(count) => text.replacen(old, new, count),
        None => text.replace(old, new),
    })
}

pub(super) fn pad(text: &str, width: usize, fill: char, name: &str, work: &Work) -> Result<String> {
    let missing = width.saturating_sub(text.chars().count());
    work.charge(missing.saturating_mul(fill.len_utf8()))?;
    if name == "zfill" {
        let signed = text.starts_with(['+', '-']) as usize;
        let (sign, digits) = (sub(text, 0, signed), sub(text, signed, usize::MAX));
        return Ok(format!("{sign}{}{digits}", "0".repeat(missing)));
    }
    let left = match name {
        "ljust" => 0,
        "rjust" => missing,
        _ => missing / 2 + (missing & width & 1),
    };
    let fills = |count: usize| String::from_iter(std::iter::repeat_n(fill, count));
    Ok(format!("{}{text}{}", fills(left), fills(missing - left)))
}
