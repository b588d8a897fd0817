//! Nodes that call an API: only where the definition allows, also after redirects, and with the
//! definition's credentials to their own origin alone.

mod answer;
mod input;
mod outgoing;
mod url;

use std::time::Duration;

use super::{Execution, NodeError};
use crate::definition::{Given, HttpCall, Origin, Setting, SettingError, Template, UrlMistake};
use crate::http::{HttpClient, HttpError, Request, Response, Secret};
use crate::json::{Dialect, Document, Order, Value, dumps, write_string};
use outgoing::Outgoing;

/// How often a call goes elsewhere. Each time is one of the subrequests that a request may make.
const MAX_REDIRECTS: usize = 5;
/// How much of an answer is passed on that is no success, and how much is looked at for it.
const MAX_MESSAGE_CHARS: usize = 300;
const CHARS_LOOKED_AT: usize = 4096;
/// A shorter value of the environment is a word like any other, and not redacted.
const MIN_SECRET_CHARS: usize = 4;

/// Names, and values as JSON texts, in the order of the object.
type Members = Vec<(String, String)>;

/// What a call is made of, once the environment is known.
#[derive(Debug)]
pub(super) struct Target {
    url: Option<String>,
    /// The origin to which the members below go.
    home: Option<Origin>,
    /// Other origins that may be asked.
    allowed: Vec<Origin>,
    /// What is wrong with those that come from the environment.
    mistake: Option<UrlMistake>,
    headers: Members,
    params: Members,
    data: Members,
    /// What came from the environment, as it is and as it stands in a query and in JSON.
    secrets: Vec<Secret>,
    fingerprint: String,
}

impl Target {
    /// What a node's definition and the environment say; or the setting that is missing.
    pub fn new(
        node_type: &str,
        call: &HttpCall,
        resolve: impl Fn(&Setting) -> Result<String, SettingError>,
    ) -> Result<Self, SettingError> {
        let mut secrets = Vec::new();
        let mut text = |template: &Template| {
            let mut text = String::new();
            for part in &template.0 {
                let value = resolve(part)?;
                text.push_str(&value);
                // A default stands in the definition.
                let is_default = !matches!(part, Setting::Env { default, .. } if default.as_ref() != Some(&value));
                if !is_default && value.chars().count() >= MIN_SECRET_CHARS {
                    secrets.push(Secret::new(url::form_encode(&value)));
                    let json = quoted(&value);
                    let inner = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
                    secrets.push(Secret::new(inner.unwrap_or_default()));
                    secrets.push(Secret::new(value));
                }
            }
            Ok::<_, SettingError>(text)
        };
        let url = call.url.as_ref().map(&mut text).transpose()?;
        let home = call.home.as_ref().map(&mut text).transpose()?;
        let allowed: Vec<String> =
            call.allowed_origins.iter().map(&mut text).collect::<Result<_, _>>()?;
        let mut members = |given: &[(String, Given)]| {
            let mut members = Members::new();
            for (name, given) in given {
                let json = match given {
                    Given::Json(json) => Document::parse(json, Dialect::STRICT)
                        .map(|document| dumps(document.root(), Order::AsWritten))
                        .unwrap_or_default(),
                    Given::Template(template) => quoted(&text(template)?),
                };
                members.push((name.clone(), json));
            }
            Ok::<_, SettingError>(members)
        };
        let headers = members(&call.headers)?;
        let params = members(&call.params)?;
        let data = members(&call.data)?;
        let mut mistake = None;
        let mut known =
            |origin: Result<Origin, UrlMistake>| origin.map_err(|why| mistake = Some(why)).ok();
        let home = home.and_then(|home| known(Origin::split(&home).map(|(origin, _)| origin)));
        let allowed = allowed.iter().filter_map(|origin| known(Origin::parse(origin))).collect();
        let fingerprint = fingerprint(node_type, call, url.as_deref(), home.as_ref());
        // What stands in something longer is redacted after it.
        secrets.sort_by_key(|secret: &Secret| std::cmp::Reverse(secret.expose().len()));
        Ok(Self { url, home, allowed, mistake, headers, params, data, secrets, fingerprint })
    }

