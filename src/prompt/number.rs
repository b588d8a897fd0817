//! Python's operators.

use std::cmp::Ordering;

use super::Fail;
use super::format::format_percent;
use super::text::escape;
use super::value::{Dict, Result, Seq, Value, View};
use super::work::Work;
use crate::template::ast::{BinaryOp, CompareOp};

/// Integers up to here are doubles exactly.
const EXACT: i128 = 1 << 53;

fn large() -> Fail {
    Fail::refused("arithmetic with an integer over 128 bits")
}

impl BinaryOp {
    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::FloorDiv => "//",
            Self::Mod => "%",
            Self::Pow => "** or pow()",
        }
    }
}

/// A number that can be computed with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    /// The number that a value is, if it is one.
    pub fn of(value: &Value) -> Result<Option<Self>> {
        Ok(Some(match value {
            Value::Bool(bool) => Self::Int(i128::from(*bool)),
            Value::Int(number) => Self::Int(*number),
            Value::Float(number) => Self::Float(*number),
            Value::Big(_) => return Err(large()),
            _ => return Ok(None),
        }))
    }

    pub fn float(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Int(a), Self::Float(b)) => compare_int_float(a, b),
            (Self::Float(a), Self::Int(b)) => compare_int_float(b, a).map(Ordering::reverse),
        }
    }
}

fn compare_int_float(int: i128, float: f64) -> Option<Ordering> {
    // 2^127, one more than the largest integer here.
    const LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if float.is_nan() {
        None
    } else if float >= LIMIT {
        Some(Ordering::Less)
    } else if float < -LIMIT {
        Some(Ordering::Greater)
    } else {
        let whole = float.trunc();
        Some(
            int.cmp(&(whole as i128))
                .then_with(|| whole.partial_cmp(&float).unwrap_or(Ordering::Equal)),
        )
    }
}

/// An index or a count, as Python takes it.
pub(super) fn index_of(value: &Value) -> Result<i128> {
    match value {
        Value::Bool(bool) => Ok(i128::from(*bool)),
        Value::Int(number) => Ok(*number),
        Value::Big(_) => Err(large()),
        Value::Undefined(hint) => Err(Fail::undefined(hint)),
        _ => Err(Fail::type_error(format!(
            "'{}' object cannot be interpreted as an integer",
            value.type_name()
        ))),
    }
}

/// A count that Python hands to its own functions, which take 64 bits.
pub(super) fn size_of(value: &Value) -> Result<i64> {
    let overflow = |_| Fail::python("OverflowError: cannot fit 'int' into an index-sized integer");
    i64::try_from(index_of(value)?).map_err(overflow)
}

pub(super) fn binary(op: BinaryOp, left: &Value, right: &Value, work: &Work) -> Result {
    // A format takes undefined values as it finds them.
    if let (Value::Undefined(hint), _) | (_, Value::Undefined(hint)) = (left, right)
        && !(op == BinaryOp::Mod && left.as_str().is_some())
    {
        // Python's list, tuple and text look at what is added before the undefined value does, but
        // fail as well.
        return Err(Fail::undefined(hint));
    }
    if op == BinaryOp::Mod
        && let Some(format) = left.as_str()
    {
        if matches!(left, Value::Markup(_)) {
            return Err(Fail::refused("`%` with a text that is marked as safe"));
        }
        let args = match right {
            Value::Tuple(seq) => seq.items.clone(),
            other => vec![other.clone()],
        };
        // What can be subscribed counts as a mapping, which may have keys that are not used.
        let mapping = matches!(
            right,
            Value::Dict(_) | Value::List(_) | Value::Range(_) | Value::Undefined(_)
        );
        return format_percent(format, &args, mapping.then_some(right), work).map(Value::str);
    }
    match (op, left, right) {
        (BinaryOp::Add, _, _) => {
            if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
                work.charge(a.len() + b.len())?;
                let marked = |value: &Value| matches!(value, Value::Markup(_));
                return Ok(match (marked(left), marked(right)) {
                    (false, false) => Value::str(format!("{a}{b}")),
                    (true, true) => Value::text(format!("{a}{b}"), true),
                    (true, false) => Value::text(format!("{a}{}", escape(b)), true),
                    (false, true) => Value::text(format!("{}{b}", escape(a)), true),
                });
            }
            let joined = |a: &Seq, b: &Seq| {
                work.charge((a.items.len() + b.items.len()) * 16)?;
                Ok(a.items.iter().chain(&b.items).cloned().collect::<Vec<_>>())
            };
            match (left, right) {
                (Value::List(a), Value::List(b)) => return Value::list(joined(a, b)?),
                (Value::Tuple(a), Value::Tuple(b)) => return Value::tuple(joined(a, b)?),
                _ => {}
            }
        }
        (BinaryOp::Mul, repeated, times) | (BinaryOp::Mul, times, repeated)
            if matches!(
                repeated,
                Value::Str(_) | Value::Markup(_) | Value::List(_) | Value::Tuple(_)
            ) && matches!(times, Value::Int(_) | Value::Bool(_) | Value::Big(_)) =>
        {
            return repeat(repeated, size_of(times)?, work);
        }
        _ => {}
    }
    if let (BinaryOp::Sub, Value::View(..), _) | (BinaryOp::Sub, _, Value::View(..)) =
        (op, left, right)
    {
        return Err(Fail::refused("sets"));
    }
    let (Some(a), Some(b)) = (Number::of(left)?, Number::of(right)?) else {
        return Err(Fail::type_error(format!(
            "unsupported operand type(s) for {}: '{}' and '{}'",
            op.symbol(),
            left.type_name(),
            right.type_name()
        )));
    };
    arithmetic(op, a, b)
}

