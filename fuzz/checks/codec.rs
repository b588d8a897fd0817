//! Stored values: whatever stands in the cache is read as the reference implementation reads it,
//! and what was encoded reads back.

use crate::reference::{self, Stored};
use crate::subject;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert_eq!(subject::decode(&text), Some(reference::decode(&text)));
    let stored = edgememo::codec::encode(&text);
    let read = subject::decode(&stored);
    assert_eq!(read, Some(reference::decode(&stored)), "encoded");
    if let Some(Stored::Output(read)) = read {
        assert_eq!(read, text, "encoded");
    }
}
