//! Lines of text: where they break, what they begin with, and which marks are open in them.

use std::rc::Rc;

use super::{Format, MAX_OUTPUT_LEN, escape};

/// How text stands at a place: the number of open elements of each kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Style {
    pub(super) link: Option<Rc<str>>,
    pub(super) strong: u32,
    pub(super) emphasis: u32,
    pub(super) code: u32,
    /// Tells a code from the one before it.
    pub(super) code_number: u32,
}

/// Something that is open in a line of Markdown, from the outside in.
#[derive(Debug, Clone)]
enum Mark {
    Link(Rc<str>),
    Strong,
    Emphasis,
    Code(u32),
}

impl Mark {
    /// Whether the mark is the one that is open. `is_adjacent`: nothing stands between.
    fn continues(&self, open: &Self, is_adjacent: bool) -> bool {
        match (self, open) {
            // Two links beside each other may have one address.
            (Self::Link(link), Self::Link(open)) => Rc::ptr_eq(link, open),
            (Self::Strong, Self::Strong) | (Self::Emphasis, Self::Emphasis) => true,
            // Between two codes in a row the marks of both would be taken for one.
            (Self::Code(number), Self::Code(open)) => number == open || is_adjacent,
            _ => false,
        }
    }
}

impl Style {
    fn marks(&self) -> Vec<Mark> {
        let mut marks = Vec::new();
        marks.extend(self.link.clone().map(Mark::Link));
        if self.code > 0 {
            // Nothing in it is a mark.
            marks.push(Mark::Code(self.code_number));
        } else {
            marks.extend((self.strong > 0).then_some(Mark::Strong));
            marks.extend((self.emphasis > 0).then_some(Mark::Emphasis));
        }
        marks
    }
}

/// What a line begins with.
#[derive(Debug)]
pub(super) enum Level {
    Quote,
    /// The marker stands before the item's first line, and as many spaces before the others.
    Item {
        marker: String,
        is_written: bool,
    },
}

/// The break before the next text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    None,
    /// A line break that the author asked for.
    Break,
    Line,
    Paragraph,
}

/// A text that is written by itself: the page, its main part, a cell of a table.
#[derive(Debug)]
pub(super) struct Sheet {
    format: Format,
    text: String,
    /// How the next text shall stand.
    style: Style,
    /// What is open in the text, which is `style` as of the last word.
    open: Vec<Mark>,
    style_changed: bool,
    code: String,
    levels: Vec<Level>,
    /// How many of the levels have been there since the last text.
    common_levels: usize,
    gap: Gap,
    /// Nothing stands after the marker of an item or a quotation yet.
    is_level_fresh: bool,
    has_space: bool,
    heading: u8,
    /// Whether there is more in it than lines of text.
    pub(super) has_blocks: bool,
}

