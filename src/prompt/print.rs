//! Python's `str()` and `repr()`.

use super::Fail;
use super::number::view_items;
use super::text::push_repr;
use super::value::{Result, Seq, Value, View};
use super::work::Work;
use crate::json::repr;

/// What Python's `str()` gives.
pub(super) fn to_str(value: &Value, work: &Work) -> Result<String> {
    let mut out = String::new();
    push_str(&mut out, value, work)?;
    Ok(out)
}

/// Appends what Python's `str()` gives.
pub(super) fn push_str(out: &mut String, value: &Value, work: &Work) -> Result<()> {
    match value {
        Value::Str(text) | Value::Markup(text) => {
            work.charge(text.len())?;
            out.push_str(text);
            Ok(())
        }
        Value::Undefined(_) => Ok(()),
        _ => push_value(out, value, work),
    }
}

/// `repr` of a float, which differs from JSON's spelling in what JSON does not have.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "inf" } else { "-inf" }.to_owned()
    } else {
        repr(value)
    }
}

fn separated(out: &mut String, items: &[Value], brackets: [&str; 2], work: &Work) -> Result<()> {
    let [open, close] = brackets;
    out.push_str(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        push_value(out, item, work)?;
    }
    out.push_str(close);
    Ok(())
}

/// Appends what Python's `repr()` gives.
pub(super) fn push_value(out: &mut String, value: &Value, work: &Work) -> Result<()> {
    work.step()?;
    match value {
        Value::Undefined(_) => out.push_str("Undefined"),
        Value::None => out.push_str("None"),
        Value::Bool(bool) => out.push_str(if *bool { "True" } else { "False" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Big(text) => {
            work.charge(text.len())?;
            out.push_str(text);
        }
        Value::Float(number) => out.push_str(&float(*number)),
        Value::Str(text) => {
            work.charge(text.len())?;
            push_repr(out, text)?;
        }
        Value::Markup(text) => {
            work.charge(text.len())?;
            out.push_str("Markup(");
            push_repr(out, text)?;
            out.push(')');
        }
        Value::List(seq) => separated(out, &seq.items, ["[", "]"], work)?,
        Value::Tuple(seq) => push_tuple(out, seq, work)?,
        Value::Dict(dict) => push_pairs(out, dict.pairs().iter(), work)?,
        Value::View(view, dict) => {
            let open = match view {
                View::Keys => "dict_keys([",
                View::Values => "dict_values([",
                View::Items => "dict_items([",
            };
            separated(out, &view_items(*view, dict)?, [open, "])"], work)?;
        }
        Value::Range(range) if range.step == 1 => {
            out.push_str(&format!("range({}, {})", range.start, range.stop));
        }
        Value::Range(range) => {
            out.push_str(&format!("range({}, {}, {})", range.start, range.stop, range.step));
        }
        Value::Namespace(members) => {
            out.push_str("<Namespace ");
            let members = members.borrow();
            let pairs: Vec<_> = members
                .iter()
                .map(|(name, value)| (Value::Str(name.clone()), value.clone()))
                .collect();
            push_pairs(out, pairs.iter(), work)?;
            out.push('>');
        }
        Value::Loop(state) => {
            let (index, length) = (state.index.get() + 1, state.items.len());
            out.push_str(&format!("<LoopContext {index}/{length}>"));
        }
        Value::Macro(state) => match &state.node.name {
            Some(name) => out.push_str(&format!("<Macro '{name}'>")),
            None => out.push_str("<Macro anonymous>"),
        },
        // Python prints where it is in memory.
        Value::Iter(_)
        | Value::Cycler(_)
        | Value::Joiner(_)
        | Value::Method(_)
        | Value::Function(_) => {
            return Err(Fail::refused("printing a function or a generator"));
        }
    }
    Ok(())
}

fn push_tuple(out: &mut String, seq: &Seq, work: &Work) -> Result<()> {
    let close = if seq.items.len() == 1 { ",)" } else { ")" };
    separated(out, &seq.items, ["(", close], work)
}

fn push_pairs<'p>(
    out: &mut String,
    pairs: impl Iterator<Item = &'p (Value, Value)>,
    work: &Work,
) -> Result<()> {
    out.push('{');
    for (index, (key, value)) in pairs.enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        push_value(out, key, work)?;
        out.push_str(": ");
        push_value(out, value, work)?;
    }
    out.push('}');
    Ok(())
}

/// What `json.dumps` gives with sorted names, in HTML-safe characters.
pub(super) fn to_json(value: &Value, indent: Option<&str>, work: &Work) -> Result<String> {
    let mut out = String::new();
    push_json(&mut out, value, indent, 0, work)?;
    Ok(out)
}

fn push_json(
    out: &mut String,
    value: &Value,
    indent: Option<&str>,
    level: usize,
    work: &Work,
) -> Result<()> {
    work.step()?;
    let line = |out: &mut String, level: usize| -> Result<()> {
        if let Some(indent) = indent {
            work.charge(indent.len() * level)?;
            out.push('\n');
            out.push_str(&indent.repeat(level));
        }
        Ok(())
    };
    let between = if indent.is_some() { "," } else { ", " };
    match value {
        Value::None => out.push_str("null"),
        Value::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Value::Int(_) | Value::Big(_) => push_value(out, value, work)?,
        Value::Float(number) => out.push_str(&json_float(*number)),
        Value::Str(text) | Value::Markup(text) => {
            work.charge(text.len())?;
            push_json_string(out, text);
        }
        Value::List(seq) | Value::Tuple(seq) => {
            if seq.items.is_empty() {
                out.push_str("[]");
                return Ok(());
            }
            out.push('[');
            for (index, item) in seq.items.iter().enumerate() {
                if index > 0 {
                    out.push_str(between);
                }
                line(out, level + 1)?;
                push_json(out, item, indent, level + 1, work)?;
            }
            line(out, level)?;
            out.push(']');
        }
        Value::Dict(dict) => {
            if dict.pairs().is_empty() {
                out.push_str("{}");
                return Ok(());
            }
            let pairs = dict.pairs().to_vec();
            out.push('{');
            for (index, (key, value)) in super::number::sort(pairs, false, work)?.iter().enumerate()
            {
                if index > 0 {
                    out.push_str(between);
                }
                line(out, level + 1)?;
                let name = match key {
                    Value::Str(text) | Value::Markup(text) => text.to_string(),
                    Value::None => "null".to_owned(),
                    Value::Bool(bool) => if *bool { "true" } else { "false" }.to_owned(),
                    Value::Int(number) => number.to_string(),
                    Value::Float(number) => json_float(*number),
                    _ => {
                        return Err(Fail::type_error(format!(
                            "keys must be str, int, float, bool or None, not {}",
                            key.type_name()
                        )));
                    }
                };
                push_json_string(out, &name);
                out.push_str(": ");
                push_json(out, value, indent, level + 1, work)?;
            }
            line(out, level)?;
            out.push('}');
        }
        _ => {
            return Err(Fail::type_error(format!(
                "Object of type {} is not JSON serializable",
                value.type_name()
            )));
        }
    }
    Ok(())
}

fn json_float(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        repr(number)
    }
}

fn push_json_string(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            // What HTML would take for its own.
            '<' | '>' | '&' | '\'' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}
