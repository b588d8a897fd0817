//! The tape: where the values of a text begin, four bytes for each.
//!
//! A scalar has one entry, the offset of its first byte; what it is and where it ends the text
//! tells. An array or object has a second entry, its [`Extent`], unless it is empty. The smallest
//! values take two bytes of text (`1,`, `[1],`), so a tape is at most three times its text; four
//! times where there is nothing but brackets in brackets.

/// Marks an array or object without anything in it; offsets stay below.
const EMPTY: u32 = 1 << 31;
/// Marks an extent that is kept aside.
const ASIDE: u32 = 1 << 31;
/// An extent on the tape has the count of entries in its low bits, the length of the text above.
const COUNT_BITS: u32 = 15;
const MAX_COUNT: u32 = (1 << COUNT_BITS) - 1;
const MAX_LENGTH: u32 = u16::MAX as u32;

/// The longest text that a tape can address, in bytes.
pub(super) const MAX_TEXT: u32 = EMPTY - 1;

/// Where an array or object ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// The entry of the first value in it; of an object, of the first name.
    pub first: u32,
    /// The entry after everything in it.
    pub next: u32,
    /// The offset after its bracket; None when it is empty, where it follows the white space.
    pub end: Option<u32>,
}

#[derive(Debug, Clone)]
pub(super) struct Tape {
    entries: Vec<u32>,
    /// Extents that do not fit into an entry: of the few values that are large.
    aside: Vec<Extent>,
    records: bool,
}

impl Tape {
    pub fn new() -> Self {
        Self { entries: Vec::new(), aside: Vec::new(), records: true }
    }

    /// A tape that takes everything and keeps nothing, for when only the verdict of the parser
    /// matters.
    pub fn off() -> Self {
        Self { records: false, ..Self::new() }
    }

    /// How many entries there are.
    pub fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    /// The offset of a value's first byte.
    #[inline]
    pub fn start(&self, index: u32) -> usize {
        (self.entry(index) & !EMPTY) as usize
    }

    /// The extent of an array or object.
    #[inline]
    pub fn extent(&self, index: u32) -> Extent {
        let start = self.entry(index);
        if start & EMPTY != 0 {
            return Extent { first: index + 1, next: index + 1, end: None };
        }
        let packed = self.entry(index + 1);
        if packed & ASIDE != 0 {
            let aside = self.aside.get((packed & !ASIDE) as usize).copied();
            return aside.unwrap_or(Extent { first: 0, next: u32::MAX, end: None });
        }
        Extent {
            first: index + 2,
            next: index + (packed & MAX_COUNT),
            end: Some(start + (packed >> COUNT_BITS)),
        }
    }

    fn entry(&self, index: u32) -> u32 {
        // Indexes come from the tape itself; the default is never seen.
        self.entries.get(index as usize).copied().unwrap_or(0)
    }

    /// Appends a scalar. `left` is how much text there is from `start` on.
    #[inline]
    pub fn push(&mut self, start: usize, left: usize) {
        if self.entries.len() == self.entries.capacity() {
            if !self.records {
                return;
            }
            self.grow(start, left);
        }
        self.entries.push(start as u32);
    }

    #[cold]
    fn grow(&mut self, start: usize, left: usize) {
        // No text goes on with more than three entries in four bytes.
        reserve_for_rest(&mut self.entries, start, left, left / 4 * 3);
    }

    /// Appends an array or object, of which nothing is known yet.
    #[inline]
    pub fn open(&mut self, start: usize, left: usize) {
        if self.entries.capacity() - self.entries.len() < 2 {
            if !self.records {
                return;
            }
            self.grow(start, left);
        }
        self.entries.extend_from_slice(&[start as u32; 2]);
    }

    /// Says where the array or object at `index` ends, which is after the last entry.
    #[inline]
    pub fn close(&mut self, index: u32, end: usize) {
        if !self.records {
            return;
        }
        let (next, end) = (self.len(), end as u32);
        if next == index + 2 {
            self.entries.pop();
            if let Some(start) = self.entries.get_mut(index as usize) {
                *start |= EMPTY;
            }
            return;
        }
        let (count, length) = (next - index, end - self.entry(index));
        let packed = if count <= MAX_COUNT && length <= MAX_LENGTH {
            length << COUNT_BITS | count
        } else {
            self.aside.push(Extent { first: index + 2, next, end: Some(end) });
            ASIDE | (self.aside.len() as u32 - 1)
        };
        if let Some(extent) = self.entries.get_mut(index as usize + 1) {
            *extent = packed;
        }
    }
}

/// Makes room as if the rest were like what has been read, `read` of `read + left`, with a little to
/// spare, but for no more than `most`: doubling could take twice of what is needed.
pub(super) fn reserve_for_rest<T>(list: &mut Vec<T>, read: usize, left: usize, most: usize) {
    let expected = list.len() as u64 * left as u64 / (read as u64).max(1);
    let expected = (expected + expected / 32).min(most as u64) as usize;
    list.reserve_exact(expected.max(list.len() / 8) + 16);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tape with one container of `count` scalars that is `length` bytes long.
    fn container(count: u32, length: usize) -> Extent {
        let mut tape = Tape::new();
        tape.push(0, length + 1);
        tape.open(1, length);
        for _ in 0..count {
            tape.push(2, length);
        }
        tape.close(1, 1 + length);
        assert_eq!(tape.start(1), 1);
        tape.extent(1)
    }

    #[test]
    fn extents_are_the_same_on_the_tape_and_aside() {
        assert_eq!(container(0, 2), Extent { first: 2, next: 2, end: None });
        for count in [1, MAX_COUNT - 2, MAX_COUNT - 1, MAX_COUNT] {
            for length in [3, MAX_LENGTH, MAX_LENGTH + 1] {
                let expected = Extent { first: 3, next: 3 + count, end: Some(1 + length) };
                assert_eq!(container(count, length as usize), expected, "{count} {length}");
            }
        }
    }
}
