//! Decoding of the images that a layout may show: JPEG and PNG files.

use crate::ff::{self, named, taken};
use crate::video::{Converter, Picture};
use crate::{Error, Result};
use ffmpeg_next::software::scaling;
use ffmpeg_next::{Packet, codec, format, frame};

/// Most pixels of an image: 4096 x 4096. A PNG of that size takes up to 128 MB while it is decoded.
pub const MAX_PIXELS: u64 = 4096 * 4096;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = &[0xff, 0xd8, 0xff];

/// Whether a file says of itself that it is a JPEG or a PNG.
pub fn is_image(bytes: &[u8]) -> bool {
    bytes.starts_with(PNG) || bytes.starts_with(JPEG)
}

/// An image that may be transparent.
pub struct Image {
    /// Laid over black.
    pub picture: Picture,
    /// Opacity of each pixel, row by row, 255 opaque; `None` when all are.
    pub alpha: Option<Vec<u8>>,
}

/// Decodes a JPEG or PNG file to I420, BT.601 in limited range, and keeps its transparency beside it. A JPEG's note on
/// how to turn it (EXIF) is not followed.
pub fn decode_transparent(bytes: &[u8]) -> Result<Image> {
    let (picture, alpha) = decode_over(bytes, [0; 3])?;
    Ok(Image { picture, alpha })
}

/// The same; what is transparent in a PNG is laid over `background` (RGB).
pub fn decode(bytes: &[u8], background: [u8; 3]) -> Result<Picture> {
    Ok(decode_over(bytes, background)?.0)
}

fn decode_over(bytes: &[u8], background: [u8; 3]) -> Result<(Picture, Option<Vec<u8>>)> {
    let (name, size) = if bytes.starts_with(PNG) {
        ("png", png_size(bytes))
    } else if bytes.starts_with(JPEG) {
        ("mjpeg", jpeg_size(bytes))
    } else {
        return Err(Error::Argument("no image that can be shown: JPEG and PNG files can".into()));
    };
    let Some((width, height)) = size.filter(|&(width, height)| width > 0 && height > 0) else {
        return Err(Error::Argument("the image's header is damaged".into()));
    };
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(Error::Argument(format!("an image of {width}x{height} pixels: {MAX_PIXELS} are allowed")));
    }
    let mut frame = decoded(name, bytes)?;
    let mut alpha = None;
    if name == "png" {
        (frame, alpha) = opaque(frame, background)?;
    }
    let mut picture = Converter::default().picture(frame)?;
    picture.narrow_range()?;
    picture.pts = None;
    Ok((picture, alpha))
}

fn decoded(name: &'static str, bytes: &[u8]) -> Result<frame::Video> {
    let mut context = ff::decoder_context(name)?;
    context.set_threading(codec::threading::Config { count: 1, ..codec::threading::Config::default() });
    let mut opening = context.decoder();
    // SAFETY: writes a plain field of an owned context that is not open yet. Should the decoder read another size than
    // was read here, it refuses it before it allocates.
    unsafe { (*opening.as_mut_ptr()).max_pixels = MAX_PIXELS as i64 };
    let mut decoder = opening.video().map_err(named("open image decoder"))?;
    decoder.send_packet(&Packet::copy(bytes)).map_err(named("decode image"))?;
    decoder.send_eof().map_err(named("decode image"))?;
    let mut frame = frame::Video::empty();
    match taken("decode image", decoder.receive_frame(&mut frame))? {
        Some(()) => Ok(frame),
        None => Err(Error::Argument("the image file holds no image".into())),
    }
}

/// Width and height by the first chunk of a PNG, which is its header.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    (bytes.get(12..16)? == b"IHDR").then_some(())?;
    Some((number(16)?, number(20)?))
}

/// Width and height by the frame header of a JPEG, which comes after segments of any kind.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = &bytes[2..];
    loop {
        let (&[mark, kind], after) = rest.split_first_chunk()?;
        match (mark, kind) {
            // A marker may be preceded by any number of these.
            (0xff, 0xff) => rest = &rest[1..],
            // The frame header of any process; the three others in this range are tables.
            (0xff, 0xc0..=0xcf) if !matches!(kind, 0xc4 | 0xc8 | 0xcc) => {
                let &[_, _, _, h1, h0, w1, w0] = after.first_chunk()?;
                return Some((u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into()));
            }
            (0xff, _) => {
                let length = u16::from_be_bytes(*after.first_chunk()?).into();
                rest = after.get(length..)?;
            }
            _ => return None,
        }
    }
}

/// Lays what has an alpha channel over the background, and gives that channel.
fn opaque(frame: frame::Video, background: [u8; 3]) -> Result<(frame::Video, Option<Vec<u8>>)> {
    let kind = frame.format();
    let has_alpha = matches!(
        kind,
        format::Pixel::RGBA
            | format::Pixel::RGBA64BE
            | format::Pixel::YA8
            | format::Pixel::YA16BE
            | format::Pixel::PAL8
    );
    if !has_alpha {
        return Ok((frame, None));
    }
    let (width, height) = (frame.width(), frame.height());
    let target = format::Pixel::RGBA;
    let mut scaler = scaling::Context::get(kind, width, height, target, width, height, scaling::Flags::BILINEAR)
        .map_err(named("sws_getContext"))?;
    let mut flat = frame::Video::empty();
    scaler.run(&frame, &mut flat).map_err(named("sws_scale"))?;
    let stride = flat.stride(0);
    let mut opacity = Vec::with_capacity(width as usize * height as usize);
    for row in flat.data_mut(0).chunks_mut(stride) {
        for pixel in row.chunks_exact_mut(4).take(width as usize) {
            opacity.push(pixel[3]);
            let alpha = u32::from(pixel[3]);
            for (level, below) in pixel.iter_mut().zip(background) {
                *level = ((u32::from(*level) * alpha + u32::from(below) * (255 - alpha) + 127) / 255) as u8;
            }
            pixel[3] = 255;
        }
    }
    Ok((flat, Some(opacity)))
}

#[cfg(test)]
mod tests;
