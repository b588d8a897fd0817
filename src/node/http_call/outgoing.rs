//! The request of a call: what definition and input say, put together as Dynamiq does; and the
//! requests that redirects make of it.

use super::input::named;
use super::url::{Url, form_encode};
use super::{Members, Target};
use crate::definition::{HttpCall, Method, PayloadType, header_mistake};
use crate::http::{Headers, Response};
use crate::json::{Dialect, Document, Item, Order, Value, dumps, is_null, write_string};
use crate::node::NodeError;

/// The headers of an input that another origin may see, which are those that hold no credential.
const PUBLIC: [&str; 5] =
    ["accept", "accept-language", "content-language", "content-type", "user-agent"];

/// Servers take about as many.
const MAX_HEADERS: usize = 100;

/// A request, and where it may go from there.
pub(super) struct Outgoing {
    pub url: Url,
    pub method: Method,
    headers: Vec<(String, String)>,
    pub body: Option<String>,
    /// Whether the body holds data of the definition, which goes to one origin only.
    holds_own_data: bool,
}

impl Outgoing {
    /// The request for a complete input.
    pub fn new(call: &HttpCall, target: &Target, input: Value<'_>) -> Result<Self, NodeError> {
        let member = |name: &str| input.get(name).filter(|value| !value.is_null());
        let url = member("url").and_then(Value::as_str).and_then(|url| url.to_str());
        let url = url.as_deref().filter(|url| !url.is_empty()).or(target.url.as_deref());
        let url = url.ok_or_else(|| invalid("url: is missing".to_owned()))?;
        let mut url = Url::parse(url).map_err(|mistake| invalid(format!("url: {mistake}")))?;
        let is_home = target.is_home(&url.origin);
        if !target.allows(&url.origin) {
            return Err(invalid(
                "url: its origin is not among the allowed_origins of the node".to_owned(),
            ));
        }
        let merged = |field: &'static str, own: &Members| {
            merge(field, if is_home { own } else { &[] }, member(field))
        };
        url.add_query(&pairs("params", &merged("params", &target.params)?)?);
        let mut headers = headers(&merged("headers", &target.headers)?)?;
        let method = member("method").and_then(|method| named(method, Method::parse));
        let method = method.unwrap_or(call.method);
        let is_json = match member("payload_type") {
            Some(payload_type) => payload_type.as_str().is_some_and(|name| name.is("json")),
            None => call.payload_type == PayloadType::Json,
        };
        let data = merged("data", &target.data)?;
        let body = match (is_json, data.is_empty()) {
            (true, _) => Some((json(&data)?, "application/json")),
            (false, false) => Some((pairs("data", &data)?, "application/x-www-form-urlencoded")),
            (false, true) => None,
        };
        // Workers send no body with GET. Without data there is none to miss.
        let body =
            body.filter(|(body, _)| method != Method::Get || !data.is_empty() && !body.is_empty());
        if body.is_some() && method == Method::Get {
            return Err(invalid(
                "data: GET carries no data at the edge: use params, or another method".to_owned(),
            ));
        }
        let body = body.map(|(body, content_type)| {
            if !headers.iter().any(|(name, _)| name == "content-type") {
                headers.push(("content-type".to_owned(), content_type.to_owned()));
            }
            body
        });
        let holds_own_data = is_home && !target.data.is_empty();
        Ok(Self { url, method, headers, body, holds_own_data })
    }

    pub fn headers(&self) -> Headers {
        self.headers.iter().fold(Headers::default(), |all, (name, value)| all.with(name, value))
    }

    /// Makes this the request that a redirect asks for; or says that the answer is none. Methods and
    /// bodies change as with Python's `requests`.
    pub fn follow(&mut self, target: &Target, response: &Response) -> Result<bool, NodeError> {
        let status = response.status;
        let location = match response.header("location") {
            Some(location) if matches!(status, 301 | 302 | 303 | 307 | 308) => location,
            _ => return Ok(false),
        };
        let refused = |what: String| NodeError::Refused(format!("the server redirects to {what}"));
        let next = self.url.join(location);
        let next = next.map_err(|mistake| refused(format!("a URL, which {mistake}")))?;
        if !target.allows(&next.origin) {
            return Err(refused(
                "an origin that is not among the allowed_origins of the node".to_owned(),
            ));
        }
        if !matches!(status, 307 | 308) {
            if status != 301 || self.method == Method::Post {
                self.method = Method::Get;
            }
            self.body = None;
            self.headers.retain(|(name, _)| name != "content-type");
        }
        if next.origin != self.url.origin {
            if self.body.is_some() && self.holds_own_data {
                return Err(refused(
                    "another origin, which may not get the data of the definition".to_owned(),
                ));
            }
            self.headers.retain(|(name, value)| {
                PUBLIC.contains(&name.as_str()) && !target.headers_hold(name, value)
            });
        }
        self.url = next;
        Ok(true)
    }
}

