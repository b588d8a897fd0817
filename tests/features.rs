//! A dependency's features are those that any crate of a build asks for. With serde_json's they
//! change what its values hold, and in which order: so no key may be made from them.
//!
//! The fuzz targets are built with those features on, and compare keys with the reference.

use std::fs;
use std::path::{Path, PathBuf};

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| sources(&entry.unwrap().path(), found));
    } else {
        found.push(path.to_owned());
    }
}

#[test]
fn what_makes_keys_and_values_does_not_know_serde_json() {
    let mut found = Vec::new();
    for part in ["json", "key", "codec.rs"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(part), &mut found);
    }
    assert!(found.len() > 5, "{found:?}");
    for path in found {
        // The module's comment says why it is not used.
        let text = fs::read_to_string(&path).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let using: Vec<_> = code.filter(|line| line.contains("serde_json")).collect();
        assert!(using.is_empty(), "{}: {using:?}", path.display());
    }
}
