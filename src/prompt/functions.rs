//! The functions that templates have without an input.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Fail;
use super::number::{index_of, items};
use super::render::Given;
use super::value::{Cycler, Dict, Joiner, Range, Result, Value};
use super::work::Work;

pub(super) fn call(name: &str, given: Given, work: &Work) -> Result {
    match name {
        "range" => range(given),
        "dict" => Ok(Value::Dict(dict(given, work)?)),
        "namespace" => {
            let members = dict(given, work)?;
            let named = members.pairs().iter().map(|(key, value)| match key {
                Value::Str(name) => Ok((name.clone(), value.clone())),
                _ => Err(Fail::refused("a namespace with such names")),
            });
            Ok(Value::Namespace(Rc::new(RefCell::new(named.collect::<Result<_>>()?))))
        }
        "cycler" => {
            if let Some((name, _)) = given.keywords.first() {
                return Err(Fail::type_error(format!("unexpected keyword argument '{name}'")));
            }
            if given.positional.is_empty() {
                return Err(Fail::python("RuntimeError: at least one item has to be provided"));
            }
            given.positional.iter().try_for_each(Value::check_plain)?;
            Ok(Value::Cycler(Rc::new(Cycler { items: given.positional, at: Cell::new(0) })))
        }
        "joiner" => {
            let [separator] = given.bind(["sep"])?;
            let separator = separator.unwrap_or_else(|| Value::str(", "));
            separator.check_plain()?;
            Ok(Value::Joiner(Rc::new(Joiner { separator, used: Cell::new(false) })))
        }
        _ => Err(Fail::refused(&format!("the function `{name}`"))),
    }
}

fn range(given: Given) -> Result {
    if !given.keywords.is_empty() {
        return Err(Fail::type_error("range() takes no keyword arguments".to_owned()));
    }
    let numbers: Vec<i128> = given.positional.iter().map(index_of).collect::<Result<_>>()?;
    let (start, stop, step) = match numbers.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (*start, *stop, 1),
        [start, stop, step] => (*start, *stop, *step),
        _ => return Err(Fail::type_error("range expected 1 to 3 arguments".to_owned())),
    };
    if step == 0 {
        return Err(Fail::python("ValueError: range() arg 3 must not be zero"));
    }
    // So that nothing here overflows.
    const LIMIT: i128 = 1 << 61;
    if [start, stop, step].iter().any(|number| number.abs() > LIMIT) {
        return Err(Fail::refused("a range of integers over 61 bits"));
    }
    Ok(Value::Range(Rc::new(Range { start, stop, step })))
}

fn dict(given: Given, work: &Work) -> Result<Rc<Dict>> {
    let mut pairs = match given.positional.as_slice() {
        [] => Vec::new(),
        [Value::Dict(dict)] => dict.pairs().to_vec(),
        [Value::Undefined(_)] => Vec::new(),
        [Value::Namespace(_) | Value::Loop(_)] => {
            return Err(Fail::refused("`dict` of this value"));
        }
        [other] => {
            let mut pairs = Vec::new();
            for pair in items(other, work)? {
                let Ok([key, value]) = <[Value; 2]>::try_from(items(&pair, work)?) else {
                    return Err(Fail::python("ValueError: dict needs pairs"));
                };
                pairs.push((key, value));
            }
            pairs
        }
        _ => return Err(Fail::type_error("dict expected at most 1 argument".to_owned())),
    };
    for (name, value) in given.keywords {
        pairs.push((Value::Str(name), value));
    }
    work.charge(pairs.len() * 64)?;
    Dict::new(pairs)
}
