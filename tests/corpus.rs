//! The corpora of the fuzz targets, run through the same checks on any compiler.

#[path = "../fuzz/checks/codec.rs"]
mod codec;
#[path = "../fuzz/checks/key.rs"]
mod key;
mod reference;
#[path = "../fuzz/checks/serde_json.rs"]
mod serde_json_agreement;
mod subject;

use std::fs;
use std::path::Path;

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "{} has only {} files", folder.display(), paths.len());
    // What is wrong with each is printed as it fails.
    let failed: Vec<_> = paths
        .into_iter()
        .filter(|path| {
            let data = fs::read(path).unwrap();
            std::panic::catch_unwind(|| check(&data)).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn keys() {
    replay("key", key::run);
}

#[test]
fn stored_values() {
    replay("codec", codec::run);
}

#[test]
fn agreement_with_serde_json() {
    replay("serde_json", serde_json_agreement::run);
}
