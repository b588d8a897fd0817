//! What every transport promises, as tests over the trait `Redis`: a cache must not notice which Redis
//! it has.

pub mod commands;
pub mod expiry;
pub mod faults;
pub mod leases;
pub mod over_resp;
pub mod scan;
pub mod subjects;
pub mod values;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use edgememo::redis::{Command, Redis, Reply};
use futures_executor::block_on;

/// For everything that is not about deadlines.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A transport with a store behind it.
pub trait Subject {
    /// Its clients.
    type Client: Redis;

    /// A client of its own of the one store.
    fn client(&self) -> Self::Client;
    /// A client of a store that takes requests and never answers.
    fn hanging(&self) -> Self::Client;
    /// A client of a store that is not there.
    fn gone(&self) -> Self::Client;
    /// Lets that time go by.
    fn pass(&self, time: Duration);
    /// Sends each command by a client of its own, all at once, and returns all replies.
    fn at_once(&self, commands: Vec<Command<'static>>) -> Vec<Reply>;
}

/// A transport to a Redis, which holds other things than texts.
pub trait ToRedis: Subject {
    /// Sends a command past the transport, with any bytes.
    fn tell_redis(&self, command: &[&[u8]]);
}

/// The replies to commands in one round trip.
pub fn ask_all<S: Subject>(subject: &S, commands: &[Command<'_>]) -> Vec<Reply> {
    let replies = block_on(subject.client().execute(commands, PATIENCE)).unwrap();
    assert_eq!(replies.len(), commands.len());
    replies
}

/// The reply to a command.
pub fn ask<S: Subject>(subject: &S, command: Command<'_>) -> Reply {
    ask_all(subject, &[command]).remove(0)
}

pub fn text(text: &str) -> Reply {
    Reply::Text(text.to_owned())
}

/// A key that no other test uses, nor another run over the same store.
pub fn fresh(name: &str) -> String {
    static KEYS: AtomicU32 = AtomicU32::new(0);
    let number = KEYS.fetch_add(1, Ordering::Relaxed);
    format!("contract:{}:{number}:{name}", std::process::id())
}

/// A reply that has to be an error that begins so.
pub fn assert_refused(reply: &Reply, beginning: &str) {
    assert!(
        matches!(reply, Reply::Error(error) if error.starts_with(beginning)),
        "{reply:?} is no {beginning}"
    );
}

/// Each clause of the contract as a test of that subject, and those that only some keep.
#[macro_export]
macro_rules! keeps_the_contract {
    ($transport:ident: $subject:expr $(; and $($theme:ident::$clause:ident)*)?) => {
        $crate::tests_of! { $transport: $subject;
            commands::a_ping_is_answered
            commands::what_was_set_is_there_until_it_is_deleted
            commands::several_keys_are_read_and_deleted_at_once
            commands::numbers_grow_within_their_lifetime
            commands::what_is_no_number_does_not_grow
            commands::a_pipeline_goes_on_after_an_error
            commands::a_long_pipeline_is_answered_in_order
            expiry::lifetimes_are_told
            expiry::a_write_brings_its_own_lifetime
            expiry::what_has_expired_is_gone
            faults::a_hang_ends_at_the_deadline
            faults::what_is_not_there_is_told_at_once
            leases::a_lease_is_taken_once
            leases::a_lease_is_kept_alive_and_given_back_by_its_holder_only
            leases::a_lease_that_expired_is_taken_anew
            leases::of_many_who_claim_at_once_exactly_one_wins
            leases::of_many_who_count_at_once_each_counts
            scan::every_key_is_found_once_and_no_other
            scan::what_is_deleted_or_expired_is_not_found
            scan::patterns_are_those_of_redis
            values::every_text_comes_back
            values::ascii_is_read_exactly_and_nothing_else_passes_for_it
            values::every_text_is_a_key
            values::a_megabyte_comes_back
            $($($theme::$clause)*)?
        }
    };
}

/// Each of those clauses as a test of that subject.
#[macro_export]
macro_rules! tests_of {
    ($transport:ident: $subject:expr; $($theme:ident::$clause:ident)*) => {
        mod $transport {
            use super::*;
            $(#[test] fn $clause() { $crate::contract::$theme::$clause(&$subject) })*
        }
    };
}
