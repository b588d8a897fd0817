//! Connections: where a node's requests go, and with which credentials.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use super::super::model::{self, Setting};
use super::Mistakes;
use super::http_call::{self, HttpConnection};
use super::yaml::RawConnection;

/// A connection of any type.
pub(super) enum Connection {
    /// To a provider of models.
    Provider(model::Connection),
    /// To any API.
    Http(HttpConnection),
}

/// How the connections of a type are compiled.
type Compile = fn(&mut Mistakes<'_>, &str, &mut RawConnection) -> Option<Connection>;

/// The types that the edge knows.
pub(super) const CONNECTION_TYPES: [(&str, Compile); 2] = [
    ("dynamiq.connections.Http", http_call::connection),
    ("dynamiq.connections.OpenAI", |mistakes, id, raw| provider(mistakes, id, raw, &OPENAI)),
];

/// The connections of a file by their ids; None for one with a mistake.
pub(super) type Connections = BTreeMap<String, Option<Connection>>;

/// The connection of that id.
pub(super) fn compile(
    mistakes: &mut Mistakes<'_>,
    id: &str,
    mut raw: RawConnection,
) -> Option<Connection> {
    let (type_name, compile) =
        CONNECTION_TYPES.into_iter().find(|(name, _)| *name == raw.r#type.value)?;
    let connection = compile(mistakes, id, &mut raw);
    mistakes.refuse_left_over(&format!("connection `{id}`"), type_name, raw.left_over());
    connection
}

/// What a connection to a provider of language models is when it says nothing: the defaults of
/// Dynamiq's class.
struct Defaults {
    api_key: &'static str,
    url_variable: &'static str,
    url: &'static str,
}

const OPENAI: Defaults = Defaults {
    api_key: "OPENAI_API_KEY",
    url_variable: "OPENAI_URL",
    url: "https://api.openai.com/v1",
};

fn provider(
    mistakes: &mut Mistakes<'_>,
    id: &str,
    raw: &mut RawConnection,
    defaults: &Defaults,
) -> Option<Connection> {
    let variable = defaults.api_key;
    let api_key = match raw.api_key.take() {
        None => Setting::Env { name: variable.to_owned(), default: None },
        Some(text) => match mistakes.setting(id, "api_key", &text)? {
            setting @ Setting::Env { default: None, .. } => setting,
            _ => {
                let reason = format!(
                    "connection `{id}`: api_key has to come from the environment, without a \
                     default: ${{oc.env:{variable}}}"
                );
                mistakes.add(text.referenced, reason);
                return None;
            }
        },
    };
    let url = match raw.url.take() {
        None => Setting::Env {
            name: defaults.url_variable.to_owned(),
            default: Some(defaults.url.to_owned()),
        },
        Some(text) => mistakes.url(id, &text)?,
    };
    Some(Connection::Provider(model::Connection { api_key, url }))
}

impl Mistakes<'_> {
    /// A setting that is a URL, as far as that can be seen when the Worker is built.
    fn url(&mut self, id: &str, text: &Spanned<String>) -> Option<Setting> {
        let setting = self.setting(id, "url", text)?;
        if let Setting::Text(url) | Setting::Env { default: Some(url), .. } = &setting
            && !(url.starts_with("https://") || url.starts_with("http://"))
        {
            let reason = format!("connection `{id}`: url has to start with https:// or http://");
            self.add(text.referenced, reason);
            return None;
        }
        Some(setting)
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
