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
mod tests;
