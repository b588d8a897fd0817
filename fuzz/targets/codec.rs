#![no_main]

#[path = "../checks/codec.rs"]
mod check;
#[path = "../../tests/reference/mod.rs"]
#[allow(dead_code)]
mod reference;
#[path = "../../tests/subject/mod.rs"]
#[allow(dead_code)]
mod subject;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::run(data));
