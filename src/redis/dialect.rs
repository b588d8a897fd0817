//! Upstash's REST dialect: commands and replies as JSON in HTTP bodies.
//!
//! `POST /` takes `["GET","key"]` and answers `{"result": …}` with status 200 or
//! `{"error": "…"}` with 400; `POST /pipeline` takes an array of commands and answers an array of
//! such objects, always with 200. `GET /get/key` is the first of these, with nothing to send but the
//! URL; not every server has it. Both sides are here: the client's for [`super::rest`], the server's,
//! which is asked with `POST` only, for the embedded store.
//!
//! `Upstash-Encoding: base64` asks for strings in Base64, which are then exact: in plain JSON what is not
//! UTF-8 is replaced, or makes the server fail.
//!
//! Source: <https://upstash.com/docs/redis/features/restapi>

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Command, Reply};
use crate::json::{Dialect, Document, Item, ParseError, Str, Value, write_string};

/// The header that asks for strings in Base64.
pub const ENCODING_HEADER: &str = "upstash-encoding";
/// Its value.
pub const BASE64: &str = "base64";
/// The status that Upstash leaves as it is. It cannot be taken for Base64, whose length is a multiple
/// of four. serverless-redis-http encodes it too.
const OK: &str = "OK";

/// How strings stand in an answer. Numbers, nulls and errors are never encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// In Base64, also in arrays; all but the status `OK`.
    Base64,
}

impl Encoding {
    /// What the value of [`ENCODING_HEADER`] asks for.
    pub fn from_header(value: Option<&str>) -> Self {
        if value == Some(BASE64) { Self::Base64 } else { Self::Plain }
    }
}

