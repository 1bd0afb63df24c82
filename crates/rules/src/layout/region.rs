//! Regions of a custom layout, with everything in them that the request leaves to its canvas and its list of streams.

use serde::{Deserialize, Serialize};

use super::cell::{Alternate, Cell, Crop, Fill, Fit, Label, Rect};
use crate::request::{self, CustomLayout, IndexedStream, RegionMedia, RenderMode};
use crate::select::StreamId;

/// The box of one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Region {
    pub stream: StreamId,
    /// Pixels as asked for, even or not.
    pub rect: Rect,
    /// 0 lowest to 100 uppermost.
    pub z_order: u32,
    pub fit: Fit,
    pub crop: Crop,
    /// Opacity, above 0 and at most 1.
    pub alpha: f32,
    /// Radius of rounded corners, pixels; it has no effect if it exceeds half the smaller side.
    pub corner_radius: u32,
    /// Which share of the stream is mixed.
    pub media: RegionMedia,
    /// Shown while the stream has no picture.
    pub alternate: Option<Alternate>,
    /// From -1, left, to 1, right: the sine of the angle between straight ahead and the direction of
    /// `SpatialPosition`, which is y / sqrt(x² + y² + z²). The listener sits at the origin and looks along x with y at
    /// the right and z above, the axes of the vendor's clients. Only the direction counts, not the distance: louder
    /// and softer is the speaker's business. `None`, the sound as it is, for a position at the origin and without
    /// `ApplySpatialAudio`. The formula is this project's definition.
    pub pan: Option<f32>,
}

/// The regions of a request, in its order.
pub fn of_request(layout: &CustomLayout, targets: &[IndexedStream]) -> Vec<Region> {
    let stream = |index: u32| targets.iter().find(|t| t.index == Some(index)).map(|t| StreamId::from(&t.stream));
    // A request has a stream for every region: it was parsed.
    layout.regions.iter().filter_map(|r| Some(region(stream(r.index)?, r, layout.canvas.width))).collect()
}

fn region(stream: StreamId, r: &request::Region, canvas_width: u32) -> Region {
    Region {
        stream,
        rect: Rect { x: r.x, y: r.y, width: r.width, height: r.height },
        z_order: r.z_order,
        fit: match r.render_mode {
            RenderMode::Stretch | RenderMode::StretchToo => Fit::Stretch,
            RenderMode::Crop => Fit::Crop,
            RenderMode::Fit => Fit::Contain,
        },
        // What reaches beyond the source does not exist.
        crop: Crop {
            x: r.crop.x,
            y: r.crop.y,
            width: r.crop.width.min(1.0 - r.crop.x),
            height: r.crop.height.min(1.0 - r.crop.y),
        },
        alpha: r.alpha,
        corner_radius: (r.corner_radius * canvas_width as f32).round() as u32,
        media: r.media,
        alternate: r.alternate_image.clone().map(|url| Alternate { url, fill: r.alternate_fill }),
        pan: if r.apply_spatial_audio { pan(r.spatial_position) } else { None },
    }
}

fn pan(position: [i32; 3]) -> Option<f32> {
    let [x, y, z] = position.map(|coordinate| coordinate as f32);
    let distance = (x * x + y * y + z * z).sqrt();
    (distance > 0.0).then(|| y / distance)
}

impl Region {
    pub(super) fn is_heard(&self) -> bool {
        self.media != RegionMedia::VideoOnly
    }

    pub(super) fn is_seen(&self) -> bool {
        self.media != RegionMedia::AudioOnly
    }

    pub(super) fn cell(&self, has_picture: bool, fill: Fill, label: Option<Label>) -> Cell {
        let rect = even(self.rect);
        let roundest = rect.width.min(rect.height) / 2;
        Cell {
            stream: Some(self.stream.clone()),
            rect,
            fit: self.fit,
            crop: self.crop,
            alpha: self.alpha,
            corner_radius: if self.corner_radius > roundest { 0 } else { self.corner_radius },
            shows_video: self.is_seen(),
            has_picture,
            alternate: self.alternate.clone(),
            fill,
            label,
        }
    }
}

/// The box with each edge moved to the even pixel at or before it: neighbours stay neighbours, and what began within
/// the picture still does.
fn even(rect: Rect) -> Rect {
    let edges = |from: u32, length: u32| [from, from.saturating_add(length)].map(|edge| edge & !1);
    Rect::between(edges(rect.x, rect.width), edges(rect.y, rect.height))
}
