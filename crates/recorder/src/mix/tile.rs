//! A window of a mixed picture: what is drawn into it, and how it lies there.

use codec::video::{Canvas, Draw, I420, Rect, Scaler};
use rules::layout::{Cell, Crop, Fit};

use super::feed::Feed;
use super::images::Images;
use super::plate::{self, Placed};
use super::text::Typefaces;
use super::turn::Turned;
use crate::Result;

/// Black, Y Cb Cr.
const BLACK: [u8; 3] = [16, 128, 128];

/// A cell and what was drawn into it.
pub struct Tile {
    pub cell: Cell,
    pub rect: Rect,
    scaler: Scaler,
    pub drawn: Option<Content>,
    label: Option<Placed>,
}

/// What a cell shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Nothing,
    Black,
    /// The stream's picture with this serial number.
    Picture(u64),
    /// An image, in this ratio of width to height if not its own.
    Image(String, Option<(u32, u32)>),
}

impl Tile {
    /// A cell that is not drawn yet.
    pub fn new(cell: Cell, faces: &Typefaces) -> Tile {
        let rect = rect_of(&cell);
        let label = cell.label.as_ref().filter(|_| cell.shows_video);
        let label = label.and_then(|label| plate::label(label, faces, rect));
        Tile { cell, rect, scaler: Scaler::default(), drawn: None, label }
    }

    /// Whether it can go on as this cell: at most whether there is a picture differs.
    pub fn goes_on_as(&self, cell: &Cell) -> bool {
        Cell { has_picture: self.cell.has_picture, ..cell.clone() } == self.cell
    }

    /// Goes on as this cell, with what is drawn.
    pub fn on_as(self, cell: Cell) -> Tile {
        Tile { cell, ..self }
    }

    /// Whether all of the tile is drawn over by what it shows.
    pub fn covers(&self, content: &Content) -> bool {
        let opaque = self.alpha() == 255 && self.cell.corner_radius == 0;
        opaque && *content != Content::Nothing
    }

    fn alpha(&self) -> u8 {
        (self.cell.alpha * 255.0).round().clamp(0.0, 255.0) as u8
    }

    /// Draws what it shows, and the label over it.
    pub fn draw(
        &mut self,
        content: &Content,
        feed: Option<&Feed>,
        images: &Images,
        background: [u8; 3],
        canvas: &mut Canvas,
    ) -> Result<()> {
        self.draw_content(content, feed, images, background, canvas)?;
        if let Some((sprite, x, y)) = &self.label {
            canvas.lay(sprite, *x, *y);
        }
        self.drawn = Some(content.clone());
        Ok(())
    }

    fn draw_content(
        &mut self,
        content: &Content,
        feed: Option<&Feed>,
        images: &Images,
        background: [u8; 3],
        canvas: &mut Canvas,
    ) -> Result<()> {
        let (rect, look) = (self.rect, (self.alpha(), self.cell.corner_radius));
        if self.cell.fit != Fit::Contain || *content == Content::Nothing {
            return self.draw_alone(content, feed, images, rect, look, canvas);
        }
        // A box that is not filled shows the background's colour around the picture.
        if look == (255, 0) {
            canvas.fill(rect, background);
            return self.draw_alone(content, feed, images, rect, look, canvas);
        }
        // Both together are translucent, and it is the box that has round corners.
        let whole = Rect::sized(rect.width, rect.height);
        let mut filled = Canvas::new(rect.width, rect.height)?;
        filled.fill(whole, background);
        self.draw_alone(content, feed, images, whole, (255, 0), &mut filled)?;
        draw(canvas, &mut self.scaler, &filled.view(), &Crop::WHOLE, Fit::Stretch, rect, look, None)
    }

    fn draw_alone(
        &mut self,
        content: &Content,
        feed: Option<&Feed>,
        images: &Images,
        rect: Rect,
        look: (u8, u32),
        canvas: &mut Canvas,
    ) -> Result<()> {
        let (crop, fit) = (&self.cell.crop, self.cell.fit);
        match content {
            Content::Nothing => Ok(()),
            Content::Black => {
                let black = solid(BLACK)?;
                draw(canvas, &mut self.scaler, &black.view(), &Crop::WHOLE, Fit::Stretch, rect, look, None)
            }
            Content::Image(address, ratio) => match images.window(address) {
                Some(image) => draw(canvas, &mut self.scaler, &image.view(), crop, fit, rect, look, *ratio),
                None => Ok(()),
            },
            Content::Picture(_) => {
                let Some(shown) = feed.and_then(|feed| feed.live().or(feed.last())) else { return Ok(()) };
                let view = shown.picture.view();
                match shown.rotation {
                    0 => draw(canvas, &mut self.scaler, &view, crop, fit, rect, look, None),
                    degrees => match Turned::new(&view, degrees).view() {
                        Some(turned) => draw(canvas, &mut self.scaler, &turned, crop, fit, rect, look, None),
                        None => Ok(()),
                    },
                }
            }
        }
    }
}

