//! `Regions` of a custom layout: the boxes that streams stand in.

use serde::Serialize;
use serde_json::Value;

use super::Version;
use super::field::Fields;
use super::layout::Canvas;
use super::rule::{Bool, Int, Rule, Share, Url, choice};
use super::streams::{INDEX, IndexedStream};
use super::wire::wire_enum;
use crate::error::{ApiError, ErrorKind};

/// The box of one stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Region {
    /// The stream's `Index`.
    #[serde(rename = "StreamIndex")]
    pub index: u32,
    /// Left edge, pixels from the left, less than the canvas is wide.
    #[serde(rename = "LocationX")]
    pub x: u32,
    /// Upper edge, pixels from the top, less than the canvas is high.
    #[serde(rename = "LocationY")]
    pub y: u32,
    /// Pixels, at most the canvas's width; with `x` it may reach beyond the canvas.
    pub width: u32,
    /// Pixels, at most the canvas's height.
    pub height: u32,
    /// 0 lowest to 100 uppermost.
    #[serde(rename = "ZOrder")]
    pub z_order: u32,
    /// Opacity, above 0 and at most 1.
    pub alpha: f32,
    /// How the source fills the box.
    pub render_mode: RenderMode,
    /// The part of the source that is shown.
    #[serde(rename = "SourceCrop")]
    pub crop: Crop,
    /// Address of a picture shown while the stream is away, at most 1024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternate_image: Option<String>,
    /// How that picture is scaled.
    #[serde(rename = "AlternateImageFillMode")]
    pub alternate_fill: AlternateFill,
    /// Which share of the stream is mixed.
    #[serde(rename = "MediaType")]
    pub media: RegionMedia,
    /// Radius of rounded corners as a share of the canvas's width, 0 to 1.
    pub corner_radius: f32,
    /// Spatial audio for this stream.
    pub apply_spatial_audio: bool,
    /// Its place in space, each -100 to 100.
    pub spatial_position: [i32; 3],
}

wire_enum! {
    /// `RenderMode`.
    RenderMode {
        /// Stretch to the box.
        Stretch = 0,
        /// Crop to the box's ratio and fill it.
        Crop = 1,
        /// Fit inside, centred.
        Fit = 2,
        /// The same as 0.
        StretchToo = 3,
    }
}

wire_enum! {
    /// `AlternateImageFillMode`.
    AlternateFill {
        /// In the ratio of the user's video.
        VideoRatio = 0,
        /// In its own ratio.
        OwnRatio = 1,
    }
}

wire_enum! {
    /// `MediaType` of a region.
    RegionMedia {
        /// Sound and picture.
        Both = 0,
        /// Sound only.
        AudioOnly = 1,
        /// Picture only.
        VideoOnly = 2,
    }
}

/// `SourceCrop`, as shares of the source's size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Crop {
    /// Left edge, at least 0 and less than 1.
    #[serde(rename = "LocationX")]
    pub x: f32,
    /// Upper edge, at least 0 and less than 1.
    #[serde(rename = "LocationY")]
    pub y: f32,
    /// Width, above 0 and at most 1.
    #[serde(rename = "WidthProportion")]
    pub width: f32,
    /// Height, above 0 and at most 1.
    #[serde(rename = "HeightProportion")]
    pub height: f32,
}

/// A region before the canvas is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unplaced {
    path: String,
    place: Place,
    region: Region,
}

/// Position and size: x, y, width, height.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    Pixels([u32; 4]),
    Shares([f32; 4]),
}

/// Reads the regions of a custom layout.
pub(super) fn regions(f: &Fields<'_>, version: Version) -> Result<Vec<Unplaced>, ApiError> {
    f.list("Regions")?.iter().map(|f| region(f, version)).collect()
}

