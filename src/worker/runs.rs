//! Runs of nodes and workflows.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use futures_util::future::{AbortHandle, abortable};
use futures_util::stream::{self, StreamExt};
use worker::{Context as WorkerContext, console_log};

use super::glue;
use super::providers::Providers;
use super::response::Answer;
use super::settings::App;
use super::timer::JsTimer;
use crate::api::auth::Caller;
use crate::api::cache_status::{cache_status, flow_status};
use crate::api::log::{self, RunOf};
use crate::api::problem::{Code, Problem};
use crate::api::request::RunRequest;
use crate::api::result::{self, RunnableResult, WorkflowResult};
use crate::clock;
use crate::definition::{SettingError, Workflow};
use crate::flow::{self, FinishedNode};
use crate::json::{Dialect, Document};
use crate::node::{
    Callbacks, Context, Defined, Event, Finished, NoCallbacks, NodeError, Outcome, Refresh, Run,
    Slots, Trace, refresh, run as run_node,
};

/// How many writes go on at once. More would hold more copies of large values; with fewer, those of
/// ten nodes might take longer than what follows a response may.
const WRITES: usize = 4;

/// What a request runs.
#[derive(Clone, Copy)]
pub(super) enum Runnable<'a> {
    /// The node of that place among all that are deployed.
    Node(usize),
    Workflow(&'a Workflow),
}

impl<'a> Runnable<'a> {
    pub fn node(app: &App, id: &str) -> Result<Self, Problem> {
        let place = app.definitions.nodes.iter().position(|node| node.id == id);
        place.map(Self::Node).ok_or_else(|| {
            let detail = "no node of this id is deployed; GET /v1/nodes lists them";
            Problem::new(Code::NodeNotFound, detail)
        })
    }

    pub fn workflow(app: &'a App, id: &str) -> Result<Self, Problem> {
        let found = app.definitions.workflows.iter().find(|workflow| workflow.id == id);
        found.map(Self::Workflow).ok_or_else(|| {
            let detail = "no workflow of this id is deployed; GET /v1/workflows lists them";
            Problem::new(Code::WorkflowNotFound, detail)
        })
    }
}

/// Runs what a request asks for:
///
/// 1. the body is parsed;
/// 2. its fields are checked, which gives a failed result when they are wrong;
/// 3. the caller has to cover the namespace;
/// 4. the node or the workflow is run, when what its nodes need from the settings is there;
/// 5. response first, then the writes and the lines in the log.
pub(super) async fn run(
    app: &Rc<App>,
    caller: Caller<'_>,
    runnable: Runnable<'_>,
    run_id: &str,
    body: &str,
    event: &glue::Event,
) -> Result<Answer, Problem> {
    // 1.
    let document = Document::parse(body, Dialect::STRICT)
        .map_err(|error| Problem::new(Code::InvalidJson, error.to_string()))?;
    // 2.
    let request = match RunRequest::parse(document.root(), &app.cache_defaults) {
        Ok(request) => request,
        Err(error) => {
            let input = document.root().get("input").map_or("null", |input| input.raw());
            let error = NodeError::Validation(error.to_string());
            return Ok(refuse(app, caller, runnable, run_id, input, error));
        }
    };
    // 3.
    if let Some(cache) = &request.cache {
        caller.check_namespace(cache.namespace.as_deref())?;
    }
    // 4.
    let started_ms = clock::now_ms();
    let (trace, tether) = (request.trace.then(Trace::new), Tether::to(event));
    let callbacks: &dyn Callbacks = match &trace {
        Some(trace) => trace,
        None => &NoCallbacks,
    };
    let slots = Slots::for_nodes(match runnable {
        Runnable::Node(_) => 1,
        Runnable::Workflow(workflow) => workflow.flow.nodes.len(),
    });
    let lead = || tether.hold();
    let context =
        Context { cache: &app.cache, callbacks, timer: &JsTimer, slots: &slots, lead: Some(&lead) };
    let given =
        Run { kwargs: request.kwargs, cache: request.cache.as_ref(), ..Run::new(request.input) };
    let (finished, workflow, answer) = match runnable {
        Runnable::Node(place) => {
            let node = deployed(app, place)?;
            let finished = run_node(&node, given, context).await;
            let events = trace.map(Trace::into_events);
            let answer =
                node_answer(run_id, request.input.raw(), &finished, events.as_deref(), caller);
            (vec![(place, finished)], None, answer)
        }
        Runnable::Workflow(workflow) => {
            let places = workflow.flow.nodes.iter().map(|node| node.node);
            let nodes =
                places.clone().map(|place| deployed(app, place)).collect::<Result<_, _>>()?;
            let finished = flow::run(workflow, nodes, given, context).await;
            let events = trace.map(Trace::into_events);
            let answer = workflow_answer(run_id, request.input.raw(), &finished, events.as_deref());
            let is_success = finished.failed.is_empty();
            let outcome = if is_success { Outcome::Success } else { Outcome::Failure };
            let nodes = finished.nodes.into_iter().map(|FinishedNode { finished, .. }| finished);
            (places.zip(nodes).collect(), Some((workflow.id.clone(), outcome)), answer)
        }
    };
    // 5.
    let is_refreshed = finished.iter().any(|(_, finished)| finished.refresh.is_some());
    let after = After {
        app: Rc::clone(app),
        run_id: run_id.to_owned(),
        caller: caller.id().to_owned(),
        duration_ms: clock::now_ms().saturating_sub(started_ms),
        finished,
        workflow,
        input: if is_refreshed { request.input.raw().to_owned() } else { String::new() },
    };
    after.end(event);
    Ok(answer)
}

