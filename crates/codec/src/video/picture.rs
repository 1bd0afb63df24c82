//! Pictures in memory: borrowed planes for input, a decoder's picture for output, and conversion of anything to I420.

use super::draw::over_255;
use crate::ff::{self, named};
use crate::{Error, Result};
use ffmpeg_next::{color, format, frame, software::scaling};

/// Borrowed I420 planes. The chroma planes are `width.div_ceil(2)` by `height.div_ceil(2)`.
#[derive(Clone, Copy)]
pub struct I420<'a> {
    pub width: u32,
    pub height: u32,
    /// Y, U, V; row r of plane p begins at `r * strides[p]`. The last row may end at its last pixel.
    pub planes: [&'a [u8]; 3],
    /// Bytes from one row to the next.
    pub strides: [usize; 3],
    /// Levels go from 0 to 255, and not from 16 to 235 and 240. What draws or encodes it changes them to these.
    pub full_range: bool,
}

impl<'a> I420<'a> {
    /// Planes one after the other without gaps, as in a raw `.yuv` file. `None` when `data` is too short.
    pub fn packed(data: &'a [u8], width: u32, height: u32) -> Option<I420<'a>> {
        let (luma, chroma) = (width as usize, width.div_ceil(2) as usize);
        let (y, u) = (luma * height as usize, chroma * height.div_ceil(2) as usize);
        if data.len() < y + 2 * u {
            return None;
        }
        let planes = [&data[..y], &data[y..y + u], &data[y + u..y + 2 * u]];
        Some(I420 { width, height, planes, strides: [luma, chroma, chroma], full_range: false })
    }

    /// Width and height of a plane.
    pub fn plane_size(&self, plane: usize) -> (usize, usize) {
        match plane {
            0 => (self.width as usize, self.height as usize),
            _ => (self.width.div_ceil(2) as usize, self.height.div_ceil(2) as usize),
        }
    }

    /// One row of a plane, without what lies between the rows.
    pub fn row(&self, plane: usize, row: usize) -> &'a [u8] {
        let start = row * self.strides[plane];
        &self.planes[plane][start..start + self.plane_size(plane).0]
    }

    /// True when every row lies inside its plane.
    pub(crate) fn is_whole(&self) -> bool {
        (0..3).all(|plane| {
            let (width, height) = self.plane_size(plane);
            let needed = (height.max(1) - 1).saturating_mul(self.strides[plane]).saturating_add(width);
            self.strides[plane] >= width && self.planes[plane].len() >= needed
        })
    }
}

/// What a stream says about its colours, or leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours {
    pub(super) range: color::Range,
    pub(super) space: color::Space,
    pub(super) primaries: color::Primaries,
    pub(super) transfer: color::TransferCharacteristic,
}

impl Colours {
    /// Those of calls, and of [`super::rgb_to_yuv`]: BT.601, limited range. Players take large pictures that do not say it
    /// for BT.709. VP8 is BT.601 by definition.
    pub const CALL: Colours = Colours {
        range: color::Range::MPEG,
        space: color::Space::SMPTE170M,
        primaries: color::Primaries::SMPTE170M,
        transfer: color::TransferCharacteristic::SMPTE170M,
    };

    /// The same, of the limited range that pictures have on a [`super::Canvas`].
    pub fn limited(self) -> Colours {
        Colours { range: color::Range::MPEG, ..self }
    }

    fn of(frame: &frame::Video) -> Colours {
        Colours {
            range: frame.color_range(),
            space: frame.color_space(),
            primaries: frame.color_primaries(),
            transfer: frame.color_transfer_characteristic(),
        }
    }
}

/// A decoded picture, I420. It owns its memory and can be sent to another thread.
pub struct Picture {
    pub(super) frame: frame::Video,
    pub(super) colours: Colours,
    /// The time stamp its packet had; `None` when it had none.
    pub pts: Option<i64>,
    /// True when the decoder says that parts of it are wrong or missing.
    pub damaged: bool,
    /// See [`I420`].
    pub(super) full_range: bool,
}

