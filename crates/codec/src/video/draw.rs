//! Drawing of pictures on a canvas: scaled, clipped, translucent, with round corners.

use super::canvas::{Canvas, Rect};
use super::picture::narrow;
use super::scale::{Plane, Scaler};
use super::{I420, scale};
use crate::{Error, Result};
use std::ops::Range;

/// Longest side of a picture's place; most of it may be outside of the canvas.
const MAX_SIDE: u32 = 16_384;

/// How a picture is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// What is shown of the picture, in its pixels: inside it, `x` and `y` even, `width` and `height` even too unless
    /// it reaches to an odd end.
    pub source: Rect,
    /// Where, in pixels of the canvas; all four even, sides 2 to 16384. Beyond the canvas it is cut off.
    pub dest: Rect,
    /// 255 is opaque.
    pub alpha: u8,
    /// Radius of the corners in pixels of the canvas, half the shorter side at most; 0 leaves them square.
    pub corner_radius: u32,
}

impl Draw {
    /// All of a picture, opaque, with square corners.
    pub fn whole(picture: &I420<'_>, dest: Rect) -> Draw {
        Draw { source: Rect::sized(picture.width, picture.height), dest, alpha: 255, corner_radius: 0 }
    }
}

impl Canvas {
    /// Draws a picture, or a part of it, stretched to its place and brought to limited range. Without translucency and round corners every row is
    /// scaled straight into the canvas.
    pub fn draw(&mut self, scaler: &mut Scaler, picture: &I420<'_>, draw: &Draw) -> Result<()> {
        check(picture, draw)?;
        if draw.alpha == 0 {
            return Ok(());
        }
        let radius = draw.corner_radius.min(draw.dest.width.min(draw.dest.height) / 2) as usize;
        self.corner.set_radius(radius);
        (0..3).for_each(|plane| self.draw_plane(scaler, picture, draw, plane));
        Ok(())
    }

    fn draw_plane(&mut self, scaler: &mut Scaler, picture: &I420<'_>, draw: &Draw, plane: usize) {
        let shift = u32::from(plane > 0);
        let (width, height) = ((draw.dest.width >> shift) as usize, (draw.dest.height >> shift) as usize);
        let (x, y) = (i64::from(draw.dest.x >> shift), i64::from(draw.dest.y >> shift));
        let (across, down) = self.view().plane_size(plane);
        let (columns, rows) = (visible(x, width, across), visible(y, height, down));
        if columns.is_empty() || rows.is_empty() {
            return;
        }
        let mut scaled = scaler.start(source(picture, draw.source, plane), (width, height));
        let mut spare = Vec::new();
        // Looking these up is not free: once per plane, not per row.
        let (stride, pixels) = (self.frame.stride(plane), self.frame.data_mut(plane));
        let target = (x + columns.start as i64) as usize..(x + columns.end as i64) as usize;
        for row in rows {
            let coverage = self.corner.coverage(plane, row.min(height - 1 - row));
            let target = &mut pixels[(y + row as i64) as usize * stride..][target.clone()];
            if draw.alpha == 255 && coverage.is_none() && columns.len() == width {
                scaled.row(row, target);
                if picture.full_range {
                    narrow(target, plane);
                }
                continue;
            }
            spare.resize(width, 0);
            scaled.row(row, &mut spare);
            if picture.full_range {
                narrow(&mut spare, plane);
            }
            blend(target, &spare, columns.clone(), draw.alpha, coverage.unwrap_or_default());
        }
    }
}

fn check(picture: &I420<'_>, draw: &Draw) -> Result<()> {
    let refuse = |reason: &str| Err(Error::Argument(format!("{reason}: {draw:?}")));
    if !picture.is_whole() {
        return refuse("the picture's planes are too short");
    }
    let Draw { source, dest, .. } = draw;
    let fits = |start: i32, length: u32, most: u32| {
        let end = i64::from(start) + i64::from(length);
        start >= 0 && start % 2 == 0 && length > 0 && end <= i64::from(most) && (end % 2 == 0 || end == i64::from(most))
    };
    if !fits(source.x, source.width, picture.width) || !fits(source.y, source.height, picture.height) {
        return refuse("the source is no even part of the picture");
    }
    let sides_fit = [dest.width, dest.height].iter().all(|side| (2..=MAX_SIDE).contains(side) && side % 2 == 0);
    if !sides_fit || dest.x % 2 != 0 || dest.y % 2 != 0 {
        return refuse("the destination is not even, or too large");
    }
    Ok(())
}

