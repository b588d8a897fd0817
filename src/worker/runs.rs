//! Runs of nodes and workflows.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::{AbortHandle, abortable};
use futures_util::stream::{self, StreamExt};
use worker::Context as WorkerContext;

use super::glue;
use super::providers::Providers;
use super::response::Answer;
use super::settings::App;
use super::store::Store;
use super::timer::JsTimer;
use crate::api::auth::Caller;
use crate::api::cache_status::{cache_status, flow_status};
use crate::api::facts::{NodeFacts, RunOf};
use crate::api::log;
use crate::api::problem::{Code, Problem};
use crate::api::request::RunRequest;
use crate::api::result::{self, RunnableResult, WorkflowResult};
use crate::cache::WriteOutcome;
use crate::clock;
use crate::definition::{SettingError, Workflow};
use crate::flow;
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
/// 5. response first, then the writes, the lines in the log and the metrics; only what is traced waits
///    for its writes, since the trace tells of them.
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
    let (trace, tether) = (request.trace.then(Trace::new), Tether::to(event));
    let callbacks: &dyn Callbacks = match &trace {
        Some(trace) => trace,
        None => &NoCallbacks,
    };
    let nodes = match runnable {
        Runnable::Node(_) => 1,
        Runnable::Workflow(workflow) => workflow.flow.nodes.len(),
    };
    let slots = Slots::for_nodes(nodes, app.max_subrequests);
    let lead = || tether.hold();
    let context =
        Context { cache: &app.cache, callbacks, timer: &JsTimer, slots: &slots, lead: Some(&lead) };
    let given =
        Run { kwargs: request.kwargs, cache: request.cache.as_ref(), ..Run::new(request.input) };
    let (ran, workflow) = match runnable {
        Runnable::Node(place) => {
            (Ran::Node(place, run_node(&deployed(app, place)?, given, context).await), None)
        }
        // In boxes, here and below: it is large, and a hit of a node has no need of it.
        Runnable::Workflow(workflow) => {
            run_workflow(app, workflow, given, context).boxed_local().await?
        }
    };
    // 5.
    let over = Over { app, caller, run_id, input: request.input.raw(), ran, workflow };
    match trace {
        None => Ok(over.answer(event, None)),
        Some(trace) => {
            over.telling().end(&over.ran, Some(&trace)).boxed_local().await;
            Ok(over.answer(event, Some(trace)))
        }
    }
}

async fn run_workflow(
    app: &App,
    workflow: &Workflow,
    given: Run<'_>,
    context: Context<'_, Store, JsTimer>,
) -> Result<(Ran, Option<WorkflowRun>), Problem> {
    let started = clock::now_ms();
    let places: Vec<_> = workflow.flow.nodes.iter().map(|node| node.node).collect();
    let nodes = places.iter().map(|&place| deployed(app, place));
    let nodes = nodes.collect::<Result<_, _>>()?;
    let ran = Ran::Workflow(places, flow::run(workflow, nodes, given, context).await);
    let (id, outcome) = (workflow.id.clone(), ran.outcome());
    let duration_ms = clock::now_ms().saturating_sub(started);
    Ok((ran, Some(WorkflowRun { id, outcome, duration_ms })))
}

/// A run that is over.
struct Over<'a> {
    app: &'a Rc<App>,
    caller: Caller<'a>,
    run_id: &'a str,
    input: &'a str,
    ran: Ran,
    workflow: Option<WorkflowRun>,
}

impl Over<'_> {
    fn telling(&self) -> Telling<'_> {
        let workflow = self.workflow.as_ref();
        Telling { app: self.app, run_id: self.run_id, caller: self.caller.id(), workflow }
    }

    /// The answer, which what is left to do follows. What is traced was waited for.
    #[inline(never)]
    fn answer(self, event: &glue::Event, trace: Option<Trace>) -> Answer {
        let is_over = trace.is_some();
        let events = trace.map(Trace::into_events);
        let answer = self.ran.answer(self.run_id, self.input, events.as_deref(), self.caller);
        if !self.ran.is_concluded() {
            self.follow(event, is_over);
        } else if !is_over {
            self.telling().tell_of(&self.ran);
        }
        answer
    }

    #[cold]
    fn follow(self, event: &glue::Event, is_over: bool) {
        let is_refreshed = self.ran.nodes().any(|(_, finished)| finished.refresh.is_some());
        let after = After {
            app: Rc::clone(self.app),
            run_id: self.run_id.to_owned(),
            caller: self.caller.id().to_owned(),
            workflow: self.workflow,
            input: if is_refreshed { self.input.to_owned() } else { String::new() },
        };
        after.follow(event, self.ran, is_over);
    }
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

/// What a request gave, with the places of the nodes among all that are deployed.
enum Ran {
    Node(usize, Box<Finished>),
    Workflow(Vec<usize>, flow::Finished),
}

impl Ran {
    fn answer(
        &self,
        run_id: &str,
        input: &str,
        trace: Option<&[Event]>,
        caller: Caller<'_>,
    ) -> Answer {
        match self {
            Self::Node(_, finished) => node_answer(run_id, input, finished, trace, caller),
            Self::Workflow(_, finished) => workflow_answer(run_id, input, finished, trace),
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Node(_, finished) => finished.outcome(),
            Self::Workflow(_, flow) if flow.failed.is_empty() => Outcome::Success,
            Self::Workflow(..) => Outcome::Failure,
        }
    }

    fn nodes(&self) -> impl Iterator<Item = (usize, &Finished)> {
        let (node, flow) = match self {
            Self::Node(place, finished) => (Some((*place, &**finished)), None),
            Self::Workflow(places, flow) => (None, Some(places.iter().zip(&flow.nodes))),
        };
        let nodes = flow.into_iter().flatten().map(|(&place, node)| (place, &node.finished));
        node.into_iter().chain(nodes)
    }

