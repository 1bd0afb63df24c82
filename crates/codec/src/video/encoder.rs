//! Encoding of I420 pictures: libx264, libvpx and libaom, set up for live use.

use super::{Codec, I420};
use crate::ff::{self, named, taken};
use crate::{Error, Result};
use bytes::Bytes;
use ffmpeg_next::{Dictionary, codec, encoder, format, frame, picture};

/// H.264 profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Constrained baseline: what every WebRTC peer decodes.
    Baseline,
    Main,
    High,
}

/// What an encoder is asked for. Start from [`Config::live`] and change fields.
#[derive(Debug, Clone)]
pub struct Config {
    pub codec: Codec,
    /// Pixels, both even.
    pub width: u32,
    pub height: u32,
    /// Frames per second, as a fraction; time stamps count these frames.
    pub fps: (u32, u32),
    /// Bit/s, also the ceiling over one second.
    pub bitrate: u32,
    /// Frames from one key frame to the next; no others are made unless asked for.
    pub gop: u32,
    /// H.264 only.
    pub profile: Profile,
    /// H.264 only: x264's preset, `ultrafast` to `placebo`.
    pub preset: &'static str,
    /// H.264 only: no look-ahead, every picture comes out at once.
    pub zero_latency: bool,
    /// H.264 only: most B-frames in a row. Needs main or high profile and no `zero_latency`.
    pub b_frames: u32,
    /// 1 encodes in the caller's thread.
    pub threads: u32,
}

impl Config {
    /// One thread, no B-frames, no delay, baseline.
    pub fn live(codec: Codec, width: u32, height: u32, fps: u32, bitrate: u32, gop: u32) -> Config {
        let fps = (fps, 1);
        let (profile, preset) = (Profile::Baseline, "veryfast");
        let (zero_latency, b_frames, threads) = (true, 0, 1);
        Config { codec, width, height, fps, bitrate, gop, profile, preset, zero_latency, b_frames, threads }
    }
}

/// One encoded picture. H.264 is Annex B with the parameter sets in every key frame; AV1 is a temporal unit that begins
/// with its temporal delimiter.
#[derive(Debug, Clone)]
pub struct Packet {
    pub data: Bytes,
    pub key: bool,
    /// As given to [`Encoder::encode`].
    pub pts: i64,
    /// Decoding order, same unit; differs from `pts` only with B-frames.
    pub dts: i64,
}

/// Encodes pictures of one size.
pub struct Encoder {
    inner: encoder::Video,
    frame: frame::Video,
}

impl Encoder {
    /// Opens the encoder.
    pub fn new(config: &Config) -> Result<Encoder> {
        check(config)?;
        let name = match config.codec {
            Codec::H264 => "libx264",
            Codec::Vp8 => "libvpx",
            Codec::Vp9 => "libvpx-vp9",
            Codec::Av1 => "libaom-av1",
        };
        let mut context = ff::encoder_context(name)?;
        // x264's own default, which setting any other flag would drop: key frames nothing refers across.
        context.set_flags(codec::Flags::CLOSED_GOP);
        context.set_threading(codec::threading::Config {
            count: config.threads.max(1) as usize,
            ..codec::threading::Config::default()
        });
        let mut opening = context.encoder().video().map_err(named("open video encoder"))?;
        opening.set_width(config.width);
        opening.set_height(config.height);
        opening.set_format(format::Pixel::YUV420P);
        opening.set_time_base((config.fps.1 as i32, config.fps.0 as i32));
        opening.set_frame_rate(Some((config.fps.0 as i32, config.fps.1 as i32)));
        opening.set_gop(config.gop);
        opening.set_bit_rate(config.bitrate as usize);
        opening.set_max_bit_rate(config.bitrate as usize);
        opening.set_max_b_frames(config.b_frames as usize);
        // SAFETY: writes plain fields of an owned context that is not open yet.
        unsafe {
            let raw = opening.as_mut_ptr();
            (*raw).rc_buffer_size = config.bitrate as i32;
            (*raw).keyint_min = config.gop as i32;
        }
        let inner = opening.open_with(options(config)).map_err(named("open video encoder"))?;
        let frame = ff::i420_frame(config.width, config.height)?;
        Ok(Encoder { inner, frame })
    }

