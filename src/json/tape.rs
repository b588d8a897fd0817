//! The tape: where the values of a text begin, four bytes for each.
//!
//! A scalar has one entry, the offset of its first byte; what it is and where it ends the text
//! tells. An array or object has a second entry, its [`Extent`], unless it is empty. Entries are
//! kept in chunks, so that a tape takes what it needs and nothing is moved while it grows: three
//! times its text at most (`[1],`), four where there is nothing but brackets in brackets.

/// How many entries are taken at a time.
const CHUNK: usize = 256;
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
    #[expect(clippy::vec_box, reason = "chunks stay where they are when there are more of them")]
    chunks: Vec<Box<[u32; CHUNK]>>,
    /// How many entries there are.
    count: usize,
    /// Extents that do not fit into an entry: of the few values that are large.
    aside: Vec<Extent>,
    records: bool,
}

impl Tape {
    pub fn new() -> Self {
        Self { chunks: Vec::new(), count: 0, aside: Vec::new(), records: true }
    }

    /// A tape that takes everything and keeps nothing, for when only the verdict of the parser
    /// matters.
    pub fn off() -> Self {
        Self { records: false, ..Self::new() }
    }

    /// How many entries there are.
    pub fn len(&self) -> u32 {
        self.count as u32
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

    #[inline]
    fn entry(&self, index: u32) -> u32 {
        let index = index as usize;
        let chunk = self.chunks.get(index / CHUNK);
        // Indexes come from the tape itself; the default is never seen.
        chunk.and_then(|chunk| chunk.get(index % CHUNK)).copied().unwrap_or(0)
    }

    fn entry_mut(&mut self, index: u32) -> Option<&mut u32> {
        let index = index as usize;
        self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    /// Appends a scalar.
    #[inline]
    pub fn push(&mut self, start: usize) {
        if self.count.is_multiple_of(CHUNK) {
            if !self.records {
                return;
            }
            self.chunks.push(Box::new([0; CHUNK]));
        }
        if let Some(slot) = self.chunks.last_mut().and_then(|last| last.get_mut(self.count % CHUNK))
        {
            *slot = start as u32;
            self.count += 1;
        }
    }

    /// Appends an array or object, of which nothing is known yet.
    #[inline]
    pub fn open(&mut self, start: usize) {
        self.push(start);
        self.push(start);
    }

    /// Says where the array or object at `index` ends, which is after the last entry.
    #[inline]
    pub fn close(&mut self, index: u32, end: usize) {
        if !self.records {
            return;
        }
        let (next, end) = (self.len(), end as u32);
        if next == index + 2 {
            self.count -= 1;
            if self.count.is_multiple_of(CHUNK) {
                self.chunks.pop();
            }
            if let Some(start) = self.entry_mut(index) {
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
        if let Some(extent) = self.entry_mut(index + 1) {
            *extent = packed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tape with one container of `count` scalars that is `length` bytes long.
    fn container(count: u32, length: usize) -> Extent {
        let mut tape = Tape::new();
        tape.push(0);
        tape.open(1);
        for _ in 0..count {
            tape.push(2);
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
