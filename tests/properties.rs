//! What holds for every text: the crate agrees with the reference implementation in
//! `tests/reference`, and keys tell apart what differs and nothing else.

mod reference;
mod subject;
mod texts;

use edgememo::codec;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use reference::{ALL_RULES, Decimal, Request, Rules, Stored};
use serde::Deserialize;
use texts::{Kinds, Node, Number, Spelling, Text};

const COMMON: Kinds = Kinds { extreme: false };
const EXTREME: Kinds = Kinds { extreme: true };

/// A request for a key of an input, without anything else.
fn request(rules: Rules, input: &str) -> Request<'_> {
    Request {
        rules,
        non_finite: true,
        namespace: None,
        entity_id: "e",
        input,
        kwargs: None,
        definition: None,
    }
}

/// The crate's canonical text of what is known to have one.
fn text_of(rules: Rules, text: &str) -> Result<String, TestCaseError> {
    subject::canonical_text(rules, text, true)
        .ok_or_else(|| TestCaseError::fail(format!("{rules:?} refuses {text}")))
}

fn key_of(request: &Request<'_>) -> Result<String, TestCaseError> {
    subject::cache_key(request)
        .ok_or_else(|| TestCaseError::fail(format!("there is no key for {request:?}")))
}

/// Both accept the text, with the same result, or both refuse it.
fn agree_on(text: &str) -> Result<(), TestCaseError> {
    for non_finite in [true, false] {
        for rules in ALL_RULES {
            let expected = reference::canonical_text(rules, text, non_finite);
            let canonical = subject::canonical_text(rules, text, non_finite);
            prop_assert_eq!(
                &canonical,
                &expected,
                "{:?}, non_finite: {}: {}",
                rules,
                non_finite,
                text
            );
            if let Some(canonical) = canonical {
                prop_assert_eq!(
                    text_of(rules, &canonical)?,
                    canonical,
                    "canonical twice: {}",
                    text
                );
            }
            let request = Request { non_finite, ..request(rules, text) };
            prop_assert_eq!(
                subject::cache_key(&request),
                reference::cache_key(&request),
                "{:?}, non_finite: {}: {}",
                rules,
                non_finite,
                text
            );
        }
    }
    Ok(())
}

fn spelled(kinds: Kinds) -> impl Strategy<Value = String> {
    (texts::node(kinds), texts::choices())
        .prop_map(|(node, choices)| Spelling::new(&choices, false).spell(&node))
}

/// Objects as keywords are: with names among them that are left out and that are refused.
fn keywords() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "a",
        "b",
        "config",
        "run_id",
        "parent_run_id",
        "wf_run_id",
        "executor",
        "self",
        "entity_id",
        "input_data",
        "definition",
        "kwargs",
        "Config",
        "selfish",
    ]);
    let name = name.prop_map(|name| name.chars().map(u32::from).collect::<Text>());
    let object = vec((name, texts::scalar(EXTREME)), 0..4).prop_map(Node::Object);
    (object, texts::choices())
        .prop_map(|(node, choices)| Spelling::new(&choices, false).spell(&node))
}

/// Namespaces and entity ids that could be taken for one another.
fn part() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        ":", "::", "%", "%3A", "%3a", "3A", "a", "A", "/", " ", "é", "~", "v1", "\0",
    ]);
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// What a node is worth under some rules: two nodes that are worth the same are the same.
#[derive(Debug, Clone, PartialEq)]
enum Worth {
    Word(String),
    Number(String),
    Text(Text),
    Array(Vec<Worth>),
    Object(Vec<(Text, Worth)>),
}

impl Worth {
    fn of(node: &Node, rules: Rules) -> Self {
        Self::inside(node, rules, false)
    }

    fn inside(node: &Node, rules: Rules, in_array: bool) -> Self {
        match node {
            Node::Null => Self::Word("null".to_owned()),
            Node::Bool(value) => Self::Word(value.to_string()),
            Node::NonFinite(word) => Self::Word((*word).to_owned()),
            Node::Number(number) => Self::Number(number_worth(number, rules)),
            Node::Text(text) => Self::Text(text.clone()),
            Node::Array(values) => {
                Self::Array(values.iter().map(|value| Self::inside(value, rules, true)).collect())
            }
            Node::Object(members) => {
                let mut members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| (name.clone(), Self::inside(value, rules, in_array)))
                    .collect();
                if rules == Rules::Canonical || !in_array {
                    members.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
                Self::Object(members)
            }
        }
    }
}

