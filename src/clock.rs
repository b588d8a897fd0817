//! Time. The only module that asks for it: the standard clocks panic on wasm32-unknown-unknown,
//! and in a Worker time stands still between two waits for I/O.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Who waits, and throws dice for how long.
#[expect(async_fn_in_trait, reason = "callers never need to name the future or its bounds")]
pub trait Timer {
    /// Waits.
    async fn sleep(&self, duration: Duration);
    /// A number from 0 to 1, any other time another.
    fn random(&self) -> f64;

    /// What a future gives; None when it takes longer than that, and then it is dropped.
    async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut limit = pin!(self.sleep(limit));
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            limit.as_mut().poll(context).map(|()| None)
        })
        .await
    }
}

/// Does not wait: for nodes that are never tried again and may take as long as they like.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTimer;

impl Timer for NoTimer {
    async fn sleep(&self, _: Duration) {}

    fn random(&self) -> f64 {
        0.5
    }

    async fn timeout<F: Future>(&self, _: Duration, future: F) -> Option<F::Output> {
        Some(future.await)
    }
}

/// Milliseconds since 1970, to measure with and to let entries expire by.
#[cfg(target_arch = "wasm32")]
pub fn now_ms() -> u64 {
    // A float of milliseconds stays exact for 285,000 years.
    js_sys::Date::now() as u64
}

/// Milliseconds since 1970, to measure with and to let entries expire by.
#[cfg(not(target_arch = "wasm32"))]
#[expect(clippy::disallowed_methods, reason = "this is where the native clock is read")]
pub fn now_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;

    struct Soon;

    impl Timer for Soon {
        async fn sleep(&self, _: Duration) {}

        fn random(&self) -> f64 {
            0.0
        }
    }

    #[test]
    fn what_takes_too_long_is_dropped_and_what_is_ready_is_not() {
        let limit = Duration::from_secs(1);
        assert_eq!(block_on(Soon.timeout(limit, std::future::pending::<()>())), None);
        assert_eq!(block_on(Soon.timeout(limit, async { 1 })), Some(1));
        assert_eq!(block_on(NoTimer.timeout(Duration::ZERO, async { 1 })), Some(1));
    }
}
