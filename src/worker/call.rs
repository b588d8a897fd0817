//! Waiting for JavaScript: the answer of a function that takes a callback.
//!
//! It does what awaiting a promise does, with one callback for all calls of an isolate: a promise
//! needs two closures for each, which have to be registered with JavaScript's garbage collector
//! and taken back.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use worker::js_sys::Function;
use worker::wasm_bindgen::prelude::Closure;
use worker::wasm_bindgen::{JsCast, JsValue};

use super::requests::Gone;
use super::{glue, requests};
use crate::clock;

/// What JavaScript answers: a number (the status, or 0 for a failure) and a value (the body, or
/// the name of the failure).
pub(super) type Answer = (u16, JsValue);

enum State {
    Waiting(Option<Waker>),
    Answered(Answer),
}

/// A call that is under way.
///
/// A request can vanish: Cloudflare ends it some time after its client has left, and then nobody
/// calls back. Its future would stay in memory for as long as the isolate lives. So a call that has
/// not been answered counts as abandoned at some time, which its request puts off for as long as
/// its timers run.
struct Call {
    number: u32,
    /// Set when the request is abandoned.
    gone: Option<Gone>,
    /// In milliseconds since 1970.
    abandoned_at: u64,
    state: State,
}

impl Call {
    /// Ends the request that waits, which nobody else will wake.
    fn abandon(self) {
        glue::forget(self.number);
        if let Some(gone) = self.gone {
            gone.set(true);
        }
        if let State::Waiting(Some(waker)) = self.state {
            waker.wake();
        }
    }
}

/// The calls that are under way: few, and the newest are asked for most.
#[derive(Default)]
struct Calls {
    last: u32,
    calls: Vec<Call>,
}

impl Calls {
    fn start(&mut self, gone: Option<Gone>, abandoned_at: u64) -> u32 {
        // Numbers come again after four billion calls, when the earlier ones are long gone.
        self.last = self.last.wrapping_add(1);
        let (number, state) = (self.last, State::Waiting(None));
        self.calls.push(Call { number, gone, abandoned_at, state });
        self.last
    }

    fn state(&mut self, number: u32) -> Option<&mut State> {
        self.calls.iter_mut().rev().find(|call| call.number == number).map(|call| &mut call.state)
    }

    /// Says whether it was still waiting.
    fn forget(&mut self, number: u32) -> bool {
        let forgotten = self.calls.extract_if(.., |call| call.number == number).next();
        forgotten.is_some_and(|call| matches!(call.state, State::Waiting(_)))
    }

    fn keep(&mut self, number: u32, abandoned_at: u64) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.number == number) {
            call.abandoned_at = abandoned_at;
        }
    }

    fn take_abandoned(&mut self, now: u64) -> Vec<Call> {
        self.calls.extract_if(.., |call| call.abandoned_at <= now).collect()
    }
}

thread_local! {
    static CALLS: RefCell<Calls> = RefCell::default();
    static DONE: Closure<dyn Fn(u32, u16, JsValue)> = Closure::new(done);
}

/// The status that says that the request is still there.
const ALIVE: u16 = 1;
/// How long a request may show no sign of life: three of the heartbeats in glue.js.
const PATIENCE: Duration = Duration::from_secs(15);

/// Called by JavaScript.
fn done(call: u32, status: u16, value: JsValue) {
    if status == ALIVE {
        let abandoned_at = later(clock::now_ms(), PATIENCE);
        return CALLS.with_borrow_mut(|calls| calls.keep(call, abandoned_at));
    }
    let waker = CALLS.with_borrow_mut(|calls| {
        let state = calls.state(call)?;
        match std::mem::replace(state, State::Answered((status, value))) {
            State::Waiting(waker) => waker,
            State::Answered(_) => None,
        }
    });
    if let Some(waker) = waker {
        requests::resume(|| waker.wake());
    }
}

/// Milliseconds since 1970.
fn later(now: u64, by: Duration) -> u64 {
    now.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX))
}

/// Starts a call, handing it the callback and the number with which to call it. What it gives is the
/// answer, and ends the call when it is dropped before. A call without heartbeats has to be answered
/// within `PATIENCE`.
pub(super) fn call(start: impl FnOnce(&Function, u32)) -> Called {
    let now = clock::now_ms();
    let abandoned = CALLS.with_borrow_mut(|calls| calls.take_abandoned(now));
    abandoned.into_iter().for_each(Call::abandon);
    let gone = requests::current();
    let call = CALLS.with_borrow_mut(|calls| calls.start(gone, later(now, PATIENCE)));
    let called = Called(call);
    DONE.with(|done| start(done.as_ref().unchecked_ref(), call));
    called
}

/// The answer to a call.
pub(super) struct Called(u32);

impl Future for Called {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        CALLS.with_borrow_mut(|calls| match calls.state(self.0) {
            Some(State::Answered(answer)) => Poll::Ready(std::mem::take(answer)),
            Some(State::Waiting(waker)) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            // Taken as abandoned: it counts as failed.
            None => Poll::Ready((0, JsValue::UNDEFINED)),
        })
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        if CALLS.with_borrow_mut(|calls| calls.forget(self.0)) {
            glue::cancel(self.0);
        }
    }
}
