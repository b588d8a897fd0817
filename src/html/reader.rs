//! The structure of a page: what is open, what ends it, and what is passed over.

use std::rc::Rc;

use super::element::Element;
use super::skip::Skip;
use super::table::Table;
use super::tokens::Attributes;
use super::writer::{Gap, Sheet, Style, is_space};
use super::{Format, HtmlError, MAX_DEPTH, Page, Part, escape};

/// How many cells stand in one another; those further in are lines. What is in a cell is written
/// once for each cell around it.
const MAX_CELLS: usize = 8;

/// An element that is open, and where what is written belongs to.
#[derive(Debug)]
enum Open {
    Heading,
    Quote,
    List { next: Option<u32>, is_nested: bool, is_indented: bool, has_items: bool },
    Item,
    Table(Table),
    Row,
    Cell(Box<Sheet>),
    Main(Box<Sheet>),
}

/// Makes a page of tags and texts.
pub(super) struct Reader {
    format: Format,
    part: Part,
    sheet: Sheet,
    /// What is open, from the outside in, with the style outside of it. A cell and the main part
    /// hold the sheet around them.
    stack: Vec<(Open, Style)>,
    skip: Option<Skip>,
    title: String,
    is_in_title: bool,
    is_title_read: bool,
    /// The text and the language of code that is open.
    code: Option<(String, String)>,
    main: Option<String>,
    error: Option<HtmlError>,
}

impl Reader {
    pub(super) fn new(format: Format, part: Part) -> Self {
        Self {
            format,
            part,
            sheet: Sheet::new(format),
            stack: Vec::new(),
            skip: None,
            title: String::new(),
            is_in_title: false,
            is_title_read: false,
            code: None,
            main: None,
            error: None,
        }
    }

    pub(super) fn take_error(&mut self) -> Option<HtmlError> {
        self.error.take()
    }

    pub(super) fn is_in_svg(&self) -> bool {
        self.skip.as_ref().is_some_and(Skip::is_in_svg)
    }

    /// The page, when the text has ended.
    pub(super) fn finish(mut self) -> Result<Page, HtmlError> {
        self.end_code();
        self.close_to(0);
        if let Some(error) = self.error {
            return Err(error);
        }
        let whole = self.sheet.finish();
        let words: Vec<_> = self.title.split(is_space).filter(|word| !word.is_empty()).collect();
        let title = words.join(" ");
        Ok(Page {
            title: (!title.is_empty()).then_some(title),
            content: self.main.filter(|main| !main.is_empty()).unwrap_or(whole),
        })
    }

    pub(super) fn text(&mut self, text: &str) {
        if self.skip.is_some() {
        } else if self.is_in_title {
            if !self.is_title_read {
                self.title.push_str(text);
            }
        } else if let Some((code, _)) = &mut self.code {
            code.push_str(text);
        } else {
            self.sheet.words(text);
        }
        self.check_size();
    }

    pub(super) fn start(&mut self, name: &[u8], attributes: &Attributes) {
        let element = Element::named(name);
        if let Some(skip) = &mut self.skip {
            if skip.start(name, element) {
                return;
            }
            self.skip = None;
        }
        if self.is_skipped(name, element, attributes) {
            if !element.is_void() {
                self.skip = Some(Skip::new(name, element));
            }
            return;
        }
        self.end_title();
        self.is_in_title = element == Element::Title;
        if self.code.is_some() {
            self.start_in_code(element, attributes);
        } else if element.is_inline() {
            self.start_inline(element, attributes);
        } else {
            self.start_block(element, attributes);
        }
        self.check_size();
    }

    pub(super) fn end(&mut self, name: &[u8]) {
        let element = Element::named(name);
        self.end_title();
        if let Some(skip) = &mut self.skip {
            if skip.end(name, element) {
                self.skip = None;
            }
            return;
        }
        match element {
            Element::Preformatted => self.end_code(),
            _ if self.code.is_some() => self.break_code(element),
            _ if element.is_inline() => self.end_inline(name, element),
            _ => self.end_block(element),
        }
        self.check_size();
    }

    /// The first title that holds anything is the page's.
    fn end_title(&mut self) {
        if std::mem::take(&mut self.is_in_title) {
            self.is_title_read = !self.title.chars().all(is_space);
            if !self.is_title_read {
                self.title.clear();
            }
        }
    }

    fn check_size(&mut self) {
        let code = self.code.as_ref().map_or(0, |(code, _)| code.len());
        if self.sheet.is_too_large() || code > super::MAX_OUTPUT_LEN {
            self.error.get_or_insert(HtmlError::OutputTooLarge);
        }
    }

