//! Where the streams of a mixed task stand in its picture, and in its sound.
//!
//! The vendor shows its adaptive, vertical and side-by-side layouts in pictures without numbers, so their geometry
//! here (`grid`) is this project's definition.

mod cell;
mod grid;
mod overlay;
mod region;

#[cfg(test)]
mod extension_tests;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use cell::{Alternate, Cell, Crop, Fill, Fit, Label, Member, Rect};
pub use overlay::Overlays;
pub use region::Region;

use crate::request::{Canvas, Color, FrameFill, Layout, Mark, MixLayout, Mode, StartRecord};
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
    /// Most windows, 1 to [`MAX_STREAMS`]; a custom layout has as many as it has regions.
    pub max_cells: usize,
    pub overlays: Overlays,
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
    /// Like `Vertical`; the large window shows who speaks or spoke last, and whoever joined first before that.
    Speaker,
    /// Equal columns.
    SideBySide,
    /// Boxes of the caller's choice, one per stream.
    Custom(Vec<Region>),
}

impl Plan {
    /// The plan of a task; `None` when it is not mixed. After an update it is the plan of the updated request.
    pub fn of(request: &StartRecord) -> Option<Plan> {
        let Mode::Mixed(layout) = &request.mode else { return None };
        let mix = request.extension.mix.as_ref();
        let (arrangement, canvas) = match layout {
            _ if mix.is_some_and(|mix| mix.layout == Some(MixLayout::Speaker)) => (Arrangement::Speaker, None),
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
            max_cells: mix.and_then(|mix| mix.max_cells).map_or(MAX_STREAMS, |n| n as usize),
            overlays: mix.map(Overlays::from).unwrap_or_default(),
        })
    }

    /// Whether anything may be written on the picture.
    pub fn has_text(&self) -> bool {
        self.overlays.has_text() || self.max_cells < MAX_STREAMS
    }

    /// The stream whose large window is kept for it.
    pub fn main(&self) -> Option<&StreamId> {
        match &self.arrangement {
            Arrangement::Vertical { main } => main.as_ref(),
            _ => None,
        }
    }

    /// Where everybody stands, in the order of drawing. `members` are the published streams in the order of joining;
    /// those beyond the first [`MAX_STREAMS`] have no place, except in a custom layout, whose regions name them. A main
    /// stream is always among the first.
    /// `speaker`: who speaks or spoke last. Cells that would be empty, as in a picture smaller than its grid, are left
    /// out.
    pub fn cells(&self, members: &[Member], speaker: Option<&StreamId>) -> Vec<Cell> {
        let canvas = Size { width: self.width, height: self.height };
        let seated = &members[..members.len().min(MAX_STREAMS)];
        let mut cells = match &self.arrangement {
            Arrangement::Adaptive => self.windows(seated, |n| grid::adaptive(canvas, n)),
            Arrangement::SideBySide => self.windows(seated, |n| grid::side_by_side(canvas, n)),
            Arrangement::Vertical { main } => match main {
                Some(main) => self.vertical(canvas, main, members),
                None => self.speaker(canvas, None, seated),
            },
            Arrangement::Speaker => self.speaker(canvas, speaker, seated),
            Arrangement::Custom(regions) => self.custom(regions, members),
        };
        cells.retain(|cell| !cell.rect.is_empty());
        cells
    }

    /// Addresses of the images that may be drawn.
    pub fn images(&self) -> BTreeSet<&str> {
        let regions = match &self.arrangement {
            Arrangement::Custom(regions) => regions.as_slice(),
            _ => &[],
        };
        let alternates =
            regions.iter().filter(|region| region.is_seen()).filter_map(|region| region.alternate.as_ref());
        let watermarks = self.overlays.watermarks.iter().filter_map(|watermark| match &watermark.mark {
            Mark::Image { image, .. } => Some(image.as_str()),
            Mark::Text { .. } => None,
        });
        let alternates = alternates.map(|alternate| alternate.url.as_str());
        self.background_image.as_deref().into_iter().chain(alternates).chain(watermarks).collect()
    }

    /// Whether a custom layout has a place for the stream, whether it is there or not.
    pub fn has_region(&self, stream: &StreamId) -> bool {
        matches!(&self.arrangement, Arrangement::Custom(regions) if regions.iter().any(|r| r.stream == *stream))
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
    /// part of it has the cell's ratio; `None` when nothing of it is drawn. Whoever may be the next to speak is prepared
    /// for the large window.
    pub fn source_size(&self, stream: &StreamId, members: &[Member]) -> Option<(u32, u32)> {
        let speaker = Some(stream).filter(|_| self.arrangement == Arrangement::Speaker);
        let cells = self.cells(members, speaker);
        let cell = cells.iter().find(|cell| cell.stream.as_ref() == Some(stream) && cell.shows_video)?;
        let whole = |pixels: u32, share: f32| (pixels as f32 / share).round() as u32;
        Some((whole(cell.rect.width, cell.crop.width), whole(cell.rect.height, cell.crop.height)))
    }

    /// Windows of one rank. `rects` makes so many.
    fn windows(&self, members: &[Member], rects: impl Fn(usize) -> Vec<Rect>) -> Vec<Cell> {
        let (shown, more) = match self.max_cells {
            1 => (members.len().min(1), 0),
            most => share_out(members.len(), most),
        };
        let rects = rects(shown + usize::from(more > 0));
        self.fill_windows(&members[..shown].iter().collect::<Vec<_>>(), more, rects)
    }

    /// The windows of `members`, and one for `more` others behind them.
    fn fill_windows(&self, members: &[&Member], more: usize, rects: Vec<Rect>) -> Vec<Cell> {
        let others = (more > 0).then_some(Label::More(more));
        let windows = rects.into_iter().enumerate();
        windows
            .map(|(i, rect)| match members.get(i) {
                Some(member) => self.window(Some(member), rect),
                None => Cell { label: others.clone(), ..self.window(None, rect) },
            })
            .collect()
    }

    /// The large window is the main stream's, also while that is away, except when it is needed: 17 others have no other
    /// way to be all seen.
    fn vertical(&self, canvas: Size, main: &StreamId, members: &[Member]) -> Vec<Cell> {
        let mut large = members.iter().find(|member| member.stream == *main);
        let mut small: Vec<&Member> = members.iter().filter(|member| member.stream != *main).collect();
        small.truncate(MAX_STREAMS - usize::from(large.is_some()));
        if small.len() > grid::MAX_SMALL && self.max_cells > grid::MAX_SMALL {
            large = small.pop();
        }
        self.large_and_small(canvas, large, &small)
    }

    /// Everybody keeps the own window as long as somebody else speaks: whoever joined first stands in for the one who is
    /// large.
    fn speaker(&self, canvas: Size, speaker: Option<&StreamId>, members: &[Member]) -> Vec<Cell> {
        let mut seats: Vec<&Member> = members.iter().collect();
        let at = seats.iter().position(|member| Some(&member.stream) == speaker).unwrap_or(0);
        if at < seats.len() {
            seats.swap(0, at);
        }
        match seats.split_first() {
            Some((large, small)) => self.large_and_small(canvas, Some(large), small),
            None => Vec::new(),
        }
    }

    fn large_and_small(&self, canvas: Size, large: Option<&Member>, small: &[&Member]) -> Vec<Cell> {
        if self.max_cells == 1 {
            return vec![self.window(large, Rect::between([0, canvas.width], [0, canvas.height]))];
        }
        let (shown, more) = share_out(small.len(), self.max_cells - 1);
        let (first, rest) = grid::vertical(canvas, shown + usize::from(more > 0));
        let mut cells = vec![self.window(large, first)];
        cells.extend(self.fill_windows(&small[..shown], more, rest));
        cells
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
            label: member.and_then(|member| self.overlays.label(member)),
        }
    }

    fn custom(&self, regions: &[Region], members: &[Member]) -> Vec<Cell> {
        let mut regions: Vec<&Region> = regions.iter().collect();
        // Stable: of two regions of one height the later one is drawn over the earlier one.
        regions.sort_by_key(|region| region.z_order);
        let cell = |region: &Region| {
            let member = members.iter().find(|member| member.stream == region.stream);
            let label = member.and_then(|member| self.overlays.label(member));
            region.cell(member.is_some_and(|member| member.video), self.fill(&region.stream), label)
        };
        regions.into_iter().map(cell).collect()
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

/// How many of `n` get a window of their own, and how many share the last one of `windows`.
fn share_out(n: usize, windows: usize) -> (usize, usize) {
    if n <= windows { (n, 0) } else { (windows.saturating_sub(1), n + 1 - windows) }
}