/// A node with what it needs from the settings.
fn deployed(app: &App, place: usize) -> Result<Defined<'_, Providers>, Problem> {
    let found = app.definitions.nodes.get(place).zip(app.resolved.get(place));
    let Some((definition, resolved)) = found else {
        return Err(Problem::new(Code::Internal, "a flow names a node that is not deployed"));
    };
    let resolved = resolved.as_ref().map_err(|error| match error {
        SettingError::Missing(variable) => {
            let detail = format!(
                "set {variable} (`wrangler secret put {variable}`, or .dev.vars for local work)"
            );
            Problem::new(Code::ProviderKeyMissing, detail)
        }
        SettingError::Url { .. } => Problem::new(Code::SettingsInvalid, error.to_string()),
    })?;
    Ok(Defined::new(definition, resolved, &app.providers))
}

/// Keeps a request going when its client leaves: for a while, and until it is dropped.
struct Tether<'e> {
    event: &'e glue::Event,
    held: Cell<Option<AbortHandle>>,
}

impl<'e> Tether<'e> {
    fn to(event: &'e glue::Event) -> Self {
        Self { event, held: Cell::default() }
    }

    fn hold(&self) {
        let (held, release) = abortable(pending::<()>());
        if let Some(earlier) = self.held.replace(Some(release)) {
            earlier.abort();
        }
        WorkerContext::new(self.event.ctx()).wait_until(async move {
            // Aborted is how it ends.
            let _ = held.await;
        });
    }
}

impl Drop for Tether<'_> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            held.abort();
        }
    }
}

/// What is left to do when a run is over.
struct After {
    app: Rc<App>,
    run_id: String,
    caller: String,
    duration_ms: u64,
    /// By the places of the nodes among all that are deployed.
    finished: Vec<(usize, Finished)>,
    /// The id of the workflow, and how it ended.
    workflow: Option<(String, Outcome)>,
    /// The input of the request, when something is to be made anew.
    input: String,
}

impl After {
    /// Stores what is to be stored, writes the lines in the log, and makes anew what was served although
    /// it was not fresh any more: once the response is out.
    fn end(mut self, event: &glue::Event) {
        if self.finished.iter().all(|(_, finished)| finished.is_concluded()) {
            for (place, finished) in &self.finished {
                self.log_node(*place, finished, None);
            }
            return self.log_workflow();
        }
        WorkerContext::new(event.ctx()).wait_until(async move {
            let finished = stream::iter(std::mem::take(&mut self.finished));
            let after = &self;
            let end = async |(place, mut finished): (usize, Finished)| {
                let outcome = finished.conclude(&after.app.cache).await;
                after.log_node(place, &finished, outcome);
                if let Some(refresh) = finished.refresh.take() {
                    let input = finished.input.as_deref().unwrap_or(&after.input);
                    after.make_anew(place, input, refresh).await;
                }
            };
            finished.for_each_concurrent(WRITES, end).await;
            after.log_workflow();
        });
    }

