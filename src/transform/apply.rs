//! Transformers and mappings applied to data.

use super::TransformError;
use super::compile::{Field, Path, Transformer};
use super::find::{Datum, Node, Search};
use crate::json::{Dialect, Document, Item, Value, write_string};

/// How large a result may be, in bytes. A path can find a value as often as there are values.
const MAX_RESULT: usize = 16 << 20;

/// Of what was parsed once, with a level around it.
const ANY_DEPTH: Dialect = Dialect { max_depth: usize::MAX, ..Dialect::PYTHON };

impl Transformer {
    /// The result as JSON text, made of pieces of the data as they were written.
    ///
    /// It may nest one or two levels deeper than the data. Fails where Dynamiq's transformers do on
    /// such data, and beyond the edge's limits: a million steps, 16 MiB of result.
    pub fn apply(&self, data: Value<'_>) -> Result<String, TransformError> {
        let mut work = 0;
        let mut out = String::new();
        let Some(path) = &self.path else {
            self.select(data, &mut work, &mut out)?;
            return Ok(out);
        };
        let found = found(path, data, &mut work)?;
        // One value is what it is; a list of several is data that did not exist before.
        if let [Node { datum: Datum::Value(value), is_wrapped: false, .. }] = found.as_slice() {
            self.select(*value, &mut work, &mut out)?;
            return Ok(out);
        }
        let mut text = String::new();
        write_found(&mut text, &found)?;
        if self.selector.is_empty() {
            return Ok(text);
        }
        let document = Document::parse(&text, ANY_DEPTH).map_err(|_| TransformError::TooLarge)?;
        self.select(document.root(), &mut work, &mut out)?;
        Ok(out)
    }

    /// The one thing that the path finds, as JSON text; the data itself where there is no path. The
    /// selector is not applied.
    pub fn find_one(&self, data: Value<'_>) -> Result<String, TransformError> {
        let Some(path) = &self.path else { return Ok(data.raw().to_owned()) };
        let mut out = String::new();
        match found(path, data, &mut 0)?.as_slice() {
            [node] => write_node(&mut out, node)?,
            nodes => {
                return Err(TransformError::NotOne { path: path.text.clone(), count: nodes.len() });
            }
        }
        Ok(out)
    }

    /// Appends what the selector makes of data.
    fn select(
        &self,
        data: Value<'_>,
        work: &mut usize,
        out: &mut String,
    ) -> Result<(), TransformError> {
        if self.selector.is_empty() {
            return write(out, &[data.raw()]);
        }
        if !matches!(data.item(), Item::Object(_) | Item::Array(_)) {
            return Err(TransformError::NotSelectable(data.kind_name()));
        }
        for (index, field) in self.selector.iter().enumerate() {
            out.push_str(if index == 0 { "{" } else { ", " });
            write_string(out, &field.name);
            out.push_str(": ");
            field.write(data, work, out)?;
        }
        out.push('}');
        Ok(())
    }
}

impl Field {
    fn write(
        &self,
        data: Value<'_>,
        work: &mut usize,
        out: &mut String,
    ) -> Result<(), TransformError> {
        for path in &self.paths {
            let found = found(path, data, work)?;
            if found.iter().any(|node| !(self.passes_null && is_null(node))) {
                return write_found(out, &found);
            }
        }
        match &self.otherwise {
            Some(text) => write_string(out, text),
            None => out.push_str("null"),
        }
        Ok(())
    }
}

fn found<'d>(
    path: &Path,
    data: Value<'d>,
    work: &mut usize,
) -> Result<Vec<Node<'d>>, TransformError> {
    let failed = |problem| TransformError::Path { path: path.text.clone(), problem };
    Search::new(data, work).run(&path.expr).map_err(failed)
}

fn is_null(node: &Node<'_>) -> bool {
    !node.is_wrapped
        && match node.datum {
            Datum::Value(value) => value.is_null(),
            Datum::Null | Datum::Nothing => true,
            Datum::Char(_) => false,
        }
}

