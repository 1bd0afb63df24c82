#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rtc::fuzzing::sdp(data));
