//! Pictures in memory: borrowed planes for input, a decoder's picture for output, and conversion of anything to I420.

use crate::ff::{self, named};
use crate::{Error, Result};
use ffmpeg_next::{format, frame, software::scaling};

/// Borrowed I420 planes. The chroma planes are `width.div_ceil(2)` by `height.div_ceil(2)`.
#[derive(Clone, Copy)]
pub struct I420<'a> {
    pub width: u32,
    pub height: u32,
    /// Y, U, V; row r of plane p begins at `r * strides[p]`. The last row may end at its last pixel.
    pub planes: [&'a [u8]; 3],
    /// Bytes from one row to the next.
    pub strides: [usize; 3],
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
        Some(I420 { width, height, planes, strides: [luma, chroma, chroma] })
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

/// A decoded picture, I420. It owns its memory and can be sent to another thread.
pub struct Picture {
    pub(super) frame: frame::Video,
    /// The time stamp its packet had; `None` when it had none.
    pub pts: Option<i64>,
    /// True when the decoder says that parts of it are wrong or missing.
    pub damaged: bool,
}

impl Picture {
    /// The planes.
    pub fn view(&self) -> I420<'_> {
        view(&self.frame)
    }

    /// Turns full range (0 to 255) into limited range (16 to 235, chroma 16 to 240).
    pub(crate) fn narrow_range(&mut self) -> Result<()> {
        ff::make_writable(&mut self.frame)?;
        for plane in 0..3 {
            let (middle, span) = if plane == 0 { (0.0, 219.0) } else { (128.0, 224.0) };
            let base = if plane == 0 { 16.0 } else { 128.0 };
            let level = |from: usize| (base + (from as f32 - middle) * span / 255.0).round().clamp(0.0, 255.0) as u8;
            let table: [u8; 256] = std::array::from_fn(level);
            self.frame.data_mut(plane).iter_mut().for_each(|pixel| *pixel = table[usize::from(*pixel)]);
        }
        Ok(())
    }
}

/// The planes of a frame that is I420.
pub(super) fn view(frame: &frame::Video) -> I420<'_> {
    let strides = [0, 1, 2].map(|plane| frame.stride(plane));
    let planes = [0, 1, 2].map(|plane| frame.data(plane));
    I420 { width: frame.width(), height: frame.height(), planes, strides }
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
        let pts = frame.timestamp();
        let damaged = frame.is_corrupt() || frame.has_decode_errors();
        if (0..3).any(|plane| plane < frame.planes() && negative_stride(&frame, plane)) {
            return Err(Error::Argument("pictures stored upside down are not supported".into()));
        }
        let kind = frame.format();
        if matches!(kind, format::Pixel::YUV420P | format::Pixel::YUVJ420P) {
            return Ok(Picture { frame, pts, damaged });
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
        Ok(Picture { frame: converted, pts, damaged })
    }
}

fn negative_stride(frame: &frame::Video, plane: usize) -> bool {
    // SAFETY: reads a plain array field of an owned frame that is not null; the index is below 3 of 8.
    unsafe { (*frame.as_ptr()).linesize[plane] < 0 }
}
