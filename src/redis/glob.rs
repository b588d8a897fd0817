//! Patterns for keys, as Redis's `SCAN … MATCH` understands them.
//!
//! `*` is any text, `?` any byte, `[a-z]` and `[^a-z]` one byte in or out of a set, and `\` takes the
//! meaning from what follows it. They are matched on bytes, as Redis does.
//!
//! Source: <https://redis.io/docs/latest/commands/keys/>, and Redis's `stringmatchlen`.

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    Any,
    /// Ranges of bytes, ends included, and whether it is they that do not match.
    Set(Vec<(u8, u8)>, bool),
    Star,
}

impl Pattern {
    /// Reads a pattern. Every text is one: what is not closed is taken as Redis takes it.
    pub fn parse(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&byte, more)) = rest.split_first() {
            rest = more;
            tokens.push(match byte {
                b'*' => Token::Star,
                b'?' => Token::Any,
                b'[' => set(&mut rest),
                b'\\' => Token::Byte(next(&mut rest).unwrap_or(byte)),
                _ => Token::Byte(byte),
            });
        }
        Self { tokens }
    }

    /// What every key that matches begins with.
    pub fn prefix(&self) -> String {
        let bytes = self.tokens.iter().map_while(|token| match token {
            Token::Byte(byte) => Some(*byte),
            _ => None,
        });
        // A token other than a byte stands between characters, so that this is a text.
        String::from_utf8(bytes.collect()).unwrap_or_default()
    }

    /// Whether a key matches. The time that it takes grows with the product of both lengths at worst.
    pub fn matches(&self, key: &str) -> bool {
        let (mut tokens, mut bytes) = (self.tokens.as_slice(), key.as_bytes());
        // Where to go on when what follows the last star does not match: one byte further.
        let mut retry: Option<(&[Token], &[u8])> = None;
        loop {
            match (tokens.split_first(), bytes.split_first()) {
                (Some((Token::Star, after)), _) => {
                    retry = Some((after, bytes));
                    tokens = after;
                }
                (Some((token, after)), Some((byte, more))) if token.takes(*byte) => {
                    (tokens, bytes) = (after, more);
                }
                (None, None) => return true,
                _ => {
                    let Some((after, [_, more @ ..])) = retry else { return false };
                    retry = Some((after, more));
                    (tokens, bytes) = (after, more);
                }
            }
        }
    }
}

impl Token {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::Any => true,
            Self::Set(ranges, negated) => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&byte)) != *negated
            }
            Self::Star => false,
        }
    }
}

/// What follows a `[`.
fn set(rest: &mut &[u8]) -> Token {
    let negated = rest.first() == Some(&b'^');
    if negated {
        next(rest);
    }
    let mut ranges = Vec::new();
    while let Some(byte) = next(rest) {
        let range = match (byte, *rest) {
            (b'\\', [_, ..]) => {
                let escaped = next(rest).unwrap_or(byte);
                (escaped, escaped)
            }
            (b']', _) => break,
            (from, [b'-', to, more @ ..]) => {
                let (from, to) = (from.min(*to), from.max(*to));
                *rest = more;
                (from, to)
            }
            (byte, _) => (byte, byte),
        };
        ranges.push(range);
    }
    Token::Set(ranges, negated)
}

fn next(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, more) = rest.split_first()?;
    *rest = more;
    Some(byte)
}

/// The least text that is greater than all that begin with `prefix`, by the order of bytes, which is
/// that of code points. None where there is none.
pub fn after_prefix(prefix: &str) -> Option<String> {
    let kept = prefix.trim_end_matches(char::MAX);
    let last = kept.chars().next_back()?;
    // After the last character before the surrogates, which are none, comes the first behind them.
    let greater = char::from_u32(u32::from(last) + 1).unwrap_or('\u{e000}');
    let mut end = kept.strip_suffix(last)?.to_owned();
    end.push(greater);
    Some(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, yes, no) in [
            ("", &[""][..], &["a"][..]),
            ("a", &["a"], &["", "b", "aa"]),
            ("my-app:*", &["my-app:", "my-app:x:y"], &["my-app", "other:x"]),
            ("*:x", &[":x", "a:x", "x:x:x"], &["x", ":xx"]),
            ("a*b*c", &["abc", "aXbYc", "abbcc"], &["ab", "acb"]),
            ("h?llo", &["hello", "h\nllo"], &["hllo", "heello", "h\u{e9}llo"]),
            ("h??llo", &["h\u{e9}llo"], &["hllo"]),
            ("h[ae]llo", &["hallo", "hello"], &["hillo", "h[llo"]),
            ("h[^e]llo", &["hallo"], &["hello"]),
            ("h[a-c]llo", &["hbllo"], &["hdllo", "h-llo"]),
            ("h[c-a]llo", &["hbllo"], &["hdllo"]),
            (r"h[\]a]llo", &["h]llo", "hallo"], &["h\\llo"]),
            ("[]a", &[], &["a", "]a"]),
            ("[ab", &["a", "b"], &["[ab", "c"]),
            (r"a\*b", &["a*b"], &["aXb", r"a\*b"]),
            (r"a\", &[r"a\"], &["a"]),
            ("**", &["", "a"], &[]),
        ] {
            let parsed = Pattern::parse(pattern);
            for key in yes {
                assert!(parsed.matches(key), "{pattern} and {key}");
            }
            for key in no {
                assert!(!parsed.matches(key), "{pattern} and {key}");
            }
        }
    }

    #[test]
    fn the_prefix_is_what_stands_before_anything_special() {
        for (pattern, prefix) in
            [("my-app:*", "my-app:"), (r"a\*\?é[b]c", "a*?é"), ("*a", ""), ("abc", "abc")]
        {
            assert_eq!(Pattern::parse(pattern).prefix(), prefix);
        }
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let pattern = Pattern::parse(&"*a".repeat(100));
        assert!(!pattern.matches(&"a".repeat(99)));
        assert!(!Pattern::parse(&format!("{}b", "a*".repeat(50))).matches(&"a".repeat(5_000)));
    }

    #[test]
    fn a_range_ends_before_the_next_character_and_never_at_the_last() {
        for (prefix, end) in [
            ("my-app:", Some("my-app;")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("", None),
        ] {
            assert_eq!(after_prefix(prefix).as_deref(), end);
        }
    }

    proptest! {
        #[test]
        fn what_begins_with_a_prefix_is_in_its_range(prefix: String, more: String, other: String) {
            let end = after_prefix(&prefix);
            let is_in = |key: &str| key >= prefix.as_str() && end.as_deref().is_none_or(|end| key < end);
            let inside = format!("{prefix}{more}");
            prop_assert!(is_in(&inside));
            prop_assert_eq!(is_in(&other), other.starts_with(&prefix));
        }

        #[test]
        fn an_escaped_text_matches_itself(text: String, other: String) {
            let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
            let pattern = Pattern::parse(&escaped);
            prop_assert!(pattern.matches(&text));
            prop_assert_eq!(pattern.matches(&other), other == text);
            prop_assert_eq!(pattern.prefix(), text);
        }
    }
}
