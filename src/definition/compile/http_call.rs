//! Nodes that call an API over HTTP, and their connections.

use serde_saphyr::{Location, Spanned};

use super::super::model::{
    Given, HttpCall, Kind, Method, Origin, PayloadType, Setting, Template, header_mistake,
};
use super::Mistakes;
use super::connections::{Connection, is_default};
use super::nodes::Scope;
use super::yaml::{Constants, RawConnection, RawNode};

/// Dynamiq's default.
const TIMEOUT_SECONDS: f64 = 30.0;
/// An isolate has 128 MB, of which the tape of an answer takes about four times its length.
const MOST_BYTES: u32 = 4 * 1024 * 1024;
const DEFAULT_BYTES: u32 = 2 * 1024 * 1024;

/// A connection of the type `dynamiq.connections.Http`.
#[derive(Clone)]
pub(super) struct HttpConnection {
    url: Option<Template>,
    method: Method,
    headers: Vec<(String, Given)>,
    params: Vec<(String, Given)>,
    data: Vec<(String, Given)>,
}

pub(super) fn connection(
    mistakes: &mut Mistakes<'_>,
    id: &str,
    raw: &mut RawConnection,
) -> Option<Connection> {
    let (what, at) = (format!("connection `{id}`"), raw.r#type.referenced);
    let method = mistakes.required(&what, "method", raw.method.take(), at);
    let connection = HttpConnection {
        url: mistakes.http_url(&what, raw.url.take())?,
        headers: mistakes.members(&what, Part::Headers, raw.headers.take())?,
        params: mistakes.members(&what, Part::Params, raw.params.take())?,
        data: mistakes.members(&what, Part::Data, raw.data.take())?,
        method: mistakes.method(&what, &method?)?,
    };
    Some(Connection::Http(connection))
}

/// A node of the type `dynamiq.nodes.tools.HttpApiCall`.
pub(super) fn compile(
    mistakes: &mut Mistakes<'_>,
    scope: &Scope<'_>,
    id: &str,
    raw: &mut RawNode,
) -> Option<Kind> {
    let (what, at) = (format!("node `{id}`"), raw.r#type.referenced);
    let url = mistakes.http_url(&what, raw.url.take());
    let headers = mistakes.members(&what, Part::Headers, raw.headers.take());
    let params = mistakes.members(&what, Part::Params, raw.params.take());
    let data = mistakes.members(&what, Part::Data, raw.data.take());
    let method = raw.method.take().map(|method| mistakes.method(&what, &method));
    let timeout_seconds = raw.timeout.take().map_or(TIMEOUT_SECONDS, |field| {
        if !(field.value > 0.0 && field.value <= 86_400.0) {
            mistakes.add(
                field.referenced,
                format!("{what}: timeout has to be over 0 and at most 86400"),
            );
        }
        field.value
    });
    let max_response_bytes = raw.max_response_bytes.take().map_or(DEFAULT_BYTES, |field| {
        if !(1..=MOST_BYTES).contains(&field.value) {
            let reason = format!("{what}: max_response_bytes has to be from 1 to {MOST_BYTES}");
            mistakes.add(field.referenced, reason);
        }
        field.value
    });
    let success_codes = raw.success_codes.take().map_or_else(|| vec![200], |field| field.value);
    let allowed_origins = mistakes.origins(&what, raw.allowed_origins.take());
    let connection = mistakes.required(&what, "connection", raw.connection.take(), at)?;
    let found = mistakes
        .look_up(scope.connections, &connection, || format!("{what}: connection"))?
        .as_ref()?;
    let Connection::Http(own) = found else {
        let reason = format!(
            "{what}: connection `{}` is not of the type dynamiq.connections.Http",
            connection.value
        );
        mistakes.add(connection.referenced, reason);
        return None;
    };
    let url = url?;
    let call = HttpCall {
        home: own.url.clone().or_else(|| url.clone()),
        url: url.or_else(|| own.url.clone()),
        method: method.unwrap_or(Some(own.method))?,
        headers: over(&own.headers, headers?),
        params: over(&own.params, params?),
        data: over(&own.data, data?),
        payload_type: raw.payload_type.take().map_or(PayloadType::Raw, |field| field.value),
        response_type: raw.response_type.take().map(|field| field.value),
        success_codes,
        timeout_seconds,
        allowed_origins: allowed_origins?,
        max_response_bytes,
    };
    if call.home.is_none() && call.allowed_origins.is_empty() {
        let reason = format!("{what}: it needs a url (in its connection), or allowed_origins");
        mistakes.add(at, reason);
    }
    let given = !call.headers.is_empty() || !call.params.is_empty() || !call.data.is_empty();
    if call.home.is_none() && given {
        let reason = format!(
            "{what}: headers, params and data of a definition go to the origin of its url only: give \
             the connection a url"
        );
        mistakes.add(at, reason);
    }
    Some(Kind::HttpCall(Box::new(call)))
}

/// The members of both, as Python's `first | second` has them.
fn over(first: &[(String, Given)], second: Vec<(String, Given)>) -> Vec<(String, Given)> {
    let mut members = first.to_vec();
    for (name, value) in second {
        match members.iter_mut().find(|(other, _)| *other == name) {
            Some((_, place)) => *place = value,
            None => members.push((name, value)),
        }
    }
    members
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Headers,
    Params,
    Data,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Params => "params",
            Self::Data => "data",
        }
    }
}

