//! Why two requests have different keys.

use std::cmp::Ordering;

use serde::Serialize;

use super::{KeyError, KeyRequest, LEFT_OUT, Scheme, cache_key, spelling};
use crate::json::{
    Dialect, Document, Item, Order, Spelling, Str, Value, Values, spell, spell_without,
    write_string,
};

/// How many differences are listed.
const MAX_DIFFERENCES: usize = 100;
/// How long their paths may be together, in bytes: names can be long, and are repeated in each.
const MAX_PATHS: usize = 1024 * 1024;

/// What two requests have in common and what not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Whether both have the same key.
    pub equal: bool,
    /// The first request.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// Where they differ, in the order of the texts that are hashed; at most 100. In the scheme
    /// `dynamiq` there can be some although the keys are equal: `a:b` and `c` give the same key as
    /// `a` and `b:c`.
    pub differences: Vec<Difference>,
    /// Whether there are more differences than are listed.
    pub truncated: bool,
}

/// What is hashed for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The key.
    pub key: String,
    /// The canonical text of the input.
    pub input: String,
    /// The canonical text of the keywords, without those that name the run.
    pub kwargs: String,
    /// The canonical text of the definition; None when it plays no part.
    pub definition: Option<String>,
}

/// A place at which two requests differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// In which part of the request.
    pub component: Component,
    /// Where in it, as a JSONPath: `$.messages[0].content`.
    pub path: String,
    /// In what way.
    pub kind: DifferenceKind,
    /// The first request's canonical text there; for an order, the names; None when there is none.
    pub a: Option<String>,
    /// The second's.
    pub b: Option<String>,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Component {
    /// How the key is made.
    Scheme,
    /// The first part of the key.
    Namespace,
    /// The node's id.
    EntityId,
    /// The node's input.
    Input,
    /// Further keywords.
    Kwargs,
    /// What the node does.
    Definition,
}

/// In what way two requests differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// Both have a value, not the same.
    Value,
    /// Only the first has one.
    OnlyInA,
    /// Only the second has one.
    OnlyInB,
    /// The same members in another order, where the scheme does not sort them: inside arrays.
    Order,
}

/// One of two requests has no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{side}.{error}")]
pub struct ExplainError {
    /// `a` or `b`.
    pub side: char,
    /// Why.
    #[source]
    pub error: KeyError,
}

impl Component {
    /// Members of the part that are left out before hashing.
    pub(super) fn left_out(self) -> &'static [&'static str] {
        if self == Self::Kwargs { &LEFT_OUT } else { &[] }
    }
}

impl std::fmt::Display for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Scheme => "scheme",
            Self::Namespace => "namespace",
            Self::EntityId => "entity id",
            Self::Input => "input",
            Self::Kwargs => "kwargs",
            Self::Definition => "definition",
        })
    }
}

/// Says where two requests differ, and what is hashed for each.
///
/// With two schemes the keys never agree; the rest is then compared by the first one's rules.
pub fn explain(a: &KeyRequest<'_>, b: &KeyRequest<'_>) -> Result<Explanation, ExplainError> {
    let sides = (
        side(a).map_err(|error| ExplainError { side: 'a', error })?,
        side(b).map_err(|error| ExplainError { side: 'b', error })?,
    );
    let mut found = Found { differences: Vec::new(), paths: 0, truncated: false };
    let text = |text: &str| {
        let mut out = String::new();
        write_string(&mut out, text);
        out
    };
    for (component, a, b) in [
        (Component::Scheme, Some(a.scheme.as_str()), Some(b.scheme.as_str())),
        (Component::Namespace, a.namespace, b.namespace),
        (Component::EntityId, Some(a.entity_id), Some(b.entity_id)),
    ] {
        if a != b {
            found.add(component, "$".to_owned(), a.map(text), b.map(text));
        }
    }
    let scheme = a.scheme;
    compare(scheme, Component::Input, Some(a.input), Some(b.input), &mut found);
    let none = Document::parse("{}", Dialect::STRICT).ok();
    let none = none.as_ref().map(Document::root);
    compare(scheme, Component::Kwargs, a.kwargs.or(none), b.kwargs.or(none), &mut found);
    compare(scheme, Component::Definition, hashed_definition(a), hashed_definition(b), &mut found);
    let (a, b) = sides;
    let Found { differences, truncated, .. } = found;
    Ok(Explanation { equal: a.key == b.key, a, b, differences, truncated })
}

