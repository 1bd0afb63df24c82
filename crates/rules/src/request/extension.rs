//! `Tapedeck`: our own extensions of the request. They are strict in every version, unknown names included.

use serde::{Deserialize, Serialize};

use super::color::Color;
use super::encode::Encode;
use super::field::Fields;
use super::layout::Layout;
use super::rule::{Bool, Hue, Int, Share, Signed, Text, Url, Word};
use super::{Mode, RecordMode, wire::WireEnum};
use crate::error::ApiError;
use crate::select::MAX_STREAMS;

/// Most watermarks of a picture.
const MAX_WATERMARKS: usize = 8;

/// What becomes of the sound of a single-stream file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioOutput {
    /// Transcoded to AAC, as the vendor does.
    Aac,
    /// Opus packets kept as they came.
    Opus,
}

/// `Tapedeck`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Extension {
    /// Single-stream tasks only.
    #[serde(rename = "AudioCodec")]
    pub audio: AudioOutput,
    /// Single-stream tasks only: pictures of several sizes stay as they came, in place of all getting the largest one.
    pub keep_source: bool,
    /// Mixed tasks only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix: Option<MixExtension>,
}

/// `Tapedeck.Mix`: what else a mixed picture shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct MixExtension {
    /// In place of `LayoutMode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<MixLayout>,
    /// Most windows, 1 to 17; not with a custom layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cells: Option<u32>,
    /// The users' names on their windows.
    pub names: bool,
    /// Date and time of day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// Over everything else, the later ones over the earlier ones; at most 8.
    pub watermarks: Vec<Watermark>,
}

/// A layout that the vendor has not got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MixLayout {
    /// The vertical layout, whose large window shows who speaks.
    Speaker,
}

/// `Clock`: where it stands, and whose time it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Clock {
    pub position: Corner,
    /// East of Greenwich, -720 to 840.
    pub utc_offset_minutes: i32,
}

/// A corner of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corner {
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
}

/// Something that is laid over the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Watermark {
    /// Left edge, pixels, less than the picture is wide.
    pub x: u32,
    /// Upper edge, pixels, less than the picture is high.
    pub y: u32,
    /// Opacity, above 0 and at most 1.
    pub alpha: f32,
    #[serde(flatten)]
    pub mark: Mark,
}

/// What a watermark shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "PascalCase")]
pub enum Mark {
    Text {
        /// 1 to 128 characters, one line.
        text: String,
        /// Height of the line, pixels, 8 to 400.
        size: u32,
        color: Color,
    },
    Image {
        /// Address, at most 1024 bytes.
        image: String,
        /// Pixels, 1 to 1920; the image is stretched to them.
        width: u32,
        height: u32,
    },
}

/// Reads `Tapedeck`.
pub(super) fn extension(body: &Fields<'_>, mode: &Mode, encode: &Encode) -> Result<Extension, ApiError> {
    let f = body.object_or_empty("Tapedeck")?;
    check_names(&f, &["AudioCodec", "KeepSource", "Mix"])?;
    let audio = Word(&[("aac", AudioOutput::Aac), ("opus", AudioOutput::Opus)]);
    let audio = f.checked("AudioCodec", audio)?.unwrap_or(AudioOutput::Aac);
    let keep_source = f.checked("KeepSource", Bool)?.unwrap_or(false);
    if keep_source && matches!(mode, Mode::Mixed(_)) {
        let (single, mixed) = (RecordMode::SingleStream.wire(), RecordMode::Mixed.wire());
        let reason =
            format!("true is not allowed with RecordMode {mixed} (Mixed); allowed: with {single} (SingleStream)");
        return Err(f.refuse("KeepSource", &reason));
    }
    let mix = match (f.object("Mix")?, mode) {
        (None, _) => None,
        (Some(mix), Mode::Mixed(layout)) => Some(mix_extension(&mix, layout, encode)?),
        (Some(_), Mode::SingleStream) => {
            let (single, mixed) = (RecordMode::SingleStream.wire(), RecordMode::Mixed.wire());
            let reason = format!("not allowed with RecordMode {single} (SingleStream); allowed: with {mixed} (Mixed)");
            return Err(f.refuse("Mix", &reason));
        }
    };
    Ok(Extension { audio, keep_source, mix })
}

