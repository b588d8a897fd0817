//! From Dynamiq's workflow YAML to [`Definitions`], with every mistake named by file and line.
//!
//! Runs when the Worker is built. A field or a type that the edge does not know is a mistake: a
//! definition means the same here as in Dynamiq, or it is refused.

mod choice;
pub(crate) mod conditions;
mod connections;
mod converter;
mod document;
mod embedder;
mod flows;
mod http_call;
mod json;
mod llm;
mod nodes;
mod scalars;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::model::{Definitions, Node, Workflow};
use connections::{CONNECTION_TYPES, Connection, Connections};
use nodes::NODE_TYPES;
use yaml::{File, Type, Types};

/// A mistake in a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub file: PathBuf,
    /// Line and column, counted from 1; None when the file itself is the problem.
    pub place: Option<(u64, u64)>,
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Compiles all `*.yaml` and `*.yml` files of a folder, in the order of their names.
pub fn compile_folder(folder: &Path) -> Result<Definitions, Vec<Mistake>> {
    let unreadable = |file: &Path, error: std::io::Error| {
        vec![Mistake { file: file.to_owned(), place: None, reason: error.to_string() }]
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| unreadable(folder, error))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml"))
        .collect();
    files.sort();
    let mut compiler = Compiler::default();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| unreadable(&file, error))?;
        compiler.file(&file, &text);
    }
    compiler.finish()
}

#[derive(Default)]
struct Compiler {
    nodes: Vec<Node>,
    workflows: Vec<Workflow>,
    /// Where each node and each workflow was defined first, by what it is and its id.
    files: BTreeMap<(&'static str, String), PathBuf>,
    mistakes: Vec<Mistake>,
}

impl Compiler {
    fn file(&mut self, path: &Path, text: &str) {
        let mut mistakes = Mistakes { file: path, found: Vec::new() };
        // Types first: a node of a type that is not known is best told so, not that its fields are
        // unknown.
        let file = mistakes
            .parsed::<Types>(text)
            .filter(|types| mistakes.check_types(types))
            .filter(|_| mistakes.check_document(text))
            .and_then(|_| mistakes.parsed::<File>(text));
        if let Some(file) = file {
            self.compile(file, &mut mistakes);
        }
        self.mistakes.extend(mistakes.found);
    }

    fn compile(&mut self, file: File, mistakes: &mut Mistakes<'_>) {
        let connections: Connections = (file.connections.into_iter())
            .map(|(id, raw)| {
                let connection = connections::compile(mistakes, &id, raw);
                (id, connection)
            })
            .collect();
        let mut prompts = BTreeMap::new();
        for (id, raw) in &file.prompts {
            let mut add = |location, reason| mistakes.add(location, reason);
            prompts.insert(id.clone(), raw.compile(id, &mut add));
        }
        let options = nodes::options(&file.nodes);
        let scope = nodes::Scope {
            connections: &connections,
            prompts: &prompts,
            options: &options,
            fallback_of: None,
        };
        // Where the nodes of this file come to lie among all.
        let mut places = BTreeMap::new();
        for (id, raw) in file.nodes {
            let location = raw.r#type.referenced;
            self.is_first("node", &id, location, mistakes);
            places.insert(id.clone(), self.nodes.len());
            // A node with a mistake keeps its place, so that flows are told nothing wrong of it.
            match nodes::compile(mistakes, &scope, &id, raw) {
                Some(node) => self.nodes.push(node),
                None => {
                    places.insert(id, usize::MAX);
                }
            }
        }
        let flows = flows::compile(mistakes, &file.flows, &places, &self.nodes);
        for (id, raw) in file.workflows {
            self.is_first("workflow", &id, raw.flow.referenced, mistakes);
            let what = || format!("workflow `{id}`: flow");
            if let Some(Some(flow)) = mistakes.look_up(&flows, &raw.flow, what) {
                self.workflows.push(Workflow { flow: flow.clone(), id });
            }
        }
    }

    fn is_first(
        &mut self,
        what: &'static str,
        id: &str,
        at: Location,
        mistakes: &mut Mistakes<'_>,
    ) {
        let first =
            self.files.entry((what, id.to_owned())).or_insert_with(|| mistakes.file.to_owned());
        if first != mistakes.file {
            let reason = format!("{what} `{id}` is defined already in {}", first.display());
            mistakes.add(at, reason);
        }
    }

    fn finish(self) -> Result<Definitions, Vec<Mistake>> {
        if self.mistakes.is_empty() {
            Ok(Definitions { nodes: self.nodes, workflows: self.workflows })
        } else {
            Err(self.mistakes)
        }
    }
}

/// The mistakes of one file.
struct Mistakes<'a> {
    file: &'a Path,
    found: Vec<Mistake>,
}

