//! Nodes that call an API over HTTP.

use serde::{Deserialize, Serialize};

use super::Setting;

/// A call of an API. What connection and node say is one: of what both have, the node's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpCall {
    /// Where to, unless the input says so.
    pub url: Option<Template>,
    /// To whose origin the headers, the params and the data below go, and to no other.
    pub home: Option<Template>,
    /// Unless the input says so.
    pub method: Method,
    /// Members of an object, as are the next two: the input's go over them.
    pub headers: Vec<(String, Given)>,
    /// Of the query.
    pub params: Vec<(String, Given)>,
    /// Of the body.
    pub data: Vec<(String, Given)>,
    /// Unless the input says so.
    pub payload_type: PayloadType,
    /// None: JSON where the answer says that it is, else the bytes.
    pub response_type: Option<ResponseType>,
    /// The statuses of a good answer.
    pub success_codes: Vec<u16>,
    /// For each request, of which redirects make several.
    pub timeout_seconds: f64,
    /// Where requests may go apart from `home`.
    pub allowed_origins: Vec<Template>,
    /// Largest answer that is read.
    pub max_response_bytes: u32,
}

/// A value that a definition gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Given {
    /// A JSON text.
    Json(String),
    /// A string.
    Template(Template),
}

/// A text in which parts may come from the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template(pub Vec<Setting>);

impl Template {
    /// The text as it stands in the definition, which holds no secret.
    pub fn as_written(&self) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Setting::Text(part) => text.push_str(part),
                Setting::Env { name, default } => {
                    text.push_str("${oc.env:");
                    text.push_str(name);
                    if let Some(default) = default {
                        text.push(',');
                        text.push_str(default);
                    }
                    text.push('}');
                }
            }
        }
        text
    }
}

/// The methods that Dynamiq's connection knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Without a body.
    Get,
    /// With a body, as are the others.
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `PATCH`
    Patch,
}

impl Method {
    const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Delete, Self::Patch];

    /// The method of that name, which is in capitals.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
        }
    }
}

/// How data becomes a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayloadType {
    /// As a form.
    #[default]
    Raw,
    /// As JSON.
    Json,
}

impl PayloadType {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Json => "json",
        }
    }
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResponseType {
    /// Its text, in the charset that it names.
    Text,
    /// Its bytes: the text that they are in UTF-8, otherwise Base64.
    Raw,
    /// The JSON value that it is.
    Json,
}

impl ResponseType {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Raw => "raw",
            Self::Json => "json",
        }
    }
}

/// Headers that are for whoever carries the request to say.
const CARRIED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Why a request cannot have such a header.
pub fn header_mistake(name: &str, value: &str) -> Option<&'static str> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_text = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    if name.is_empty() || !name.bytes().all(is_token) {
        Some("has a name that no header has")
    } else if CARRIED.iter().any(|carried| name.eq_ignore_ascii_case(carried)) {
        Some("is not for a definition or an input to set")
    } else if !value.bytes().all(is_text) || value.starts_with([' ', '\t']) {
        Some("has to be one line of ASCII that does not start with a space")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_one_line_that_is_ours_to_send() {
        assert_eq!(header_mistake("X-Api_Key", "a b\tc~"), None);
        assert_eq!(header_mistake("x", ""), None);
        for name in ["", "a b", "a:", "a\r\nb", "é", "Host", "content-length", "Transfer-Encoding"]
        {
            assert!(header_mistake(name, "x").is_some(), "{name:?}");
        }
        for value in ["a\r\nb: c", "a\nb", "\0", "é", " a", "\u{7f}"] {
            assert!(header_mistake("x", value).is_some(), "{value:?}");
        }
    }

    #[test]
    fn a_template_is_written_without_what_the_environment_holds() {
        let env = |name: &str, default: Option<&str>| Setting::Env {
            name: name.to_owned(),
            default: default.map(str::to_owned),
        };
        let template = Template(vec![
            Setting::Text("Bearer ".to_owned()),
            env("A", None),
            env("B", Some("x")),
        ]);
        assert_eq!(template.as_written(), "Bearer ${oc.env:A}${oc.env:B,x}");
    }
}
