//! Nodes that make text of web pages.

use serde::{Deserialize, Serialize};

/// How a page becomes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converter {
    /// What the text is written in.
    pub format: PageFormat,
    /// What of the page it is made of.
    pub part: PagePart,
}

/// What the text of a page is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PageFormat {
    /// CommonMark, with tables.
    #[default]
    Markdown,
    /// Lines of text.
    Text,
}

/// What of a page is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PagePart {
    /// All that is there to be read.
    #[default]
    Page,
    /// Its main content.
    Main,
}
