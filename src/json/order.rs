//! The order of an object's members, and which of them count.

use std::cmp::Ordering;

use super::string::{Str, compare_at};
use super::tape::Extent;
use super::{Document, scan};

/// Up to how many members are arranged without a list.
const FEW: usize = 8;

/// A member of an object whose members do not come as they are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// Where the name was first written, on the tape.
    place: u32,
    /// Where it was last written; the value comes after it.
    pub name: u32,
}

/// How the members of an object are to be written.
pub(super) enum Arrangement {
    /// As they stand on the tape.
    AsWritten,
    /// As they stand in the list.
    Listed,
    /// Not at all, two having the same name: where the second stands on the tape.
    Duplicate(u32),
}

/// What is asked of an object's members.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'w> {
    /// By name, or as written.
    pub sorted: bool,
    /// Whether two members may have the same name; then the last value counts, at the first place.
    pub duplicates: bool,
    /// Names of members that are left out.
    pub without: &'w [&'w str],
}

/// Arranges the members of an object, if need be as a list that is appended to `list`.
///
/// Most objects come in order or are written as they come, and nothing is left behind for them.
pub(super) fn arrange(
    document: &Document<'_>,
    extent: Extent,
    wanted: Wanted<'_>,
    list: &mut Vec<Member>,
) -> Arrangement {
    if !wanted.without.is_empty() {
        return arrange_many(document, extent, wanted, list);
    }
    if !wanted.sorted {
        if are_few_and_distinct(document, extent) {
            return Arrangement::AsWritten;
        }
    } else if let Some(few) = Few::of(document, extent) {
        if few.ascend {
            return Arrangement::AsWritten;
        }
        let names = few.members.iter().take(few.count);
        list.extend(names.map(|&(_, name)| Member { place: name, name }));
        return Arrangement::Listed;
    }
    arrange_many(document, extent, wanted, list)
}

/// Whether the members of an object are few, and already the starts of their names tell them apart.
fn are_few_and_distinct(document: &Document<'_>, extent: Extent) -> bool {
    let mut prefixes = [0; FEW];
    let names = Names { document, next: extent.first, end: extent.next };
    for (count, name) in names.enumerate() {
        let prefix = prefix(document, name);
        if prefixes.iter().take(count).any(|other| *other == prefix) {
            return false;
        }
        match prefixes.get_mut(count) {
            Some(slot) => *slot = prefix,
            None => return false,
        }
    }
    true
}

/// The members of a small object, no two of one name, in the order of their names.
struct Few {
    /// With their prefixes.
    members: [(u64, u32); FEW],
    count: usize,
    /// Whether they are written in that order.
    ascend: bool,
}

impl Few {
    /// None when there are too many, or two have the same name.
    fn of(document: &Document<'_>, extent: Extent) -> Option<Self> {
        let mut few = Self { members: [(0, 0); FEW], count: 0, ascend: true };
        for name in (Names { document, next: extent.first, end: extent.next }) {
            let mut inserted = (prefix(document, name), name);
            for other in few.members.iter_mut().take(few.count) {
                match compare(document, inserted, *other) {
                    Ordering::Greater => {}
                    Ordering::Equal => return None,
                    Ordering::Less => {
                        few.ascend = false;
                        std::mem::swap(other, &mut inserted);
                    }
                }
            }
            *few.members.get_mut(few.count)? = inserted;
            few.count += 1;
        }
        Some(few)
    }
}

/// Where the names of an object are on the tape.
#[derive(Clone)]
struct Names<'d> {
    document: &'d Document<'d>,
    next: u32,
    end: u32,
}

impl Iterator for Names<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let name = self.next;
        if name >= self.end {
            return None;
        }
        self.next = self.document.after(name + 1);
        Some(name)
    }
}

