//! When nodes start, which a recording does not tell.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

use futures_util::FutureExt;

use crate::cache::{Cache, Deadlines};
use crate::definition::{CachingConfig, Flow, FlowNode, Workflow};
use crate::flow;
use crate::json::{Dialect, Document};
use crate::node::{Context, Execution, Node, NodeError, Run, Slots};
use crate::redis::memory::Memory;

/// What the nodes of a flow share: who has executed, and who waits for it.
#[derive(Default)]
struct Shared {
    executed: RefCell<Vec<usize>>,
    waiting: RefCell<Vec<Waker>>,
    executing: Cell<usize>,
    most: Cell<usize>,
}

/// A node that executes until another one has.
struct Waits<'a> {
    place: usize,
    id: String,
    until: Option<usize>,
    shared: &'a Shared,
}

impl Node for Waits<'_> {
    fn id(&self) -> &str {
        &self.id
    }

    fn caching(&self) -> CachingConfig {
        CachingConfig::default()
    }

    async fn execute(&self, _: Execution<'_>) -> Result<String, NodeError> {
        let Shared { executed, waiting, executing, most } = self.shared;
        executing.set(executing.get() + 1);
        most.set(most.get().max(executing.get()));
        poll_fn(|context| match self.until {
            Some(other) if !executed.borrow().contains(&other) => {
                waiting.borrow_mut().push(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        })
        .await;
        executing.set(executing.get() - 1);
        executed.borrow_mut().push(self.place);
        waiting.take().into_iter().for_each(Waker::wake);
        Ok("{}".to_owned())
    }
}

/// Runs a flow of nodes that depend on others and execute until others have; whether it ends.
fn ends(nodes: &[(&[usize], Option<usize>)], shared: &Shared) -> bool {
    let places = nodes.iter().enumerate().map(|(node, (depends, _))| FlowNode {
        node,
        depends: depends.to_vec(),
        ancestors: depends.to_vec(),
    });
    let flow = Flow { id: "f".to_owned(), nodes: places.collect() };
    let workflow = Workflow { id: "w".to_owned(), flow };
    let nodes = nodes.iter().enumerate().map(|(place, (_, until))| Waits {
        place,
        id: place.to_string(),
        until: *until,
        shared,
    });
    let input = Document::parse("{}", Dialect::STRICT).unwrap();
    let (cache, slots) = (Cache::new(Memory::new(), Deadlines::default()), Slots::default());
    let context = Context::new(&cache, &slots);
    let run = flow::run(&workflow, nodes.collect(), Run::new(input.root()), context);
    let mut run = std::pin::pin!(run);
    // Everything that wakes it is its own doing.
    (0..100).any(|_| run.as_mut().now_or_never().is_some())
}

#[test]
fn a_node_starts_as_soon_as_its_own_dependencies_are_done() {
    let shared = Shared::default();
    // 1 goes on until 2 is done, which depends on 0 alone. In waves 2 would wait for 1.
    assert!(ends(&[(&[], None), (&[], Some(2)), (&[0], None)], &shared));
    assert_eq!(*shared.executed.borrow(), [0, 2, 1]);
}

#[test]
fn four_nodes_execute_at_once_and_not_five() {
    let free: &[usize] = &[];
    let shared = Shared::default();
    assert!(ends(
        &[(free, Some(3)), (free, Some(3)), (free, Some(3)), (free, None), (free, None)],
        &shared
    ));
    assert_eq!(shared.most.get(), 4);
    // Four that wait for a fifth.
    let shared = Shared::default();
    assert!(!ends(
        &[(free, Some(4)); 4].iter().copied().chain([(free, None)]).collect::<Vec<_>>(),
        &shared
    ));
    assert_eq!((shared.most.get(), shared.executed.borrow().len()), (4, 0));
}
