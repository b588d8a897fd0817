use futures_executor::block_on;

use crate::ai::{Ai, AiError};
use crate::cache::{Cache, Deadlines};
use crate::config::RedisCacheConfig;
use crate::definition::compile::compile_folder;
use crate::definition::{Definitions, Workflow};
use crate::flow::{self, Finished};
use crate::http::{HttpClient, HttpError, Request, Response};
use crate::json::{Dialect, Document};
use crate::node::{
    self, CacheReport, Context, Defined, Node, Outcome, Resolved, Run, Slots, Trace,
};
use crate::redis::memory::Memory;

/// What the tests run. Outputs, skips and keys that they expect are those of Dynamiq 0.69.0.
const FLOW: &str = "\
nodes:
  route:
    type: dynamiq.nodes.operators.Choice
    options:
      - id: long
        name: Long texts
        condition: {variable: $.length, operator: numeric-greater-than, value: 100}
      - id: greeting
        condition:
          operator: and
          operands:
            - {variable: $.text, operator: string-starts-with, value: Hello}
            - {variable: $.length, operator: numeric-less-than-path, value: $.limit}
      - id: other
  greet:
    type: dynamiq.nodes.operators.Choice
    caching: {enabled: true}
    error_handling: {behavior: return}
    depends: [{node: route, option: greeting}]
  after_greet:
    type: dynamiq.nodes.operators.Choice
    caching: {enabled: true}
    depends: [{node: greet}]
  archive:
    type: dynamiq.nodes.operators.Choice
    error_handling: {behavior: return}
    depends: [{node: route, option: long}]
  rest:
    type: dynamiq.nodes.operators.Choice
    depends: [{node: route, option: other}]
  after_rest:
    type: dynamiq.nodes.operators.Choice
    depends: [{node: rest}]
  every:
    type: dynamiq.nodes.operators.Choice
    hit_policy: all
    depends:
      - node: route
        condition: {variable: $.output.greeting.output, operator: boolean-equals, value: true}
    input_transformer: {selector: {text: $.text, length: $.length}}
    options:
      - {id: a, condition: {variable: $.length, operator: numeric-equals, value: 5}}
      - {id: b, condition: {variable: $.text, operator: string-contains, value: z}}
      - {id: c, condition: {variable: $.text, operator: string-contains, value: ell}}
      - {id: fallback}
  handler:
    type: dynamiq.nodes.operators.Choice
    depends: [{node: route, trigger: failure}]
  converged:
    type: dynamiq.nodes.operators.Choice
    depends: [{node: greet}, {node: archive}]
    input_transformer:
      selector: {taken: '$.greet.output || $.archive.output || none', of: $.greet.status}
flows:
  linear: {nodes: [route, greet, after_greet]}
  all: {nodes: [route, greet, archive, rest, after_rest, every, handler, converged]}
workflows:
  linear: {flow: linear}
  all: {flow: all}
";

/// A client that has nothing to do.
struct NoHttp;

impl HttpClient for NoHttp {
    async fn send(&self, _: Request<'_>) -> Result<Response, HttpError> {
        panic!("a choice asks nobody")
    }
}

impl Ai for NoHttp {
    async fn run(&self, _: &str, _: &str, _: &str) -> Result<String, AiError> {
        Err(AiError::Unbound)
    }
}

fn definitions(text: &str) -> Definitions {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), text).unwrap();
    let definitions = compile_folder(folder.path()).unwrap();
    // As the Worker carries them.
    serde_json::from_str(&serde_json::to_string(&definitions).unwrap()).unwrap()
}

fn run(workflow: &str, input: &str, cache: &Cache<Memory>, trace: &Trace) -> Finished {
    let definitions = definitions(FLOW);
    let workflow: &Workflow =
        definitions.workflows.iter().find(|found| found.id == workflow).unwrap();
    let nodes: Vec<_> =
        workflow.flow.nodes.iter().map(|place| &definitions.nodes[place.node]).collect();
    let resolved: Vec<_> =
        nodes.iter().map(|node| Resolved::new(node, |_| None).unwrap()).collect();
    let nodes: Vec<_> = (nodes.iter().zip(&resolved))
        .map(|(node, resolved)| Defined::new(node, resolved, &NoHttp))
        .collect();
    let config = RedisCacheConfig { namespace: None, ttl: None };
    let input = Document::parse(input, Dialect::STRICT).unwrap();
    let given = Run { cache: Some(&config), ..Run::new(input.root()) };
    let slots = Slots::default();
    let context = Context { callbacks: trace, ..Context::new(cache, &slots) };
    block_on(flow::run(workflow, nodes, given, context))
}

