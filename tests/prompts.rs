//! Prompts give what Dynamiq's give: `tests/vectors/dynamiq-prompts.json` was produced by the Python
//! library. What is not done is refused.

use std::collections::BTreeMap;

use edgememo::definition as prompt;
use edgememo::json::{Dialect, Document, Item, Order, Value, dumps};
use edgememo::prompt::{PromptError, check_input, render_messages};
use prompts::RawPrompt;

#[path = "../src/definition/prompts.rs"]
mod prompts;
#[allow(dead_code, unused_imports, reason = "some of it is for rendering")]
#[path = "../src/template/mod.rs"]
mod template;

/// What Dynamiq sends and the edge refuses, with the words that say why.
const REFUSED: [(&str, &str); 6] = [
    // A text of the edge cannot hold it.
    ("container-09", "a lone surrogate"),
    // Names of Python's own.
    ("expr-24", "the edge has no attribute `__name__`"),
    // Filters that prompts hardly use, and that take much code.
    ("filter-37", "the edge has no filter `wordwrap`"),
    ("filter-44", "the edge has no filter `xmlattr`"),
    // Dynamiq passes over what it does not know, and so over what is misspelled.
    ("messages-15", "unknown field `extra`"),
    // Dynamiq's library changes files on their way to the provider.
    ("vision-22", "unknown variant `file`"),
];

/// Where something fails, and why.
#[derive(Debug)]
#[expect(dead_code, reason = "they are for people")]
enum Failure {
    Build(String),
    Input(PromptError),
    Execution(PromptError),
}

/// The messages that the edge sends.
fn sent(messages: &str, input: Value<'_>) -> Result<String, Failure> {
    // JSON is YAML, but for the names of what is beyond 16 bits.
    let document = Document::parse(messages, Dialect::PYTHON)
        .map_err(|error| Failure::Build(error.to_string()))?;
    let mut yaml = String::from("messages: ");
    yaml.push_str(&plain(document.root()));
    let raw: RawPrompt =
        serde_saphyr::from_str(&yaml).map_err(|error| Failure::Build(error.to_string()))?;
    let mut mistakes = Vec::new();
    let Some(prompt) = raw.compile("p", &mut |_, reason| mistakes.push(reason)) else {
        return Err(Failure::Build(mistakes.join("; ")));
    };
    check_input(&prompt, input).map_err(Failure::Input)?;
    render_messages(&prompt, input).map_err(Failure::Execution)
}

/// JSON without escapes of surrogates.
fn plain(value: Value<'_>) -> String {
    match value.item() {
        Item::String(text) => {
            let mut out = String::new();
            edgememo::json::write_string(&mut out, &text.to_str().unwrap_or_default());
            out
        }
        Item::Array(values) => {
            let items: Vec<_> = values.map(plain).collect();
            format!("[{}]", items.join(", "))
        }
        Item::Object(members) => {
            let members = members.map(|(name, value)| {
                let mut out = String::new();
                edgememo::json::write_string(&mut out, &name.to_str().unwrap_or_default());
                format!("{out}: {}", plain(value))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        _ => value.raw().to_owned(),
    }
}

#[test]
fn prompts_give_what_dynamiq_gives_or_are_refused_by_name() {
    #[derive(serde::Deserialize)]
    struct Vector {
        name: String,
        messages_json: String,
        input_json: String,
        rendered_json: Option<String>,
        error_stage: Option<String>,
    }
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("vectors/dynamiq-prompts.json")).unwrap();
    let (mut equal, mut failed) = (0, 0);
    let mut refused = BTreeMap::new();
    let mut different = Vec::new();
    for vector in &vectors {
        let input = Document::parse(&vector.input_json, Dialect::PYTHON).unwrap();
        let spelled = |text: &str| {
            dumps(Document::parse(text, Dialect::PYTHON).unwrap().root(), Order::AsWritten)
        };
        let theirs = vector.rendered_json.as_deref().map(spelled);
        match (sent(&vector.messages_json, input.root()), theirs) {
            (Ok(ours), Some(theirs)) if spelled(&ours) == theirs => equal += 1,
            (Ok(ours), theirs) => different.push((&vector.name, ours, theirs)),
            (Err(failure), Some(_)) => {
                refused.insert(vector.name.as_str(), failure);
            }
            (Err(failure), None) => {
                let stage = vector.error_stage.as_deref();
                let fits = match failure {
                    Failure::Build(_) => true,
                    Failure::Input(_) => stage == Some("validate"),
                    Failure::Execution(_) => matches!(stage, Some("render" | "request")),
                };
                if fits {
                    failed += 1;
                } else {
                    different.push((&vector.name, format!("{failure:?}"), None));
                }
            }
        }
    }
    println!("{equal} equal, {failed} fail in Dynamiq and here, {} refused", refused.len());
    assert!(different.is_empty(), "{different:#?}");
    let names: Vec<_> = refused.keys().copied().collect();
    assert_eq!(names, REFUSED.map(|(name, _)| name), "{refused:#?}");
    for (name, words) in REFUSED {
        let failure = format!("{:?}", refused.get(name).unwrap());
        assert!(failure.contains(words), "{name}: {failure}");
    }
    assert!(refused.len() * 20 <= vectors.len());
}