fn repeat(value: &Value, times: i64, work: &Work) -> Result {
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    match value {
        Value::List(seq) | Value::Tuple(seq) => {
            work.charge(seq.items.len().saturating_mul(times).saturating_mul(16))?;
            let count = seq.items.len() * times;
            let items = seq.items.iter().cycle().take(count).cloned().collect();
            if matches!(value, Value::List(_)) { Value::list(items) } else { Value::tuple(items) }
        }
        _ => {
            let text = value.as_str().unwrap_or_default();
            work.charge(text.len().saturating_mul(times))?;
            Ok(Value::text(text.repeat(times), matches!(value, Value::Markup(_))))
        }
    }
}

pub(super) fn arithmetic(op: BinaryOp, a: Number, b: Number) -> Result {
    if let (Number::Int(a), Number::Int(b)) = (a, b) {
        return int_arithmetic(op, a, b);
    }
    let (x, y) = (a.float(), b.float());
    let zero = || Fail::python("ZeroDivisionError: division by zero");
    Ok(Value::Float(match op {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div if y == 0.0 => return Err(zero()),
        BinaryOp::Div => x / y,
        BinaryOp::FloorDiv | BinaryOp::Mod if y == 0.0 => return Err(zero()),
        BinaryOp::FloorDiv => float_divmod(x, y).0,
        BinaryOp::Mod => float_divmod(x, y).1,
        BinaryOp::Pow => return float_power(x, y),
    }))
}

fn int_arithmetic(op: BinaryOp, a: i128, b: i128) -> Result {
    let result = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::Div | BinaryOp::FloorDiv | BinaryOp::Mod if b == 0 => {
            return Err(Fail::python("ZeroDivisionError: division by zero"));
        }
        BinaryOp::Div => {
            // Python rounds the exact quotient; so does a division of doubles that are exact.
            if a.abs() > EXACT || b.abs() > EXACT {
                return Err(Fail::refused("a division of integers over 53 bits"));
            }
            return Ok(Value::Float(a as f64 / b as f64));
        }
        BinaryOp::FloorDiv => a.checked_div_euclid(b).map(|quotient| {
            // Rounded down: the euclidean one is rounded up where the divisor is negative.
            if b < 0 && a.rem_euclid(b) != 0 { quotient - 1 } else { quotient }
        }),
        BinaryOp::Mod => a
            .checked_rem(b)
            .map(|rest| if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }),
        BinaryOp::Pow if b < 0 => return float_power(a as f64, b as f64),
        BinaryOp::Pow => match (a, u32::try_from(b)) {
            (0 | 1, _) if b > 0 => Some(a),
            (-1, _) => Some(if b % 2 == 0 { 1 } else { -1 }),
            (_, Ok(exponent)) => a.checked_pow(exponent),
            _ => None,
        },
    };
    result.map(Value::Int).ok_or_else(large)
}

/// `x // y` and `x % y`.
fn float_divmod(x: f64, y: f64) -> (f64, f64) {
    let mut rest = x % y;
    let mut quotient = (x - rest) / y;
    if rest != 0.0 {
        if (y < 0.0) != (rest < 0.0) {
            rest += y;
            quotient -= 1.0;
        }
    } else {
        rest = 0.0_f64.copysign(y);
    }
    let floor = if quotient != 0.0 {
        let floor = quotient.floor();
        if quotient - floor > 0.5 { floor + 1.0 } else { floor }
    } else {
        0.0_f64.copysign(x / y)
    };
    (floor, rest)
}