/// Appends what a path found: nothing as `null`, one thing bare, more as an array.
fn write_found(out: &mut String, found: &[Node<'_>]) -> Result<(), TransformError> {
    match found {
        [] => write(out, &["null"]),
        [node] => write_node(out, node),
        nodes => {
            for (index, node) in nodes.iter().enumerate() {
                write(out, &[if index == 0 { "[" } else { ", " }])?;
                write_node(out, node)?;
            }
            write(out, &["]"])
        }
    }
}

fn write_node(out: &mut String, node: &Node<'_>) -> Result<(), TransformError> {
    let (before, piece, after) = match node.datum {
        Datum::Value(value) => ("", value.raw(), ""),
        Datum::Char(raw) => ("\"", raw, "\""),
        Datum::Null | Datum::Nothing => ("", "null", ""),
    };
    let (open, close) = if node.is_wrapped { ("[", "]") } else { ("", "") };
    write(out, &[open, before, piece, after, close])
}

fn write(out: &mut String, pieces: &[&str]) -> Result<(), TransformError> {
    for piece in pieces {
        if out.len() + piece.len() > MAX_RESULT {
            return Err(TransformError::TooLarge);
        }
        out.push_str(piece);
    }
    Ok(())
}

/// Puts constants, which are JSON texts, into an object: over members of their names in place, and
/// others at the end. Of two constants of one name the last counts. Without constants any data passes
/// as it is.
pub fn apply_mapping(
    data: Value<'_>,
    constants: &[(String, String)],
) -> Result<String, TransformError> {
    if constants.is_empty() {
        return Ok(data.raw().to_owned());
    }
    if !data.is_object() {
        return Err(TransformError::NotMappable(data.kind_name()));
    }
    let mut out = String::new();
    let members = data.resolved_members(false, &[]);
    for (name, value) in &members {
        let constant = constants.iter().rev().find(|(constant, _)| name.is(constant));
        out.push_str(if out.is_empty() { "{\"" } else { ", \"" });
        out.push_str(name.raw());
        out.push_str("\": ");
        out.push_str(constant.map_or(value.raw(), |(_, text)| text));
    }
    for (index, (name, _)) in constants.iter().enumerate() {
        let (before, from_here) = constants.split_at_checked(index).unwrap_or_default();
        let is_there = members.iter().any(|(member, _)| member.is(name))
            || before.iter().any(|(other, _)| other == name);
        if is_there {
            continue;
        }
        out.push_str(if out.is_empty() { "{" } else { ", " });
        write_string(&mut out, name);
        out.push_str(": ");
        let last = from_here.iter().rev().find(|(other, _)| other == name);
        out.push_str(last.map_or("null", |(_, text)| text));
    }
    out.push('}');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::Problem;
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect()
    }

    fn transformed(
        path: &str,
        selector: &[(&str, &str)],
        data: &str,
    ) -> Result<String, TransformError> {
        let document = Document::parse(data, ANY_DEPTH).unwrap();
        let transformer = Transformer::compile(Some(path), Some(&pairs(selector))).unwrap();
        transformer.apply(document.root())
    }

    fn found(path: &str, data: &str) -> Result<String, Problem> {
        transformed(path, &[], data).map_err(|error| match error {
            TransformError::Path { path: named, problem } => {
                assert_eq!(named, path);
                problem
            }
            other => panic!("{other}"),
        })
    }

    #[test]
    fn pieces_stay_as_they_were_written() {
        let data = r#"{"a":[1.50, -0,"\u0041\ud800" ],"b":{"x" : 1,"x":2}}"#;
        assert_eq!(found("a", data).unwrap(), r#"[1.50, -0,"\u0041\ud800" ]"#);
        assert_eq!(found("a[*]", data).unwrap(), r#"[1.50, -0, "\u0041\ud800"]"#);
        assert_eq!(found("a[2][1]", data).unwrap(), r#""\ud800""#);
        assert_eq!(found("b.*", data).unwrap(), "2");
        assert_eq!(found("b.x", data).unwrap(), "2");
        assert_eq!(found("b", data).unwrap(), r#"{"x" : 1,"x":2}"#);
    }

    #[test]
    fn one_thing_is_told_from_none_from_null_and_from_a_list() {
        let data = Document::parse(r#"{"n":null,"l":[1,2]}"#, Dialect::PYTHON).unwrap();
        let one = |path| Transformer::compile(Some(path), None).unwrap().find_one(data.root());
        assert_eq!(one("$.n").unwrap(), "null");
        assert_eq!(one("$.l").unwrap(), "[1,2]");
        for (path, count) in [("$.x", 0), ("$.l[*]", 2)] {
            assert_eq!(one(path), Err(TransformError::NotOne { path: path.to_owned(), count }));
        }
    }

    #[test]
    fn an_index_on_an_object_fails_within_its_length() {
        let data = r#"{"o":{"x":1,"x":2},"e":{},"z":0,"f":-0.0,"t":true,"n":1e-400}"#;
        assert_eq!(found("o[0]", data), Err(Problem::NotIndexable));
        assert_eq!(found("o[-1]", data), Err(Problem::NotIndexable));
        assert_eq!(found("o[1]", data).unwrap(), "null");
        for empty in ["e[0]", "z[0]", "f[0]", "n[0]", "e[*]", "z[*]", "f[*]"] {
            assert_eq!(found(empty, data).unwrap(), "null", "{empty}");
        }
        assert_eq!(found("t[0]", data), Err(Problem::NotIndexable));
        assert_eq!(found("t[*]", data).unwrap(), "true");
        assert_eq!(found("(e|z)[::0]", data).unwrap(), "null");
        assert_eq!(found("t[::0]", data), Err(Problem::StepZero));
    }

    #[test]
    fn parents_are_those_that_the_library_knows() {
        let data = r#"{"a":{"b":[1,2]},"n":5}"#;
        assert_eq!(found("a.b.`parent`.`parent`.n", data).unwrap(), "5");
        // The array of one element that a slice has made.
        assert_eq!(found("n[*].`parent`", data).unwrap(), "[5]");
        assert_eq!(found("n[*].`parent`.`parent`.n", data).unwrap(), "5");
        assert_eq!(found("$[*].$", data).unwrap(), format!("[{data}]"));
        // Around the whole.
        assert_eq!(found("`parent`", data), Err(Problem::NoParent));
        assert_eq!(found("`parent`..a", data), Err(Problem::NoParent));
        assert_eq!(found("`parent`.`this`", data).unwrap(), "null");
        assert_eq!(found("`parent`.$.a", data).unwrap(), "null");
        assert_eq!(found("`parent`.(a|*|[0]|[*])", data).unwrap(), "null");
        assert_eq!(found("$ where `parent`", data).unwrap(), data);
    }

    #[test]
    fn an_intersection_fails_where_it_is_reached() {
        assert_eq!(found("a & b", "{}"), Err(Problem::Intersection));
        assert_eq!(found("a.(b & c)", "{}").unwrap(), "null");
    }

    #[test]
    fn a_selector_takes_a_list_of_matches() {
        let data = r#"{"l":[{"v":1},{"v":2}],"s":"x"}"#;
        let selector = [("first", "$[0].v"), ("all", "$[*].v"), ("é", "text, as it is")];
        assert_eq!(
            transformed("l[*]", &selector, data).unwrap(),
            r#"{"first": 1, "all": [1, 2], "\u00e9": "text, as it is"}"#
        );
        assert_eq!(transformed("s[*].`parent`", &[("v", "$[0]")], data).unwrap(), r#"{"v": "x"}"#);
        let failed = transformed("s[0]", &[("v", "$")], data);
        assert_eq!(failed, Err(TransformError::NotSelectable("a string")));
        let failed = transformed("none", &[("v", "$")], data);
        assert_eq!(failed, Err(TransformError::NotSelectable("null")));
    }

    #[test]
    fn depth_needs_no_native_stack() {
        let deep = format!("{}{{\"x\":1}}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(found("$..x", &deep).unwrap(), "1");
        assert_eq!(transformed("$[*]", &[("v", "$..x")], &deep).unwrap(), r#"{"v": 1}"#);
    }

    #[test]
    fn work_is_bounded() {
        let wide = format!("[{}1]", "1,".repeat(10_000));
        assert_eq!(found("$..$..`this`", &wide), Err(Problem::TooMuchWork));
        let doubling = format!("$..`this`{}", ".(`this`|`this`)".repeat(100));
        assert_eq!(found(&doubling, &wide), Err(Problem::TooMuchWork));
        assert_eq!(found("$..`parent`..$..[0:1]", &wide), Err(Problem::NoParent));
        assert_eq!(found("$[*]..$[*]", &wide), Err(Problem::TooMuchWork));
        let fields: Vec<_> = (0..200).map(|index| index.to_string()).collect();
        let fields: Vec<_> = fields.iter().map(|name| (name.as_str(), "$..x")).collect();
        let failed = transformed("$", &fields, &wide).unwrap_err();
        assert!(matches!(failed, TransformError::Path { problem: Problem::TooMuchWork, .. }));
    }

    #[test]
    fn results_are_bounded() {
        let large = format!("[\"{}\",{}0]", "x".repeat(100_000), "0,".repeat(1000));
        assert_eq!(transformed("$..$", &[], &large), Err(TransformError::TooLarge));
    }

    fn mapped(data: &str, constants: &[(&str, &str)]) -> Result<String, TransformError> {
        let document = Document::parse(data, Dialect::PYTHON).unwrap();
        apply_mapping(document.root(), &pairs(constants))
    }

    #[test]
    fn constants_go_over_members_in_place() {
        assert_eq!(
            mapped(r#"{"b":1,"\u0061":2,"b":3}"#, &[("c", "[]"), ("a", "\"x\""), ("c", "1.50")])
                .unwrap(),
            r#"{"b": 3, "\u0061": "x", "c": 1.50}"#
        );
        assert_eq!(mapped("{}", &[("a", "1")]).unwrap(), r#"{"a": 1}"#);
        assert_eq!(mapped("[1]", &[]).unwrap(), "[1]");
        assert_eq!(mapped("[1]", &[("a", "1")]), Err(TransformError::NotMappable("an array")));
    }
}
