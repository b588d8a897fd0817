//! The order of a run, which is Dynamiq's.

use std::cell::Cell;

use futures_util::FutureExt;

use super::cached::{Flight, Keyed, Missed, Refresh, key_of, look_up, wait_or_execute};
use super::dependencies::{self, Completed, Outcome};
use super::flight;
use super::report::{CacheReport, NotStored};
use super::slots::Slots;
use super::{Callbacks, NoCallbacks, Node, NodeError, Usage};
use crate::cache::{Cache, Entry, WriteOutcome};
use crate::clock::{NoTimer, Timer};
use crate::config::RedisCacheConfig;
use crate::json::{Dialect, Document, Value};
use crate::redis::Redis;
use crate::transform::{Transformer, apply_mapping};

/// How large an input may become by the results of the nodes before it, in bytes. With a transformer
/// these have their inputs, which hold those of the nodes before them: each node may double it.
const MAX_WITH_RESULTS: usize = 16 << 20;

/// What a run is given.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The input, before it is transformed.
    pub input: Value<'a>,
    /// Further keywords, which are part of the key.
    pub kwargs: Option<Value<'a>>,
    /// The second of the two caching switches.
    pub cache: Option<&'a RedisCacheConfig>,
    /// In a flow, what came of the nodes before this one. Their results become a part of its input.
    pub completed: &'a [Completed<'a>],
}

impl<'a> Run<'a> {
    /// A run outside of a flow.
    pub fn new(input: Value<'a>) -> Self {
        Self { input, kwargs: None, cache: None, completed: &[] }
    }
}

/// What a run makes use of.
pub struct Context<'a, R, T> {
    /// Where outputs are looked up.
    pub cache: &'a Cache<R>,
    /// Told of its steps.
    pub callbacks: &'a dyn Callbacks,
    /// Waits between attempts, and ends those that take too long.
    pub timer: &'a T,
    /// The connections, which the runs of one request share.
    pub slots: &'a Slots,
    /// Called when a run executes for others too, which it then does also when its client leaves. None
    /// when no run waits for another.
    pub lead: Option<&'a dyn Fn()>,
}

impl<R, T> Clone for Context<'_, R, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, T> Copy for Context<'_, R, T> {}

impl<'a, R> Context<'a, R, NoTimer> {
    /// With nobody listening, and without a clock: each run executes by itself.
    pub fn new(cache: &'a Cache<R>, slots: &'a Slots) -> Self {
        Self { cache, callbacks: &NoCallbacks, timer: &NoTimer, slots, lead: None }
    }
}

/// What a run gave.
#[derive(Debug)]
pub struct Finished {
    /// What was hashed and executed, as JSON text, where it is not the input as it came.
    pub input: Option<String>,
    /// The output as JSON text, or why there is none.
    pub result: Result<String, NodeError>,
    /// What the cache had to do with it.
    pub cache: CacheReport,
    /// What is to be stored once the response is out: see [`Finished::conclude`].
    pub write: Option<Box<Entry>>,
    /// What it owes those who wait for it.
    pub flight: Option<Box<Flight>>,
    /// What became of the write, once that is known.
    pub(crate) concluded: Cell<Option<Option<WriteOutcome>>>,
    /// What is to be made anew once the response is out: see [`refresh`](super::refresh).
    pub refresh: Option<Box<Refresh>>,
    /// Milliseconds that the lookup took, when there was one.
    pub lookup_ms: Option<u64>,
    /// Milliseconds that the execution took, when there was one.
    pub execute_ms: Option<u64>,
    /// The tokens that the execution took.
    pub usage: Usage,
}

impl Finished {
    /// A run that did not get as far as the cache.
    pub fn refused(error: NodeError) -> Self {
        Self::of(Err(error))
    }

    /// A run that gave this, and of which nothing more is to be told.
    pub(crate) fn of(result: Result<String, NodeError>) -> Self {
        Self {
            input: None,
            result,
            cache: CacheReport::NotReached,
            write: None,
            flight: None,
            concluded: Cell::default(),
            refresh: None,
            lookup_ms: None,
            execute_ms: None,
            usage: Usage::default(),
        }
    }

    /// How many bytes of JSON text it holds, roughly.
    pub(crate) fn size(&self) -> usize {
        self.input.as_ref().map_or(0, String::len) + self.result.as_ref().map_or(0, String::len)
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        Outcome::of(&self.result)
    }
}

