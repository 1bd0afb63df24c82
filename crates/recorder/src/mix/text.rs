//! Lines of text as masks. Characters stand one after the other from left to right, each as its font has it: scripts that
//! join or reorder their letters are not shaped.

use std::path::PathBuf;

use ab_glyph::{Font, FontVec, GlyphId, PxScale, ScaleFont, point};

/// Fonts, the preferred one first: each character is taken from the first that has it.
#[derive(Default)]
pub struct Typefaces {
    fonts: Vec<FontVec>,
}

/// How much a line of text covers each pixel of its box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Pixels; even.
    pub width: u32,
    /// Pixels; even.
    pub height: u32,
    /// Row by row, 255 covers all.
    pub mask: Vec<u8>,
}

/// A character and where it begins.
struct Placed {
    x: f32,
    /// Which font has it, and as what; one that none has is a box.
    glyph: Option<(usize, GlyphId)>,
}

/// Width of the box in place of a character that no font has, as a share of the line's height.
const BOX_WIDTH: f32 = 0.6;
/// Its height.
const BOX_HEIGHT: f32 = 0.65;

impl Typefaces {
    /// Reads font files (TrueType, OpenType and collections of them). Those that are missing or broken are left out and
    /// logged.
    pub fn load(paths: &[PathBuf]) -> Typefaces {
        let font = |path: &PathBuf| {
            let font = std::fs::read(path).map_err(|error| error.to_string());
            let font = font.and_then(|data| FontVec::try_from_vec(data).map_err(|error| error.to_string()));
            font.inspect_err(|error| tracing::warn!(path = %path.display(), error, "font left out")).ok()
        };
        Typefaces { fonts: paths.iter().filter_map(font).collect() }
    }

    /// Whether nothing can be written.
    pub fn is_empty(&self) -> bool {
        self.fonts.is_empty()
    }

    /// A line `height` pixels high, or one more. What would be wider than `most` pixels is cut and ends with an ellipsis. `None` when
    /// nothing can be seen of it.
    pub fn line(&self, text: &str, height: u32, most: u32) -> Option<Line> {
        let first = self.fonts.first()?;
        let height = height.next_multiple_of(2);
        let text: Vec<char> = text.trim().chars().filter(|c| is_visible(*c)).collect();
        let (mut placed, mut width) = self.place(&text, height);
        let mut kept = text.len();
        while width > most as f32 && kept > 0 {
            kept -= 1;
            let cut: Vec<char> = text[..kept].iter().copied().chain(['…']).collect();
            (placed, width) = self.place(&cut, height);
        }
        if placed.is_empty() || width > most as f32 {
            return None;
        }
        let baseline = first.as_scaled(height as f32).ascent().round();
        let width = (width.ceil() as u32).max(1).next_multiple_of(2);
        let mut line = Line { width, height, mask: vec![0; width as usize * height as usize] };
        placed.iter().for_each(|placed| self.draw(placed, baseline, &mut line));
        Some(line)
    }

    /// Where the characters stand, and how wide they are together.
    fn place(&self, text: &[char], height: u32) -> (Vec<Placed>, f32) {
        let (mut x, mut last) = (0.0, None);
        let mut placed = Vec::with_capacity(text.len());
        for &c in text {
            let mut ids = self.fonts.iter().map(|font| font.glyph_id(c)).enumerate();
            let glyph = ids.find(|(_, id)| id.0 != 0);
            let advance = match (glyph, last) {
                (None, _) => BOX_WIDTH * height as f32,
                (Some((font, id)), last) => {
                    let scaled = self.fonts[font].as_scaled(height as f32);
                    if let Some((_, before)) = last.filter(|(other, _)| *other == font) {
                        x += scaled.kern(before, id);
                    }
                    scaled.h_advance(id)
                }
            };
            placed.push(Placed { x, glyph });
            x += advance;
            last = glyph;
        }
        (placed, x)
    }

    fn draw(&self, placed: &Placed, baseline: f32, line: &mut Line) {
        let height = line.height as f32;
        match placed.glyph {
            Some((font, id)) => {
                let glyph = id.with_scale_and_position(PxScale::from(height), point(placed.x, baseline));
                // A space has no outline.
                let Some(outline) = self.fonts[font].outline_glyph(glyph) else { return };
                let (left, top) = (outline.px_bounds().min.x as i64, outline.px_bounds().min.y as i64);
                outline.draw(|x, y, share| line.add(left + i64::from(x), top + i64::from(y), share));
            }
            None => {
                let (wide, high, stroke) = (height * BOX_WIDTH, height * BOX_HEIGHT, (height / 16.0).max(1.0) as i64);
                let [left, right] = [placed.x + wide * 0.12, placed.x + wide * 0.88].map(|x| x.round() as i64);
                let [top, bottom] = [baseline - high, baseline].map(|y| y.round() as i64);
                for (x, y) in (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y))) {
                    let inner =
                        (left + stroke..right - stroke).contains(&x) && (top + stroke..bottom - stroke).contains(&y);
                    line.add(x, y, if inner { 0.0 } else { 1.0 });
                }
            }
        }
    }
}

impl Line {
    /// Covers more of a pixel; what reaches beyond the box is cut off.
    fn add(&mut self, x: i64, y: i64, share: f32) {
        if (0..i64::from(self.width)).contains(&x) && (0..i64::from(self.height)).contains(&y) {
            let pixel = &mut self.mask[y as usize * self.width as usize + x as usize];
            *pixel = pixel.saturating_add((share.clamp(0.0, 1.0) * 255.0).round() as u8);
        }
    }
}

/// Not one of those that steer how others are shown: direction, joining, variants.
fn is_visible(c: char) -> bool {
    let steers = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}');
    !c.is_control() && !steers
}

#[cfg(test)]
pub use tests::fonts as test_fonts;

#[cfg(test)]
mod tests;
