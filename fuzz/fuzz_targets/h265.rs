#![no_main]

use media::packet::VideoCodec;

libfuzzer_sys::fuzz_target!(|data: &[u8]| media::fuzzing::depacketize(VideoCodec::H265, data));