    /// What is asked, before an input is filled in.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn is_home(&self, origin: &Origin) -> bool {
        self.home.as_ref() == Some(origin)
    }

    /// Whether requests may go there.
    fn allows(&self, origin: &Origin) -> bool {
        self.is_home(origin) || self.allowed.contains(origin)
    }

    /// Whether a header is one that the definition gives.
    fn headers_hold(&self, name: &str, value: &str) -> bool {
        let json = quoted(value);
        self.headers
            .iter()
            .any(|(own, own_json)| own.eq_ignore_ascii_case(name) && *own_json == json)
    }

    /// The begin of what a server says, without what the environment holds.
    fn begin_of(&self, said: &str) -> String {
        let longest = self.secrets.first().map_or(0, |secret| secret.expose().chars().count());
        // Not all of a long text is looked at, and so its end may be half of a secret.
        let mut chars = said.trim().chars();
        let looked_at: String = chars.by_ref().take(CHARS_LOOKED_AT + longest).collect();
        let redacted = self.secrets.iter().fold(looked_at, |text, secret| secret.redact(&text));
        let sure = match chars.next() {
            Some(_) => redacted.chars().count().saturating_sub(longest),
            None => usize::MAX,
        };
        redacted.chars().take(MAX_MESSAGE_CHARS.min(sure)).collect()
    }

    /// What an answer says that is no success, shortened and without what the environment holds.
    fn refusal(&self, response: &Response) -> NodeError {
        let status = response.status;
        // What is said to wrong credentials repeats a part of them, in a form of its own.
        if matches!(status, 401 | 403) {
            return NodeError::Refused(format!(
                "the server refused the call with status {status}: check the credentials in headers \
                 and params"
            ));
        }
        let said = self.begin_of(&String::from_utf8_lossy(&response.body));
        let message = match said.as_str() {
            "" => format!("the server answered with status {status}"),
            said => format!("the server answered with status {status}: {said}"),
        };
        match status {
            400 | 404 => NodeError::Refused(message),
            429 | 503 => NodeError::Busy { message, retry_after: response.retry_after(), status },
            _ => NodeError::Upstream { message, status: Some(status) },
        }
    }
}

/// The complete input, when it makes a request that may be sent.
pub(super) fn validate(
    call: &HttpCall,
    target: &Target,
    input: Value<'_>,
) -> Result<String, NodeError> {
    if let Some(mistake) = target.mistake {
        return Err(NodeError::Refused(format!(
            "a url of the definition that comes from the environment {mistake}"
        )));
    }
    let input = input::complete(input)?;
    let document = Document::parse(&input, Dialect::PYTHON)
        .map_err(|error| NodeError::Validation(format!("the input cannot be read: {error}")))?;
    Outgoing::new(call, target, document.root())?;
    Ok(input)
}

/// Calls, and goes where the answers lead.
pub(super) async fn execute(
    call: &HttpCall,
    target: &Target,
    http: &impl HttpClient,
    execution: Execution<'_>,
) -> Result<String, NodeError> {
    execution.running();
    let mut outgoing = Outgoing::new(call, target, execution.input)?;
    for _ in 0..=MAX_REDIRECTS {
        let response = send(call, &outgoing, http).await?;
        if outgoing.follow(target, &response)? {
            continue;
        }
        if !call.success_codes.contains(&response.status) {
            return Err(target.refusal(&response));
        }
        return answer::output(call, &response);
    }
    let message = format!("the server redirects more than {MAX_REDIRECTS} times");
    Err(NodeError::Refused(message))
}

async fn send(
    call: &HttpCall,
    outgoing: &Outgoing,
    http: &impl HttpClient,
) -> Result<Response, NodeError> {
    let request = Request {
        method: outgoing.method.as_str(),
        url: &outgoing.url.to_string(),
        headers: &outgoing.headers(),
        body: outgoing.body.as_deref(),
        deadline: Duration::try_from_secs_f64(call.timeout_seconds).ok(),
        max_response_bytes: call.max_response_bytes as usize,
        wanted: &["content-type", "location", "retry-after"],
        is_lossy: false,
    };
    http.send(request).await.map_err(|error| {
        let message = format!("the server {error}");
        match error {
            HttpError::Timeout(_) => NodeError::Timeout(message),
            HttpError::TooLarge(_) => {
                NodeError::Refused(format!("{message}, the node's max_response_bytes"))
            }
            HttpError::Unreachable => NodeError::upstream(message),
        }
    })
}

/// What the definition says of the request and of its answer. What comes from the environment has
/// its name there, except for the URLs.
fn fingerprint(
    node_type: &str,
    call: &HttpCall,
    url: Option<&str>,
    home: Option<&Origin>,
) -> String {
    let home = home.map_or("", Origin::as_str);
    let url = url.unwrap_or_default();
    let response_type = call.response_type.map_or("", |response_type| response_type.as_str());
    let mut out = String::from("{\"type\":");
    write_string(&mut out, node_type);
    for (name, text) in [
        ("url", url),
        ("home", home),
        ("method", call.method.as_str()),
        ("payload_type", call.payload_type.as_str()),
        ("response_type", response_type),
    ] {
        out.push_str(&format!(",\"{name}\":"));
        write_string(&mut out, text);
    }
    for (name, members) in
        [("headers", &call.headers), ("params", &call.params), ("data", &call.data)]
    {
        out.push_str(&format!(",\"{name}\":{{"));
        for (index, (name, given)) in members.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_string(&mut out, name);
            out.push(':');
            match given {
                Given::Json(json) => out.push_str(json),
                Given::Template(template) => write_string(&mut out, &template.as_written()),
            }
        }
        out.push('}');
    }
    out.push_str(&format!(",\"success_codes\":{:?}}}", call.success_codes));
    out
}

fn quoted(text: &str) -> String {
    let mut json = String::new();
    write_string(&mut json, text);
    json
}

#[cfg(test)]
mod tests;
