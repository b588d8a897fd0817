//! The tokens of a text, as tags and texts for the [`Reader`].

use html5gum::{Emitter, Error, State};

use super::HtmlError;
use super::reader::Reader;

/// The attributes of a start tag that mean something here.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) href: Option<String>,
    pub(super) src: Option<String>,
    pub(super) alt: Option<String>,
    pub(super) class: Option<String>,
    pub(super) role: Option<String>,
    pub(super) start: Option<String>,
    pub(super) aria_hidden: Option<String>,
    pub(super) hidden: Option<String>,
    pub(super) open: Option<String>,
}

/// Hands tags and texts to a reader. As a token it gives the reader's error, after which nothing
/// else is of use.
pub(super) struct Tokens<'a> {
    reader: &'a mut Reader,
    /// Text that has not been handed over yet: the tokenizer gives it in pieces.
    text: Vec<u8>,
    tag: Vec<u8>,
    is_end: bool,
    last_start: Vec<u8>,
    name: Vec<u8>,
    value: Vec<u8>,
    attributes: Attributes,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(reader: &'a mut Reader) -> Self {
        Self {
            reader,
            text: Vec::new(),
            tag: Vec::new(),
            is_end: false,
            last_start: Vec::new(),
            name: Vec::new(),
            value: Vec::new(),
            attributes: Attributes::default(),
        }
    }

    fn flush_text(&mut self) {
        if !self.text.is_empty() {
            self.reader.text(&String::from_utf8_lossy(&self.text));
            self.text.clear();
        }
    }

    /// Of two attributes of one name the first counts.
    fn flush_attribute(&mut self) {
        let attributes = &mut self.attributes;
        let place = match self.name.as_slice() {
            b"href" => &mut attributes.href,
            b"src" => &mut attributes.src,
            b"alt" => &mut attributes.alt,
            b"class" => &mut attributes.class,
            b"role" => &mut attributes.role,
            b"start" => &mut attributes.start,
            b"aria-hidden" => &mut attributes.aria_hidden,
            b"hidden" => &mut attributes.hidden,
            b"open" => &mut attributes.open,
            _ => return,
        };
        if place.is_none() {
            *place = Some(String::from_utf8_lossy(&self.value).into_owned());
        }
    }

    fn begin_tag(&mut self, is_end: bool) {
        self.is_end = is_end;
        self.tag.clear();
        self.name.clear();
        self.attributes = Attributes::default();
    }
}

impl Emitter for Tokens<'_> {
    type Token = HtmlError;

    fn pop_token(&mut self) -> Option<HtmlError> {
        self.reader.take_error()
    }

    fn emit_eof(&mut self) {
        self.flush_text();
    }

    fn emit_string(&mut self, text: &[u8]) {
        self.text.extend(text);
    }

    fn init_start_tag(&mut self) {
        self.begin_tag(false);
    }

    fn init_end_tag(&mut self) {
        self.begin_tag(true);
    }

    fn push_tag_name(&mut self, piece: &[u8]) {
        self.tag.extend(piece);
    }

    fn init_attribute(&mut self) {
        self.flush_attribute();
        self.name.clear();
        self.value.clear();
    }

    fn push_attribute_name(&mut self, piece: &[u8]) {
        self.name.extend(piece);
    }

    fn push_attribute_value(&mut self, piece: &[u8]) {
        self.value.extend(piece);
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        self.flush_attribute();
        self.flush_text();
        if self.is_end {
            self.reader.end(&self.tag);
            return None;
        }
        let in_html = !self.reader.is_in_svg();
        self.reader.start(&self.tag, &self.attributes);
        self.last_start.clone_from(&self.tag);
        match self.tag.as_slice() {
            b"script" if in_html => Some(State::ScriptData),
            b"title" | b"textarea" if in_html => Some(State::RcData),
            b"style" | b"xmp" | b"iframe" | b"noembed" | b"noframes" | b"noscript" if in_html => {
                Some(State::RawText)
            }
            _ => None,
        }
    }

    fn current_is_appropriate_end_tag_token(&mut self) -> bool {
        self.is_end && self.tag == self.last_start
    }

    fn set_last_start_tag(&mut self, name: Option<&[u8]>) {
        self.last_start = name.unwrap_or_default().to_vec();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&mut self) -> bool {
        self.reader.is_in_svg()
    }

    // Comments, document types and mistakes of the author mean nothing here.
    fn should_emit_errors(&mut self) -> bool {
        false
    }
    fn emit_error(&mut self, _: Error) {}
    fn init_comment(&mut self) {}
    fn push_comment(&mut self, _: &[u8]) {}
    fn emit_current_comment(&mut self) {}
    fn init_doctype(&mut self) {}
    fn push_doctype_name(&mut self, _: &[u8]) {}
    fn set_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn set_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn set_force_quirks(&mut self) {}
    fn emit_current_doctype(&mut self) {}
    fn set_self_closing(&mut self) {}
}
