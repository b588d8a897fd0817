//! What a path finds in data, by the semantics of jsonpath-ng 1.6.1.

use super::compile::parser::{Expr, Op};
use crate::json::{Item, Value};

/// Why a path fails on data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// An index below the negative length.
    #[error("a negative index goes beyond the start")]
    BeyondStart,
    /// An index on an object, a number or a boolean.
    #[error("an index is applied to something other than an array or a string")]
    NotIndexable,
    /// A slice, which `[*]` is, of a number with a fraction or an exponent.
    #[error("a slice is applied to a number that is no integer")]
    NotSliceable,
    /// A slice whose step is 0.
    #[error("a slice has a step of 0")]
    StepZero,
    /// The parent of the whole.
    #[error("the whole has no parent")]
    NoParent,
    /// Dynamiq's library has `&` in its grammar and does not implement it.
    #[error("`&` always fails")]
    Intersection,
    /// A limit of the edge.
    #[error("it takes more than 1000000 steps")]
    TooMuchWork,
}

/// How many values may be found, members compared and elements counted for one result. It bounds
/// the time and the memory.
const MAX_WORK: usize = 1_000_000;

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Datum<'d> {
    /// What is around the whole. It is found by `` `parent` `` and is no value, but paths go on from
    /// it as from `null`.
    Nothing,
    /// A `null` that is not in the data.
    Null,
    /// A value of the data.
    Value(Value<'d>),
    /// A character of a string, as it is written there.
    Char(&'d str),
}

/// Something that was found, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'d> {
    pub datum: Datum<'d>,
    /// Whether it stands for an array with the datum as its only element.
    pub is_wrapped: bool,
    /// What it was found in, among the nodes.
    parent: Option<u32>,
}

/// Finds paths in a value.
pub(super) struct Search<'d, 'w> {
    nodes: Vec<Node<'d>>,
    work: &'w mut usize,
}

impl<'d, 'w> Search<'d, 'w> {
    /// A search in a value, which adds to the work that was done.
    pub fn new(value: Value<'d>, work: &'w mut usize) -> Self {
        let root = Node { datum: Datum::Value(value), is_wrapped: false, parent: None };
        Self { nodes: vec![root], work }
    }

