//! Python's texts: case, white space, escapes.

use super::Fail;
use super::value::Result;
use crate::json;
pub(super) use crate::template::is_space;

/// The text with HTML's special characters escaped, as MarkupSafe does it.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}

fn version(c: char) -> Fail {
    Fail::refused(&format!("changing the case of U+{:04X}", u32::from(c)))
}

/// Refuses letters whose case depends on the version of Unicode.
fn check_case(text: &str) -> Result<()> {
    let new = |c: char| {
        matches!(
            u32::from(c),
            0x19b | 0x264 | 0x295 | 0x10fc | 0x1c89..=0x1c8a | 0xa7cb..=0xa7f4 | 0xab69
                | 0x10d50..=0x10d8f | 0x16ea0..=0x16edf | 0x1df25..=0x1df2a | 0x1e030..=0x1e06d
        )
    };
    text.chars().find(|c| new(*c)).map_or(Ok(()), |c| Err(version(c)))
}

pub(super) fn upper(text: &str) -> Result<String> {
    check_case(text)?;
    Ok(text.to_uppercase())
}

pub(super) fn lower(text: &str) -> Result<String> {
    check_case(text)?;
    Ok(text.to_lowercase())
}

/// Appends a letter as it begins a title.
fn push_title(out: &mut String, c: char) -> Result<()> {
    match u32::from(c) {
        // Georgian letters stay as they are in titles.
        0x10d0..=0x10ff => out.push(c),
        0xdf => out.push_str("Ss"),
        // Letters that are two in one.
        0x1c4..=0x1cc | 0x1f1..=0x1f3 | 0x345 | 0x587 | 0x1f80..=0x1fff | 0xfb00..=0xfb17 => {
            return Err(version(c));
        }
        _ => out.extend(c.to_uppercase()),
    }
    Ok(())
}

pub(super) fn capitalize(text: &str) -> Result<String> {
    check_case(text)?;
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    if let Some(first) = chars.next() {
        push_title(&mut out, first)?;
        // A sigma is a final one by what is before it.
        let all = text.to_lowercase();
        let skipped = first.to_lowercase().count();
        out.extend(all.chars().skip(skipped));
    }
    Ok(out)
}

fn is_cased(c: char) -> bool {
    c.is_uppercase()
        || c.is_lowercase()
        || matches!(u32::from(c), 0x1c5 | 0x1c8 | 0x1cb | 0x1f2)
        || matches!(u32::from(c), 0x1f88..=0x1f8f | 0x1f98..=0x1f9f | 0x1fa8..=0x1faf | 0x1fbc | 0x1fcc | 0x1ffc)
}

/// The method `title`.
pub(super) fn title(text: &str) -> Result<String> {
    check_case(text)?;
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if !inside {
            push_title(&mut out, c)?;
        } else if c == 'Σ' {
            return Err(version(c));
        } else {
            out.extend(c.to_lowercase());
        }
        inside = is_cased(c);
    }
    Ok(out)
}

/// The filter `title`, which knows other limits of words.
pub(super) fn title_words(text: &str) -> Result<String> {
    check_case(text)?;
    let limits = |c: char| is_space(c) || matches!(c, '-' | '(' | '{' | '[' | '<');
    let mut out = String::with_capacity(text.len());
    for (index, word) in text.split(limits).enumerate() {
        if index > 0 {
            // What separated them is one character; it has no case.
            let before = out.len();
            out.push(separator(text, index, &limits));
            debug_assert!(out.len() > before);
        }
        let mut chars = word.chars();
        if let Some(first) = chars.next() {
            out.extend(first.to_uppercase());
            out.push_str(&chars.as_str().to_lowercase());
        }
    }
    Ok(out)
}

fn separator(text: &str, index: usize, limits: &impl Fn(char) -> bool) -> char {
    text.chars().filter(|c| limits(*c)).nth(index - 1).unwrap_or(' ')
}

/// Whether all letters with a case have this one, and there are some.
pub(super) fn is_case(text: &str, upper: bool) -> Result<bool> {
    check_case(text)?;
    let mut found = false;
    for c in text.chars() {
        let (wanted, other) = if upper {
            (c.is_uppercase(), c.is_lowercase())
        } else {
            (c.is_lowercase(), c.is_uppercase())
        };
        if other || (is_cased(c) && !wanted) {
            return Ok(false);
        }
        found |= wanted;
    }
    Ok(found)
}

/// Whether a character is a letter or a digit; what depends on the version of Unicode is refused.
pub(super) fn is_alphanumeric(c: char) -> Result<bool> {
    match u32::from(c) {
        0..=0x7f => Ok(c.is_ascii_alphanumeric()),
        0x80..=0x24f
        | 0x370..=0x52f
        | 0x5d0..=0x5ea
        | 0x3041..=0x3096
        | 0x30a1..=0x30fa
        | 0x4e00..=0x9fff
        | 0xac00..=0xd7a3 => Ok(c.is_alphanumeric()),
        // Spaces, dashes and quotes; emoji.
        0x2000..=0x206f | 0x3000..=0x3003 | 0x1f300..=0x1f5ff | 0x1f600..=0x1f64f => Ok(false),
        code => Err(Fail::refused(&format!("looking whether U+{code:04X} is a letter"))),
    }
}

/// Appends what Python's `repr()` prints for a text.
pub(super) fn push_repr(out: &mut String, text: &str) -> Result<()> {
    json::push_repr(out, text.chars().map(u32::from))
        .map_err(|unprintable| Fail::refused(&format!("printing {unprintable}")))
}

/// Splits into lines as Python does.
pub(super) fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let is_end = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_end) {
        let (line, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let mut end = after.chars().next().map_or(0, char::len_utf8);
        if after.starts_with("\r\n") {
            end = 2;
        }
        out.push(if keep_ends { rest.get(..at + end).unwrap_or(line) } else { line });
        rest = after.get(end..).unwrap_or_default();
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

/// The characters from one to another, as Python counts them.
pub(super) fn sub(text: &str, from: usize, to: usize) -> &str {
    let at = |count: usize| text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    text.get(at(from)..at(to.max(from))).unwrap_or_default()
}
