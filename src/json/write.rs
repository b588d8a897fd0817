//! The writer: from a tape to a spelling, in one pass, without recursion.

use super::decimal::{Decimal, PLAIN_DIGITS};
use super::order::{Arrangement, Member, Wanted, arrange};
use super::python::float_repr;
use super::scan::{BLOCK, Stop, block_at, ends_run, run_in_block};
use super::string::{short_escape, unit_escape};
use super::tape::Extent;
use super::{Document, Value};

/// In which order Python's spelling has the members of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they stand in the text.
    AsWritten,
    /// By code point of the name, in the outer object and in objects directly inside objects. An
    /// object inside an array keeps its order, as do those inside it: Dynamiq's rule.
    SortedOutsideArrays,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// As Python's `json.dumps` prints it, see [`dumps`](super::dumps).
    Python(Order),
    /// One text for one value: RFC 8785 with members sorted by code point and numbers by their
    /// exact decimal value.
    Canonical,
}

/// Why a value has no canonical spelling, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {position}")]
pub struct Refusal {
    /// Offset in bytes from the start of the text.
    pub position: usize,
    /// What is there.
    pub kind: RefusalKind,
}

/// What has no canonical spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalKind {
    /// An object has two members of the same name.
    #[error("two members of one name")]
    DuplicateName,
    /// A string or name holds half of a surrogate pair.
    #[error("a lone surrogate")]
    LoneSurrogate,
    /// `NaN`, `Infinity` or `-Infinity`.
    #[error("NaN or Infinity")]
    NonFinite,
    /// A number has too many digits.
    #[error("a number with more than {0} digits")]
    TooManyDigits(usize),
    /// A number is too large or too close to zero.
    #[error("a number with an exponent beyond ±{0}")]
    ExponentOutOfRange(u32),
}

impl RefusalKind {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::DuplicateName => "duplicate-name",
            Self::LoneSurrogate => "lone-surrogate",
            Self::NonFinite => "non-finite-number",
            Self::TooManyDigits(_) => "number-too-long",
            Self::ExponentOutOfRange(_) => "exponent-out-of-range",
        }
    }
}

/// The text of a value.
pub fn spell(value: Value<'_>, spelling: Spelling) -> Result<String, Refusal> {
    spell_without(value, &[], spelling)
}

/// The text of a value; when it is an object, without its members of these names.
pub fn spell_without(
    value: Value<'_>,
    names: &[&str],
    spelling: Spelling,
) -> Result<String, Refusal> {
    let mut text = Vec::with_capacity(value.raw().len() + 16);
    let mut sink = |piece: &[u8]| text.extend_from_slice(piece);
    let mut writer = Writer::new(spelling, &mut sink);
    writer.value_without(value, names)?;
    writer.finish();
    // What is written is ASCII, or a piece of the text that was parsed.
    Ok(String::from_utf8(text).unwrap_or_default())
}

/// Writes values piece by piece into a sink: a hash, or a text.
pub struct Writer<'s> {
    out: Out<'s>,
    spelling: Spelling,
    stop: Stop,
    /// The containers around the one that is being written.
    open: Vec<Frame>,
    /// Members of open objects that are not written in the order of the tape.
    members: Vec<Member>,
    refusal: Option<Refusal>,
}

/// A container of which some has been written.
#[derive(Clone, Copy)]
struct Frame {
    within: Within,
    /// What comes next, and the end: on the tape, or in the list of members.
    next: u32,
    end: u32,
    first: bool,
    /// Whether objects in it are sorted.
    sorted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// What is around the whole value.
    Root,
    Array,
    Object,
    /// An object whose members are in the list, from this index on.
    Listed(u32),
}

impl<'s> Writer<'s> {
    /// A writer of one spelling.
    pub fn new(spelling: Spelling, sink: &'s mut dyn FnMut(&[u8])) -> Self {
        let stop = if spelling == Spelling::Canonical { Stop::Json } else { Stop::Ascii };
        let out = Out { buffer: [0; Out::SIZE], length: 0, sink };
        Self { out, spelling, stop, open: Vec::new(), members: Vec::new(), refusal: None }
    }

    /// Writes a text as it is.
    pub fn verbatim(&mut self, text: &str) {
        self.out.bytes(text.as_bytes());
    }