    /// What a path finds, in order.
    pub fn run(mut self, expr: &Expr) -> Result<Vec<Node<'d>>, Problem> {
        let mut found = Vec::new();
        self.find(expr, 0, &mut found)?;
        let nodes: Vec<_> = found.into_iter().map(|id| self.node(id)).collect();
        if nodes.iter().any(|node| matches!(node.datum, Datum::Nothing)) {
            return Err(Problem::NoParent);
        }
        Ok(nodes)
    }

    fn node(&self, id: u32) -> Node<'d> {
        let nothing = Node { datum: Datum::Nothing, is_wrapped: false, parent: None };
        self.nodes.get(id as usize).copied().unwrap_or(nothing)
    }

    fn charge(&mut self, steps: usize) -> Result<(), Problem> {
        *self.work = self.work.saturating_add(steps);
        if *self.work > MAX_WORK { Err(Problem::TooMuchWork) } else { Ok(()) }
    }

    /// Adds a node. There are fewer than steps.
    fn add(&mut self, datum: Datum<'d>, is_wrapped: bool, parent: Option<u32>) -> u32 {
        let id = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(Node { datum, is_wrapped, parent });
        id
    }

    /// Appends what `expr` finds from a node on. It calls itself as deep as operators stand in one
    /// another, which the parser bounds.
    fn find(&mut self, expr: &Expr, at: u32, found: &mut Vec<u32>) -> Result<(), Problem> {
        self.charge(1)?;
        match expr {
            Expr::Root => {
                let mut top = at;
                while let Some(parent) = self.node(top).parent {
                    top = parent;
                    self.charge(1)?;
                }
                found.push(self.or_null(top));
            }
            Expr::This => found.push(self.or_null(at)),
            Expr::Parent => {
                let parent = self.node(at).parent;
                found.push(parent.unwrap_or_else(|| self.add(Datum::Nothing, false, None)));
            }
            Expr::Fields(names) => {
                for name in names {
                    if let Some(value) = self.member(at, name)? {
                        found.push(self.add(Datum::Value(value), false, Some(at)));
                    }
                }
            }
            Expr::Every => {
                if self.is_object(at) {
                    for datum in self.children(at)? {
                        found.push(self.add(datum, false, Some(at)));
                    }
                }
            }
            Expr::Index(index) => {
                if let Some(datum) = self.element(at, *index)? {
                    found.push(self.add(datum, false, Some(at)));
                }
            }
            Expr::Slice(bounds) => self.slice(at, *bounds, found)?,
            Expr::Binary(Op::Intersect, ..) => return Err(Problem::Intersection),
            Expr::Binary(Op::Union, left, right) => {
                self.find(left, at, found)?;
                self.find(right, at, found)?;
            }
            Expr::Binary(op, left, right) => {
                let mut lefts = Vec::new();
                self.find(left, at, &mut lefts)?;
                for left in lefts {
                    match op {
                        Op::Descendants => self.descend(right, left, found)?,
                        Op::Where => {
                            let mut rights = Vec::new();
                            self.find(right, left, &mut rights)?;
                            if !rights.is_empty() {
                                found.push(left);
                            }
                        }
                        _ => self.find(right, left, found)?,
                    }
                }
            }
        }
        Ok(())
    }

    /// What `expr` finds from a node and from everything inside it on, outer before inner.
    fn descend(&mut self, expr: &Expr, at: u32, found: &mut Vec<u32>) -> Result<(), Problem> {
        if matches!(self.node(at).datum, Datum::Nothing) {
            return Err(Problem::NoParent);
        }
        let mut waiting = Vec::new();
        let mut at = at;
        loop {
            self.find(expr, at, found)?;
            waiting.extend(self.children(at)?.into_iter().rev().map(|datum| (datum, at)));
            let Some((datum, parent)) = waiting.pop() else { return Ok(()) };
            at = self.add(datum, false, Some(parent));
        }
    }

    /// What paths make of a node: around the whole there is a `null`.
    fn or_null(&mut self, id: u32) -> u32 {
        match self.node(id).datum {
            Datum::Nothing => self.add(Datum::Null, false, None),
            _ => id,
        }
    }

    fn is_object(&self, id: u32) -> bool {
        let node = self.node(id);
        !node.is_wrapped && matches!(node.datum, Datum::Value(value) if value.is_object())
    }

    /// The elements of an array or the values of an object's members; others have none.
    fn children(&mut self, id: u32) -> Result<Vec<Datum<'d>>, Problem> {
        let node = self.node(id);
        let children: Vec<_> = match node.datum {
            datum if node.is_wrapped => vec![datum],
            Datum::Value(value) => match value.item() {
                Item::Array(values) => values.map(Datum::Value).collect(),
                Item::Object(_) => {
                    let members = value.resolved_members(false, &[]);
                    members.into_iter().map(|(_, value)| Datum::Value(value)).collect()
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        self.charge(children.len())?;
        Ok(children)
    }

    /// The member of that name; of several the last.
    fn member(&mut self, id: u32, name: &str) -> Result<Option<Value<'d>>, Problem> {
        let Node { datum: Datum::Value(value), is_wrapped: false, .. } = self.node(id) else {
            return Ok(None);
        };
        let Item::Object(members) = value.item() else { return Ok(None) };
        let (mut found, mut compared) = (None, 1);
        for (member, value) in members {
            compared += 1;
            if member.is(name) {
                found = Some(value);
            }
        }
        self.charge(compared)?;
        Ok(found)
    }

    /// What Python's `value[index]` gives when there is a value, and it is longer than the index.
    fn element(&mut self, id: u32, index: i64) -> Result<Option<Datum<'d>>, Problem> {
        let children = match Kind::of(self.node(id)) {
            Kind::Empty => return Ok(None),
            Kind::Array => self.children(id)?,
            Kind::String(raw) => {
                self.charge(raw.len() / 8)?;
                characters(raw).map(Datum::Char).collect()
            }
            Kind::Object => {
                let length = self.children(id)?.len();
                // Its members do not have numbers for names.
                let is_longer = usize::try_from(index).map_or(true, |index| index < length);
                return if is_longer { Err(Problem::NotIndexable) } else { Ok(None) };
            }
            Kind::Integer | Kind::Float => return Err(Problem::NotIndexable),
        };
        let length = i64::try_from(children.len()).unwrap_or(i64::MAX);
        let place = if index < 0 { index.saturating_add(length) } else { index };
        match usize::try_from(place) {
            Ok(place) => Ok(children.get(place).copied()),
            Err(_) => Err(Problem::BeyondStart),
        }
    }

    /// A slice. What is neither an array nor empty counts as an array of one element.
    fn slice(
        &mut self,
        at: u32,
        bounds: [Option<i64>; 3],
        found: &mut Vec<u32>,
    ) -> Result<(), Problem> {
        let node = self.node(at);
        let list = match Kind::of(node) {
            Kind::Empty => return Ok(()),
            Kind::Array => at,
            Kind::Float => return Err(Problem::NotSliceable),
            _ => self.add(node.datum, true, node.parent),
        };
        let children = self.children(list)?;
        for place in places(bounds, children.len()).ok_or(Problem::StepZero)? {
            if let Some(&datum) = children.get(place) {
                found.push(self.add(datum, false, Some(list)));
            }
        }
        Ok(())
    }
}