    /// Whether nothing is left to store or to make anew.
    fn is_concluded(&self) -> bool {
        self.nodes().all(|(_, finished)| finished.is_concluded())
    }
}

/// What is told of the run of a workflow.
struct WorkflowRun {
    id: String,
    outcome: Outcome,
    duration_ms: u64,
}

/// Who is told of what, when a run is over: log, metrics and, where there is one, the trace.
#[derive(Clone, Copy)]
struct Telling<'a> {
    app: &'a App,
    run_id: &'a str,
    caller: &'a str,
    workflow: Option<&'a WorkflowRun>,
}

impl<'a> Telling<'a> {
    /// Stores what is to be stored, and tells of it.
    async fn end(self, ran: &Ran, trace: Option<&Trace>) {
        let end = async |(place, finished): (usize, &Finished)| {
            let outcome = finished.conclude(&self.app.cache).await;
            let facts = self.facts(place, finished, outcome);
            tell(self.app, &facts);
            if let Some((trace, outcome)) = trace.zip(facts.write) {
                trace.cache_write(node_id(self.app, place), outcome);
            }
        };
        stream::iter(ran.nodes()).for_each_concurrent(WRITES, end).await;
        self.log_workflow();
    }

    /// Tells of runs that have nothing to store, or have stored it.
    fn tell_of(self, ran: &Ran) {
        for (place, finished) in ran.nodes() {
            tell(self.app, &self.facts(place, finished, finished.written()));
        }
        self.log_workflow();
    }

    fn facts(
        self,
        place: usize,
        finished: &'a Finished,
        write: Option<WriteOutcome>,
    ) -> NodeFacts<'a> {
        NodeFacts::new(self.of(), node_id(self.app, place), finished, write)
    }

    fn log_workflow(self) {
        if let Some(run) = self.workflow {
            glue::log(&log::workflow_line(self.of(), run.outcome, run.duration_ms));
        }
    }

    fn of(self) -> RunOf<'a> {
        let workflow = self.workflow.map(|run| run.id.as_str());
        RunOf { run_id: self.run_id, workflow, caller: self.caller }
    }
}

/// What is left to do when a run is over, for longer than its request.
struct After {
    app: Rc<App>,
    run_id: String,
    caller: String,
    workflow: Option<WorkflowRun>,
    /// The input of the request, when something is to be made anew.
    input: String,
}

impl After {
    /// Lets what is left follow the response: the end, unless that is over, and making anew what was
    /// served although it was not fresh any more.
    fn follow(self, event: &glue::Event, ran: Ran, is_over: bool) {
        WorkerContext::new(event.ctx()).wait_until(async move {
            if !is_over {
                self.telling().end(&ran, None).await;
            }
            let refresh = async |(place, finished): (usize, &Finished)| {
                if let Some(refresh) = &finished.refresh {
                    let input = finished.input.as_deref().unwrap_or(&self.input);
                    self.make_anew(place, input, refresh).await;
                }
            };
            stream::iter(ran.nodes()).for_each_concurrent(WRITES, refresh).await;
        });
    }

    async fn make_anew(&self, place: usize, input: &str, stale: &Refresh) {
        // It was parsed, and its node deployed, for the run.
        let Ok(document) = Document::parse(input, Dialect::PYTHON) else { return };
        let Ok(node) = deployed(&self.app, place) else { return };
        let (cache, slots) = (&self.app.cache, Slots::default());
        let (callbacks, timer, lead) = (&NoCallbacks, &JsTimer, None);
        let context = Context { cache, callbacks, timer, slots: &slots, lead };
        if let Some(finished) = refresh(&node, document.root(), stale, context).await {
            let outcome = finished.conclude(cache).await;
            let facts = self.telling().facts(place, &finished, outcome);
            tell(&self.app, &facts.of_refresh());
        }
    }

    fn telling(&self) -> Telling<'_> {
        let Self { app, run_id, caller, workflow, .. } = self;
        Telling { app, run_id, caller, workflow: workflow.as_ref() }
    }
}

fn node_id(app: &App, place: usize) -> &str {
    app.definitions.nodes.get(place).map_or("", |node| &node.id)
}

/// Tells log and metrics of an execution or a hit.
fn tell(app: &App, facts: &NodeFacts<'_>) {
    glue::log(&log::node_line(facts));
    if let Some(metrics) = &app.metrics {
        metrics.add(facts);
    }
}

/// The answer to a request that cannot be run.
#[cold]
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
            tell(app, &NodeFacts::new(of(None), node_id(app, place), &finished, None));
            node_answer(run_id, input, &finished, None, caller)
        }
        Runnable::Workflow(workflow) => {
            glue::log(&log::workflow_line(of(Some(&workflow.id)), Outcome::Failure, 0));
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
    let mut answer = Answer::json(result::status(&finished.result), body);
    let value = cache_status(&finished.cache, caller.is_authenticated());
    answer.add_header("cache-status", value);
    if let Some(seconds) = finished.cache.age() {
        answer.add_header("age", seconds.to_string());
    }
    let mut timings = String::with_capacity(64);
    for (name, ms) in [("cache", finished.lookup_ms), ("execute", finished.execute_ms)] {
        let Some(ms) = ms else { continue };
        if !timings.is_empty() {
            timings.push_str(", ");
        }
        timings.push_str(name);
        timings.push_str(";dur=");
        timings.push_str(&ms.to_string());
    }
    if !timings.is_empty() {
        answer.add_header("server-timing", timings);
    }
    answer
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
    let mut answer = Answer::json(error.map_or(200, result::status_of), body);
    answer.add_header("cache-status", flow_status(finished));
    answer
}
