//! Trying again: when, how often, and after how long. The rules are Dynamiq's.

use std::time::Duration;

use super::NodeError;
use crate::clock::Timer;
use crate::definition::ErrorHandling;

/// Waits are spread by this part, so that runs that failed together do not come back together.
const JITTER: f64 = 0.1;
/// How long a provider may ask to be left alone; after more the run fails at once, since nobody
/// waits that long for an answer.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Waits before the next attempt, the first of which has the number 0; or says that there is none.
pub(super) async fn wait_for_next(
    attempt: u32,
    error: &NodeError,
    handling: &ErrorHandling,
    timer: &impl Timer,
) -> bool {
    if attempt >= handling.max_retries {
        return false;
    }
    match pause(attempt, error, handling, timer.random()) {
        Some(pause) => {
            timer.sleep(pause).await;
            true
        }
        None => false,
    }
}

/// How long to wait after an attempt; None when the next would fail alike. `random` is from 0 to 1.
fn pause(
    attempt: u32,
    error: &NodeError,
    handling: &ErrorHandling,
    random: f64,
) -> Option<Duration> {
    let asked = match error {
        NodeError::Validation(_)
        | NodeError::Transform(_)
        | NodeError::Refused(_)
        | NodeError::Skipped { .. } => return None,
        NodeError::Busy { retry_after, .. } => retry_after.unwrap_or_default(),
        NodeError::Upstream { .. } | NodeError::Timeout(_) => Duration::ZERO,
    };
    if asked > LONGEST_RETRY_AFTER {
        return None;
    }
    let growth = handling.backoff_rate.powi(i32::try_from(attempt).unwrap_or(i32::MAX));
    let spread = 1.0 + JITTER * (2.0 * random - 1.0);
    let longest = handling.max_retry_interval_seconds.unwrap_or(f64::INFINITY);
    let seconds = (handling.retry_interval_seconds * growth * spread).min(longest);
    // A wait that no duration can hold is one that nobody sees the end of.
    let own = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    Some(own.max(asked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Behavior;

    const HANDLING: ErrorHandling = ErrorHandling {
        timeout_seconds: 600.0,
        retry_interval_seconds: 2.0,
        max_retries: 3,
        backoff_rate: 3.0,
        max_retry_interval_seconds: None,
        behavior: Behavior::Raise,
    };

    fn down() -> NodeError {
        NodeError::upstream("down")
    }

    fn seconds(attempt: u32, handling: &ErrorHandling, random: f64) -> f64 {
        pause(attempt, &down(), handling, random).unwrap().as_secs_f64()
    }

    #[test]
    fn waits_grow_and_are_spread_by_a_tenth() {
        assert_eq!([0, 1, 2].map(|attempt| seconds(attempt, &HANDLING, 0.5)), [2.0, 6.0, 18.0]);
        assert_eq!([0.0, 1.0].map(|random| seconds(0, &HANDLING, random)), [1.8, 2.2]);
        let capped = ErrorHandling { max_retry_interval_seconds: Some(5.0), ..HANDLING };
        assert_eq!([0, 1, 2].map(|attempt| seconds(attempt, &capped, 0.5)), [2.0, 5.0, 5.0]);
        assert_eq!(pause(u32::MAX, &down(), &HANDLING, 0.5), Some(Duration::MAX));
    }

    #[test]
    fn what_cannot_get_better_is_not_tried_again() {
        for error in [NodeError::Refused(String::new()), NodeError::Validation(String::new())] {
            assert_eq!(pause(0, &error, &HANDLING, 0.5), None);
        }
        assert!(pause(0, &NodeError::Timeout(String::new()), &HANDLING, 0.5).is_some());
    }

    #[test]
    fn a_busy_provider_says_how_long() {
        let after = |seconds: Option<u64>| {
            let retry_after = seconds.map(Duration::from_secs);
            pause(
                0,
                &NodeError::Busy { message: String::new(), retry_after, status: 429 },
                &HANDLING,
                0.5,
            )
        };
        assert_eq!(after(None), Some(Duration::from_secs(2)));
        assert_eq!(after(Some(1)), Some(Duration::from_secs(2)));
        assert_eq!(after(Some(60)), Some(Duration::from_secs(60)));
        assert_eq!(after(Some(61)), None);
    }
}