fn finished(workflow: &str, input: &str) -> Finished {
    run(workflow, input, &Cache::new(Memory::new(), Deadlines::default()), &Trace::new())
}

/// How the nodes ended, with the type of the error where there is one.
fn outcomes(finished: &Finished) -> Vec<(&str, &str)> {
    (finished.nodes.iter())
        .map(|node| {
            let result = &node.finished.result;
            (node.id.as_str(), result.as_ref().map_or_else(|error| error.type_name(), |_| "ran"))
        })
        .collect()
}

fn result<'f>(finished: &'f Finished, id: &str) -> &'f node::Finished {
    &finished.nodes.iter().find(|node| node.id == id).unwrap().finished
}

const FAILED: &str = "NodeConditionFailedException";
const NOT_TRIED: &str = "NodeConditionSkippedException";
const SKIPPED: &str = "NodeSkippedException";

#[test]
fn what_depends_on_an_option_runs_when_that_is_taken() {
    for (input, expected) in [
        (
            r#"{"text": "Hello", "length": 5.0, "limit": 10}"#,
            ["ran", FAILED, NOT_TRIED, SKIPPED, "ran"],
        ),
        (r#"{"length": 101, "text": "x"}"#, [NOT_TRIED, "ran", NOT_TRIED, SKIPPED, FAILED]),
        (r#"{"text":"Bye","length":1}"#, [FAILED, FAILED, "ran", "ran", FAILED]),
    ] {
        let finished = finished("all", input);
        let ids = ["greet", "archive", "rest", "after_rest", "every"];
        let expected: Vec<_> = ids.into_iter().zip(expected).collect();
        assert_eq!(outcomes(&finished).get(1..6), Some(expected.as_slice()), "{input}");
        assert!(finished.failed.is_empty());
    }
}

#[test]
fn results_are_written_as_dynamiq_writes_them() {
    let finished = finished("all", r#"{"text": "Hello", "length": 5.0, "limit": 10}"#);
    assert_eq!(
        result(&finished, "route").result.as_deref(),
        Ok(
            r#"{"long": {"status": "failure", "input": {"text": "Hello", "length": 5.0, "limit": 10}, "output": false}, "greeting": {"status": "success", "input": {"text": "Hello", "length": 5.0, "limit": 10}, "output": true}, "other": {"status": "skip", "input": {"text": "Hello", "length": 5.0, "limit": 10}, "output": null}}"#
        )
    );
    assert_eq!(
        result(&finished, "every").result.as_deref(),
        Ok(
            r#"{"a": {"status": "success", "input": {"text": "Hello", "length": 5.0}, "output": true}, "b": {"status": "failure", "input": {"text": "Hello", "length": 5.0}, "output": false}, "c": {"status": "success", "input": {"text": "Hello", "length": 5.0}, "output": true}, "fallback": {"status": "skip", "input": {"text": "Hello", "length": 5.0}, "output": null}}"#
        )
    );
    assert_eq!(result(&finished, "greet").result.as_deref(), Ok("{}"));
}

#[test]
fn what_follows_a_choice_has_the_keys_that_dynamiq_makes() {
    let finished = finished("linear", r#"{"text": "Hello", "length": 5.0, "limit": 10}"#);
    for (id, hash) in [
        ("greet", "dae4550e1a933e1ef7397209221b9141594ba60f35cfb26c6c6cdd5838872131"),
        ("after_greet", "4e8b8f493e775e683a5b9abcae7487c11424359a4edaf00f3f459e8a16f6e301"),
    ] {
        let CacheReport::Miss { key, .. } = &result(&finished, id).cache else { panic!("no miss") };
        assert!(key.starts_with(&format!("{id}:{hash}:")), "{key}");
    }
}

#[test]
fn branches_that_return_come_together_again() {
    for (input, taken) in [
        (r#"{"text": "Hello", "length": 5, "limit": 10}"#, r#"{"taken": {}, "of": "success"}"#),
        (r#"{"length": 101}"#, r#"{"taken": {}, "of": "skip"}"#),
        (r#"{"text": "Bye", "length": 1}"#, r#"{"taken": "none", "of": "skip"}"#),
    ] {
        let finished = finished("all", input);
        let converged = result(&finished, "converged");
        assert_eq!(
            (converged.outcome(), converged.input.as_deref()),
            (Outcome::Success, Some(taken))
        );
    }
}

#[test]
fn a_choice_that_cannot_compare_fails_and_who_waits_for_that_runs() {
    for (input, message) in [
        (
            r#"{"text": "Hello", "length": null}"#,
            "option long: a condition cannot be evaluated: null and a number have no order; check what is compared",
        ),
        (
            r#"{"text": "Hello", "length": 5}"#,
            "option greeting: the path `$.limit` finds 0 values in this data, and there has to be one",
        ),
    ] {
        let finished = finished("all", input);
        let route = result(&finished, "route");
        assert_eq!(route.outcome(), Outcome::Failure);
        assert_eq!(route.result.as_ref().unwrap_err().to_string(), message);
        assert_eq!(result(&finished, "handler").outcome(), Outcome::Success);
        assert!(finished.failed.is_empty(), "a failure with a handler is none of the flow");
    }
    let finished = finished("linear", r#"{"length": []}"#);
    assert_eq!(outcomes(&finished)[1], ("greet", "NodeFailedException"));
    assert_eq!(finished.failed, [0]);
}

#[test]
fn a_choice_tells_once_that_it_evaluates_and_its_output_is_cached() {
    let definitions = definitions(
        "nodes: {c: {type: dynamiq.nodes.operators.Choice, caching: {enabled: true}, options: [{id: a, condition: {variable: $.n, operator: numeric-equals, value: 1}}, {id: b}]}, empty: {type: dynamiq.nodes.operators.Choice}}",
    );
    let cache = Cache::new(Memory::new(), Deadlines::default());
    let config = RedisCacheConfig { namespace: None, ttl: None };
    let input = Document::parse(r#"{"n": true}"#, Dialect::STRICT).unwrap();
    let slots = Slots::default();
    let run = |index: usize| {
        let trace = Trace::new();
        let node = &definitions.nodes[index];
        let resolved = Resolved::new(node, |_| None).unwrap();
        let node = Defined::new(node, &resolved, &NoHttp);
        let given = Run { cache: Some(&config), ..Run::new(input.root()) };
        let context = Context { callbacks: &trace, ..Context::new(&cache, &slots) };
        let finished = block_on(node::run(&node, given, context));
        if let Some(entry) = &finished.write {
            block_on(cache.store(entry));
        }
        let events = trace.into_events();
        let runs = events.iter().filter(|event| event.name == "node_execute_run").count();
        (finished.result.unwrap(), runs)
    };
    let (output, runs) = run(0);
    assert_eq!(
        output,
        r#"{"a": {"status": "success", "input": {"n": true}, "output": true}, "b": {"status": "skip", "input": {"n": true}, "output": null}}"#
    );
    assert_eq!(runs, 1);
    assert_eq!(run(0), (output, 0), "from the cache");
    assert_eq!(run(1), ("{}".to_owned(), 0), "there is nothing to evaluate");
}

#[test]
fn of_all_options_those_without_a_condition_are_for_what_nothing_else_takes() {
    let text = FLOW.replace("value: ell", "value: w");
    let definitions = definitions(&text);
    let node = definitions.nodes.iter().find(|node| node.id == "every").unwrap();
    let input = Document::parse(r#"{"text": "Hello", "length": 6}"#, Dialect::STRICT).unwrap();
    let resolved = Resolved::new(node, |_| None).unwrap();
    let mut alone = node.clone();
    alone.depends.clear();
    let node = Defined::new(&alone, &resolved, &NoHttp);
    assert!(node.definition().is_some_and(|text| text.contains("fallback")));
    let cache = Cache::new(Memory::new(), Deadlines::default());
    let slots = Slots::default();
    let finished = block_on(node::run(&node, Run::new(input.root()), Context::new(&cache, &slots)));
    let output = finished.result.unwrap();
    assert!(output.contains(r#""c": {"status": "failure""#), "{output}");
    assert!(output.contains(r#""fallback": {"status": "success""#), "{output}");
}

#[test]
fn an_output_over_the_limit_is_refused() {
    let long = "x".repeat(6 << 20);
    let finished = finished("linear", &format!(r#"{{"length": 101, "text": "{long}"}}"#));
    let error = result(&finished, "route").result.as_ref().unwrap_err();
    assert!(error.to_string().contains("over 4 MiB"), "{error}");
}