    /// Writes a value. After a refusal, which only the canonical spelling has, everything written
    /// is void.
    pub fn value(&mut self, value: Value<'_>) -> Result<(), Refusal> {
        self.value_without(value, &[])
    }

    /// Writes a value; when it is an object, without its members of these names.
    pub fn value_without(&mut self, value: Value<'_>, names: &[&str]) -> Result<(), Refusal> {
        self.members_and_values(value, names);
        self.refusal.map_or(Ok(()), Err)
    }

    fn members_and_values(&mut self, value: Value<'_>, names: &[&str]) {
        let document = value.document;
        let sorted = self.spelling != Spelling::Python(Order::AsWritten);
        let (next, end) = (value.index, value.index + 1);
        let mut frame = Frame { within: Within::Root, next, end, first: true, sorted };
        loop {
            if frame.next >= frame.end {
                match frame.within {
                    Within::Root => return,
                    Within::Array => self.out.array([b']']),
                    Within::Object => self.out.array([b'}']),
                    Within::Listed(base) => {
                        self.members.truncate(base as usize);
                        self.out.array([b'}']);
                    }
                }
                match self.open.pop() {
                    Some(outer) => frame = outer,
                    None => return,
                }
                continue;
            }
            if !std::mem::replace(&mut frame.first, false) {
                self.punctuation([b','], *b", ");
            }
            let value = match frame.within {
                Within::Root | Within::Array => frame.next,
                Within::Object => self.name(document, frame.next),
                Within::Listed(_) => match self.members.get(frame.next as usize) {
                    Some(member) => self.name(document, member.name),
                    None => return,
                },
            };
            let without = if frame.within == Within::Root { names } else { &[] };
            let (after, inner) = self.start(document, value, frame.sorted, without);
            frame.next = match frame.within {
                Within::Root => frame.end,
                Within::Array | Within::Object => after,
                Within::Listed(_) => frame.next + 1,
            };
            if let Some(inner) = inner {
                self.open.push(std::mem::replace(&mut frame, inner));
            }
        }
    }

    /// Passes on what is left.
    pub fn finish(mut self) {
        self.out.flush();
    }

    fn refuse(&mut self, position: usize, kind: RefusalKind) {
        self.refusal.get_or_insert(Refusal { position, kind });
    }

    fn is_canonical(&self) -> bool {
        self.stop == Stop::Json
    }

    /// Writes what stands between values, which differs in Python's spaces.
    #[inline]
    fn punctuation<const N: usize, const M: usize>(&mut self, dense: [u8; N], python: [u8; M]) {
        if self.is_canonical() {
            self.out.array(dense);
        } else {
            self.out.array(python);
        }
    }

    /// Writes a name and what is between it and its value, whose index is returned.
    #[inline]
    fn name(&mut self, document: &Document<'_>, index: u32) -> u32 {
        self.string(document, document.tape.start(index));
        self.punctuation(*b"\":", *b"\": ");
        index + 1
    }

    /// Writes a scalar, or the opening of a container, whose frame is returned; and with it the
    /// index of what follows the value.
    #[inline]
    fn start(
        &mut self,
        document: &Document<'_>,
        index: u32,
        sorted: bool,
        without: &[&str],
    ) -> (u32, Option<Frame>) {
        let start = document.tape.start(index);
        match document.text.as_bytes().get(start).copied().unwrap_or_default() {
            b'"' => {
                self.string(document, start);
                self.out.array([b'"']);
            }
            b'n' => self.out.array(*b"null"),
            b't' => self.out.array(*b"true"),
            b'f' => self.out.array(*b"false"),
            b'[' => {
                self.out.array([b'[']);
                let Extent { first, next, .. } = document.tape.extent(index);
                // Python's order ends at an array.
                let sorted = sorted && self.is_canonical();
                let within = Within::Array;
                return (next, Some(Frame { within, next: first, end: next, first: true, sorted }));
            }
            b'{' => {
                self.out.array([b'{']);
                let extent = document.tape.extent(index);
                let (within, next, end) = self.arrangement(document, extent, sorted, without);
                return (extent.next, Some(Frame { within, next, end, first: true, sorted }));
            }
            _ => self.number(document, index),
        }
        (index + 1, None)
    }

