//! From Dynamiq's workflow YAML to [`Definitions`], with every mistake named by file and line.
//!
//! Runs when the Worker is built. A field or a type that the edge does not know is a mistake: a
//! definition means the same here as in Dynamiq, or it is refused.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::model::{Connection, Definitions, ErrorHandling, Llm, Node, Setting};
use super::yaml::{File, RawConnection, Type, Types};

const OPENAI_NODE: &str = "dynamiq.nodes.llms.OpenAI";
const OPENAI_CONNECTION: &str = "dynamiq.connections.OpenAI";

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
    /// Where each node id was defined first.
    files: BTreeMap<String, PathBuf>,
    mistakes: Vec<Mistake>,
}

impl Compiler {
    fn file(&mut self, path: &Path, text: &str) {
        let mut mistakes = Mistakes { file: path, found: Vec::new() };
        // Types first: a node of a type that is not known is best told so, not that its fields are
        // unknown.
        let nodes = mistakes
            .parsed::<Types>(text)
            .filter(|types| mistakes.check_types(types))
            .and_then(|_| mistakes.parsed::<File>(text))
            .map(|file| mistakes.nodes(file))
            .unwrap_or_default();
        for (node, location) in nodes {
            match self.files.get(&node.id) {
                Some(first) => mistakes.add(
                    location,
                    format!("node `{}` is defined already in {}", node.id, first.display()),
                ),
                None => {
                    self.files.insert(node.id.clone(), path.to_owned());
                    self.nodes.push(node);
                }
            }
        }
        self.mistakes.extend(mistakes.found);
    }

