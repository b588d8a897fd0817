//! From texts to keys: the crate agrees with the reference implementation, and a canonical text is
//! its own canonical text.
//!
//! The data are the texts of input, kwargs and definition, the namespace and the entity id, with
//! U+0000 between them, which no JSON text holds; what is missing at the end is not given.

use crate::reference::{self, ALL_RULES, Request};
use crate::subject;

/// The reference takes its time.
const COMPARED: usize = 4096;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\0');
    let input = parts.next().unwrap_or_default();
    let (kwargs, definition) = (parts.next(), parts.next());
    let (namespace, entity_id) = (parts.next(), parts.next().unwrap_or("e"));
    for non_finite in [true, false] {
        for rules in ALL_RULES {
            let canonical = subject::canonical_text(rules, input, non_finite);
            if let Some(canonical) = &canonical {
                let again = subject::canonical_text(rules, canonical, non_finite);
                // Python prints an overflow as a word that JSON does not have.
                if non_finite || !canonical.contains("Infinity") {
                    assert_eq!(again.as_ref(), Some(canonical), "{rules:?}: not canonical");
                }
            }
            let request =
                Request { rules, non_finite, namespace, entity_id, input, kwargs, definition };
            let key = subject::cache_key(&request);
            if text.len() <= COMPARED {
                let expected = reference::canonical_text(rules, input, non_finite);
                assert_eq!(canonical, expected, "{rules:?}, non_finite: {non_finite}");
                assert_eq!(key, reference::cache_key(&request), "{request:?}");
            }
        }
    }
}
