//! Definitions come out as they were written, and every mistake is named.

use super::*;
use crate::definition::{Api, Connection, Kind, SettingError};
use crate::key::Scheme;

const GOOD: &str = "\
connections:
  openai:
    type: dynamiq.connections.OpenAI
    api_key: ${oc.env:OPENAI_API_KEY}
    url: ${oc.env:OPENAI_URL, https://api.example/v1}
prompts:
  ask:
    messages:
      - role: system
        content: 'Be short. {{ not_a_variable }}'
        static: true
      - content: '{% for i in items %}{{ i }}{{ loop.index }}{% endfor %} {{ text }} {{ range(3) }}'
nodes:
  a:
    type: dynamiq.nodes.llms.OpenAI
    model: m
    connection: openai
    prompt: ask
    temperature: 0.5
    stop: [x]
flows:
  f:
    nodes: [a]
workflows:
  w:
    flow: f
";

fn compile(files: &[(&str, &str)]) -> Result<Definitions, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let relative = |mut mistake: Mistake| {
        mistake.file = mistake.file.file_name().unwrap().into();
        mistake.to_string()
    };
    compile_folder(folder.path()).map_err(|mistakes| mistakes.into_iter().map(relative).collect())
}

#[test]
fn a_definition_comes_out_as_it_was_written() {
    let node = compile(&[("a.yaml", GOOD), ("notes.txt", "{")]).unwrap().nodes.remove(0);
    assert_eq!((node.id.as_str(), node.caching.enabled), ("a", false));
    assert_eq!(node.error_handling.timeout_seconds, 600.0);
    let Kind::Llm(llm) = node.kind else { panic!("no LLM") };
    assert_eq!(llm.prompt.required, ["items", "text"]);
    let sent: Vec<_> = llm.parameters.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(sent, ["temperature=0.5", r#"stop=["x"]"#]);
    let Connection::Api(Api { api_key: Some(api_key), url, .. }) = llm.connection else {
        panic!("no key")
    };
    let env = |name: &str| (name == "OPENAI_API_KEY").then(|| "key".to_owned());
    assert_eq!(api_key.resolve(env), Ok("key".to_owned()));
    assert_eq!(url.resolve(env), Ok("https://api.example/v1".to_owned()));
    let missing = SettingError::Missing("OPENAI_API_KEY".to_owned());
    assert_eq!(api_key.resolve(|_| Some(String::new())), Err(missing));
    let wrong = url.base_url("api.example").unwrap_err();
    assert_eq!(wrong.to_string(), "OPENAI_URL has to start with https:// or http://");
    assert_eq!(url.base_url("https://api.example/v1/").as_deref(), Ok("https://api.example/v1"));
}

#[test]
fn the_shipped_definitions_compile() {
    let definitions = compile_folder(Path::new("workflows")).unwrap();
    let required = |node: &Node| match &node.kind {
        Kind::Llm(llm) => llm.prompt.required.clone(),
        _ => Vec::new(),
    };
    let node = definitions.nodes.iter().find(|node| node.id == "summarizer").unwrap();
    assert_eq!((node.caching.enabled, node.caching.key), (true, Scheme::Dynamiq));
    assert_eq!(required(node), ["text"]);
    let node = definitions.nodes.iter().find(|node| node.id == "translator").unwrap();
    assert_eq!((node.caching.enabled, node.caching.key), (true, Scheme::Canonical));
    assert_eq!(required(node), ["language", "text"]);
}

#[test]
fn language_models_share_executions_unless_their_definition_says_otherwise() {
    let caching = |id: &str| {
        let definitions = compile_folder(Path::new("tests/workflows")).unwrap();
        definitions.nodes.into_iter().find(|node| node.id == id).unwrap().caching
    };
    assert!(caching("together").single_flight);
    assert!(!caching("alone").single_flight);
    let embed = caching("embed");
    assert!(embed.enabled && !embed.single_flight);
}

#[test]
fn the_worker_reads_what_the_build_has_written() {
    for folder in ["workflows", "tests/workflows"] {
        let definitions = compile_folder(Path::new(folder)).unwrap();
        let carried = postcard::to_allocvec(&definitions).unwrap();
        assert_eq!(postcard::from_bytes(&carried), Ok(definitions), "{folder}");
    }
}

#[test]
fn every_mistake_is_named_with_file_line_and_reason() {
    let cases = [
        (
            "type: dynamiq.nodes.llms.OpenAI",
            "type: dynamiq.nodes.tools.Python",
            "15:11",
            "node `a`: the edge cannot run the type `dynamiq.nodes.tools.Python`",
        ),
        (
            "type: dynamiq.connections.OpenAI",
            "type: dynamiq.connections.Tavily",
            "3:11",
            "connection `openai`: the edge cannot run the type",
        ),
        (
            "connection: openai",
            "connection: other",
            "17:17",
            "node `a`: connection `other` is not in this file",
        ),
        ("prompt: ask", "prompt: other", "18:13", "node `a`: prompt `other` is not in this file"),
        ("nodes: [a]", "nodes: [b]", "23:13", "flow `f`: node `b` is not in this file"),
        ("flow: f", "flow: g", "26:11", "workflow `w`: flow `g` is not in this file"),
        (
            "api_key: ${oc.env:OPENAI_API_KEY}",
            "api_key: sk-secret",
            "4:14",
            "api_key has to come from the environment",
        ),
        (
            "api_key: ${oc.env:OPENAI_API_KEY}",
            "api_key: ${oc.env:A,sk-secret}",
            "4:14",
            "api_key has to come from the environment",
        ),
        (
            "${oc.env:OPENAI_URL, https://api.example/v1}",
            "api.example",
            "5:10",
            "url has to start with https://",
        ),
        (
            "${oc.env:OPENAI_URL, https://api.example/v1}",
            "https://user:sk-secret@api.example/v1",
            "5:10",
            "url may not hold a user name or a password",
        ),
        (
            "${oc.env:OPENAI_URL, https://api.example/v1}",
            "${env:X}",
            "5:10",
            "url has to be a text, ${oc.env:NAME}",
        ),
        ("{{ text }}", "{{ text", "12:18", "syntax error"),
        ("temperature: 0.5", "temprature: 0.5", "19:5", "temprature"),
        ("temperature: 0.5", "caching: {key: canoncal}", "19:20", "canonical"),
        (
            "temperature: 0.5",
            "caching: {stale_while_revalidate: 60}",
            "19:14",
            "node `a`: caching.stale_while_revalidate needs `key: canonical`",
        ),
        (
            "temperature: 0.5",
            "caching: {key: dynamiq, stale_if_error: 60}",
            "19:14",
            "to which its ttl says when it is over",
        ),
        (
            "temperature: 0.5",
            "caching: {key: canonical, stale_if_error: 31536001}",
            "19:14",
            "node `a`: caching.stale_if_error has to be at most 31536000",
        ),
        ("temperature: 0.5", "caching: {single_flights: false}", "19:15", "single_flights"),
        ("temperature: 0.5", "error_handling: {behavior: ignore}", "19:32", "ignore"),
        ("temperature: 0.5", "method: GET", "19:13", "has no field `method` at the edge"),
        (
            "temperature: 0.5",
            "input_transformer: {path: $.a!}",
            "19:24",
            "node `a`: input_transformer: `$.a!` cannot be used",
        ),
        (
            "temperature: 0.5",
            "depends: [{node: b}]",
            "23:13",
            "flow `f`: node `a` depends on `b`, which is not in the flow",
        ),
        (
            "temperature: 0.5",
            "depends: [{node: a}]",
            "23:13",
            "flow `f`: node `a` depends on itself, by way of `a`",
        ),
        (
            "temperature: 0.5",
            "depends: [{node: b}, {node: b}]",
            "19:26",
            "node `a`: it depends on `b` twice",
        ),
        (
            "temperature: 0.5",
            "input_mapping: {x: 18446744073709551616}",
            "19:24",
            "the edge does not read numbers of this size here",
        ),
        ("nodes: [a]", "nodes: [a, a]", "23:16", "flow `f`: node `a` is in it twice"),
        (
            "temperature: 0.5",
            "error_handling: {max_retries: 21}",
            "19:21",
            "error_handling.max_retries has to be at most 20",
        ),
        (
            "temperature: 0.5",
            "error_handling: {backoff_rate: -1}",
            "19:21",
            "error_handling.backoff_rate has to be from 0 to 100",
        ),
        (
            "temperature: 0.5",
            "error_handling: {max_retry_interval_seconds: 86401}",
            "19:21",
            "error_handling.max_retry_interval_seconds has to be from 0 to 86400",
        ),
        (
            "temperature: 0.5",
            "error_handling: {timeout_seconds: 0}",
            "19:21",
            "timeout_seconds has to be over 0",
        ),
        ("temperature: 0.5", "temperature: .nan", "19:18", "non-finite float"),
        ("model: m", "name: m", "15:11", "node `a`: the field `model` is missing"),
        ("static: true", "static: maybe", "11:17", ""),
        ("stop: [x]", "stop: [x", "", ""),
        ("  a:\n", "  a: {}\n  a:\n", "", ""),
    ];
    for (old, new, place, reason) in cases {
        assert!(GOOD.contains(old), "{old}");
        let mistakes = compile(&[("a.yaml", &GOOD.replacen(old, new, 1))]).expect_err(new);
        let mistake = mistakes.first().unwrap();
        assert!(mistake.starts_with("a.yaml:"), "{mistake}");
        assert!(mistake.contains(&format!("a.yaml:{place}")), "{mistake}");
        assert!(mistake.contains(reason), "{mistake}");
        assert!(!mistake.contains("sk-secret"), "{mistake}");
    }
}

#[test]
fn an_id_stands_for_one_thing_only() {
    let mistakes = compile(&[("a.yaml", GOOD), ("b.yaml", GOOD)]).unwrap_err();
    let starts = [
        "b.yaml:15:11: node `a` is defined already in ",
        "b.yaml:26:11: workflow `w` is defined already in ",
    ];
    assert_eq!(mistakes.len(), 2);
    for (mistake, start) in mistakes.iter().zip(starts) {
        assert!(mistake.starts_with(start), "{mistake}");
    }
}

const FLOW: &str = "\
nodes:
  a: &a
    type: dynamiq.nodes.llms.OpenAI
    model: m
    connection: openai
    prompt: ask
  b:
    <<: *a
    depends: [{node: a}, {node: c, trigger: failure}]
    input_transformer:
      path: $.a.output
      selector: {text: $.content, kind: summary}
    input_mapping: {big: 9007199254740993, list: [1.0, x, null], nested: {y: true}}
  c:
    <<: *a
  d:
    <<: *a
    depends: [{node: b}]
connections: {openai: {type: dynamiq.connections.OpenAI}}
prompts: {ask: {messages: [{content: hi}]}}
flows: {f: {nodes: [d, c, b, a]}}
workflows: {w: {flow: f}}
";

#[test]
fn a_flow_knows_what_is_before_each_of_its_nodes() {
    let definitions = compile(&[("a.yaml", FLOW)]).unwrap();
    let flow = &definitions.workflows[0].flow;
    let ids: Vec<_> =
        flow.nodes.iter().map(|node| definitions.nodes[node.node].id.as_str()).collect();
    assert_eq!(ids, ["d", "c", "b", "a"]);
    let places: Vec<_> = flow.nodes.iter().map(|node| (&*node.depends, &*node.ancestors)).collect();
    let none: &[usize] = &[];
    assert_eq!(
        places,
        [(&[2][..], &[1, 2, 3][..]), (none, none), (&[3, 1], &[1, 3]), (none, none)]
    );
    let b = &definitions.nodes[1];
    let texts: Vec<_> = b.input_mapping.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(texts, ["big=9007199254740993", "list=[1.0, \"x\", null]", "nested={\"y\": true}"]);
    assert!(!b.input_transformer.is_identity() && b.output_transformer.is_identity());
}

const CHOICE: &str = "\
nodes:
  c:
    type: dynamiq.nodes.operators.Choice
    options:
      - id: a
        condition: {variable: $.x, operator: string-equals-path, value: $.y}
      - id: b
        condition:
          operator: or
          operands: [{operator: numeric-less-than, value: 1}]
  d:
    type: dynamiq.nodes.operators.Choice
    depends: [{node: c, option: a}]
";

#[test]
fn mistakes_in_choices_and_conditions_are_named_where_they_are() {
    assert!(compile(&[("a.yaml", CHOICE)]).is_ok());
    let a = "node `c`: option `a`";
    for (old, new, place, reason) in [
        (
            "string-equals-path",
            "string-like",
            "6:46",
            &*format!("{a}: condition: there is no operator `string-like`"),
        ),
        (
            "string-equals-path",
            "string-contains-path",
            "6:46",
            "there is no operator `string-contains-path`",
        ),
        (
            "string-equals-path",
            "boolean-less-than",
            "6:46",
            "there is no operator `boolean-less-than`",
        ),
        ("string-equals-path", "string-regexp", "6:46", "cannot run the operator `string-regexp`"),
        (
            "operator: string-equals-path, ",
            "",
            "6:20",
            "condition: the field `operator` is missing",
        ),
        ("$.x", "$.x!", "6:31", "condition: variable: `$.x!` cannot be used"),
        ("$.y", "$.y!", "6:20", "condition: value: `$.y!` cannot be used"),
        (
            "$.y",
            "y",
            "6:20",
            "the operator `string-equals-path` needs a path such as $.name as value",
        ),
        ("$.y", "[$.y]", "6:20", "needs a path such as $.name as value"),
        (
            "          operands: [{operator: numeric-less-than, value: 1}]\n",
            "",
            "9:11",
            "the operator `or` needs the field `operands`",
        ),
        (
            "operator: numeric-less-than",
            "operator: numeric",
            "10:33",
            "condition: operand: there is no operator `numeric`",
        ),
        ("variable: $.x", "path: $.x", "6:21", "unknown field `path`"),
        ("id: b", "name: b", "7:9", "node `c`: an option has to have an id"),
        ("id: b", "id: ''", "7:9", "node `c`: an option has to have an id"),
        ("id: b", "id: a", "7:9", &format!("{a} is there twice")),
        ("option: a", "option: x", "13:15", "node `d`: it depends on `c`, which has no option `x`"),
        (
            "node: c, option: a",
            "node: d, option: a",
            "13:15",
            "node `d`: it depends on `d`, which has no option `a`",
        ),
        ("option: a", "option: a, trigger: failure", "13:15", "a node that fails takes no option"),
        (
            "option: a",
            "condition: {operator: or}",
            "13:36",
            "node `d`: it depends on `c`: condition: the operator `or` needs",
        ),
        ("    options:", "    hit_policy: any\n    options:", "4:17", "any"),
        (
            "    options:",
            "    model: m\n    options:",
            "4:12",
            "dynamiq.nodes.operators.Choice has no field `model`",
        ),
    ] {
        assert!(CHOICE.contains(old), "{old}");
        let mistakes = compile(&[("a.yaml", &CHOICE.replacen(old, new, 1))]).expect_err(new);
        let mistake = mistakes.first().unwrap();
        assert!(mistake.contains(&format!("a.yaml:{place}: ")), "{mistake} {new}");
        assert!(mistake.contains(reason), "{mistake}");
    }
    let deep = (0..16).fold("{operator: or, operands: []}".to_owned(), |inner, _| {
        format!("{{operator: and, operands: [{inner}]}}")
    });
    let deep = CHOICE.replace("{operator: numeric-less-than, value: 1}", &deep);
    let mistakes = compile(&[("a.yaml", &deep)]).unwrap_err();
    assert!(mistakes[0].contains("operands nest deeper than 16 levels"), "{mistakes:?}");
}

#[test]
fn a_cycle_is_named_with_the_nodes_in_it() {
    let cyclic =
        FLOW.replacen("  c:\n    <<: *a\n", "  c:\n    <<: *a\n    depends: [{node: d}]\n", 1);
    let mistakes = compile(&[("a.yaml", &cyclic)]).unwrap_err();
    assert_eq!(mistakes.len(), 1);
    let message = "flow `f`: node `d` depends on itself, by way of `d`, `c`, `b`";
    assert!(mistakes[0].contains(message), "{mistakes:?}");
}
