//! The answer of `GET /readyz`: how the Redis is reached, and whether it answers.

use super::push_optional;
use crate::cache::{MissReason, Ping, State};
use crate::json::write_string;

/// The HTTP status: 200 when the last `PING` was answered, 503 otherwise.
pub fn status(ping: Ping) -> u16 {
    if ping.is_ok() { 200 } else { 503 }
}

/// The body.
pub fn to_json(transport: &str, ping: Ping, breaker: State) -> String {
    let mut out = "{\"transport\":".to_owned();
    write_string(&mut out, transport);
    out.push_str(",\"latency_ms\":");
    match ping {
        Ok(latency_ms) => out.push_str(&latency_ms.to_string()),
        Err(_) => out.push_str("null"),
    }
    out.push_str(",\"breaker\":");
    write_string(&mut out, breaker.as_str());
    out.push_str(",\"reason\":");
    push_optional(&mut out, ping.err().map(MissReason::as_str));
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_answers_is_ready_and_one_that_does_not_is_unready_with_a_reason() {
        let (ready, unready) = (Ok(12), Err(MissReason::Timeout));
        assert_eq!((status(ready), status(unready)), (200, 503));
        assert_eq!(
            to_json("rest", ready, State::HalfOpen),
            r#"{"transport":"rest","latency_ms":12,"breaker":"half-open","reason":null}"#
        );
        assert_eq!(
            to_json("embedded", unready, State::Open),
            r#"{"transport":"embedded","latency_ms":null,"breaker":"open","reason":"redis-timeout"}"#
        );
    }
}
