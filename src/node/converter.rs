//! Nodes that make text of web pages: `{"content": "<html>…"}` becomes `{"content", "title"}`.

use super::{Execution, NodeError};
use crate::definition::{Converter, PageFormat, PagePart};
#[cfg(not(without_pages))]
use crate::html::convert;
use crate::html::{Format, Part};
use crate::json::{Str, Value, write_string};

/// Keeps the page and nothing else of the input.
pub(super) fn validate(input: Value<'_>) -> Result<String, NodeError> {
    let page = page(input)?;
    Ok(format!("{{\"content\": \"{}\"}}", page.raw()))
}

fn page(input: Value<'_>) -> Result<Str<'_>, NodeError> {
    let problem = match input.get("content") {
        Some(content) => match content.as_str() {
            Some(page) => return Ok(page),
            None => format!("has to be the text of a page, not {}", content.kind_name()),
        },
        None => "is missing: it has to be the text of a page".to_owned(),
    };
    Err(NodeError::Validation(format!("input.content {problem}")))
}

/// What the node does, for canonical keys.
pub(super) fn fingerprint(converter: Converter) -> &'static str {
    match (converter.format, converter.part) {
        (PageFormat::Markdown, PagePart::Page) => r#"{"format":"markdown","part":"page"}"#,
        (PageFormat::Markdown, PagePart::Main) => r#"{"format":"markdown","part":"main"}"#,
        (PageFormat::Text, PagePart::Page) => r#"{"format":"text","part":"page"}"#,
        (PageFormat::Text, PagePart::Main) => r#"{"format":"text","part":"main"}"#,
    }
}

/// Converts the page.
pub(super) fn execute(converter: Converter, execution: Execution<'_>) -> Result<String, NodeError> {
    execution.running();
    let invalid = |message: String| NodeError::Validation(format!("input.content: {message}"));
    let page = page(execution.input)?;
    let page = page.to_str().ok_or_else(|| invalid("it holds a lone surrogate".to_owned()))?;
    let format = match converter.format {
        PageFormat::Markdown => Format::Markdown,
        PageFormat::Text => Format::Text,
    };
    let part = match converter.part {
        PagePart::Page => Part::Page,
        PagePart::Main => Part::Main,
    };
    let page = convert(&page, format, part).map_err(|error| invalid(error.to_string()))?;
    let mut out = String::with_capacity(page.content.len() + 64);
    out.push_str("{\"content\": ");
    write_string(&mut out, &page.content);
    out.push_str(", \"title\": ");
    match page.title {
        Some(title) => write_string(&mut out, &title),
        None => out.push_str("null"),
    }
    out.push('}');
    Ok(out)
}

/// A Worker in which no node is a converter does not carry one: it would be a fifth of its size.
#[cfg(without_pages)]
fn convert(_: &str, _: Format, _: Part) -> Result<crate::html::Page, crate::html::HtmlError> {
    Err(crate::html::HtmlError::TooLarge)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::json::{Dialect, Document};
    use crate::node::NoCallbacks;

    fn converted(input: &str, converter: Converter) -> Result<String, String> {
        let document = Document::parse(input, Dialect::PYTHON).unwrap();
        let hashed = validate(document.root()).map_err(|error| error.to_string())?;
        let document = Document::parse(&hashed, Dialect::PYTHON).unwrap();
        let used = Cell::default();
        let execution = Execution {
            input: document.root(),
            node_id: "a",
            callbacks: &NoCallbacks,
            used: &used,
        };
        execute(converter, execution).map_err(|error| error.to_string())
    }

    const MARKDOWN: Converter = Converter { format: PageFormat::Markdown, part: PagePart::Page };

    #[test]
    fn a_page_becomes_text_with_its_title() {
        let input = r#"{"content": "<title>Tea</title><nav>Home</nav><main><h1>Caf\u00e9</h1></main>", "other": 1}"#;
        let output = |converter| converted(input, converter).unwrap();
        assert_eq!(output(MARKDOWN), r##"{"content": "Home\n\n# Caf\u00e9", "title": "Tea"}"##);
        let main = Converter { format: PageFormat::Text, part: PagePart::Main };
        assert_eq!(output(main), r#"{"content": "Caf\u00e9", "title": "Tea"}"#);
        assert_eq!(
            converted(r#"{"content": ""}"#, MARKDOWN).unwrap(),
            r#"{"content": "", "title": null}"#
        );
    }

    #[test]
    fn only_the_page_is_hashed() {
        let document =
            Document::parse(r#"{"id": 1, "content": "<p>\u00e9", "x": {}}"#, Dialect::STRICT)
                .unwrap();
        assert_eq!(validate(document.root()).unwrap(), r#"{"content": "<p>\u00e9"}"#);
    }

    #[test]
    fn what_is_no_page_is_refused_by_name() {
        for (input, message) in [
            ("{}", "input.content is missing"),
            (
                r#"{"content": {"a": 1}}"#,
                "input.content has to be the text of a page, not an object",
            ),
            (r#"{"content": "\ud800"}"#, "input.content: it holds a lone surrogate"),
            (r#"{"content": "\u0000"}"#, "input.content: the page holds binary data"),
        ] {
            let error = converted(input, MARKDOWN).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