fn side(request: &KeyRequest<'_>) -> Result<Side, KeyError> {
    let key = cache_key(request)?;
    let text = |component: Component, value: Option<Value<'_>>| match value {
        None => Ok("{}".to_owned()),
        Some(value) => spell_without(value, component.left_out(), spelling(request.scheme))
            .map_err(|refusal| KeyError::NotCanonical { component, refusal }),
    };
    let input = text(Component::Input, Some(request.input))?;
    let kwargs = text(Component::Kwargs, request.kwargs)?;
    let definition = hashed_definition(request)
        .map(|definition| text(Component::Definition, Some(definition)))
        .transpose()?;
    Ok(Side { key, input, kwargs, definition })
}

/// The definition, where the scheme knows it.
fn hashed_definition<'a>(request: &KeyRequest<'a>) -> Option<Value<'a>> {
    request.definition.filter(|_| request.scheme == Scheme::Canonical)
}

/// What has been found so far.
struct Found {
    differences: Vec<Difference>,
    /// How long the paths are together.
    paths: usize,
    truncated: bool,
}

impl Found {
    /// Adds a difference of two texts, of which one may be missing.
    fn add(&mut self, component: Component, path: String, a: Option<String>, b: Option<String>) {
        let kind = match (&a, &b) {
            (_, None) => DifferenceKind::OnlyInA,
            (None, _) => DifferenceKind::OnlyInB,
            _ => DifferenceKind::Value,
        };
        self.push(Difference { component, path, kind, a, b });
    }

    fn push(&mut self, difference: Difference) {
        self.paths += difference.path.len();
        let is_first = self.differences.is_empty();
        if is_first || (self.differences.len() < MAX_DIFFERENCES && self.paths <= MAX_PATHS) {
            self.differences.push(difference);
        } else {
            self.truncated = true;
        }
    }
}

/// Two values at one place, of which one may be missing.
struct Pair<'a> {
    /// How many containers are around it, and what leads from the innermost to it.
    depth: usize,
    step: Step<'a>,
    a: Option<Value<'a>>,
    b: Option<Value<'a>>,
    /// How the scheme writes them there.
    spelling: Spelling,
    /// Members that do not count.
    left_out: &'static [&'static str],
}

/// A step of a JSONPath.
#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Element(usize),
    Member(Str<'a>),
}

/// Walks two values side by side, without recursion.
fn compare<'a>(
    scheme: Scheme,
    component: Component,
    a: Option<Value<'a>>,
    b: Option<Value<'a>>,
    found: &mut Found,
) {
    let (spelling, left_out) = (spelling(scheme), component.left_out());
    let mut pairs = vec![Pair { depth: 0, step: Step::Root, a, b, spelling, left_out }];
    // The steps to the containers around the pair that is looked at.
    let mut around: Vec<Step<'a>> = Vec::new();
    while let Some(pair) = pairs.pop()
        && !found.truncated
    {
        around.truncate(pair.depth);
        around.push(pair.step);
        let before = pairs.len();
        match (pair.a.map(Value::item), pair.b.map(Value::item)) {
            (Some(Item::Object(_)), Some(Item::Object(_))) => {
                if let Some((a, b)) = reordered(&pair) {
                    let (kind, path) = (DifferenceKind::Order, path(&around));
                    found.push(Difference { component, path, kind, a: Some(a), b: Some(b) });
                }
                member_pairs(&pair, &mut pairs);
            }
            (Some(Item::Array(a)), Some(Item::Array(b))) => element_pairs(&pair, a, b, &mut pairs),
            _ => {
                let text = |value: Option<Value<'_>>| {
                    // Of two schemes the first may refuse what the second takes: it is shown as it
                    // was written.
                    let raw = |value: Value<'_>| value.raw().to_owned();
                    value.map(|value| spell(value, pair.spelling).unwrap_or_else(|_| raw(value)))
                };
                let (a, b) = (text(pair.a), text(pair.b));
                if a != b {
                    found.add(component, path(&around), a, b);
                }
            }
        }
        // The first is to be taken first.
        pairs.get_mut(before..).unwrap_or_default().reverse();
    }
}

