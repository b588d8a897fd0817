//! The header `Cache-Status` (RFC 9211).

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::flow;
use crate::node::CacheReport;

/// The value for a run, such as `edgememo; fwd=miss; detail=store-scheduled`. The key is for
/// callers who have shown who they are.
pub fn cache_status(report: &CacheReport, with_key: bool) -> String {
    let mut value = String::with_capacity(64 + report.key().map_or(0, str::len));
    value.push_str(match report {
        CacheReport::Hit { .. } | CacheReport::HitInMemory { .. } => "edgememo; hit",
        CacheReport::Collapsed { .. } | CacheReport::Miss { collapsed: Some(true), .. } => {
            "edgememo; fwd=miss; collapsed"
        }
        CacheReport::Miss { collapsed: Some(false), .. } => "edgememo; fwd=miss; collapsed=?0",
        CacheReport::Miss { collapsed: None, .. } => "edgememo; fwd=miss",
        CacheReport::StaleIfError { .. } => "edgememo; fwd=stale",
        CacheReport::NotReached
        | CacheReport::NoCacheConfig
        | CacheReport::CachingDisabled
        | CacheReport::NoKey(_) => "edgememo; fwd=bypass",
    });
    // Writing to a String cannot fail.
    let detail = match report {
        CacheReport::Hit { stale_for: Some(seconds), .. } => {
            let _ = write!(value, "; ttl=-{seconds}");
            None
        }
        // The parameter says it.
        CacheReport::Collapsed { .. } | CacheReport::Miss { collapsed: Some(true), .. } => None,
        CacheReport::StaleIfError { status, .. } => {
            if let Some(status) = status {
                let _ = write!(value, "; fwd-status={status}");
            }
            report.reason()
        }
        // Why a lookup failed says more than that a write will be tried.
        _ => report.reason().or(report.is_store_scheduled().then_some("store-scheduled")),
    };
    if let Some(detail) = detail {
        value.push_str("; detail=");
        value.push_str(detail);
    }
    if let Some(key) = report.key().filter(|_| with_key) {
        value.push_str("; key=\"");
        value.extend(utf8_percent_encode(key, ENCODED));
        value.push('"');
    }
    value
}

/// The value for a workflow: that of the first node that the cache did not serve, without its key; a
/// hit when it served all.
pub fn flow_status(finished: &flow::Finished) -> String {
    let reports = || finished.nodes.iter().map(|node| &node.finished.cache);
    let missed = reports().find(|report| matches!(report.status(), "miss" | "stale"));
    let served =
        || reports().find(|report| finished.is_from_cache() && report.is_output_from_cache());
    let bypassed = || reports().find(|report| report.reason().is_some());
    let report = missed.or_else(served).or_else(bypassed).unwrap_or(&CacheReport::NotReached);
    cache_status(report, false)
}

/// What is percent-encoded in a key, which may hold anything: beside what is not ASCII, what does not
/// print and what would end the quoted string.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'\\').add(b'%');

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::MissReason;
    use crate::node::NotStored;

    fn miss(reason: Option<MissReason>, not_stored: Option<NotStored>) -> CacheReport {
        CacheReport::Miss { key: "k".to_owned(), reason, not_stored, collapsed: None }
    }

    #[test]
    fn each_report_has_its_value() {
        let timeout = Some(MissReason::Timeout);
        let key = || "k".to_owned();
        let hit = |stale_for| CacheReport::Hit { key: key(), age: None, stale_for };
        let waited = |reason, not_stored, collapsed| CacheReport::Miss {
            key: key(),
            reason,
            not_stored,
            collapsed: Some(collapsed),
        };
        let stale = |status| CacheReport::StaleIfError { key: key(), age: None, status };
        for (report, value) in [
            (hit(None), "edgememo; hit"),
            (hit(Some(7)), "edgememo; hit; ttl=-7"),
            (CacheReport::HitInMemory { key: key(), age: None }, "edgememo; hit; detail=memory"),
            (CacheReport::Collapsed { key: key(), age: None }, "edgememo; fwd=miss; collapsed"),
            (waited(None, Some(NotStored::Failed), true), "edgememo; fwd=miss; collapsed"),
            (
                waited(Some(MissReason::WaitTimeout), None, false),
                "edgememo; fwd=miss; collapsed=?0; detail=single-flight-timeout",
            ),
            (waited(None, None, false), "edgememo; fwd=miss; collapsed=?0; detail=store-scheduled"),
            (stale(Some(503)), "edgememo; fwd=stale; fwd-status=503; detail=stale-if-error"),
            (stale(None), "edgememo; fwd=stale; detail=stale-if-error"),
            (miss(None, None), "edgememo; fwd=miss; detail=store-scheduled"),
            (miss(timeout, None), "edgememo; fwd=miss; detail=redis-timeout"),
            (miss(None, Some(NotStored::TtlZero)), "edgememo; fwd=miss; detail=ttl-zero"),
            (miss(None, Some(NotStored::Failed)), "edgememo; fwd=miss"),
            (miss(None, Some(NotStored::FallenBack)), "edgememo; fwd=miss; detail=fallback"),
            (CacheReport::NotReached, "edgememo; fwd=bypass"),
            (CacheReport::NoCacheConfig, "edgememo; fwd=bypass; detail=no-cache-config"),
            (CacheReport::CachingDisabled, "edgememo; fwd=bypass; detail=caching-disabled"),
            (CacheReport::NoKey("lone-surrogate"), "edgememo; fwd=bypass; detail=lone-surrogate"),
        ] {
            assert_eq!(cache_status(&report, false), value);
        }
    }

    #[test]
    fn a_key_cannot_leave_its_quotes() {
        let key = "a\"; hit\\ é%\n".to_owned();
        let hit = CacheReport::Hit { key, age: None, stale_for: None };
        let value = cache_status(&hit, true);
        assert_eq!(value, r#"edgememo; hit; key="a%22;%20hit%5C%20%C3%A9%25%0A""#);
    }
}
