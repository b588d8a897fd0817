//! How long what is stored stays.

use std::time::Duration;

use edgememo::redis::{Command, Expiry, Reply};

use super::{Subject, ask, fresh, text};

fn lifetime<S: Subject>(subject: &S, key: &str) -> i64 {
    match ask(subject, Command::PTtl(key.into())) {
        Reply::Integer(left) => left,
        reply => panic!("{reply:?}"),
    }
}

fn set<'a>(key: &'a str, expiry: Option<Expiry>) -> Command<'a> {
    Command::Set { key: key.into(), value: "v".into(), expiry, if_absent: false }
}

pub fn lifetimes_are_told<S: Subject>(subject: &S) {
    let key = fresh("lifetime");
    assert_eq!(lifetime(subject, &key), -2);
    ask(subject, set(&key, None));
    assert_eq!(lifetime(subject, &key), -1);
    for (command, most) in [
        (set(&key, Some(Expiry::Seconds(100))), 100_000),
        (set(&key, Some(Expiry::Milliseconds(90_000))), 90_000),
        (Command::store(&key, "v", Some(80)), 80_000),
    ] {
        ask(subject, command);
        let left = lifetime(subject, &key);
        assert!(left <= most && left > most - 9_000, "{left} of {most}");
    }
}

pub fn a_write_brings_its_own_lifetime<S: Subject>(subject: &S) {
    let key = fresh("overwritten");
    ask(subject, Command::store(&key, "v", Some(60)));
    ask(subject, Command::store(&key, "w", None));
    assert_eq!(lifetime(subject, &key), -1);
}

pub fn what_has_expired_is_gone<S: Subject>(subject: &S) {
    let (short, taken) = (fresh("short"), fresh("taken"));
    ask(subject, set(&short, Some(Expiry::Milliseconds(200))));
    ask(subject, Command::store(&taken, "v", Some(1)));
    let claim = || Command::Set {
        key: taken.as_str().into(),
        value: "w".into(),
        expiry: None,
        if_absent: true,
    };
    assert_eq!(ask(subject, claim()), Reply::Nil);
    subject.pass(Duration::from_millis(1_100));
    assert_eq!(ask(subject, Command::get(&short)), Reply::Nil);
    assert_eq!(lifetime(subject, &short), -2);
    assert_eq!(
        ask(subject, Command::MGet(vec![short.as_str().into()])),
        Reply::Array(vec![Reply::Nil])
    );
    assert_eq!(ask(subject, Command::Del(vec![short.as_str().into()])), Reply::Integer(0));
    let grow = Command::IncrBy { key: short.as_str().into(), by: 1 };
    assert_eq!(ask(subject, grow), Reply::Integer(1));
    assert_eq!(ask(subject, claim()), Reply::ok());
    assert_eq!(ask(subject, Command::get(&taken)), text("w"));
}