/// Whether a header or a param of that name holds a credential, as far as a name can say.
fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["authorization", "cookie", "key", "token", "secret", "password"]
        .into_iter()
        .any(|part| name.contains(part))
}

impl Mistakes<'_> {
    /// None where there is a mistake; a url that is missing or empty is none.
    fn http_url(&mut self, what: &str, raw: Option<Spanned<String>>) -> Option<Option<Template>> {
        let Some(raw) = raw.filter(|raw| !raw.value.is_empty()) else { return Some(None) };
        let Some(template) = template(&raw.value) else {
            self.add(raw.referenced, format!("{what}: url {NOT_A_TEMPLATE}"));
            return None;
        };
        if let Some(Err(mistake)) =
            as_far_as_known(&template).map(|url| Origin::split(&url).map(drop))
        {
            self.add(raw.referenced, format!("{what}: url {mistake}"));
            return None;
        }
        Some(Some(template))
    }

    fn method(&mut self, what: &str, raw: &Spanned<String>) -> Option<Method> {
        let method = Method::parse(&raw.value);
        if method.is_none() {
            let reason = format!("{what}: method has to be GET, POST, PUT, DELETE or PATCH");
            self.add(raw.referenced, reason);
        }
        method
    }

    fn origins(&mut self, what: &str, raw: Option<Spanned<Vec<String>>>) -> Option<Vec<Template>> {
        let Some(raw) = raw else { return Some(Vec::new()) };
        let mut origins = Vec::new();
        for text in &raw.value {
            let mistake = match template(text) {
                None => NOT_A_TEMPLATE.to_owned(),
                Some(template) => {
                    match as_far_as_known(&template).map(|origin| Origin::parse(&origin)) {
                        Some(Err(mistake)) => mistake.to_string(),
                        _ => {
                            origins.push(template);
                            continue;
                        }
                    }
                }
            };
            self.add(raw.referenced, format!("{what}: allowed_origins: `{text}` {mistake}"));
        }
        (origins.len() == raw.value.len()).then_some(origins)
    }

    fn members(
        &mut self,
        what: &str,
        part: Part,
        raw: Option<Spanned<Constants>>,
    ) -> Option<Vec<(String, Given)>> {
        let Some(raw) = raw else { return Some(Vec::new()) };
        let before = self.found.len();
        let members = (raw.value.0.into_iter())
            .filter_map(|(name, json)| {
                let field = format!("{what}: {}.{name}", part.name());
                let value = self.given(&field, part, &name, json.to_string(), raw.referenced)?;
                Some((name, value))
            })
            .collect();
        (self.found.len() == before).then_some(members)
    }

    fn given(
        &mut self,
        field: &str,
        part: Part,
        name: &str,
        json: String,
        at: Location,
    ) -> Option<Given> {
        let string = serde_json::from_str::<String>(&json).ok();
        let mistake = match (&string, part) {
            (None, Part::Headers) if json != "null" => Some("has to be a string, or null"),
            (_, Part::Headers) => header_mistake(name, ""),
            (None, Part::Params)
                if json.starts_with('{') || json.get(1..).is_some_and(is_nested) =>
            {
                Some("has to be a string, a number, true, false, null or a list of those")
            }
            (None, _) if json.contains("${") => {
                Some("may have ${oc.env:…} in a string of its own only")
            }
            _ => None,
        };
        if let Some(mistake) = mistake {
            self.add(at, format!("{field} {mistake}"));
            return None;
        }
        let Some(text) = string else { return Some(Given::Json(json)) };
        let Some(template) = template(&text) else {
            self.add(at, format!("{field} {NOT_A_TEMPLATE}"));
            return None;
        };
        let from_environment =
            |setting: &Setting| matches!(setting, Setting::Env { default: None, .. });
        if part != Part::Data && is_credential(name) && !template.0.iter().any(from_environment) {
            let reason = format!(
                "{field} has to come from the environment, without a default: ${{oc.env:NAME}}"
            );
            self.add(at, reason);
            return None;
        }
        if let (Part::Headers, [Setting::Text(value)]) = (part, template.0.as_slice())
            && let Some(mistake) = header_mistake(name, value)
        {
            self.add(at, format!("{field} {mistake}"));
            return None;
        }
        match template.0.as_slice() {
            [Setting::Text(_)] | [] => Some(Given::Json(json)),
            _ => Some(Given::Template(template)),
        }
    }
}

