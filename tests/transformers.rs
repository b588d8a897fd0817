//! Transformers and mappings give what Dynamiq's give: `tests/vectors/dynamiq-transformers.json` was
//! produced by the Python library. And whatever the texts are, they end.

use std::collections::BTreeMap;

use edgememo::json::{Dialect, Document, Item, Order, Value, dumps};
use edgememo::transform::{Transformer, apply_mapping};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// What Dynamiq transforms and the edge refuses, with the reason for each.
const REFUSED: [(&str, &str); 0] = [];

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;
type Pairs = Vec<(String, String)>;

fn text_of(value: Value<'_>) -> Fallible<String> {
    let text = value.as_str().and_then(|text| text.to_str()).ok_or("not a string")?;
    Ok(text.into_owned())
}

/// A member that may be null.
fn optional<'v>(vector: Value<'v>, name: &str) -> Option<Value<'v>> {
    vector.get(name).filter(|value| !value.is_null())
}

/// The members of an object, of which `text` makes the values.
fn pairs(value: Value<'_>, text: fn(Value<'_>) -> Fallible<String>) -> Fallible<Pairs> {
    let Item::Object(members) = value.item() else { return Err("not an object".into()) };
    members
        .map(|(name, value)| Ok((name.to_str().ok_or("no name")?.into_owned(), text(value)?)))
        .collect()
}

fn parsed(text: &str) -> Fallible<Document<'_>> {
    Ok(Document::parse(text, Dialect::PYTHON)?)
}

/// The member of a vector that is a text of JSON.
fn json(vector: Value<'_>, name: &str) -> Fallible<String> {
    text_of(vector.get(name).ok_or("no such member")?)
}

/// What the edge makes of a vector's data.
fn transformed(vector: Value<'_>) -> Fallible<String> {
    let path = optional(vector, "path").map(text_of).transpose()?;
    let selector = optional(vector, "selector").map(|value| pairs(value, text_of)).transpose()?;
    let transformer = Transformer::compile(path.as_deref(), selector.as_deref())?;
    let data = json(vector, "data_json")?;
    if vector.get("mapping_json").is_none() {
        return Ok(transformer.apply(parsed(&data)?.root())?);
    }
    let depends = json(vector, "depends_json")?;
    let depends = parsed(&depends)?;
    let data = with_dependencies(&data, depends.root(), transformer.is_identity())?;
    let input = transformer.apply(parsed(&data)?.root())?;
    let raw = |value: Value<'_>| Ok(value.raw().to_owned());
    let mapping = json(vector, "mapping_json")?;
    let input = apply_mapping(parsed(&input)?.root(), &pairs(parsed(&mapping)?.root(), raw)?)?;
    let references = vector.get("references").ok_or("no references")?;
    let referred = pairs(references, raw)?
        .into_iter()
        .map(|(field, reference)| Ok((field, refer(depends.root(), &reference)?)))
        .collect::<Fallible<Pairs>>()?;
    Ok(apply_mapping(parsed(&input)?.root(), &referred)?)
}

/// Input and results together, as Dynamiq hands them to a node: without a transformer the results
/// have no input in them.
fn with_dependencies(data: &str, depends: Value<'_>, without_input: bool) -> Fallible<String> {
    let shown = |value: Value<'_>| {
        let Item::Object(members) = value.item() else { return Ok(value.raw().to_owned()) };
        let members: Vec<_> = members
            .map(|(name, value)| (name.to_str().unwrap_or_default().into_owned(), value.raw()))
            .map(|(name, raw)| format!("\"{name}\": {raw}"))
            .filter(|member| !member.starts_with("\"input\""))
            .collect();
        Ok(format!("{{{}}}", members.join(", ")))
    };
    let whole = |value: Value<'_>| Ok(value.raw().to_owned());
    let depends = pairs(depends, if without_input { shown } else { whole })?;
    Ok(apply_mapping(parsed(data)?.root(), &depends)?)
}

/// What `node.outputs.key` is in Python, which a definition in YAML cannot say.
fn refer(depends: Value<'_>, reference: &str) -> Fallible<String> {
    let reference = parsed(reference)?;
    let Item::Array(mut parts) = reference.root().item() else { return Err("no list".into()) };
    let (Some(node), Some(key)) = (parts.next(), parts.next()) else { return Err("short".into()) };
    let output = depends.get(&text_of(node)?).and_then(|result| result.get("output"));
    let value = output.and_then(|output| output.get(&text_of(key).ok()?));
    value.map(|value| value.raw().to_owned()).ok_or_else(|| "not found".into())
}