fn invalid(message: String) -> NodeError {
    NodeError::Validation(message)
}

/// The members of both as Python's `own | given` has them.
fn merge(
    field: &str,
    own: &[(String, String)],
    given: Option<Value<'_>>,
) -> Result<Members, NodeError> {
    let mut members = own.to_vec();
    for (name, value) in given.map(|given| given.resolved_members(false, &[])).unwrap_or_default() {
        let name = name.to_str().ok_or_else(|| lone_surrogate(field))?.into_owned();
        let value = dumps(value, Order::AsWritten);
        match members.iter_mut().take(own.len()).find(|(other, _)| *other == name) {
            Some((_, place)) => *place = value,
            None => members.push((name, value)),
        }
    }
    Ok(members)
}

fn lone_surrogate(field: &str) -> NodeError {
    invalid(format!("{field}: holds half of a surrogate pair, which cannot be sent"))
}

/// Hands on a value that is JSON text.
fn with_value<T>(
    json: &str,
    read: impl FnOnce(Value<'_>) -> Result<T, NodeError>,
) -> Result<T, NodeError> {
    let document = Document::parse(json, Dialect::PYTHON);
    let document = document.map_err(|error| invalid(format!("cannot be read: {error}")))?;
    read(document.root())
}

fn headers(members: &Members) -> Result<Vec<(String, String)>, NodeError> {
    if members.len() > MAX_HEADERS {
        return Err(invalid(format!("headers: has to have at most {MAX_HEADERS} members")));
    }
    let mut headers = vec![
        ("accept".to_owned(), "*/*".to_owned()),
        ("user-agent".to_owned(), "edgememo".to_owned()),
    ];
    for (name, json) in members {
        let value = with_value(json, |value| match value.item() {
            Item::Null => Ok(None),
            Item::String(text) => text
                .to_str()
                .map(|text| Some(text.into_owned()))
                .ok_or_else(|| lone_surrogate("headers")),
            _ => {
                let kind = value.kind_name();
                Err(invalid(format!("headers.{name}: has to be a string or null, not {kind}")))
            }
        })?;
        if let Some(mistake) = header_mistake(name, value.as_deref().unwrap_or_default()) {
            return Err(invalid(format!("headers.{name}: {mistake}")));
        }
        let name = name.to_ascii_lowercase();
        headers.retain(|(other, _)| *other != name);
        // `null` takes a header away.
        headers.extend(value.map(|value| (name, value)));
    }
    Ok(headers)
}

/// `a=1&a=2`, as Python's `requests` makes it of an object: a list gives several pairs, `null` none.
fn pairs(field: &str, members: &Members) -> Result<String, NodeError> {
    let mut out = String::new();
    for (name, json) in members {
        let encoded = form_encode(name);
        let mut push = |value: Value<'_>| {
            let text = match value.item() {
                Item::Null => return Ok(()),
                Item::String(text) => {
                    text.to_str().ok_or_else(|| lone_surrogate(field))?.into_owned()
                }
                Item::Bool(true) => "True".to_owned(),
                Item::Bool(false) => "False".to_owned(),
                Item::Integer(_) | Item::Float(_) => python_number(value),
                Item::Array(_) | Item::Object(_) => {
                    return Err(invalid(format!(
                        "{field}.{name}: has to be a string, a number, true, false, null or a list of \
                         those"
                    )));
                }
            };
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(&encoded);
            out.push('=');
            out.push_str(&form_encode(&text));
            Ok(())
        };
        with_value(json, |value| match value.item() {
            Item::Array(mut values) => values.try_for_each(&mut push),
            _ => push(value),
        })?;
    }
    Ok(out)
}

/// What Python's `str` prints.
fn python_number(value: Value<'_>) -> String {
    match dumps(value, Order::AsWritten).as_str() {
        "NaN" => "nan".to_owned(),
        "Infinity" => "inf".to_owned(),
        "-Infinity" => "-inf".to_owned(),
        number => number.to_owned(),
    }
}

/// The body that Python's `json.dumps` gives.
fn json(members: &Members) -> Result<String, NodeError> {
    let mut out = String::from("{");
    for (name, value) in members {
        if out.len() > 1 {
            out.push_str(", ");
        }
        write_string(&mut out, name);
        out.push_str(": ");
        out.push_str(value);
    }
    out.push('}');
    is_null(&out, Dialect::STRICT)
        .map_err(|error| invalid(format!("data: cannot be sent as JSON: {error}")))?;
    Ok(out)
}
