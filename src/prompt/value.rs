//! The values of templates: Python's, as far as templates meet them. None of them changes, but for
//! namespaces, cyclers, joiners and iterators.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::Fail;
use crate::json::{Item, Str, Value as Json};
use crate::template::ast;

pub(super) type Result<T = Value> = std::result::Result<T, Fail>;

/// How deep values may be nested.
const MAX_NESTING: u16 = 200;
/// Each is looked for among all of them.
const MAX_OTHER_KEYS: usize = 1000;
/// Python refuses to read longer integers.
const MAX_DIGITS: usize = 4300;

#[derive(Debug, Clone)]
pub(super) enum Value {
    /// With what is said when it is used.
    Undefined(Rc<str>),
    None,
    Bool(bool),
    Int(i128),
    /// An integer over 128 bits, as written. Nothing is computed with it.
    Big(Rc<str>),
    Float(f64),
    Str(Rc<str>),
    /// A text that is marked as safe for HTML: what is added to it gets escaped.
    Markup(Rc<str>),
    List(Rc<Seq>),
    Tuple(Rc<Seq>),
    Dict(Rc<Dict>),
    View(View, Rc<Dict>),
    Range(Rc<Range>),
    Iter(Rc<Iter>),
    Namespace(Rc<RefCell<Namespace>>),
    Cycler(Rc<Cycler>),
    Joiner(Rc<Joiner>),
    Macro(Rc<Macro>),
    Loop(Rc<Loop>),
    /// A method of a value.
    Method(Rc<(Value, Rc<str>)>),
    /// One of the global functions.
    Function(&'static str),
}

/// The items of a list or a tuple.
#[derive(Debug)]
pub(super) struct Seq {
    pub items: Vec<Value>,
    depth: u16,
    weight: usize,
    /// Whether it is a group of `groupby`, whose items have names.
    pub is_group: bool,
}

#[derive(Debug)]
pub(super) struct Dict {
    pairs: Vec<(Value, Value)>,
    depth: u16,
    weight: usize,
    /// Where the texts among the keys are.
    index: BTreeMap<Rc<str>, usize>,
}

/// What `keys()`, `values()` and `items()` give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Keys,
    Values,
    Items,
}

#[derive(Debug)]
pub(super) struct Range {
    pub start: i128,
    pub stop: i128,
    pub step: i128,
}

impl Range {
    pub fn len(&self) -> i128 {
        let (low, high, step) = if self.step > 0 {
            (self.start, self.stop, self.step)
        } else {
            (self.stop, self.start, -self.step)
        };
        if low >= high { 0 } else { (high - low - 1) / step + 1 }
    }

    /// The number at a place that is in it.
    pub fn at(&self, index: i128) -> Value {
        Value::Int(self.start + index * self.step)
    }
}

/// What can be gone through once.
#[derive(Debug)]
pub(super) struct Iter {
    pub items: RefCell<VecDeque<Value>>,
    /// Why there are no more.
    pub failure: RefCell<Option<Fail>>,
    /// Whether a loop goes through it.
    pub busy: Cell<bool>,
}

pub(super) type Namespace = Vec<(Rc<str>, Value)>;

#[derive(Debug)]
pub(super) struct Cycler {
    pub items: Vec<Value>,
    pub at: Cell<usize>,
}

#[derive(Debug)]
pub(super) struct Joiner {
    pub separator: Value,
    pub used: Cell<bool>,
}

#[derive(Debug)]
pub(super) struct Macro {
    pub node: Rc<ast::Macro>,
    /// The frame in which it was defined.
    pub frame: usize,
}

#[derive(Debug)]
pub(super) struct Loop {
    pub items: Vec<Value>,
    pub index: Cell<usize>,
    pub changed: RefCell<Option<Vec<Value>>>,
    pub depth: usize,
    pub node: Rc<ast::For>,
    /// The frame around it.
    pub frame: usize,
}

impl Seq {
    pub fn new(items: Vec<Value>) -> Result<Rc<Self>> {
        Self::with(items, false)
    }

