//! The data point that each run of a node leaves in the metrics, as Cloudflare's Analytics Engine
//! takes it: an index, texts (*blobs*) and numbers (*doubles*) that have a place and no name.
//!
//! `docs/metrics.md` gives the places to who writes queries, and points that are stored already have
//! them: what is added goes to the end, and nothing is taken away.

use super::facts::NodeFacts;
use crate::json::write_string;

/// How long the [index] may be. It is what points are sampled by.
///
/// [index]: https://developers.cloudflare.com/analytics/analytics-engine/limits/
const MAX_INDEX_BYTES: usize = 96;

/// How much of a text a point has: 16 KB is the limit of all together, 20 that of their number.
const MAX_BLOB_BYTES: usize = 768;

/// The texts by name, in their order; empty where there is nothing to say.
pub fn blobs<'a>(facts: &NodeFacts<'a>) -> [(&'static str, &'a str); 8] {
    [
        ("event", facts.event),
        ("status", facts.status),
        ("cache", facts.cache),
        ("reason", facts.reason.unwrap_or_default()),
        ("write", facts.write.unwrap_or_default()),
        ("workflow", facts.of.workflow.unwrap_or_default()),
        ("caller", facts.of.caller),
        ("error", facts.error.unwrap_or_default()),
    ]
}

/// The numbers by name, in their order; 0 where there is nothing to count.
pub fn doubles(facts: &NodeFacts<'_>) -> [(&'static str, u64); 6] {
    [
        ("count", 1),
        ("lookup_ms", facts.lookup_ms.unwrap_or_default()),
        ("execute_ms", facts.execute_ms.unwrap_or_default()),
        ("prompt_tokens", facts.usage.prompt_tokens),
        ("completion_tokens", facts.usage.completion_tokens),
        ("total_tokens", facts.usage.total_tokens),
    ]
}

/// The point as JSON, such as `{"indexes":["summarizer"],"blobs":["run",…],"doubles":[1,…]}`. Texts
/// that are longer than the platform takes are cut.
pub fn data_point(facts: &NodeFacts<'_>) -> String {
    let mut out = String::with_capacity(256);
    out.push_str("{\"indexes\":[");
    write_string(&mut out, cut(facts.node_id, MAX_INDEX_BYTES));
    out.push_str("],\"blobs\":[");
    for (place, (_, text)) in blobs(facts).into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_string(&mut out, cut(text, MAX_BLOB_BYTES));
    }
    out.push_str("],\"doubles\":[");
    for (place, (_, number)) in doubles(facts).into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push_str(&number.to_string());
    }
    out.push_str("]}");
    out
}

/// As much of a text as fits, in whole characters.
fn cut(text: &str, max_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(max_bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::facts::RunOf;
    use crate::cache::{MissReason, WriteOutcome};
    use crate::json::{Dialect, Document, Item};
    use crate::node::{CacheReport, Finished, NodeError, Usage};

    const OF: RunOf<'_> = RunOf { run_id: "id", workflow: None, caller: "team-a" };

    #[test]
    fn a_point_has_the_facts_in_their_places() {
        let finished = Finished {
            cache: CacheReport::Miss {
                key: "CANARY".to_owned(),
                reason: Some(MissReason::Timeout),
                not_stored: None,
                collapsed: None,
            },
            input: Some("{\"text\": \"CANARY\"}".to_owned()),
            lookup_ms: Some(500),
            execute_ms: Some(1223),
            usage: Usage { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 },
            ..Finished::of(Ok("\"CANARY\"".to_owned()))
        };
        let facts = NodeFacts::new(
            RunOf { workflow: Some("w\"x"), ..OF },
            "summarizer",
            &finished,
            Some(WriteOutcome::TimedOut),
        );
        assert_eq!(
            data_point(&facts),
            r#"{"indexes":["summarizer"],"blobs":["run","success","miss","redis-timeout","timed-out","w\"x","team-a",""],"doubles":[1,500,1223,9,4,13]}"#
        );
    }

    #[test]
    fn what_there_is_nothing_to_say_of_is_empty_or_zero() {
        let finished = Finished::refused(NodeError::Validation("CANARY".to_owned()));
        assert_eq!(
            data_point(&NodeFacts::new(OF, "a", &finished, None)),
            r#"{"indexes":["a"],"blobs":["run","failure","bypass","","","","team-a","ValidationError"],"doubles":[1,0,0,0,0,0]}"#
        );
    }

    #[test]
    fn a_point_keeps_within_what_the_platform_takes() {
        // Of two bytes each, and at an odd place: no limit falls between two of them.
        let long = format!("a{}", "ä".repeat(20_000));
        let finished = Finished::of(Ok("1".to_owned()));
        let of = RunOf { workflow: Some(&long), caller: &long, ..OF };
        let facts =
            NodeFacts { reason: Some("a reason"), ..NodeFacts::new(of, &long, &finished, None) };
        let point = data_point(&facts);
        let document = Document::parse(&point, Dialect::STRICT).unwrap();
        let texts = |name| -> Vec<String> {
            let Item::Array(texts) = document.root().get(name).unwrap().item() else { panic!() };
            texts.map(|text| text.as_str().unwrap().to_str().unwrap().into_owned()).collect()
        };
        let [index] = texts("indexes").try_into().unwrap();
        assert_eq!(index.len(), MAX_INDEX_BYTES - 1, "whole characters");
        assert!(long.starts_with(&index));
        let blobs = texts("blobs");
        assert!(blobs.len() <= 20 && 20 * MAX_BLOB_BYTES <= 16_000);
        assert!(blobs.iter().all(|blob| blob.len() <= MAX_BLOB_BYTES));
        assert!(doubles(&facts).len() <= 20);
    }
}
