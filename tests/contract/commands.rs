//! What the commands do.

use edgememo::redis::{Command, Expiry, Reply};

use super::{Subject, ToRedis, ask, ask_all, assert_refused, fresh, text};

pub fn a_ping_is_answered<S: Subject>(subject: &S) {
    assert_eq!(ask(subject, Command::Ping(None)), text("PONG"));
    assert_eq!(ask(subject, Command::Ping(Some("é".into()))), text("é"));
}

pub fn what_was_set_is_there_until_it_is_deleted<S: Subject>(subject: &S) {
    let key = fresh("set");
    assert_eq!(ask(subject, Command::get(&key)), Reply::Nil);
    for (value, expiry) in [("a", None), ("b", Some(Expiry::Seconds(60)))] {
        let (key, value) = (key.as_str().into(), value.into());
        let set = Command::Set { key, value, expiry, if_absent: false };
        assert_eq!(ask(subject, set), Reply::ok());
    }
    assert_eq!(ask(subject, Command::get(&key)), text("b"));
    assert_eq!(ask(subject, Command::store(&key, "c", Some(60))), Reply::ok());
    assert_eq!(ask(subject, Command::get(&key)), text("c"));
    let delete = || Command::Del(vec![key.as_str().into()]);
    assert_eq!(ask(subject, delete()), Reply::Integer(1));
    assert_eq!(ask(subject, delete()), Reply::Integer(0));
    assert_eq!(ask(subject, Command::get(&key)), Reply::Nil);
}

/// In the embedded store they are in many shards.
pub fn several_keys_are_read_and_deleted_at_once<S: Subject>(subject: &S) {
    let keys: Vec<String> = (0..40).map(|_| fresh("several")).collect();
    let writes: Vec<_> = keys.iter().map(|key| Command::store(key, key, Some(60))).collect();
    ask_all(subject, &writes);
    let none = fresh("none");
    let twice = &keys[3];
    let wanted = || keys.iter().chain([&none, twice]).map(|key| key.as_str().into()).collect();
    let mut found: Vec<_> = keys.iter().map(|key| text(key)).collect();
    found.extend([Reply::Nil, text(twice)]);
    assert_eq!(ask(subject, Command::MGet(wanted())), Reply::Array(found));
    assert_eq!(ask(subject, Command::Del(wanted())), Reply::Integer(40));
    let nothing = vec![Reply::Nil; 42];
    assert_eq!(ask(subject, Command::MGet(wanted())), Reply::Array(nothing));
}

pub fn numbers_grow_within_their_lifetime<S: Subject>(subject: &S) {
    let key = fresh("number");
    let grow = |by| Command::IncrBy { key: key.as_str().into(), by };
    assert_eq!(ask(subject, grow(5)), Reply::Integer(5));
    assert_eq!(ask(subject, Command::PTtl(key.as_str().into())), Reply::Integer(-1));
    assert_eq!(ask(subject, grow(-7)), Reply::Integer(-2));
    assert_eq!(ask(subject, Command::get(&key)), text("-2"));
    ask(subject, Command::store(&key, "10", Some(100)));
    assert_eq!(ask(subject, grow(1)), Reply::Integer(11));
    let Reply::Integer(left) = ask(subject, Command::PTtl(key.as_str().into())) else { panic!() };
    assert!((90_000..=100_000).contains(&left), "{left}");
}

pub fn what_is_no_number_does_not_grow<S: Subject>(subject: &S) {
    let key = fresh("no number");
    let grow = |by| Command::IncrBy { key: key.as_str().into(), by };
    for value in ["", "x", "1.5", " 1", "+1", "01", "-0", "9223372036854775808"] {
        ask(subject, Command::store(&key, value, None));
        assert_refused(&ask(subject, grow(1)), "ERR value is not an integer or out of range");
        assert_eq!(ask(subject, Command::get(&key)), text(value));
    }
    for (value, by) in [("9223372036854775807", 1), ("-9223372036854775808", -1)] {
        ask(subject, Command::store(&key, value, None));
        assert_refused(&ask(subject, grow(by)), "ERR increment or decrement would overflow");
        assert_eq!(ask(subject, Command::get(&key)), text(value));
    }
}

pub fn another_type_is_an_error<S: ToRedis>(subject: &S) {
    let (list, own) = (fresh("list"), fresh("own"));
    subject.tell_redis(&[b"RPUSH", list.as_bytes(), b"x"]);
    ask(subject, Command::store(&own, "v", None));
    assert_refused(&ask(subject, Command::get(&list)), "WRONGTYPE");
    let grow = Command::IncrBy { key: list.as_str().into(), by: 1 };
    assert_refused(&ask(subject, grow), "WRONGTYPE");
    let both = Command::MGet(vec![list.as_str().into(), own.as_str().into()]);
    assert_eq!(ask(subject, both), Reply::Array(vec![Reply::Nil, text("v")]));
    let get = || Command::get(&own);
    let replies = ask_all(subject, &[get(), Command::get(&list), get()]);
    assert_eq!((&replies[0], &replies[2]), (&text("v"), &text("v")));
    assert_refused(&replies[1], "WRONGTYPE");
    assert_eq!(ask(subject, Command::Del(vec![list.as_str().into()])), Reply::Integer(1));
}

pub fn a_pipeline_goes_on_after_an_error<S: Subject>(subject: &S) {
    let (key, other) = (fresh("pipeline"), fresh("pipeline"));
    let replies = ask_all(
        subject,
        &[
            Command::store(&key, "no number", Some(60)),
            Command::IncrBy { key: key.as_str().into(), by: 1 },
            Command::store(&other, "1", Some(60)),
            Command::IncrBy { key: other.as_str().into(), by: 1 },
            Command::get(&key),
            Command::get(&other),
            Command::get("contract:nothing"),
        ],
    );
    assert_refused(&replies[1], "ERR value is not an integer");
    let others = [Reply::ok(), Reply::Integer(2), text("no number"), text("2"), Reply::Nil];
    assert_eq!((&replies[0], &replies[2..]), (&Reply::ok(), &others[..]));
}

pub fn a_long_pipeline_is_answered_in_order<S: Subject>(subject: &S) {
    let keys: Vec<String> = (0..300).map(|_| fresh("long")).collect();
    let writes = keys.iter().map(|key| Command::store(key, key, Some(60)));
    let commands: Vec<_> = writes.chain(keys.iter().map(|key| Command::get(key))).collect();
    let replies = ask_all(subject, &commands);
    for (key, reply) in keys.iter().zip(&replies[300..]) {
        assert_eq!(*reply, text(key));
    }
}
