//! What becomes of an answer: `{"content": …, "status_code": …}`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::definition::{HttpCall, ResponseType};
use crate::http::Response;
use crate::json::{Dialect, Document, Order, dumps, is_null, write_string};
use crate::node::NodeError;

/// Below what the cache reads, since the content goes into an object.
const DIALECT: Dialect = Dialect { max_depth: 900, ..Dialect::STRICT };

/// The output, for a status that counts as success.
pub(super) fn output(call: &HttpCall, response: &Response) -> Result<String, NodeError> {
    let content_type = response.header("content-type").unwrap_or_default();
    let response_type = call.response_type.unwrap_or(match content_type {
        "application/json" => ResponseType::Json,
        _ => ResponseType::Raw,
    });
    let mut out = String::from("{\"content\": ");
    match response_type {
        ResponseType::Text => write_string(&mut out, &decode(&response.body, content_type)?),
        ResponseType::Raw => match std::str::from_utf8(&response.body) {
            Ok(text) => write_string(&mut out, text),
            Err(_) => write_string(&mut out, &STANDARD.encode(&response.body)),
        },
        ResponseType::Json => out.push_str(&json(&decode(&response.body, content_type)?)?),
    }
    out.push_str(&format!(", \"status_code\": {}}}", response.status));
    Ok(out)
}

fn json(text: &str) -> Result<String, NodeError> {
    let no_json = |error: &str| {
        NodeError::upstream(format!(
            "the server's answer is not JSON (set response_type to text or raw if it need not be): {error}"
        ))
    };
    let document = Document::parse(text, DIALECT).map_err(|error| no_json(&error.to_string()))?;
    let json = dumps(document.root(), Order::AsWritten);
    // A number that no double holds is `Infinity` in Python, and no JSON.
    is_null(&json, DIALECT).map_err(|_| no_json("a number is too large"))?;
    Ok(json)
}

/// The text of a body in the charset that its type names, and in UTF-8 when it names none. What the
/// charset does not have becomes U+FFFD.
fn decode<'b>(body: &'b [u8], content_type: &str) -> Result<Cow<'b, str>, NodeError> {
    let charset = charset(content_type).unwrap_or("utf-8").to_ascii_lowercase();
    let one_byte =
        |to_char: fn(u8) -> char| Cow::Owned(body.iter().copied().map(to_char).collect());
    Ok(match charset.replace('_', "-").as_str() {
        "utf-8" | "utf8" => String::from_utf8_lossy(body),
        "iso-8859-1" | "iso8859-1" | "latin-1" | "latin1" | "l1" => one_byte(char::from),
        "us-ascii" | "ascii" => {
            one_byte(|byte| if byte.is_ascii() { char::from(byte) } else { '\u{fffd}' })
        }
        "windows-1252" | "cp1252" => one_byte(windows_1252),
        _ => {
            return Err(NodeError::Refused(
                "the server's answer is in a charset that the edge does not read (it reads utf-8, \
                 iso-8859-1, us-ascii and windows-1252): set response_type to raw"
                    .to_owned(),
            ));
        }
    })
}

/// The parameter `charset` of a media type.
fn charset(content_type: &str) -> Option<&str> {
    let parameters = content_type.split(';').skip(1);
    parameters.filter_map(|parameter| parameter.split_once('=')).find_map(|(name, value)| {
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim_matches(['"', '\'', ' ']))
    })
}

/// Latin-1 but for the range of its control characters.
fn windows_1252(byte: u8) -> char {
    const FROM_80: [char; 32] = [
        '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž',
        '\u{fffd}', '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ',
        '\u{fffd}', 'ž', 'Ÿ',
    ];
    let special = byte.checked_sub(0x80).and_then(|at| FROM_80.get(usize::from(at)));
    special.copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::http_call::tests::call;

    fn read(
        response_type: Option<ResponseType>,
        content_type: &str,
        body: &[u8],
    ) -> Result<String, NodeError> {
        let headers = vec![("content-type", content_type.to_owned())];
        let call = HttpCall { response_type, ..call() };
        output(&call, &Response { status: 200, body: body.to_vec(), headers })
    }

    #[test]
    fn outputs_are_those_that_dynamiq_stores() {
        let json = r#"{"hello": "world", "n": 1.0, "z": null}"#;
        let stored = r#"{"content": {"hello": "world", "n": 1.0, "z": null}, "status_code": 200}"#;
        assert_eq!(read(None, "application/json", json.as_bytes()).unwrap(), stored);
        assert_eq!(read(Some(ResponseType::Json), "text/plain", json.as_bytes()).unwrap(), stored);
        let text = r#"{"content": "h\u00e9llo", "status_code": 200}"#;
        assert_eq!(read(None, "text/plain", "héllo".as_bytes()).unwrap(), text);
        assert_eq!(read(Some(ResponseType::Text), "text/plain", "héllo".as_bytes()).unwrap(), text);
    }

    #[test]
    fn json_is_read_unasked_only_where_the_type_is_exactly_that() {
        let raw = r#"{"content": "{}", "status_code": 200}"#;
        for content_type in ["", "application/json; charset=utf-8", "Application/JSON"] {
            assert_eq!(read(None, content_type, b"{}").unwrap(), raw, "{content_type}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_base64() {
        let bytes = [0xff, 0xfe, 0x00];
        assert_eq!(read(None, "", &bytes).unwrap(), r#"{"content": "//4A", "status_code": 200}"#);
    }

    #[test]
    fn text_is_read_in_the_charset_that_it_names() {
        let text = |content_type: &str, body: &[u8]| {
            let output = read(Some(ResponseType::Text), content_type, body)?;
            let document = Document::parse(&output, Dialect::STRICT).unwrap();
            let content = document.root().get("content").unwrap().as_str().unwrap();
            Ok::<_, NodeError>(content.to_str().unwrap().into_owned())
        };
        for (content_type, body, decoded) in [
            ("text/html; charset=UTF-8", "é".as_bytes(), "é"),
            ("text/html", b"a\xffb\xe2\x82", "a\u{fffd}b\u{fffd}"),
            ("text/html;charset=\"ISO-8859-1\"", b"\xe9\x80", "é\u{80}"),
            ("text/html; x=y; Charset=us-ascii", b"a\xe9", "a\u{fffd}"),
            ("text/html; charset=windows-1252", b"\x80\x81\x9f\xe9", "€\u{fffd}Ÿé"),
        ] {
            assert_eq!(text(content_type, body).unwrap(), decoded, "{content_type}");
        }
        let error = text("text/html; charset=utf-16", b"").unwrap_err();
        assert!(error.to_string().contains("charset that the edge does not read"));
    }

    #[test]
    fn what_is_no_json_fails_the_call() {
        for body in ["", "<html>", "{", "NaN", "[1e999]", "\u{feff}{}"] {
            let error = read(Some(ResponseType::Json), "application/json", body.as_bytes());
            assert!(matches!(error, Err(NodeError::Upstream { .. })), "{body}");
        }
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(None, "application/json", deep(900).as_bytes()).is_ok());
        assert!(read(None, "application/json", deep(901).as_bytes()).is_err());
    }
}
