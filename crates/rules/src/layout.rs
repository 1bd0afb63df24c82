//! Where the streams of a mixed task stand in its picture, and in its sound.
//!
//! The vendor shows its adaptive, vertical and side-by-side layouts in pictures without numbers, so their geometry
//! here (`grid`) is this project's definition.

mod cell;
mod grid;
mod region;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use cell::{Alternate, Cell, Crop, Fill, Fit, Member, Rect};
pub use region::Region;

use crate::request::{Canvas, Color, FrameFill, Layout, Mode, StartRecord};
use crate::select::{MAX_STREAMS, StreamId, StreamKind};
use grid::Size;

/// What a mixed task wants its picture to look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Pixels, even.
    pub width: u32,
    /// Pixels, even.
    pub height: u32,
    /// Red, green, blue.
    pub background: [u8; 3],
    /// Address of a picture over the colour, stretched to the whole canvas.
    pub background_image: Option<String>,
    /// What is shown of a stream whose picture stopped, where the layout and the stream heed it: [`Cell::fill`] tells.
    pub frame_fill: FrameFill,
    pub arrangement: Arrangement,
}

/// How streams are arranged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrangement {
    /// A grid of those who are there.
    Adaptive,
    /// One large window at the left, small ones beside it.
    Vertical {
        /// Who is large; whoever joined first when `None`.
        main: Option<StreamId>,
    },
    /// Equal columns.
    SideBySide,
    /// Boxes of the caller's choice, one per stream.
    Custom(Vec<Region>),
}

impl Plan {
    /// The plan of a task; `None` when it is not mixed. After an update it is the plan of the updated request.
    pub fn of(request: &StartRecord) -> Option<Plan> {
        let Mode::Mixed(layout) = &request.mode else { return None };
        let (arrangement, canvas) = match layout {
            Layout::Adaptive => (Arrangement::Adaptive, None),
            Layout::Vertical { main } => (Arrangement::Vertical { main: main.as_ref().map(StreamId::from) }, None),
            Layout::SideBySide => (Arrangement::SideBySide, None),
            Layout::Custom(custom) => {
                let regions = region::of_request(custom, &request.targets);
                (Arrangement::Custom(regions), Some(custom.canvas.clone()))
            }
        };
        let canvas = canvas.unwrap_or(Canvas {
            width: request.encode.video_width,
            height: request.encode.video_height,
            background: Color([0; 3]),
            background_image: None,
        });
        Some(Plan {
            width: canvas.width,
            height: canvas.height,
            background: canvas.background.0,
            background_image: canvas.background_image,
            frame_fill: request.control.frame_fill,
            arrangement,
        })
    }

    /// Where everybody stands, in the order of drawing. `members` are the published streams in the order of joining;
    /// those beyond the first [`MAX_STREAMS`] have no place, except in a custom layout, whose regions name them.
    /// Cells that would be empty, as in a picture smaller than its grid, are left out.
    pub fn cells(&self, members: &[Member]) -> Vec<Cell> {
        let canvas = Size { width: self.width, height: self.height };
        let seated = &members[..members.len().min(MAX_STREAMS)];
        let mut cells = match &self.arrangement {
            Arrangement::Adaptive => self.windows(seated, grid::adaptive(canvas, seated.len())),
            Arrangement::SideBySide => self.windows(seated, grid::side_by_side(canvas, seated.len())),
            Arrangement::Vertical { main } => self.vertical(canvas, main.as_ref(), seated),
            Arrangement::Custom(regions) => self.custom(regions, members),
        };
        cells.retain(|cell| !cell.rect.is_empty());
        cells
    }

    /// Whether the stream's sound is mixed.
    pub fn hears(&self, stream: &StreamId) -> bool {
        match &self.arrangement {
            Arrangement::Custom(regions) => regions.iter().any(|r| r.stream == *stream && r.is_heard()),
            _ => true,
        }
    }

    /// The place of the stream's sound between the left (-1) and the right (1); `None` leaves it as it is. See
    /// [`Region::pan`].
    pub fn pan(&self, stream: &StreamId) -> Option<f32> {
        match &self.arrangement {
            Arrangement::Custom(regions) => regions.iter().find(|r| r.stream == *stream)?.pan,
            _ => None,
        }
    }

    /// The smallest size of the stream's source, in pixels, that fills its cell without being enlarged, if the shown
    /// part of it has the cell's ratio; `None` when nothing of it is drawn.
    pub fn source_size(&self, stream: &StreamId, members: &[Member]) -> Option<(u32, u32)> {
        let cells = self.cells(members);
        let cell = cells.iter().find(|cell| cell.stream.as_ref() == Some(stream) && cell.shows_video)?;
        let whole = |pixels: u32, share: f32| (pixels as f32 / share).round() as u32;
        Some((whole(cell.rect.width, cell.crop.width), whole(cell.rect.height, cell.crop.height)))
    }

    fn windows(&self, members: &[Member], rects: Vec<Rect>) -> Vec<Cell> {
        members.iter().zip(rects).map(|(member, rect)| self.window(Some(member), rect)).collect()
    }

    fn vertical(&self, canvas: Size, main: Option<&StreamId>, members: &[Member]) -> Vec<Cell> {
        let large = match main {
            None => members.first(),
            Some(main) => members.iter().find(|member| member.stream == *main),
        };
        if main.is_none() && large.is_none() {
            return Vec::new();
        }
        let small = || members.iter().filter(|member| large.is_none_or(|large| large.stream != member.stream));
        let (first, rest) = grid::vertical(canvas, small().count());
        let small = small().zip(rest).map(|(member, rect)| self.window(Some(member), rect));
        std::iter::once(self.window(large, first)).chain(small).collect()
    }

    /// A window of a layout that is not custom; nobody's without a member.
    fn window(&self, member: Option<&Member>, rect: Rect) -> Cell {
        Cell {
            stream: member.map(|member| member.stream.clone()),
            rect,
            fit: Fit::Crop,
            crop: Crop::WHOLE,
            alpha: 1.0,
            corner_radius: 0,
            shows_video: true,
            has_picture: member.is_some_and(|member| member.video),
            alternate: None,
            fill: member.map_or(Fill::Background, |member| self.fill(&member.stream)),
        }
    }

    fn custom(&self, regions: &[Region], members: &[Member]) -> Vec<Cell> {
        let mut regions: Vec<&Region> = regions.iter().collect();
        // Stable: of two regions of one height the later one is drawn over the earlier one.
        regions.sort_by_key(|region| region.z_order);
        let has_picture = |stream: &StreamId| members.iter().any(|member| member.stream == *stream && member.video);
        regions.into_iter().map(|r| r.cell(has_picture(&r.stream), self.fill(&r.stream))).collect()
    }

    /// `FrameInterpolationMode` has no effect in an adaptive layout, nor on a screen.
    fn fill(&self, stream: &StreamId) -> Fill {
        match (&self.arrangement, stream.kind, self.frame_fill) {
            (Arrangement::Adaptive, _, _) | (_, StreamKind::Screen, _) => Fill::Background,
            (_, StreamKind::Camera, FrameFill::LastFrame) => Fill::LastFrame,
            (_, StreamKind::Camera, FrameFill::Black) => Fill::Black,
        }
    }
}
