//! Where a run of ordinary characters ends: sixteen bytes at a time.
//!
//! Most of a text is the inside of strings, and most of a string needs nothing done to it. This is
//! what finds the rest, with SIMD where the target has it and with words of eight bytes elsewhere.

/// How many bytes are looked at together.
pub(super) const BLOCK: usize = 16;

/// What ends a run, besides `"`, `\` and control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nothing else: what JSON wants escaped.
    Json,
    /// Everything that is not printable ASCII: what Python escapes.
    Ascii,
}

/// The index, from `at` on, of the first byte that ends a run; the length when none does.
#[inline]
pub(super) fn run_end(bytes: &[u8], mut at: usize, stop: Stop) -> usize {
    while let Some(block) = block_at(bytes, at) {
        if let Some(length) = run_in_block(block, stop, 0) {
            return at + length;
        }
        at += BLOCK;
    }
    while bytes.get(at).is_some_and(|byte| !ends_run(*byte, stop)) {
        at += 1;
    }
    at
}

/// How many bytes two runs have in common.
pub(super) fn run_in_common(bytes: &[u8], a: usize, b: usize) -> usize {
    let mut same = 0;
    while let (Some(block), Some(other)) = (block_at(bytes, a + same), block_at(bytes, b + same))
        && block == other
        && run_in_block(block, Stop::Json, 0).is_none()
    {
        same += BLOCK;
    }
    while let (Some(byte), Some(other)) = (bytes.get(a + same), bytes.get(b + same))
        && byte == other
        && !ends_run(*byte, Stop::Json)
    {
        same += 1;
    }
    same
}

/// The block that starts at `at`, when there is a whole one.
#[inline]
pub(super) fn block_at(bytes: &[u8], at: usize) -> Option<&[u8; BLOCK]> {
    bytes.get(at..)?.first_chunk()
}

/// Whether a run ends with this byte.
#[inline]
pub(super) fn ends_run(byte: u8, stop: Stop) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || (byte >= 0x7f && stop == Stop::Ascii)
}

/// How many bytes of a block come before the first that ends a run, whatever the first `skipped`,
/// of which there may be seven, are. None when the run goes on: that the next block's place does not
/// have to be computed from this one's content is what makes it quick.
#[inline]
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) fn run_in_block(block: &[u8; BLOCK], stop: Stop, skipped: u32) -> Option<usize> {
    use core::arch::wasm32::{
        u8x16_bitmask, u8x16_eq, u8x16_ge, u8x16_lt, u8x16_splat, u64x2, v128_and, v128_or,
    };

    let (low, high) = words(block);
    let bytes = u64x2(low, high);
    let escaped = v128_or(
        u8x16_lt(bytes, u8x16_splat(0x20)),
        v128_or(u8x16_eq(bytes, u8x16_splat(b'"')), u8x16_eq(bytes, u8x16_splat(b'\\'))),
    );
    let wanted = u8x16_splat(if stop == Stop::Ascii { 0xff } else { 0 });
    let beyond_ascii = v128_and(u8x16_ge(bytes, u8x16_splat(0x7f)), wanted);
    let ends = u32::from(u8x16_bitmask(v128_or(escaped, beyond_ascii))) & u32::MAX << skipped;
    (ends != 0).then(|| ends.trailing_zeros() as usize)
}

/// The same without SIMD.
#[inline]
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(super) fn run_in_block(block: &[u8; BLOCK], stop: Stop, skipped: u32) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // Each sets the high bit of the bytes it is about. A borrow may set bits above the first true
    // one, never below, and only the first counts.
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGH;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let wanted = if stop == Stop::Ascii { HIGH } else { 0 };
    let ends = |word: u64| {
        below(word, 0x20)
            | equal(word, b'"')
            | equal(word, b'\\')
            | ((word | equal(word, 0x7f)) & wanted)
    };
    let (low, high) = words(block);
    let (low, high) = (ends(low) & u64::MAX << (8 * skipped), ends(high));
    match (low, high) {
        (0, 0) => None,
        (0, _) => Some(8 + (high.trailing_zeros() / 8) as usize),
        _ => Some((low.trailing_zeros() / 8) as usize),
    }
}

#[inline]
fn words(block: &[u8; BLOCK]) -> (u64, u64) {
    let block = u128::from_le_bytes(*block);
    (block as u64, (block >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_ends_a_run_or_does_not() {
        for stop in [Stop::Json, Stop::Ascii] {
            for byte in 0..=u8::MAX {
                for place in 0..40 {
                    let mut bytes = [b'a'; 40];
                    bytes[place] = byte;
                    let expected = if ends_run(byte, stop) { place } else { bytes.len() };
                    assert_eq!(run_end(&bytes, 0, stop), expected, "{byte:#x} at {place}");
                }
            }
        }
    }

    #[test]
    fn what_is_skipped_ends_no_run() {
        let mut block = [b'a'; BLOCK];
        block[0] = b'"';
        assert_eq!(run_in_block(&block, Stop::Json, 0), Some(0));
        assert_eq!(run_in_block(&block, Stop::Json, 1), None);
        block[1] = b'"';
        assert_eq!(run_in_block(&block, Stop::Json, 1), Some(1));
    }

    #[test]
    fn of_two_bytes_that_end_a_run_the_first_counts() {
        for first in [0, 0x1f, b'"', b'\\', 0x7f, 0x80, 0xff] {
            for second in [0, 0x1f, b'"', b'\\', 0x7f, 0x80, 0xff, b'!', b'#', b' '] {
                for place in 0..BLOCK - 1 {
                    let mut block = [b' '; BLOCK];
                    block[place] = first;
                    block[place + 1] = second;
                    assert_eq!(
                        run_in_block(&block, Stop::Ascii, 0),
                        Some(place),
                        "{first:#x} {second:#x}"
                    );
                }
            }
        }
    }
}
