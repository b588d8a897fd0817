//! Nodes that turn a text into a vector.

use super::super::model::{Connection, Embedder, Kind};
use super::Mistakes;
use super::nodes::Scope;
use super::yaml::RawNode;

/// A node of the type `dynamiq.nodes.embedders.OpenAITextEmbedder`.
pub(super) fn openai(
    mistakes: &mut Mistakes<'_>,
    scope: &Scope<'_>,
    id: &str,
    raw: &mut RawNode,
) -> Option<Kind> {
    compile(mistakes, scope, id, raw, "openai/", "text-embedding-3-small")
}

fn compile(
    mistakes: &mut Mistakes<'_>,
    scope: &Scope<'_>,
    id: &str,
    raw: &mut RawNode,
    prefix: &str,
    default_model: &str,
) -> Option<Kind> {
    let (what, at) = (format!("node `{id}`"), raw.r#type.referenced);
    let connection = mistakes.required(&what, "connection", raw.connection.take(), at)?;
    let expected = "dynamiq.connections.OpenAI";
    let found = mistakes.provider(scope.connections, &what, &connection, expected)?;
    let Connection::Api(connection) = found else { return None };
    let model = raw.model.take().map_or_else(|| default_model.to_owned(), |field| field.value);
    Some(Kind::Embedder(Embedder {
        model: model.strip_prefix(prefix).unwrap_or(&model).to_owned(),
        connection,
        // 0 is none in Python.
        dimensions: raw.dimensions.take().map(|field| field.value).filter(|count| *count > 0),
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Compiler;
    use super::*;

    fn compile(fields: &str) -> Embedder {
        let mut compiler = Compiler::default();
        let text = format!(
            "connections: {{c: {{type: dynamiq.connections.OpenAI}}}}\n\
             nodes: {{a: {{type: dynamiq.nodes.embedders.OpenAITextEmbedder, connection: c{fields}}}}}"
        );
        compiler.file(Path::new("a.yaml"), &text);
        match compiler.finish().unwrap().nodes.remove(0).kind {
            Kind::Embedder(embedder) => embedder,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn model_and_dimensions_are_dynamiqs() {
        let told = |fields| {
            let Embedder { model, dimensions, .. } = compile(fields);
            (model, dimensions)
        };
        assert_eq!(told(""), ("text-embedding-3-small".to_owned(), None));
        assert_eq!(told(", model: openai/large, dimensions: 3"), ("large".to_owned(), Some(3)));
        assert_eq!(told(", model: m, dimensions: 0"), ("m".to_owned(), None));
    }
}
