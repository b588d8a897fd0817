//! The ids of runs, which are random UUIDs.

use std::cell::RefCell;

use uuid::{Builder, Uuid};

use super::glue;

/// For how many ids JavaScript is asked at a time: asking takes longer than making one.
const IDS: usize = 64;

thread_local! {
    /// Random bytes that are left.
    static RANDOM: RefCell<Vec<u8>> = RefCell::default();
}

/// The next one.
pub(super) fn next() -> Uuid {
    RANDOM.with_borrow_mut(|random| {
        if random.is_empty() {
            random.resize(IDS * 16, 0);
            glue::fill_random(random);
        }
        let bytes = random.last_chunk().copied().unwrap_or_default();
        random.truncate(random.len().saturating_sub(16));
        Builder::from_random_bytes(bytes).into_uuid()
    })
}