/// A power of doubles, where every implementation gives the same: the last digit of others depends
/// on the machine.
fn float_power(x: f64, y: f64) -> Result {
    if y == 0.0 || x == 1.0 {
        return Ok(Value::Float(1.0));
    }
    if y == 1.0 {
        return Ok(Value::Float(x));
    }
    let exact = |number: f64| number.trunc() == number && number.abs() <= EXACT as f64;
    if x == 0.0 && y < 0.0 {
        return Err(Fail::python("ZeroDivisionError: 0.0 cannot be raised to a negative power"));
    }
    if exact(x) && exact(y) {
        let power = (x as i128).checked_pow(y.abs() as u32).filter(|_| y.abs() < 128.0);
        if let Some(power) = power.filter(|power| power.abs() <= EXACT && *power != 0) {
            let power = power as f64;
            return Ok(Value::Float(if y < 0.0 { 1.0 / power } else { power }));
        }
    }
    if y == 0.5 && x > 0.0 && exact(x) && x <= 1000.0 {
        return Ok(Value::Float(x.sqrt()));
    }
    Err(Fail::refused("this power of a float"))
}

pub(super) fn negate(value: &Value, minus: bool) -> Result {
    let sign = if minus { "-" } else { "+" };
    match value {
        Value::Undefined(hint) => Err(Fail::undefined(hint)),
        // Nothing is computed.
        Value::Big(_) if !minus => Ok(value.clone()),
        _ => match Number::of(value)? {
            Some(Number::Int(number)) if minus => {
                number.checked_neg().map(Value::Int).ok_or_else(large)
            }
            Some(Number::Int(number)) => Ok(Value::Int(number)),
            Some(Number::Float(number)) => Ok(Value::Float(if minus { -number } else { number })),
            None => Err(Fail::type_error(format!(
                "bad operand type for unary {sign}: '{}'",
                value.type_name()
            ))),
        },
    }
}

