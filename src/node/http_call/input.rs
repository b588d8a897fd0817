//! The input of a call: seven fields, each with its default.

use crate::definition::{Method, PayloadType};
use crate::json::{Dialect, Document, Value};
use crate::node::NodeError;

/// The input with all seven fields, which is what is hashed, in the order of Dynamiq's schema. Other
/// fields are left out.
pub(super) fn complete(input: Value<'_>) -> Result<String, NodeError> {
    let (data, headers, params) =
        (object(input, "data")?, object(input, "headers")?, object(input, "params")?);
    let url = match input.get("url") {
        None => "\"\"",
        Some(url) if url.as_str().is_some() => url.raw(),
        Some(other) => return Err(wrong("url", "a string", other)),
    };
    let payload_type = match input.get("payload_type") {
        None => "null",
        Some(value) => named(value, |name| match name {
            "raw" => Some(PayloadType::Raw.as_str()),
            "json" => Some(PayloadType::Json.as_str()),
            _ => None,
        })
        .map(|_| value.raw())
        .ok_or_else(|| wrong("payload_type", "\"raw\" or \"json\"", value))?,
    };
    let method = match input.get("method").filter(|method| !method.is_null()) {
        None => "null",
        Some(value) => named(value, Method::parse)
            .map(|_| value.raw())
            .ok_or_else(|| wrong("method", "GET, POST, PUT, DELETE or PATCH", value))?,
    };
    if let Some(files) = input.get("files") {
        if !files.is_object() {
            return Err(wrong("files", "an object", files));
        }
        if !files.resolved_members(false, &[]).is_empty() {
            return Err(NodeError::Validation("files: the edge sends no files".to_owned()));
        }
    }
    Ok(format!(
        "{{\"data\": {data}, \"url\": {url}, \"payload_type\": {payload_type}, \"headers\": {headers}, \
         \"params\": {params}, \"method\": {method}, \"files\": {{}}}}"
    ))
}

/// What a string names.
pub(super) fn named<T>(value: Value<'_>, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    parse(&value.as_str()?.to_str()?)
}

/// An object, or the JSON text of one, as JSON text.
fn object(input: Value<'_>, field: &str) -> Result<String, NodeError> {
    let Some(value) = input.get(field) else { return Ok("{}".to_owned()) };
    if value.is_object() {
        return Ok(value.raw().to_owned());
    }
    let text = value.as_str().ok_or_else(|| wrong(field, "an object or its JSON text", value))?;
    if text.is("") {
        return Ok("{}".to_owned());
    }
    let text = text.to_str().unwrap_or_default();
    match Document::parse(&text, Dialect::PYTHON) {
        Ok(document) if document.root().is_object() => Ok(document.root().raw().to_owned()),
        Ok(document) => {
            let kind = document.root().kind_name();
            let message = format!("{field}: has to be the JSON text of an object, not of {kind}");
            Err(NodeError::Validation(message))
        }
        Err(error) => Err(NodeError::Validation(format!("{field}: no JSON text: {error}"))),
    }
}

fn wrong(field: &str, expected: &str, value: Value<'_>) -> NodeError {
    let is_string = value.as_str().is_some();
    let given = if is_string { "another string" } else { value.kind_name() };
    NodeError::Validation(format!("{field}: has to be {expected}, not {given}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(input: &str) -> Result<String, String> {
        let document = Document::parse(input, Dialect::STRICT).unwrap();
        complete(document.root()).map_err(|error| error.to_string())
    }

    #[test]
    fn all_seven_fields_are_there_in_the_order_of_dynamiqs_schema() {
        assert_eq!(
            completed(r#"{"params": {"q": "x"}, "extra": 1}"#).unwrap(),
            r#"{"data": {}, "url": "", "payload_type": null, "headers": {}, "params": {"q": "x"}, "method": null, "files": {}}"#
        );
        assert_eq!(
            completed(
                r#"{"files":{},"method":"PUT","params":"","headers":" {\"a\": 1.0} ","payload_type":"json","url":"x","data":{"b":1,"b":2}}"#
            )
            .unwrap(),
            r#"{"data": {"b":1,"b":2}, "url": "x", "payload_type": "json", "headers": {"a": 1.0}, "params": {}, "method": "PUT", "files": {}}"#
        );
        assert!(completed(r#"{"method":null}"#).is_ok());
    }

    #[test]
    fn wrong_types_are_told_with_the_name_of_the_field() {
        for (input, message) in [
            (r#"{"data":null}"#, "data: has to be an object or its JSON text, not null"),
            (r#"{"headers":[1]}"#, "headers: has to be an object or its JSON text, not an array"),
            (r#"{"params":"[]"}"#, "params: has to be the JSON text of an object, not of an array"),
            (r#"{"params":" "}"#, "params: no JSON text: unexpected end of text at byte 1"),
            (r#"{"url":null}"#, "url: has to be a string, not null"),
            (r#"{"payload_type":null}"#, "payload_type: has to be \"raw\" or \"json\", not null"),
            (
                r#"{"payload_type":"JSON"}"#,
                "payload_type: has to be \"raw\" or \"json\", not another string",
            ),
            (
                r#"{"method":"get"}"#,
                "method: has to be GET, POST, PUT, DELETE or PATCH, not another string",
            ),
            (r#"{"method":1}"#, "method: has to be GET, POST, PUT, DELETE or PATCH, not a number"),
            (r#"{"files":null}"#, "files: has to be an object, not null"),
            (r#"{"files":{"a":"b"}}"#, "files: the edge sends no files"),
        ] {
            assert_eq!(completed(input).unwrap_err(), message);
        }
    }
}
