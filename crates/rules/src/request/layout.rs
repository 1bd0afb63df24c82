//! `Layout`: where streams stand in a mixed picture.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::Version;
use super::color::Color;
use super::field::Fields;
use super::region::{Region, Unplaced, check_one_region_per_stream, place, regions};
use super::rule::{Hue, Side, Url, choice};
use super::streams::{INDEX, IndexedStream, Stream, stream};
use super::wire::{WireEnum, wire_enum};
use crate::error::ApiError;

/// How streams are arranged.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// A grid of those who are there.
    Adaptive,
    /// One large window and small ones.
    Vertical {
        /// Who is large; anyone when `None`.
        main: Option<Stream>,
    },
    /// Boxes of the caller's choice.
    Custom(CustomLayout),
    /// Equal columns.
    SideBySide,
}

wire_enum! {
    /// `LayoutMode`.
    LayoutMode {
        /// See [`Layout::Adaptive`].
        Adaptive = 0,
        /// See [`Layout::Vertical`].
        Vertical = 1,
        /// See [`Layout::Custom`].
        Custom = 2,
        /// See [`Layout::SideBySide`].
        SideBySide = 3,
    }
}

/// `CustomLayout`: every target stream has exactly one region, and the other way round.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct CustomLayout {
    /// What lies below all regions.
    pub canvas: Canvas,
    /// One per stream.
    pub regions: Vec<Region>,
}

/// The picture's size and background.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Canvas {
    /// Pixels, even, 2 to 1920.
    pub width: u32,
    /// Pixels, even, 2 to 1920.
    pub height: u32,
    /// Colour.
    pub background: Color,
    /// Address of a picture over the colour, at most 1024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background_image: Option<String>,
}

impl Serialize for Layout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mode = match self {
            Layout::Adaptive => LayoutMode::Adaptive,
            Layout::Vertical { main } => {
                map.serialize_entry("MainVideoStream", main)?;
                LayoutMode::Vertical
            }
            Layout::Custom(custom) => {
                map.serialize_entry("CustomLayout", custom)?;
                LayoutMode::Custom
            }
            Layout::SideBySide => LayoutMode::SideBySide,
        };
        map.serialize_entry("LayoutMode", &mode.wire())?;
        map.end()
    }
}

/// Reads `Layout` of a mixed task.
pub(super) fn layout(body: &Fields<'_>, version: Version, targets: &[IndexedStream]) -> Result<Layout, ApiError> {
    let f = body.object_or_empty("Layout")?;
    Ok(match f.or("LayoutMode", choice(), LayoutMode::Adaptive)? {
        LayoutMode::Adaptive => Layout::Adaptive,
        LayoutMode::SideBySide => Layout::SideBySide,
        LayoutMode::Vertical => Layout::Vertical { main: main_stream(&f, version, targets)? },
        LayoutMode::Custom => {
            let f = f
                .object("CustomLayout")?
                .ok_or_else(|| f.refuse("CustomLayout", "missing; required by LayoutMode 2"))?;
            let canvas = canvas(&f)?;
            let regions = place(regions(&f, version)?, &canvas)?;
            check_one_region_per_stream(&regions, targets)?;
            Layout::Custom(CustomLayout { canvas, regions })
        }
    })
}

fn main_stream(f: &Fields<'_>, version: Version, targets: &[IndexedStream]) -> Result<Option<Stream>, ApiError> {
    if let Some(f) = f.object("MainVideoStream")? {
        return stream(&f).map(Some);
    }
    if version != Version::V2020_12_01 {
        return Ok(None);
    }
    let index = f.optional("MainVideoStreamIndex", INDEX)?;
    let main = targets.iter().find(|t| t.index.is_some() && t.index == index);
    Ok(main.map(|t| t.stream.clone()))
}

fn canvas(f: &Fields<'_>) -> Result<Canvas, ApiError> {
    let f = f.object_or_empty("Canvas")?;
    Ok(Canvas {
        width: f.or("Width", Side, 640)?,
        height: f.or("Height", Side, 480)?,
        background: f.or("Background", Hue, Color([0; 3]))?,
        background_image: f.or("BackgroundImage", Url, None)?,
    })
}

/// What UpdateRecord may change of a layout. What is `None` was not in the body and keeps its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LayoutChange {
    background: Option<Color>,
    /// `Some(None)`: there is to be none any more.
    background_image: Option<Option<String>>,
    regions: Option<Vec<Unplaced>>,
}

/// Reads `Layout` of UpdateRecord. Mode and canvas size are accepted and have no effect.
pub(super) fn change(body: &Fields<'_>, version: Version) -> Result<LayoutChange, ApiError> {
    let f = body.object_or_empty("Layout")?;
    f.optional("LayoutMode", choice::<LayoutMode>())?;
    let f = f.object_or_empty("CustomLayout")?;
    let canvas = f.object_or_empty("Canvas")?;
    canvas.optional("Width", Side)?;
    canvas.optional("Height", Side)?;
    Ok(LayoutChange {
        background: canvas.optional("Background", Hue)?,
        background_image: canvas.optional("BackgroundImage", Url)?,
        regions: if f.has("Regions") { Some(regions(&f, version)?) } else { None },
    })
}

impl LayoutChange {
    /// The layout after the change, for a task that then records `targets`.
    pub fn apply(&self, running: &CustomLayout, targets: &[IndexedStream]) -> Result<CustomLayout, ApiError> {
        let mut layout = running.clone();
        if let Some(background) = self.background {
            layout.canvas.background = background;
        }
        if let Some(image) = &self.background_image {
            layout.canvas.background_image.clone_from(image);
        }
        if let Some(regions) = &self.regions {
            layout.regions = place(regions.clone(), &layout.canvas)?;
        }
        check_one_region_per_stream(&layout.regions, targets)?;
        Ok(layout)
    }
}