fn mix_extension(f: &Fields<'_>, layout: &Layout, encode: &Encode) -> Result<MixExtension, ApiError> {
    check_names(f, &["Layout", "MaxCells", "Names", "Clock", "Watermarks"])?;
    let speaker = f.checked("Layout", Word(&[("speaker", MixLayout::Speaker)]))?;
    if speaker.is_some() && !matches!(layout, Layout::Adaptive | Layout::Vertical { main: None }) {
        let reason = "\"speaker\" is not allowed beside this layout; allowed: beside LayoutMode 0 (Adaptive), or \
                      1 (Vertical) without a main stream";
        return Err(f.refuse("Layout", reason));
    }
    let max_cells = f.checked("MaxCells", Int(1..=MAX_STREAMS as u32))?;
    let (width, height) = match layout {
        Layout::Custom(custom) => (custom.canvas.width, custom.canvas.height),
        _ => (encode.video_width, encode.video_height),
    };
    if let (Some(n), Layout::Custom(_)) = (max_cells, layout) {
        let reason = format!("{n} is not allowed with LayoutMode 2 (Custom); allowed: with any other layout");
        return Err(f.refuse("MaxCells", &reason));
    }
    Ok(MixExtension {
        layout: speaker,
        max_cells,
        names: f.checked("Names", Bool)?.unwrap_or(false),
        clock: f.object("Clock")?.map(|f| clock(&f)).transpose()?,
        watermarks: watermarks(f, width, height)?,
    })
}

fn clock(f: &Fields<'_>) -> Result<Clock, ApiError> {
    check_names(f, &["Position", "UtcOffsetMinutes"])?;
    let corners = Word(&[
        ("top-left", Corner::TopLeft),
        ("top-right", Corner::TopRight),
        ("bottom-left", Corner::BottomLeft),
        ("bottom-right", Corner::BottomRight),
    ]);
    Ok(Clock {
        position: f.checked("Position", corners)?.unwrap_or(Corner::TopRight),
        utc_offset_minutes: f.checked("UtcOffsetMinutes", Signed(-720..=840))?.unwrap_or(0),
    })
}

fn watermarks(f: &Fields<'_>, width: u32, height: u32) -> Result<Vec<Watermark>, ApiError> {
    let list = f.list("Watermarks")?;
    if list.len() > MAX_WATERMARKS {
        let reason = format!("{} watermarks are not allowed; allowed: at most {MAX_WATERMARKS}", list.len());
        return Err(f.refuse("Watermarks", &reason));
    }
    list.iter().map(|f| watermark(f, width, height)).collect()
}

fn watermark(f: &Fields<'_>, width: u32, height: u32) -> Result<Watermark, ApiError> {
    let line = Text {
        form: |s| (1..=128).contains(&s.chars().count()) && !s.chars().any(char::is_control),
        allowed: "1 to 128 printable characters",
    };
    let mark = match (f.has("Text"), f.has("Image")) {
        (true, true) => return Err(f.refuse("Image", "not allowed beside Text; allowed: one of the two")),
        (false, false) => return Err(f.refuse("Text", "missing, and so is Image; allowed: one of the two")),
        (true, false) => {
            check_names(f, &["Text", "X", "Y", "Size", "Color", "Alpha"])?;
            Mark::Text {
                text: f.required("Text", line)?,
                size: f.checked("Size", Int(8..=400))?.unwrap_or(32),
                color: f.checked("Color", Hue)?.unwrap_or(Color([0xff; 3])),
            }
        }
        (false, true) => {
            check_names(f, &["Image", "X", "Y", "Width", "Height", "Alpha"])?;
            Mark::Image {
                image: f
                    .required("Image", Url)?
                    .ok_or_else(|| f.refuse("Image", "\"\" is not allowed; allowed: an address"))?,
                width: f.required("Width", Int(1..=1920))?,
                height: f.required("Height", Int(1..=1920))?,
            }
        }
    };
    Ok(Watermark {
        x: f.checked("X", Int(0..=width - 1))?.unwrap_or(0),
        y: f.checked("Y", Int(0..=height - 1))?.unwrap_or(0),
        alpha: f.checked("Alpha", Share { zero: false, one: true })?.unwrap_or(1.0),
        mark,
    })
}

fn check_names(f: &Fields<'_>, allowed: &[&str]) -> Result<(), ApiError> {
    match f.names().find(|name| !allowed.contains(name)) {
        None => Ok(()),
        Some(unknown) => Err(f.refuse(unknown, &format!("unknown field; allowed: {}", allowed.join(", ")))),
    }
}