    async fn make_anew(&self, place: usize, input: &str, stale: Refresh) {
        // It was parsed, and its node deployed, for the run.
        let Ok(document) = Document::parse(input, Dialect::PYTHON) else { return };
        let Ok(node) = deployed(&self.app, place) else { return };
        let (cache, slots) = (&self.app.cache, Slots::default());
        let (callbacks, timer, lead) = (&NoCallbacks, &JsTimer, None);
        let context = Context { cache, callbacks, timer, slots: &slots, lead };
        if let Some(mut finished) = refresh(&node, document.root(), stale, context).await {
            let outcome = finished.conclude(cache).await;
            console_log!(
                "{}",
                log::refresh_line(self.of(), self.node_id(place), &finished, outcome)
            );
        }
    }

    fn node_id(&self, place: usize) -> &str {
        self.app.definitions.nodes.get(place).map_or("", |node| &node.id)
    }

    fn of(&self) -> RunOf<'_> {
        let workflow = self.workflow.as_ref().map(|(id, _)| id.as_str());
        RunOf { run_id: &self.run_id, workflow, caller: &self.caller }
    }

    fn log_node(
        &self,
        place: usize,
        finished: &Finished,
        write: Option<crate::cache::WriteOutcome>,
    ) {
        console_log!("{}", log::node_line(self.of(), self.node_id(place), finished, write));
    }

    fn log_workflow(&self) {
        if let Some((_, outcome)) = &self.workflow {
            console_log!("{}", log::workflow_line(self.of(), *outcome, self.duration_ms));
        }
    }
}

/// The answer to a request that cannot be run.
fn refuse(
    app: &App,
    caller: Caller<'_>,
    runnable: Runnable<'_>,
    run_id: &str,
    input: &str,
    error: NodeError,
) -> Answer {
    let of = |workflow| RunOf { run_id, workflow, caller: caller.id() };
    match runnable {
        Runnable::Node(place) => {
            let finished = Finished::refused(error);
            let id = app.definitions.nodes.get(place).map_or("", |node| &node.id);
            console_log!("{}", log::node_line(of(None), id, &finished, None));
            node_answer(run_id, input, &finished, None, caller)
        }
        Runnable::Workflow(workflow) => {
            console_log!("{}", log::workflow_line(of(Some(&workflow.id)), Outcome::Failure, 0));
            let finished = Err(&error);
            let body = WorkflowResult { run_id, input, finished, trace: None }.to_json();
            Answer::json(result::status_of(&error), body)
        }
    }
}

fn node_answer(
    run_id: &str,
    input: &str,
    finished: &Finished,
    trace: Option<&[Event]>,
    caller: Caller<'_>,
) -> Answer {
    let body = RunnableResult { run_id, input, finished, trace }.to_json();
    let answer = Answer::json(result::status(&finished.result), body);
    let value = cache_status(&finished.cache, caller.is_authenticated());
    let answer = answer.with_header("cache-status", &value);
    let answer = match finished.cache.age() {
        Some(seconds) => answer.with_header("age", &seconds.to_string()),
        None => answer,
    };
    let mut timings = String::new();
    for (name, ms) in [("cache", finished.lookup_ms), ("execute", finished.execute_ms)] {
        let Some(ms) = ms else { continue };
        if !timings.is_empty() {
            timings.push_str(", ");
        }
        timings.push_str(name);
        timings.push_str(";dur=");
        timings.push_str(&ms.to_string());
    }
    if timings.is_empty() { answer } else { answer.with_header("server-timing", &timings) }
}

fn workflow_answer(
    run_id: &str,
    input: &str,
    finished: &flow::Finished,
    trace: Option<&[Event]>,
) -> Answer {
    let error = (finished.failed.first())
        .and_then(|&place| finished.nodes.get(place)?.finished.result.as_ref().err());
    let body = WorkflowResult { run_id, input, finished: Ok(finished), trace }.to_json();
    Answer::json(error.map_or(200, result::status_of), body)
        .with_header("cache-status", &flow_status(finished))
}