    pub fn with(items: Vec<Value>, is_group: bool) -> Result<Rc<Self>> {
        let depth = depth_over(items.iter())?;
        let weight = weight_of(items.iter());
        Ok(Rc::new(Self { items, depth, weight, is_group }))
    }
}

impl Dict {
    /// Of equal keys the last value, at the place of the first.
    pub fn new(given: Vec<(Value, Value)>) -> Result<Rc<Self>> {
        let depth = depth_over(given.iter().flat_map(|(key, value)| [key, value]))?;
        let weight = weight_of(given.iter().flat_map(|(key, value)| [key, value]));
        if given.iter().filter(|(key, _)| key.as_str().is_none()).count() > MAX_OTHER_KEYS {
            return Err(Fail::refused("an object with over 1000 keys that are no texts"));
        }
        let mut dict =
            Self { pairs: Vec::with_capacity(given.len()), depth, weight, index: BTreeMap::new() };
        for (key, value) in given {
            match dict.find(&key)? {
                Some(at) => {
                    if let Some(pair) = dict.pairs.get_mut(at) {
                        pair.1 = value;
                    }
                }
                None => {
                    if let Some(text) = key.as_str() {
                        dict.index.insert(text.into(), dict.pairs.len());
                    }
                    dict.pairs.push((key, value));
                }
            }
        }
        Ok(Rc::new(dict))
    }

    pub fn pairs(&self) -> &[(Value, Value)] {
        &self.pairs
    }

    fn find(&self, key: &Value) -> Result<Option<usize>> {
        if let Some(text) = key.as_str() {
            return Ok(self.index.get(text).copied());
        }
        key.check_hashable()?;
        for (at, (known, _)) in self.pairs.iter().enumerate() {
            if known.as_str().is_none() && known.equals(key)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    pub fn get(&self, key: &Value) -> Result<Option<&Value>> {
        Ok(self.find(key)?.and_then(|at| self.pairs.get(at)).map(|(_, value)| value))
    }
}

fn weight_of<'v>(values: impl Iterator<Item = &'v Value>) -> usize {
    values.fold(1, |sum, value| sum.saturating_add(value.weight()))
}

fn depth_over<'v>(mut values: impl Iterator<Item = &'v Value>) -> Result<u16> {
    let depth = values.try_fold(0, |depth, value| {
        Ok(depth.max(match value {
            Value::List(seq) | Value::Tuple(seq) => seq.depth,
            Value::Dict(dict) | Value::View(_, dict) => dict.depth,
            // Each may hold values that hold it in turn.
            Value::Iter(_)
            | Value::Namespace(_)
            | Value::Cycler(_)
            | Value::Joiner(_)
            | Value::Macro(_)
            | Value::Loop(_)
            | Value::Method(_) => {
                return Err(Fail::refused("keeping a function or a namespace inside a value"));
            }
            _ => 0,
        }))
    })?;
    if depth >= MAX_NESTING {
        return Err(nested());
    }
    Ok(depth + 1)
}

impl Value {
    pub fn list(items: Vec<Value>) -> Result {
        Ok(Self::List(Seq::new(items)?))
    }

    pub fn tuple(items: Vec<Value>) -> Result {
        Ok(Self::Tuple(Seq::new(items)?))
    }

    pub fn str(text: impl Into<Rc<str>>) -> Self {
        Self::Str(text.into())
    }

    /// A text, marked as safe or not.
    pub fn text(text: impl Into<Rc<str>>, markup: bool) -> Self {
        if markup { Self::Markup(text.into()) } else { Self::Str(text.into()) }
    }

    pub fn iter(items: Vec<Value>, failure: Option<Fail>) -> Self {
        Self::Iter(Rc::new(Iter {
            items: RefCell::new(items.into()),
            failure: RefCell::new(failure),
            busy: Cell::new(false),
        }))
    }

    pub fn undefined(hint: impl Into<Rc<str>>) -> Self {
        Self::Undefined(hint.into())
    }

