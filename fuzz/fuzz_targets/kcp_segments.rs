#![no_main]

use ginnel_proto::fuzz_kcp_segments::kcp_segments;
use std::time::Instant;

libfuzzer_sys::fuzz_target!(|data: &[u8]| kcp_segments(Instant::now(), data));
