#![no_main]

use ginnel_proto::fuzz_rawtcp::rawtcp;
use std::time::Instant;

libfuzzer_sys::fuzz_target!(|data: &[u8]| rawtcp(Instant::now(), data));
