//! Waiting, by JavaScript's timers.

use std::time::Duration;

use worker::js_sys::Math;

use super::call::call;
use super::glue;
use crate::clock::Timer;

/// JavaScript's clock and dice.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsTimer;

impl Timer for JsTimer {
    async fn sleep(&self, duration: Duration) {
        // A timer takes an i32 of milliseconds, which are 24 days.
        let milliseconds = duration.as_millis().min(i32::MAX as u128) as u32;
        call(|done, call| glue::sleep(milliseconds, done, call)).await;
    }

    fn random(&self) -> f64 {
        Math::random()
    }
}
