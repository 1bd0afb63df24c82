//! Texts of a mixed picture as sprites: names of windows, the clock, text watermarks.

use codec::video::{Rect, Sprite};
use rules::layout::Label;

use super::text::{Line, Typefaces};

/// Opacity of the dark plate below a text, of 255.
const PLATE: u8 = 140;
const BLACK: [u8; 3] = [0; 3];
const WHITE: [u8; 3] = [255; 3];
/// The window of those that have none of their own.
const GREY: [u8; 3] = [48; 3];
/// Names and clock are a fifteenth of what they stand in, within these bounds (pixels).
const SHARE: u32 = 15;
const HEIGHTS: (u32, u32) = (12, 32);

/// A sprite and where its upper left corner lies.
pub type Placed = (Sprite, i32, i32);

/// What a label looks like in a window; nothing if the window is too small for it or nothing can be written.
pub fn label(label: &Label, faces: &Typefaces, window: Rect) -> Option<Placed> {
    match label {
        Label::Name(name) => {
            let height = text_height(window.height);
            let margin = margin(height);
            let sprite = plate(name, faces, height, window.width.saturating_sub(2 * margin))?;
            let y = window.height.checked_sub(margin + sprite.height())?;
            Some((sprite, window.x + margin as i32, window.y + y as i32))
        }
        Label::More(count) => Some((more(*count, faces, window), window.x, window.y)),
    }
}

/// The clock of a picture so many pixels high.
pub fn clock(text: &str, faces: &Typefaces, height: u32) -> Option<Sprite> {
    plate(text, faces, text_height(height), u32::MAX)
}

/// A line without a plate, which is `most` pixels wide at most.
pub fn line(text: &str, faces: &Typefaces, height: u32, colour: [u8; 3], most: u32) -> Option<Sprite> {
    let line = faces.line(text, height, most)?;
    let mut sprite = Sprite::new(line.width, line.height);
    sprite.cover(&line.mask, colour);
    Some(sprite)
}

/// Room between a text and the edge of what it stands in, pixels.
pub fn margin(text_height: u32) -> u32 {
    (text_height / 3).next_multiple_of(2)
}

/// Height of names and clocks in something so high, pixels.
pub fn text_height(height: u32) -> u32 {
    (height / SHARE).clamp(HEIGHTS.0, HEIGHTS.1).next_multiple_of(2)
}

/// White text on a translucent dark plate, which is `most` pixels wide at most.
fn plate(text: &str, faces: &Typefaces, height: u32, most: u32) -> Option<Sprite> {
    let (beside, above) = ((height / 3).next_multiple_of(2), (height / 8).next_multiple_of(2));
    let line = faces.line(text, height, most.checked_sub(2 * beside)?)?;
    let mut sprite = Sprite::new(line.width + 2 * beside, line.height + 2 * above);
    let pixels = sprite.width() as usize * sprite.height() as usize;
    sprite.cover(&vec![PLATE; pixels], BLACK);
    write(&mut sprite, &line, beside, above);
    Some(sprite)
}

/// A grey window with `+count` in its middle.
fn more(count: usize, faces: &Typefaces, window: Rect) -> Sprite {
    let mut sprite = Sprite::new(window.width, window.height);
    let pixels = sprite.width() as usize * sprite.height() as usize;
    sprite.cover(&vec![255; pixels], GREY);
    let height = (window.width.min(window.height) / 3).max(2);
    if let Some(line) = faces.line(&format!("+{count}"), height, window.width) {
        let middle = |outer: u32, inner: u32| outer.saturating_sub(inner) / 2;
        write(&mut sprite, &line, middle(window.width, line.width), middle(window.height, line.height));
    }
    sprite
}

/// Writes in white.
fn write(sprite: &mut Sprite, line: &Line, x: u32, y: u32) {
    let (width, inner) = (sprite.width() as usize, line.width as usize);
    let mut mask = vec![0; width * sprite.height() as usize];
    let rows = mask.chunks_mut(width).skip(y as usize).zip(line.mask.chunks(inner));
    rows.for_each(|(to, from)| to[x as usize..x as usize + inner].copy_from_slice(from));
    sprite.cover(&mask, WHITE);
}
