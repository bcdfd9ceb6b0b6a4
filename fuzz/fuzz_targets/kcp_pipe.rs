#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ginnel_proto::fuzz_kcp::kcp_pipe(std::time::Instant::now(), data));