    fn finish(self) -> Result<Definitions, Vec<Mistake>> {
        if self.mistakes.is_empty() {
            Ok(Definitions { nodes: self.nodes })
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
        // Without the excerpt that goes over several lines: file and line say where.
        let options = serde_saphyr::options! { with_snippet: false };
        match serde_saphyr::from_str_with_options(text, options) {
            Ok(value) => Some(value),
            Err(error) => {
                let place = error.location().map(|at| (at.line(), at.column()));
                let reason = error.to_string();
                self.found.push(Mistake { file: self.file.to_owned(), place, reason });
                None
            }
        }
    }

    fn check_types(&mut self, types: &Types) -> bool {
        let before = self.found.len();
        let kinds = [
            ("connection", &types.connections, OPENAI_CONNECTION),
            ("node", &types.nodes, OPENAI_NODE),
        ];
        for (kind, entries, known) in kinds {
            for (id, Type { r#type }) in entries {
                if r#type.value != known {
                    let reason = format!(
                        "{kind} `{id}`: the edge cannot run the type `{}`; it knows {known}",
                        r#type.value
                    );
                    self.add(r#type.referenced, reason);
                }
            }
        }
        self.found.len() == before
    }

    fn nodes(&mut self, file: File) -> Vec<(Node, Location)> {
        let mut connections = BTreeMap::new();
        for (id, raw) in &file.connections {
            connections.insert(id.as_str(), self.connection(id, raw));
        }
        let mut prompts = BTreeMap::new();
        for (id, raw) in &file.prompts {
            let mut add = |location, reason| self.add(location, reason);
            prompts.insert(id.as_str(), raw.compile(id, &mut add));
        }
        for (id, flow) in &file.flows {
            for node in &flow.nodes {
                self.look_up(&file.nodes, node, || format!("flow `{id}`: node"));
            }
        }
        for (id, workflow) in &file.workflows {
            self.look_up(&file.flows, &workflow.flow, || format!("workflow `{id}`: flow"));
        }
        let mut nodes = Vec::new();
        for (id, raw) in file.nodes {
            let location = raw.r#type.referenced;
            let connection = self
                .look_up(&connections, &raw.connection, || format!("node `{id}`: connection"))
                .cloned()
                .flatten();
            let prompt = self
                .look_up(&prompts, &raw.prompt, || format!("node `{id}`: prompt"))
                .cloned()
                .flatten();
            let error_handling = self.error_handling(&id, raw.error_handling);
            let (Some(connection), Some(prompt)) = (connection, prompt) else { continue };
            let node = Node {
                id,
                name: raw.name,
                node_type: raw.r#type.value,
                caching: raw.caching,
                error_handling,
                llm: Llm {
                    model: raw.model,
                    connection,
                    prompt,
                    temperature: raw.temperature,
                    max_tokens: raw.max_tokens,
                    top_p: raw.top_p,
                    seed: raw.seed,
                    stop: raw.stop,
                },
            };
            nodes.push((node, location));
        }
        nodes
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

    fn error_handling(&mut self, id: &str, raw: Option<Spanned<ErrorHandling>>) -> ErrorHandling {
        let Some(raw) = raw else { return ErrorHandling::default() };
        let ErrorHandling {
            timeout_seconds,
            retry_interval_seconds,
            max_retries,
            backoff_rate,
            max_retry_interval_seconds,
        } = raw.value;
        let longest = max_retry_interval_seconds.unwrap_or_default();
        for (field, wrong, bound) in [
            // A day is longer than any request lives.
            (
                "timeout_seconds",
                !(timeout_seconds > 0.0 && timeout_seconds <= 86_400.0),
                "over 0 and at most 86400",
            ),
            (
                "retry_interval_seconds",
                !(0.0..=86_400.0).contains(&retry_interval_seconds),
                "from 0 to 86400",
            ),
            // A request may make 50 subrequests on the smallest plan.
            ("max_retries", max_retries > 20, "at most 20"),
            ("backoff_rate", !(0.0..=100.0).contains(&backoff_rate), "from 0 to 100"),
            ("max_retry_interval_seconds", !(0.0..=86_400.0).contains(&longest), "from 0 to 86400"),
        ] {
            if wrong {
                let reason = format!("node `{id}`: error_handling.{field} has to be {bound}");
                self.add(raw.referenced, reason);
            }
        }
        raw.value
    }

    fn connection(&mut self, id: &str, raw: &RawConnection) -> Option<Connection> {
        // The defaults are those of Dynamiq's connection class.
        let api_key = match &raw.api_key {
            None => Setting::Env { name: "OPENAI_API_KEY".to_owned(), default: None },
            Some(text) => match self.setting(id, "api_key", text)? {
                setting @ Setting::Env { default: None, .. } => setting,
                _ => {
                    let reason = format!(
                        "connection `{id}`: api_key has to come from the environment, without a \
                         default: ${{oc.env:OPENAI_API_KEY}}"
                    );
                    self.add(text.referenced, reason);
                    return None;
                }
            },
        };
        let url = match &raw.url {
            None => Setting::Env {
                name: "OPENAI_URL".to_owned(),
                default: Some("https://api.openai.com/v1".to_owned()),
            },
            Some(text) => self.setting(id, "url", text)?,
        };
        if let (Setting::Text(url) | Setting::Env { default: Some(url), .. }, Some(text)) =
            (&url, &raw.url)
            && !(url.starts_with("https://") || url.starts_with("http://"))
        {
            let reason = format!("connection `{id}`: url has to start with https:// or http://");
            self.add(text.referenced, reason);
            return None;
        }
        Some(Connection { api_key, url })
    }

    /// Reads `${oc.env:NAME}` and `${oc.env:NAME,default}`; anything without `${` is a text.
    fn setting(&mut self, id: &str, field: &str, text: &Spanned<String>) -> Option<Setting> {
        if !text.value.contains("${") {
            return Some(Setting::Text(text.value.clone()));
        }
        let inner = text
            .value
            .strip_prefix("${oc.env:")
            .and_then(|rest| rest.strip_suffix('}'))
            .map(|inner| inner.split_once(',').map_or((inner, None), |(n, d)| (n, Some(d))));
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        match inner {
            Some((name, default))
                if is_name(name.trim()) && !default.is_some_and(|d| d.contains("${")) =>
            {
                Some(Setting::Env {
                    name: name.trim().to_owned(),
                    default: default.map(|default| default.trim().to_owned()),
                })
            }
            _ => {
                let reason = format!(
                    "connection `{id}`: {field} has to be a text, ${{oc.env:NAME}} or \
                     ${{oc.env:NAME,default}}"
                );
                self.add(text.referenced, reason);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(node.llm.prompt.required, ["items", "text"]);
        assert_eq!((node.llm.temperature, node.llm.stop), (Some(0.5), Some(vec!["x".to_owned()])));
        let env = |name: &str| (name == "OPENAI_API_KEY").then(|| "key".to_owned());
        assert_eq!(node.llm.connection.api_key.resolve(env), Ok("key".to_owned()));
        assert_eq!(node.llm.connection.url.resolve(env), Ok("https://api.example/v1".to_owned()));
        assert_eq!(
            node.llm.connection.api_key.resolve(|_| Some(String::new())),
            Err("OPENAI_API_KEY")
        );
    }

    #[test]
    fn the_shipped_definitions_compile() {
        let definitions = compile_folder(Path::new("workflows")).unwrap();
        let node = definitions.nodes.iter().find(|node| node.id == "summarizer").unwrap();
        assert_eq!((node.caching.enabled, node.caching.key), (true, Scheme::Dynamiq));
        assert_eq!(node.llm.prompt.required, ["text"]);
        let node = definitions.nodes.iter().find(|node| node.id == "translator").unwrap();
        assert_eq!((node.caching.enabled, node.caching.key), (true, Scheme::Canonical));
        assert_eq!(node.llm.prompt.required, ["language", "text"]);
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
                "${env:X}",
                "5:10",
                "url has to be a text, ${oc.env:NAME}",
            ),
            ("{{ text }}", "{{ text", "12:18", "syntax error"),
            ("temperature: 0.5", "temprature: 0.5", "19:5", "temprature"),
            ("temperature: 0.5", "caching: {key: canoncal}", "19:20", "canonical"),
            ("temperature: 0.5", "error_handling: {behavior: raise}", "19:22", "behavior"),
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
            ("model: m", "name: m", "", "model"),
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
    fn a_node_id_stands_for_one_node_only() {
        let mistakes = compile(&[("a.yaml", GOOD), ("b.yaml", GOOD)]).unwrap_err();
        assert_eq!(mistakes.len(), 1);
        assert!(
            mistakes[0].starts_with("b.yaml:15:11: node `a` is defined already in "),
            "{mistakes:?}"
        );
    }
}
