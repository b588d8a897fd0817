//! How much of a request goes on at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use futures_util::FutureExt;

/// How many connections a Worker's request may have open. More wait, without saying so.
const CONNECTIONS: u32 = 6;
/// How many of them may be executions; the others are left to the cache.
const EXECUTIONS: u32 = 4;
/// How many may be open for as long as an execution elsewhere takes: one is left to lookups.
const WAITS: u32 = 1;

/// How many subrequests a request may make on the free plan.
pub const SUBREQUESTS: u32 = 50;
/// How many a node needs that waits for nobody: a lookup, a lease, an execution, and a write.
const OF_A_NODE: u32 = 4;

/// The connections of a request, which its runs take and give back.
#[derive(Debug)]
pub struct Slots {
    taken: RefCell<Taken>,
    spare: Cell<u32>,
}

impl Default for Slots {
    fn default() -> Self {
        Self::for_nodes(1, SUBREQUESTS)
    }
}

#[derive(Debug, Default)]
struct Taken {
    connections: u32,
    executions: u32,
    waits: u32,
    waiting: VecDeque<Waker>,
}

impl Taken {
    /// Takes a connection; false when there is none.
    fn take(&mut self, purpose: Purpose) -> bool {
        let is_free = self.connections < CONNECTIONS
            && match purpose {
                Purpose::Lookup => true,
                Purpose::Execution => self.executions < EXECUTIONS,
                Purpose::Wait => self.waits < WAITS,
            };
        if is_free {
            self.connections += 1;
            self.executions += u32::from(purpose == Purpose::Execution);
            self.waits += u32::from(purpose == Purpose::Wait);
        }
        is_free
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Lookup,
    Execution,
    /// To be told when an execution elsewhere is over.
    Wait,
}

/// A connection that was taken; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    slots: &'a Slots,
    purpose: Purpose,
}

impl Slots {
    /// For a request that runs so many nodes and may make so many subrequests. What the nodes leave
    /// over is for waiting, and for keeping leases alive.
    pub fn for_nodes(nodes: usize, subrequests: u32) -> Self {
        let needed = u32::try_from(nodes).unwrap_or(u32::MAX).saturating_mul(OF_A_NODE);
        let spare = Cell::new(subrequests.saturating_sub(needed));
        Self { taken: RefCell::default(), spare }
    }

    /// Takes one of the subrequests that are left over; false when there is none.
    pub(super) fn spare_request(&self) -> bool {
        let left = self.spare.get().checked_sub(1);
        self.spare.set(left.unwrap_or_default());
        left.is_some()
    }

    /// Waits for a connection.
    pub(super) async fn take(&self, purpose: Purpose) -> Slot<'_> {
        match self.take_free(purpose) {
            Some(slot) => slot,
            None => self.wait_for(purpose).boxed_local().await,
        }
    }

    async fn wait_for(&self, purpose: Purpose) -> Slot<'_> {
        poll_fn(|context| {
            let mut taken = self.taken.borrow_mut();
            if taken.take(purpose) {
                return Poll::Ready(());
            }
            taken.waiting.push_back(context.waker().clone());
            Poll::Pending
        })
        .await;
        Slot { slots: self, purpose }
    }

    /// Takes a connection that is free.
    pub(super) fn take_free(&self, purpose: Purpose) -> Option<Slot<'_>> {
        let is_taken = self.taken.borrow_mut().take(purpose);
        is_taken.then(|| Slot { slots: self, purpose })
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let waiting = {
            let mut taken = self.slots.taken.borrow_mut();
            taken.connections -= 1;
            taken.executions -= u32::from(self.purpose == Purpose::Execution);
            taken.waits -= u32::from(self.purpose == Purpose::Wait);
            std::mem::take(&mut taken.waiting)
        };
        // Few wait, and not all of them for the same: each looks for itself.
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    #[test]
    fn four_execute_and_six_are_connected_at_once() {
        let slots = Slots::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut take = |purpose| match pin!(slots.take(purpose)).poll(&mut context) {
            Poll::Ready(slot) => Some(slot),
            Poll::Pending => None,
        };
        let mut executions: Vec<_> = (0..4).map(|_| take(Purpose::Execution).unwrap()).collect();
        assert!(take(Purpose::Execution).is_none());
        let lookups: Vec<_> = (0..2).map(|_| take(Purpose::Lookup).unwrap()).collect();
        assert!(take(Purpose::Lookup).is_none());
        executions.pop();
        assert!(take(Purpose::Lookup).is_some());
        assert!(take(Purpose::Execution).is_some());
        drop(lookups);
        assert!((0..3).map(|_| take(Purpose::Lookup)).all(|slot| slot.is_some()));
    }

    #[test]
    fn what_the_nodes_of_a_flow_leave_over_is_for_waiting() {
        for (nodes, spare) in [(1, 46), (10, 10), (13, 0), (usize::MAX, 0)] {
            let slots = Slots::for_nodes(nodes, SUBREQUESTS);
            assert_eq!((0..100).filter(|_| slots.spare_request()).count(), spare, "{nodes}");
        }
    }

    #[test]
    fn who_waits_is_woken() {
        let slots = Slots::default();
        let wait = async {
            let held: Vec<_> =
                futures_util::future::join_all((0..4).map(|_| slots.take(Purpose::Execution)))
                    .await;
            let (mut next, mut context) =
                (pin!(slots.take(Purpose::Execution)), Context::from_waker(Waker::noop()));
            assert!(next.as_mut().poll(&mut context).is_pending());
            drop(held);
            next.await
        };
        drop(futures_executor::block_on(wait));
        assert_eq!(slots.taken.borrow().connections, 0);
    }
}