    /// The text that this is, marked or not.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) | Self::Markup(text) => Some(text),
            _ => None,
        }
    }

    pub fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined(_))
    }

    /// About how much work it is to go through all of it.
    pub fn weight(&self) -> usize {
        match self {
            Self::Str(text) | Self::Markup(text) => text.len() / 16 + 1,
            Self::List(seq) | Self::Tuple(seq) => seq.weight,
            Self::Dict(dict) | Self::View(_, dict) => dict.weight,
            _ => 1,
        }
    }

    /// Python's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Undefined(_) => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Big(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Markup(_) => "Markup",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::View(View::Keys, _) => "dict_keys",
            Self::View(View::Values, _) => "dict_values",
            Self::View(View::Items, _) => "dict_items",
            Self::Range(_) => "range",
            Self::Iter(_) => "generator",
            Self::Namespace(_) => "Namespace",
            Self::Cycler(_) => "Cycler",
            Self::Joiner(_) => "Joiner",
            Self::Macro(_) => "Macro",
            Self::Loop(_) => "LoopContext",
            Self::Method(_) => "method",
            Self::Function(_) => "function",
        }
    }

    /// Python's `bool()`.
    pub fn truth(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(bool) => *bool,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Str(text) | Self::Markup(text) => !text.is_empty(),
            Self::List(seq) | Self::Tuple(seq) => !seq.items.is_empty(),
            Self::Dict(dict) | Self::View(_, dict) => !dict.pairs.is_empty(),
            Self::Range(range) => range.len() > 0,
            Self::Loop(state) => !state.items.is_empty(),
            _ => true,
        }
    }

    /// Fails as Python's `hash()` does.
    pub fn check_hashable(&self) -> Result<()> {
        match self {
            Self::List(_) | Self::Dict(_) | Self::View(..) => {
                Err(Fail::type_error(format!("unhashable type: '{}'", self.type_name())))
            }
            Self::Tuple(seq) => seq.items.iter().try_for_each(Self::check_hashable),
            _ => Ok(()),
        }
    }

    /// Refuses what could come to hold itself, where it would be kept in something that changes.
    pub fn check_plain(&self) -> Result<()> {
        depth_over(std::iter::once(self)).map(|_| ())
    }

    /// A value of JSON. What no template can hold is refused.
    pub fn from_json(json: Json<'_>) -> Result {
        Self::from_json_within(json, MAX_NESTING)
    }

    fn from_json_within(json: Json<'_>, levels: u16) -> Result {
        Ok(match json.item() {
            Item::Null => Self::None,
            Item::Bool(bool) => Self::Bool(bool),
            Item::Integer(text) => match text.parse() {
                Ok(number) => Self::Int(number),
                Err(_) if text.len() <= MAX_DIGITS => Self::Big(text.into()),
                Err(_) => return Err(Fail::refused("an integer with over 4300 digits")),
            },
            Item::Float(text) => Self::Float(float(text)?),
            Item::String(string) => string_value(string)?,
            Item::Array(values) => {
                let levels = levels.checked_sub(1).ok_or_else(nested)?;
                let mut items = Vec::new();
                for value in values {
                    items.push(Self::from_json_within(value, levels)?);
                }
                Self::list(items)?
            }
            Item::Object(members) => {
                let levels = levels.checked_sub(1).ok_or_else(nested)?;
                let mut pairs = Vec::new();
                for (name, value) in members {
                    pairs.push((string_value(name)?, Self::from_json_within(value, levels)?));
                }
                Self::Dict(Dict::new(pairs)?)
            }
        })
    }
}

fn string_value(string: Str<'_>) -> Result {
    let text = string.to_str().ok_or_else(|| Fail::refused("a lone surrogate in the input"))?;
    Ok(Value::str(text))
}

fn nested() -> Fail {
    Fail::refused("a value nested over 200 levels deep")
}

fn float(text: &str) -> Result<f64> {
    match text {
        "NaN" => return Ok(f64::NAN),
        "Infinity" => return Ok(f64::INFINITY),
        "-Infinity" => return Ok(f64::NEG_INFINITY),
        _ => {}
    }
    let exponent = text.split_once(['e', 'E']).map_or("", |(_, exponent)| exponent);
    // Rust stops reading an exponent after 65535, which as many zeros before it can take back.
    match text.parse() {
        Ok(number) if exponent.len() <= 5 => Ok(number),
        _ => Err(Fail::refused("a number with a long exponent")),
    }
}
