//! What the npm package is made of: keys over JSON texts, and the values under them.
//!
//! The JavaScript beside this file turns values into texts, exactly, and gives these functions the
//! shape that callers see. Errors are `Error` objects with a stable `code`.

use std::fmt::Display;

use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::cache::MissReason;
use crate::codec;
use crate::json::{Dialect, Document, Order, ParseError, dumps};
use crate::key::{self, Component, ExplainError, KeyError, KeyRequest, Scheme};

#[wasm_bindgen]
extern "C" {
    type Error;
    #[wasm_bindgen(constructor)]
    fn new(message: &str) -> Error;
    #[wasm_bindgen(method, setter)]
    fn set_name(this: &Error, name: &str);
    #[wasm_bindgen(method, setter)]
    fn set_code(this: &Error, code: &str);
    #[wasm_bindgen(method, setter)]
    fn set_position(this: &Error, position: u32);
    #[wasm_bindgen(method, setter)]
    fn set_path(this: &Error, path: &str);
}

type Result<T> = std::result::Result<T, JsValue>;

/// The key of a request, of which the parts are JSON texts.
#[wasm_bindgen(js_name = cacheKey)]
pub fn cache_key(
    scheme: &str,
    namespace: Option<String>,
    entity_id: &str,
    input: &str,
    kwargs: Option<String>,
    definition: Option<String>,
) -> Result<String> {
    let texts = Texts {
        prefix: "",
        scheme: scheme_named(scheme, "")?,
        namespace: namespace.as_deref(),
        entity_id,
        input,
        kwargs: kwargs.as_deref(),
        definition: definition.as_deref(),
    };
    let documents = texts.parse()?;
    key::cache_key(&texts.request(&documents)).map_err(|error| key_error("", &error))
}

/// The text that a scheme hashes for a JSON text.
#[wasm_bindgen]
pub fn canonicalize(text: &str, scheme: &str) -> Result<String> {
    let scheme = scheme_named(scheme, "")?;
    let document = parse(text, scheme, "", Component::Input)?;
    key::canonicalize(document.root(), scheme).map_err(|refusal| {
        key_error("", &KeyError::NotCanonical { component: Component::Input, refusal })
    })
}

/// Why two requests have different keys, as JSON. Each is an array of `cacheKey`'s arguments.
#[wasm_bindgen]
pub fn explain(a: Vec<JsValue>, b: Vec<JsValue>) -> Result<String> {
    let texts = |values: Vec<JsValue>| values.iter().map(JsValue::as_string).collect::<Vec<_>>();
    let (a, b) = (texts(a), texts(b));
    let (a, b) = (Texts::from_arguments(&a, "a.")?, Texts::from_arguments(&b, "b.")?);
    let (of_a, of_b) = (a.parse()?, b.parse()?);
    let explanation = key::explain(&a.request(&of_a), &b.request(&of_b))
        .map_err(|ExplainError { side, error }| key_error(&format!("{side}."), &error))?;
    // Texts, flags and a list of them: nothing that JSON cannot hold.
    Ok(serde_json::to_string(&explanation).unwrap_or_default())
}

/// What is stored under a key of the scheme `dynamiq` for an output, which is JSON text.
#[wasm_bindgen(js_name = encodeValue)]
pub fn encode_value(output: &str) -> Result<String> {
    let document = parse(output, Scheme::Dynamiq, "", "output")?;
    Ok(codec::encode(&dumps(document.root(), Order::AsWritten)))
}

/// The output in what is stored under a key of the scheme `dynamiq`, as it was written.
#[wasm_bindgen(js_name = decodeValue)]
pub fn decode_value(stored: &str) -> Result<String> {
    codec::decode(stored).map_err(|error| {
        let code = MissReason::from(error).as_str();
        thrown(&error.to_string(), code, Place::Unknown)
    })
}

/// A request in texts.
struct Texts<'a> {
    /// What stands before the names of the parts in messages.
    prefix: &'static str,
    scheme: Scheme,
    namespace: Option<&'a str>,
    entity_id: &'a str,
    input: &'a str,
    kwargs: Option<&'a str>,
    definition: Option<&'a str>,
}

struct Documents<'a> {
    input: Document<'a>,
    kwargs: Option<Document<'a>>,
    definition: Option<Document<'a>>,
}

impl<'a> Texts<'a> {
    fn from_arguments(arguments: &'a [Option<String>], prefix: &'static str) -> Result<Self> {
        let text = |index: usize| arguments.get(index).and_then(Option::as_deref);
        Ok(Self {
            prefix,
            scheme: scheme_named(text(0).unwrap_or_default(), prefix)?,
            namespace: text(1),
            entity_id: text(2).unwrap_or_default(),
            input: text(3).unwrap_or_default(),
            kwargs: text(4),
            definition: text(5),
        })
    }

    fn parse(&self) -> Result<Documents<'a>> {
        let required = |text, component| parse(text, self.scheme, self.prefix, component);
        let optional = |text: Option<&'a str>, component| {
            text.map(|text| required(text, component)).transpose()
        };
        Ok(Documents {
            input: required(self.input, Component::Input)?,
            kwargs: optional(self.kwargs, Component::Kwargs)?,
            definition: match self.scheme {
                // It plays no part there.
                Scheme::Dynamiq => None,
                Scheme::Canonical => optional(self.definition, Component::Definition)?,
            },
        })
    }

    fn request(&self, documents: &'a Documents<'a>) -> KeyRequest<'a> {
        KeyRequest {
            scheme: self.scheme,
            namespace: self.namespace,
            entity_id: self.entity_id,
            input: documents.input.root(),
            kwargs: documents.kwargs.as_ref().map(Document::root),
            definition: documents.definition.as_ref().map(Document::root),
        }
    }
}

/// Parses a text as the scheme's other side would: Python takes `NaN` and `Infinity`.
fn parse<'a>(
    text: &'a str,
    scheme: Scheme,
    prefix: &str,
    part: impl Display,
) -> Result<Document<'a>> {
    let dialect = match scheme {
        Scheme::Dynamiq => Dialect::PYTHON,
        Scheme::Canonical => Dialect::STRICT,
    };
    Document::parse(text, dialect).map_err(|ParseError { position, kind }| {
        let message = format!("{prefix}{part}: {kind} at byte {position}");
        thrown(&message, kind.code(), Place::Byte(position))
    })
}

fn scheme_named(name: &str, prefix: &str) -> Result<Scheme> {
    Scheme::from_name(name).ok_or_else(|| {
        let message = format!("{prefix}scheme has to be \"dynamiq\" or \"canonical\"");
        thrown(&message, "unknown-scheme", Place::Unknown)
    })
}

fn key_error(prefix: &str, error: &KeyError) -> JsValue {
    let place = match error {
        KeyError::InputNotObject(_) | KeyError::KwargsNotObject(_) => Place::Path("$".to_owned()),
        KeyError::ReservedKeyword(name) => Place::Path(format!("$.{name}")),
        KeyError::NotCanonical { refusal, .. } => Place::Byte(refusal.position),
    };
    thrown(&format!("{prefix}{error}"), error.code(), place)
}

/// Where something is wrong.
enum Place {
    Unknown,
    /// In a text.
    Byte(usize),
    /// In a value.
    Path(String),
}

fn thrown(message: &str, code: &str, place: Place) -> JsValue {
    let error = Error::new(message);
    error.set_name("EdgememoError");
    error.set_code(code);
    match place {
        Place::Unknown => {}
        Place::Byte(position) => error.set_position(position as u32),
        Place::Path(path) => error.set_path(&path),
    }
    error.into()
}
