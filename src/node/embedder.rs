//! Nodes that turn a text into a vector: with models that speak OpenAI's API, and with Workers AI.

use std::borrow::Cow;

use super::endpoint::Endpoint;
use super::llm::is_blank;
use super::{Execution, NodeError};
use crate::ai::Ai;
use crate::definition::{Connection, Embedder, Setting, SettingError};
use crate::http::{Headers, HttpClient, Secret};
use crate::json::{Dialect, Document, Item, Order, Value, dumps, repr, write_string};

/// Where a node sends its texts, and what it asks.
#[derive(Debug)]
pub(super) struct Embeddings {
    endpoint: Endpoint,
    /// The request up to the text, and from there on.
    body: (String, String),
    fingerprint: String,
}

impl Embeddings {
    /// The provider of a node, with the base URL and the key of its connection; or the setting that
    /// is missing.
    pub fn new(
        node_type: &str,
        embedder: &Embedder,
        resolve: impl Fn(&Setting) -> Result<String, SettingError>,
    ) -> Result<Self, SettingError> {
        let mut fingerprint = String::from("{\"type\":");
        write_string(&mut fingerprint, node_type);
        let mut model = String::from("\"model\":");
        write_string(&mut model, &embedder.model);
        let (endpoint, body) = match &embedder.connection {
            Connection::Api(connection) => {
                let url = connection.url.base_url(&resolve(&connection.url)?)?;
                let api_key = connection.api_key.as_ref().map(resolve).transpose()?;
                let api_key = Secret::new(api_key.unwrap_or_default());
                fingerprint.push_str(",\"url\":");
                write_string(&mut fingerprint, &url);
                let after = match embedder.dimensions {
                    Some(dimensions) => format!("],\"dimensions\":{dimensions}}}"),
                    None => "]}".to_owned(),
                };
                let headers = Headers::json().with_bearer(&api_key);
                let endpoint =
                    Endpoint::Http { url: format!("{url}/embeddings"), headers, api_key };
                let body = (format!("{{{model},\"input\":["), after);
                fingerprint.push_str(&format!(",\"request\":{}{}}}", body.0, body.1));
                (endpoint, body)
            }
            Connection::Binding(name) => {
                fingerprint.push_str(&format!(",{model}}}"));
                let endpoint =
                    Endpoint::Binding { name: name.clone(), model: embedder.model.clone() };
                (endpoint, ("{\"text\":[".to_owned(), "]}".to_owned()))
            }
        };
        Ok(Self { endpoint, body, fingerprint })
    }

