//! Callbacks: what a run tells while it goes on. Their names are Dynamiq's.

use std::cell::RefCell;
use std::ops::Add;

use crate::clock;
use crate::json::write_string;

/// Told of the steps of a run. Nothing has to be listened to.
#[expect(unused_variables, reason = "the defaults do nothing")]
pub trait Callbacks {
    /// The input is valid; the cache has not been asked yet.
    fn on_node_start(&self, node_id: &str) {}
    /// Not in the cache: the work begins. The reason is that of a lookup which was skipped or failed,
    /// as in a result's `cache.reason`.
    fn on_node_execute_start(&self, node_id: &str, reason: Option<&'static str>) {}
    /// The work goes on; a language model tells what it has used.
    fn on_node_execute_run(&self, node_id: &str, usage: Option<Usage>) {}
    /// The work is done.
    fn on_node_execute_end(&self, node_id: &str) {}
    /// The work failed.
    fn on_node_execute_error(&self, node_id: &str) {}
    /// There is an output. The reason is that of a hit which is unusual, as in a result's `cache.reason`.
    fn on_node_end(&self, node_id: &str, is_output_from_cache: bool, reason: Option<&'static str>) {
    }
    /// There is none.
    fn on_node_error(&self, node_id: &str) {}
    /// What the node depends on did not come out as it has to.
    fn on_node_skip(&self, node_id: &str) {}
    /// A workflow begins.
    fn on_workflow_start(&self, workflow_id: &str) {}
    /// Its flow begins.
    fn on_flow_start(&self, flow_id: &str) {}
    /// All nodes are done, and no failure counts.
    fn on_flow_end(&self, flow_id: &str) {}
    /// All nodes are done, and some have failed.
    fn on_flow_error(&self, flow_id: &str) {}
    /// The workflow has an output.
    fn on_workflow_end(&self, workflow_id: &str) {}
    /// The workflow has failed.
    fn on_workflow_error(&self, workflow_id: &str) {}
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCallbacks;

impl Callbacks for NoCallbacks {}

/// The tokens that a language model has read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Read.
    pub prompt_tokens: u64,
    /// Written.
    pub completion_tokens: u64,
    /// Both, as the provider counts.
    pub total_tokens: u64,
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            prompt_tokens: self.prompt_tokens.saturating_add(other.prompt_tokens),
            completion_tokens: self.completion_tokens.saturating_add(other.completion_tokens),
            total_tokens: self.total_tokens.saturating_add(other.total_tokens),
        }
    }
}

/// What an [`Event`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A node.
    Node,
    /// A flow.
    Flow,
    /// A workflow.
    Workflow,
}

/// An event of a [`Trace`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The name of the callback without `on_`, or `cache_write`.
    pub name: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// The id of that.
    pub id: String,
    /// Milliseconds since the trace was begun.
    pub at_ms: u64,
    /// For `node_execute_start`: why the lookup was skipped or failed, if it did. For `node_end`: what is
    /// unusual about a hit.
    pub reason: Option<&'static str>,
    /// For `node_end`: whether the output came from the cache.
    pub is_output_from_cache: Option<bool>,
    /// For a `node_execute_run` that tells it.
    pub usage: Option<Usage>,
    /// For `cache_write`: what became of it.
    pub outcome: Option<&'static str>,
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

    /// Keeps what became of the write of a node's output, or that there was none to be tried. Runs do
    /// not tell it, since it comes after them.
    pub fn cache_write(&self, node_id: &str, outcome: &'static str) {
        let outcome = Some(outcome);
        self.push(Event { outcome, ..self.event("cache_write", Subject::Node, node_id) });
    }

    /// The events so far, in their order.
    pub fn into_events(self) -> Vec<Event> {
        self.events.into_inner()
    }

    fn keep(&self, name: &'static str, subject: Subject, id: &str) {
        self.push(self.event(name, subject, id));
    }

    fn event(&self, name: &'static str, subject: Subject, id: &str) -> Event {
        let at_ms = clock::now_ms().saturating_sub(self.started_ms);
        let (id, reason, is_output_from_cache) = (id.to_owned(), None, None);
        let (usage, outcome) = (None, None);
        Event { name, subject, id, at_ms, reason, is_output_from_cache, usage, outcome }
    }

    fn push(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl Callbacks for Trace {
    fn on_node_start(&self, id: &str) {
        self.keep("node_start", Subject::Node, id);
    }

    fn on_node_execute_start(&self, id: &str, reason: Option<&'static str>) {
        self.push(Event { reason, ..self.event("node_execute_start", Subject::Node, id) });
    }

    fn on_node_execute_run(&self, id: &str, usage: Option<Usage>) {
        self.push(Event { usage, ..self.event("node_execute_run", Subject::Node, id) });
    }

    fn on_node_execute_end(&self, id: &str) {
        self.keep("node_execute_end", Subject::Node, id);
    }

    fn on_node_execute_error(&self, id: &str) {
        self.keep("node_execute_error", Subject::Node, id);
    }

    fn on_node_end(&self, id: &str, is_output_from_cache: bool, reason: Option<&'static str>) {
        let is_output_from_cache = Some(is_output_from_cache);
        let event = self.event("node_end", Subject::Node, id);
        self.push(Event { reason, is_output_from_cache, ..event });
    }

    fn on_node_error(&self, id: &str) {
        self.keep("node_error", Subject::Node, id);
    }

    fn on_node_skip(&self, id: &str) {
        self.keep("node_skip", Subject::Node, id);
    }

    fn on_workflow_start(&self, id: &str) {
        self.keep("workflow_start", Subject::Workflow, id);
    }

    fn on_flow_start(&self, id: &str) {
        self.keep("flow_start", Subject::Flow, id);
    }

    fn on_flow_end(&self, id: &str) {
        self.keep("flow_end", Subject::Flow, id);
    }

    fn on_flow_error(&self, id: &str) {
        self.keep("flow_error", Subject::Flow, id);
    }

    fn on_workflow_end(&self, id: &str) {
        self.keep("workflow_end", Subject::Workflow, id);
    }

    fn on_workflow_error(&self, id: &str) {
        self.keep("workflow_error", Subject::Workflow, id);
    }
}

impl Event {
    /// Appends the event as JSON.
    pub(crate) fn write_json(&self, out: &mut String) {
        out.push_str("{\"event\":");
        write_string(out, self.name);
        out.push_str(match self.subject {
            Subject::Node => ",\"node_id\":",
            Subject::Flow => ",\"flow_id\":",
            Subject::Workflow => ",\"workflow_id\":",
        });
        write_string(out, &self.id);
        out.push_str(",\"at_ms\":");
        out.push_str(&self.at_ms.to_string());
        if let Some(reason) = self.reason {
            out.push_str(",\"reason\":");
            write_string(out, reason);
        }
        if let Some(outcome) = self.outcome {
            out.push_str(",\"outcome\":");
            write_string(out, outcome);
        }
        if let Some(cached) = self.is_output_from_cache {
            out.push_str(",\"is_output_from_cache\":");
            out.push_str(if cached { "true" } else { "false" });
        }
        if let Some(usage) = self.usage {
            for (name, tokens) in [
                (",\"usage\":{\"prompt_tokens\":", usage.prompt_tokens),
                (",\"completion_tokens\":", usage.completion_tokens),
                (",\"total_tokens\":", usage.total_tokens),
            ] {
                out.push_str(name);
                out.push_str(&tokens.to_string());
            }
            out.push('}');
        }
        out.push('}');
    }
}
