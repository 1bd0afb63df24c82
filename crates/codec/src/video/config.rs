//! What an encoder is asked for, and how each of FFmpeg's encoders is told: libx264, libx265, libvpx, libaom and, by
//! name, those of hardware.

use super::Codec;
use super::layout::Layout;
use super::picture::Colours;
use crate::{Error, Result};
use ffmpeg_next::{Dictionary, codec};

/// H.264 profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Constrained baseline: what every WebRTC peer decodes.
    Baseline,
    Main,
    High,
}

/// What an encoder is asked for. Start from [`Config::live`] or [`Config::recording`] and change fields.
#[derive(Debug, Clone)]
pub struct Config {
    pub codec: Codec,
    /// FFmpeg's name of the encoder, such as `h264_nvenc`; `None` is the usual one of the codec, in software.
    pub encoder: Option<String>,
    /// Pixels; both even in H.264 and H.265.
    pub width: u32,
    pub height: u32,
    /// Frames per second, as a fraction; time stamps count these frames.
    pub fps: (u32, u32),
    /// Bit/s, also the ceiling over the time of `buffer_ms`.
    pub bitrate: u32,
    /// In software only: this quality (the rate factor of x264 and x265, the constrained quality of libvpx and libaom; less
    /// is better) as long as it takes no more than `bitrate`, in place of just that.
    pub quality: Option<u8>,
    /// Over how many milliseconds the bit rate is kept.
    pub buffer_ms: u32,
    /// Frames from one key frame to the next; no others are made unless asked for.
    pub gop: u32,
    /// H.264 only.
    pub profile: Profile,
    /// H.264 and H.265 only: the preset of x264 or x265, `ultrafast` to `placebo`.
    pub preset: &'static str,
    /// H.264 and H.265 only: no look-ahead, every picture comes out at once.
    pub zero_latency: bool,
    /// H.264 only: most B-frames in a row. Needs main or high profile and no `zero_latency`.
    pub b_frames: u32,
    /// 1 encodes in the caller's thread. With more, x264 delays pictures unless there are `sliced_threads`.
    pub threads: u32,
    /// H.264 with several threads and `zero_latency`: each works on a slice of the same picture, which costs bits,
    /// instead of a picture of its own.
    pub sliced_threads: bool,
    /// What the stream says about its colours; VP8 says nothing.
    pub colours: Colours,
}

impl Config {
    /// For a call: one thread, no B-frames, no delay, baseline.
    pub fn live(codec: Codec, width: u32, height: u32, fps: u32, bitrate: u32, gop: u32) -> Config {
        Config {
            codec,
            encoder: None,
            width,
            height,
            fps: (fps, 1),
            bitrate,
            quality: None,
            buffer_ms: 1000,
            gop,
            profile: Profile::Baseline,
            preset: "veryfast",
            zero_latency: true,
            b_frames: 0,
            threads: 1,
            sliced_threads: true,
            colours: Colours::CALL,
        }
    }

    /// For a file that is written while it happens: one thread, no B-frames, no delay, high profile, the bit rate kept
    /// over two seconds.
    pub fn recording(codec: Codec, width: u32, height: u32, fps: u32, bitrate: u32, gop: u32) -> Config {
        let preset = if codec == Codec::H265 { "ultrafast" } else { "veryfast" };
        let live = Config::live(codec, width, height, fps, bitrate, gop);
        Config { profile: Profile::High, preset, buffer_ms: 2000, sliced_threads: false, ..live }
    }

    pub(super) fn encoder_name(&self) -> &str {
        let usual = match self.codec {
            Codec::H264 => "libx264",
            Codec::H265 => "libx265",
            Codec::Vp8 => "libvpx",
            Codec::Vp9 => "libvpx-vp9",
            Codec::Av1 => "libaom-av1",
        };
        self.encoder.as_deref().unwrap_or(usual)
    }

