//! Attributes, items and slices.

use std::rc::Rc;

use super::Fail;
use super::number::index_of;
use super::value::{Loop, Result, Value};
use super::work::Work;

const STR: &str = " capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title translate upper zfill ";
const MARKUP: &str = " escape striptags unescape ";
const DICT: &str = " clear copy fromkeys get items keys pop popitem setdefault update values ";
const LIST: &str = " append clear copy count extend index insert pop remove reverse sort ";
const TUPLE: &str = " count index ";
const NUMBER: &str = " as_integer_ratio bit_count bit_length conjugate denominator from_bytes fromhex hex imag is_integer numerator real to_bytes ";
const RANGE: &str = " count index start step stop ";
const VIEW: &str = " isdisjoint mapping ";
const CYCLER: &str = " current items next pos reset ";
const JOINER: &str = " sep used ";

fn is_in(names: &str, name: &str) -> bool {
    names.split_ascii_whitespace().any(|known| known == name)
}

/// What Python's `getattr` gives; None where the value has no such attribute.
fn own_attribute(value: &Value, name: &str) -> Result<Option<Value>> {
    let refused = || Err(Fail::refused(&format!("the attribute `{name}`")));
    if name.starts_with('_') && (name.starts_with("__") || !matches!(value, Value::Dict(_))) {
        return match value {
            Value::Undefined(hint) => Err(Fail::undefined(hint)),
            // None has only names with two underscores.
            Value::None | Value::Str(_) | Value::List(_) if !name.starts_with("__") => Ok(None),
            _ => refused(),
        };
    }
    let is_method = match value {
        Value::Undefined(hint) => return Err(Fail::undefined(hint)),
        Value::None => false,
        Value::Bool(_) | Value::Int(_) | Value::Big(_) | Value::Float(_) => {
            return if is_in(NUMBER, name) { refused() } else { Ok(None) };
        }
        Value::Str(_) => is_in(STR, name),
        Value::Markup(_) => is_in(STR, name) || is_in(MARKUP, name),
        Value::List(_) => is_in(LIST, name),
        Value::Tuple(seq) => match (name, seq.items.as_slice()) {
            ("grouper", [grouper, _]) if seq.is_group => return Ok(Some(grouper.clone())),
            ("list", [_, list]) if seq.is_group => return Ok(Some(list.clone())),
            _ => is_in(TUPLE, name),
        },
        Value::Dict(_) => is_in(DICT, name),
        Value::View(..) => is_in(VIEW, name),
        Value::Range(_) => is_in(RANGE, name),
        Value::Namespace(members) => {
            let members = members.borrow();
            let member = members.iter().find(|(known, _)| **known == *name);
            return Ok(member.map(|(_, value)| value.clone()));
        }
        Value::Cycler(cycler) => {
            if name == "current" {
                return Ok(cycler.items.get(cycler.at.get()).cloned());
            }
            is_in(CYCLER, name)
        }
        Value::Joiner(_) => is_in(JOINER, name),
        Value::Loop(state) => return loop_attribute(value, state, name),
        Value::Iter(_) | Value::Macro(_) | Value::Method(_) | Value::Function(_) => {
            return refused();
        }
    };
    Ok(is_method.then(|| Value::Method(Rc::new((value.clone(), name.into())))))
}

fn loop_attribute(value: &Value, state: &Loop, name: &str) -> Result<Option<Value>> {
    let number = |number: usize| Value::Int(number as i128);
    let (index, length) = (state.index.get(), state.items.len());
    Ok(Some(match name {
        "index" => number(index + 1),
        "index0" => number(index),
        "length" => number(length),
        "revindex" => number(length - index),
        "revindex0" => number((length - index).saturating_sub(1)),
        "first" => Value::Bool(index == 0),
        "last" => Value::Bool(index + 1 == length),
        "depth" => number(state.depth + 1),
        "depth0" => number(state.depth),
        "previtem" => match index.checked_sub(1).and_then(|index| state.items.get(index)) {
            Some(item) => item.clone(),
            None => Value::undefined("there is no previous item"),
        },
        "nextitem" => match state.items.get(index + 1) {
            Some(item) => item.clone(),
            None => Value::undefined("there is no next item"),
        },
        "cycle" | "changed" => Value::Method(Rc::new((value.clone(), name.into()))),
        _ => return Ok(None),
    }))
}

fn missing(value: &Value, name: &Value) -> Value {
    match name.as_str() {
        Some(name) => {
            Value::undefined(format!("'{}' object has no attribute '{name}'", value.type_name()))
        }
        None => Value::undefined(format!("{} object has no such element", value.type_name())),
    }
}

