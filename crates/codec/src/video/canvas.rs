//! A picture to draw on, in memory that an encoder takes without a copy.

use super::draw::Corner;
use super::{Colours, I420, Picture};
use crate::ff;
use crate::{Error, Result};
use ffmpeg_next::frame;
use std::ops::Range;

/// A rectangle in pixels; it may lie partly or wholly outside of what it is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    pub x: i32,
    pub y: i32,
    pub width: u32,
    pub height: u32,
}

impl Rect {
    /// A rectangle at (0, 0).
    pub fn sized(width: u32, height: u32) -> Rect {
        Rect { x: 0, y: 0, width, height }
    }
}

/// An I420 picture that is drawn on and encoded, again and again. Its levels are those of limited range: pictures of full
/// range are converted when they are drawn. Else its colours are whatever the pictures drawn on it have.
pub struct Canvas {
    /// Nobody else holds its buffers: [`super::Encoder::encode_canvas`] sees to that.
    pub(super) frame: frame::Video,
    /// The shape of the last round corner.
    pub(super) corner: Corner,
}

impl Canvas {
    /// A black canvas of `width` x `height` pixels, both even, 2 to 8192.
    pub fn new(width: u32, height: u32) -> Result<Canvas> {
        if [width, height].iter().any(|side| !(2..=8192).contains(side) || side % 2 != 0) {
            return Err(Error::Argument(format!("{width}x{height}: a canvas has even sides, 2 to 8192")));
        }
        let mut canvas = Canvas { frame: ff::i420_frame(width, height)?, corner: Corner::default() };
        canvas.fill(Rect::sized(width, height), [16, 128, 128]);
        Ok(canvas)
    }

    /// Pixels.
    pub fn width(&self) -> u32 {
        self.frame.width()
    }

    /// Pixels.
    pub fn height(&self) -> u32 {
        self.frame.height()
    }

    /// The planes.
    pub fn view(&self) -> I420<'_> {
        super::picture::view(&self.frame)
    }

    /// What was drawn, as a picture.
    pub fn into_picture(self) -> Picture {
        Picture { frame: self.frame, colours: Colours::CALL, pts: None, damaged: false, full_range: false }
    }

    /// Fills a rectangle with one colour (Y, U, V). What is outside of the canvas is left out; odd edges are moved
    /// outwards to even ones.
    pub fn fill(&mut self, rect: Rect, colour: [u8; 3]) {
        for (plane, level) in colour.into_iter().enumerate() {
            let (columns, rows) = self.part(rect, plane);
            let (stride, pixels) = self.plane_mut(plane);
            for row in pixels.chunks_mut(stride).take(rows.end).skip(rows.start) {
                row[columns.clone()].fill(level);
            }
        }
    }

    /// Copies a rectangle from the same place of another canvas. What is outside of either is left out; odd edges are
    /// moved outwards to even ones.
    pub fn copy_rect(&mut self, from: &Canvas, rect: Rect) {
        let view = from.view();
        for plane in 0..3 {
            let (columns, rows) = self.part(rect, plane);
            let (width, height) = view.plane_size(plane);
            let columns = columns.start.min(width)..columns.end.min(width);
            let (stride, pixels) = self.plane_mut(plane);
            for (row, to) in pixels.chunks_mut(stride).enumerate().take(rows.end.min(height)).skip(rows.start) {
                to[columns.clone()].copy_from_slice(&view.row(plane, row)[columns.clone()]);
            }
        }
    }

    /// Columns and rows of a plane that a rectangle covers.
    fn part(&self, rect: Rect, plane: usize) -> (Range<usize>, Range<usize>) {
        let (width, height) = self.view().plane_size(plane);
        let unit = if plane == 0 { 1 } else { 2 };
        let range = |start: i32, length: u32, most: usize| {
            let (low, high) = (i64::from(start), i64::from(start) + i64::from(length));
            let (low, high) = if length == 0 { (0, 0) } else { (low.div_euclid(2) * 2, (high + 1).div_euclid(2) * 2) };
            let inside = |at: i64| (at / unit).clamp(0, most as i64) as usize;
            inside(low)..inside(high)
        };
        (range(rect.x, rect.width, width), range(rect.y, rect.height, height))
    }

    /// Makes the canvas the only owner of its memory again after an encoder had it.
    pub(super) fn take_back(&mut self) {
        if ff::make_writable(&mut self.frame).is_err() {
            // What is drawn next would change what the encoder still holds. As everywhere in Rust, a program that gets
            // no memory ends.
            let bytes = self.width() as usize * self.height() as usize * 3 / 2;
            std::alloc::handle_alloc_error(
                std::alloc::Layout::array::<u8>(bytes).unwrap_or(std::alloc::Layout::new::<u8>()),
            );
        }
    }

    /// Bytes from one row to the next, and the pixels of a plane. Looking them up is not free: once per plane, not per row.
    pub(super) fn plane_mut(&mut self, plane: usize) -> (usize, &mut [u8]) {
        (self.frame.stride(plane), self.frame.data_mut(plane))
    }
}

/// The BT.601 colour in limited range (Y 16 to 235, U and V 16 to 240) of an RGB colour in full range.
pub fn rgb_to_yuv(rgb: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = rgb.map(f64::from);
    let luma = 0.299 * r + 0.587 * g + 0.114 * b;
    let y = 16.0 + luma * 219.0 / 255.0;
    let u = 128.0 + (b - luma) / 1.772 * 224.0 / 255.0;
    let v = 128.0 + (r - luma) / 1.402 * 224.0 / 255.0;
    [y, u, v].map(|level| level.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_those_of_the_standard() {
        assert_eq!(rgb_to_yuv([0, 0, 0]), [16, 128, 128]);
        assert_eq!(rgb_to_yuv([255, 255, 255]), [235, 128, 128]);
        assert_eq!(rgb_to_yuv([255, 0, 0]), [81, 90, 240]);
        assert_eq!(rgb_to_yuv([0, 255, 0]), [145, 54, 34]);
        assert_eq!(rgb_to_yuv([0, 0, 255]), [41, 240, 110]);
    }

    #[test]
    fn what_is_filled_and_copied_is_clipped_and_even() {
        let mut canvas = Canvas::new(16, 8).unwrap();
        canvas.fill(Rect { x: 13, y: -3, width: 100, height: 5 }, [200, 10, 20]);
        let view = canvas.view();
        for row in 0..8 {
            let wanted: Vec<u8> = (0..16).map(|x| if x >= 12 && row < 2 { 200 } else { 16 }).collect();
            assert_eq!(view.row(0, row), wanted);
        }
        assert_eq!(view.row(1, 0), [128, 128, 128, 128, 128, 128, 10, 10]);
        assert_eq!(view.row(2, 1), [128; 8]);
        let mut other = Canvas::new(20, 4).unwrap();
        other.copy_rect(&canvas, Rect { x: 14, y: 0, width: u32::MAX, height: u32::MAX });
        assert_eq!(&other.view().row(0, 0)[12..], [16, 16, 200, 200, 16, 16, 16, 16]);
        assert_eq!(&other.view().row(2, 0)[6..], [128, 20, 128, 128]);
        other.fill(Rect { x: i32::MIN, y: i32::MAX, width: u32::MAX, height: 9 }, [0; 3]);
        other.fill(Rect { x: 4, y: 2, width: 0, height: 2 }, [0; 3]);
        assert_eq!(other.view().row(0, 2), [16; 20]);
    }

    #[test]
    fn odd_sizes_are_refused() {
        assert!(Canvas::new(3, 2).is_err() && Canvas::new(2, 0).is_err() && Canvas::new(8194, 2).is_err());
    }
}