impl Mistakes<'_> {
    fn add(&mut self, location: Location, reason: String) {
        self.found.push(Mistake {
            file: self.file.to_owned(),
            place: Some((location.line(), location.column())),
            reason,
        });
    }

    fn parsed<'t, T: Deserialize<'t>>(&mut self, text: &'t str) -> Option<T> {
        match serde_saphyr::from_str_with_options(text, scalars::options()) {
            Ok(value) => Some(value),
            Err(error) => {
                let place = error.location().map(|at| (at.line(), at.column()));
                let reason = match error {
                    // Without the text, which might be a secret.
                    serde_saphyr::Error::QuotingRequired { .. } => {
                        "this has to be a text: put it in quotes".to_owned()
                    }
                    error => error.to_string(),
                };
                self.found.push(Mistake { file: self.file.to_owned(), place, reason });
                None
            }
        }
    }

    fn check_types(&mut self, types: &Types) -> bool {
        let before = self.found.len();
        let connections: Vec<_> = CONNECTION_TYPES.iter().map(|(name, _)| *name).collect();
        let nodes: Vec<_> = NODE_TYPES.iter().map(|(name, _)| *name).collect();
        for (kind, entries, known) in
            [("connection", &types.connections, connections), ("node", &types.nodes, nodes)]
        {
            for (id, Type { r#type }) in entries {
                if !known.contains(&r#type.value.as_str()) {
                    let (name, known) = (&r#type.value, known.join(", "));
                    let reason = format!(
                        "{kind} `{id}`: the edge cannot run the type `{name}`; it knows {known}"
                    );
                    self.add(r#type.referenced, reason);
                }
            }
        }
        self.found.len() == before
    }

    /// A mistake for each field that a type does not have.
    fn refuse_left_over(
        &mut self,
        what: &str,
        type_name: &str,
        fields: Vec<(&'static str, Location)>,
    ) {
        for (name, location) in fields {
            self.add(location, format!("{what}: {type_name} has no field `{name}` at the edge"));
        }
    }

    /// The value of a field that a type has to have.
    fn required<T>(
        &mut self,
        what: &str,
        name: &str,
        field: Option<Spanned<T>>,
        location: Location,
    ) -> Option<Spanned<T>> {
        if field.is_none() {
            self.add(location, format!("{what}: the field `{name}` is missing"));
        }
        field
    }

    /// The connection to a provider of models that a node names, which has to be of that type.
    fn provider(
        &mut self,
        connections: &Connections,
        what: &str,
        id: &Spanned<String>,
        expected: &str,
    ) -> Option<super::model::Connection> {
        let found = self.look_up(connections, id, || format!("{what}: connection"))?.as_ref()?;
        match found {
            Connection::Provider(type_name, connection) if type_name == expected => {
                return Some(connection.clone());
            }
            _ => {}
        }
        let reason = format!("{what}: connection `{}` is not of the type {expected}", id.value);
        self.add(id.referenced, reason);
        None
    }

    fn look_up<'m, K: Ord + std::borrow::Borrow<str>, V>(
        &mut self,
        entries: &'m BTreeMap<K, V>,
        id: &Spanned<String>,
        what: impl Fn() -> String,
    ) -> Option<&'m V> {
        let found = entries.get(id.value.as_str());
        if found.is_none() {
            self.add(id.referenced, format!("{} `{}` is not in this file", what(), id.value));
        }
        found
    }
}

#[cfg(test)]
mod tests {
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
        compile_folder(folder.path())
            .map_err(|mistakes| mistakes.into_iter().map(relative).collect())
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
        assert_eq!(
            url.base_url("https://api.example/v1/").as_deref(),
            Ok("https://api.example/v1")
        );
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
            (
                "prompt: ask",
                "prompt: other",
                "18:13",
                "node `a`: prompt `other` is not in this file",
            ),
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
        let places: Vec<_> =
            flow.nodes.iter().map(|node| (&*node.depends, &*node.ancestors)).collect();
        let none: &[usize] = &[];
        assert_eq!(
            places,
            [(&[2][..], &[1, 2, 3][..]), (none, none), (&[3, 1], &[1, 3]), (none, none)]
        );
        let b = &definitions.nodes[1];
        let texts: Vec<_> = b.input_mapping.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(
            texts,
            ["big=9007199254740993", "list=[1.0, \"x\", null]", "nested={\"y\": true}"]
        );
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
            (
                "string-equals-path",
                "string-regexp",
                "6:46",
                "cannot run the operator `string-regexp`",
            ),
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
            (
                "option: a",
                "option: x",
                "13:15",
                "node `d`: it depends on `c`, which has no option `x`",
            ),
            (
                "node: c, option: a",
                "node: d, option: a",
                "13:15",
                "node `d`: it depends on `d`, which has no option `a`",
            ),
            (
                "option: a",
                "option: a, trigger: failure",
                "13:15",
                "a node that fails takes no option",
            ),
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
}
