//! The fuzz bodies of the KCP session on stable Rust: random bytes, and pipes with damage.

use ginnel_proto::fuzz_kcp::{BODIES, Body};
use ginnel_proto::session::kcp::mux::frame::Frame;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;
use std::time::Instant;

/// A frame of a few streams, with its data.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    (0u8..8, 1u32..9, any::<u16>(), 0u16..200).prop_map(|(which, stream, value, length)| {
        let frame = match which {
            0 => Frame::Syn(stream),
            1 => Frame::Fin(stream),
            2 => Frame::Psh(stream, length + 1),
            3 => Frame::Nop,
            4 => Frame::Upd(stream, 0, value.into()),
            5 => Frame::Rst(stream, value.into()),
            6 => Frame::Stp(stream, value.into()),
            _ => Frame::Grt(value.into()),
        };
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        if let Frame::Psh(_, length) = frame {
            bytes.resize(bytes.len() + usize::from(length), 7);
        }
        bytes
    })
}

/// A pipe behind a random first byte, which tells a body how to cut, with a few bytes changed.
fn pipe() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop_oneof![2 => Just(vec![]), 1 => vec((any::<Index>(), any::<u8>()), 0..3)];
    (any::<Option<u8>>(), vec(frame(), 0..30), changes).prop_map(|(first, frames, changes)| {
        let mut data = frames.concat();
        for (at, byte) in changes {
            if !data.is_empty() {
                let at = at.index(data.len());
                data[at] = byte;
            }
        }
        data.splice(0..0, first);
        data
    })
}

/// Four bytes for each step, of a few streams.
fn steps() -> impl Strategy<Value = Vec<u8>> {
    let step =
        (any::<u8>(), 0u8..9, any::<[u8; 2]>()).prop_map(|(what, stream, [low, high])| [what, stream, low, high]);
    vec(step, 0..100).prop_map(|steps| steps.concat())
}

fn run(name: &str, body: Body) {
    let config = Config { cases: 10_000, failure_persistence: None, ..Config::default() };
    let inputs = prop_oneof![1 => vec(any::<u8>(), 0..600), 3 => pipe(), 3 => steps()];
    let now = Instant::now();
    let outcome = TestRunner::new(config).run(&inputs, |data| {
        body(now, &data);
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
fn every_body_is_a_target_of_the_fuzzer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("the fuzz folder");
    for (name, _) in BODIES {
        let file = folder.join(format!("fuzz_targets/{name}.rs"));
        let source = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{} is missing", file.display()));
        assert!(source.contains(&format!("fuzz_kcp::{name}(")), "{} calls another body", file.display());
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml lacks {name}");
    }
}
