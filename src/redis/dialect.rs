//! Upstash's REST dialect: commands and replies as JSON in HTTP bodies.
//!
//! `POST /` takes `["GET","key"]` and answers `{"result": …}` with status 200 or
//! `{"error": "…"}` with 400; `POST /pipeline` takes an array of commands and answers an array of
//! such objects, always with 200. Both sides are here: the client's for [`super::rest`], the
//! server's for the embedded store.
//!
//! Source: <https://upstash.com/docs/redis/features/restapi>

use std::borrow::Cow;

use super::{Command, Reply};
use crate::json::{Dialect, Document, Item, ParseError, Value, write_string};

/// The body of a request: one command by itself, several as a pipeline.
pub fn write_request(commands: &[Command<'_>]) -> String {
    let mut out = String::new();
    match commands {
        [command] => write_command(&mut out, command),
        _ => write_array(&mut out, commands, write_command),
    }
    out
}

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

/// The replies in the body of an answer to `count` commands. None when it is something else.
pub fn read_replies(body: &str, count: usize) -> Option<Vec<Reply>> {
    let document = Document::parse(body, Dialect::STRICT).ok()?;
    match (document.root().item(), count) {
        (Item::Object(_), 1) => Some(vec![read_reply(document.root())?]),
        (Item::Array(replies), _) => {
            replies.map(read_reply).collect::<Option<Vec<_>>>().filter(|r| r.len() == count)
        }
        _ => None,
    }
}

fn read_reply(value: Value<'_>) -> Option<Reply> {
    if let Some(error) = value.get("error") {
        return Some(Reply::Error(text_of(error)?.into_owned()));
    }
    read_result(value.get("result")?)
}

fn read_result(value: Value<'_>) -> Option<Reply> {
    match value.item() {
        Item::Null => Some(Reply::Nil),
        Item::Integer(text) => text.parse().ok().map(Reply::Integer),
        Item::String(_) => Some(Reply::Text(text_of(value)?.into_owned())),
        Item::Array(values) => values.map(read_result).collect::<Option<_>>().map(Reply::Array),
        Item::Bool(_) | Item::Float(_) | Item::Object(_) => None,
    }
}

/// A string; what is no text in it is replaced, so that the value can be refused later by name.
fn text_of(value: Value<'_>) -> Option<Cow<'_, str>> {
    let string = value.as_str()?;
    Some(string.to_str().unwrap_or(Cow::Borrowed("\u{fffd}")))
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
        _ => text_of(arg).map(Cow::into_owned),
    })
    .collect()
}

/// The body of the answer to a single command.
pub fn write_reply(reply: &Reply) -> String {
    let mut out = String::new();
    push_reply(&mut out, reply);
    out
}

/// The body of the answer to a pipeline.
pub fn write_replies(replies: &[Reply]) -> String {
    let mut out = String::new();
    write_array(&mut out, replies, push_reply);
    out
}

fn push_reply(out: &mut String, reply: &Reply) {
    match reply {
        Reply::Error(message) => {
            out.push_str("{\"error\":");
            write_string(out, message);
        }
        reply => {
            out.push_str("{\"result\":");
            push_result(out, reply);
        }
    }
    out.push('}');
}

fn push_result(out: &mut String, reply: &Reply) {
    match reply {
        Reply::Nil => out.push_str("null"),
        Reply::Integer(number) => out.push_str(&number.to_string()),
        Reply::Text(text) | Reply::Error(text) => write_string(out, text),
        Reply::Array(replies) => write_array(out, replies, push_result),
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
            assert_eq!(read_replies(body, 1), None, "{body}");
        }
    }

    #[test]
    fn arguments_may_be_numbers() {
        let args = read_request(r#"["set","k","v","ex",10]"#, false).unwrap();
        assert_eq!(args, [Some(["set", "k", "v", "ex", "10"].map(String::from).to_vec())]);
        assert_eq!(read_request(r#"["get",null]"#, false).unwrap(), [None]);
        assert_eq!(read_request(r#"[["get","a"],1]"#, true).unwrap().len(), 2);
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
        fn replies_read_back(replies in proptest::collection::vec(any_reply(), 2..5), error: String) {
            prop_assert_eq!(read_replies(&write_replies(&replies), replies.len()), Some(replies));
            let refused = Reply::Error(error);
            prop_assert_eq!(read_replies(&write_reply(&refused), 1), Some(vec![refused]));
        }

        #[test]
        fn a_truncated_answer_is_no_reply(reply in any_reply(), cut: prop::sample::Index) {
            let body = write_reply(&reply);
            let cut = cut.index(body.len());
            prop_assert_eq!(body.get(..cut).map(|part| read_replies(part, 1)), Some(None));
        }
    }
}