/// The body of a request: one command by itself, several as a pipeline.
pub fn write_request(commands: &[Command<'_>]) -> String {
    let mut out = String::with_capacity(256);
    match commands {
        [command] => write_command(&mut out, command),
        _ => write_array(&mut out, commands, write_command),
    }
    out
}

/// The URL of a `GET` at the server of that URL, which has no slash at its end. None for a key that would have
/// to be encoded, which not every server undoes, and for one that is too long.
pub fn url_of_get(server: &str, key: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    // `.` and `..` are steps in a path. To be on the safe side, no dot is at the start of what goes there.
    let is_segment = (1..=MAX_KEY_IN_URL).contains(&key.len()) && !key.starts_with('.');
    (is_segment && key.bytes().all(is_plain)).then(|| [server, "/get/", key].concat())
}

/// Longest key that is sent in a URL, in bytes.
const MAX_KEY_IN_URL: usize = 1024;

fn write_command(out: &mut String, command: &Command<'_>) {
    write_array(out, &command.args(), |out, arg| write_string(out, arg));
}

fn write_array<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

/// The replies in the body of an answer to `count` commands. None when it is something else, or not
/// encoded so. A single error is about all of them: a request over the size limit, or a token.
pub fn read_replies(body: &str, count: usize, encoding: Encoding) -> Option<Vec<Reply>> {
    let document = Document::parse(body, Dialect::STRICT).ok()?;
    match (document.root().item(), count) {
        (Item::Object(_), 1) => Some(vec![read_reply(document.root(), encoding)?]),
        (Item::Array(replies), _) => {
            let replies = replies.map(|reply| read_reply(reply, encoding));
            replies.collect::<Option<Vec<_>>>().filter(|r| r.len() == count)
        }
        (Item::Object(_), _) => match read_reply(document.root(), encoding)? {
            refused @ Reply::Error(_) => Some(vec![refused; count]),
            _ => None,
        },
        _ => None,
    }
}

/// The reply in the body of an answer to one command. None when it is something else, or not encoded so.
pub fn read_single(body: &str, encoding: Encoding) -> Option<Reply> {
    read_reply(Document::parse(body, Dialect::STRICT).ok()?.root(), encoding)
}

fn read_reply(value: Value<'_>, encoding: Encoding) -> Option<Reply> {
    let Item::Object(members) = value.item() else { return None };
    let mut result = None;
    for (name, value) in members {
        if name.is("error") {
            return value.as_str().map(|text| Reply::Error(text_of(text).into_owned()));
        }
        if name.is("result") {
            result = Some(value.item());
        }
    }
    match (result?, encoding) {
        (Item::String(text), Encoding::Base64) if text.is(OK) => Some(Reply::ok()),
        (result, _) => read_result(result, encoding),
    }
}

fn read_result(result: Item<'_>, encoding: Encoding) -> Option<Reply> {
    match result {
        Item::Null => Some(Reply::Nil),
        Item::Integer(text) => text.parse().ok().map(Reply::Integer),
        Item::String(text) => match encoding {
            Encoding::Plain => Some(Reply::Text(text_of(text).into_owned())),
            Encoding::Base64 => STANDARD.decode(&*text_of(text)).ok().map(Reply::string),
        },
        Item::Array(values) => {
            let values = values.map(|value| read_result(value.item(), encoding));
            values.collect::<Option<_>>().map(Reply::Array)
        }
        Item::Bool(_) | Item::Float(_) | Item::Object(_) => None,
    }
}

/// What a string denotes; what is no text in it is replaced, so that the value can be refused later by
/// name.
fn text_of(string: Str<'_>) -> Cow<'_, str> {
    string.to_str().unwrap_or(Cow::Borrowed("\u{fffd}"))
}

/// The commands in the body of a request to `/` (one) or `/pipeline` (any number): for each its
/// arguments, or None when it is not an array of strings and numbers.
pub fn read_request(body: &str, pipeline: bool) -> Result<Vec<Option<Vec<String>>>, ParseError> {
    let document = Document::parse(body, Dialect::STRICT)?;
    let root = document.root();
    Ok(match root.item() {
        Item::Array(commands) if pipeline => commands.map(read_args).collect(),
        _ => vec![read_args(root)],
    })
}

fn read_args(command: Value<'_>) -> Option<Vec<String>> {
    let Item::Array(args) = command.item() else { return None };
    args.map(|arg| match arg.item() {
        Item::Integer(text) | Item::Float(text) => Some(text.to_owned()),
        _ => arg.as_str().map(|text| text_of(text).into_owned()),
    })
    .collect()
}

/// The body of the answer to a single command.
pub fn write_reply(reply: &Reply, encoding: Encoding) -> String {
    let mut out = String::new();
    push_reply(&mut out, reply, encoding);
    out
}

/// The body of the answer to a pipeline.
pub fn write_replies(replies: &[Reply], encoding: Encoding) -> String {
    let mut out = String::new();
    write_array(&mut out, replies, |out, reply| push_reply(out, reply, encoding));
    out
}

fn push_reply(out: &mut String, reply: &Reply, encoding: Encoding) {
    match reply {
        Reply::Error(message) => {
            out.push_str("{\"error\":");
            write_string(out, message);
        }
        reply => {
            out.push_str("{\"result\":");
            match reply {
                Reply::Text(text) if text == OK => write_string(out, text),
                reply => push_result(out, reply, encoding),
            }
        }
    }
    out.push('}');
}

fn push_result(out: &mut String, reply: &Reply, encoding: Encoding) {
    match (reply, encoding) {
        (Reply::Nil, _) => out.push_str("null"),
        (Reply::Integer(number), _) => out.push_str(&number.to_string()),
        (Reply::Text(text), Encoding::Base64) => write_string(out, &STANDARD.encode(text)),
        (Reply::Bytes(bytes), Encoding::Base64) => write_string(out, &STANDARD.encode(bytes)),
        (Reply::Text(text) | Reply::Error(text), _) => write_string(out, text),
        (Reply::Bytes(bytes), Encoding::Plain) => {
            write_string(out, &String::from_utf8_lossy(bytes))
        }
        (Reply::Array(replies), _) => {
            write_array(out, replies, |out, reply| push_result(out, reply, encoding));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_command_goes_alone_and_several_as_a_pipeline() {
        assert_eq!(write_request(&[Command::get("k\"")]), r#"["GET","k\""]"#);
        assert_eq!(
            write_request(&[Command::store("k", "v", Some(9)), Command::get("k")]),
            r#"[["SETEX","k","9","v"],["GET","k"]]"#
        );
    }

    #[test]
    fn a_key_that_is_one_plain_segment_goes_in_the_url() {
        let url = |key: &str| url_of_get("https://redis.example/base", key);
        for key in ["my-app:node_1:0af5~", ":a::", "a..b", "k"] {
            assert_eq!(url(key).unwrap(), format!("https://redis.example/base/get/{key}"));
        }
        assert!(url(&"k".repeat(1024)).is_some());
        let long = "k".repeat(1025);
        for key in ["", ".", "..", ".a", "a/b", "a b", "a%3Ab", "a?b", "a#b", "ü", "a\n", &long] {
            assert_eq!(url(key), None, "{key}");
        }
    }

    #[test]
    fn what_is_no_reply_is_none() {
        for body in [
            "",
            "<html>",
            "{}",
            "[]",
            "null",
            r#"{"result":{}}"#,
            r#"{"result":1.5}"#,
            r#"{"error":1}"#,
            r#"[{"result":1},{"result":2}]"#,
            r#"{"result":"a""#,
        ] {
            for encoding in [Encoding::Plain, Encoding::Base64] {
                assert_eq!(read_replies(body, 1, encoding), None, "{body}");
            }
        }
        assert_eq!(read_replies(r#"{"result":"not Base64"}"#, 1, Encoding::Base64), None);
    }

    #[test]
    fn one_error_refuses_a_whole_pipeline_and_one_result_answers_none() {
        let refused = Reply::Error("ERR max request size exceeded".to_owned());
        let body = write_reply(&refused, Encoding::Plain);
        let replies = read_replies(&body, 2, Encoding::Plain);
        assert_eq!(replies, Some(vec![refused.clone(), refused]));
        assert_eq!(read_replies(r#"{"result":"OK"}"#, 2, Encoding::Plain), None);
    }

    #[test]
    fn arguments_may_be_numbers() {
        let args = read_request(r#"["set","k","v","ex",10]"#, false).unwrap();
        assert_eq!(args, [Some(["set", "k", "v", "ex", "10"].map(String::from).to_vec())]);
        assert_eq!(read_request(r#"["get",null]"#, false).unwrap(), [None]);
        assert_eq!(read_request(r#"[["get","a"],1]"#, true).unwrap().len(), 2);
    }

    #[test]
    fn base64_is_of_all_strings_but_ok() {
        let text = |text: &str| Reply::Text(text.to_owned());
        let nested =
            vec![text("OK"), Reply::Nil, Reply::Integer(1), Reply::Bytes(vec![255, 0, 254])];
        for (reply, body) in [
            (Reply::ok(), r#"{"result":"OK"}"#),
            (text("PONG"), r#"{"result":"UE9ORw=="}"#),
            (text(""), r#"{"result":""}"#),
            (Reply::Nil, r#"{"result":null}"#),
            (Reply::Integer(-2), r#"{"result":-2}"#),
            (Reply::Array(nested), r#"{"result":["T0s=",null,1,"/wD+"]}"#),
            (Reply::Error("ERR x".to_owned()), r#"{"error":"ERR x"}"#),
        ] {
            assert_eq!(write_reply(&reply, Encoding::Base64), body);
            assert_eq!(read_replies(body, 1, Encoding::Base64), Some(vec![reply]), "{body}");
        }
        // As serverless-redis-http writes it.
        let ok = read_replies(r#"{"result":"T0s="}"#, 1, Encoding::Base64);
        assert_eq!(ok, Some(vec![Reply::ok()]));
    }

    fn any_encoding() -> impl Strategy<Value = Encoding> {
        prop_oneof![Just(Encoding::Plain), Just(Encoding::Base64)]
    }

    fn any_reply() -> impl Strategy<Value = Reply> {
        let leaf = prop_oneof![
            Just(Reply::Nil),
            any::<String>().prop_map(Reply::Text),
            any::<i64>().prop_map(Reply::Integer),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            proptest::collection::vec(inner, 0..4).prop_map(Reply::Array)
        })
    }

    proptest! {
        #[test]
        fn replies_read_back(
            replies in proptest::collection::vec(any_reply(), 2..5),
            error: String,
            encoding in any_encoding(),
        ) {
            let body = write_replies(&replies, encoding);
            prop_assert_eq!(read_replies(&body, replies.len(), encoding), Some(replies));
            let refused = Reply::Error(error);
            let body = write_reply(&refused, encoding);
            prop_assert_eq!(read_replies(&body, 1, encoding), Some(vec![refused]));
        }

        #[test]
        fn a_truncated_answer_is_no_reply(
            reply in any_reply(),
            encoding in any_encoding(),
            cut: prop::sample::Index,
        ) {
            let body = write_reply(&reply, encoding);
            let cut = cut.index(body.len());
            let part = body.get(..cut).map(|part| read_replies(part, 1, encoding));
            prop_assert!(part.is_none_or(|replies| replies.is_none()));
        }
    }
}
