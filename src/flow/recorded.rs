//! Runs of nodes and workflows as Dynamiq's library recorded them, over a store in memory and with
//! the provider's answers of that time (tests/vectors/dynamiq-runs.json).

use std::cell::Cell;
use std::time::Duration;

use futures_executor::block_on;
use serde::Deserialize;

use crate::ai::{Ai, AiError};
use crate::cache::{Cache, Deadlines, Entry};
use crate::config::RedisCacheConfig;
use crate::definition::compile::compile_folder;
use crate::definition::{CachingConfig, Definitions};
use crate::flow;
use crate::http::{HttpClient, HttpError, Request, Response};
use crate::json::{Dialect, Document, Order, dumps};
use crate::key::{Scheme, canonicalize};
use crate::node::{
    Context, Defined, Execution, Finished, Node, NodeError, Resolved, Run, Slots, Trace, run,
};
use crate::redis::memory::Memory;
use crate::redis::{Command, Redis, Reply};

/// Why a recorded run is not one of the edge.
const NOT_OF_THE_EDGE: [(&str, &str); 5] = [
    ("llm-streaming", "nodes do not stream at the edge"),
    ("llm-tools-streaming", "nodes do not stream at the edge"),
    ("python-dict", "the edge runs no Python"),
    ("python-none", "the edge runs no Python"),
    ("python-nested-input", "the edge runs no Python"),
];

/// An element of the file.
#[derive(Deserialize)]
struct Recorded {
    name: String,
    node_type: String,
    called_as: String,
    run_input_json: String,
    run_kwargs_json: String,
    output_json: String,
    entity_id: String,
    namespace: Option<String>,
    ttl: Option<u64>,
    canonical_input: String,
    redis_key: String,
    redis_value: String,
    redis_ttl: i64,
    first: Outcome,
    second: Second,
}

#[derive(Deserialize)]
struct Outcome {
    status: String,
    upstream_calls: usize,
    redis_commands: Vec<String>,
    is_output_from_cache: bool,
    events: Vec<String>,
}

#[derive(Deserialize)]
struct Second {
    run_input_json: String,
    run_kwargs_json: String,
    redis_key: String,
    node_output_json: Option<String>,
    #[serde(flatten)]
    outcome: Outcome,
}

/// The definitions of a scenario, and what its upstream answers.
struct Scenario {
    yaml: String,
    /// What is defined when the second run comes, when it is something else.
    changed: Option<String>,
    answers: Vec<String>,
}

