//! What lies over all windows of a mixed picture: watermarks, and a clock below them.
//!
//! A translucent sprite cannot be drawn twice over the same pixels. So each keeps what it was laid on: before something
//! below it changes it is lifted, and laid again afterwards. What did not change stays.

use codec::video::{Canvas, Draw, Rect, Scaler, Sprite};
use rules::layout::Plan;
use rules::request::{Clock, Corner, Mark, Watermark};
use rules::time::{SECOND_NS, Wall};

use super::images::Images;
use super::plate;
use super::text::Typefaces;
use super::tile::overlap;
use crate::Result;

/// See the module's head.
#[derive(Default)]
pub struct Overlays {
    clock: Option<Clock>,
    /// What the clock shows, seconds of the wall clock.
    second: Option<i64>,
    /// The clock first, if there is one.
    layers: Vec<Layer>,
    scaler: Scaler,
}

/// One sprite, and where it lies.
#[derive(Default)]
struct Layer {
    /// What is to be seen; nothing of a clock that stands.
    sprite: Option<(Sprite, i32, i32)>,
    /// What it was laid on, and where.
    below: Option<(Rect, Canvas)>,
    laid: bool,
}

impl Overlays {
    /// Those of a plan. They are not on the canvas yet.
    pub fn new(plan: &Plan, images: &Images, faces: &Typefaces) -> Overlays {
        let clock = plan.overlays.clock;
        let mark = |watermark| Layer { sprite: sprite(watermark, images, faces, plan.width), ..Layer::default() };
        let layers = clock.map(|_| Layer::default()).into_iter();
        let layers = layers.chain(plan.overlays.watermarks.iter().map(mark)).collect();
        Overlays { clock, second: None, layers, scaler: Scaler::new() }
    }

    /// The clock shows this time from now on; without one it is not there.
    pub fn set_time(&mut self, time: Option<Wall>, canvas: &mut Canvas, faces: &Typefaces) -> Result<()> {
        let Some(clock) = self.clock else { return Ok(()) };
        let second = time.map(|time| time.0.div_euclid(SECOND_NS));
        if second == self.second {
            return Ok(());
        }
        self.second = second;
        let sprite = time.and_then(|time| plate::clock(&clock.text(time), faces, canvas.height()));
        let placed = sprite.map(|sprite| in_corner(sprite, clock.position, (canvas.width(), canvas.height())));
        self.lift_layers(canvas, |layer, _| layer == 0)?;
        self.layers[0].sprite = placed;
        Ok(())
    }

    /// Takes away what lies over any of these places, so that they can be drawn.
    pub fn lift(&mut self, canvas: &mut Canvas, places: &[Rect]) -> Result<()> {
        self.lift_layers(canvas, |_, rect| places.iter().any(|place| overlap(place, rect)))
    }

    /// Lays what is not there.
    pub fn lay(&mut self, canvas: &mut Canvas) -> Result<()> {
        for layer in self.layers.iter_mut().filter(|layer| !layer.laid) {
            let Some((sprite, x, y)) = &layer.sprite else { continue };
            let Some(rect) = visible(sprite, *x, *y, canvas) else { continue };
            let below = match layer.below.take() {
                Some((_, below)) if (below.width(), below.height()) == (rect.width, rect.height) => below,
                _ => Canvas::new(rect.width, rect.height)?,
            };
            let (_, below) = layer.below.insert((rect, below));
            let dest = Rect::sized(rect.width, rect.height);
            let draw = Draw { source: rect, dest, alpha: 255, corner_radius: 0 };
            below.draw(&mut self.scaler, &canvas.view(), &draw)?;
            canvas.lay(sprite, *x, *y);
            layer.laid = true;
        }
        Ok(())
    }

    /// Lifts those that `wanted` names and, because what they lie on has them in it, those that touch them.
    fn lift_layers(&mut self, canvas: &mut Canvas, wanted: impl Fn(usize, &Rect) -> bool) -> Result<()> {
        let rect = |layer: &Layer| layer.below.as_ref().filter(|_| layer.laid).map(|(rect, _)| *rect);
        let rects: Vec<Option<Rect>> = self.layers.iter().map(rect).collect();
        let mut lifted: Vec<usize> = Vec::new();
        let direct = rects.iter().enumerate().filter(|(n, rect)| rect.is_some_and(|rect| wanted(*n, &rect)));
        let mut found: Vec<usize> = direct.map(|(n, _)| n).collect();
        while let Some(n) = found.pop() {
            if !lifted.contains(&n) {
                lifted.push(n);
                let touches = |(_, other): &(usize, &Option<Rect>)| {
                    rects[n].zip(**other).is_some_and(|(rect, other)| overlap(&rect, &other))
                };
                found.extend(rects.iter().enumerate().filter(touches).map(|(other, _)| other));
            }
        }
        lifted.sort_unstable();
        // The uppermost first: it lies on the others.
        for n in lifted.into_iter().rev() {
            let layer = &mut self.layers[n];
            layer.laid = false;
            if let Some((rect, below)) = &layer.below {
                let view = below.view();
                canvas.draw(&mut self.scaler, &view, &Draw::whole(&view, *rect))?;
            }
        }
        Ok(())
    }
}

/// What is beyond the canvas, which is `width` pixels wide, is not made.
fn sprite(watermark: &Watermark, images: &Images, faces: &Typefaces, width: u32) -> Option<(Sprite, i32, i32)> {
    let most = width.checked_sub(watermark.x)?;
    let mut sprite = match &watermark.mark {
        Mark::Text { text, size, color } => plate::line(text, faces, *size, color.0, most)?,
        Mark::Image { image, width, height } => images.mark(image, *width, *height)?.clone(),
    };
    sprite.fade((watermark.alpha * 255.0).round() as u8);
    Some((sprite, watermark.x as i32, watermark.y as i32))
}

fn in_corner(sprite: Sprite, corner: Corner, (width, height): (u32, u32)) -> (Sprite, i32, i32) {
    let margin = plate::margin(plate::text_height(height));
    let far = |side: u32, length: u32| side.saturating_sub(length + margin) as i32;
    let (right, bottom) = (far(width, sprite.width()), far(height, sprite.height()));
    let (x, y) = match corner {
        Corner::TopLeft => (margin as i32, margin as i32),
        Corner::TopRight => (right, margin as i32),
        Corner::BottomLeft => (margin as i32, bottom),
        Corner::BottomRight => (right, bottom),
    };
    (sprite, x, y)
}

/// The part of a sprite that lies on the canvas, in even pixels; its upper left corner does.
fn visible(sprite: &Sprite, x: i32, y: i32, canvas: &Canvas) -> Option<Rect> {
    let (x, y) = (x & !1, y & !1);
    let inside = |start: i32, length: u32, most: u32| Some(length.min(most.checked_sub(u32::try_from(start).ok()?)?));
    let width = inside(x, sprite.width(), canvas.width())?;
    let height = inside(y, sprite.height(), canvas.height())?;
    (width > 0 && height > 0).then_some(Rect { x, y, width, height })
}
