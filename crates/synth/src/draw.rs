//! The moving test picture of a user: machine-readable code, name and number for people, flash patch, the user's colour,
//! and noise at both sides that uses up whatever bitrate the encoder has.
//!
//! The layout is a grid of 32 x 18 cells in the middle of the picture. All that must be read lies in its middle 18 x 18,
//! so it is still there when a tile shows a square of the picture.

use crate::code;
use crate::font;
use codec::video::I420;

/// Smallest sides of a picture, pixels.
pub const SMALLEST: (u32, u32) = (64, 36);
/// Luma of the dark area behind everything that is read.
const DARK: u8 = 24;
/// Colourless chroma.
const GREY: u8 = 128;
/// How far the noise goes up and down from the user's colour.
const NOISE: u8 = 24;

/// Draws one user's pictures of one size.
pub struct Painter {
    width: usize,
    height: usize,
    /// Side of a grid cell, pixels.
    cell: usize,
    /// Upper left corner of the grid, pixels.
    corner: (usize, usize),
    user: u16,
    name: String,
    /// Luma, Cb and Cr of the user.
    colour: [u8; 3],
    /// Noise around the user's luma, twice as long as what is used of it at once.
    noise: Vec<u8>,
    data: Vec<u8>,
}

impl Painter {
    /// `width` and `height` are even and at least [`SMALLEST`]; smaller ones are drawn as far as they go.
    pub fn new(width: u32, height: u32, user: u16, name: &str) -> Painter {
        let (width, height) = (width as usize, height as usize);
        let cell = (width / 32).min(height / 18).max(1);
        let corner = ((width / 2).saturating_sub(16 * cell), (height / 2).saturating_sub(9 * cell));
        let colour = colour(user);
        let mut painter = Painter {
            width,
            height,
            cell,
            corner,
            user,
            name: name.chars().take(14).collect(),
            colour,
            noise: noise(colour[0], 4 * width * 2),
            data: vec![DARK; width * height + 2 * width.div_ceil(2) * height.div_ceil(2)],
        };
        painter.paint_chroma();
        painter
    }

    /// The picture with this number. It stays until the next call.
    pub fn draw(&mut self, number: u32, lit: bool) -> I420<'_> {
        self.paint_noise(number);
        self.rectangle(7, 0, 18, 18, DARK);
        self.text(1, &self.name.clone(), 2);
        self.text(3, &format!("{number:06}"), 3);
        self.paint_code(number);
        if lit {
            self.rectangle(8, 13, 16, 4, code::WHITE);
        }
        // A square that takes one step per picture along the lower edge.
        let steps = 17 * self.cell;
        let step = (number as usize * (self.cell / 4).max(1)) % steps;
        let (x, y) = (self.corner.0 + 7 * self.cell + step, self.corner.1 + 17 * self.cell + self.cell / 4);
        self.fill(x, y, self.cell, self.cell / 2, 180);
        I420::packed(&self.data, self.width as u32, self.height as u32).expect("allocated for this size")
    }

    /// Colour outside the middle, once: only the luma moves.
    fn paint_chroma(&mut self) {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let start = self.width * self.height;
        let dark = (self.corner.0 + 7 * self.cell) / 2..(self.corner.0 + 25 * self.cell) / 2;
        for plane in 0..2 {
            for row in 0..height {
                let from = start + plane * width * height + row * width;
                let line = &mut self.data[from..from + width];
                line.fill(self.colour[1 + plane]);
                line[dark.start.min(width)..dark.end.min(width)].fill(GREY);
            }
        }
    }

    /// Covers the sides with the user's luma and noise that is new in every picture.
    fn paint_noise(&mut self, number: u32) {
        let mut state = number.wrapping_mul(0x9e37_79b9) | 1;
        let left = self.corner.0 + 7 * self.cell;
        let right = (self.corner.0 + 25 * self.cell).min(self.width);
        for pair in 0..self.height.div_ceil(2) {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let from = state as usize % (self.noise.len() - self.width);
            // Two rows alike, as the columns are in pairs: noise that an encoder can still follow.
            for row in [2 * pair, (2 * pair + 1).min(self.height - 1)] {
                let line = &mut self.data[row * self.width..(row + 1) * self.width];
                let noise = &self.noise[from..from + self.width];
                line[..left].copy_from_slice(&noise[..left]);
                line[right..].copy_from_slice(&noise[right..]);
            }
        }
    }

    fn paint_code(&mut self, number: u32) {
        // Half a cell to the right, so that the odd number of columns stands in the middle.
        let left = self.corner.0 + 7 * self.cell + self.cell / 2;
        let top = self.corner.1 + 7 * self.cell;
        for (row, line) in code::cells(number, self.user).iter().enumerate() {
            for (column, &white) in line.iter().enumerate() {
                let luma = if white { code::WHITE } else { code::BLACK };
                self.fill(left + column * self.cell, top + row * self.cell, self.cell, self.cell, luma);
            }
        }
    }

    /// A line of text in the middle, `height` cells high, its top at grid row `row`.
    fn text(&mut self, row: usize, text: &str, height: usize) {
        let count = text.chars().count().max(1);
        let dot = (height * self.cell / 8).min(18 * self.cell / (6 * count)).max(1);
        let left = (self.width / 2).saturating_sub(count * 3 * dot);
        let top = self.corner.1 + row * self.cell;
        for (index, character) in text.chars().enumerate() {
            for (column, dots) in font::columns(character).into_iter().enumerate() {
                for line in (0..7).filter(|line| dots >> line & 1 == 1) {
                    self.fill(left + (index * 6 + column) * dot, top + line * dot, dot, dot, 200);
                }
            }
        }
    }

    /// A rectangle in grid cells.
    fn rectangle(&mut self, column: usize, row: usize, width: usize, height: usize, luma: u8) {
        let (x, y) = (self.corner.0 + column * self.cell, self.corner.1 + row * self.cell);
        let bottom = if height == 18 { self.height } else { y + height * self.cell };
        let y = if height == 18 { 0 } else { y };
        self.fill(x, y, width * self.cell, bottom - y, luma);
    }

    /// A rectangle in pixels, cut at the picture's edges.
    fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, luma: u8) {
        let (left, right) = (x.min(self.width), (x + width).min(self.width));
        for row in y.min(self.height)..(y + height).min(self.height) {
            self.data[row * self.width..][left..right].fill(luma);
        }
    }
}

/// Luma, Cb and Cr of a user: hues a golden angle apart, so that neighbours differ.
pub fn colour(user: u16) -> [u8; 3] {
    let angle = f32::from(user) * 2.399_963;
    [96, (128.0 + 60.0 * angle.cos()) as u8, (128.0 + 60.0 * angle.sin()) as u8]
}

/// Values around `middle`, in pairs, the same every time.
fn noise(middle: u8, count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let mut value = middle;
    (0..count)
        .map(|index| {
            if index % 2 == 0 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                value = middle - NOISE + ((state >> 24) as u8) % (2 * NOISE);
            }
            value
        })
        .collect()
}
