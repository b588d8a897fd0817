//! Callbacks: what a run tells while it goes on. Their names are Dynamiq's.

use std::cell::RefCell;

use crate::clock;
use crate::json::write_string;

/// Told of the steps of a run. Nothing has to be listened to.
#[expect(unused_variables, reason = "the defaults do nothing")]
pub trait Callbacks {
    /// The input is valid; the cache has not been asked yet.
    fn on_node_start(&self, node_id: &str) {}
    /// Not in the cache: the work begins.
    fn on_node_execute_start(&self, node_id: &str) {}
    /// The work is done.
    fn on_node_execute_end(&self, node_id: &str) {}
    /// The work failed.
    fn on_node_execute_error(&self, node_id: &str) {}
    /// There is an output.
    fn on_node_end(&self, node_id: &str, is_output_from_cache: bool) {}
    /// There is none.
    fn on_node_error(&self, node_id: &str) {}
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCallbacks;

impl Callbacks for NoCallbacks {}

/// An event of a [`Trace`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The name of the callback without `on_`.
    pub name: &'static str,
    /// The node that it is about.
    pub node_id: String,
    /// Milliseconds since the trace was begun.
    pub at_ms: u64,
    /// For `node_end`: whether the output came from the cache.
    pub is_output_from_cache: Option<bool>,
}

/// Keeps the events of a run, for `"trace": true`.
#[derive(Debug)]
pub struct Trace {
    started_ms: u64,
    events: RefCell<Vec<Event>>,
}

impl Trace {
    /// Begins a trace.
    pub fn new() -> Self {
        Self { started_ms: clock::now_ms(), events: RefCell::default() }
    }

    /// The events so far, in their order.
    pub fn into_events(self) -> Vec<Event> {
        self.events.into_inner()
    }

    fn keep(&self, name: &'static str, node_id: &str, is_output_from_cache: Option<bool>) {
        self.events.borrow_mut().push(Event {
            name,
            node_id: node_id.to_owned(),
            at_ms: clock::now_ms().saturating_sub(self.started_ms),
            is_output_from_cache,
        });
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl Callbacks for Trace {
    fn on_node_start(&self, node_id: &str) {
        self.keep("node_start", node_id, None);
    }

    fn on_node_execute_start(&self, node_id: &str) {
        self.keep("node_execute_start", node_id, None);
    }

    fn on_node_execute_end(&self, node_id: &str) {
        self.keep("node_execute_end", node_id, None);
    }

    fn on_node_execute_error(&self, node_id: &str) {
        self.keep("node_execute_error", node_id, None);
    }

    fn on_node_end(&self, node_id: &str, is_output_from_cache: bool) {
        self.keep("node_end", node_id, Some(is_output_from_cache));
    }

    fn on_node_error(&self, node_id: &str) {
        self.keep("node_error", node_id, None);
    }
}

impl Event {
    /// Appends the event as JSON.
    pub(crate) fn write_json(&self, out: &mut String) {
        out.push_str("{\"event\":");
        write_string(out, self.name);
        out.push_str(",\"node_id\":");
        write_string(out, &self.node_id);
        out.push_str(",\"at_ms\":");
        out.push_str(&self.at_ms.to_string());
        if let Some(cached) = self.is_output_from_cache {
            out.push_str(",\"is_output_from_cache\":");
            out.push_str(if cached { "true" } else { "false" });
        }
        out.push('}');
    }
}
