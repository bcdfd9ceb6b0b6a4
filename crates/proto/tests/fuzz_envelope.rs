//! The envelope's fuzz bodies on stable Rust: random bytes, and the golden vectors with damage.

mod vectors;

use ginnel_proto::fuzz::Body;
use ginnel_proto::fuzz_envelope::BODIES;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use std::path::Path;

/// Everything in the vectors that is bytes, whatever its name: messages, keys, blocks, payloads.
fn seeds() -> Vec<Vec<u8>> {
    fn collect(value: &Value, seeds: &mut Vec<Vec<u8>>) {
        match value {
            Value::Object(fields) => fields.values().for_each(|value| collect(value, seeds)),
            Value::Array(values) => values.iter().for_each(|value| collect(value, seeds)),
            Value::String(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                seeds.push(vectors::hex(digits));
            }
            _ => {}
        }
    }
    let mut seeds = Vec::new();
    collect(&vectors::load("envelope.json"), &mut seeds);
    assert!(seeds.len() > 80);
    // The plain forms of a header block and of padding, which stand nowhere in the clear.
    seeds.push([&[1, 2, 3, 4, 0, 0, 0, 0, 0, 9, 0x11][..], &[0; 5]].concat());
    seeds.push([&[2][..], b"payload", &[0; 6], &[0, 6]].concat());
    seeds.push([&[3][..], b"payload", &[0xff, 0xff]].concat());
    let keys = format!("{} {} {}", "0f".repeat(32), "f0".repeat(32), "a5".repeat(16));
    seeds.push(format!("GINNEL_KEYS client 00000001 00000002 aes-128-gcm 3 {keys}").into_bytes());
    seeds
}

fn damaged(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), any::<u8>()), 0..3);
    let behind = vec(any::<u8>(), 0..20);
    let cut = prop_oneof![3 => Just(None), 1 => any::<Index>().prop_map(Some)];
    (any::<Option<u8>>(), select(seeds), changes, behind, cut).prop_map(|(first, mut data, changes, behind, cut)| {
        for (at, byte) in changes {
            if !data.is_empty() {
                let at = at.index(data.len());
                data[at] = byte;
            }
        }
        if let Some(cut) = cut {
            data.truncate(cut.index(data.len() + 1));
        }
        data.splice(0..0, first);
        data.extend(behind);
        data
    })
}

fn run(name: &str, body: Body) {
    // Each of these makes Noise handshakes.
    let cases = if matches!(name, "envelope_answer" | "envelope_dissect" | "envelope_request") { 500 } else { 10_000 };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let inputs = prop_oneof![1 => vec(any::<u8>(), 0..1600), 4 => damaged(seeds())];
    let outcome = TestRunner::new(config).run(&inputs, |data| {
        body(&data);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{name}: {failure}");
    }
}

#[test]
fn every_body_holds() {
    for (name, body) in BODIES {
        run(name, *body);
    }
}

#[test]
fn every_vector_passes_through_every_body() {
    for (_, body) in BODIES {
        seeds().iter().for_each(|seed| body(seed));
    }
}

#[test]
fn every_body_is_a_target_of_the_fuzzer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("the fuzz folder");
    for (name, _) in BODIES {
        let file = folder.join(format!("fuzz_targets/{name}.rs"));
        let source = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{} is missing", file.display()));
        assert!(source.contains(&format!("fuzz_envelope::{name}(")), "{} calls another body", file.display());
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml lacks {name}");
    }
}
