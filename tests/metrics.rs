//! `docs/metrics.md` gives the places of a data point to who writes queries: they are those of the code.

use edgememo::api::facts::{NodeFacts, RunOf};
use edgememo::api::metrics::{blobs, doubles};
use edgememo::node::{Finished, NodeError};

const DOCUMENT: &str = include_str!("../docs/metrics.md");

/// Places and names, as the table has them.
fn documented() -> Vec<(String, String)> {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut words = row.split('`').skip(1).step_by(2).map(str::to_owned);
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    })
    .collect()
}

/// Likewise, as the code has them.
fn coded() -> Vec<(String, String)> {
    let finished = Finished::refused(NodeError::Validation(String::new()));
    let of = RunOf { run_id: "id", workflow: None, caller: "local" };
    let facts = NodeFacts::new(of, "a", &finished, None);
    let (blobs, doubles) =
        (blobs(&facts).map(|(name, _)| name), doubles(&facts).map(|(name, _)| name));
    let named = |kind: &'static str, names: &[&'static str]| -> Vec<(String, String)> {
        (1..)
            .zip(names)
            .map(|(place, name)| (format!("{kind}{place}"), (*name).to_owned()))
            .collect()
    };
    [named("index", &["node"]), named("blob", &blobs), named("double", &doubles)].concat()
}

#[test]
fn the_table_has_the_places_of_the_code_in_their_order() {
    assert_eq!(documented(), coded());
}

#[test]
fn the_queries_use_places_that_there_are_under_their_names() {
    let coded = coded();
    let queries: Vec<_> = DOCUMENT.split("```sql\n").skip(1).collect();
    assert!(queries.len() >= 4);
    for query in queries.iter().filter_map(|query| query.split("```").next()) {
        let words: Vec<_> =
            query.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
        let kinds = ["index", "blob", "double"];
        let is_place = |word: &&str| {
            kinds
                .iter()
                .any(|kind| word.strip_prefix(kind).is_some_and(|rest| rest.parse::<u32>().is_ok()))
        };
        let places: Vec<_> = words.iter().copied().filter(is_place).collect();
        assert!(!places.is_empty(), "{query}");
        for place in places {
            assert!(coded.iter().any(|(coded, _)| coded == place), "{place} in {query}");
        }
    }
}
