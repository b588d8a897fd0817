//! Text and addresses in Markdown.

use std::fmt::Write as _;

/// The longest address that is written; longer ones are left out.
const MAX_URL_LEN: usize = 2048;

/// Writes a word so that Markdown prints it as it is. `may_be_marker`: the word stands where one
/// would make something else than text of the line.
pub(super) fn write_word(out: &mut String, word: &str, may_be_marker: bool) {
    let marker_end = if may_be_marker { line_marker(word) } else { None };
    let has_semicolon = word.contains(';');
    let mut before = None;
    let mut chars = word.char_indices().peekable();
    while let Some((index, char)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let is_special = match char {
            '\\' | '*' | '`' | '[' | ']' => true,
            '_' => {
                !(before.is_some_and(char::is_alphanumeric)
                    && next.is_some_and(char::is_alphanumeric))
            }
            '<' => next
                .is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?')),
            '&' => {
                has_semicolon
                    && next.is_some_and(|next| next.is_ascii_alphanumeric() || next == '#')
            }
            '~' => next == Some('~') || before == Some('~'),
            _ => marker_end == Some(index),
        };
        if is_special {
            out.push('\\');
        }
        out.push(char);
        before = Some(char);
    }
}

/// The index of the character that makes the first word of a line something else than text: a
/// heading, a list, a quotation, a rule.
fn line_marker(word: &str) -> Option<usize> {
    let first = word.chars().next()?;
    let is_run = word.chars().all(|char| char == first);
    match first {
        '#' | '-' | '=' | '+' if is_run => Some(0),
        '>' => Some(0),
        '~' if word.starts_with("~~~") => Some(0),
        '0'..='9' => {
            let digits = word.bytes().take_while(u8::is_ascii_digit).count();
            let is_marker = digits <= 9
                && word.len() == digits + 1
                && matches!(word.as_bytes().last(), Some(b'.' | b')'));
            is_marker.then_some(digits)
        }
        _ => None,
    }
}

/// Text between marks for code: as many backticks as the text needs.
pub(super) fn write_code(out: &mut String, code: &str) {
    let fence = "`".repeat(longest_run(code, '`') + 1);
    let pad = if code.starts_with('`') || code.ends_with('`') { " " } else { "" };
    out.extend([fence.as_str(), pad, code, pad, fence.as_str()]);
}

/// The length of the longest run of a character.
pub(super) fn longest_run(text: &str, char: char) -> usize {
    text.split(|other| other != char).map(str::len).max().unwrap_or_default()
}

/// An address for a link or an image. None when it leads nowhere outside the page, or would run a
/// script, or holds its data itself.
pub(super) fn url(text: &str) -> Option<String> {
    let text = text.trim_matches(|char: char| char <= ' ');
    if text.is_empty() || text.starts_with('#') || text.len() > MAX_URL_LEN {
        return None;
    }
    let mut url = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\t' | '\n' | '\r' => {}
            '\0'..=' ' | '"' | '(' | ')' | '<' | '>' | '\\' | '`' | '|' | '\x7f' => {
                // Writing to a string cannot fail.
                let _ = write!(url, "%{:02X}", u32::from(char));
            }
            char => url.push(char),
        }
    }
    let scheme = url.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    let is_refused =
        ["javascript", "vbscript", "data"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
    (!is_refused && !url.is_empty()).then_some(url)
}