/// Which of `length` pixels that begin at `start` lie within `0..most`.
pub(super) fn visible(start: i64, length: usize, most: usize) -> Range<usize> {
    let inside = |at: i64| at.clamp(0, length as i64) as usize;
    inside(-start)..inside(most as i64 - start)
}

/// A plane of the part of a picture that is shown.
fn source<'a>(picture: &I420<'a>, part: Rect, plane: usize) -> scale::Plane<'a> {
    let (data, stride) = (picture.planes[plane], picture.strides[plane]);
    let (x, y) = (part.x as usize, part.y as usize);
    let (width, height) = (part.width as usize, part.height as usize);
    if plane == 0 {
        Plane { data: &data[y * stride + x..], stride, width, height }
    } else {
        let (width, height) = (width.div_ceil(2), height.div_ceil(2));
        Plane { data: &data[y / 2 * stride + x / 2..], stride, width, height }
    }
}

/// Lays the pixels of `row` in `columns` over `target`; `corner` covers as many pixels at either end of the row.
fn blend(target: &mut [u8], row: &[u8], columns: Range<usize>, alpha: u8, corner: &[u8]) {
    let inner = corner.len().clamp(columns.start, columns.end)
        ..(row.len() - corner.len().min(row.len())).clamp(columns.start, columns.end);
    let inner = inner.start..inner.end.max(inner.start);
    let first = columns.start;
    for column in (columns.start..inner.start).chain(inner.end..columns.end) {
        let covered = corner.get(column.min(row.len() - 1 - column)).copied().unwrap_or(255);
        let share = over_255(u16::from(covered) * u16::from(alpha));
        target[column - first] = mixed(target[column - first], row[column], share);
    }
    let middle = &mut target[inner.start - first..inner.end - first];
    if alpha == 255 {
        middle.copy_from_slice(&row[inner]);
    } else {
        let pixels = middle.iter_mut().zip(&row[inner]);
        pixels.for_each(|(below, &above)| *below = mixed(*below, above, alpha.into()));
    }
}

/// `share` is of 255.
pub(super) fn mixed(below: u8, above: u8, share: u16) -> u8 {
    over_255(u16::from(below) * (255 - share) + u16::from(above) * share) as u8
}

/// `value / 255`, rounded, for values up to 255 * 255.
pub(super) fn over_255(value: u16) -> u16 {
    let value = value + 128;
    (value + (value >> 8)) >> 8
}

/// How much of each pixel a round corner leaves, of 255: top left, the others are its mirror images.
#[derive(Debug, Default)]
pub(super) struct Corner {
    radius: usize,
    luma: Vec<u8>,
    chroma: Vec<u8>,
}

impl Corner {
    fn set_radius(&mut self, radius: usize) {
        if radius == self.radius {
            return;
        }
        let at = |x: usize, y: usize| {
            let away = |at: usize| radius as f32 - at as f32 - 0.5;
            let distance = away(x).max(0.0).hypot(away(y).max(0.0));
            (radius as f32 - distance + 0.5).clamp(0.0, 1.0)
        };
        let level = |share: f32| (share * 255.0).round() as u8;
        let half = radius.div_ceil(2);
        self.radius = radius;
        self.luma = (0..radius * radius).map(|n| level(at(n % radius, n / radius))).collect();
        let mean = |x: usize, y: usize| (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4.0;
        self.chroma = (0..half * half).map(|n| level(mean(n % half * 2, n / half * 2))).collect();
    }

    /// The corner's pixels in a row of a plane that is so many rows away from the upper or lower edge; `None` for rows
    /// beyond it.
    fn coverage(&self, plane: usize, row: usize) -> Option<&[u8]> {
        let (radius, levels) =
            if plane == 0 { (self.radius, &self.luma) } else { (self.radius.div_ceil(2), &self.chroma) };
        (row < radius).then(|| &levels[row * radius..][..radius])
    }
}

#[cfg(test)]
mod tests;
