//! Links libopus, whose decoder is called directly. FFmpeg's libraries are linked by `ffmpeg-sys-next`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Err(why) = pkg_config::Config::new().atleast_version("1.3").probe("opus") {
        panic!("libopus is missing (Debian: libopus-dev): {why}");
    }
}