    fn is_skipped(&self, name: &[u8], element: Element, attributes: &Attributes) -> bool {
        let is_hidden = attributes
            .hidden
            .as_deref()
            .is_some_and(|value| !value.eq_ignore_ascii_case("until-found"))
            || attributes.aria_hidden.as_deref() == Some("true")
            || name == b"dialog" && attributes.open.is_none();
        let is_root = matches!(name, b"html" | b"body");
        let is_around = element == Element::Surrounding
            || matches!(
                attributes.role.as_deref(),
                Some("navigation" | "banner" | "contentinfo" | "complementary" | "search")
            );
        matches!(element, Element::Dropped | Element::Svg)
            || is_hidden && !is_root && element != Element::Main
            || is_around && !is_root && self.part == Part::Main
    }

    // In lines of text.

    fn start_inline(&mut self, element: Element, attributes: &Attributes) {
        match element {
            Element::Strong => add(&mut self.sheet.style_mut().strong, 1),
            Element::Emphasis => add(&mut self.sheet.style_mut().emphasis, 1),
            Element::Code => {
                let style = self.sheet.style_mut();
                add(&mut style.code, 1);
                add(&mut style.code_number, u32::from(style.code == 1));
            }
            Element::Link => {
                self.sheet.style_mut().link =
                    attributes.href.as_deref().and_then(escape::url).map(Rc::from);
            }
            Element::Quotation => self.sheet.words("\""),
            Element::Spaced => self.sheet.space(),
            Element::Break => self.sheet.gap(Gap::Break),
            Element::Image => self.image(attributes),
            _ => {}
        }
    }

    fn end_inline(&mut self, name: &[u8], element: Element) {
        match element {
            Element::Strong => subtract(&mut self.sheet.style_mut().strong),
            Element::Emphasis => subtract(&mut self.sheet.style_mut().emphasis),
            Element::Code => subtract(&mut self.sheet.style_mut().code),
            Element::Link => self.sheet.style_mut().link = None,
            Element::Quotation => self.sheet.words("\""),
            Element::Spaced => self.sheet.space(),
            // Browsers take `</br>` for `<br>`.
            Element::Break if name == b"br" => self.sheet.gap(Gap::Break),
            _ => {}
        }
    }

    fn image(&mut self, attributes: &Attributes) {
        // One without a text in its place is an ornament.
        let alt = attributes.alt.as_deref().unwrap_or_default();
        if alt.chars().all(is_space) {
            return;
        }
        let source = attributes.src.as_deref().and_then(escape::url);
        match source {
            Some(url) if self.format == Format::Markdown && self.sheet.style().code == 0 => {
                let mut text = String::from("![");
                for (index, word) in alt.split(is_space).filter(|word| !word.is_empty()).enumerate()
                {
                    if index > 0 {
                        text.push(' ');
                    }
                    escape::write_word(&mut text, word, false);
                }
                text.extend(["](", &url, ")"]);
                self.sheet.atom(&text);
            }
            _ => self.sheet.words(alt),
        }
    }

    // Blocks.

    fn start_block(&mut self, element: Element, attributes: &Attributes) {
        self.close_implied(element);
        match element {
            Element::Heading(level) => {
                self.sheet.begin_heading(level);
                self.push(Open::Heading);
            }
            Element::Quote => {
                self.sheet.begin_quote();
                self.push(Open::Quote);
            }
            Element::Preformatted => self.code = Some((String::new(), language(attributes))),
            Element::List { ordered } => self.begin_list(ordered, attributes),
            Element::Item => self.begin_item(),
            Element::Table => {
                self.sheet.gap(Gap::Paragraph);
                self.push(Open::Table(Table::default()));
            }
            Element::Row | Element::Cell => self.begin_row_or_cell(element),
            Element::Rule => self.rule(),
            Element::Main if self.part == Part::Main => {
                let outside = std::mem::replace(&mut self.sheet, Sheet::new(self.format));
                self.push(Open::Main(Box::new(outside)));
            }
            Element::Line if self.format == Format::Text => self.sheet.gap(Gap::Line),
            _ => self.sheet.gap(Gap::Paragraph),
        }
    }

