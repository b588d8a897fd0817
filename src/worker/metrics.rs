//! Where the metrics go: a dataset of Cloudflare's Analytics Engine, through its binding.

use worker::Env;
use worker::js_sys::Reflect;
use worker::wasm_bindgen::JsValue;

use super::glue;
use crate::api::facts::NodeFacts;
use crate::api::metrics::data_point;

const BINDING: &str = "METRICS";

#[derive(Debug)]
pub(super) struct Metrics {
    dataset: JsValue,
}

impl Metrics {
    /// None when the Worker has no such binding: then runs leave no data points.
    pub fn new(env: &Env) -> Option<Self> {
        let dataset = Reflect::get(env, &JsValue::from_str(BINDING)).ok()?;
        dataset.is_object().then_some(Self { dataset })
    }

    /// Adds the data point of a run. Nothing is waited for, and nothing fails.
    pub fn add(&self, facts: &NodeFacts<'_>) {
        glue::write_data_point(&self.dataset, &data_point(facts));
    }
}
