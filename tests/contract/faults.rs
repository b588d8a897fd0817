//! What is said of a store that does not answer.

use std::time::{Duration, Instant};

use edgememo::redis::{Command, Redis as _, RedisError};
use futures_executor::block_on;

use super::{PATIENCE, Subject, ask, fresh};

pub fn a_hang_ends_at_the_deadline<S: Subject>(subject: &S) {
    let deadline = Duration::from_millis(150);
    let client = subject.hanging();
    for commands in [vec![Command::get("k")], vec![Command::get("k"), Command::Ping(None)]] {
        let started = Instant::now();
        let answer = block_on(client.execute(&commands, deadline));
        assert_eq!(answer, Err(RedisError::Timeout(deadline)));
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}

pub fn what_is_not_there_is_told_at_once<S: Subject>(subject: &S) {
    let started = Instant::now();
    let answer = block_on(subject.gone().execute(&[Command::get("k")], PATIENCE));
    assert_eq!(answer, Err(RedisError::Unreachable));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    // Others are not concerned.
    ask(subject, Command::get(&fresh("there")));
}
