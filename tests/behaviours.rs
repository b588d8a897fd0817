//! `docs/dynamiq.md` says of every recorded behaviour of Dynamiq what the edge does, and names tests
//! that exist.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use serde::Deserialize;

const VERDICTS: [&str; 4] = ["same", "better", "differs", "not here"];

#[derive(Deserialize)]
struct Behaviour {
    id: String,
}

/// A row of the tables of behaviours.
struct Row {
    id: String,
    verdict: String,
    how: String,
    tests: Vec<String>,
}

fn read(path: &str) -> io::Result<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}

/// The rows whose first cell is an id; None where one does not have four cells.
fn rows() -> io::Result<Option<Vec<Row>>> {
    let document = read("docs/dynamiq.md")?;
    let tables = document.split_once("\n## Behaviour by behaviour\n").map(|(_, tables)| tables);
    let rows = tables.unwrap_or_default().lines().filter(|line| line.starts_with("| `"));
    Ok(rows.map(row).collect())
}

fn row(line: &str) -> Option<Row> {
    let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let cells: Vec<_> = line.split(" | ").map(str::trim).collect();
    let &[id, verdict, how, tests] = cells.as_slice() else { return None };
    Some(Row {
        id: id.trim_matches('`').to_owned(),
        verdict: verdict.to_owned(),
        how: how.to_owned(),
        tests: tests.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
    })
}

/// Every source that may hold a test, one after the other.
fn sources(folder: &Path) -> io::Result<String> {
    let mut sources = String::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            sources.push_str(&self::sources(&path)?);
        } else if name.ends_with(".rs") || name.ends_with(".test.mjs") {
            sources.push_str(&fs::read_to_string(&path)?);
        }
    }
    Ok(sources)
}

#[test]
fn every_behaviour_has_a_row_and_every_row_a_behaviour() {
    let text = read("tests/vectors/dynamiq-behaviours.json").unwrap();
    let recorded: Vec<Behaviour> = serde_json::from_str(&text).unwrap();
    let recorded: BTreeSet<_> = recorded.into_iter().map(|behaviour| behaviour.id).collect();
    let rows = rows().unwrap().expect("a row does not have four cells");
    let told: BTreeSet<_> = rows.iter().map(|row| row.id.clone()).collect();
    assert_eq!(rows.len(), told.len(), "an id has two rows");
    let missing: Vec<_> = recorded.difference(&told).collect();
    let unknown: Vec<_> = told.difference(&recorded).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing {missing:?}, unknown {unknown:?}");
}

#[test]
fn every_row_says_what_the_edge_does_and_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources(&root.join("src")).unwrap() + &sources(&root.join("tests")).unwrap();
    let mut missing = Vec::new();
    for Row { id, verdict, how, tests } in rows().unwrap().expect("a row does not have four cells")
    {
        assert!(VERDICTS.contains(&verdict.as_str()), "{id}: {verdict}");
        assert!(how.len() > 10, "{id} does not say how");
        assert!(!tests.is_empty(), "{id} names no test");
        for test in tests {
            // One in Rust by its name, one in JavaScript by its title or the constant part of it.
            let exists = match test.contains(' ') {
                true => sources.contains(&test),
                false => sources.contains(&format!("fn {test}(")),
            };
            if !exists {
                missing.push(format!("{id}: {test}"));
            }
        }
    }
    assert!(missing.is_empty(), "docs/dynamiq.md names tests that do not exist: {missing:#?}");
}