/// What a value is to an index or a slice.
enum Kind<'d> {
    /// What Python takes for false.
    Empty,
    Array,
    Object,
    String(&'d str),
    /// Or `true`.
    Integer,
    Float,
}

impl<'d> Kind<'d> {
    fn of(node: Node<'d>) -> Self {
        let value = match node.datum {
            _ if node.is_wrapped => return Self::Array,
            Datum::Nothing | Datum::Null => return Self::Empty,
            Datum::Char(raw) => return Self::String(raw),
            Datum::Value(value) => value,
        };
        match value.item() {
            Item::Bool(true) => Self::Integer,
            Item::Integer(text) if !matches!(text, "0" | "-0") => Self::Integer,
            Item::Float(text) if text.parse() != Ok(0.0) => Self::Float,
            Item::String(text) if !text.raw().is_empty() => Self::String(text.raw()),
            Item::Array(mut values) => values.next().map_or(Self::Empty, |_| Self::Array),
            Item::Object(mut members) => members.next().map_or(Self::Empty, |_| Self::Object),
            _ => Self::Empty,
        }
    }
}

/// The characters of a string as they are written in JSON; a pair of surrogates is one.
fn characters(raw: &str) -> impl Iterator<Item = &str> {
    let surrogate = |text: &str, digits: [&str; 4]| {
        text.strip_prefix("\\u")
            .and_then(|rest| rest.get(..2))
            .is_some_and(|start| digits.iter().any(|digits| digits.eq_ignore_ascii_case(start)))
    };
    let mut rest = raw;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let length = if first != '\\' {
            first.len_utf8()
        } else if !rest.starts_with("\\u") {
            2
        } else if surrogate(rest, ["d8", "d9", "da", "db"])
            && rest.get(6..).is_some_and(|low| surrogate(low, ["dc", "dd", "de", "df"]))
        {
            12
        } else {
            6
        };
        let (character, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(character)
    })
}

/// The places of Python's `range(length)[start:end:step]`; None for a step of 0.
fn places(
    [start, end, step]: [Option<i64>; 3],
    length: usize,
) -> Option<impl Iterator<Item = usize>> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let step = step.unwrap_or(1);
    let (lower, upper) = if step < 0 { (-1, length - 1) } else { (0, length) };
    let bound = |bound: i64| {
        (if bound < 0 { bound.saturating_add(length) } else { bound }).clamp(lower, upper)
    };
    let (first, last) = if step < 0 { (upper, lower) } else { (lower, upper) };
    let (mut place, end) = (start.map_or(first, bound), end.map_or(last, bound));
    (step != 0).then(|| {
        std::iter::from_fn(move || {
            let found = place;
            place = place.saturating_add(step);
            let is_before = if step < 0 { found > end } else { found < end };
            usize::try_from(found).ok().filter(|_| is_before)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sliced(start: Option<i64>, end: Option<i64>, step: Option<i64>) -> Option<Vec<usize>> {
        places([start, end, step], 5).map(Iterator::collect)
    }

    #[test]
    fn slices_are_those_of_python() {
        let all = Some(vec![0, 1, 2, 3, 4]);
        assert_eq!(sliced(None, None, None), all);
        assert_eq!(sliced(Some(-99), Some(99), Some(1)), all);
        assert_eq!(sliced(Some(i64::MIN), Some(i64::MAX), None), all);
        assert_eq!(sliced(None, None, Some(-1)), Some(vec![4, 3, 2, 1, 0]));
        assert_eq!(sliced(Some(-2), None, None), Some(vec![3, 4]));
        assert_eq!(sliced(Some(9), Some(1), Some(-2)), Some(vec![4, 2]));
        assert_eq!(sliced(None, None, Some(i64::MAX)), Some(vec![0]));
        assert_eq!(sliced(None, None, Some(-i64::MAX)), Some(vec![4]));
        assert_eq!(sliced(Some(3), Some(3), None), Some(vec![]));
        assert_eq!(sliced(None, None, Some(0)), None);
    }

    #[test]
    fn characters_are_code_points() {
        let found = |raw| characters(raw).collect::<Vec<_>>();
        assert_eq!(found(r"aé😀"), ["a", "é", "😀"]);
        assert_eq!(found(r#"\n\"\u00e9x"#), [r"\n", r#"\""#, r"\u00e9", "x"]);
        assert_eq!(found(r"\uD83d\ude00\u0041"), [r"\uD83d\ude00", r"\u0041"]);
        assert_eq!(found(r"\ud83d\ud83d\ude00"), [r"\ud83d", r"\ud83d\ude00"]);
        assert_eq!(found(r"\ude00\ud83dx"), [r"\ude00", r"\ud83d", "x"]);
    }
}
