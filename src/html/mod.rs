//! Web pages as text for models to read: HTML to Markdown, or to plain text.
//!
//! What a reader of the page would not read is left out: scripts, styles, controls, embedded
//! things, and what is marked as hidden. Structure becomes Markdown's: headings, lists, quotations,
//! code, tables, links, images with a text in their place. A table that holds more than lines of
//! text is taken for layout, and its cells become paragraphs.
//!
//! No tree is built. The tokens of the WHATWG's standard, as html5gum gives them, are read once,
//! so that time and memory go with the length of the text, however it is nested and whatever is
//! left open.

mod element;
mod escape;
mod reader;
mod skip;
mod table;
mod tokens;
mod writer;

use html5gum::Tokenizer;

use reader::Reader;
use tokens::Tokens;

/// The longest text that is converted, in bytes.
pub const MAX_INPUT_LEN: usize = 2 * 1024 * 1024;

/// The longest text that comes of it, in bytes. What begins a line is repeated in each line, so
/// that a text can grow.
pub const MAX_OUTPUT_LEN: usize = 4 * 1024 * 1024;

/// How deep headings, lists, quotations and tables may be nested. Other elements do not count.
pub const MAX_DEPTH: usize = 256;

/// What the text of a page is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CommonMark, with the tables of GitHub.
    Markdown,
    /// Lines of text, without marks and addresses. Items of lists keep their markers.
    Text,
}

/// What of a page is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All that is there to be read.
    Page,
    /// What `<main>` holds; without one, all but `<nav>`, `<aside>`, `<footer>` and what has such a
    /// role.
    Main,
}

/// The text of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The text of `<title>` in one line.
    pub title: Option<String>,
    /// What can be read, without white space around it. Empty when there is nothing.
    pub content: String,
}

/// Why a text cannot be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HtmlError {
    /// The text is longer than [`MAX_INPUT_LEN`].
    #[error("the page is longer than {MAX_INPUT_LEN} bytes: convert a part of it")]
    TooLarge,
    /// The text holds a NUL, as no page does.
    #[error("the page holds binary data: give the text of an HTML page")]
    Binary,
    /// Elements are nested deeper than [`MAX_DEPTH`].
    #[error(
        "the page nests lists, quotations and tables deeper than {MAX_DEPTH}: convert a part of it"
    )]
    TooDeep,
    /// The result would be longer than [`MAX_OUTPUT_LEN`].
    #[error("the text of the page is longer than {MAX_OUTPUT_LEN} bytes: convert a part of it")]
    OutputTooLarge,
}

/// The text of a page. Any text is a page; what is wrong in it is taken as browsers take it, nearly.
///
/// ```
/// use edgememo::html::{Format, Part, convert};
///
/// let html = "<title>Tea</title><h1>Tea</h1><p>Water of <b>95 °C</b>.<script>track()</script>";
/// let page = convert(html, Format::Markdown, Part::Page)?;
/// assert_eq!(page.title.as_deref(), Some("Tea"));
/// assert_eq!(page.content, "# Tea\n\nWater of **95 °C**.");
/// # Ok::<(), edgememo::html::HtmlError>(())
/// ```
pub fn convert(html: &str, format: Format, part: Part) -> Result<Page, HtmlError> {
    if html.len() > MAX_INPUT_LEN {
        return Err(HtmlError::TooLarge);
    }
    if html.contains('\0') {
        return Err(HtmlError::Binary);
    }
    let mut reader = Reader::new(format, part);
    // A string cannot fail to be read, so what comes is an error of the reader.
    if let Some(Ok(error)) = Tokenizer::new_with_emitter(html, Tokens::new(&mut reader)).next() {
        return Err(error);
    }
    reader.finish()
}
