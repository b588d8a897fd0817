//! Memory stays in proportion to the input: what computing a key takes at its peak, beyond the
//! input itself, for the texts that ask for most.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use edgememo::json::{Dialect, Document};
use edgememo::key::{KeyRequest, Scheme, cache_key};

/// How often the length of the input, at most.
const BOUND: f64 = 3.25;
/// The same where there is nothing but brackets in brackets: two bytes, of which each container has
/// to know where it begins and ends.
const BOUND_OF_BRACKETS: f64 = 4.1;

/// Counts what is taken.
struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// The peak if every block that grows had to be moved, and were there twice for that time.
static MOVING_PEAK: AtomicUsize = AtomicUsize::new(0);

impl Counting {
    fn take(size: usize) {
        let taken = TAKEN.fetch_add(size, Ordering::Relaxed) + size;
        PEAK.fetch_max(taken, Ordering::Relaxed);
        MOVING_PEAK.fetch_max(taken, Ordering::Relaxed);
    }

    fn give_back(size: usize) {
        TAKEN.fetch_sub(size, Ordering::Relaxed);
    }
}

#[expect(unsafe_code, reason = "an allocator cannot be written without; this one passes all on")]
// SAFETY: every call goes to `System` as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::take(layout.size());
        // SAFETY: the caller promises what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        Self::give_back(layout.size());
        // SAFETY: the block is one of `System`'s.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        MOVING_PEAK.fetch_max(TAKEN.load(Ordering::Relaxed) + size, Ordering::Relaxed);
        Self::give_back(layout.size());
        Self::take(size);
        // SAFETY: the block is one of `System`'s.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What one run takes at its peak, and what it would take if blocks could not grow in their place.
fn peaks<T>(run: impl FnOnce() -> T) -> (usize, usize) {
    let before = TAKEN.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    MOVING_PEAK.store(before, Ordering::Relaxed);
    drop(run());
    (PEAK.load(Ordering::Relaxed) - before, MOVING_PEAK.load(Ordering::Relaxed) - before)
}

/// About a megabyte: repetitions between a start and an end.
fn of(start: &str, repeated: &str, end: &str) -> String {
    let times = (1_000_000 - start.len() - end.len()) / repeated.len();
    let mut text = String::with_capacity(1_000_000);
    text.push_str(start);
    text.extend(std::iter::repeat_n(repeated, times));
    if repeated.ends_with(',') {
        text.pop();
    }
    text.push_str(end);
    text
}

fn members(mut member: impl FnMut(&mut String, usize)) -> String {
    let mut text = String::with_capacity(1_000_100);
    text.push('{');
    for n in 0.. {
        member(&mut text, n);
        if text.len() > 1_000_000 {
            break;
        }
        text.push(',');
    }
    text.push('}');
    text
}