    /// What is asked of the provider, before an input is filled in.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// The query alone, which is what is hashed.
pub(super) fn validate(input: Value<'_>) -> Result<String, NodeError> {
    let query = input.get("query");
    let query = query.ok_or_else(|| NodeError::Validation("query: is missing".to_owned()))?;
    let text = text_of(query)?;
    if is_blank(&text) {
        return Err(NodeError::Validation("query: must not be empty".to_owned()));
    }
    Ok(format!("{{\"query\": {}}}", query.raw()))
}

fn text_of(query: Value<'_>) -> Result<Cow<'_, str>, NodeError> {
    let text = query.as_str().ok_or_else(|| {
        NodeError::Validation(format!("query: has to be a string, not {}", query.kind_name()))
    })?;
    text.to_str().ok_or_else(|| {
        NodeError::Validation(
            "query: holds half of a surrogate pair, which cannot be sent".to_owned(),
        )
    })
}

/// Asks the provider.
pub(super) async fn execute(
    embeddings: &Embeddings,
    outside: &(impl HttpClient + Ai),
    execution: Execution<'_>,
) -> Result<String, NodeError> {
    execution.running();
    let query = execution.input.get("query");
    let query = query.ok_or_else(|| NodeError::Validation("query: is missing".to_owned()))?;
    let (before, after) = &embeddings.body;
    let mut body = before.clone();
    write_string(&mut body, &to_embed(&text_of(query)?));
    body.push_str(after);
    let endpoint = &embeddings.endpoint;
    let answer = endpoint.ask(outside, &body).await?;
    let embedding = read_embedding(&answer).ok_or_else(|| endpoint.no_sense("an embedding"))?;
    let query = dumps(query, Order::AsWritten);
    Ok(format!("{{\"embedding\": {embedding}, \"query\": {query}}}"))
}

/// 8192 tokens of four characters, as Dynamiq counts them.
const MAX_CHARS: usize = 8192 * 4;
const TRUNCATED: &str = "...[truncated for embedding]...";

/// What Dynamiq sends of a text: on one line, and without its middle when it is long.
fn to_embed(text: &str) -> String {
    let line = text.replace('\n', " ");
    let count = line.chars().count();
    if count <= MAX_CHARS {
        return line;
    }
    let half = (MAX_CHARS - TRUNCATED.len()) / 2;
    let start = line.chars().take(half);
    let end = line.chars().skip(count - half);
    start.chain(TRUNCATED.chars()).chain(end).collect()
}

/// The vector of the first text, as Python prints its floats.
fn read_embedding(body: &str) -> Option<String> {
    let document = Document::parse(body, Dialect::STRICT).ok()?;
    let Item::Array(mut data) = document.root().get("data")?.item() else { return None };
    let first = data.next()?;
    // Workers AI has vectors there.
    let Item::Array(numbers) = first.get("embedding").unwrap_or(first).item() else { return None };
    let mut out = String::from("[");
    for number in numbers {
        let number = match number.item() {
            // Python's client makes floats of integers.
            Item::Integer(text) => repr(text.parse::<i64>().ok()? as f64),
            Item::Float(_) => dumps(number, Order::AsWritten),
            _ => return None,
        };
        // One that no double holds.
        if number.ends_with("Infinity") {
            return None;
        }
        out.push_str(if out.len() > 1 { ", " } else { "" });
        out.push_str(&number);
    }
    out.push(']');
    (out.len() > 2).then_some(out)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use futures_executor::block_on;

    use super::*;
    use crate::ai::AiError;
    use crate::definition::Api;
    use crate::http::{HttpError, Request, Response};

    #[test]
    fn only_the_query_is_hashed() {
        let validated = |input: &str| {
            let document = Document::parse(input, Dialect::STRICT).unwrap();
            validate(document.root()).map_err(|error| error.to_string())
        };
        assert_eq!(
            validated(r#"{"query": "hi there", "extra": 1}"#).unwrap(),
            r#"{"query": "hi there"}"#
        );
        for (input, message) in [
            ("{}", "query: is missing"),
            (r#"{"query":5}"#, "query: has to be a string, not a number"),
            (r#"{"query":null}"#, "query: has to be a string, not null"),
            (r#"{"query":""}"#, "query: must not be empty"),
            (r#"{"query":" \n\u001f\u00a0"}"#, "query: must not be empty"),
            (
                r#"{"query":"\ud800"}"#,
                "query: holds half of a surrogate pair, which cannot be sent",
            ),
        ] {
            assert_eq!(validated(input).unwrap_err(), message);
        }
    }

    #[test]
    fn the_vector_has_pythons_floats() {
        let read =
            |numbers: &str| read_embedding(&format!(r#"{{"data":[{{"embedding":{numbers}}}]}}"#));
        assert_eq!(read("[0.1,-0.25,1,3e-5]").unwrap(), "[0.1, -0.25, 1.0, 3e-05]");
        assert_eq!(read("[-0, -0.0, 1e16, 0.10]").unwrap(), "[0.0, -0.0, 1e+16, 0.1]");
        for other in
            ["[]", "null", "\"AAAA\"", "[null]", "[\"1\"]", "[1e400]", "[99999999999999999999]"]
        {
            assert_eq!(read(other), None, "{other}");
        }
        for body in ["", "<html>", "{}", "null", r#"{"data":[]}"#, r#"{"data":[{}]}"#] {
            assert_eq!(read_embedding(body), None, "{body}");
        }
    }

    #[test]
    fn a_long_text_loses_its_middle() {
        assert_eq!(to_embed("a\nb\r\n"), "a b\r ");
        let longest = "é".repeat(MAX_CHARS);
        assert_eq!(to_embed(&longest), longest);
        let cut = to_embed(&format!("{longest}x"));
        assert_eq!(cut.chars().count(), 16368 + 31 + 16368);
        assert!(cut.contains("é...[truncated for embedding]...é") && cut.ends_with("éx"));
    }

    /// Answers every request with the same, and keeps what was asked.
    struct Upstream {
        answer: Result<Response, HttpError>,
        asked: RefCell<Vec<(String, String, String)>>,
    }

    impl HttpClient for Upstream {
        async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
            let (url, body) = (request.url.to_owned(), request.body.unwrap_or_default().to_owned());
            self.asked.borrow_mut().push((
                url,
                request.headers.as_lines().replace('\n', " "),
                body,
            ));
            self.answer.clone()
        }
    }

    impl Ai for Upstream {
        async fn run(&self, binding: &str, model: &str, inputs: &str) -> Result<String, AiError> {
            self.asked.borrow_mut().push((binding.to_owned(), model.to_owned(), inputs.to_owned()));
            match &self.answer {
                Ok(response) => Ok(String::from_utf8(response.body.clone()).unwrap()),
                Err(_) => Err(AiError::Unbound),
            }
        }
    }

    fn embeddings(dimensions: Option<u32>) -> Embeddings {
        let embedder = Embedder {
            model: "small".to_owned(),
            connection: Connection::Api(Api {
                api_key: Some(Setting::Text("CANARY".to_owned())),
                url: Setting::Text("https://api.example/v1/".to_owned()),
                api_version: None,
            }),
            dimensions,
        };
        let resolve = |setting: &Setting| setting.resolve(|_| None);
        Embeddings::new("dynamiq.nodes.embedders.OpenAITextEmbedder", &embedder, resolve).unwrap()
    }

    fn execute(upstream: &Upstream) -> Result<String, NodeError> {
        ask(&embeddings(Some(4)), upstream)
    }

    fn ask(embeddings: &Embeddings, upstream: &Upstream) -> Result<String, NodeError> {
        let input = Document::parse(r#"{"query": "hi\nthère"}"#, Dialect::STRICT).unwrap();
        let used = Cell::default();
        let execution = Execution {
            input: input.root(),
            node_id: "a",
            callbacks: &crate::node::NoCallbacks,
            used: &used,
        };
        block_on(super::execute(embeddings, upstream, execution))
    }

    fn answering(status: u16, body: &str) -> Upstream {
        let answer = Ok(Response { status, body: body.into(), headers: Vec::new() });
        Upstream { answer, asked: RefCell::default() }
    }

    #[test]
    fn the_request_is_dynamiqs() {
        let upstream = answering(200, r#"{"data":[{"embedding":[1]}]}"#);
        assert_eq!(
            execute(&upstream).unwrap(),
            r#"{"embedding": [1.0], "query": "hi\nth\u00e8re"}"#
        );
        let (url, headers, body) = upstream.asked.take().remove(0);
        assert_eq!(url, "https://api.example/v1/embeddings");
        assert_eq!(headers, "content-type application/json authorization Bearer CANARY ");
        assert_eq!(body, r#"{"model":"small","input":["hi th\u00e8re"],"dimensions":4}"#);
    }

    #[test]
    fn workers_ai_is_asked_through_its_binding() {
        let embedder = Embedder {
            model: "@cf/x".to_owned(),
            connection: Connection::Binding("AI".to_owned()),
            dimensions: None,
        };
        let node_type = "edgememo.nodes.embedders.WorkersAITextEmbedder";
        let embeddings =
            Embeddings::new(node_type, &embedder, |_| Err(SettingError::Missing(String::new())))
                .unwrap();
        assert_eq!(
            embeddings.fingerprint(),
            r#"{"type":"edgememo.nodes.embedders.WorkersAITextEmbedder","model":"@cf/x"}"#
        );
        let upstream = answering(200, r#"{"shape":[1,2],"data":[[1,0.5]],"pooling":"mean"}"#);
        assert_eq!(
            ask(&embeddings, &upstream).unwrap(),
            r#"{"embedding": [1.0, 0.5], "query": "hi\nth\u00e8re"}"#
        );
        let (binding, model, inputs) = upstream.asked.take().remove(0);
        assert_eq!((binding.as_str(), model.as_str()), ("AI", "@cf/x"));
        assert_eq!(inputs, r#"{"text":["hi th\u00e8re"]}"#);
        let garbage = ask(&embeddings, &answering(200, r#"{"response":"hi"}"#)).unwrap_err();
        assert!(garbage.to_string().ends_with("is not an embedding (check the model)"));
        let unbound = Upstream { answer: Err(HttpError::Unreachable), ..answering(200, "") };
        let unbound = ask(&embeddings, &unbound).unwrap_err();
        assert!(unbound.to_string().contains("no binding `AI`"), "{unbound}");
    }

    #[test]
    fn the_fingerprint_is_what_is_asked_without_the_key() {
        assert_eq!(
            embeddings(None).fingerprint(),
            r#"{"type":"dynamiq.nodes.embedders.OpenAITextEmbedder","url":"https://api.example/v1","request":{"model":"small","input":[]}}"#
        );
        assert!(embeddings(Some(4)).fingerprint().contains(r#""dimensions":4"#));
    }

    #[test]
    fn failures_are_told_apart_and_never_with_the_key() {
        let refusal = r#"{"error":{"message":"no CANARY here"}}"#;
        for (status, type_name) in
            [(400, "Refused"), (401, "Refused"), (429, "Busy"), (500, "Upstream")]
        {
            let error = execute(&answering(status, refusal)).unwrap_err();
            let told = format!("{error:?}");
            assert!(told.starts_with(type_name) && !told.contains("CANARY"), "{told}");
        }
        let garbage = execute(&answering(200, "{}")).unwrap_err();
        assert!(garbage.to_string().contains("is not an embedding"));
    }
}