impl Picture {
    /// The planes.
    pub fn view(&self) -> I420<'_> {
        I420 { full_range: self.full_range, ..view(&self.frame) }
    }

    /// What its stream says about its colours.
    pub fn colours(&self) -> Colours {
        self.colours
    }

    /// Turns full range into limited range.
    pub(crate) fn narrow_range(&mut self) -> Result<()> {
        if std::mem::take(&mut self.full_range) {
            ff::make_writable(&mut self.frame)?;
            (0..3).for_each(|plane| narrow(self.frame.data_mut(plane), plane));
        }
        Ok(())
    }
}

/// Turns full range (0 to 255) into limited range (16 to 235, chroma 16 to 240).
pub(super) fn narrow(pixels: &mut [u8], plane: usize) {
    if plane == 0 {
        pixels.iter_mut().for_each(|level| *level = (over_255(u16::from(*level) * 219) + 16) as u8);
    } else {
        // Around 128.
        pixels.iter_mut().for_each(|level| *level = over_255(u16::from(*level) * 224 + 128 * (255 - 224)) as u8);
    }
}

/// The planes of a frame that is I420.
pub(super) fn view(frame: &frame::Video) -> I420<'_> {
    let strides = [0, 1, 2].map(|plane| frame.stride(plane));
    let planes = [0, 1, 2].map(|plane| frame.data(plane));
    I420 { width: frame.width(), height: frame.height(), planes, strides, full_range: false }
}

/// Turns a decoder's frames into pictures: as they are when they are I420, else through swscale.
#[derive(Default)]
pub(crate) struct Converter {
    scaler: Option<scaling::Context>,
}

// SAFETY: an swscale context belongs to whoever holds it and uses no thread-local state; it is never shared.
unsafe impl Send for Converter {}

impl Converter {
    pub(crate) fn picture(&mut self, frame: frame::Video) -> Result<Picture> {
        let (pts, colours) = (frame.timestamp(), Colours::of(&frame));
        let damaged = frame.is_corrupt() || frame.has_decode_errors();
        if (0..3).any(|plane| plane < frame.planes() && negative_stride(&frame, plane)) {
            return Err(Error::Argument("pictures stored upside down are not supported".into()));
        }
        let (kind, full_range) = (frame.format(), is_full_range(&frame));
        if matches!(kind, format::Pixel::YUV420P | format::Pixel::YUVJ420P) {
            return Ok(Picture { frame, colours, pts, damaged, full_range });
        }
        let (width, height) = (frame.width(), frame.height());
        let fits = self.scaler.as_ref().is_some_and(|scaler| {
            let input = scaler.input();
            (input.format, input.width, input.height) == (kind, width, height)
        });
        if !fits {
            let flags = scaling::Flags::BILINEAR;
            let target = format::Pixel::YUV420P;
            self.scaler = Some(
                scaling::Context::get(kind, width, height, target, width, height, flags)
                    .map_err(named("sws_getContext"))?,
            );
        }
        let scaler = self.scaler.as_mut().expect("made above when it was missing");
        let mut converted = ff::i420_frame(width, height)?;
        scaler.run(&frame, &mut converted).map_err(named("sws_scale"))?;
        Ok(Picture { frame: converted, colours, pts, damaged, full_range })
    }
}

/// Pictures of full range that are not brought to limited range by the conversion to I420: of the formats that say
/// "full range" themselves, all but I420 are.
fn is_full_range(frame: &frame::Video) -> bool {
    use format::Pixel::{YUV411P, YUV420P, YUV420P10LE, YUV420P12LE, YUV422P, YUV422P10LE, YUV422P12LE};
    use format::Pixel::{YUV440P, YUV444P, YUV444P10LE, YUV444P12LE, YUVJ420P};
    let says_so = frame.color_range() == color::Range::JPEG;
    match frame.format() {
        YUVJ420P => true,
        YUV420P | YUV422P | YUV440P | YUV444P | YUV411P => says_so,
        YUV420P10LE | YUV422P10LE | YUV444P10LE | YUV420P12LE | YUV422P12LE | YUV444P12LE => says_so,
        _ => false,
    }
}

fn negative_stride(frame: &frame::Video, plane: usize) -> bool {
    // SAFETY: reads a plain array field of an owned frame that is not null; the index is below 3 of 8.
    unsafe { (*frame.as_ptr()).linesize[plane] < 0 }
}