fn region(f: &Fields<'_>, version: Version) -> Result<Unplaced, ApiError> {
    const EDGE: Share = Share { zero: true, one: false };
    const SIZE: Share = Share { zero: false, one: true };
    let place = if version.has_proportions() {
        Place::Shares([
            f.checked("LocationX", EDGE)?.unwrap_or(0.0),
            f.checked("LocationY", EDGE)?.unwrap_or(0.0),
            f.required("WidthProportion", SIZE)?,
            f.required("HeightProportion", SIZE)?,
        ])
    } else {
        Place::Pixels([
            f.checked("LocationX", Int(0..=1919))?.unwrap_or(0),
            f.checked("LocationY", Int(0..=1919))?.unwrap_or(0),
            f.required("Width", Int(1..=1920))?,
            f.required("Height", Int(1..=1920))?,
        ])
    };
    let crop = f.object_or_empty("SourceCrop")?;
    let region = Region {
        index: f.required("StreamIndex", INDEX)?,
        x: 0,
        y: 0,
        width: 0,
        height: 0,
        z_order: f.or(f.either("ZOrder", "Zorder"), Int(0..=100), 0)?,
        alpha: f.or("Alpha", SIZE, 1.0)?,
        render_mode: f.or("RenderMode", choice(), RenderMode::Stretch)?,
        crop: Crop {
            x: crop.or("LocationX", EDGE, 0.0)?,
            y: crop.or("LocationY", EDGE, 0.0)?,
            width: crop.or("WidthProportion", SIZE, 1.0)?,
            height: crop.or("HeightProportion", SIZE, 1.0)?,
        },
        alternate_image: f.or("AlternateImage", Url, None)?,
        alternate_fill: f.or("AlternateImageFillMode", choice(), AlternateFill::VideoRatio)?,
        media: f.or("MediaType", choice(), RegionMedia::Both)?,
        corner_radius: f.or("CornerRadius", Share { zero: true, one: true }, 0.0)?,
        apply_spatial_audio: f.or("ApplySpatialAudio", Bool, true)?,
        spatial_position: f.or("SpatialPosition", Position, [0; 3])?,
    };
    Ok(Unplaced { path: f.path().to_owned(), place, region })
}

/// Puts regions on a canvas: proportions become pixels, pixels are checked.
pub(super) fn place(regions: Vec<Unplaced>, canvas: &Canvas) -> Result<Vec<Region>, ApiError> {
    regions
        .into_iter()
        .map(|Unplaced { path, place, region }| {
            let [x, y, width, height] = match place {
                Place::Shares(shares) => to_pixels(shares, canvas),
                Place::Pixels(pixels) => {
                    check_inside(&path, pixels, canvas)?;
                    pixels
                }
            };
            Ok(Region { x, y, width, height, ..region })
        })
        .collect()
}

fn to_pixels([x, y, width, height]: [f32; 4], canvas: &Canvas) -> [u32; 4] {
    let scale = |side: u32, share: f32| (side as f32 * share).round() as u32;
    [
        scale(canvas.width, x).min(canvas.width - 1),
        scale(canvas.height, y).min(canvas.height - 1),
        scale(canvas.width, width).max(1),
        scale(canvas.height, height).max(1),
    ]
}

fn check_inside(path: &str, [x, y, width, height]: [u32; 4], canvas: &Canvas) -> Result<(), ApiError> {
    let limits = [
        ("LocationX", x, canvas.width - 1),
        ("LocationY", y, canvas.height - 1),
        ("Width", width, canvas.width),
        ("Height", height, canvas.height),
    ];
    match limits.into_iter().find(|(_, value, most)| value > most) {
        None => Ok(()),
        Some((name, value, most)) => Err(ApiError::new(
            ErrorKind::InvalidParameter,
            format!(
                "{path}.{name}: {value} is not allowed; allowed: at most {most} on a canvas of {}x{}",
                canvas.width, canvas.height
            ),
        )),
    }
}

/// Every target stream has exactly one region, and the other way round.
pub(super) fn check_one_region_per_stream(regions: &[Region], targets: &[IndexedStream]) -> Result<(), ApiError> {
    let refuse = |message: String| Err(ApiError::new(ErrorKind::InvalidParameter, message));
    for (i, region) in regions.iter().enumerate() {
        let path = format!("Layout.CustomLayout.Regions[{i}].StreamIndex");
        if !targets.iter().any(|t| t.index == Some(region.index)) {
            return refuse(format!("{path}: {} is no Index of TargetStreams.StreamList", region.index));
        }
        if regions[..i].iter().any(|r| r.index == region.index) {
            return refuse(format!("{path}: {} is used twice; allowed: one region per stream", region.index));
        }
    }
    for (i, target) in targets.iter().enumerate() {
        if !regions.iter().any(|r| Some(r.index) == target.index) {
            let path = format!("TargetStreams.StreamList[{i}].Index");
            let index = target.index.map_or("missing".to_owned(), |n| n.to_string());
            return refuse(format!("{path}: {index} has no region; in a custom layout every stream needs one"));
        }
    }
    Ok(())
}

/// Three coordinates.
struct Position;

impl Rule for Position {
    type Out = [i32; 3];
    fn read(&self, value: &Value) -> Option<[i32; 3]> {
        let coordinate = |v: &Value| i32::try_from(v.as_i64()?).ok().filter(|c| (-100..=100).contains(c));
        let all: Option<Vec<i32>> = value.as_array()?.iter().map(coordinate).collect();
        all?.try_into().ok()
    }
    fn allowed(&self) -> String {
        "three integers from -100 to 100".to_owned()
    }
}