/// Runs a node.
///
/// 1. the dependencies are checked, and one that did not come out as it has to skips the node;
/// 2. the input is transformed;
/// 3. the input is validated;
/// 4. `on_node_start`;
/// 5. lookup, if both switches are on: in memory where there is some, then one `GET`; a hit goes on
///    with step 8;
/// 6. on a miss the run waits while another with the same key executes; otherwise the node executes,
///    between `on_node_execute_start` and `on_node_execute_end` or
///    `on_node_execute_error`, and again after a pause where its error handling says so;
/// 7. a successful output is set aside for storing;
/// 8. the output is transformed;
/// 9. `on_node_end`, or `on_node_error`; `on_node_skip` after step 1;
/// 10. after some failures another node is run with the same input, and without the cache: its output
///     goes through step 8 and is that of the run, but it is not stored.
///
/// What it gave is in a box: it is large, and handed on a few times.
pub async fn run<N: Node, R: Redis, T: Timer>(
    node: &N,
    run: Run<'_>,
    context: Context<'_, R, T>,
) -> Box<Finished> {
    let finished = match begin(node, run, context.callbacks) {
        Ok((input, keyed)) => {
            let mut finished = match look_up(node, keyed, &context).await {
                Ok(finished) => finished,
                // In a box, here and below: it is large, and most runs do not get here.
                Err(missed) => {
                    let input = input.as_deref();
                    execute(node, run, input, *missed, context).boxed_local().await
                }
            };
            finished.input = input;
            finished
        }
        Err(error) => Finished::refused(error).into(),
    };
    let finished = end(node, run, context.callbacks, finished);
    // 10.
    match finished.result {
        Ok(_) => finished,
        Err(_) => take_over(node, run, finished, context).boxed_local().await,
    }
}

/// Steps 1 to 4: the input that is hashed and executed, where it is not the one that came, and where its
/// output may be.
///
/// This and [`end`] are not within the future: there, what they work with would be in memory, and their
/// code among that of steps that a hit does not take.
#[inline(never)]
fn begin<'r, N: Node>(
    node: &N,
    run: Run<'r>,
    callbacks: &dyn Callbacks,
) -> Result<(Option<String>, Keyed<'r>), NodeError> {
    let input = prepare(node, run)?;
    let keyed = on_value(input.as_deref(), run.input, |input| key_of(node, run, input))?;
    // 4.
    callbacks.on_node_start(node.id());
    Ok((input, keyed))
}

/// Steps 8 and 9.
#[inline(never)]
fn end<N: Node>(
    node: &N,
    run: Run<'_>,
    callbacks: &dyn Callbacks,
    mut finished: Box<Finished>,
) -> Box<Finished> {
    // 8.
    if let Some(transformer) = given(node.output_transformer())
        && let Ok(output) = &finished.result
    {
        finished.result = transform_output(output, transformer);
    }
    // 9.
    match finished.outcome() {
        Outcome::Success => {
            let is_from_cache = finished.cache.is_output_from_cache();
            let reason = finished.cache.reason().filter(|_| is_from_cache);
            callbacks.on_node_end(node.id(), is_from_cache, reason);
        }
        Outcome::Failure => callbacks.on_node_error(node.id()),
        Outcome::Skip => {
            finished.input = with_results(run, false).ok().flatten();
            callbacks.on_node_skip(node.id());
        }
    }
    finished
}

/// Steps 6 and 7.
async fn execute<N: Node, R: Redis, T: Timer>(
    node: &N,
    run: Run<'_>,
    input: Option<&str>,
    missed: Missed<'_>,
    context: Context<'_, R, T>,
) -> Box<Finished> {
    match input.map(parse_made).transpose() {
        Ok(document) => {
            let input = document.as_ref().map_or(run.input, Document::root);
            wait_or_execute(node, input, missed, context).await
        }
        Err(error) => Finished::refused(error).into(),
    }
}

