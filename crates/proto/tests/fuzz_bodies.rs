//! The fuzz bodies on stable Rust: random bytes, and golden vectors with random damage, which get further.

mod vectors;

use std::path::Path;

use ginnel_proto::fuzz::{self, Body};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

/// All golden vectors that are hexadecimal bytes; a list, the messages of one client, counts as one.
fn seeds() -> Vec<Vec<u8>> {
    fn collect(value: &Value, seeds: &mut Vec<Vec<u8>>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match (key.as_str(), value) {
                        ("bytes", Value::String(digits)) => seeds.push(vectors::hex(digits)),
                        ("client", Value::Array(parts)) => {
                            let parts = parts.iter().filter_map(Value::as_str);
                            seeds.push(parts.flat_map(vectors::hex).collect());
                        }
                        ("text", Value::String(text)) => seeds.push(text.clone().into_bytes()),
                        _ => collect(value, seeds),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, seeds)),
            _ => {}
        }
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut seeds = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the vectors' directory") {
        let name = entry.expect("a file").file_name().into_string().expect("a plain name");
        if name.ends_with(".json") {
            collect(&vectors::load(&name), &mut seeds);
        }
    }
    assert!(seeds.len() > 100);
    seeds
}

/// A seed behind a random first byte, which tells a body how to cut, with a few bytes changed and some appended.
fn damaged(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), any::<u8>()), 0..3);
    let behind = vec(any::<u8>(), 0..20);
    (any::<Option<u8>>(), select(seeds), changes, behind).prop_map(|(first, mut data, changes, behind)| {
        for (at, byte) in changes {
            if !data.is_empty() {
                let at = at.index(data.len());
                data[at] = byte;
            }
        }
        data.splice(0..0, first);
        data.extend(behind);
        data
    })
}

fn run(body: Body) {
    let config = Config { cases: 20_000, failure_persistence: None, ..Config::default() };
    let inputs = prop_oneof![1 => vec(any::<u8>(), 0..600), 4 => damaged(seeds())];
    let outcome = TestRunner::new(config).run(&inputs, |data| {
        body(&data);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn every_body_holds() {
    for (name, body) in fuzz::BODIES {
        println!("{name}");
        run(*body);
    }
}

#[test]
fn every_body_is_a_target_of_the_fuzzer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("the fuzz folder");
    for (name, _) in fuzz::BODIES {
        let file = folder.join(format!("fuzz_targets/{name}.rs"));
        let source = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{} is missing", file.display()));
        assert!(source.contains(&format!("fuzz::{name}(")), "{} calls another body", file.display());
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml lacks {name}");
    }
}
