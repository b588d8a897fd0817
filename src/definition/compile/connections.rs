//! Connections: where a node's requests go, and with which credentials.

use std::collections::BTreeMap;

use serde_saphyr::{Location, Spanned};

use super::super::model::{self, Api, Origin, Setting};
use super::Mistakes;
use super::http_call::{self, HttpConnection};
use super::yaml::RawConnection;

/// A connection of any type.
pub(super) enum Connection {
    /// To a provider of models, with the type that it is of.
    Provider(String, model::Connection),
    /// To any API.
    Http(HttpConnection),
}

/// How the connections of a type are compiled.
type Compile = fn(&mut Mistakes<'_>, &str, &mut RawConnection) -> Option<Connection>;

/// The types that the edge knows.
pub(super) const CONNECTION_TYPES: &[(&str, Compile)] = &[
    ("dynamiq.connections.Http", http_call::connection),
    ("dynamiq.connections.OpenAI", |m, id, raw| api(m, id, raw, &OPENAI)),
    ("dynamiq.connections.AzureAI", |m, id, raw| api(m, id, raw, &AZURE)),
    ("dynamiq.connections.Anthropic", |m, id, raw| api(m, id, raw, &ANTHROPIC)),
    ("dynamiq.connections.Groq", |m, id, raw| api(m, id, raw, &GROQ)),
    ("dynamiq.connections.Mistral", |m, id, raw| api(m, id, raw, &MISTRAL)),
    ("dynamiq.connections.DeepSeek", |m, id, raw| api(m, id, raw, &DEEPSEEK)),
    ("dynamiq.connections.TogetherAI", |m, id, raw| api(m, id, raw, &TOGETHER)),
    ("dynamiq.connections.FireworksAI", |m, id, raw| api(m, id, raw, &FIREWORKS)),
    ("dynamiq.connections.Cerebras", |m, id, raw| api(m, id, raw, &CEREBRAS)),
    ("dynamiq.connections.xAI", |m, id, raw| api(m, id, raw, &XAI)),
    ("dynamiq.connections.Ollama", |m, id, raw| api(m, id, raw, &OLLAMA)),
    ("dynamiq.connections.OpenRouter", |m, id, raw| api(m, id, raw, &OPENROUTER)),
    ("dynamiq.connections.HttpApiKey", |m, id, raw| api(m, id, raw, &HTTP_API_KEY)),
    ("edgememo.connections.WorkersAI", binding),
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
        CONNECTION_TYPES.iter().find(|(name, _)| *name == raw.r#type.value)?;
    let connection = compile(mistakes, id, &mut raw);
    mistakes.refuse_left_over(&format!("connection `{id}`"), type_name, raw.left_over());
    connection
}

/// What a connection to an API is when it says nothing: the defaults of Dynamiq's class, and for the
/// URL, where the class has none, those of the library that it calls.
struct Defaults {
    /// The variable of the key. None: the API needs none.
    api_key: Option<Given>,
    url: Given,
    /// None: the API has none.
    api_version: Option<Given>,
}

/// What stands for a field that is not written.
enum Given {
    /// Nothing: it has to be written.
    Nothing,
    /// A variable that has to be set.
    Variable(&'static str),
    /// A variable, or this.
    Default(&'static str, &'static str),
    /// This.
    Text(&'static str),
}

const fn keyed(api_key: &'static str, url_variable: &'static str, url: &'static str) -> Defaults {
    Defaults {
        api_key: Some(Given::Variable(api_key)),
        url: Given::Default(url_variable, url),
        api_version: None,
    }
}

const OPENAI: Defaults = keyed("OPENAI_API_KEY", "OPENAI_URL", "https://api.openai.com/v1");
const ANTHROPIC: Defaults =
    keyed("ANTHROPIC_API_KEY", "ANTHROPIC_API_BASE", "https://api.anthropic.com");
const GROQ: Defaults = keyed("GROQ_API_KEY", "GROQ_API_BASE", "https://api.groq.com/openai/v1");
const MISTRAL: Defaults = keyed("MISTRAL_API_KEY", "MISTRAL_API_BASE", "https://api.mistral.ai/v1");
const DEEPSEEK: Defaults =
    keyed("DEEPSEEK_API_KEY", "DEEPSEEK_API_BASE", "https://api.deepseek.com/beta");
const TOGETHER: Defaults =
    keyed("TOGETHER_API_KEY", "TOGETHER_AI_API_BASE", "https://api.together.ai/v1");
const FIREWORKS: Defaults =
    keyed("FIREWORKS_AI_API_KEY", "FIREWORKS_API_BASE", "https://api.fireworks.ai/inference/v1");
const CEREBRAS: Defaults =
    keyed("CEREBRAS_API_KEY", "CEREBRAS_API_BASE", "https://api.cerebras.ai/v1");
const XAI: Defaults = keyed("XAI_API_KEY", "XAI_API_BASE", "https://api.x.ai/v1");
const OPENROUTER: Defaults =
    keyed("OPENROUTER_API_KEY", "OPENROUTER_API_BASE", "https://openrouter.ai/api/v1");
const AZURE: Defaults = Defaults {
    api_key: Some(Given::Variable("AZURE_API_KEY")),
    url: Given::Variable("AZURE_URL"),
    api_version: Some(Given::Variable("AZURE_API_VERSION")),
};
const OLLAMA: Defaults =
    Defaults { api_key: None, url: Given::Text("http://localhost:11434"), api_version: None };
const HTTP_API_KEY: Defaults =
    Defaults { api_key: Some(Given::Nothing), url: Given::Nothing, api_version: None };

fn api(
    mistakes: &mut Mistakes<'_>,
    id: &str,
    raw: &mut RawConnection,
    defaults: &Defaults,
) -> Option<Connection> {
    let at = raw.r#type.referenced;
    let api_key = match &defaults.api_key {
        None => None,
        Some(given) => Some(match raw.api_key.take() {
            None => mistakes.unwritten(id, "api_key", given, at)?,
            Some(text) => mistakes.secret(id, "api_key", &text)?,
        }),
    };
    let url = match raw.url.take() {
        None => mistakes.unwritten(id, "url", &defaults.url, at)?,
        Some(text) => mistakes.url(id, &text)?,
    };
    let api_version = match &defaults.api_version {
        None => None,
        Some(given) => Some(match raw.api_version.take() {
            None => mistakes.unwritten(id, "api_version", given, at)?,
            Some(text) => mistakes.setting(id, "api_version", &text)?,
        }),
    };
    let api = model::Connection::Api(Api { api_key, url, api_version });
    Some(Connection::Provider(raw.r#type.value.clone(), api))
}

fn binding(_: &mut Mistakes<'_>, _: &str, raw: &mut RawConnection) -> Option<Connection> {
    let name = raw.binding.take().map_or_else(|| "AI".to_owned(), |name| name.value);
    Some(Connection::Provider(raw.r#type.value.clone(), model::Connection::Binding(name)))
}

/// Whether the default of `${oc.env:NAME,default}` is this text in Dynamiq too, whose grammar knows
/// numbers, null, booleans, lists and quotes: `1.` is `1.0` there.
pub(super) fn is_default(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b" /:-+._%*@?|".contains(&byte);
    let is_word = |word: &&str| text.eq_ignore_ascii_case(word);
    let is_itself = match text.replace('_', "").parse::<f64>() {
        Ok(float) => {
            let integer = text.parse::<i64>();
            format!("{float:?}") == text || integer.is_ok_and(|value| value.to_string() == text)
        }
        Err(_) => !["null", "true", "false"].iter().any(is_word),
    };
    text.bytes().all(is_known) && !text.starts_with(':') && is_itself
}

impl Mistakes<'_> {
    /// The setting that stands for a field that is not written.
    fn unwritten(&mut self, id: &str, field: &str, given: &Given, at: Location) -> Option<Setting> {
        let variable = |name: &str, default: Option<&str>| {
            let default = default.map(str::to_owned);
            Some(Setting::Env { name: name.to_owned(), default })
        };
        match *given {
            Given::Variable(name) => variable(name, None),
            Given::Default(name, default) => variable(name, Some(default)),
            Given::Text(text) => Some(Setting::Text(text.to_owned())),
            Given::Nothing => {
                self.add(at, format!("connection `{id}`: the field `{field}` is missing"));
                None
            }
        }
    }

    /// A setting that may stand in no file.
    fn secret(&mut self, id: &str, field: &str, text: &Spanned<String>) -> Option<Setting> {
        match self.setting(id, field, text)? {
            setting @ Setting::Env { default: None, .. } => Some(setting),
            _ => {
                let reason = format!(
                    "connection `{id}`: {field} has to come from the environment, without a \
                     default: ${{oc.env:NAME}}"
                );
                self.add(text.referenced, reason);
                None
            }
        }
    }

    /// A setting that is a URL, as far as that can be seen when the Worker is built.
    fn url(&mut self, id: &str, text: &Spanned<String>) -> Option<Setting> {
        let setting = self.setting(id, "url", text)?;
        if let Setting::Text(url) | Setting::Env { default: Some(url), .. } = &setting
            && let Err(mistake) = Origin::split(url)
        {
            self.add(text.referenced, format!("connection `{id}`: url {mistake}"));
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
                if is_name(name.trim()) && default.is_none_or(|d| is_default(d.trim())) =>
            {
                Some(Setting::Env {
                    name: name.trim().to_owned(),
                    default: default.map(|default| default.trim().to_owned()),
                })
            }
            _ => {
                let reason = format!(
                    "connection `{id}`: {field} has to be a text, ${{oc.env:NAME}} or \
                     ${{oc.env:NAME,default}}; a default has letters, digits, spaces and \
                     / : - + . _ % * @ ? | in it, and is no null or boolean"
                );
                self.add(text.referenced, reason);
                None
            }
        }
    }
}