/// What a node gives that takes over from one that failed, where there is one. When it fails too, the
/// first failure stands.
async fn take_over<N: Node, R: Redis, T: Timer>(
    node: &N,
    run: Run<'_>,
    mut failed: Box<Finished>,
    context: Context<'_, R, T>,
) -> Box<Finished> {
    let Err(failure) = failed.result.clone() else { return failed };
    let Some(fallback) = node.fallback(&failure) else { return failed };
    let Ok(document) = failed.input.as_deref().map(parse_made).transpose() else { return failed };
    let input = document.as_ref().map_or(run.input, Document::root);
    let again = Run { kwargs: run.kwargs, ..Run::new(input) };
    // In a box, since what takes over may have such a node too. Who waits for what failed hears of it
    // meanwhile.
    let taking_over = Box::pin(self::run(&fallback, again, context));
    let finished = flight::beside(taking_over, failed.tell_meanwhile(context)).await;
    failed.usage = failed.usage + finished.usage;
    failed.execute_ms =
        Some(failed.execute_ms.unwrap_or_default() + finished.execute_ms.unwrap_or_default());
    if let Ok(output) = finished.result {
        failed.result = match given(node.output_transformer()) {
            Some(transformer) => transform_output(&output, transformer),
            None => Ok(output),
        };
        if let CacheReport::Miss { not_stored, collapsed, .. } = &mut failed.cache {
            *not_stored = Some(NotStored::FallenBack);
            // Its output is not that of the run for which it waited.
            *collapsed = collapsed.map(|_| false);
        }
    }
    failed
}

/// The input that is hashed and executed, where it is not the one that came.
fn prepare<N: Node>(node: &N, run: Run<'_>) -> Result<Option<String>, NodeError> {
    // 1.
    dependencies::check(node.depends(), run.completed)?;
    // 2.
    let transformed = transform_input(node, run)?;
    let document = transformed.as_deref().map(parse_made).transpose()?;
    let input = document.as_ref().map_or(run.input, Document::root);
    if !input.is_object() {
        let kind = input.kind_name();
        let message = format!("the transformed input has to be an object, not {kind}");
        return Err(NodeError::Validation(message));
    }
    // 3.
    let validated = node.validate(input, run.kwargs)?;
    Ok(validated.or(transformed))
}

/// Results of the nodes before this one go in under their ids, then the transformer is applied, then
/// constants go over what it gave.
fn transform_input<N: Node>(node: &N, run: Run<'_>) -> Result<Option<String>, NodeError> {
    let transformer = given(node.input_transformer());
    let mapping = node.input_mapping();
    let mut text = with_results(run, transformer.is_some())?;
    if let Some(transformer) = transformer {
        text = Some(on_value(text.as_deref(), run.input, |data| transformer.apply(data))?);
    }
    if !mapping.is_empty() {
        text = Some(on_value(text.as_deref(), run.input, |data| apply_mapping(data, mapping))?);
    }
    Ok(text)
}

/// The input with the results of the nodes before this one, when there are any.
fn with_results(run: Run<'_>, with_inputs: bool) -> Result<Option<String>, NodeError> {
    if run.completed.is_empty() {
        return Ok(None);
    }
    let size = |done: &Completed<'_>| {
        let input = if with_inputs { done.input.len() } else { 0 };
        input.saturating_add(done.result.as_ref().map_or(0, String::len))
    };
    let size = run.completed.iter().map(size).fold(run.input.raw().len(), usize::saturating_add);
    if size > MAX_WITH_RESULTS {
        let message = "the input is too large: with the results of the nodes before it, it would have \
                       over 16 MiB";
        return Err(NodeError::Transform(message.to_owned()));
    }
    let results: Vec<_> = (run.completed.iter())
        .map(|done| (done.node_id.to_owned(), done.to_json(with_inputs)))
        .collect();
    Ok(Some(apply_mapping(run.input, &results)?))
}

fn transform_output(output: &str, transformer: &Transformer) -> Result<String, NodeError> {
    Ok(transformer.apply(parse_made(output)?.root())?)
}

fn given(transformer: Option<&Transformer>) -> Option<&Transformer> {
    transformer.filter(|transformer| !transformer.is_identity())
}

/// Applies a function to what a text holds, or without a text to a value.
fn on_value<A, E: Into<NodeError>>(
    text: Option<&str>,
    otherwise: Value<'_>,
    apply: impl FnOnce(Value<'_>) -> Result<A, E>,
) -> Result<A, NodeError> {
    let document = text.map(parse_made).transpose()?;
    apply(document.as_ref().map_or(otherwise, Document::root)).map_err(Into::into)
}

/// Parses what was put together from values: outputs among them may hold what only Python writes.
pub(super) fn parse_made(text: &str) -> Result<Document<'_>, NodeError> {
    Document::parse(text, Dialect::PYTHON).map_err(|error| {
        NodeError::Transform(format!("the transformed data cannot be used: {error}"))
    })
}

#[cfg(test)]
mod tests;
