//! Cells: places of a mixed picture, as its drawer is told them.

use serde::{Deserialize, Serialize};

use crate::request::AlternateFill;
use crate::select::StreamId;

/// A published stream of a mixed task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub stream: StreamId,
    /// What its user calls themself; may be empty.
    pub name: String,
    /// It publishes a picture now, which is not muted.
    pub video: bool,
}

/// A place in the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Whose it is; `None` is the large window of somebody who is not there, or the one of those who have none.
    pub stream: Option<StreamId>,
    /// Even pixels. Only a custom region reaches beyond the picture, at the right and at the bottom.
    pub rect: Rect,
    pub fit: Fit,
    /// Taken from the source, or from the alternate image, before it is fitted.
    pub crop: Crop,
    /// Opacity, above 0 and at most 1.
    pub alpha: f32,
    /// Radius of rounded corners, pixels; at most half the smaller side.
    pub corner_radius: u32,
    /// Whether anything is drawn here: nothing is of a region that is only heard.
    pub shows_video: bool,
    /// The stream publishes a picture now. While not, `alternate` is drawn, or without it what `fill` says.
    pub has_picture: bool,
    pub alternate: Option<Alternate>,
    pub fill: Fill,
    pub label: Option<Label>,
}

/// What is written on a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label {
    /// Whose it is.
    Name(String),
    /// How many streams have no window of their own; nothing else is in this one.
    More(usize),
}

/// A box, pixels from the picture's upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rect {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

impl Rect {
    /// The box between a left and a right, an upper and a lower edge; each pair ascends.
    pub(super) fn between([left, right]: [u32; 2], [top, bottom]: [u32; 2]) -> Rect {
        Rect { x: left, y: top, width: right - left, height: bottom - top }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }
}

/// How a source fills its box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Stretched to the box.
    Stretch,
    /// Cut to the box's ratio, about its centre, and filling it.
    Crop,
    /// Whole and centred; the background's colour around it.
    Contain,
}

/// The part of a source that is shown, as shares of its size. It lies within the source.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Crop {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Above 0.
    pub width: f32,
    /// Above 0.
    pub height: f32,
}

impl Crop {
    /// All of it.
    pub const WHOLE: Crop = Crop { x: 0.0, y: 0.0, width: 1.0, height: 1.0 };
}

/// A picture in place of a stream that has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternate {
    /// Its address.
    pub url: String,
    /// In whose ratio it is scaled.
    pub fill: AlternateFill,
}

/// What a cell shows while its stream has no picture. A stream that never had one shows the background: only what
/// began can stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// The last picture it had.
    LastFrame,
    Black,
    /// What lies below: nothing is drawn.
    Background,
}
