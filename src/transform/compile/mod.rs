//! The part of transformers that the build script compiles definitions with. What it compiles can be
//! carried as JSON, so that the Worker has no use for the lexer and the parser.

mod carried;
mod lexer;
pub(crate) mod parser;

use serde::{Deserialize, Serialize};

use parser::Expr;
pub use parser::Mistake;

/// `path` and `selector` of a transformer, compiled: what the path finds in the data, or an object
/// with a field for each of the selector's, found in what the path found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub struct Transformer {
    pub(crate) path: Option<Path>,
    pub(crate) selector: Vec<Field>,
}

/// A path that parses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) text: String,
    pub(crate) expr: Expr,
}

/// A field of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The first that finds something counts.
    pub(crate) paths: Vec<Path>,
    /// Whether a path that finds only `null` counts as one that finds nothing.
    pub(crate) passes_null: bool,
    /// The value when no path counts; None is `null`.
    pub(crate) otherwise: Option<String>,
}

/// Why a transformer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` cannot be used: {mistake}")]
pub struct CompileError {
    /// The path, or the alternative of a selector's field.
    pub expression: String,
    /// What is wrong with it.
    pub mistake: Mistake,
}

impl Transformer {
    /// Compiles a `path` and a `selector`, of which None, `""` and nothing mean not given.
    ///
    /// Fails for a path that always fails in Dynamiq, for a text in a selector that does, and for
    /// what the edge does not take; the message names it. In a selector most texts that are no path
    /// stand for themselves.
    pub fn compile(
        path: Option<&str>,
        selector: Option<&[(String, String)]>,
    ) -> Result<Self, CompileError> {
        let path = path.filter(|path| !path.is_empty()).map(Path::parse).transpose()?;
        let mut fields: Vec<Field> = Vec::new();
        for (name, text) in selector.unwrap_or_default() {
            let field = Field::compile(name, text)?;
            match fields.iter_mut().find(|other| other.name == *name) {
                Some(other) => *other = field,
                None => fields.push(field),
            }
        }
        Ok(Self { path, selector: fields })
    }

    /// Whether data passes unchanged.
    pub fn is_identity(&self) -> bool {
        self.path.is_none() && self.selector.is_empty()
    }
}

impl Path {
    fn parse(text: &str) -> Result<Self, CompileError> {
        let failed = |mistake| CompileError { expression: text.to_owned(), mistake };
        let expr = parser::parse(text).map_err(failed)?;
        Ok(Self { text: text.to_owned(), expr })
    }
}

impl Field {
    fn compile(name: &str, text: &str) -> Result<Self, CompileError> {
        let mut field =
            Self { name: name.to_owned(), paths: Vec::new(), passes_null: false, otherwise: None };
        let alternatives = || text.split("||").map(strip).filter(|part| !part.is_empty());
        if text.contains("||") && alternatives().any(is_rooted) {
            field.passes_null = true;
            for alternative in alternatives() {
                if !is_rooted(alternative) {
                    field.otherwise = Some(alternative.to_owned());
                    break;
                }
                match Path::parse(alternative) {
                    Ok(path) => field.paths.push(path),
                    Err(error) if error.mistake.is_ours() => return Err(error),
                    // One that does not parse is passed over, whatever the mistake.
                    Err(_) => {}
                }
            }
            return Ok(field);
        }
        match Path::parse(text) {
            Ok(path) => {
                field.paths.push(path);
                if !text.starts_with(['$', '@']) {
                    field.otherwise = Some(text.to_owned());
                }
            }
            Err(error) if error.mistake.is_of_parser() => field.otherwise = Some(text.to_owned()),
            Err(error) => return Err(error),
        }
        Ok(field)
    }
}

/// Without the white space around it, as Python's `strip` knows it.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
}

/// Whether a text has the shape of a path: `$` or `@`, and then nothing or something that follows.
pub(crate) fn is_rooted(text: &str) -> bool {
    text.strip_prefix(['$', '@'])
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> Result<(Vec<String>, Option<String>), Mistake> {
        let selector = [("v".to_owned(), text.to_owned())];
        let transformer =
            Transformer::compile(None, Some(&selector)).map_err(|error| error.mistake)?;
        let field = transformer.selector.into_iter().next().unwrap();
        Ok((field.paths.into_iter().map(|path| path.text).collect(), field.otherwise))
    }

    fn texts(paths: &[&str], otherwise: Option<&str>) -> (Vec<String>, Option<String>) {
        (paths.iter().map(|&path| path.to_owned()).collect(), otherwise.map(str::to_owned))
    }

    #[test]
    fn what_is_not_given_changes_nothing() {
        for (path, selector) in [(None, None), (Some(""), Some(&[][..])), (None, Some(&[][..]))] {
            assert!(Transformer::compile(path, selector).unwrap().is_identity());
        }
        assert!(!Transformer::compile(Some("$"), None).unwrap().is_identity());
    }

    #[test]
    fn a_text_is_a_path_or_itself() {
        assert_eq!(field("$.a").unwrap(), texts(&["$.a"], None));
        assert_eq!(field("@channel").unwrap(), texts(&["@channel"], None));
        assert_eq!(field("text").unwrap(), texts(&["text"], Some("text")));
        assert_eq!(field("two words").unwrap(), texts(&[], Some("two words")));
        assert_eq!(field("$.a[").unwrap(), texts(&[], Some("$.a[")));
        assert_eq!(field("").unwrap(), texts(&[], Some("")));
        assert_eq!(field("café"), Err(Mistake::Character('é')));
        assert_eq!(field("it's"), Err(Mistake::OpenQuote));
    }

    #[test]
    fn alternatives_end_with_the_first_text() {
        assert_eq!(field("$.a || @ || x || $.b").unwrap(), texts(&["$.a", "@"], Some("x")));
        assert_eq!(field(" || $.a[ ||$.b!|| $.c").unwrap(), texts(&["$.c"], None));
        assert_eq!(field("$a || b").unwrap(), texts(&[], Some("$a || b")));
        assert_eq!(field("$.a ||| b").unwrap(), texts(&["$.a"], Some("| b")));
        assert_eq!(field("\u{1c}$.a\u{a0}||\u{85}x\u{2003}").unwrap(), texts(&["$.a"], Some("x")));
        assert_eq!(field("$.l[\u{663}] || x"), Err(Mistake::ForeignDigit));
    }

    #[test]
    fn a_field_that_is_given_twice_counts_once() {
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let selector = [pair("a", "$.x"), pair("b", "$.y"), pair("a", "$.z")];
        let compiled = Transformer::compile(None, Some(&selector)).unwrap();
        let names: Vec<_> =
            compiled.selector.iter().map(|f| (f.name.as_str(), f.paths[0].text.as_str())).collect();
        assert_eq!(names, [("a", "$.z"), ("b", "$.y")]);
    }

    #[test]
    fn the_message_names_the_path() {
        let error = Transformer::compile(Some("$.text!"), None).unwrap_err();
        assert!(
            error.to_string().starts_with("`$.text!` cannot be used: `!` stands outside"),
            "{error}"
        );
    }
}