impl Sheet {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            text: String::new(),
            style: Style::default(),
            open: Vec::new(),
            style_changed: false,
            code: String::new(),
            levels: Vec::new(),
            common_levels: 0,
            gap: Gap::Paragraph,
            is_level_fresh: false,
            has_space: false,
            heading: 0,
            has_blocks: false,
        }
    }

    fn is_in_code(&self) -> bool {
        matches!(self.open.last(), Some(Mark::Code(_)))
    }

    fn is_markdown(&self) -> bool {
        self.format == Format::Markdown
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.text.len() + self.code.len() > MAX_OUTPUT_LEN
    }

    pub(super) fn style(&self) -> &Style {
        &self.style
    }

    /// Where how the next text stands can be changed.
    pub(super) fn style_mut(&mut self) -> &mut Style {
        self.style_changed = true;
        &mut self.style
    }

    /// Words, with white space between them as it comes in HTML.
    pub(super) fn words(&mut self, text: &str) {
        for (index, word) in text.split(is_space).enumerate() {
            if index > 0 {
                self.has_space = true;
            }
            if word.contains(is_invisible) {
                self.word(&word.replace(is_invisible, ""));
            } else {
                self.word(word);
            }
        }
    }

    fn word(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        let begins_line = self.begin();
        if self.is_in_code() {
            self.code.push_str(word);
        } else if self.is_markdown() {
            // A heading may end with the marks that it begins with.
            let may_be_marker = if self.heading > 0 { word.starts_with('#') } else { begins_line };
            escape::write_word(&mut self.text, word, may_be_marker);
        } else {
            self.text.push_str(word);
        }
    }

    /// Something in the line that is no word and needs no escapes.
    pub(super) fn atom(&mut self, text: &str) {
        self.begin();
        self.text.push_str(text);
    }

    pub(super) fn space(&mut self) {
        self.has_space = true;
    }

    /// A break before the next text, unless there is a greater one. A heading has one line.
    pub(super) fn gap(&mut self, gap: Gap) {
        if self.heading > 0 {
            self.has_space = true;
        } else if !self.is_level_fresh {
            self.gap = match (self.gap, gap) {
                (Gap::Break, Gap::Break) => Gap::Paragraph,
                (old, new) => old.max(new),
            };
        }
    }

    pub(super) fn begin_heading(&mut self, level: u8) {
        self.gap(Gap::Paragraph);
        self.has_blocks = true;
        self.heading = level;
    }

    pub(super) fn end_heading(&mut self) {
        self.heading = 0;
        self.gap(Gap::Paragraph);
    }

    pub(super) fn begin_quote(&mut self) {
        self.gap(Gap::Paragraph);
        self.has_blocks = true;
        self.begin_level(Level::Quote);
    }

    /// `is_first`: of the items of a list that stands by itself.
    pub(super) fn begin_item(&mut self, marker: String, is_first: bool) {
        self.gap(if is_first { Gap::Paragraph } else { Gap::Line });
        if !is_first && !self.is_level_fresh && self.gap == Gap::Paragraph && !self.text.is_empty()
        {
            self.gap = Gap::Line;
        }
        self.begin_level(Level::Item { marker, is_written: false });
    }

    /// Lines further in, as in an item that had its marker.
    pub(super) fn begin_indent(&mut self) {
        self.levels.push(Level::Item { marker: "  ".to_owned(), is_written: true });
    }

    fn begin_level(&mut self, level: Level) {
        self.levels.push(level);
        self.is_level_fresh = true;
    }

    /// Whether anything was written in it.
    pub(super) fn end_level(&mut self) -> bool {
        let level = self.levels.pop();
        self.common_levels = self.common_levels.min(self.levels.len());
        self.is_level_fresh = false;
        matches!(level, Some(Level::Quote | Level::Item { is_written: true, .. }))
    }

    /// Code as it is, in lines of its own.
    pub(super) fn code_block(&mut self, code: &str, language: &str) {
        let code = code.trim_start_matches('\n').trim_end();
        if code.is_empty() {
            return;
        }
        self.has_blocks = true;
        self.gap(Gap::Paragraph);
        if self.is_markdown() {
            let fence = "`".repeat((escape::longest_run(code, '`') + 1).max(3));
            self.line(&format!("{fence}{language}"));
            code.lines().for_each(|line| self.line(line));
            self.line(&fence);
        } else {
            code.lines().for_each(|line| self.line(line));
        }
        self.gap(Gap::Paragraph);
    }

    /// Text that has its own breaks and marks already, as a block.
    pub(super) fn block(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.gap(Gap::Paragraph);
        text.lines().for_each(|line| self.line(line));
        self.gap(Gap::Paragraph);
    }

    fn line(&mut self, line: &str) {
        // What begins lines is repeated in each, so that a small text could become a large one.
        if self.is_too_large() {
            return;
        }
        let style = std::mem::take(self.style_mut());
        self.begin();
        if line.is_empty() {
            self.text.truncate(self.text.trim_end_matches(' ').len());
        } else {
            self.text.push_str(line);
        }
        *self.style_mut() = style;
        self.gap = Gap::Line;
    }

    /// The text, when nothing more comes.
    pub(super) fn finish(mut self) -> String {
        self.close_marks(0);
        self.text.truncate(self.text.trim_end().len());
        self.text
    }

    /// Writes what has to stand before the next text. True when that begins a line.
    fn begin(&mut self) -> bool {
        let begins_line = self.gap != Gap::None;
        if begins_line {
            self.close_marks(0);
            self.break_line();
            self.write_levels();
            if self.heading > 0 && self.is_markdown() {
                self.text.extend(std::iter::repeat_n('#', self.heading.into()));
                self.text.push(' ');
            }
            self.gap = Gap::None;
            self.has_space = false;
            self.is_level_fresh = false;
            self.common_levels = self.levels.len();
            self.style_changed = true;
        }
        let changes = self.style_changed && self.is_markdown();
        let wanted = if changes { self.style.marks() } else { Vec::new() };
        if changes {
            let is_adjacent = !self.has_space;
            let both = wanted.iter().zip(&self.open);
            let kept = both.take_while(|(new, old)| new.continues(old, is_adjacent)).count();
            self.close_marks(kept);
        }
        self.style_changed = false;
        if std::mem::take(&mut self.has_space) {
            if self.is_in_code() {
                self.code.push(' ');
            } else {
                self.text.push(' ');
            }
        }
        if changes {
            for mark in wanted.iter().skip(self.open.len()) {
                match mark {
                    Mark::Link(_) => {
                        // With a `!` before it, it would be an image.
                        if self.text.ends_with('!') {
                            self.text.pop();
                            self.text.push_str("\\!");
                        }
                        self.text.push('[');
                    }
                    Mark::Strong => self.text.push_str("**"),
                    Mark::Emphasis => self.text.push('*'),
                    Mark::Code(_) => {}
                }
            }
            self.open = wanted;
        }
        begins_line
    }

    fn close_marks(&mut self, kept: usize) {
        while self.open.len() > kept {
            match self.open.pop() {
                Some(Mark::Link(url)) => self.text.extend(["](", &url, ")"]),
                Some(Mark::Strong) => self.text.push_str("**"),
                Some(Mark::Emphasis) => self.text.push('*'),
                Some(Mark::Code(_)) => {
                    escape::write_code(&mut self.text, &std::mem::take(&mut self.code))
                }
                None => {}
            }
        }
    }

    fn break_line(&mut self) {
        self.close_marks(0);
        if self.text.is_empty() {
            return;
        }
        match self.gap {
            Gap::Break if self.is_markdown() => self.text.push_str("  \n"),
            Gap::None | Gap::Break | Gap::Line => self.text.push('\n'),
            Gap::Paragraph => {
                self.text.push('\n');
                // A quotation goes on over the break when it is the same before and after.
                let is_quote = |level: &Level| matches!(level, Level::Quote);
                let common = self.levels.get(..self.common_levels).unwrap_or_default();
                let quoted = common.iter().rposition(is_quote).map_or(0, |last| last + 1);
                if self.is_markdown() {
                    for level in common.iter().take(quoted) {
                        match level {
                            Level::Quote => self.text.push_str("> "),
                            Level::Item { marker, .. } => indent(&mut self.text, marker),
                        }
                    }
                    self.text.truncate(self.text.trim_end_matches(' ').len());
                }
                self.text.push('\n');
            }
        }
    }

    fn write_levels(&mut self) {
        let is_markdown = self.format == Format::Markdown;
        for level in &mut self.levels {
            match level {
                Level::Quote if is_markdown => self.text.push_str("> "),
                Level::Quote => {}
                Level::Item { marker, is_written: true } => indent(&mut self.text, marker),
                Level::Item { marker, is_written } => {
                    self.text.push_str(marker);
                    *is_written = true;
                }
            }
        }
    }
}

/// As many spaces as the marker is long.
fn indent(text: &mut String, marker: &str) {
    text.extend(std::iter::repeat_n(' ', marker.len()));
}

/// White space of HTML, and the space that does not break, with which pages are laid out.
pub(super) fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\r' | '\x0c' | '\u{a0}')
}

/// What takes no place in a text: where words may break, marks of the byte order, and controls.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{200b}' | '\u{feff}') || (char.is_control() && !is_space(char))
}