fn completion(message: &str) -> String {
    format!(r#"{{"choices":[{{"message":{message}}}],"usage":{{"total_tokens":3}}}}"#)
}

/// A workflow of nodes that are written like `A: {…}`, in a line each.
fn workflow(connection: &str, ids: &str, nodes: &str) -> String {
    format!(
        "connections: {{c: {{{connection}}}}}\nnodes:\n{nodes}\nflows: {{f: {{nodes: [{ids}]}}}}\nworkflows: {{w: {{flow: f}}}}\n"
    )
}

const OPENAI: &str = "type: dynamiq.connections.OpenAI, api_key: '${oc.env:KEY}'";

/// A node of a type, with caching on.
fn node(id: &str, node_type: &str, more: &str) -> String {
    format!(
        "  {id}: {{type: dynamiq.nodes.{node_type}, connection: c, caching: {{enabled: true}}, {more}}}\n"
    )
}

/// A workflow of one node that calls a language model.
fn llm(id: &str, content: &str, more: &str) -> String {
    let nodes = node(id, "llms.OpenAI", &format!("model: m, prompt: p{more}"));
    prompt(content) + &workflow(OPENAI, id, &nodes)
}

fn prompt(content: &str) -> String {
    format!("prompts: {{p: {{messages: [{{content: '{content}'}}]}}}}\n")
}

fn scenario(recorded: &Recorded) -> Scenario {
    let id = format!("'{}'", recorded.entity_id);
    let mut changed = None;
    // A message of a provider has the members of the output, and more.
    let mut answers = vec![completion(&recorded.output_json)];
    let text = "Summarize: {{ text }}";
    let yaml = match recorded.name.as_str() {
        "llm-empty-input" => llm(&id, "Say something.", ""),
        "llm-input-transformer-path" => llm(&id, text, ", input_transformer: {path: $.doc}"),
        "llm-output-transformer" => {
            llm(&id, text, ", output_transformer: {selector: {summary: $.content}}")
        }
        "llm-model-prompt-temperature-changed-hit" => {
            let other = llm(&id, "Another prompt: {{ text }}", ", temperature: 0.9");
            changed = Some(other.replace("model: m", "model: another"));
            llm(&id, text, "")
        }
        name if name.starts_with("two-nodes-both-cached/") => {
            answers = ["A short summary.", "A short summary. (again)"]
                .map(|content| completion(&format!(r#"{{"content":"{content}"}}"#)))
                .into();
            let first = node("A", "llms.OpenAI", "model: m, prompt: p");
            let more = "model: m, prompt: p, depends: [{node: A}]";
            let nodes = first + &node("B", "llms.OpenAI", more);
            prompt(text) + &workflow(OPENAI, "A, B", &nodes)
        }
        "llm-tools" => {
            answers = vec![completion(
                r#"{"content":null,"tool_calls":[{"id":"call_abc123","type":"function","function":{"name":"get_weather","arguments":"{\"city\": \"Kyiv\", \"days\": 2.0}"}}]}"#,
            )];
            let tool =
                "{type: function, function: {name: get_weather, parameters: {type: object}}}";
            llm(&id, text, &format!(", tools: [{tool}]"))
        }
        "llm-response-format" => llm(&id, text, ", response_format: {type: json_object}"),
        "text-embedder" => {
            answers = vec![r#"{"data":[{"embedding":[0.1,-0.25,1.0,3e-05]}]}"#.to_owned()];
            workflow(OPENAI, &id, &node(&id, "embedders.OpenAITextEmbedder", "model: m"))
        }
        name if recorded.node_type == "http" => {
            let output = Document::parse(&recorded.output_json, Dialect::PYTHON).unwrap();
            let content = output.root().get("content").unwrap();
            let body = content.as_str().map(|text| text.to_str().unwrap().into_owned());
            answers = vec![body.unwrap_or_else(|| content.raw().to_owned())];
            let response = name.strip_prefix("http-").unwrap().replace("bytes-utf8", "raw");
            let connection =
                "type: dynamiq.connections.Http, url: 'https://api.example/x', method: GET";
            let more = format!("response_type: {response}");
            workflow(connection, &id, &node(&id, "tools.HttpApiCall", &more))
        }
        _ if recorded.node_type == "llm" => llm(&id, text, ""),
        name => panic!("{name} is not known here: reproduce it, or say why it is not of the edge"),
    };
    Scenario { yaml, changed, answers }
}

fn compiled(yaml: &str) -> Definitions {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("w.yaml"), yaml).unwrap();
    compile_folder(folder.path()).unwrap_or_else(|mistakes| panic!("{mistakes:?} in {yaml}"))
}

/// Answers in turn, and then with the last again.
struct Upstream {
    answers: Vec<String>,
    calls: Cell<usize>,
}

impl HttpClient for Upstream {
    async fn send(&self, _: Request<'_>) -> Result<Response, HttpError> {
        let call = self.calls.replace(self.calls.get() + 1);
        let body = self.answers.get(call).or(self.answers.last()).unwrap();
        let headers = vec![("content-type", "text/plain; charset=utf-8".to_owned())];
        Ok(Response { status: 200, body: body.clone().into_bytes(), headers })
    }
}

/// No recorded node has a binding.
impl Ai for Upstream {
    async fn run(&self, _: &str, _: &str, _: &str) -> Result<String, AiError> {
        Err(AiError::Unbound)
    }
}

/// A node of a user's own: what Dynamiq's recording calls custom.
struct Constant {
    id: String,
    output: String,
    executed: Cell<usize>,
}

impl Node for Constant {
    fn id(&self) -> &str {
        &self.id
    }

    fn caching(&self) -> CachingConfig {
        CachingConfig { enabled: true, ..CachingConfig::default() }
    }

    async fn execute(&self, _: Execution<'_>) -> Result<String, NodeError> {
        self.executed.set(self.executed.get() + 1);
        Ok(self.output.clone())
    }
}

/// What a run left behind.
struct Left {
    events: Vec<&'static str>,
    calls: usize,
    commands: Vec<String>,
    /// Of the node that the recording is about.
    finished: Finished,
}

/// The store and the upstream of a scenario, over both of its runs.
struct World {
    cache: Cache<Memory>,
    upstream: Upstream,
    config: RedisCacheConfig,
}

impl World {
    fn run(
        &self,
        recorded: &Recorded,
        definitions: Option<&Definitions>,
        (input, kwargs): (&str, &str),
    ) -> Left {
        let (input, kwargs) =
            [input, kwargs].map(|text| Document::parse(text, Dialect::PYTHON).unwrap()).into();
        let given = Run {
            kwargs: Some(kwargs.root()),
            cache: Some(&self.config),
            ..Run::new(input.root())
        };
        let (trace, slots) = (Trace::new(), Slots::default());
        let context = Context { callbacks: &trace, ..Context::new(&self.cache, &slots) };
        let before = self.upstream.calls.get();
        let mut writes: Vec<Box<Entry>> = Vec::new();
        let finished = match definitions {
            None => {
                let output = dumped(&self.upstream.answers[0]);
                let id = recorded.entity_id.clone();
                let node = Constant { id, output, executed: Cell::new(0) };
                let mut finished = *block_on(run(&node, given, context));
                writes.extend(finished.write.take());
                finished
            }
            Some(definitions) => {
                let resolved: Vec<_> = (definitions.nodes.iter())
                    .map(|node| {
                        Resolved::new(node, |name| (name == "KEY").then(|| name.to_owned()))
                            .unwrap()
                    })
                    .collect();
                let deployed =
                    |at: usize| Defined::new(&definitions.nodes[at], &resolved[at], &self.upstream);
                if recorded.called_as == "node.run" {
                    let mut finished = *block_on(run(&deployed(0), given, context));
                    writes.extend(finished.write.take());
                    finished
                } else {
                    let workflow = &definitions.workflows[0];
                    let nodes = workflow.flow.nodes.iter().map(|node| deployed(node.node));
                    let flow = block_on(flow::run(workflow, nodes.collect(), given, context));
                    let mut found = None;
                    for mut node in flow.nodes {
                        writes.extend(node.finished.write.take());
                        if node.id == recorded.entity_id {
                            found = Some(node.finished);
                        }
                    }
                    found.unwrap()
                }
            }
        };
        for entry in &writes {
            block_on(self.cache.store(entry));
        }
        let events = trace.into_events().into_iter().map(|event| event.name).collect();
        let calls = self.upstream.calls.get() - before;
        Left { events, calls, commands: self.cache.redis().take_journal(), finished }
    }

    fn stored(&self, key: &str) -> (Reply, Reply) {
        let commands = [Command::get(key), Command::PTtl(key.into())];
        let replies = block_on(self.cache.redis().execute(&commands, Duration::MAX)).unwrap();
        self.cache.redis().take_journal();
        let [value, ttl] = replies.try_into().unwrap();
        (value, ttl)
    }
}

fn dumped(text: &str) -> String {
    dumps(Document::parse(text, Dialect::PYTHON).unwrap().root(), Order::AsWritten)
}

/// Compares a run with what was recorded of it. Dynamiq reads a hit twice, and the edge once.
fn assert_run(name: &str, left: &Left, recorded: &Outcome, is_custom: bool) {
    assert_eq!(left.finished.outcome().as_str(), recorded.status, "{name}");
    assert_eq!(left.finished.cache.is_output_from_cache(), recorded.is_output_from_cache, "{name}");
    let mut commands: Vec<&str> = Vec::new();
    let mut all = recorded.redis_commands.iter().map(String::as_str).peekable();
    while let Some(command) = all.next() {
        if command == "GET" {
            all.next_if_eq(&"GET");
        }
        commands.push(command);
    }
    // Dynamiq writes after each node, the edge after the response.
    let sorted = |mut commands: Vec<&str>| {
        commands.sort_unstable();
        commands.join(" ")
    };
    let ours = left.commands.iter().map(String::as_str).collect();
    assert_eq!(sorted(ours), sorted(commands), "{name}");
    if is_custom {
        // A node of a user's own is not run in a flow here.
        let of_nodes = recorded.events.iter().filter(|event| event.starts_with("node"));
        assert!(of_nodes.eq(&left.events), "{name}: {:?}", left.events);
    } else {
        assert_eq!(left.events, recorded.events, "{name}");
        assert_eq!(left.calls, recorded.upstream_calls, "{name}");
    }
}

#[test]
fn recorded_runs_are_reproduced() {
    let text = include_str!("../../tests/vectors/dynamiq-runs.json");
    let all: Vec<Recorded> = serde_json::from_str(text).unwrap();
    let mut reproduced = 0;
    let mut unknown: Vec<&str> = NOT_OF_THE_EDGE.iter().map(|(name, _)| *name).collect();
    for recorded in &all {
        let name = recorded.name.as_str();
        if let Some(at) = unknown.iter().position(|other| *other == name) {
            unknown.swap_remove(at);
            continue;
        }
        reproduce(recorded);
        reproduced += 1;
    }
    assert!(unknown.is_empty(), "named and not recorded: {unknown:?}");
    assert_eq!(reproduced + NOT_OF_THE_EDGE.len(), all.len());
    println!("{reproduced} of {} recorded runs are reproduced; the others:", all.len());
    for (name, reason) in NOT_OF_THE_EDGE {
        println!("  {name}: {reason}");
    }
}

fn reproduce(recorded: &Recorded) {
    let name = recorded.name.as_str();
    let is_custom = recorded.node_type == "custom";
    let (definitions, changed, answers) = if is_custom {
        let output = name.strip_prefix("custom-output-").unwrap();
        let output = match output {
            "empty-object" => "{}",
            "zero" => "0",
            "empty-string" => "\"\"",
            "float" => "1.5",
            "null" => "null",
            other => panic!("{other} is not known here"),
        };
        (None, None, vec![output.to_owned()])
    } else {
        let Scenario { yaml, changed, answers } = scenario(recorded);
        (Some(compiled(&yaml)), changed.as_deref().map(compiled), answers)
    };
    let config = RedisCacheConfig { namespace: recorded.namespace.clone(), ttl: recorded.ttl };
    let world = World {
        cache: Cache::new(Memory::new(), Deadlines::default()),
        upstream: Upstream { answers, calls: Cell::new(0) },
        config,
    };
    let given = (recorded.run_input_json.as_str(), recorded.run_kwargs_json.as_str());
    let first = world.run(recorded, definitions.as_ref(), given);
    assert_run(name, &first, &recorded.first, is_custom);

    // What was hashed.
    let input = first.finished.input.as_deref().unwrap_or(given.0);
    let input = Document::parse(input, Dialect::PYTHON).unwrap();
    let hashed = canonicalize(input.root(), Scheme::Dynamiq).unwrap();
    assert_eq!(hashed, recorded.canonical_input, "{name}");
    // Under which key, and what was stored there.
    assert_eq!(first.finished.cache.key(), Some(recorded.redis_key.as_str()), "{name}");
    let (value, ttl) = world.stored(&recorded.redis_key);
    assert_eq!(value, Reply::Text(recorded.redis_value.clone()), "{name}");
    let ttl_ms = if recorded.redis_ttl < 0 { -1 } else { recorded.redis_ttl * 1000 };
    assert_eq!(ttl, Reply::Integer(ttl_ms), "{name}");

    let Second { run_input_json, run_kwargs_json, redis_key, node_output_json, outcome } =
        &recorded.second;
    let definitions = changed.or(definitions);
    let second = world.run(recorded, definitions.as_ref(), (run_input_json, run_kwargs_json));
    assert_run(name, &second, outcome, is_custom);
    assert_eq!(second.finished.cache.key(), Some(redis_key.as_str()), "{name}");
    if let Some(output) = node_output_json {
        assert_eq!(dumped(second.finished.result.as_deref().unwrap()), dumped(output), "{name}");
    }
}
