//! Running the requests that are under way.
//!
//! `spawn_local` gives a future a microtask of its own, when it starts and whenever it is woken: each
//! is a way from wasm to JavaScript and back. Here a request runs at once, as soon as it comes and as
//! soon as JavaScript answers what it asked.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use worker::wasm_bindgen_futures::spawn_local;

thread_local! {
    static REQUESTS: RefCell<FuturesUnordered<UnderWay>> = RefCell::default();
    /// Of the request that is being polled.
    static CURRENT: RefCell<Option<Gone>> = RefCell::default();
    static WAKER: Waker = Waker::from(Arc::new(Driver));
    /// Whether somebody drives them, or is about to.
    static IS_DRIVEN: Cell<bool> = const { Cell::new(false) };
    /// Whether there may be more to do since they were last looked at.
    static IS_WOKEN: Cell<bool> = const { Cell::new(false) };
}

/// Whether a request is gone. Who sets it wakes the request.
pub(super) type Gone = Rc<Cell<bool>>;

/// A request, driven to its end or until it is known to be gone: then it is dropped where it stands, so
/// that it holds no memory and starts nothing more.
struct UnderWay {
    gone: Gone,
    request: LocalBoxFuture<'static, ()>,
}

impl Future for UnderWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.gone.get() {
            return Poll::Ready(());
        }
        CURRENT.set(Some(Rc::clone(&self.gone)));
        let polled = self.request.as_mut().poll(context);
        CURRENT.set(None);
        polled
    }
}

/// How to say that the request which is being polled is gone; None beside the requests.
pub(super) fn current() -> Option<Gone> {
    CURRENT.with_borrow(Clone::clone)
}

/// Runs a request until it waits for something.
pub(super) fn start(request: impl Future<Output = ()> + 'static) {
    let under_way = UnderWay { gone: Gone::default(), request: Box::pin(request) };
    resume(|| REQUESTS.with_borrow(|requests| requests.push(under_way)));
}

/// Does what lets requests go on, and runs them until all of them wait for something. Within a request
/// it is done when that waits.
pub(super) fn resume(wake: impl FnOnce()) {
    let is_driven = IS_DRIVEN.replace(true);
    wake();
    if !is_driven {
        drive();
        IS_DRIVEN.set(false);
    }
}

fn drive() {
    REQUESTS.with_borrow_mut(|requests| {
        WAKER.with(|waker| {
            let mut context = Context::from_waker(waker);
            loop {
                IS_WOKEN.set(false);
                while let Poll::Ready(Some(())) = requests.poll_next_unpin(&mut context) {}
                if !IS_WOKEN.get() {
                    break;
                }
            }
        });
    });
}

/// Is told when a request can go on.
struct Driver;

impl Wake for Driver {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        IS_WOKEN.set(true);
        // By what runs beside the requests, such as what is left to do after a response.
        if !IS_DRIVEN.get() {
            spawn_local(async { resume(|| ()) });
        }
    }
}
