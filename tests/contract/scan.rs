//! How keys are listed.

use std::collections::BTreeSet;
use std::time::Duration;

use edgememo::redis::{Command, Expiry, Reply};

use super::{Subject, ask, ask_all, fresh};

/// Every key that a whole scan meets.
fn scan<S: Subject>(subject: &S, pattern: &str, count: Option<u64>) -> Vec<String> {
    let (mut cursor, mut keys) = (0, Vec::new());
    for _ in 0..10_000 {
        let command = Command::Scan { cursor, pattern: Some(pattern.to_owned().into()), count };
        let reply = ask(subject, command);
        let (next, page) = reply.clone().into_scanned().unwrap_or_else(|| panic!("{reply:?}"));
        keys.extend(page.into_iter().map(|key| match key {
            Reply::Text(key) => key,
            key => panic!("{key:?}"),
        }));
        if next == 0 {
            return keys;
        }
        cursor = next;
    }
    panic!("a scan without end");
}

fn store<S: Subject>(subject: &S, keys: &[String]) {
    let writes: Vec<_> = keys.iter().map(|key| Command::store(key, "v", Some(60))).collect();
    ask_all(subject, &writes);
}

pub fn every_key_is_found_once_and_no_other<S: Subject>(subject: &S) {
    let prefix = fresh("listed");
    let keys: Vec<String> = (0..150).map(|number| format!("{prefix}:ü:{number}")).collect();
    store(subject, &keys);
    store(subject, &[format!("{prefix}x"), format!("x{prefix}:1")]);
    let expected: BTreeSet<_> = keys.into_iter().collect();
    for count in [None, Some(7), Some(1000), Some(1_000_000)] {
        let found = scan(subject, &format!("{prefix}:*"), count);
        // Redis itself may give a key twice, and only when its table is resized.
        assert!(found.len() < 160, "{}", found.len());
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{count:?}");
    }
}

pub fn what_is_deleted_or_expired_is_not_found<S: Subject>(subject: &S) {
    let prefix = fresh("gone");
    let [stays, goes, expires] = ["stays", "goes", "expires"].map(|end| format!("{prefix}:{end}"));
    store(subject, &[stays.clone(), goes.clone()]);
    let expiry = Some(Expiry::Milliseconds(200));
    let (key, value) = (expires.as_str().into(), "v".into());
    ask(subject, Command::Set { key, value, expiry, if_absent: false });
    let pattern = format!("{prefix}:*");
    assert_eq!(scan(subject, &pattern, Some(1000)).len(), 3);
    ask(subject, Command::Del(vec![goes.as_str().into()]));
    subject.pass(Duration::from_millis(300));
    assert_eq!(scan(subject, &pattern, Some(1000)), [stays]);
}

pub fn patterns_are_those_of_redis<S: Subject>(subject: &S) {
    let prefix = fresh("glob");
    let ends = ["a", "b", "ab", "a*b", "a?b", "aXb", "a[b]", r"a\b", "é", "", "a-c", "^"];
    let keys = ends.map(|end| format!("{prefix}:{end}"));
    store(subject, &keys);
    for (pattern, found) in [
        ("*", &ends[..]),
        ("a", &["a"][..]),
        ("nothing", &[]),
        ("?", &["a", "b", "^"]),
        ("??", &["ab", "é"]),
        ("a*", &["a", "ab", "a*b", "a?b", "aXb", "a[b]", r"a\b", "a-c"]),
        (r"a\*b", &["a*b"]),
        (r"a\?*", &["a?b"]),
        (r"a\[b]", &["a[b]"]),
        (r"a\\b", &[r"a\b"]),
        ("a[*?]b", &["a*b", "a?b"]),
        ("a[^*?]b", &["aXb", r"a\b"]),
        ("[a-b]", &["a", "b"]),
        ("[^a]", &["b", "^"]),
        ("a[X-Z]b", &["aXb"]),
        ("*b", &["b", "ab", "a*b", "a?b", "aXb", r"a\b"]),
        ("a*b*", &["ab", "a*b", "a?b", "aXb", "a[b]", r"a\b"]),
    ] {
        let keys = scan(subject, &format!("{prefix}:{pattern}"), Some(1000));
        let expected = found.iter().map(|end| format!("{prefix}:{end}")).collect();
        assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), expected, "{pattern}");
    }
}