/// A picture of one colour.
fn solid(yuv: [u8; 3]) -> Result<Canvas> {
    let mut canvas = Canvas::new(2, 2)?;
    canvas.fill(Rect { x: 0, y: 0, width: 2, height: 2 }, yuv);
    Ok(canvas)
}

/// Where a cell lies.
pub fn rect_of(cell: &Cell) -> Rect {
    let rules::layout::Rect { x, y, width, height } = cell.rect;
    Rect { x: x as i32, y: y as i32, width, height }
}

/// Whether two boxes have a pixel in common.
pub fn overlap(a: &Rect, b: &Rect) -> bool {
    let along = |a: i32, a_size: u32, b: i32, b_size: u32| {
        i64::from(a) < i64::from(b) + i64::from(b_size) && i64::from(b) < i64::from(a) + i64::from(a_size)
    };
    along(a.x, a.width, b.x, b.width) && along(a.y, a.height, b.y, b.height)
}

/// Draws the part `crop` of a picture into a box. `look`: opacity and radius of the corners. `ratio`: what the picture
/// is taken for in width to height, if not for what it is.
#[expect(clippy::too_many_arguments, reason = "all of them describe one act of drawing")]
fn draw(
    canvas: &mut Canvas,
    scaler: &mut Scaler,
    picture: &I420<'_>,
    crop: &Crop,
    fit: Fit,
    rect: Rect,
    (alpha, corner_radius): (u8, u32),
    ratio: Option<(u32, u32)>,
) -> Result<()> {
    let size = [f64::from(picture.width), f64::from(picture.height)];
    let (source, dest) = place(size, crop, fit, rect, ratio);
    Ok(canvas.draw(scaler, picture, &Draw { source, dest, alpha, corner_radius })?)
}

/// Which part of the picture, in whole pairs of pixels, goes where.
fn place(size: [f64; 2], crop: &Crop, fit: Fit, rect: Rect, ratio: Option<(u32, u32)>) -> (Rect, Rect) {
    let (part, dest) = part(size, crop, fit, rect, ratio);
    let span = |start: f64, length: f64, size: f64| {
        let end = (((start + length) / 2.0).round() * 2.0).min(size);
        // At least a pair of pixels, unless there is only one.
        let start = ((start / 2.0).round() * 2.0).min(((size - 1.0) / 2.0).floor() * 2.0).min((end - 2.0).max(0.0));
        (start as i32, (end - start).max(1.0) as u32)
    };
    let ((x, width), (y, height)) = (span(part[0], part[2], size[0]), span(part[1], part[3], size[1]));
    (Rect { x, y, width, height }, dest)
}

fn part(size: [f64; 2], crop: &Crop, fit: Fit, rect: Rect, ratio: Option<(u32, u32)>) -> ([f64; 4], Rect) {
    let [x, y, width, height] = [
        f64::from(crop.x) * size[0],
        f64::from(crop.y) * size[1],
        f64::from(crop.width) * size[0],
        f64::from(crop.height) * size[1],
    ];
    // Width to height, as it is to be seen.
    let stretch = ratio.map_or(1.0, |(w, h)| f64::from(w) / f64::from(h.max(1)) * size[1] / size[0]);
    let (shown, wanted) = (width * stretch / height, f64::from(rect.width) / f64::from(rect.height.max(1)));
    match fit {
        Fit::Stretch => ([x, y, width, height], rect),
        Fit::Crop if shown > wanted => {
            let kept = width * wanted / shown;
            ([x + (width - kept) / 2.0, y, kept, height], rect)
        }
        Fit::Crop => {
            let kept = height * shown / wanted;
            ([x, y + (height - kept) / 2.0, width, kept], rect)
        }
        Fit::Contain => ([x, y, width, height], inside(rect, shown, wanted)),
    }
}

/// The largest box of that ratio inside of another one, centred, with even edges.
fn inside(rect: Rect, shown: f64, wanted: f64) -> Rect {
    let even = |length: f64, most: u32| ((length / 2.0).round() as u32 * 2).clamp(2.min(most), most);
    let (width, height) = if shown > wanted {
        (rect.width, even(f64::from(rect.width) / shown, rect.height))
    } else {
        (even(f64::from(rect.height) * shown, rect.width), rect.height)
    };
    let offset = |outer: u32, inner: u32| ((outer - inner) / 4 * 2) as i32;
    Rect { x: rect.x + offset(rect.width, width), y: rect.y + offset(rect.height, height), width, height }
}