    /// How the members of an object are written, and from where to where.
    fn arrangement(
        &mut self,
        document: &Document<'_>,
        extent: Extent,
        sorted: bool,
        without: &[&str],
    ) -> (Within, u32, u32) {
        let base = self.members.len() as u32;
        let wanted = Wanted { sorted, duplicates: !self.is_canonical(), without };
        match arrange(document, extent, wanted, &mut self.members) {
            Arrangement::Listed => return (Within::Listed(base), base, self.members.len() as u32),
            Arrangement::AsWritten => {}
            Arrangement::Duplicate(name) => {
                self.members.truncate(base as usize);
                self.refuse(document.tape.start(name), RefusalKind::DuplicateName);
            }
        }
        (Within::Object, extent.first, extent.next)
    }

    #[inline]
    fn number(&mut self, document: &Document<'_>, index: u32) {
        let (text, is_integer) = document.number(index);
        let is_plain = is_integer && text != "-0";
        let at = document.tape.start(index);
        if is_plain && (!self.is_canonical() || text.len() <= PLAIN_DIGITS) {
            self.out.piece(document.text.as_bytes(), at, text.len());
        } else if self.is_canonical() {
            self.decimal(text, at);
        } else if is_integer {
            self.out.array([b'0']);
        } else {
            self.out.bytes(float_repr(text).as_bytes());
        }
    }

    /// Writes a number in the canonical spelling.
    fn decimal(&mut self, text: &str, position: usize) {
        if matches!(text, "NaN" | "Infinity" | "-Infinity") {
            return self.refuse(position, RefusalKind::NonFinite);
        }
        match Decimal::parse(text) {
            Ok(None) => self.out.array([b'0']),
            Ok(Some(decimal)) => decimal.write(|digits| self.out.bytes(digits)),
            Err(kind) => self.refuse(position, kind),
        }
    }

    /// Writes the string whose opening quote is at `start`, up to the closing quote.
    ///
    /// Most are short and have nothing to escape: for them there is no call.
    #[inline(always)]
    fn string(&mut self, document: &Document<'_>, start: usize) {
        let mut at = start + self.out.quote_and_run(document.text.as_bytes(), start, self.stop);
        if at == start {
            self.out.array([b'"']);
            at += 1;
        }
        if document.text.as_bytes().get(at) != Some(&b'"') {
            self.any_string(document.text, at);
        }
    }

    /// Writes what a string holds from `at` on.
    #[inline(never)]
    fn any_string(&mut self, text: &str, mut at: usize) {
        let bytes = text.as_bytes();
        loop {
            at = self.out.run(bytes, at, self.stop);
            match bytes.get(at) {
                Some(b'"') | None => return,
                Some(b'\\') => at = self.escape(bytes, at),
                Some(_) => at = self.beyond_ascii(text, at),
            }
        }
    }

    /// Writes characters that Python escapes, up to the next that it may not; where that is.
    fn beyond_ascii(&mut self, text: &str, at: usize) -> usize {
        let rest = text.get(at..).unwrap_or_default();
        for (offset, c) in rest.char_indices() {
            if matches!(c, ' '..='~') {
                return at + offset;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                self.out.array(unit_escape(*unit));
            }
        }
        text.len()
    }

    /// Writes what the escape at `at` stands for; where it ends.
    fn escape(&mut self, bytes: &[u8], at: usize) -> usize {
        match bytes.get(at + 1) {
            Some(b'u') => self.unicode_escape(bytes, at),
            Some(b'/') => {
                self.out.array([b'/']);
                at + 2
            }
            // The other escapes of two characters are how both spellings write them.
            Some(letter) => {
                self.out.array([b'\\', *letter]);
                at + 2
            }
            None => at + 1,
        }
    }

    fn unicode_escape(&mut self, bytes: &[u8], at: usize) -> usize {
        let unit = unit_at(bytes, at);
        let byte = u8::try_from(unit).ok().filter(u8::is_ascii);
        if let Some(byte) = byte.filter(|byte| !ends_run(*byte, self.stop)) {
            self.out.array([byte]);
        } else if let Some(letter) = byte.and_then(short_escape) {
            self.out.array([b'\\', letter]);
        } else if byte.is_some() || !self.is_canonical() {
            self.out.array(unit_escape(unit));
        } else {
            return self.literal(bytes, at, unit);
        }
        at + 6
    }