/// `value.name`: the attribute, or else the item.
pub(super) fn attribute(value: &Value, name: &Rc<str>) -> Result {
    if let Some(found) = own_attribute(value, name)? {
        return Ok(found);
    }
    let key = Value::Str(name.clone());
    Ok(own_item(value, &key)?.unwrap_or_else(|| missing(value, &key)))
}

/// `value[key]`: the item, or else the attribute.
pub(super) fn item(value: &Value, key: &Value) -> Result {
    if let Some(found) = own_item(value, key)? {
        return Ok(found);
    }
    if let Some(name) = key.as_str()
        && let Some(found) = own_attribute(value, name)?
    {
        return Ok(found);
    }
    Ok(missing(value, key))
}

/// What Python's subscription gives; None where it fails.
fn own_item(value: &Value, key: &Value) -> Result<Option<Value>> {
    let place = |length: usize| {
        let index = match key {
            Value::Int(index) => *index,
            Value::Bool(index) => i128::from(*index),
            _ => return None,
        };
        let index = if index < 0 { index + length as i128 } else { index };
        usize::try_from(index).ok().filter(|index| *index < length)
    };
    Ok(match value {
        Value::Undefined(hint) => return Err(Fail::undefined(hint)),
        Value::Dict(dict) => match key.check_hashable() {
            Ok(()) => dict.get(key)?.cloned(),
            Err(_) => None,
        },
        Value::List(seq) | Value::Tuple(seq) => {
            place(seq.items.len()).and_then(|index| seq.items.get(index)).cloned()
        }
        Value::Str(text) | Value::Markup(text) => {
            let index = place(text.chars().count());
            let c = index.and_then(|index| text.chars().nth(index));
            c.map(|c| Value::text(c.to_string(), matches!(value, Value::Markup(_))))
        }
        Value::Range(range) => {
            let length = usize::try_from(range.len()).unwrap_or(usize::MAX);
            place(length).map(|index| range.at(index as i128))
        }
        Value::Function(_) => return Err(Fail::refused("subscribing a function")),
        _ => None,
    })
}

/// Where a slice begins, how it goes on, and how many there are.
fn places(limits: &[Value; 3], length: usize) -> Result<(i128, i128, usize)> {
    let limit = |value: &Value| match value {
        Value::None => Ok(None),
        Value::Int(_) | Value::Bool(_) | Value::Undefined(_) => index_of(value).map(Some),
        _ => Err(Fail::type_error("slice indices must be integers or None".to_owned())),
    };
    let [start, stop, step] = limits;
    if limits.iter().any(Value::is_undefined) {
        return Err(Fail::type_error("slice indices must be integers or None".to_owned()));
    }
    let step = limit(step)?.unwrap_or(1);
    if step == 0 {
        return Err(Fail::python("ValueError: slice step cannot be zero"));
    }
    let length = length as i128;
    let (lowest, highest) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let place = |limit: Option<i128>, default: i128| match limit {
        None => default,
        Some(index) if index < 0 => index.saturating_add(length).max(lowest),
        Some(index) => index.min(highest),
    };
    let start = place(limit(start)?, if step > 0 { lowest } else { highest });
    let stop = place(limit(stop)?, if step > 0 { highest } else { lowest });
    let distance = if step > 0 { stop - start } else { start - stop };
    let count = if distance <= 0 { 0 } else { (distance - 1) / step.saturating_abs() + 1 };
    Ok((start, step, usize::try_from(count).unwrap_or(0)))
}

/// `value[start:stop:step]`
pub(super) fn slice(value: &Value, limits: &[Value; 3], work: &Work) -> Result {
    let picked = |items: &[Value]| -> Result<Vec<Value>> {
        let (start, step, count) = places(limits, items.len())?;
        work.charge(count * 16)?;
        let at = |index: usize| usize::try_from(start + index as i128 * step).ok();
        Ok((0..count).filter_map(|index| items.get(at(index)?).cloned()).collect())
    };
    match value {
        Value::Undefined(hint) => Err(Fail::undefined(hint)),
        Value::List(seq) => Value::list(picked(&seq.items)?),
        Value::Tuple(seq) => Value::tuple(picked(&seq.items)?),
        Value::Str(text) | Value::Markup(text) => {
            work.charge(text.len() * 4)?;
            let chars: Vec<char> = text.chars().collect();
            let (start, step, count) = places(limits, chars.len())?;
            let at = |index: usize| usize::try_from(start + index as i128 * step).ok();
            let text: String = (0..count).filter_map(|index| chars.get(at(index)?)).collect();
            Ok(Value::text(text, matches!(value, Value::Markup(_))))
        }
        Value::Range(_) => Err(Fail::refused("a slice of a range")),
        Value::Function(_) => Err(Fail::refused("subscribing a function")),
        _ => Err(Fail::type_error(format!("'{}' object is not subscriptable", value.type_name()))),
    }
}
