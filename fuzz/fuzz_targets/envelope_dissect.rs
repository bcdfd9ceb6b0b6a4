#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ginnel_proto::fuzz_envelope::envelope_dissect(data));