fn arrange_many(
    document: &Document<'_>,
    extent: Extent,
    wanted: Wanted<'_>,
    list: &mut Vec<Member>,
) -> Arrangement {
    let base = list.len();
    let is_left_out = |name| wanted.without.iter().any(|out| document.string(name).is(out));
    let order =
        |a: u32, b: u32| compare(document, (prefix(document, a), a), (prefix(document, b), b));
    // Counted first: a list that grew as it went would take twice of what it needs.
    let mut names = Names { document, next: extent.first, end: extent.next };
    list.reserve_exact(names.clone().count());
    let (mut ascending, mut complete) = (true, true);
    for name in &mut names {
        if is_left_out(name) {
            complete = false;
            continue;
        }
        let last = list.get(base..).and_then(<[Member]>::last);
        ascending = ascending && last.is_none_or(|last| order(last.name, name).is_lt());
        list.push(Member { place: name, name });
    }
    let mut as_written = complete;
    // Names that ascend are sorted, and no two are alike.
    if !ascending {
        sort(list.get_mut(base..).unwrap_or_default(), &|a, b| order(a.name, b.name));
        // Of equal names the first stays, with the last value.
        let mut kept = base;
        for at in base..list.len() {
            let Some(&member) = list.get(at) else { break };
            match list.get_mut(base..kept).and_then(<[Member]>::last_mut) {
                Some(same) if order(same.name, member.name).is_eq() => {
                    if !wanted.duplicates {
                        return Arrangement::Duplicate(member.name);
                    }
                    same.name = member.name;
                }
                _ => {
                    if let Some(slot) = list.get_mut(kept) {
                        *slot = member;
                    }
                    kept += 1;
                }
            }
        }
        as_written = as_written && !wanted.sorted && kept == list.len();
        list.truncate(kept);
        if !wanted.sorted && !as_written {
            sort(list.get_mut(base..).unwrap_or_default(), &|_, _| Ordering::Equal);
        }
    }
    if as_written {
        list.truncate(base);
        return Arrangement::AsWritten;
    }
    Arrangement::Listed
}

/// Sorts members, equal ones by their place. One function for both orders, since sorting is much code.
fn sort(members: &mut [Member], order: &dyn Fn(&Member, &Member) -> Ordering) {
    members.sort_unstable_by(|a, b| order(a, b).then(a.place.cmp(&b.place)));
}

/// The order of two names, of which the prefixes are known.
#[inline]
fn compare(document: &Document<'_>, a: (u64, u32), b: (u64, u32)) -> Ordering {
    let at = |name| document.tape.start(name) + 1;
    a.0.cmp(&b.0).then_with(|| compare_at(document.text, at(a.1), at(b.1)))
}

/// The first eight bytes of a name, as a number that orders names as their code points do.
///
/// Shorter names are filled up with zeros, so only different prefixes decide. The bytes are those
/// of UTF-8, which keeps the order of code points, with lone surrogates encoded in its way.
#[inline]
fn prefix(document: &Document<'_>, name: u32) -> u64 {
    let bytes = document.text.as_bytes();
    let start = document.tape.start(name) + 1;
    if let Some(block) = scan::block_at(bytes, start) {
        let word = (u128::from_be_bytes(*block) >> 64) as u64;
        match scan::run_in_block(block, scan::Stop::Json, 0) {
            None | Some(8..) => return word,
            Some(length) if bytes.get(start + length) == Some(&b'"') => {
                return word & !(u64::MAX >> (8 * length));
            }
            Some(_) => {}
        }
    }
    prefix_of(document.string(name))
}

#[cold]
fn prefix_of(name: Str<'_>) -> u64 {
    let (mut prefix, mut room) = (0, 64);
    let mut byte = |value: u32| {
        if room > 0 {
            room -= 8;
            prefix |= u64::from(value) << room;
        }
    };
    for code in name.code_points().take(8) {
        let tail = |shift: u32| 0x80 | (code >> shift & 0x3f);
        match code {
            0..=0x7f => byte(code),
            0x80..=0x7ff => {
                byte(0xc0 | code >> 6);
                byte(tail(0));
            }
            0x800..=0xffff => {
                byte(0xe0 | code >> 12);
                byte(tail(6));
                byte(tail(0));
            }
            _ => {
                byte(0xf0 | code >> 18);
                byte(tail(12));
                byte(tail(6));
                byte(tail(0));
            }
        }
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::super::Dialect;
    use super::*;

    #[test]
    fn a_prefix_is_the_same_however_the_name_is_spelled() {
        for (plain, escaped) in [
            ("", ""),
            ("abc", r"\u0061b\u0063"),
            ("abcdefghi", r"abcdefgh\u0069"),
            ("é€😀", r"\u00e9\u20ac\ud83d\ude00"),
            ("a/b", r"a\/b"),
        ] {
            // The room behind makes the quick way possible, its lack impossible.
            let texts = [
                format!("[\"{plain}\",\"                \"]"),
                format!("[\"{escaped}\"]"),
                format!("[\"{plain}\"]"),
            ];
            let prefixes = texts.map(|text| {
                let document = Document::parse(&text, Dialect::STRICT).unwrap();
                prefix(&document, document.tape.extent(0).first)
            });
            assert_eq!(prefixes[0], prefixes[1], "{plain}");
            assert_eq!(prefixes[0], prefixes[2], "{plain}");
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(plain.bytes()).for_each(|(byte, value)| *byte = value);
            assert_eq!(prefixes[0].to_be_bytes(), bytes, "{plain}");
        }
    }
}