fn number_worth(number: &Number, rules: Rules) -> String {
    let Number { negative, digits, exponent, whole } = number;
    let zero = digits.is_empty();
    match rules {
        Rules::Canonical if zero => "0".to_owned(),
        Rules::Canonical => format!("{negative} {digits} {exponent}"),
        Rules::Dynamiq if *whole && zero => "int 0".to_owned(),
        Rules::Dynamiq if *whole => format!("int {negative} {digits} {exponent}"),
        Rules::Dynamiq => {
            let sign = if *negative { "-" } else { "" };
            let double: Result<f64, _> = format!("{sign}0{digits}e{exponent}").parse();
            format!("float {:x}", double.unwrap_or_default().to_bits())
        }
    }
}

fn plain(node: &Node) -> String {
    Spelling::new(&[], true).spell(node)
}

/// A failure that was found becomes a test of its own, not a file of seeds.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = std::env::var_os("PROPTEST_CASES").map_or(400, |_| default.cases);
    ProptestConfig { cases, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn texts_have_the_reference_s_canonical_text_and_key(text in spelled(EXTREME)) {
        agree_on(&text)?;
    }

    #[test]
    fn texts_that_may_not_be_json_are_accepted_or_refused_as_by_the_reference(
        text in texts::broken_text()
    ) {
        agree_on(&text)?;
    }

    #[test]
    fn numbers_in_odd_spellings_are_those_of_the_reference(numbers in vec(texts::number_text(), 8)) {
        for number in numbers {
            agree_on(&number)?;
            agree_on(&format!("{{\"a\":[{number} ,{number}]}}"))?;
        }
    }

    #[test]
    fn requests_have_the_reference_s_key(
        namespace in option::of(part()),
        entity_id in part(),
        input in (texts::object_node(EXTREME), texts::choices()),
        kwargs in option::of(keywords()),
        definition in option::of(spelled(EXTREME)),
    ) {
        let input = Spelling::new(&input.1, false).spell(&input.0);
        for rules in ALL_RULES {
            let request = Request {
                rules,
                non_finite: true,
                namespace: namespace.as_deref(),
                entity_id: &entity_id,
                input: &input,
                kwargs: kwargs.as_deref(),
                definition: definition.as_deref(),
            };
            prop_assert_eq!(subject::cache_key(&request), reference::cache_key(&request), "{:?}", request);
        }
    }

    #[test]
    fn the_order_of_members_does_not_matter(node in texts::object_node(COMMON), order: Vec<u8>) {
        for rules in ALL_RULES {
            let permuted = texts::permuted(&node, &order, rules == Rules::Canonical);
            let (text, permuted) = (plain(&node), plain(&permuted));
            prop_assert_eq!(text_of(rules, &text)?, text_of(rules, &permuted)?);
            prop_assert_eq!(key_of(&request(rules, &text))?, key_of(&request(rules, &permuted))?);
        }
    }

    #[test]
    fn the_spelling_does_not_matter(
        node in texts::object_node(COMMON),
        one in texts::choices(),
        other in texts::choices(),
    ) {
        for rules in ALL_RULES {
            let spelled = |choices| Spelling::new(choices, rules == Rules::Dynamiq).spell(&node);
            let (one, other) = (spelled(&one), spelled(&other));
            prop_assert_eq!(text_of(rules, &one)?, text_of(rules, &other)?, "{} and {}", one, other);
            prop_assert_eq!(key_of(&request(rules, &one))?, key_of(&request(rules, &other))?);
        }
    }

    #[test]
    fn another_value_at_one_place_is_another_key(
        node in texts::object_node(COMMON),
        place: usize,
        by in texts::node(COMMON),
    ) {
        let other = texts::replaced(&node, place, &by);
        prop_assume!(matches!(other, Node::Object(_)));
        for rules in ALL_RULES {
            let same = Worth::of(&node, rules) == Worth::of(&other, rules);
            let (one, other) = (plain(&node), plain(&other));
            prop_assert_eq!(text_of(rules, &one)? == text_of(rules, &other)?, same, "{} and {}", one, other);
            let (one, other) = (request(rules, &one), request(rules, &other));
            prop_assert_eq!(key_of(&one)? == key_of(&other)?, same);
        }
    }

    #[test]
    fn numbers_that_are_nearly_the_same_are_told_apart(
        number in texts::number(COMMON),
        other in texts::number(COMMON),
        digit in any::<prop::sample::Index>(),
    ) {
        let mut near = number.clone();
        if !number.digits.is_empty() {
            let at = digit.index(number.digits.len());
            near.digits.replace_range(at..at + 1, "7");
        }
        for other in [other, near, Number { negative: !number.negative, ..number.clone() }] {
            for rules in ALL_RULES {
                let same = number_worth(&number, rules) == number_worth(&other, rules);
                let [one, other] = [&number, &other].map(|n| plain(&Node::Number(n.clone())));
                prop_assert_eq!(text_of(rules, &one)? == text_of(rules, &other)?, same, "{} and {}", one, other);
            }
        }
    }

    /// Also with the arithmetic of decimals, which the two implementations might have wrong alike.
    #[test]
    fn a_canonical_number_denotes_the_same(text in texts::number_text()) {
        if let Some(canonical) = subject::canonical_text(Rules::Canonical, &text, false) {
            prop_assert_eq!(Decimal::of(&canonical), Decimal::of(&text), "{}", text);
            prop_assert_eq!(canonical.parse::<f64>(), text.parse::<f64>().map(|double| double + 0.0));
        }
    }

    #[test]
    fn the_parts_of_a_canonical_key_never_run_together(
        one in (option::of(part()), part()),
        other in (option::of(part()), part()),
    ) {
        let key = |rules, (namespace, entity_id): &(Option<String>, String)| {
            key_of(&Request { namespace: namespace.as_deref(), entity_id, ..request(rules, "{}") })
        };
        let (one_key, other_key) = (key(Rules::Canonical, &one)?, key(Rules::Canonical, &other)?);
        prop_assert_eq!(one == other, one_key == other_key);
        // What made a key can be read back from it.
        prop_assert!(one_key.is_ascii());
        let mut parts: Vec<&str> = one_key.split(':').collect();
        prop_assert_eq!(parts.pop(), Some("v1"));
        for _ in 0..2 {
            let hash = parts.pop().unwrap_or_default();
            prop_assert!(hash.len() == 64 && hash.bytes().all(|b| b"0123456789abcdef".contains(&b)));
        }
        let entity_id = parts.pop().map(percent_decoded);
        prop_assert_eq!(entity_id, Some(one.1.clone()));
        prop_assert_eq!(parts.pop().map(percent_decoded), one.0.clone());
        prop_assert!(parts.is_empty());
        // Neither scheme's keys are ever the other's.
        for dynamiq in [key(Rules::Dynamiq, &one)?, key(Rules::Dynamiq, &other)?] {
            prop_assert!(!dynamiq.ends_with(":v1") && dynamiq != one_key);
        }
    }

    #[test]
    fn definition_and_kwargs_never_stand_for_one_another(
        one in (option::of(definition()), option::of(definition())),
        other in (option::of(definition()), option::of(definition())),
    ) {
        let key = |(definition, kwargs): &(Option<Node>, Option<Node>)| {
            let (definition, kwargs) = (definition.as_ref().map(plain), kwargs.as_ref().map(plain));
            key_of(&Request {
                definition: definition.as_deref(),
                kwargs: kwargs.as_deref(),
                ..request(Rules::Canonical, "{}")
            })
        };
        let worth = |(definition, kwargs): &(Option<Node>, Option<Node>)| {
            let none = Node::Object(Vec::new());
            let kwargs = kwargs.as_ref().unwrap_or(&none);
            let worth = |node| Worth::of(node, Rules::Canonical);
            (definition.as_ref().map(worth), worth(kwargs))
        };
        prop_assert_eq!(key(&one)? == key(&other)?, worth(&one) == worth(&other));
    }

    #[test]
    fn what_is_stored_reads_back(text in spelled(EXTREME)) {
        let expected = match reference::canonical_text(Rules::Dynamiq, &text, false) {
            None => Stored::NotJson,
            Some(null) if null == "null" => Stored::Null,
            Some(_) => Stored::Output(text.clone()),
        };
        prop_assert_eq!(subject::decode(&codec::encode(&text)), Some(expected));
    }

    #[test]
    fn stored_values_are_read_as_the_reference_reads_them(
        text in prop_oneof![spelled(EXTREME), texts::broken_text(), Just("{\"a\": 1}".to_owned())],
        edits in vec((any::<prop::sample::Index>(), 0..3_u8, foreign()), 0..4),
    ) {
        let mut stored = codec::encode(&text);
        for (index, kind, foreign) in edits {
            let at = stored.floor_char_boundary(index.index(stored.len() + 1));
            match kind {
                0 => stored.truncate(at),
                1 => stored.insert_str(at, &foreign),
                _ => drop(stored.pop()),
            }
        }
        prop_assert_eq!(subject::decode(&stored), Some(reference::decode(&stored)), "{}", stored);
    }

    #[test]
    fn stored_values_that_nobody_encoded_are_read_as_the_reference_reads_them(
        stored in prop_oneof![foreign(), ".{0,40}".boxed(), "[A-Za-z0-9+/]{0,12}={0,5}[A-Za-z0-9+/=]{0,8}".boxed()],
    ) {
        prop_assert_eq!(subject::decode(&stored), Some(reference::decode(&stored)), "{}", stored);
    }
}

