//! Where transformers stand in the order of a run: before the key, and after the store.

use std::cell::Cell;

use edgememo::cache::{Cache, Deadlines};
use edgememo::config::RedisCacheConfig;
use edgememo::definition::CachingConfig;
use edgememo::json::{Dialect, Document, ParseError};
use edgememo::key::{KeyRequest, Scheme, cache_key};
use edgememo::node::{Context, Execution, Finished, Node, NodeError, Run, Slots, run};
use edgememo::redis::memory::Memory;
use edgememo::transform::{CompileError, Transformer};
use futures_executor::block_on;

/// Counts its executions, and gives the text of its input.
struct Echo {
    input: Transformer,
    output: Transformer,
    executed: Cell<u32>,
}

impl Node for Echo {
    fn id(&self) -> &str {
        "echo"
    }

    fn caching(&self) -> CachingConfig {
        CachingConfig { enabled: true, ..CachingConfig::default() }
    }

    fn input_transformer(&self) -> Option<&Transformer> {
        Some(&self.input)
    }

    fn output_transformer(&self) -> Option<&Transformer> {
        Some(&self.output)
    }

    async fn execute(&self, execution: Execution<'_>) -> Result<String, NodeError> {
        self.executed.set(self.executed.get() + 1);
        let text = execution.input.get("text").map_or("null", |text| text.raw());
        Ok(format!("{{\"content\": {text}}}"))
    }
}

fn selector(fields: &[(&str, &str)]) -> Result<Transformer, CompileError> {
    let own = |&(name, path): &(&str, &str)| (name.to_owned(), path.to_owned());
    Transformer::compile(None, Some(&fields.iter().map(own).collect::<Vec<_>>()))
}

fn path(path: &str) -> Result<Transformer, CompileError> {
    Transformer::compile(Some(path), None)
}

fn echo(input: Transformer, output: Transformer) -> Echo {
    Echo { input, output, executed: Cell::new(0) }
}

/// Runs a node and carries out the write, as the Worker does after the response.
fn run_once(node: &Echo, cache: &Cache<Memory>, input: &str) -> Result<Box<Finished>, ParseError> {
    let config = RedisCacheConfig { namespace: None, ttl: Some(60) };
    let document = Document::parse(input, Dialect::STRICT)?;
    let given = Run { cache: Some(&config), ..Run::new(document.root()) };
    let slots = Slots::default();
    let finished = block_on(run(node, given, Context::new(cache, &slots)));
    if let Some(entry) = &finished.write {
        block_on(cache.store(entry));
    }
    Ok(finished)
}

fn memory() -> Cache<Memory> {
    Cache::new(Memory::new(), Deadlines::default())
}

const INPUT: &str = r#"{"q": {"text": "hello"}, "unused": 1}"#;

#[test]
fn the_key_is_that_of_the_transformed_input_and_the_raw_output_is_stored() {
    let cache = memory();
    let first = echo(path("$.q").unwrap(), selector(&[("summary", "$.content")]).unwrap());
    let finished = run_once(&first, &cache, INPUT).unwrap();
    assert_eq!(finished.result.as_deref(), Ok(r#"{"summary": "hello"}"#));
    let transformed = Document::parse(r#"{"text": "hello"}"#, Dialect::STRICT).unwrap();
    let key = cache_key(&KeyRequest {
        scheme: Scheme::Dynamiq,
        namespace: None,
        entity_id: "echo",
        input: transformed.root(),
        kwargs: None,
        definition: None,
    });
    assert_eq!(finished.cache.key(), key.ok().as_deref());
    let entry = finished.write.unwrap();
    assert_eq!(entry.output, r#"{"content": "hello"}"#);
    // A hit goes through the output transformer that is there now.
    let other = echo(path("$.q").unwrap(), selector(&[("other", "$.content")]).unwrap());
    let finished = run_once(&other, &cache, r#"{"q": {"text": "hello"}, "unused": 2}"#).unwrap();
    assert!(finished.cache.is_output_from_cache());
    assert_eq!(finished.result.as_deref(), Ok(r#"{"other": "hello"}"#));
    assert_eq!(other.executed.get(), 0);
}

#[test]
fn a_transformed_input_that_is_no_object_reaches_neither_cache_nor_node() {
    for not_an_object in ["$.q.text", "$.nowhere", "$.*"] {
        let cache = memory();
        let node = echo(path(not_an_object).unwrap(), Transformer::default());
        let finished = run_once(&node, &cache, INPUT).unwrap();
        assert!(matches!(finished.result, Err(NodeError::Validation(_))), "{not_an_object}");
        assert_eq!(node.executed.get(), 0);
        assert!(cache.redis().take_journal().is_empty());
    }
    // A field that is not found is null, and passes.
    let node = echo(selector(&[("text", "$.nowhere")]).unwrap(), Transformer::default());
    let finished = run_once(&node, &memory(), INPUT).unwrap();
    assert_eq!(finished.result.as_deref(), Ok(r#"{"content": null}"#));
}

#[test]
fn a_failing_output_transformer_fails_after_the_output_is_stored_and_on_every_hit() {
    let cache = memory();
    let failing = Transformer::compile(
        Some("$.content"),
        Some(&[("length".to_owned(), "$.length".to_owned())]),
    );
    let node = echo(path("$.q").unwrap(), failing.unwrap());
    let first = run_once(&node, &cache, INPUT).unwrap();
    assert!(matches!(first.result, Err(NodeError::Transform(_))));
    assert!(first.write.is_some_and(|entry| entry.output == r#"{"content": "hello"}"#));
    let second = run_once(&node, &cache, INPUT).unwrap();
    assert!(second.cache.is_output_from_cache() && second.result.is_err());
    assert_eq!((node.executed.get(), cache.redis().take_journal().len()), (1, 3));
    // A path that finds nothing is no failure.
    let nothing = echo(path("$.q").unwrap(), path("$.nowhere").unwrap());
    assert_eq!(run_once(&nothing, &cache, INPUT).unwrap().result.as_deref(), Ok("null"));
}
