//! Keys and values are those of Dynamiq's Python library: the vectors `tests/vectors/dynamiq-*` were
//! produced by it. And canonical keys stay what they are, once and for all: `canonical.json`.

use std::collections::HashSet;

use edgememo::codec::{self, DecodeError};
use edgememo::json::{Dialect, Document, Order, ParseError, dumps};
use edgememo::key::{KeyError, KeyRequest, Scheme, Side, cache_key, canonicalize, explain};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[expect(clippy::panic, clippy::unwrap_used, reason = "a helper of tests")]
fn vectors<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let vectors: Vec<T> = serde_json::from_str(&text).unwrap();
    assert!(!vectors.is_empty());
    vectors
}

#[derive(Deserialize)]
struct Key {
    name: String,
    entity_id: String,
    namespace: Option<String>,
    input_json: String,
    kwargs_json: String,
    canonical_input: String,
    canonical_kwargs: String,
    key: String,
}

fn dynamiq_key(
    namespace: Option<&str>,
    entity_id: &str,
    input: &Document<'_>,
    kwargs: &Document<'_>,
) -> Result<String, KeyError> {
    cache_key(&KeyRequest {
        scheme: Scheme::Dynamiq,
        namespace,
        entity_id,
        input: input.root(),
        kwargs: Some(kwargs.root()),
        definition: None,
    })
}

#[test]
fn keys_are_those_of_dynamiq() {
    for vector in vectors::<Key>("dynamiq-keys.json") {
        let name = &vector.name;
        let input = Document::parse(&vector.input_json, Dialect::PYTHON).expect(name);
        let kwargs = Document::parse(&vector.kwargs_json, Dialect::PYTHON).expect(name);
        for (document, canonical) in
            [(&input, &vector.canonical_input), (&kwargs, &vector.canonical_kwargs)]
        {
            let text = canonicalize(document.root(), Scheme::Dynamiq);
            assert_eq!(text.as_ref(), Ok(canonical), "{name}");
        }
        let namespace = vector.namespace.as_deref();
        let key = dynamiq_key(namespace, &vector.entity_id, &input, &kwargs);
        assert_eq!(key.expect(name), vector.key, "{name}");
    }
}

#[derive(Deserialize)]
struct KeyRefused {
    name: String,
    entity_id: String,
    namespace: Option<String>,
    input_json: String,
    kwargs_json: String,
}

#[test]
fn what_dynamiq_refuses_has_no_key() {
    for vector in vectors::<KeyRefused>("dynamiq-key-errors.json") {
        let key = || -> Result<String, Box<dyn std::error::Error>> {
            let input = Document::parse(&vector.input_json, Dialect::PYTHON)?;
            let kwargs = Document::parse(&vector.kwargs_json, Dialect::PYTHON)?;
            let namespace = vector.namespace.as_deref();
            Ok(dynamiq_key(namespace, &vector.entity_id, &input, &kwargs)?)
        };
        assert!(key().is_err(), "{}", vector.name);
    }
}