/// Small objects that meet often, some of them with the names that the hashed object has.
fn definition() -> impl Strategy<Value = Node> {
    let name = prop::sample::select(vec!["definition", "kwargs", "a"]);
    let name = name.prop_map(|name| name.chars().map(u32::from).collect::<Text>());
    let leaf = prop_oneof![Just(Node::Null), Just(Node::Object(Vec::new()))];
    leaf.prop_recursive(2, 6, 2, move |inner| {
        vec((name.clone(), inner), 0..2).prop_map(Node::Object)
    })
    .prop_filter("kwargs are an object", |node| matches!(node, Node::Object(_)))
}

/// What may stand in a stored value that is not of Base64's alphabet, and what may.
fn foreign() -> BoxedStrategy<String> {
    let piece = prop::sample::select(vec![
        "=", "==", "A", "e30=", "bnVsbA==", "\n", "\r\n", " ", "é", "-", "_", "!", "\0", "Zg",
        "\u{ff1d}",
    ]);
    vec(piece, 0..5).prop_map(|pieces| pieces.concat()).boxed()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        bytes.push(match byte {
            b'%' => digit().zip(digit()).map_or(b'?', |(high, low)| (high * 16 + low) as u8),
            _ => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is looked at in blocks of bytes is found at every place in a block.
#[test]
fn characters_are_found_at_every_offset_of_a_long_string() {
    let specials = [
        "\\\"",
        "\\\\",
        "\\/",
        "\\n",
        "\\u0041",
        "\\u001f",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\u{7f}",
        "é",
        "\u{2028}",
        "😀",
        "\t",
        "\u{1f}",
        "\0",
        "\"",
        "\\",
        "\\u00g0",
        "\\ud83d\\u12",
        "\u{80}",
        "~",
        "!",
    ];
    let lengths = (0..=36).chain([47, 48, 49, 62, 63, 64, 65, 66, 127, 128, 129]);
    for length in lengths {
        for offset in 0..=length {
            let special = |n: usize| specials[(n + offset) % specials.len()];
            // All of them in the short strings; in the long ones those whose turn it is.
            let turns = if length <= 20 { specials.len() } else { 3 };
            for turn in 0..turns {
                let (before, after) = ("x".repeat(offset), "y".repeat(length - offset));
                let special = special(turn * 7 + length);
                let lead = " ".repeat((length + turn) % 8);
                let text =
                    format!("{lead}{{\"{before}{special}{after}\":\"{before}{special}{after}\"}}");
                for rules in ALL_RULES {
                    let expected = reference::canonical_text(rules, &text, true);
                    assert_eq!(subject::canonical_text(rules, &text, true), expected, "{text}");
                }
            }
        }
    }
}

#[test]
fn two_specials_in_a_block_are_both_found() {
    let specials = ["\\n", "\\u00e9", "é", "😀", "\u{7f}", "\\\\"];
    for gap in 0..40 {
        for one in specials {
            for other in specials {
                let text =
                    format!("[\"{one}{}{other}\",\"{}\"]", "x".repeat(gap), "z".repeat(40 - gap));
                for rules in ALL_RULES {
                    let expected = reference::canonical_text(rules, &text, true);
                    assert_eq!(subject::canonical_text(rules, &text, true), expected, "{text}");
                }
            }
        }
    }
}

/// Names that agree for long, and names of which one is the start of another.
#[test]
fn long_names_are_sorted_to_their_end() {
    for length in [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65] {
        let common = "n".repeat(length);
        let ends = [
            "",
            "a",
            "b",
            "aa",
            "é",
            "\\u00ea",
            "\\ud83d\\ude00",
            "\u{fffd}",
            "\\n",
            "\\u0000",
            "B",
            "a\u{7f}",
            "😁",
        ];
        for rotation in 0..ends.len() {
            let mut members = ends.map(|end| format!("\"{common}{end}\":{}", end.len()));
            members.rotate_left(rotation);
            members[..rotation].reverse();
            let text = format!("{{{}}}", members.join(","));
            for rules in ALL_RULES {
                let expected = reference::canonical_text(rules, &text, true);
                assert!(expected.is_some());
                assert_eq!(subject::canonical_text(rules, &text, true), expected, "{text}");
            }
        }
    }
}

#[test]
fn the_limits_are_where_the_reference_has_them() {
    let digits = |n: usize| "7".repeat(n);
    let zeros = |n: usize| "0".repeat(n);
    let mut texts = Vec::new();
    for depth in [1, 2, 63, 64, 65, 999, 1000, 1001] {
        texts.push(format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
        texts.push(format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)));
        texts.push(format!(
            "{}{}",
            "[{\"b\":1,\"a\":".repeat(depth / 2) + "[",
            "]".to_owned() + &"}]".repeat(depth / 2)
        ));
    }
    for n in [4299, 4300, 4301] {
        texts.push(digits(n));
        texts.push(format!("-{}", digits(n)));
        texts.push(format!("{}.0", digits(n)));
        texts.push(format!("0.{}", digits(n)));
        texts.push(format!("0.{}{}", zeros(5000), digits(n)));
        texts.push(format!("{}.{}e-5", digits(n - 100), digits(100)));
        texts.push(format!("{}.{}{}", digits(n - 100), digits(100), zeros(9000)));
        texts.push(format!("1{}", zeros(n)));
        texts.push(format!("1{}.0", zeros(n)));
        texts.push(format!("1{}e0", zeros(n)));
        texts.push(format!("1{}1e-3", zeros(n - 2)));
    }
    for exponent in [20, 21, 22, 308, 309, 323, 324, 325, 999_998, 999_999, 1_000_000, 1_000_001] {
        for mantissa in
            ["1", "-1", "10", "0.1", "12.5", "0.00000000000", "-0", "123456789012345678901.5"]
        {
            for sign in ["", "+", "-", "-0000000000000000000000000000000000000000"] {
                texts.push(format!("{mantissa}e{sign}{exponent}"));
            }
        }
    }
    for exponent in [
        "99999999999999999999",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
    ] {
        for sign in ["", "-"] {
            texts.push(format!("1e{sign}{exponent}"));
            texts.push(format!("0e{sign}{exponent}"));
            texts.push(format!("0.0{}1e{sign}{exponent}{exponent}", zeros(100)));
        }
    }
    // Zeros that an exponent of the other sign makes up for.
    texts.push(format!("0.{}1e1000010", zeros(1_000_009)));
    texts.push(format!("0.{}1e2000000", zeros(1_000_000)));
    texts.push(format!("1{}.0e-1000010", zeros(4400)));
    for text in texts {
        let start: String = text.chars().take(80).collect();
        for rules in ALL_RULES {
            let expected = reference::canonical_text(rules, &text, true);
            assert!(
                subject::canonical_text(rules, &text, true) == expected,
                "{rules:?}: {start}, {} bytes",
                text.len()
            );
            let request = request(rules, &text);
            assert!(subject::cache_key(&request) == reference::cache_key(&request), "{start}");
        }
    }
}

/// Python's `repr` of the doubles whose neighbours are unevenly far away, and of others.
#[test]
fn doubles_have_the_fewest_digits_that_read_back() {
    for exponent in -1074..=1023 {
        let power = 2_f64.powi(exponent);
        for double in [power, power.next_up(), power.next_down(), power * 3.0] {
            let text = format!("{double:.25e}");
            let expected = reference::canonical_text(Rules::Dynamiq, &text, true);
            assert_eq!(subject::canonical_text(Rules::Dynamiq, &text, true), expected, "{text}");
        }
    }
}

/// A canonical key that is frozen; `tests/vectors.rs` compares the crate with all of it.
#[derive(Deserialize)]
struct Frozen {
    name: String,
    entity_id: String,
    namespace: Option<String>,
    input_json: String,
    kwargs_json: Option<String>,
    definition_json: Option<String>,
    /// Like the key, not there for what is refused.
    canonical_input: Option<String>,
    key: Option<String>,
}

/// What the other tests compare the crate with keeps to the frozen keys too.
#[test]
fn the_reference_has_the_frozen_canonical_keys() {
    let frozen: Vec<Frozen> = serde_json::from_str(include_str!("vectors/canonical.json")).unwrap();
    for vector in frozen {
        let request = Request {
            rules: Rules::Canonical,
            non_finite: false,
            namespace: vector.namespace.as_deref(),
            entity_id: &vector.entity_id,
            input: &vector.input_json,
            kwargs: vector.kwargs_json.as_deref(),
            definition: vector.definition_json.as_deref(),
        };
        for non_finite in [false, true] {
            let key = reference::cache_key(&Request { non_finite, ..request });
            assert_eq!(key, vector.key, "{}", vector.name);
        }
        if vector.canonical_input.is_some() {
            let text = reference::canonical_text(Rules::Canonical, &vector.input_json, false);
            assert_eq!(text, vector.canonical_input, "{}", vector.name);
        }
    }
}
