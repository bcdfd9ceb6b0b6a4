//! The fuzz body of raw TCP on stable Rust: its steps are random bytes.

use ginnel_proto::fuzz_rawtcp::rawtcp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;
use std::time::Instant;

#[test]
fn the_body_holds() {
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&vec(any::<u8>(), 0..2000), |data| {
        rawtcp(Instant::now(), &data);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn the_body_is_a_target_of_the_fuzzer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let target = std::fs::read_to_string(folder.join("fuzz_targets/rawtcp.rs")).expect("the target");
    assert!(target.contains("rawtcp(Instant::now(), data)"));
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("the fuzz folder");
    assert!(manifest.contains("name = \"rawtcp\""));
}
