//! Small pictures with an opacity of each pixel, to be laid over a canvas: texts and watermarks.

use super::canvas::{Canvas, rgb_to_yuv};
use super::draw::{mixed, over_255, visible};
use super::scale::{Plane, Scaler};
use crate::image::Image;

/// Black, in the planes' order.
const BLACK: [u8; 3] = [16, 128, 128];

/// An I420 picture laid over black, and the opacity of each pixel. What is laid over black can be scaled, and its chroma
/// halved, without colours of transparent pixels coming in.
#[derive(Clone)]
pub struct Sprite {
    /// Even.
    width: usize,
    /// Even.
    height: usize,
    planes: [Vec<u8>; 3],
    /// Of luma and of chroma; 255 is opaque.
    alpha: [Vec<u8>; 2],
}

impl Sprite {
    /// A transparent one. Odd sides become even ones, upwards.
    pub fn new(width: u32, height: u32) -> Sprite {
        let (width, height) = (width.next_multiple_of(2) as usize, height.next_multiple_of(2) as usize);
        let size = |plane: usize| if plane == 0 { width * height } else { width * height / 4 };
        Sprite {
            width,
            height,
            planes: [0, 1, 2].map(|plane| vec![BLACK[plane]; size(plane)]),
            alpha: [0, 1].map(|plane| vec![0; size(plane)]),
        }
    }

    /// An image, stretched to this size. Odd sides become even ones, upwards.
    pub fn of_image(image: &Image, width: u32, height: u32) -> Sprite {
        let mut sprite = Sprite::new(width.max(1), height.max(1));
        let (width, height) = (sprite.width, sprite.height);
        let mut scaler = Scaler::new();
        let mut scale = |from: Plane<'_>, to: &mut [u8], size: (usize, usize)| {
            let mut scaling = scaler.start(from, size);
            to.chunks_exact_mut(size.0).enumerate().for_each(|(row, out)| scaling.row(row, out));
        };
        let view = image.picture.view();
        for (plane, out) in sprite.planes.iter_mut().enumerate() {
            let size = if plane == 0 { (width, height) } else { (width / 2, height / 2) };
            let (across, down) = view.plane_size(plane);
            let from = Plane { data: view.planes[plane], stride: view.strides[plane], width: across, height: down };
            scale(from, out, size);
        }
        let (across, down) = view.plane_size(0);
        match &image.alpha {
            Some(alpha) => {
                let from = Plane { data: alpha, stride: across, width: across, height: down };
                scale(from, &mut sprite.alpha[0], (width, height));
                scale(from, &mut sprite.alpha[1], (width / 2, height / 2));
            }
            None => sprite.alpha.iter_mut().for_each(|alpha| alpha.fill(255)),
        }
        sprite
    }

    /// Pixels.
    pub fn width(&self) -> u32 {
        self.width as u32
    }

    /// Pixels.
    pub fn height(&self) -> u32 {
        self.height as u32
    }

    /// Lays a colour (RGB) over all of it, as far as `mask` covers each pixel: row by row, 255 covers it. What is
    /// missing of the mask is 0.
    pub fn cover(&mut self, mask: &[u8], rgb: [u8; 3]) {
        let colour = rgb_to_yuv(rgb);
        let at = |x: usize, y: usize| mask.get(y * self.width + x).copied().unwrap_or(0);
        for y in 0..self.height {
            for x in 0..self.width {
                let (n, share) = (y * self.width + x, u16::from(at(x, y)));
                self.planes[0][n] = mixed(self.planes[0][n], colour[0], share);
                self.alpha[0][n] = mixed(self.alpha[0][n], 255, share);
            }
        }
        for y in 0..self.height / 2 {
            for x in 0..self.width / 2 {
                let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| u16::from(at(2 * x + dx, 2 * y + dy)));
                let (n, share) = (y * self.width / 2 + x, (four.iter().sum::<u16>() + 2) / 4);
                for plane in [1, 2] {
                    self.planes[plane][n] = mixed(self.planes[plane][n], colour[plane], share);
                }
                self.alpha[1][n] = mixed(self.alpha[1][n], 255, share);
            }
        }
    }

    /// Makes it more transparent: 255 leaves it as it is, 0 makes it invisible.
    pub fn fade(&mut self, opacity: u8) {
        let share = u16::from(opacity);
        for (plane, black) in self.planes.iter_mut().zip(BLACK) {
            plane.iter_mut().for_each(|level| *level = mixed(black, *level, share));
        }
        self.alpha.iter_mut().flatten().for_each(|alpha| *alpha = over_255(u16::from(*alpha) * share) as u8);
    }
}

impl Canvas {
    /// Lays a sprite over what is there, its upper left corner at (x, y); odd positions are moved to the even pixel
    /// before. Beyond the canvas it is cut off.
    pub fn lay(&mut self, sprite: &Sprite, x: i32, y: i32) {
        for (plane, black) in BLACK.into_iter().enumerate() {
            let shift = u32::from(plane > 0);
            let (width, height) = (sprite.width >> shift, sprite.height >> shift);
            let (x, y) = (i64::from(x >> 1 << 1 >> shift), i64::from(y >> 1 << 1 >> shift));
            let (across, down) = self.view().plane_size(plane);
            let (columns, rows) = (visible(x, width, across), visible(y, height, down));
            if columns.is_empty() {
                continue;
            }
            let (stride, pixels) = self.plane_mut(plane);
            for row in rows {
                let from = row * width + columns.start..row * width + columns.end;
                let (above, alpha) = (&sprite.planes[plane][from.clone()], &sprite.alpha[shift as usize][from]);
                let target = &mut pixels[(y + row as i64) as usize * stride + (x + columns.start as i64) as usize..];
                for ((below, above), alpha) in target.iter_mut().zip(above).zip(alpha) {
                    let rest = 255 - u16::from(*alpha);
                    // The black below the sprite is taken away.
                    let sum = over_255(u16::from(*below) * rest) + u16::from(*above);
                    *below = sum.saturating_sub(over_255(u16::from(black) * rest)).min(255) as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
