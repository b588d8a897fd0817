//! What single-flight needs: of many who ask, one has the lease, and nobody takes another's.

use std::time::Duration;

use edgememo::redis::{Command, Expiry, Reply};

use super::{Subject, ask, fresh, text};

fn claim(key: &str, token: &str, milliseconds: u64) -> Command<'static> {
    Command::Set {
        key: key.to_owned().into(),
        value: token.to_owned().into(),
        expiry: Some(Expiry::Milliseconds(milliseconds)),
        if_absent: true,
    }
}

pub fn a_lease_is_taken_once<S: Subject>(subject: &S) {
    let key = fresh("lease");
    assert_eq!(ask(subject, claim(&key, "a", 60_000)), Reply::ok());
    assert_eq!(ask(subject, claim(&key, "b", 60_000)), Reply::Nil);
    assert_eq!(ask(subject, Command::get(&key)), text("a"));
}

pub fn a_lease_is_kept_alive_and_given_back_by_its_holder_only<S: Subject>(subject: &S) {
    let key = fresh("held");
    let give_back = |token: &'static str| Command::CompareAndDelete {
        key: key.as_str().into(),
        expected: token.into(),
    };
    let keep = |token: &'static str, milliseconds| Command::CompareAndExpire {
        key: key.as_str().into(),
        expected: token.into(),
        milliseconds,
    };
    let lifetime = || match ask(subject, Command::PTtl(key.as_str().into())) {
        Reply::Integer(left) => left,
        reply => panic!("{reply:?}"),
    };
    assert_eq!(ask(subject, keep("mine", 90_000)), Reply::Integer(0));
    assert_eq!(ask(subject, give_back("mine")), Reply::Integer(0));
    ask(subject, claim(&key, "mine", 60_000));
    assert_eq!(ask(subject, keep("theirs", 90_000)), Reply::Integer(0));
    assert!(lifetime() <= 60_000);
    assert_eq!(ask(subject, keep("mine", 90_000)), Reply::Integer(1));
    assert!(lifetime() > 60_000);
    assert_eq!(ask(subject, give_back("theirs")), Reply::Integer(0));
    assert_eq!(ask(subject, Command::get(&key)), text("mine"));
    assert_eq!(ask(subject, give_back("mine")), Reply::Integer(1));
    assert_eq!(ask(subject, Command::get(&key)), Reply::Nil);
}

pub fn a_lease_that_expired_is_taken_anew<S: Subject>(subject: &S) {
    let key = fresh("expired");
    assert_eq!(ask(subject, claim(&key, "dead", 200)), Reply::ok());
    subject.pass(Duration::from_millis(300));
    assert_eq!(ask(subject, claim(&key, "next", 60_000)), Reply::ok());
    // Who comes back from the dead changes nothing.
    let late = |key: &str| Command::CompareAndDelete {
        key: key.to_owned().into(),
        expected: "dead".into(),
    };
    assert_eq!(ask(subject, late(&key)), Reply::Integer(0));
    assert_eq!(ask(subject, Command::get(&key)), text("next"));
}

pub fn of_many_who_claim_at_once_exactly_one_wins<S: Subject>(subject: &S) {
    for _ in 0..5 {
        let key = fresh("race");
        let tokens: Vec<String> = (0..32).map(|number| format!("token {number}")).collect();
        let claims = tokens.iter().map(|token| claim(&key, token, 60_000)).collect();
        let replies = subject.at_once(claims);
        let winners: Vec<_> =
            tokens.iter().zip(&replies).filter(|(_, reply)| **reply == Reply::ok()).collect();
        assert_eq!(winners.len(), 1, "{replies:?}");
        assert_eq!(replies.iter().filter(|reply| **reply == Reply::Nil).count(), 31);
        assert_eq!(ask(subject, Command::get(&key)), text(winners[0].0));
    }
}

pub fn of_many_who_count_at_once_each_counts<S: Subject>(subject: &S) {
    let key = fresh("count");
    let count = || Command::IncrBy { key: key.clone().into(), by: 1 };
    let mut replies = subject.at_once((0..32).map(|_| count()).collect());
    replies.sort_by_key(|reply| match reply {
        Reply::Integer(number) => *number,
        reply => panic!("{reply:?}"),
    });
    assert_eq!(replies, (1..=32).map(Reply::Integer).collect::<Vec<_>>());
}
