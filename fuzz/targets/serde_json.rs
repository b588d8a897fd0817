#![no_main]

#[path = "../checks/serde_json.rs"]
mod check;
#[path = "../../tests/reference/mod.rs"]
#[allow(dead_code)]
mod reference;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::run(data));