#[derive(Deserialize)]
struct Canonical {
    name: String,
    entity_id: String,
    namespace: Option<String>,
    input_json: String,
    kwargs_json: Option<String>,
    definition_json: Option<String>,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Outcome {
    Key {
        canonical_input: String,
        canonical_kwargs: String,
        canonical_definition: Option<String>,
        key: String,
    },
    Refused {
        error: String,
    },
}

/// Why there is no key: the code that callers see.
struct Code(&'static str);

impl From<ParseError> for Code {
    fn from(error: ParseError) -> Self {
        Self(error.kind.code())
    }
}

impl From<KeyError> for Code {
    fn from(error: KeyError) -> Self {
        Self(error.code())
    }
}

/// The scheme `canonical`, version 1. Keys that were made with it are in caches, so what is in this
/// file does not change: other texts or keys are another version, with another tag at the end of its
/// keys and another file. Further cases may be added, but not by printing what the crate makes of
/// them: these were computed by another program in another language, from the rules.
#[test]
fn canonical_keys_are_those_of_version_1() {
    let mut names = HashSet::new();
    for vector in vectors::<Canonical>("canonical.json") {
        let name = &vector.name;
        assert!(names.insert(name.clone()), "two are called {name}");
        // The dialect is a matter of `dynamiq`.
        for dialect in [Dialect::STRICT, Dialect::PYTHON] {
            let side = canonical_side(&vector, dialect);
            match (&vector.outcome, side) {
                (Outcome::Refused { error }, Err(code)) => assert_eq!(error, code.0, "{name}"),
                (Outcome::Refused { .. }, Ok(_)) => panic!("{name}: has a key"),
                (Outcome::Key { .. }, Err(code)) => panic!("{name}: {}", code.0),
                (
                    Outcome::Key { canonical_input, canonical_kwargs, canonical_definition, key },
                    Ok(side),
                ) => {
                    let expected = Side {
                        key: key.clone(),
                        input: canonical_input.clone(),
                        kwargs: canonical_kwargs.clone(),
                        definition: canonical_definition.clone(),
                    };
                    assert_eq!(side, expected, "{name}");
                }
            }
        }
    }
}

/// What is hashed for a request, and its key: the same as when it is asked for alone.
fn canonical_side(vector: &Canonical, dialect: Dialect) -> Result<Side, Code> {
    let input = Document::parse(&vector.input_json, dialect)?;
    let parse = |text| Document::parse(text, dialect);
    let kwargs = vector.kwargs_json.as_deref().map(parse).transpose()?;
    let definition = vector.definition_json.as_deref().map(parse).transpose()?;
    let request = KeyRequest {
        scheme: Scheme::Canonical,
        namespace: vector.namespace.as_deref(),
        entity_id: &vector.entity_id,
        input: input.root(),
        kwargs: kwargs.as_ref().map(Document::root),
        definition: definition.as_ref().map(Document::root),
    };
    let alone = cache_key(&request)?;
    let explanation = explain(&request, &request).map_err(|error| error.error)?;
    assert!(explanation.equal && explanation.differences.is_empty(), "{}", vector.name);
    assert_eq!(explanation.a.key, alone, "{}", vector.name);
    Ok(explanation.a)
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Value {
    Encode { name: String, output_json: String, dumps: String, stored: String },
    Decode { name: String, stored: String, outcome: String, decoded: Option<String> },
}

#[test]
fn values_are_those_of_dynamiq_in_both_directions() {
    for vector in vectors::<Value>("dynamiq-values.json") {
        match vector {
            Value::Encode { name, output_json, dumps: expected, stored } => {
                let output = Document::parse(&output_json, Dialect::PYTHON).expect(&name);
                let output = dumps(output.root(), Order::AsWritten);
                assert_eq!(output, expected, "{name}");
                assert_eq!(codec::encode(&output), stored, "{name}");
            }
            Value::Decode { name, stored, outcome, decoded } => {
                let read = codec::decode(&stored);
                match outcome.as_str() {
                    // JSON has no NaN and no Infinity: such an output is no answer over HTTP.
                    "hit" if decoded.as_ref().is_some_and(|text| non_finite(text)) => {
                        // A literal that overflows a double is JSON, and is passed on as it is.
                        if name != "decode-neg-zero" {
                            assert_eq!(read, Err(DecodeError::NotJson), "{name}");
                        }
                    }
                    "hit" => {
                        let text = read.expect(&name);
                        let document = Document::parse(&text, Dialect::PYTHON).expect(&name);
                        assert_eq!(
                            Some(dumps(document.root(), Order::AsWritten)),
                            decoded,
                            "{name}"
                        );
                    }
                    "miss" => assert_eq!(read, Err(DecodeError::Null), "{name}"),
                    "error" => assert!(read.is_err(), "{name}"),
                    other => panic!("{name}: unknown outcome {other}"),
                }
            }
        }
    }
}

fn non_finite(json: &str) -> bool {
    json.contains("NaN") || json.contains("Infinity")
}
