//! The package's functions, and what they are compared with, in one wasm module.

// Brings in the functions that the feature `js` exports.
use edgememo as _;
use edgememo::json::{Dialect, Document};
use edgememo::key::{Scheme, canonicalize};
use sha2::{Digest, Sha256};
use wasm_bindgen::prelude::wasm_bindgen;

/// SHA-256 alone, over the text as it is.
#[wasm_bindgen]
pub fn sha256(text: &str) -> Vec<u8> {
    Sha256::digest(text).to_vec()
}

/// What crossing into wasm costs.
#[wasm_bindgen]
pub fn cross(text: &str) -> usize {
    text.len()
}

/// Parsing alone.
#[wasm_bindgen]
pub fn parse(text: &str) -> bool {
    Document::parse(text, Dialect::PYTHON).is_ok_and(|document| document.root().is_object())
}

/// Parsing, and writing into a text instead of a hash.
#[wasm_bindgen]
pub fn spell(text: &str) -> usize {
    Document::parse(text, Dialect::PYTHON)
        .ok()
        .and_then(|document| canonicalize(document.root(), Scheme::Dynamiq).ok())
        .map_or(0, |text| text.len())
}
