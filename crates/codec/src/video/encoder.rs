//! Encoding of I420 pictures.

use super::config::Config;
use super::layout::Layout;
use super::picture::Colours;
use super::{Canvas, Codec, I420};
use crate::ff::{self, named, taken};
use crate::{Error, Result};
use bytes::Bytes;
use ffmpeg_next::{codec, encoder, frame, picture};

/// One encoded picture. H.264 and H.265 are Annex B with the parameter sets in every key frame; AV1 is a temporal unit
/// that begins with its temporal delimiter.
#[derive(Debug, Clone)]
pub struct Packet {
    pub data: Bytes,
    pub key: bool,
    /// As given to [`Encoder::encode`].
    pub pts: i64,
    /// Decoding order, same unit; differs from `pts` only with B-frames.
    pub dts: i64,
}

/// Whether FFmpeg here has an encoder of that name for the codec. Whether it can be opened is another question.
pub fn has_encoder(name: &str, codec: Codec) -> bool {
    ffmpeg_next::encoder::find_by_name(name).is_some_and(|found| found.id() == codec.id())
}

/// Encodes pictures of one size.
pub struct Encoder {
    inner: encoder::Video,
    size: (u32, u32),
    layout: Layout,
    /// What pictures are copied to; canvases need none.
    frame: Option<frame::Video>,
}

impl Encoder {
    /// Opens the encoder.
    pub fn new(config: &Config) -> Result<Encoder> {
        config.check()?;
        let mut context = ff::encoder_context(config.encoder_name())?;
        let layout = config.input_layout(&context)?;
        // x264's own default, which setting any other flag would drop: key frames nothing refers across.
        context.set_flags(codec::Flags::CLOSED_GOP);
        context.set_threading(codec::threading::Config {
            count: config.threads.max(1) as usize,
            ..codec::threading::Config::default()
        });
        let mut opening = context.encoder().video().map_err(named("open video encoder"))?;
        opening.set_width(config.width);
        opening.set_height(config.height);
        opening.set_format(layout.pixel());
        opening.set_time_base((config.fps.1 as i32, config.fps.0 as i32));
        opening.set_frame_rate(Some((config.fps.0 as i32, config.fps.1 as i32)));
        opening.set_gop(config.gop);
        // x264 and x265 take a bit rate before a quality; libvpx and libaom keep the quality within it.
        let h26x = matches!(config.codec, Codec::H264 | Codec::H265);
        let by_quality = h26x && config.quality.is_some();
        opening.set_bit_rate(if by_quality { 0 } else { config.bitrate as usize });
        opening.set_max_bit_rate(config.bitrate as usize);
        opening.set_max_b_frames(config.b_frames as usize);
        if config.codec != Codec::Vp8 {
            say_colours(&mut opening, config.colours);
        }
        let buffer = u64::from(config.bitrate) * u64::from(config.buffer_ms) / 1000;
        // SAFETY: writes plain fields of an owned context that is not open yet.
        unsafe {
            let raw = opening.as_mut_ptr();
            (*raw).rc_buffer_size = i32::try_from(buffer).unwrap_or(i32::MAX);
            (*raw).keyint_min = config.gop as i32;
        }
        let inner = opening
            .open_with(config.options())
            .map_err(|error| Error::Argument(format!("{} cannot be opened: {error}", config.encoder_name())))?;
        Ok(Encoder { inner, size: (config.width, config.height), layout, frame: None })
    }

    /// Encodes one picture, as a key frame when `key`. `pts` counts frames and only grows. Gives the packets that are
    /// ready.
    pub fn encode(&mut self, picture: &I420<'_>, pts: i64, key: bool) -> Result<Vec<Packet>> {
        if (picture.width, picture.height) != self.size || !picture.is_whole() {
            return Err(Error::Argument("the picture has not the encoder's size".into()));
        }
        let frame = match &mut self.frame {
            Some(frame) => frame,
            none => none.insert(ff::picture_frame(self.layout.pixel(), picture.width, picture.height)?),
        };
        ff::make_writable(frame)?;
        self.layout.copy(picture, frame);
        send(&mut self.inner, frame, pts, key)?;
        self.packets()
    }

    /// Encodes what is on a canvas, like [`Encoder::encode`], but hands its memory over instead of copying it. An
    /// encoder that wants to keep it (none does without look-ahead) keeps it, and the canvas gets a copy to go on with.
    /// Encoders of hardware get a copy.
    pub fn encode_canvas(&mut self, canvas: &mut Canvas, pts: i64, key: bool) -> Result<Vec<Packet>> {
        if (canvas.width(), canvas.height()) != self.size {
            return Err(Error::Argument("the canvas has not the encoder's size".into()));
        }
        if self.layout != Layout::I420 {
            return self.encode(&canvas.view(), pts, key);
        }
        let sent = send(&mut self.inner, &mut canvas.frame, pts, key);
        let packets = sent.and_then(|()| self.packets());
        canvas.take_back();
        packets
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

fn say_colours(opening: &mut encoder::video::Video, colours: Colours) {
    opening.set_color_range(colours.range);
    opening.set_colorspace(colours.space);
    opening.set_color_primaries(colours.primaries);
    opening.set_color_transfer_characteristic(colours.transfer);
}

fn send(encoder: &mut encoder::Video, frame: &mut frame::Video, pts: i64, key: bool) -> Result<()> {
    frame.set_pts(Some(pts));
    frame.set_kind(if key { picture::Type::I } else { picture::Type::None });
    encoder.send_frame(frame).map_err(named("encode video"))
}
