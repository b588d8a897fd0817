//! The key of each file that is named, in native code: `cargo bench --bench keys -- FILE…`
//!
//! Prints a line of JSON per file, times in nanoseconds.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use edgememo::json::{Dialect, Document};
use edgememo::key::{KeyRequest, Scheme, cache_key};
use sha2::{Digest, Sha256};

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(60);

fn main() -> Result<(), Box<dyn Error>> {
    for path in std::env::args().skip(1).filter(|argument| !argument.starts_with("--")) {
        let text = std::fs::read_to_string(&path)?;
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        let scheme = |scheme| {
            let text = &text;
            move || key(text, scheme)
        };
        let (dynamiq, canonical) = (scheme(Scheme::Dynamiq), scheme(Scheme::Canonical));
        let sha =
            || Ok(Sha256::digest(&text).first().map(|byte| byte.to_string()).unwrap_or_default());
        let [of_dynamiq, of_canonical, of_sha] = &mut times;
        for _ in 0..ROUNDS {
            of_dynamiq.push(measure(&dynamiq)?);
            of_canonical.push(measure(&canonical)?);
            of_sha.push(measure(&sha)?);
        }
        let [dynamiq, canonical, sha] = times.map(median);
        println!("{{\"dynamiq\": {dynamiq}, \"canonical\": {canonical}, \"sha256\": {sha}}}");
    }
    Ok(())
}

fn key(text: &str, scheme: Scheme) -> Result<String, Box<dyn Error>> {
    let document = Document::parse(text, Dialect::STRICT)?;
    Ok(cache_key(&KeyRequest {
        scheme,
        namespace: None,
        entity_id: "node",
        input: document.root(),
        kwargs: None,
        definition: None,
    })?)
}

/// Nanoseconds per call.
#[expect(clippy::disallowed_methods, reason = "native code has a clock")]
fn measure(call: &impl Fn() -> Result<String, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let (started, mut calls) = (Instant::now(), 0_u32);
    while started.elapsed() < ROUND {
        black_box(call()?);
        calls += 1;
    }
    Ok(started.elapsed().as_nanos() as f64 / f64::from(calls))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