    fn end_block(&mut self, element: Element) {
        let is_it = |open: &Open| match element {
            Element::Heading(_) => matches!(open, Open::Heading),
            Element::Quote => matches!(open, Open::Quote),
            Element::List { .. } => matches!(open, Open::List { .. }),
            Element::Item => matches!(open, Open::Item),
            Element::Table => matches!(open, Open::Table(_)),
            Element::Row => matches!(open, Open::Row),
            Element::Cell => matches!(open, Open::Cell(_)),
            Element::Main => matches!(open, Open::Main(_)),
            _ => false,
        };
        let is_border = |open: &Open| match element {
            Element::Table => false,
            Element::Row | Element::Cell => matches!(open, Open::Table(_)),
            Element::Item => matches!(open, Open::List { .. } | Open::Cell(_)),
            _ => matches!(open, Open::Cell(_)),
        };
        match element {
            Element::Block | Element::Surrounding => self.sheet.gap(Gap::Paragraph),
            Element::Main if self.part == Part::Page => self.sheet.gap(Gap::Paragraph),
            Element::Line if self.format == Format::Text => self.sheet.gap(Gap::Line),
            Element::Line => self.sheet.gap(Gap::Paragraph),
            _ => {
                if let Some(index) = self.find(is_it, is_border) {
                    self.close_to(index);
                }
            }
        }
    }

    /// The innermost open element that is sought, unless a border is met first.
    fn find(
        &self,
        is_sought: impl Fn(&Open) -> bool,
        is_border: impl Fn(&Open) -> bool,
    ) -> Option<usize> {
        for (index, (open, _)) in self.stack.iter().enumerate().rev() {
            if is_sought(open) {
                return Some(index);
            }
            if is_border(open) {
                return None;
            }
        }
        None
    }

    /// Closes what ends where the element begins.
    fn close_implied(&mut self, element: Element) {
        // A heading holds lines of text only.
        let is_line = matches!(element, Element::Block | Element::Line | Element::Surrounding);
        if !is_line && matches!(self.stack.last(), Some((Open::Heading, _))) {
            self.close_to(self.stack.len() - 1);
        }
        let is_table = |open: &Open| matches!(open, Open::Table(_));
        let is_cell = |open: &Open| matches!(open, Open::Cell(_));
        let found = match element {
            Element::Item => self.find(|open| matches!(open, Open::Item), |_| true),
            Element::Row => self.find(|open| matches!(open, Open::Row), is_table),
            Element::Cell => self.find(is_cell, is_table),
            // A table stands in a cell of another, or behind it.
            Element::Table => self.find(is_table, is_cell),
            _ => None,
        };
        if let Some(index) = found {
            self.close_to(index);
        }
    }

    fn begin_list(&mut self, ordered: bool, attributes: &Attributes) {
        let parent = self.find(
            |open| matches!(open, Open::List { .. } | Open::Item),
            |open| matches!(open, Open::Quote | Open::Cell(_) | Open::Main(_)),
        );
        let is_between_items = parent
            .and_then(|index| self.stack.get(index))
            .is_some_and(|(open, _)| matches!(open, Open::List { has_items: true, .. }));
        if parent.is_none() {
            self.sheet.gap(Gap::Paragraph);
        }
        if is_between_items {
            self.sheet.begin_indent();
        }
        let start =
            attributes.start.as_deref().and_then(|start| start.trim().parse().ok()).unwrap_or(1);
        self.push(Open::List {
            next: ordered.then_some(start),
            is_nested: parent.is_some(),
            is_indented: is_between_items,
            has_items: false,
        });
    }

    fn begin_item(&mut self) {
        let list = self
            .find(|open| matches!(open, Open::List { .. }), |open| matches!(open, Open::Cell(_)));
        let list = list.and_then(|index| self.stack.get_mut(index));
        let (marker, is_first) = match list {
            Some((Open::List { next, is_nested, has_items, .. }, _)) => {
                // Within a paragraph Markdown begins a list only with 1.
                let is_first = !*has_items && (!*is_nested || next.is_some_and(|next| next != 1));
                // Markdown knows nine digits.
                let marker =
                    next.filter(|next| *next < 1_000_000_000).map(|next| format!("{next}. "));
                *next = next.map(|next| next.saturating_add(1));
                (marker, is_first)
            }
            _ => (None, false),
        };
        self.sheet.begin_item(marker.unwrap_or_else(|| "- ".to_owned()), is_first);
        self.push(Open::Item);
    }

