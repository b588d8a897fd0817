//! Templates as Jinja2 3.1 reads them: from text to a tree, with what the edge does not have refused
//! by name. Shared with the build script; [`crate::prompt`] renders the tree.

pub(crate) mod ast;
mod lexer;
mod parser;
mod scope;

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use ast::{Expr, Literal, Scope, Stmt};

#[allow(unused_imports, reason = "the build script does not render")]
pub(crate) use {lexer::is_space, scope::walk};

/// The functions that templates have without an input.
pub(crate) const GLOBALS: [&str; 6] = ["range", "dict", "lipsum", "cycler", "joiner", "namespace"];

/// The filters of the edge. Others of Jinja2 are refused.
pub(crate) const FILTERS: [&str; 49] = [
    "abs",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "forceescape",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
];

/// The tests of the edge.
pub(crate) const TESTS: [&str; 37] = [
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "true",
    "undefined",
    "upper",
];

/// Methods that Python's texts, lists and objects have and the edge does not.
const METHODS_REFUSED: [&str; 21] = [
    "append",
    "clear",
    "encode",
    "expandtabs",
    "extend",
    "format_map",
    "fromkeys",
    "insert",
    "istitle",
    "maketrans",
    "pop",
    "popitem",
    "remove",
    "setdefault",
    "sort",
    "swapcase",
    "translate",
    "unescape",
    "update",
    "as_integer_ratio",
    "bit_length",
];

/// Why a text is no template that the edge can render.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Counted from 1; 0 when it is about the whole.
    pub line: u32,
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if self.line > 0 {
            write!(f, " (in line {} of the template)", self.line)?;
        }
        Ok(())
    }
}

/// A template that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    pub body: Vec<Stmt>,
    pub scope: Scope,
    /// The variables that an input has to have. One that is only tested or has a default is needed
    /// too.
    pub required: BTreeSet<Rc<str>>,
}

impl Template {
    /// Reads a template.
    pub fn parse(source: &str) -> Result<Self, Mistake> {
        let mut body = parser::parse(source)?;
        let mut refused = None;
        scope::any_expr(&body, &mut |expr| {
            if refused.is_none() {
                refused = refusal(expr);
            }
        });
        if let Some(reason) = refused {
            return Err(Mistake { line: 0, reason });
        }
        let (scope, required) = scope::resolve(&mut body)?;
        Ok(Self { body, scope, required })
    }
}

/// What in an expression the edge does not have.
fn refusal(expr: &Expr) -> Option<String> {
    let missing = |kind: &str, name: &str| Some(format!("the edge has no {kind} `{name}`"));
    match expr {
        Expr::Filter(_, name, args) => {
            if !FILTERS.contains(&&**name) {
                return missing("filter", name);
            }
            let (kind, known, at) = match &**name {
                "map" => ("filter", FILTERS.as_slice(), 0),
                "select" | "reject" => ("test", TESTS.as_slice(), 0),
                "selectattr" | "rejectattr" => ("test", TESTS.as_slice(), 1),
                _ => return None,
            };
            match args.positional.get(at) {
                Some(Expr::Literal(Literal::Str(name))) if !known.contains(&&**name) => {
                    missing(kind, name)
                }
                _ => None,
            }
        }
        Expr::Test(_, name, _) if !TESTS.contains(&&**name) => missing("test", name),
        Expr::Attr(_, name) if name.starts_with("__") => missing("attribute", name),
        Expr::Name(name) if matches!(&**name, "self" | "lipsum") => missing("function", name),
        // Jinja2 computes it when it reads the template.
        Expr::Dict(pairs) if pairs.iter().any(|(key, _)| is_unhashable(key)) => {
            Some("a list cannot be a key".to_owned())
        }
        Expr::Call(callee, _) => match &**callee {
            Expr::Attr(_, name) if METHODS_REFUSED.contains(&&**name) => missing("method", name),
            _ => None,
        },
        _ => None,
    }
}

fn is_unhashable(key: &Expr) -> bool {
    match key {
        Expr::List(_) | Expr::Dict(_) => true,
        Expr::Tuple(items) => items.iter().any(is_unhashable),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required(source: &str) -> Result<Vec<String>, String> {
        match Template::parse(source) {
            Ok(template) => Ok(template.required.iter().map(|name| name.to_string()).collect()),
            Err(mistake) => Err(mistake.to_string()),
        }
    }

    #[test]
    fn variables_are_found_in_branches_and_tests_too() {
        for (source, names) in [
            (
                "{{ a.b }}{% if c is defined %}{{ d | default('x') }}{% endif %}",
                vec!["a", "c", "d"],
            ),
            ("{% for i in range(3) %}{{ i }}{{ loop.index }}{% endfor %}", vec![]),
            ("{% set x = y %}{{ x }}", vec!["y"]),
            ("{% if f %}{% set x = 1 %}{% endif %}{{ x }}", vec!["f", "x"]),
            (
                "{% if f %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}",
                vec!["f", "x"],
            ),
            ("{% macro m(a, b=c) %}{{ a }}{{ d }}{{ caller() }}{% endmacro %}", vec!["c", "d"]),
            (
                "{% for x in l if x > y %}{% set z = z %}{% else %}{{ x }}{% endfor %}",
                vec!["l", "x", "y", "z"],
            ),
            ("{% with a = b %}{{ a }}{% endwith %}{{ a }}", vec!["a", "b"]),
            ("{# {{ a }} #}{% raw %}{{ b }}{% endraw %}{{ null }}", vec!["null"]),
            (
                "{% set x %}{{ y }}{% endset %}{% filter replace('a', z) %}{% endfilter %}",
                vec!["y", "z"],
            ),
            ("{{ loop }}{{ caller }}", vec!["caller", "loop"]),
        ] {
            assert_eq!(required(source).unwrap(), names, "{source}");
        }
    }

    #[test]
    fn what_the_edge_cannot_render_is_named() {
        for (source, reason) in [
            ("{% if 0 %}{{ a | urlize }}{% endif %}", "the edge has no filter `urlize`"),
            ("{{ a | map('urlize') }}", "the edge has no filter `urlize`"),
            ("{{ a is filter }}", "the edge has no test `filter`"),
            ("{{ a.append(1) }}", "the edge has no method `append`"),
            ("{{ lipsum() }}", "the edge has no function `lipsum`"),
            ("{{ a.__class__ }}", "the edge has no attribute `__class__`"),
            (
                "{% include 'x' %}",
                "there are no other templates to include (in line 1 of the template)",
            ),
            (
                "{% block x %}{% endblock %}",
                "the edge has no tag `block` (in line 1 of the template)",
            ),
            (
                "\n{{ a",
                "syntax error: expected `}}`, found the end of the template (in line 2 of the template)",
            ),
            ("{% if 0 %}{{ {[1]: 2} }}{% endif %}", "a list cannot be a key"),
            ("{% for loop in l %}{% endfor %}", "`loop` cannot be set in a loop"),
        ] {
            assert_eq!(required(source).unwrap_err(), reason, "{source}");
        }
        let deep = format!("{{{{ {}1{} }}}}", "(".repeat(40), ")".repeat(40));
        assert!(required(&deep).unwrap_err().contains("brackets in one another"));
        let long = format!("{{{{ 1{} }}}}", " + 1".repeat(61));
        assert!(required(&long).unwrap_err().contains("operators in an expression"));
        let nested = "{% if 1 %}".repeat(17) + &"{% endif %}".repeat(17);
        assert!(required(&nested).unwrap_err().contains("blocks in one another"));
    }
}