    /// Encodes one picture, as a key frame when `key`. `pts` counts frames and only grows. Gives the packets that are
    /// ready.
    pub fn encode(&mut self, picture: &I420<'_>, pts: i64, key: bool) -> Result<Vec<Packet>> {
        if (picture.width, picture.height) != (self.frame.width(), self.frame.height()) || !picture.is_whole() {
            return Err(Error::Argument("the picture has not the encoder's size".into()));
        }
        ff::make_writable(&mut self.frame)?;
        for plane in 0..3 {
            let stride = self.frame.stride(plane);
            let rows = self.frame.data_mut(plane).chunks_mut(stride);
            for (row, to) in rows.enumerate().take(picture.plane_size(plane).1) {
                let from = picture.row(plane, row);
                to[..from.len()].copy_from_slice(from);
            }
        }
        self.frame.set_pts(Some(pts));
        self.frame.set_kind(if key { picture::Type::I } else { picture::Type::None });
        self.inner.send_frame(&self.frame).map_err(named("encode video"))?;
        self.packets()
    }

    /// Gives the packets still inside. The encoder is used up.
    pub fn finish(mut self) -> Result<Vec<Packet>> {
        self.inner.send_eof().map_err(named("finish video"))?;
        self.packets()
    }

    fn packets(&mut self) -> Result<Vec<Packet>> {
        let mut out = Vec::new();
        let mut packet = ffmpeg_next::Packet::empty();
        while taken("encode video", self.inner.receive_packet(&mut packet))?.is_some() {
            let Some(data) = packet.data() else { continue };
            let pts = packet.pts().unwrap_or_default();
            let dts = packet.dts().unwrap_or(pts);
            out.push(Packet { data: Bytes::copy_from_slice(data), key: packet.is_key(), pts, dts });
        }
        Ok(out)
    }
}

fn check(config: &Config) -> Result<()> {
    let sizes_ok = [config.width, config.height].iter().all(|side| (2..=8192).contains(side) && side % 2 == 0);
    let rates_ok = [config.fps.0, config.fps.1, config.bitrate, config.gop].iter().all(|&n| n > 0 && n < 1 << 30);
    if sizes_ok && rates_ok {
        return Ok(());
    }
    Err(Error::Argument(format!("no encoder takes {config:?}: sides are even, 2 to 8192; rates are positive")))
}

fn options(config: &Config) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    let list: &[(&str, &str)] = match config.codec {
        Codec::H264 => {
            options.set("preset", config.preset);
            if config.zero_latency {
                options.set("tune", "zerolatency");
            }
            options.set(
                "profile",
                match config.profile {
                    Profile::Baseline => "baseline",
                    Profile::Main => "main",
                    Profile::High => "high",
                },
            );
            // A flash is no reason for a key frame; a key frame that is asked for is an IDR frame.
            &[("sc_threshold", "0"), ("forced-idr", "1")]
        }
        Codec::Vp8 => &[("deadline", "realtime"), ("cpu-used", "8"), ("lag-in-frames", "0"), ("auto-alt-ref", "0")],
        Codec::Vp9 => &[
            ("deadline", "realtime"),
            ("cpu-used", "8"),
            ("lag-in-frames", "0"),
            ("auto-alt-ref", "0"),
            ("row-mt", "1"),
        ],
        Codec::Av1 => &[("usage", "realtime"), ("cpu-used", "8"), ("lag-in-frames", "0"), ("row-mt", "1")],
    };
    list.iter().for_each(|(key, value)| options.set(key, value));
    options
}
