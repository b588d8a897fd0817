//! Nodes that turn a text into a vector.

use super::super::model::{Embedder, Kind};
use super::Mistakes;
use super::nodes::Scope;
use super::yaml::RawNode;

/// What the nodes of a type have in common.
struct Provider {
    /// The type of the node.
    node: &'static str,
    /// The type of its connection.
    connection: &'static str,
    /// What Dynamiq puts before the names of models, to say whose they are. Never sent.
    prefix: &'static str,
    /// None: it has to be written.
    model: Option<&'static str>,
    has_dimensions: bool,
}

const PROVIDERS: [Provider; 3] = [
    Provider {
        node: "dynamiq.nodes.embedders.OpenAITextEmbedder",
        connection: "dynamiq.connections.OpenAI",
        prefix: "openai/",
        model: Some("text-embedding-3-small"),
        has_dimensions: true,
    },
    Provider {
        node: "dynamiq.nodes.embedders.MistralTextEmbedder",
        connection: "dynamiq.connections.Mistral",
        prefix: "mistral/",
        model: Some("mistral-embed"),
        has_dimensions: false,
    },
    Provider {
        node: "edgememo.nodes.embedders.WorkersAITextEmbedder",
        connection: "edgememo.connections.WorkersAI",
        prefix: "",
        model: None,
        has_dimensions: false,
    },
];

/// A node of a type with `embedders` in its name.
pub(super) fn compile(
    mistakes: &mut Mistakes<'_>,
    scope: &Scope<'_>,
    id: &str,
    raw: &mut RawNode,
) -> Option<Kind> {
    let (what, at) = (format!("node `{id}`"), raw.r#type.referenced);
    let provider = PROVIDERS.iter().find(|provider| provider.node == raw.r#type.value)?;
    let model = match (raw.model.take(), provider.model) {
        (None, Some(model)) => Some(model.to_owned()),
        (model, _) => mistakes.required(&what, "model", model, at).map(|model| model.value),
    };
    let connection = mistakes.required(&what, "connection", raw.connection.take(), at);
    let connection = connection
        .and_then(|name| mistakes.provider(scope.connections, &what, &name, provider.connection));
    let dimensions = if provider.has_dimensions { raw.dimensions.take() } else { None };
    let model = model?;
    Some(Kind::Embedder(Embedder {
        model: model.strip_prefix(provider.prefix).unwrap_or(&model).to_owned(),
        connection: connection?,
        // 0 is none in Python.
        dimensions: dimensions.map(|field| field.value).filter(|count| *count > 0),
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Compiler;
    use super::*;

    fn compile(provider: &Provider, fields: &str) -> Result<Embedder, String> {
        let mut compiler = Compiler::default();
        let text = format!(
            "connections: {{c: {{type: {}}}}}\nnodes: {{a: {{type: {}, connection: c{fields}}}}}",
            provider.connection, provider.node
        );
        compiler.file(Path::new("a.yaml"), &text);
        let definitions = compiler.finish();
        let definitions = definitions.map_err(|mistakes| mistakes.first().unwrap().to_string())?;
        match definitions.nodes.into_iter().next().map(|node| node.kind) {
            Some(Kind::Embedder(embedder)) => Ok(embedder),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn model_and_dimensions_are_dynamiqs() {
        let told = |provider, fields| {
            compile(provider, fields).map(|embedder| (embedder.model, embedder.dimensions))
        };
        let [openai, mistral, workers_ai] = &PROVIDERS;
        let is = |model: &str, dimensions| Ok((model.to_owned(), dimensions));
        assert_eq!(told(openai, ""), is("text-embedding-3-small", None));
        assert_eq!(told(openai, ", model: openai/large, dimensions: 3"), is("large", Some(3)));
        assert_eq!(told(openai, ", model: m, dimensions: 0"), is("m", None));
        assert_eq!(told(mistral, ""), is("mistral-embed", None));
        assert_eq!(told(mistral, ", model: mistral/other"), is("other", None));
        assert_eq!(told(workers_ai, ", model: '@cf/x'"), is("@cf/x", None));
        for (provider, fields, mistake) in [
            (mistral, ", dimensions: 3", "MistralTextEmbedder has no field `dimensions`"),
            (workers_ai, "", "node `a`: the field `model` is missing"),
            (workers_ai, ", model: m, dimensions: 3", "has no field `dimensions`"),
        ] {
            let told = told(provider, fields).unwrap_err();
            assert!(told.contains(mistake), "{told}");
        }
    }
}
