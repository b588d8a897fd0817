//! Where serde_json and the crate both accept a text, it denotes the same to both. Where one
//! refuses, it is for one of the reasons that are known.

use std::collections::BTreeMap;

use ::serde_json::{Number, Value as Theirs};
use edgememo::json::{Dialect, Document, Item, ParseErrorKind, Str, Value as Ours};

use crate::reference::Decimal;

/// With the feature `arbitrary_precision` an object with this name is a number to serde_json.
const PRIVATE: &str = "$serde_json::private::Number";
/// How deep serde_json goes.
const THEIR_DEPTH: usize = 127;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let ours = Document::parse(&text, Dialect::STRICT);
    let theirs = ::serde_json::from_str::<Theirs>(&text);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            if !odd(ours.root()).private {
                same(ours.root(), &theirs);
            }
        }
        (Ok(ours), Err(error)) => {
            let odd = odd(ours.root());
            let known =
                odd.lone_surrogate || odd.overflow || odd.private || odd.depth > THEIR_DEPTH;
            assert!(known, "only serde_json refuses it: {error}");
        }
        (Err(error), Ok(_)) => {
            let limit =
                matches!(error.kind, ParseErrorKind::TooDeep(_) | ParseErrorKind::TooManyDigits(_));
            assert!(limit, "only serde_json accepts it: {error}");
        }
        (Err(_), Err(_)) => {}
    }
}

/// What is in a text that serde_json has trouble with.
#[derive(Default)]
struct Odd {
    lone_surrogate: bool,
    overflow: bool,
    private: bool,
    depth: usize,
}

fn odd(root: Ours<'_>) -> Odd {
    let mut odd = Odd::default();
    let mut rest = vec![(root, 0)];
    while let Some((value, depth)) = rest.pop() {
        match value.item() {
            Item::Null | Item::Bool(_) => {}
            Item::Integer(spelled) | Item::Float(spelled) => {
                odd.overflow |= spelled.parse::<f64>().is_ok_and(f64::is_infinite);
            }
            Item::String(string) => odd.lone_surrogate |= string.to_str().is_none(),
            Item::Array(values) => rest.extend(values.map(|value| (value, depth + 1))),
            Item::Object(members) => {
                for (name, value) in members {
                    odd.lone_surrogate |= name.to_str().is_none();
                    odd.private |= name.is(PRIVATE);
                    rest.push((value, depth + 1));
                }
            }
        }
        if matches!(value.item(), Item::Array(_) | Item::Object(_)) {
            odd.depth = odd.depth.max(depth + 1);
        }
    }
    odd
}

/// serde_json nests no deeper than it recurses, and so does this.
fn same(ours: Ours<'_>, theirs: &Theirs) {
    match (ours.item(), theirs) {
        (Item::Null, Theirs::Null) => {}
        (Item::Bool(ours), Theirs::Bool(theirs)) => assert_eq!(ours, *theirs),
        (Item::Integer(ours) | Item::Float(ours), Theirs::Number(theirs)) => {
            same_number(ours, theirs);
        }
        (Item::String(ours), Theirs::String(theirs)) => same_string(ours, theirs),
        (Item::Array(ours), Theirs::Array(theirs)) => {
            let ours: Vec<_> = ours.collect();
            assert_eq!(ours.len(), theirs.len());
            ours.into_iter().zip(theirs).for_each(|(ours, theirs)| same(ours, theirs));
        }
        (Item::Object(ours), Theirs::Object(theirs)) => {
            // Of duplicate names both have the last.
            let ours: BTreeMap<_, _> =
                ours.map(|(name, value)| (name.to_str().map(String::from), value)).collect();
            assert_eq!(ours.len(), theirs.len());
            for (name, value) in ours {
                let theirs = name.as_ref().and_then(|name| theirs.get(name));
                assert!(theirs.is_some(), "serde_json has no {name:?}");
                theirs.into_iter().for_each(|theirs| same(value, theirs));
            }
        }
        (_, theirs) => assert_eq!(ours.raw(), theirs.to_string(), "not of one kind"),
    }
}

fn same_string(ours: Str<'_>, theirs: &str) {
    assert_eq!(ours.to_str().as_deref(), Some(theirs));
    assert!(ours.is(theirs));
}

fn same_number(ours: &str, theirs: &Number) {
    if arbitrary_precision() || theirs.is_u64() || theirs.is_i64() {
        // serde_json writes a sign into every exponent.
        let theirs = theirs.to_string();
        assert_eq!(Decimal::of(ours), Decimal::of(&theirs));
        assert_eq!(ours.starts_with('-'), theirs.starts_with('-'), "{ours}");
        let whole = |number: &str| !number.contains(['.', 'e', 'E']);
        return assert_eq!(whole(ours), whole(&theirs), "{ours}");
    }
    // serde_json without its feature `float_roundtrip` may be off by one in the last place.
    let (ours, theirs) = (ours.parse().unwrap_or(f64::NAN), theirs.as_f64().unwrap_or(f64::NAN));
    assert!(
        ours == theirs || ours.next_up() == theirs || ours.next_down() == theirs,
        "{ours} and {theirs}"
    );
}

/// Whether serde_json keeps numbers as they are spelled, which any crate of a build can ask for.
fn arbitrary_precision() -> bool {
    ::serde_json::from_str::<Number>("1.10").is_ok_and(|number| number.to_string() == "1.10")
}
