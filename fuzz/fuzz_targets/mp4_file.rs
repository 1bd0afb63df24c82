#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    media::mp4::fuzzing::any_file(data);
    let mut sealed = data.to_vec();
    media::mp4::fuzzing::seal_again(&mut sealed);
    media::mp4::fuzzing::any_file(&sealed);
});
