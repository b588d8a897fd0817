//! One contract over all transports: `node tests/support/transports.mjs`, which starts what they reach
//! and then runs this. `cargo test` alone leaves it out.

mod contract;

use contract::over_resp;
use contract::subjects::{InMemory, OverEmbedded, OverResp, OverRest};

keeps_the_contract! { memory: InMemory::default() }
keeps_the_contract! { rest: OverRest; and
    commands::another_type_is_an_error
    values::what_is_no_text_is_told_apart
    values::a_reply_over_the_limit_is_refused
}
keeps_the_contract! { resp: OverResp; and
    commands::another_type_is_an_error
    values::what_is_no_text_is_told_apart
    values::a_reply_over_the_limit_is_refused
}
keeps_the_contract! { embedded: OverEmbedded; and
    values::a_reply_over_the_limit_is_refused
}

#[test]
fn resp_reads_answers_that_are_split_anywhere() {
    over_resp::a_redis_answers_as_the_memory_does_however_its_answer_is_split();
}

#[test]
fn resp_keeps_databases_apart() {
    over_resp::databases_are_apart();
}

#[test]
fn resp_tells_credentials_and_rights_apart() {
    over_resp::credentials_and_rights_are_told_apart();
}