/// A URL as far as it can be seen without the environment; None when its beginning cannot.
fn as_far_as_known(template: &Template) -> Option<String> {
    let known = |setting: &Setting| match setting {
        Setting::Text(text) | Setting::Env { default: Some(text), .. } => Some(text.clone()),
        Setting::Env { .. } => None,
    };
    template.0.first().and_then(known)?;
    // A digit fits into a host, a port and a path.
    Some(template.0.iter().map(|part| known(part).unwrap_or_else(|| "1".to_owned())).collect())
}

/// Whether what follows the first bracket of a JSON text has another one.
fn is_nested(json: &str) -> bool {
    json.contains(['[', '{'])
}

const NOT_A_TEMPLATE: &str = "may have ${oc.env:NAME} and ${oc.env:NAME,default} in it, and `${` for \
     nothing else; a default has letters, digits, spaces and / : - + . _ % * @ ? | in it, and is no \
     null or boolean";

/// The parts of a text with `${oc.env:NAME}` and `${oc.env:NAME,default}` in it.
fn template(text: &str) -> Option<Template> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if !before.is_empty() {
            parts.push(Setting::Text(before.to_owned()));
        }
        let (inner, after) = after.strip_prefix("oc.env:")?.split_once('}')?;
        let (name, default) =
            inner.split_once(',').map_or((inner, None), |(name, default)| (name, Some(default)));
        let name = name.trim();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let default = default.map(|default| default.trim().to_owned());
        if name.is_empty()
            || !name.bytes().all(is_name)
            || !default.as_deref().is_none_or(is_default)
        {
            return None;
        }
        parts.push(Setting::Env { name: name.to_owned(), default });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Setting::Text(rest.to_owned()));
    }
    Some(Template(parts))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Compiler;
    use super::*;
    use crate::definition::ResponseType;

    const GOOD: &str = "\
connections:
  api:
    type: dynamiq.connections.Http
    url: https://API.example/v1/${oc.env:TENANT, a}
    method: POST
    headers: {Authorization: 'Bearer ${oc.env:TOKEN}', accept: text/html}
    params: {a: 1, b: [x, null]}
    data: {n: 1.0, o: {b: 1, a: [2]}}
