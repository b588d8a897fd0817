//! What an element means for the text of a page.

/// What an element means for the text of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// Its contents are not text of the page: scripts, styles, controls, what is embedded.
    Dropped,
    /// Dropped too, with rules of its own: see `skip`.
    Svg,
    /// The title of the page.
    Title,
    /// What surrounds the content: navigation and the like.
    Surrounding,
    Main,
    /// A paragraph of its own.
    Block,
    /// A line of its own.
    Line,
    /// Text in a line that touches nothing, as a button.
    Spaced,
    Heading(u8),
    Quote,
    Preformatted,
    List {
        ordered: bool,
    },
    Item,
    Table,
    Row,
    Cell,
    Break,
    Rule,
    Image,
    Strong,
    Emphasis,
    Code,
    Link,
    Quotation,
    /// Has neither contents nor an end, and means nothing here.
    Void,
    /// Its contents are text like the text around it.
    Inline,
}

impl Element {
    /// The element with this name, which is in lower case.
    pub(super) fn named(name: &[u8]) -> Self {
        match name {
            b"script" | b"style" | b"noscript" | b"template" | b"iframe" | b"object"
            | b"canvas" | b"audio" | b"video" | b"select" | b"datalist" | b"textarea"
            | b"noembed" | b"noframes" | b"annotation" | b"annotation-xml" => Self::Dropped,
            b"svg" => Self::Svg,
            b"title" => Self::Title,
            b"nav" | b"aside" | b"footer" => Self::Surrounding,
            b"main" => Self::Main,
            b"p" | b"article" | b"section" | b"header" | b"address" | b"figure" | b"figcaption"
            | b"form" | b"fieldset" | b"legend" | b"details" | b"dialog" | b"dl" | b"hgroup"
            | b"search" | b"menu" | b"caption" | b"center" | b"body" => Self::Block,
            b"div" | b"dt" | b"dd" | b"summary" | b"option" | b"optgroup" => Self::Line,
            b"button" | b"label" => Self::Spaced,
            b"h1" => Self::Heading(1),
            b"h2" => Self::Heading(2),
            b"h3" => Self::Heading(3),
            b"h4" => Self::Heading(4),
            b"h5" => Self::Heading(5),
            b"h6" => Self::Heading(6),
            b"blockquote" => Self::Quote,
            b"pre" | b"listing" | b"xmp" => Self::Preformatted,
            b"ul" => Self::List { ordered: false },
            b"ol" => Self::List { ordered: true },
            b"li" => Self::Item,
            b"table" => Self::Table,
            b"tr" => Self::Row,
            b"td" | b"th" => Self::Cell,
            b"br" => Self::Break,
            b"hr" => Self::Rule,
            b"img" => Self::Image,
            b"strong" | b"b" => Self::Strong,
            b"em" | b"i" | b"cite" | b"dfn" => Self::Emphasis,
            b"code" | b"kbd" | b"samp" | b"tt" => Self::Code,
            b"a" => Self::Link,
            b"q" => Self::Quotation,
            b"area" | b"base" | b"basefont" | b"bgsound" | b"col" | b"embed" | b"input"
            | b"link" | b"meta" | b"param" | b"source" | b"track" | b"wbr" => Self::Void,
            _ => Self::Inline,
        }
    }

    /// Whether it has neither contents nor an end tag.
    pub(super) fn is_void(self) -> bool {
        matches!(self, Self::Void | Self::Break | Self::Rule | Self::Image)
    }

    /// Whether it stands in a line of text.
    pub(super) fn is_inline(self) -> bool {
        matches!(
            self,
            Self::Inline
                | Self::Spaced
                | Self::Strong
                | Self::Emphasis
                | Self::Code
                | Self::Link
                | Self::Quotation
                | Self::Image
                | Self::Void
                | Self::Break
                | Self::Dropped
                | Self::Svg
                | Self::Title
        )
    }
}
