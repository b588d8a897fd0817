//! Waiting for JavaScript: the answer of a function that takes a callback.
//!
//! It does what awaiting a promise does, with one callback for all calls of an isolate: a promise
//! needs two closures for each, which have to be registered with JavaScript's garbage collector
//! and taken back.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use worker::js_sys::Function;
use worker::wasm_bindgen::prelude::Closure;
use worker::wasm_bindgen::{JsCast, JsValue};

/// What JavaScript answers: a number (the status, or 0 for a failure) and a value (the body, or
/// the name of the failure).
pub(super) type Answer = (u16, JsValue);

enum State {
    Waiting(Option<Waker>),
    Answered(Answer),
}

/// The calls that are under way: few, and the newest are asked for most.
#[derive(Default)]
struct Calls {
    last: u32,
    states: Vec<(u32, State)>,
}

impl Calls {
    fn start(&mut self) -> u32 {
        // Numbers come again after four billion calls, when the earlier ones are long gone.
        self.last = self.last.wrapping_add(1);
        self.states.push((self.last, State::Waiting(None)));
        self.last
    }

    fn state(&mut self, call: u32) -> Option<&mut State> {
        self.states.iter_mut().rev().find(|(id, _)| *id == call).map(|(_, state)| state)
    }

    fn forget(&mut self, call: u32) {
        self.states.retain(|(id, _)| *id != call);
    }
}

thread_local! {
    static CALLS: RefCell<Calls> = RefCell::default();
    static DONE: Closure<dyn Fn(u32, u16, JsValue)> = Closure::new(done);
}

/// Called by JavaScript.
fn done(call: u32, status: u16, value: JsValue) {
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

/// Starts a call, handing it the callback and the number with which to call it, and waits.
pub(super) async fn call(start: impl FnOnce(&Function, u32)) -> Answer {
    let call = CALLS.with_borrow_mut(Calls::start);
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