impl Value {
    /// Python's `==`.
    pub fn equals(&self, other: &Self) -> Result<bool> {
        let all = |a: &[Self], b: &[Self]| -> Result<bool> {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !a.equals_inside(b)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        Ok(match (self, other) {
            (Self::Undefined(_), Self::Undefined(_)) | (Self::None, Self::None) => true,
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => {
                all(&a.items, &b.items)?
            }
            (Self::Dict(a), Self::Dict(b)) => {
                if a.pairs().len() != b.pairs().len() {
                    return Ok(false);
                }
                for (key, value) in a.pairs() {
                    match b.get(key)? {
                        Some(other) if value.equals_inside(other)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Self::Range(a), Self::Range(b)) => {
                let (count, same) = (a.len(), a.start == b.start && a.step == b.step);
                count == b.len() && (count == 0 || same || (count == 1 && a.start == b.start))
            }
            (Self::Big(a), Self::Big(b)) => a == b,
            (Self::Big(_), Self::Float(_)) | (Self::Float(_), Self::Big(_)) => return Err(large()),
            // It is over all others.
            (Self::Big(_), _) | (_, Self::Big(_)) => false,
            (Self::View(..), Self::View(..)) => return Err(Fail::refused("sets")),
            (
                Self::Iter(_)
                | Self::Namespace(_)
                | Self::Cycler(_)
                | Self::Joiner(_)
                | Self::Macro(_)
                | Self::Loop(_)
                | Self::Method(_)
                | Self::Function(_),
                _,
            )
            | (
                _,
                Self::Iter(_)
                | Self::Namespace(_)
                | Self::Cycler(_)
                | Self::Joiner(_)
                | Self::Macro(_)
                | Self::Loop(_)
                | Self::Method(_)
                | Self::Function(_),
            ) => return Err(Fail::refused("comparing a function or a generator")),
            _ => match (self.as_str(), other.as_str()) {
                (Some(a), Some(b)) => a == b,
                _ => match (Number::of(self)?, Number::of(other)?) {
                    (Some(a), Some(b)) => a.compare(b) == Some(Ordering::Equal),
                    _ => false,
                },
            },
        })
    }

    /// `==` of values inside others, where Python takes a value to be equal to itself first.
    pub fn equals_inside(&self, other: &Self) -> Result<bool> {
        if let (Self::Float(a), Self::Float(b)) = (self, other)
            && a.is_nan()
            && b.is_nan()
        {
            return Err(Fail::refused("comparing NaN inside a value"));
        }
        self.equals(other)
    }

    /// Python's `<`, `<=`, `>` and `>=`. None is a comparison that is false either way.
    pub fn order(&self, other: &Self, op: CompareOp) -> Result<bool> {
        let holds = |ordering: Option<Ordering>| {
            ordering.is_some_and(|ordering| match op {
                CompareOp::Lt => ordering.is_lt(),
                CompareOp::Le => ordering.is_le(),
                CompareOp::Gt => ordering.is_gt(),
                _ => ordering.is_ge(),
            })
        };
        match (self, other) {
            (Self::Undefined(hint), _) | (_, Self::Undefined(hint)) => {
                return Err(Fail::undefined(hint));
            }
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => {
                for (a, b) in a.items.iter().zip(&b.items) {
                    if !a.equals_inside(b)? {
                        return a.order(b, op);
                    }
                }
                return Ok(holds(Some(a.items.len().cmp(&b.items.len()))));
            }
            (Self::View(..), Self::View(..)) => return Err(Fail::refused("sets")),
            _ => {}
        }
        if let (Some(a), Some(b)) = (self.as_str(), other.as_str()) {
            return Ok(holds(Some(a.cmp(b))));
        }
        match (Number::of(self)?, Number::of(other)?) {
            (Some(a), Some(b)) => Ok(holds(a.compare(b))),
            _ => Err(Fail::type_error(format!(
                "'<' not supported between instances of '{}' and '{}'",
                self.type_name(),
                other.type_name()
            ))),
        }
    }
}

pub(super) fn compare(op: CompareOp, left: &Value, right: &Value, work: &Work) -> Result<bool> {
    work.compare(left, right)?;
    match op {
        CompareOp::Eq => left.equals(right),
        CompareOp::Ne => Ok(!left.equals(right)?),
        CompareOp::In => contains(right, left, work),
        CompareOp::NotIn => Ok(!contains(right, left, work)?),
        _ => left.order(right, op),
    }
}

/// `item in container`
pub(super) fn contains(container: &Value, item: &Value, work: &Work) -> Result<bool> {
    let any = |mut values: &mut dyn Iterator<Item = &Value>| -> Result<bool> {
        for value in &mut values {
            work.compare(value, item)?;
            if value.equals_inside(item)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    match container {
        Value::Str(text) | Value::Markup(text) => match item.as_str() {
            Some(part) => {
                work.charge(text.len())?;
                Ok(text.contains(part))
            }
            None => Err(Fail::type_error(format!(
                "'in <string>' requires string as left operand, not {}",
                item.type_name()
            ))),
        },
        Value::List(seq) | Value::Tuple(seq) => any(&mut seq.items.iter()),
        Value::Dict(dict) | Value::View(View::Keys, dict) => Ok(dict.get(item)?.is_some()),
        Value::View(View::Values, dict) => any(&mut dict.pairs().iter().map(|(_, value)| value)),
        Value::View(View::Items, dict) => match item {
            Value::Tuple(pair) => match pair.items.as_slice() {
                [key, value] => match dict.get(key)? {
                    Some(found) => found.equals_inside(value),
                    None => Ok(false),
                },
                _ => Ok(false),
            },
            _ => Ok(false),
        },
        Value::Range(range) => match Number::of(item)? {
            Some(number) => {
                let number = match number {
                    Number::Int(number) => number,
                    Number::Float(float) if float.trunc() == float && float.abs() < 1e30 => {
                        float as i128
                    }
                    Number::Float(_) => return Ok(false),
                };
                let inside = if range.step > 0 {
                    (range.start..range.stop).contains(&number)
                } else {
                    number > range.stop && number <= range.start
                };
                Ok(inside && (number - range.start) % range.step == 0)
            }
            None => Ok(false),
        },
        Value::Iter(iter) => {
            if iter.busy.get() {
                return Err(Fail::refused("using a generator inside a loop over it"));
            }
            while let Some(value) = iter.items.borrow_mut().pop_front() {
                work.compare(&value, item)?;
                if value.equals_inside(item)? {
                    return Ok(true);
                }
            }
            iter.failure.borrow_mut().take().map_or(Ok(false), Err)
        }
        Value::Undefined(_) => Ok(false),
        Value::Loop(_) => Err(Fail::refused("`in loop`")),
        _ => Err(Fail::type_error(format!(
            "argument of type '{}' is not iterable",
            container.type_name()
        ))),
    }
}

/// Python's `len()`.
pub(super) fn length(value: &Value) -> Result<usize> {
    Ok(match value {
        Value::Undefined(_) => 0,
        Value::Str(text) | Value::Markup(text) => text.chars().count(),
        Value::List(seq) | Value::Tuple(seq) => seq.items.len(),
        Value::Dict(dict) | Value::View(_, dict) => dict.pairs().len(),
        Value::Range(range) => usize::try_from(range.len()).unwrap_or(usize::MAX),
        Value::Loop(state) => state.items.len(),
        _ => {
            return Err(Fail::type_error(format!(
                "object of type '{}' has no len()",
                value.type_name()
            )));
        }
    })
}

/// All that iterating over a value gives. A generator is used up.
pub(super) fn items(value: &Value, work: &Work) -> Result<Vec<Value>> {
    let count = match value {
        Value::Iter(iter) => iter.items.borrow().len(),
        _ => length(value).unwrap_or(0),
    };
    work.charge(count.saturating_mul(16))?;
    Ok(match value {
        Value::Undefined(_) => Vec::new(),
        Value::Str(text) | Value::Markup(text) => {
            let mut buffer = [0; 4];
            text.chars().map(|c| Value::str(&*c.encode_utf8(&mut buffer))).collect()
        }
        Value::List(seq) | Value::Tuple(seq) => seq.items.clone(),
        Value::Dict(dict) => view_items(View::Keys, dict)?,
        Value::View(view, dict) => view_items(*view, dict)?,
        Value::Range(range) => (0..range.len()).map(|at| range.at(at)).collect(),
        Value::Iter(iter) => {
            if iter.busy.get() {
                return Err(Fail::refused("using a generator inside a loop over it"));
            }
            let items = std::mem::take(&mut *iter.items.borrow_mut());
            if let Some(failure) = iter.failure.borrow_mut().take() {
                return Err(failure);
            }
            items.into()
        }
        Value::Loop(_) => return Err(Fail::refused("iterating over `loop`")),
        // Python would call it without an end.
        Value::Cycler(_) => {
            return Err(Fail::type_error("'Cycler' object is not iterable".to_owned()));
        }
        _ => {
            return Err(Fail::type_error(format!(
                "'{}' object is not iterable",
                value.type_name()
            )));
        }
    })
}

pub(super) fn view_items(view: View, dict: &Dict) -> Result<Vec<Value>> {
    let pairs = dict.pairs().iter();
    match view {
        View::Keys => Ok(pairs.map(|(key, _)| key.clone()).collect()),
        View::Values => Ok(pairs.map(|(_, value)| value.clone()).collect()),
        View::Items => {
            pairs.map(|(key, value)| Value::tuple(vec![key.clone(), value.clone()])).collect()
        }
    }
}

/// Sorts as Python does: what compares equal stays in its order.
pub(super) fn sort(
    items: Vec<(Value, Value)>,
    reverse: bool,
    work: &Work,
) -> Result<Vec<(Value, Value)>> {
    if items.len() < 2 {
        // Python compares nothing.
        return Ok(items);
    }
    let mut runs: std::collections::VecDeque<Vec<_>> =
        items.into_iter().map(|item| vec![item]).collect();
    while runs.len() > 1 {
        let mut merged = std::collections::VecDeque::with_capacity(runs.len() / 2 + 1);
        while let Some(left) = runs.pop_front() {
            match runs.pop_front() {
                Some(right) => merged.push_back(merge(left, right, reverse, work)?),
                None => merged.push_back(left),
            }
        }
        runs = merged;
    }
    Ok(runs.pop_front().unwrap_or_default())
}

type Keyed = Vec<(Value, Value)>;

fn merge(left: Keyed, right: Keyed, reverse: bool, work: &Work) -> Result<Keyed> {
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        work.charge((a.0.weight() + b.0.weight()).saturating_mul(16))?;
        check_sortable(&a.0)?;
        check_sortable(&b.0)?;
        let takes_right =
            if reverse { a.0.order(&b.0, CompareOp::Lt)? } else { b.0.order(&a.0, CompareOp::Lt)? };
        out.extend(if takes_right { right.next() } else { left.next() });
    }
    out.extend(left);
    out.extend(right);
    Ok(out)
}

/// NaN has no place in an order: where it ends up depends on the way of sorting.
fn check_sortable(key: &Value) -> Result<()> {
    match key {
        Value::Float(number) if number.is_nan() => Err(Fail::refused("sorting NaN")),
        Value::List(seq) | Value::Tuple(seq) => seq.items.iter().try_for_each(check_sortable),
        _ => Ok(()),
    }
}
