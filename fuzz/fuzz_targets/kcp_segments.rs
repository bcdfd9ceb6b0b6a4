#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ginnel_proto::fuzz_kcp_segments::kcp_segments(data));
