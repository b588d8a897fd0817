//! The form in which the Worker carries transformers: one list of texts, in which whatever has parts
//! comes after them.
//!
//! | text | meaning |
//! |---|---|
//! | `$` `@` `^` `*` | the whole, `` `this` ``, `` `parent` ``, all members |
//! | `'a` | the member `a` |
//! | `,b` | the member `b` too |
//! | `[1` `[1::` | an index, a slice |
//! | `.` `..` `\|` `&` `?` | the operators; `?` is `where` |
//! | `=$.a` | a path, as it was given |
//! | `/` | it is the transformer's |
//! | `!text` | what a field is otherwise |
//! | `#name` | a field of the selector |
//! | `~name` | a field whose paths pass over `null` |
//!
//! Reading it takes less of the Worker than compiling texts, or than forms that `serde` derives.

use super::parser::{Expr, Op};
use super::{Field, Path, Transformer};

impl From<Transformer> for Vec<String> {
    fn from(transformer: Transformer) -> Self {
        let mut carried = Vec::new();
        if let Some(path) = &transformer.path {
            write_path(path, &mut carried);
            carried.push("/".to_owned());
        }
        for field in &transformer.selector {
            field.paths.iter().for_each(|path| write_path(path, &mut carried));
            carried.extend(field.otherwise.iter().map(|text| format!("!{text}")));
            carried.push(format!("{}{}", if field.passes_null { "~" } else { "#" }, field.name));
        }
        carried
    }
}

fn write_path(path: &Path, carried: &mut Vec<String>) {
    write(&path.expr, carried);
    carried.push(format!("={}", path.text));
}

/// Calls itself as deep as operators stand in one another, which the parser bounds.
fn write(expr: &Expr, carried: &mut Vec<String>) {
    let text = match expr {
        Expr::Root => "$".to_owned(),
        Expr::This => "@".to_owned(),
        Expr::Parent => "^".to_owned(),
        Expr::Every => "*".to_owned(),
        Expr::Index(index) => format!("[{index}"),
        Expr::Slice(bounds) => {
            let bounds = bounds.map(|bound| bound.map_or(String::new(), |bound| bound.to_string()));
            format!("[{}", bounds.join(":"))
        }
        Expr::Fields(names) => {
            for (index, name) in names.iter().enumerate() {
                carried.push(format!("{}{name}", if index == 0 { "'" } else { "," }));
            }
            return;
        }
        Expr::Binary(op, left, right) => {
            write(left, carried);
            write(right, carried);
            let op = match op {
                Op::Child => ".",
                Op::Descendants => "..",
                Op::Union => "|",
                Op::Intersect => "&",
                Op::Where => "?",
            };
            op.to_owned()
        }
    };
    carried.push(text);
}

impl TryFrom<Vec<String>> for Transformer {
    type Error = &'static str;

    fn try_from(carried: Vec<String>) -> Result<Self, Self::Error> {
        read(&carried).ok_or("a transformer that no build has made")
    }
}

fn read(carried: &[String]) -> Option<Transformer> {
    let mut transformer = Transformer::default();
    let mut operands: Vec<Expr> = Vec::new();
    let mut paths = Vec::new();
    let mut otherwise = None;
    for part in carried {
        let (kind, rest) = part.split_at_checked(1)?;
        let expr = match kind {
            "$" => Expr::Root,
            "@" => Expr::This,
            "^" => Expr::Parent,
            "*" => Expr::Every,
            "." | "|" | "&" | "?" => {
                let op = match kind {
                    "|" => Op::Union,
                    "&" => Op::Intersect,
                    "?" => Op::Where,
                    _ if rest.is_empty() => Op::Child,
                    _ => Op::Descendants,
                };
                let right = Box::new(operands.pop()?);
                Expr::Binary(op, Box::new(operands.pop()?), right)
            }
            "'" => Expr::Fields(vec![rest.to_owned()]),
            "[" => {
                let mut bounds = rest.split(':').map(|bound| bound.parse().ok());
                match (bounds.next()?, bounds.next(), bounds.next()) {
                    (Some(index), None, None) => Expr::Index(index),
                    (start, Some(end), Some(step)) => Expr::Slice([start, end, step]),
                    _ => return None,
                }
            }
            other => {
                match other {
                    "," => match operands.last_mut()? {
                        Expr::Fields(names) => names.push(rest.to_owned()),
                        _ => return None,
                    },
                    "=" => paths.push(Path { text: rest.to_owned(), expr: operands.pop()? }),
                    "/" => transformer.path = Some(paths.pop()?),
                    "!" => otherwise = Some(rest.to_owned()),
                    "#" | "~" => transformer.selector.push(Field {
                        name: rest.to_owned(),
                        paths: std::mem::take(&mut paths),
                        passes_null: other == "~",
                        otherwise: otherwise.take(),
                    }),
                    _ => return None,
                }
                continue;
            }
        };
        operands.push(expr);
    }
    let is_all = operands.is_empty() && paths.is_empty() && otherwise.is_none();
    is_all.then_some(transformer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(transformer: &Transformer) -> Vec<String> {
        let carried: Vec<String> = transformer.clone().into();
        assert_eq!(Transformer::try_from(carried.clone()).as_ref(), Ok(transformer));
        carried
    }

    #[test]
    fn paths_are_read_as_they_were_written() {
        for (text, expected) in [
            ("$.a", &["$", "'a", "."][..]),
            ("a,'b',''", &["'a", ",b", ","]),
            ("[0][-1:][*]", &["[0", "[-1::", ".", "[::", "."]),
            ("$..*|`this`", &["$", "*", "@", "|", ".."]),
            ("(`parent` where '$') & a", &["^", "'$", "?", "'a", "&"]),
        ] {
            let mut parts = carried(&Transformer::compile(Some(text), None).unwrap());
            assert_eq!(parts.split_off(expected.len()), [format!("={text}"), "/".to_owned()]);
            assert_eq!(parts, expected, "{text}");
        }
    }

    #[test]
    fn fields_are_read_as_they_were_written() {
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let selector = [pair("", "$"), pair("b", "a b"), pair("c", "$ || @ || x"), pair("d", "a")];
        let transformer = Transformer::compile(Some("*"), Some(&selector)).unwrap();
        let expected = [
            "*", "=*", "/", "$", "=$", "#", "!a b", "#b", "$", "=$", "'@", "=@", "!x", "~c", "'a",
            "=a", "!a", "#d",
        ];
        assert_eq!(carried(&transformer), expected);
        assert!(carried(&Transformer::default()).is_empty());
    }

    #[test]
    fn what_no_build_has_made_is_refused() {
        for parts in [
            &[""][..],
            &["x"],
            &["é"],
            &["."],
            &["$", "."],
            &["$"],
            &["$", "=$"],
            &["=$"],
            &["/"],
            &["!a"],
            &["$", ",b"],
            &["["],
            &["[1:2"],
        ] {
            let parts: Vec<String> = parts.iter().map(|&part| part.to_owned()).collect();
            assert!(Transformer::try_from(parts.clone()).is_err(), "{parts:?}");
        }
    }
}