nodes:
  a:
    type: dynamiq.nodes.tools.HttpApiCall
    connection: api
    method: GET
    headers: {accept: '*/*', x-b: null}
    payload_type: json
    response_type: text
    success_codes: [200, 404]
    timeout: 5
    allowed_origins: [https://Other.example:443, '${oc.env:OTHER}']
    max_response_bytes: 100
";

    fn compile(text: &str) -> Result<HttpCall, Vec<String>> {
        let mut compiler = Compiler::default();
        compiler.file(Path::new("a.yaml"), text);
        let definitions = compiler
            .finish()
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        match definitions.nodes.into_iter().next().map(|node| node.kind) {
            Some(Kind::HttpCall(call)) => Ok(*call),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_node_and_connection_say_is_one_call() {
        let json = |text: &str| Given::Json(text.to_owned());
        let text = |text: &str| Setting::Text(text.to_owned());
        let env = |name: &str, default: Option<&str>| Setting::Env {
            name: name.to_owned(),
            default: default.map(str::to_owned),
        };
        let url = Template(vec![text("https://API.example/v1/"), env("TENANT", Some("a"))]);
        let token = Template(vec![text("Bearer "), env("TOKEN", None)]);
        let named = |members: Vec<(&str, Given)>| {
            members.into_iter().map(|(name, given)| (name.to_owned(), given)).collect::<Vec<_>>()
        };
        assert_eq!(
            compile(GOOD).unwrap(),
            HttpCall {
                url: Some(url.clone()),
                home: Some(url),
                method: Method::Get,
                headers: named(vec![
                    ("Authorization", Given::Template(token)),
                    ("accept", json("\"*/*\"")),
                    ("x-b", json("null")),
                ]),
                params: named(vec![("a", json("1")), ("b", json("[\"x\", null]"))]),
                data: named(vec![("n", json("1.0")), ("o", json("{\"b\": 1, \"a\": [2]}"))]),
                payload_type: PayloadType::Json,
                response_type: Some(ResponseType::Text),
                success_codes: vec![200, 404],
                timeout_seconds: 5.0,
                allowed_origins: vec![
                    Template(vec![text("https://Other.example:443")]),
                    Template(vec![env("OTHER", None)]),
                ],
                max_response_bytes: 100,
            }
        );
    }

    #[test]
    fn the_defaults_are_dynamiqs() {
        let call = compile(
            "connections: {api: {type: dynamiq.connections.Http, url: https://h, method: PUT}}\n\
             nodes: {a: {type: dynamiq.nodes.tools.HttpApiCall, connection: api, url: https://o/x}}",
        )
        .unwrap();
        let told = (call.method, call.payload_type, call.response_type, call.timeout_seconds);
        assert_eq!(told, (Method::Put, PayloadType::Raw, None, 30.0));
        assert_eq!((call.success_codes, call.max_response_bytes), (vec![200], 2 * 1024 * 1024));
        let (url, home) = (call.url.unwrap().as_written(), call.home.unwrap().as_written());
        assert_eq!((url.as_str(), home.as_str()), ("https://o/x", "https://h"));
    }

    #[test]
    fn every_mistake_is_named_with_line_and_field() {
        let headers = "headers: {accept: '*/*', x-b: null}";
        for (old, new, place, reason) in [
            ("url: https://API", "url: ftp://API", "4:10", "url has to start with https://"),
            ("${oc.env:TENANT, a}", "${TENANT}", "4:10", "url may have ${oc.env:NAME}"),
            ("https://API.example/v1/${oc.env:TENANT, a}", "https://u@h", "4:10", "user name"),
            ("    method: POST\n", "", "3:11", "connection `api`: the field `method` is missing"),
            ("method: POST", "method: post", "5:13", "method has to be GET, POST"),
            (
                "${oc.env:TOKEN}",
                "sk-secret",
                "6:14",
                "headers.Authorization has to come from the env",
            ),
            ("${oc.env:TOKEN}", "${oc.env:TOKEN,sk-secret}", "6:14", "has to come from the env"),
            ("a: 1,", "api_key: sk-secret,", "7:13", "params.api_key has to come from the env"),
            ("a: 1,", "a: {b: 1},", "7:13", "params.a has to be a string, a number"),
            ("[x, null]", "[[x]]", "7:13", "params.b has to be a string, a number"),
            ("b: 1,", "b: '${oc.env:X}',", "8:11", "data.o may have ${oc.env:…} in a string"),
            ("n: 1.0", "n: '${X}'", "8:11", "data.n may have ${oc.env:NAME}"),
            (headers, "headers: {x-b: 1}", "14:14", "headers.x-b has to be a string, or null"),
            (headers, "headers: {Host: x}", "14:14", "headers.Host is not for a definition"),
            (headers, "headers: {'a b': x}", "14:14", "headers.a b has a name that no header has"),
            (headers, "headers: {a: \"x\\ny\"}", "14:14", "headers.a has to be one line"),
            ("payload_type: json", "payload_type: form", "15:19", "form"),
            ("response_type: text", "response_type: xml", "16:20", "xml"),
            ("timeout: 5", "timeout: 0", "18:14", "timeout has to be over 0"),
            ("${oc.env:OTHER}", "${OTHER}", "19:22", "`${OTHER}` may have ${oc.env:NAME}"),
            (
                "https://Other.example:443",
                "https://o/x",
                "19:22",
                "`https://o/x` has to be scheme, host",
            ),
            ("max_response_bytes: 100", "max_response_bytes: 0", "20:25", "from 1 to 4194304"),
            ("connection: api", "connection: other", "12:17", "`other` is not in this file"),
            ("connection: api", "prompt: api", "11:11", "the field `connection` is missing"),
            ("timeout: 5", "temperature: 5", "18:18", "has no field `temperature` at the edge"),
        ] {
            assert!(GOOD.contains(old), "{old}");
            let mistakes = compile(&GOOD.replacen(old, new, 1)).expect_err(new).join("\n");
            assert!(mistakes.contains(&format!("a.yaml:{place}: ")), "{mistakes}");
            assert!(mistakes.contains(reason), "{mistakes}");
            assert!(!mistakes.contains("sk-secret"), "{mistakes}");
        }
    }

    #[test]
    fn a_call_that_leads_nowhere_is_a_mistake() {
        let nowhere = |more: &str| {
            let text = format!(
                "connections: {{api: {{type: dynamiq.connections.Http, method: GET}}}}\n\
                 nodes: {{a: {{type: dynamiq.nodes.tools.HttpApiCall, connection: api{more}}}}}"
            );
            compile(&text).map_err(|mistakes| mistakes.join("\n"))
        };
        assert!(nowhere("").unwrap_err().contains("node `a`: it needs a url"));
        assert!(nowhere(", allowed_origins: [https://h]").is_ok());
        let given = nowhere(", allowed_origins: [https://h], headers: {a: b}");
        assert!(given.unwrap_err().contains("go to the origin of its url only"));
    }

    #[test]
    fn a_connection_fits_its_node() {
        let http = "type: dynamiq.connections.Http, method: GET, url: https://h";
        for (connection, node, mistake) in [
            ("type: dynamiq.connections.OpenAI", "tools.HttpApiCall", "is not of the type dynamiq"),
            (http, "embedders.OpenAITextEmbedder", "is not of the type dynamiq.connections.OpenAI"),
            (http, "llms.OpenAI", "is not of the type dynamiq.connections.OpenAI"),
        ] {
            let text = format!(
                "connections: {{api: {{{connection}}}}}\n\
                 nodes: {{a: {{type: dynamiq.nodes.{node}, connection: api}}}}"
            );
            let mistakes = compile(&text).unwrap_err().join("\n");
            assert!(
                mistakes.contains(&format!("node `a`: connection `api` {mistake}")),
                "{mistakes}"
            );
        }
    }
}
