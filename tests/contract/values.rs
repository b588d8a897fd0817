//! That values and keys are exact, whatever they hold.

use edgememo::redis::{Command, MAX_REPLY_BYTES, Redis as _, RedisError, Reply};
use futures_executor::block_on;

use super::{PATIENCE, Subject, ToRedis, ask, ask_all, fresh, text};

/// What a transport could stumble over: its own words, other encodings, and what JSON, HTTP and RESP
/// escape or end at.
fn odd_texts() -> Vec<String> {
    let controls: String = (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32).collect();
    let planes: String = (0..0x11_0000).step_by(0x101).filter_map(char::from_u32).collect();
    let words = ["", "OK", "T0s=", "PONG", "UE9ORw==", "null", "0", "-1", "[]", "{\"error\":1}"];
    let others = [
        "a\r\n$-1\r\n+OK\r\n",
        "\"\\/\u{8}\u{c}\n\r\t",
        "\u{feff}begins with a mark of byte order",
        "\u{fffd}\u{ffff}\u{2028}\u{2029}",
        "e\u{301}\u{200d}😀\u{10ffff}",
        " white \u{a0} ",
        "%00%0a+&=",
    ];
    let texts = words.into_iter().chain(others).map(str::to_owned);
    texts.chain([controls, planes]).collect()
}

pub fn every_text_comes_back<S: Subject>(subject: &S) {
    for value in odd_texts() {
        let key = fresh("text");
        assert_eq!(ask(subject, Command::store(&key, &value, Some(60))), Reply::ok());
        assert_eq!(ask(subject, Command::get(&key)), text(&value));
        let both = Command::MGet(vec![key.as_str().into(), "contract:nothing".into()]);
        assert_eq!(ask(subject, both), Reply::Array(vec![text(&value), Reply::Nil]));
        let get = || Command::get(&key);
        assert_eq!(ask_all(subject, &[get(), get()]), [text(&value), text(&value)]);
        let (key, expected) = (key.as_str().into(), value.as_str().into());
        assert_eq!(ask(subject, Command::CompareAndDelete { key, expected }), Reply::Integer(1));
    }
}

pub fn every_text_is_a_key<S: Subject>(subject: &S) {
    let texts = odd_texts();
    let prefix = fresh("key");
    let keys: Vec<String> = texts.iter().map(|odd| format!("{prefix}{odd}")).collect();
    for key in &keys {
        ask(subject, Command::store(key, key, Some(60)));
    }
    for key in &keys {
        assert_eq!(ask(subject, Command::get(key)), text(key));
    }
    assert_eq!(
        ask(subject, Command::Del(keys.iter().map(|key| key.as_str().into()).collect())),
        Reply::Integer(i64::try_from(keys.len()).unwrap())
    );
}

pub fn a_megabyte_comes_back<S: Subject>(subject: &S) {
    let key = fresh("megabyte");
    let value = "\"ü\\\n漢😀 plain ".repeat(55_200);
    assert!(value.len() >= 1024 * 1024);
    assert_eq!(ask(subject, Command::store(&key, &value, Some(60))), Reply::ok());
    assert_eq!(ask(subject, Command::get(&key)), text(&value));
}

pub fn ascii_is_read_exactly_and_nothing_else_passes_for_it<S: Subject>(subject: &S) {
    let get = |key: &str| block_on(subject.client().get_ascii(key, PATIENCE)).unwrap();
    let key = fresh("ascii");
    assert_eq!(get(&key), Reply::Nil);
    for value in ["", "OK", "T0s=", "eyJjb250ZW50IjogIngifQ==", "null", "\"\\/\r\n\u{1}\u{7f}"] {
        assert_eq!(ask(subject, Command::store(&key, value, Some(60))), Reply::ok());
        assert_eq!(get(&key), text(value));
    }
    for value in ["ü", "a\u{fffd}", "\u{ff21}\u{ff21}=="] {
        assert_eq!(ask(subject, Command::store(&key, value, Some(60))), Reply::ok());
        let found = get(&key);
        assert!(!matches!(&found, Reply::Text(text) if text.is_ascii()), "{value}: {found:?}");
    }
}

pub fn what_is_no_text_is_told_apart<S: ToRedis>(subject: &S) {
    let key = fresh("bytes");
    let bytes = [0xff, 0, 0xfe, b'"', 0xc3];
    subject.tell_redis(&[b"SET", key.as_bytes(), &bytes]);
    let found = Reply::Bytes(bytes.to_vec());
    assert_eq!(ask(subject, Command::get(&key)), found);
    let as_ascii = block_on(subject.client().get_ascii(&key, PATIENCE));
    assert!(matches!(as_ascii, Ok(Reply::Bytes(_))), "{as_ascii:?}");
    let both = Command::MGet(vec![key.as_str().into()]);
    assert_eq!(ask(subject, both), Reply::Array(vec![found.clone()]));
    let replies = ask_all(subject, &[Command::get(&key), Command::Ping(None)]);
    assert_eq!(replies, [found, text("PONG")]);
    assert_eq!(ask(subject, Command::store(&key, "v", None)), Reply::ok());
    assert_eq!(ask(subject, Command::get(&key)), text("v"));
}

/// Each value could be read, all of them together cannot; and what follows is answered.
pub fn a_reply_over_the_limit_is_refused<S: Subject>(subject: &S) {
    // Keys of one shard, where there are some.
    let about = format!("edgememo:{:0>64}", fresh("").replace(|c: char| !c.is_ascii_digit(), "0"));
    let keys: Vec<String> = (0..7).map(|number| format!("{about}:{number}")).collect();
    let value = "x".repeat(1_600_000);
    for key in &keys {
        assert_eq!(ask(subject, Command::store(key, &value, Some(60))), Reply::ok());
    }
    let all: Vec<_> = keys.iter().map(|key| key.as_str().into()).collect();
    let client = subject.client();
    let read = block_on(client.execute(&[Command::MGet(all.clone())], PATIENCE));
    assert!(
        matches!(read, Err(RedisError::ReplyTooLarge(MAX_REPLY_BYTES))),
        "{:?}",
        read.map(|_| "replies")
    );
    let deleted = block_on(client.execute(&[Command::Del(all)], PATIENCE));
    assert_eq!(deleted, Ok(vec![Reply::Integer(7)]));
}