fn element_pairs<'a>(
    pair: &Pair<'a>,
    mut a: Values<'a>,
    mut b: Values<'a>,
    pairs: &mut Vec<Pair<'a>>,
) {
    let spelling = match pair.spelling {
        Spelling::Python(_) => Spelling::Python(Order::AsWritten),
        Spelling::Canonical => Spelling::Canonical,
    };
    for index in 0.. {
        let (a, b) = (a.next(), b.next());
        if a.is_none() && b.is_none() {
            return;
        }
        let (depth, step) = (pair.depth + 1, Step::Element(index));
        pairs.push(Pair { depth, step, a, b, spelling, left_out: &[] });
    }
}

fn member_pairs<'a>(pair: &Pair<'a>, pairs: &mut Vec<Pair<'a>>) {
    let sorted = |value: Option<Value<'a>>| {
        value.map(|value| value.resolved_members(true, pair.left_out)).unwrap_or_default()
    };
    let mut a = sorted(pair.a).into_iter().peekable();
    let mut b = sorted(pair.b).into_iter().peekable();
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.compare(*b),
        };
        let a = if order.is_le() { a.next() } else { None };
        let b = if order.is_ge() { b.next() } else { None };
        let Some((name, _)) = a.or(b) else { return };
        let (depth, step) = (pair.depth + 1, Step::Member(name));
        let (a, b) = (a.map(|member| member.1), b.map(|member| member.1));
        pairs.push(Pair { depth, step, a, b, spelling: pair.spelling, left_out: &[] });
    }
}

/// The names that two objects share, as JSON arrays, when their order counts and differs.
fn reordered(pair: &Pair<'_>) -> Option<(String, String)> {
    if pair.spelling != Spelling::Python(Order::AsWritten) {
        return None;
    }
    let names = |sorted| {
        let (a, b) = (pair.a?, pair.b?);
        Some((a.resolved_members(sorted, pair.left_out), b.resolved_members(sorted, pair.left_out)))
    };
    let (a, b) = names(true)?;
    let shared = |name: Str<'_>, others: &[(Str<'_>, Value<'_>)]| {
        others.binary_search_by(|(other, _)| other.compare(name)).is_ok()
    };
    let (mut in_a, mut in_b) = names(false)?;
    in_a.retain(|(name, _)| shared(*name, &b));
    in_b.retain(|(name, _)| shared(*name, &a));
    let same = in_a.iter().zip(&in_b).all(|((a, _), (b, _))| a.compare(*b).is_eq());
    let list = |members: Vec<(Str<'_>, Value<'_>)>| {
        let names: Vec<_> = members.iter().map(|(name, _)| name.to_json()).collect();
        format!("[{}]", names.join(", "))
    };
    (!same).then(|| (list(in_a), list(in_b)))
}