    /// Writes the character that an escape, or a pair of them, stands for; where they end.
    fn literal(&mut self, bytes: &[u8], at: usize, unit: u16) -> usize {
        let next = if bytes.get(at + 6) == Some(&b'\\') && bytes.get(at + 7) == Some(&b'u') {
            Some(unit_at(bytes, at + 6))
        } else {
            None
        };
        match char::decode_utf16(std::iter::once(unit).chain(next)).next() {
            Some(Ok(c)) => {
                self.out.bytes(c.encode_utf8(&mut [0; 4]).as_bytes());
                at + 6 * c.len_utf16()
            }
            _ => {
                self.refuse(at, RefusalKind::LoneSurrogate);
                at + 6
            }
        }
    }
}

/// The code unit of the escape at `at`, which the parser has checked.
fn unit_at(bytes: &[u8], at: usize) -> u16 {
    let digits = bytes.get(at + 2..at + 6).unwrap_or_default();
    digits.iter().fold(0, |unit, digit| {
        unit << 4 | char::from(*digit).to_digit(16).unwrap_or_default() as u16
    })
}

/// A buffer in front of the sink, which would rather be called seldom.
struct Out<'s> {
    buffer: [u8; Out::SIZE],
    length: usize,
    sink: &'s mut dyn FnMut(&[u8]),
}

impl Out<'_> {
    /// A multiple of SHA-256's blocks, and a block of ours. It is cleared for every writer, and most write
    /// no more than this.
    const SIZE: usize = 512 + BLOCK;

    fn flush(&mut self) {
        (self.sink)(self.buffer.get(..self.length).unwrap_or_default());
        self.length = 0;
    }

    #[inline]
    fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        loop {
            let room = self.buffer.get_mut(self.length..);
            match room.and_then(<[u8]>::first_chunk_mut) {
                Some(room) => {
                    *room = bytes;
                    self.length += N;
                    return;
                }
                None => self.flush(),
            }
        }
    }

    /// Writes a few bytes of a text: copying a whole block needs no call.
    #[inline]
    fn piece(&mut self, bytes: &[u8], at: usize, length: usize) {
        let room = self.buffer.get_mut(self.length..).and_then(<[u8]>::first_chunk_mut);
        match (block_at(bytes, at), room) {
            (Some(block), Some(room)) if length <= BLOCK => {
                *room = *block;
                self.length += length;
            }
            _ => self.bytes(bytes.get(at..at + length).unwrap_or_default()),
        }
    }

    fn bytes(&mut self, mut bytes: &[u8]) {
        loop {
            let room = self.buffer.get_mut(self.length..).unwrap_or_default();
            let length = room.len().min(bytes.len());
            if let (Some(room), Some(head)) = (room.get_mut(..length), bytes.get(..length)) {
                room.copy_from_slice(head);
            }
            self.length += length;
            bytes = bytes.get(length..).unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
            self.flush();
        }
    }

    /// Writes a quote and the start of the run that follows it, a block at most; how many bytes. 0
    /// when there is no whole block or no room for one.
    #[inline]
    fn quote_and_run(&mut self, bytes: &[u8], at: usize, stop: Stop) -> usize {
        let room = self.buffer.get_mut(self.length..).and_then(<[u8]>::first_chunk_mut);
        let (Some(block), Some(room)) = (block_at(bytes, at), room) else { return 0 };
        *room = *block;
        let length = run_in_block(block, stop, 1).unwrap_or(BLOCK);
        self.length += length;
        length
    }

    /// Writes a run of bytes that need nothing done to them; where it ends.
    ///
    /// Looking and copying are one: a block is copied whole, and what was not of the run is
    /// overwritten.
    fn run(&mut self, bytes: &[u8], mut at: usize, stop: Stop) -> usize {
        let mut length = self.length;
        while let Some(block) = block_at(bytes, at) {
            let room = self.buffer.get_mut(length..);
            let Some(room) = room.and_then(<[u8]>::first_chunk_mut) else {
                self.length = length;
                self.flush();
                length = 0;
                continue;
            };
            *room = *block;
            if let Some(run) = run_in_block(block, stop, 0) {
                self.length = length + run;
                return at + run;
            }
            length += BLOCK;
            at += BLOCK;
        }
        self.length = length;
        while let Some(&byte) = bytes.get(at)
            && !ends_run(byte, stop)
        {
            self.array([byte]);
            at += 1;
        }
        at
    }
}