    pub(super) fn check(&self) -> Result<()> {
        let step = if matches!(self.codec, Codec::H264 | Codec::H265) { 2 } else { 1 };
        let sizes_ok = [self.width, self.height].iter().all(|side| (2..=8192).contains(side) && side % step == 0);
        let rates = [self.fps.0, self.fps.1, self.bitrate, self.buffer_ms, self.gop];
        if sizes_ok && rates.iter().all(|&rate| rate > 0 && rate < 1 << 30) {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "no encoder takes {self:?}: sides are 2 to 8192, in H.264 and H.265 even; rates are positive"
        )))
    }

    /// How the encoder found by name wants its pictures, if it makes what is asked for of pictures in memory.
    pub(super) fn input_layout(&self, context: &codec::Context) -> Result<Layout> {
        let name = self.encoder_name();
        let found = context.codec().and_then(|codec| codec.video().ok());
        let Some(found) = found.filter(|found| found.id() == self.codec.id()) else {
            return Err(Error::Argument(format!("{name} is no encoder of {}", self.codec.name())));
        };
        let takes =
            |layout: &Layout| found.formats().is_none_or(|mut formats| formats.any(|format| format == layout.pixel()));
        // Hardware works on NV12, also where it says that it takes both.
        let order = if self.encoder.is_some() { [Layout::Nv12, Layout::I420] } else { [Layout::I420, Layout::Nv12] };
        order.into_iter().find(takes).ok_or_else(|| {
            Error::Argument(format!("{name} takes no I420 or NV12 pictures from memory, which is not supported"))
        })
    }

    /// The encoder's private options.
    pub(super) fn options(&self) -> Dictionary<'static> {
        let mut options = Dictionary::new();
        if let Some(quality) = self.quality {
            options.set("crf", &quality.to_string());
        }
        let list: &[(&str, &str)] = match (&self.encoder, self.codec) {
            // Those of NVENC. Other encoders leave aside what they do not know.
            (Some(name), _) if !name.starts_with("lib") => {
                &[("zerolatency", "1"), ("delay", "0"), ("rc", "cbr"), ("forced-idr", "1"), ("forced_idr", "1")]
            }
            (_, Codec::H264) => {
                options.set("preset", self.preset);
                if self.zero_latency {
                    options.set("tune", "zerolatency");
                    options
                        .set("x264-params", if self.sliced_threads { "sliced-threads=1" } else { "sliced-threads=0" });
                }
                options.set(
                    "profile",
                    match self.profile {
                        Profile::Baseline => "baseline",
                        Profile::Main => "main",
                        Profile::High => "high",
                    },
                );
                // A flash is no reason for a key frame; a key frame that is asked for is an IDR frame.
                &[("sc_threshold", "0"), ("forced-idr", "1")]
            }
            (_, Codec::H265) => {
                options.set("preset", self.preset);
                if self.zero_latency {
                    options.set("tune", "zerolatency");
                }
                options.set("x265-params", &x265_params(self.threads));
                &[("forced-idr", "1")]
            }
            (_, Codec::Vp8) => {
                &[("deadline", "realtime"), ("cpu-used", "8"), ("lag-in-frames", "0"), ("auto-alt-ref", "0")]
            }
            (_, Codec::Vp9) => &[
                ("deadline", "realtime"),
                ("cpu-used", "8"),
                ("lag-in-frames", "0"),
                ("auto-alt-ref", "0"),
                ("row-mt", "1"),
            ],
            (_, Codec::Av1) => &[("usage", "realtime"), ("cpu-used", "8"), ("lag-in-frames", "0"), ("row-mt", "1")],
        };
        list.iter().for_each(|(key, value)| options.set(key, value));
        options
    }
}

/// x265 has its own threads and its own log.
fn x265_params(threads: u32) -> String {
    let pools = if threads > 1 { threads.to_string() } else { "none".into() };
    format!("log-level=none:info=0:scenecut=0:bframes=0:open-gop=0:repeat-headers=1:frame-threads=1:pools={pools}")
}