/// The JSONPath of these steps: `$.name[0]['any name']`, names that need it as RFC 9535 has them.
fn path(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Root => path.push('$'),
            Step::Element(index) => path.push_str(&format!("[{index}]")),
            Step::Member(name) => match name.to_str() {
                Some(name) if is_identifier(&name) => {
                    path.push('.');
                    path.push_str(&name);
                }
                _ => {
                    path.push_str("['");
                    push_quoted(&mut path, *name);
                    path.push_str("']");
                }
            },
        }
    }
    path
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn push_quoted(out: &mut String, name: Str<'_>) {
    for code in name.code_points() {
        match char::from_u32(code) {
            Some(c @ ('\'' | '\\')) => out.extend(['\\', c]),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\u{c}') => out.push_str("\\f"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(c @ ' '..) => out.push(c),
            // Control characters, and lone surrogates.
            _ => out.push_str(&format!("\\u{code:04x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Dialect, Document};

    #[derive(Clone, Copy)]
    struct Given<'a> {
        scheme: Scheme,
        namespace: Option<&'a str>,
        entity_id: &'a str,
        input: &'a str,
        kwargs: Option<&'a str>,
        definition: Option<&'a str>,
    }

    const GIVEN: Given<'_> = Given {
        scheme: Scheme::Dynamiq,
        namespace: None,
        entity_id: "node",
        input: "{}",
        kwargs: None,
        definition: None,
    };

    fn explained(a: Given<'_>, b: Given<'_>) -> Result<Explanation, ExplainError> {
        let parse = |text| Document::parse(text, Dialect::PYTHON).unwrap();
        let documents = [a, b].map(|given| {
            (parse(given.input), given.kwargs.map(parse), given.definition.map(parse))
        });
        let [a, b] =
            [(a, &documents[0]), (b, &documents[1])].map(|(given, documents)| KeyRequest {
                scheme: given.scheme,
                namespace: given.namespace,
                entity_id: given.entity_id,
                input: documents.0.root(),
                kwargs: documents.1.as_ref().map(Document::root),
                definition: documents.2.as_ref().map(Document::root),
            });
        explain(&a, &b)
    }

    /// Component, path, kind and both texts, in short.
    fn differences(a: Given<'_>, b: Given<'_>) -> Vec<String> {
        let explanation = explained(a, b).unwrap();
        assert_eq!(explanation.equal, explanation.differences.is_empty());
        let shown = explanation.differences.into_iter().map(|found| {
            let Difference { component, path, kind, a, b } = found;
            let [a, b] = [a, b].map(|text| text.unwrap_or_default());
            format!("{component} {path} {kind:?} {a} {b}")
        });
        shown.collect()
    }

    #[test]
    fn what_is_the_same_has_no_differences() {
        let a = Given { input: r#"{"b":[{"x":1}],"a":"\u0041"}"#, ..GIVEN };
        let b = Given {
            input: r#" {"a":"A", "b":[{"x":1}]}"#,
            kwargs: Some(r#"{"run_id": 1}"#),
            ..GIVEN
        };
        assert_eq!(differences(a, b), Vec::<String>::new());
        let explanation = explained(a, b).unwrap();
        assert_eq!(explanation.a, explanation.b);
        assert_eq!(explanation.a.input, r#"{"a": "A", "b": [{"x": 1}]}"#);
        assert_eq!((explanation.a.kwargs.as_str(), explanation.a.definition), ("{}", None));
    }

    #[test]
    fn every_component_is_compared() {
        let a = Given { scheme: Scheme::Canonical, ..GIVEN };
        let b = Given {
            namespace: Some("app"),
            entity_id: "other",
            input: r#"{"n":1}"#,
            kwargs: Some(r#"{"n":[2]}"#),
            definition: Some("3"),
            ..a
        };
        assert_eq!(
            differences(a, b),
            [
                r#"namespace $ OnlyInB  "app""#,
                r#"entity id $ Value "node" "other""#,
                "input $.n OnlyInB  1",
                "kwargs $.n OnlyInB  [2]",
                "definition $ OnlyInB  3",
            ]
        );
        let definition = Some("3");
        assert_eq!(differences(GIVEN, Given { definition, ..GIVEN }), Vec::<String>::new());
    }

    #[test]
    fn two_schemes_are_compared_by_the_first_one_s_rules() {
        let canonical = Given { scheme: Scheme::Canonical, definition: Some("3"), ..GIVEN };
        let schemes = r#"scheme $ Value "dynamiq" "canonical""#;
        assert_eq!(differences(GIVEN, canonical), [schemes, "definition $ OnlyInB  3"]);
        let a = Given { input: r#"{"n":1.0,"x":1}"#, ..canonical };
        let input = r#"{"n":1,"x":NaN,"y":{"a":1,"a":2}}"#;
        let b = Given { input, definition: Some("4"), ..GIVEN };
        assert_eq!(
            differences(a, b),
            [
                r#"scheme $ Value "canonical" "dynamiq""#,
                "input $.x Value 1 NaN",
                r#"input $.y OnlyInB  {"a":1,"a":2}"#,
                "definition $ OnlyInA 3 ",
            ]
        );
    }

    #[test]
    fn the_path_leads_to_the_smallest_difference() {
        let input = r#"{"messages":[{"role":"user","content":"a"},{}],"it's":{"\n":[1,2]},"t":1}"#;
        let other = r#"{"messages":[{"role":"user","content":"b"}],"it's":{"\n":[1,"2"]},"t":1.0}"#;
        let a = Given { input, ..GIVEN };
        let b = Given { input: other, ..GIVEN };
        let shared = [
            r#"input $['it\'s']['\n'][1] Value 2 "2""#,
            r#"input $.messages[0].content Value "a" "b""#,
            "input $.messages[1] OnlyInA {} ",
        ];
        assert_eq!(differences(a, b), [&shared[..], &["input $.t Value 1 1.0"]].concat());
        let canonical = |given| Given { scheme: Scheme::Canonical, ..given };
        assert_eq!(differences(canonical(a), canonical(b)), shared);
    }

    #[test]
    fn paths_do_not_depend_on_how_names_are_spelled() {
        for (name, step) in [
            (r"\u0061", "$.a"),
            ("é", "$['é']"),
            (r"it's", r"$['it\'s']"),
            (r"it's\ud800", r"$['it\'s\ud800']"),
            (r#"q\"\u0041"#, r#"$['q"A']"#),
            (r"\\\b\f\n\r\t\u0001\u007f", "$['\\\\\\b\\f\\n\\r\\t\\u0001\u{7f}']"),
        ] {
            let [a, b] = ["1", "2"].map(|value| format!("{{\"{name}\":{value}}}"));
            let found = differences(Given { input: &a, ..GIVEN }, Given { input: &b, ..GIVEN });
            assert_eq!(found, [format!("input {step} Value 1 2")]);
        }
        let a = Given { input: r#"{"l":[{"\u0061":1,"b\ud800":2}]}"#, ..GIVEN };
        let b = Given { input: r#"{"l":[{"b\uD800":2,"a":1}]}"#, ..GIVEN };
        let order = r#"input $.l[0] Order ["a", "b\ud800"] ["b\ud800", "a"]"#;
        assert_eq!(differences(a, b), [order]);
    }

    #[test]
    fn long_names_are_not_repeated_without_end() {
        let name = "n".repeat(600_000);
        let [a, b] = ["0", "1"].map(|n| format!("{{\"{name}\":[{n},{n},{n},{n}]}}"));
        let explanation =
            explained(Given { input: &a, ..GIVEN }, Given { input: &b, ..GIVEN }).unwrap();
        assert_eq!((explanation.differences.len(), explanation.truncated), (1, true));
    }

    #[test]
    fn two_ways_to_one_dynamiq_key_are_told_apart() {
        let a = Given { namespace: Some("a"), entity_id: "b:c", ..GIVEN };
        let b = Given { namespace: Some("a:b"), entity_id: "c", ..GIVEN };
        let explanation = explained(a, b).unwrap();
        assert_eq!((explanation.equal, explanation.differences.len()), (true, 2));
    }

    #[test]
    fn the_order_of_members_counts_inside_arrays_in_the_dynamiq_scheme() {
        let a = Given { input: r#"{"l":[{"x":1,"y":2,"z":3}],"o":{"a":1,"b":2}}"#, ..GIVEN };
        let b = Given { input: r#"{"l":[{"y":2,"x":1}],"o":{"b":2,"a":1}}"#, ..GIVEN };
        assert_eq!(
            differences(a, b),
            [r#"input $.l[0] Order ["x", "y"] ["y", "x"]"#, "input $.l[0].z OnlyInA 3 "]
        );
    }

    #[test]
    fn a_request_without_a_key_is_named() {
        let error = explained(GIVEN, Given { input: "[]", ..GIVEN }).unwrap_err();
        assert_eq!(error.to_string(), "b.input has to be an object, not an array");
    }

    #[test]
    fn the_list_ends_somewhere() {
        let zeros = format!("{{\"l\":[{}0]}}", "0,".repeat(500));
        let ones = zeros.replace('0', "1");
        let a = Given { input: &zeros, ..GIVEN };
        let explanation = explained(a, Given { input: &ones, ..GIVEN }).unwrap();
        assert_eq!((explanation.differences.len(), explanation.truncated), (100, true));
    }
}