fn shapes() -> Vec<(&'static str, String)> {
    let string = |unit: &str| of(r#"{"a":""#, unit, r#""}"#);
    let array = |unit: &str| of(r#"{"a":["#, unit, "]}");
    let nested = format!("{}1{},", "[".repeat(997), "]".repeat(997));
    let nested_objects = format!("{}1{},", r#"{"a":"#.repeat(997), "}".repeat(997));
    let half = "x".repeat(500_000);
    vec![
        ("ones", array("1,")),
        ("floats", array("1.5,")),
        ("floats that grow", array("1e15,")),
        ("empty arrays", array("[],")),
        ("empty objects", array("{},")),
        ("empty strings", array("\"\",")),
        ("arrays of one", array("[1],")),
        ("arrays of arrays of one", array("[[1]],")),
        ("arrays of two arrays", array("[[1],[2]],")),
        ("three deep", array("[[[1]]],")),
        ("objects of one", array(r#"{"":1},"#)),
        ("small objects", array(r#"{"a":1,"b":2},"#)),
        ("chat messages", array(r#"{"role": "user", "content": "What is the time in Oslo?"},"#)),
        ("distinct names", members(|text, n| write!(text, "\"k{n}\":1").unwrap_or_default())),
        (
            "short distinct names",
            members(|text, n| {
                let letters =
                    (0..4).map(|place| char::from(b'#' + (n / 57_usize.pow(place) % 57) as u8));
                text.push('"');
                text.extend(letters);
                text.push_str("\":0");
            }),
        ),
        ("escaped names", members(|text, n| write!(text, "\"\\n{n}\":1").unwrap_or_default())),
        (
            "small objects in objects",
            members(|text, n| write!(text, "\"{n}\":{{\"b\":1,\"a\":2}}").unwrap_or_default()),
        ),
        ("one name", of("{", r#""x":1,"#, "}")),
        ("the empty name", of("{", r#""":1,"#, "}")),
        (
            "a dense member, then the empty name",
            of(&format!("{{\"h\":[{}1],", "[[1]],".repeat(40)), r#""":1,"#, "}"),
        ),
        ("a plain string", string("x")),
        ("é", string("é")),
        ("U+007F", string("\u{7f}")),
        ("😀", string("😀")),
        ("\\u0001", string("\\u0001")),
        ("\\n", string("\\n")),
        ("a long string as name ", of(r#"{""#, "é", r#"":1}"#)),
        ("strings of one é", array("\"é\",")),
        ("strings of one U+007F", array("\"\u{7f}\",")),
        ("deep arrays", array(&nested)),
        ("deep objects", array(&nested_objects)),
        ("a long string, then ones", of(&format!("{{\"a\":[\"{half}\","), "1,", "]}")),
        ("ones, then a long string", of("{\"a\":[", "1,", &format!(",\"{half}\"]}}"))),
        // What comes first is no sign of what comes after.
        (
            "a dense head, then a string",
            of(&format!("{{\"a\":[{}\"", "[1],".repeat(200)), "x", "\"]}"),
        ),
        (
            "a deep head, then a string",
            of(&format!("{{\"a\":{}\"", "[".repeat(900)), "x", &format!("\"{}}}", "]".repeat(900))),
        ),
        (
            "a deep head, then ones",
            of(&format!("{{\"a\":{}1,", "[".repeat(900)), "1,", &format!("{}}}", "]".repeat(900))),
        ),
        ("a name, then a string", of("{\"b\":1,\"a\":\"", "x", "\"}")),
        ("names in order", members(|text, n| write!(text, "\"{n:05}\":1").unwrap_or_default())),
        ("white space", of("{", " ", "}")),
    ]
}

#[test]
fn a_key_takes_about_three_times_the_input_at_most() {
    let mut table = String::from(
        "peak of the heap in lengths of the input, beside it (if blocks had to move)\n",
    );
    let brackets = ["arrays of arrays of one", "three deep", "deep arrays"];
    let mut over = Vec::new();
    for (name, text) in &shapes() {
        let _ = write!(table, "{name:36}");
        for scheme in [Scheme::Dynamiq, Scheme::Canonical] {
            let mut refused = None;
            let (peak, moving) = peaks(|| {
                let document = Document::parse(text, Dialect::PYTHON).expect(name);
                let request = KeyRequest {
                    scheme,
                    namespace: None,
                    entity_id: "e",
                    input: document.root(),
                    kwargs: None,
                    definition: None,
                };
                refused = cache_key(&request).err();
            });
            // Duplicate names have no canonical key.
            let expected = scheme == Scheme::Canonical && name.ends_with(" name");
            assert_eq!(refused.is_some(), expected, "{name}: {refused:?}");
            let [times, moving] = [peak, moving].map(|bytes| bytes as f64 / text.len() as f64);
            let _ = write!(table, "{scheme:?} {times:4.2} ({moving:4.2})  ");
            let is_over = moving > if brackets.contains(name) { BOUND_OF_BRACKETS } else { BOUND };
            if is_over {
                over.push(format!("{name}, {scheme:?}: {moving:.2}"));
            }
        }
        table.push('\n');
    }
    println!("{table}");
    assert!(over.is_empty(), "over {BOUND}: {over:#?}");
}