    fn begin_row_or_cell(&mut self, element: Element) {
        let table =
            self.find(|open| matches!(open, Open::Table(_)), |open| matches!(open, Open::Cell(_)));
        let is_cell = |(open, _): &&(Open, Style)| matches!(open, Open::Cell(_));
        let Some(index) = table.filter(|_| self.stack.iter().filter(is_cell).count() < MAX_CELLS)
        else {
            self.sheet.gap(Gap::Line);
            return;
        };
        if element == Element::Row {
            if let Some((Open::Table(table), _)) = self.stack.get_mut(index) {
                table.begin_row();
            }
            self.push(Open::Row);
        } else {
            let outside = std::mem::replace(&mut self.sheet, Sheet::new(self.format));
            self.push(Open::Cell(Box::new(outside)));
        }
    }

    fn rule(&mut self) {
        self.sheet.gap(Gap::Paragraph);
        if self.format == Format::Markdown {
            self.sheet.has_blocks = true;
            self.sheet.block("---");
        }
    }

    /// Opens an element. The style goes on into it, but not into cells, whose sheet is new.
    fn push(&mut self, open: Open) {
        if self.stack.len() >= MAX_DEPTH {
            self.error.get_or_insert(HtmlError::TooDeep);
            return;
        }
        let style = match &open {
            Open::Cell(outside) | Open::Main(outside) => outside.style().clone(),
            _ => self.sheet.style().clone(),
        };
        self.stack.push((open, style));
    }

    /// Closes what is open, up to and with the element at the index.
    fn close_to(&mut self, index: usize) {
        while self.stack.len() > index {
            let Some((open, style)) = self.stack.pop() else { return };
            self.close(open);
            *self.sheet.style_mut() = style;
            self.check_size();
        }
    }

    fn close(&mut self, open: Open) {
        match open {
            Open::Heading => self.sheet.end_heading(),
            Open::Quote => {
                self.sheet.end_level();
                self.sheet.gap(Gap::Paragraph);
            }
            Open::List { is_nested, is_indented, .. } => {
                if is_indented {
                    self.sheet.end_level();
                }
                self.sheet.gap(if is_nested { Gap::Line } else { Gap::Paragraph });
            }
            Open::Item => {
                let is_written = self.sheet.end_level();
                if let Some((Open::List { has_items, .. }, _)) = self.stack.last_mut() {
                    *has_items |= is_written;
                }
                self.sheet.gap(Gap::Line);
            }
            Open::Row => {}
            Open::Table(table) => {
                self.sheet.has_blocks = true;
                for block in table.into_blocks(self.format) {
                    self.sheet.block(&block);
                }
                self.sheet.gap(Gap::Paragraph);
            }
            Open::Cell(outside) => {
                let cell = std::mem::replace(&mut self.sheet, *outside);
                let has_blocks = cell.has_blocks;
                let text = cell.finish();
                let table = self.stack.iter_mut().rev().find_map(|(open, _)| match open {
                    Open::Table(table) => Some(table),
                    _ => None,
                });
                if let Some(table) = table {
                    table.push(text, has_blocks);
                }
            }
            Open::Main(outside) => {
                let main = std::mem::replace(&mut self.sheet, *outside).finish();
                self.sheet.block(&main);
                self.main.get_or_insert(main);
            }
        }
    }

    // Code in lines of its own. What is open around it stays so until it ends.

    fn start_in_code(&mut self, element: Element, attributes: &Attributes) {
        if let Some((_, name)) = &mut self.code
            && element == Element::Code
            && name.is_empty()
        {
            *name = language(attributes);
        }
        self.break_code(element);
    }

    fn break_code(&mut self, element: Element) {
        if let Some((code, _)) = &mut self.code {
            let is_break =
                element == Element::Break || !element.is_inline() && element != Element::Cell;
            if element == Element::Break || is_break && !code.is_empty() && !code.ends_with('\n') {
                code.push('\n');
            }
        }
    }

    fn end_code(&mut self) {
        if let Some((code, language)) = self.code.take() {
            self.sheet.code_block(&code, &language);
        }
    }
}

/// The language that the classes of code name, for the fence.
fn language(attributes: &Attributes) -> String {
    let classes = attributes.class.as_deref().unwrap_or_default();
    classes
        .split_ascii_whitespace()
        .find_map(|class| class.strip_prefix("language-").or_else(|| class.strip_prefix("lang-")))
        .filter(|name| {
            name.len() <= 32
                && name.chars().all(|char| char.is_ascii_alphanumeric() || "+-_.#".contains(char))
        })
        .unwrap_or_default()
        .to_owned()
}

fn add(count: &mut u32, more: u32) {
    *count = count.saturating_add(more);
}

fn subtract(count: &mut u32) {
    *count = count.saturating_sub(1);
}