#[test]
fn results_are_those_of_dynamiq() {
    let path = format!("{}/tests/vectors/dynamiq-transformers.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let document = parsed(&text).unwrap();
    let Item::Array(vectors) = document.root().item() else { panic!("no vectors") };
    let (mut equal, mut failed, mut refused) = (0, 0, BTreeMap::new());
    let mut different = Vec::new();
    for vector in vectors {
        let name = json(vector, "name").unwrap();
        let spelled = |text: &str| dumps(parsed(text).unwrap().root(), Order::AsWritten);
        let expected = optional(vector, "result_json").map(|text| spelled(&text_of(text).unwrap()));
        match (transformed(vector), expected) {
            (Ok(ours), Some(theirs)) if spelled(&ours) == theirs => equal += 1,
            (Err(_), None) => failed += 1,
            (Err(error), Some(_)) => {
                refused.insert(name, error.to_string());
            }
            (Ok(ours), theirs) => different.push((name, ours, theirs)),
        }
    }
    println!("{equal} equal, {failed} fail in Dynamiq and here, {} refused here", refused.len());
    assert!(different.is_empty(), "{different:#?}");
    let names: Vec<_> = refused.keys().map(String::as_str).collect();
    assert_eq!(names, REFUSED.map(|(name, _)| name), "{refused:#?}");
    assert_eq!(equal + failed + refused.len(), 318);
}

fn paths() -> impl Strategy<Value = String> {
    const PIECES: [&str; 44] = [
        "$", "$", "$", ".", ".", ".", "..", "..", "[*]", "[0]", "[-1]", "[1:]", "[::-1]", "[", "]",
        "(", ")", "*", "a", "b", "c", "a,b", "'a b'", "\"é\"", "'", "`this`", "`parent`", "`len`",
        " where ", "where", "|", "||", "&", "~", ",", ":", "-", "@", "7", "٣", "é", "!", "\\",
        "\n",
    ];
    prop_oneof![
        8 => vec(select(&PIECES[..]), 0..14).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    const SCALARS: [&str; 14] = [
        "null",
        "true",
        "false",
        "0",
        "7",
        "-0.0",
        "1.50",
        "NaN",
        "\"\"",
        "\"a\\n\\ud800b\"",
        "\"\\ud83d\\ude00é\"",
        "[]",
        "{}",
        "18446744073709551616",
    ];
    select(&SCALARS[..]).prop_map(str::to_owned).prop_recursive(6, 60, 5, |inner| {
        let names = select(&["a", "b", "c", "\\u0061", "a b", "*"][..]);
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(|values| format!("[{}]", values.join(", "))),
            vec((names, inner), 0..5).prop_map(|members| {
                let members: Vec<_> = members
                    .into_iter()
                    .map(|(name, value)| format!("\"{name}\": {value}"))
                    .collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn every_text_compiles_or_is_refused_and_what_is_applied_gives_json(
        path in paths(),
        fields in vec(("[ab]", paths()), 0..3),
        data in texts(),
    ) {
        let document = Document::parse(&data, Dialect::PYTHON).unwrap();
        for (path, fields) in [(Some(&path), &[][..]), (None, &fields[..]), (Some(&path), &fields)] {
            let path = path.map(String::as_str);
            let Ok(transformer) = Transformer::compile(path, Some(fields)) else { continue };
            let carried = serde_json::to_string(&transformer).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Transformer>(&carried).unwrap(), &transformer);
            if let Ok(result) = transformer.apply(document.root()) {
                prop_assert!(Document::parse(&result, Dialect::PYTHON).is_ok(), "{}", result);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_path_that_repeats_itself_is_bounded(
        pieces in vec(select(&["..*", "..$", "..`this`", ".(`this`|`this`)", ".$", "[*]"][..]), 0..60),
    ) {
        let data = format!("{{\"a\": [{}0]}}", "[1, {\"b\": 2}], ".repeat(200));
        let document = Document::parse(&data, Dialect::PYTHON).unwrap();
        let path = format!("${}", pieces.concat());
        let transformer = Transformer::compile(Some(&path), None).unwrap();
        // It may fail, and it ends.
        let _ = transformer.apply(document.root());
    }
}
