//! Time. The only module that asks for it: the standard clocks panic on wasm32-unknown-unknown,
//! and in a Worker time stands still between two waits for I/O.

use std::time::Duration;

/// Who waits, and throws dice for how long.
#[expect(async_fn_in_trait, reason = "callers never need to name the future or its bounds")]
pub trait Timer {
    /// Waits.
    async fn sleep(&self, duration: Duration);
    /// A number from 0 to 1, any other time another.
    fn random(&self) -> f64;
}

/// Does not wait: for nodes that are never tried again.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTimer;

impl Timer for NoTimer {
    async fn sleep(&self, _: Duration) {}

    fn random(&self) -> f64 {
        0.5
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
