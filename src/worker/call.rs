//! Waiting for JavaScript: the answer of a function that takes a callback.
//!
//! It does what awaiting a promise does, with one callback for all calls of an isolate: a promise
//! needs two closures for each, which have to be registered with JavaScript's garbage collector
//! and taken back.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use worker::js_sys::Function;
use worker::wasm_bindgen::prelude::Closure;
use worker::wasm_bindgen::{JsCast, JsValue};

use crate::clock;

/// What JavaScript answers: a number (the status, or 0 for a failure) and a value (the body, or
/// the name of the failure).
pub(super) type Answer = (u16, JsValue);

enum State {
    Waiting(Option<Waker>),
    Answered(Answer),
}

struct Call {
    number: u32,
    /// When it has been abandoned for certain, in milliseconds since 1970.
    abandoned_at: u64,
    state: State,
}

/// The calls that are under way: few, and the newest are asked for most.
#[derive(Default)]
struct Calls {
    last: u32,
    calls: Vec<Call>,
}

impl Calls {
    fn start(&mut self, abandoned_at: u64) -> u32 {
        // Numbers come again after four billion calls, when the earlier ones are long gone.
        self.last = self.last.wrapping_add(1);
        self.calls.push(Call { number: self.last, abandoned_at, state: State::Waiting(None) });
        self.last
    }

    fn state(&mut self, number: u32) -> Option<&mut State> {
        self.calls.iter_mut().rev().find(|call| call.number == number).map(|call| &mut call.state)
    }

    fn forget(&mut self, number: u32) {
        self.calls.retain(|call| call.number != number);
    }

    /// Takes calls whose requests have vanished: when a client leaves, workerd ends the request
    /// without another word, and nobody would ever call back.
    fn take(&mut self, is_abandoned: impl Fn(&Call) -> bool) -> Vec<Call> {
        self.calls.extract_if(.., |call| is_abandoned(call)).collect()
    }
}

thread_local! {
    static CALLS: RefCell<Calls> = RefCell::default();
    static DONE: Closure<dyn Fn(u32, u16, JsValue)> = Closure::new(done);
}

/// The status that says that nobody waits for the answer any more.
const ABANDONED: u16 = 1;

/// Called by JavaScript.
fn done(call: u32, status: u16, value: JsValue) {
    if status == ABANDONED {
        // Dropped outside of the borrow: with its waker goes the whole request.
        return drop(CALLS.with_borrow_mut(|calls| calls.take(|other| other.number == call)));
    }
    let waker = CALLS.with_borrow_mut(|calls| {
        let state = calls.state(call)?;
        match std::mem::replace(state, State::Answered((status, value))) {
            State::Waiting(waker) => waker,
            State::Answered(_) => None,
        }
    });
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Forgets a call whose future is dropped before it was answered.
struct Guard(u32);

impl Drop for Guard {
    fn drop(&mut self) {
        CALLS.with_borrow_mut(|calls| calls.forget(self.0));
    }
}

/// How long after its deadline a call is given up.
const GRACE: Duration = Duration::from_secs(60);

/// Starts a call, handing it the callback and the number with which to call it, and waits. The
/// answer comes within the deadline, or the request is gone.
pub(super) async fn call(deadline: Duration, start: impl FnOnce(&Function, u32)) -> Answer {
    let now = clock::now_ms();
    let lifetime = u64::try_from((deadline + GRACE).as_millis()).unwrap_or(u64::MAX);
    drop(CALLS.with_borrow_mut(|calls| calls.take(|call| call.abandoned_at <= now)));
    let call = CALLS.with_borrow_mut(|calls| calls.start(now.saturating_add(lifetime)));
    let _guard = Guard(call);
    DONE.with(|done| start(done.as_ref().unchecked_ref(), call));
    poll_fn(|context| {
        CALLS.with_borrow_mut(|calls| match calls.state(call) {
            Some(State::Answered(answer)) => Poll::Ready(std::mem::take(answer)),
            Some(State::Waiting(waker)) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            // The guard keeps it there; a call that is lost counts as failed.
            None => Poll::Ready((0, JsValue::UNDEFINED)),
        })
    })
    .await
}
