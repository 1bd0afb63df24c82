//! `FileFormatConfig` and `FileNameConfig`: which files, and how they are called.

use serde::{Deserialize, Serialize};

use super::Version;
use super::field::Fields;
use super::rule::{Rule, Text};
use crate::error::ApiError;

/// A container format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FileFormat {
    /// MP4.
    Mp4,
    /// Playlist and segments.
    Hls,
    /// FLV.
    Flv,
    /// Sound only: MP3.
    Mp3,
    /// Sound only: ADTS.
    Aac,
    /// Sound only: MP4.
    M4a,
    /// WebM; an extension of ours, like those below.
    Webm,
    /// Sound only: Opus in Ogg.
    Ogg,
    /// Sound only: PCM in RIFF WAVE.
    Wav,
}

impl FileFormat {
    const ALL: [FileFormat; 9] =
        [Self::Mp4, Self::Hls, Self::Flv, Self::Mp3, Self::Aac, Self::M4a, Self::Webm, Self::Ogg, Self::Wav];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp4 => "MP4",
            Self::Hls => "HLS",
            Self::Flv => "FLV",
            Self::Mp3 => "MP3",
            Self::Aac => "AAC",
            Self::M4a => "M4A",
            Self::Webm => "WEBM",
            Self::Ogg => "OGG",
            Self::Wav => "WAV",
        }
    }

    /// The format of this name on the wire, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The file name's extension, without the dot; of HLS, that of the playlist.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Hls => "m3u8",
            Self::Flv => "flv",
            Self::Mp3 => "mp3",
            Self::Aac => "aac",
            Self::M4a => "m4a",
            Self::Webm => "webm",
            Self::Ogg => "ogg",
            Self::Wav => "wav",
        }
    }

    /// Whether it takes pictures.
    pub fn has_picture(self) -> bool {
        matches!(self, Self::Mp4 | Self::Hls | Self::Flv | Self::Webm)
    }

    /// Whether WEBM is the only one of these that takes pictures: then nothing else decides on their codec.
    pub fn is_webm_alone(formats: &[Self]) -> bool {
        formats.contains(&Self::Webm) && formats.iter().all(|format| *format == Self::Webm || !format.has_picture())
    }
}

/// How files are named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct FileName {
    /// Folders of the object key, letters and digits only; at most 128 characters with their slashes.
    pub prefix: Vec<String>,
    /// Pattern with `{Variables}`; `None` means the default of the mode. May hold any printable character, slashes
    /// included, so it must be cleaned before it names a local file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// Reads the formats; MP4 unless the body says otherwise, and always in 2020-12-01.
pub(super) fn formats(body: &Fields<'_>, version: Version) -> Result<Vec<FileFormat>, ApiError> {
    if version == Version::V2020_12_01 {
        return Ok(vec![FileFormat::Mp4]);
    }
    let f = body.object_or_empty("FileFormatConfig")?;
    let mut formats = f.or("FileFormat", Formats, Vec::new())?;
    if formats.is_empty() {
        formats.push(FileFormat::Mp4);
    }
    Ok(formats)
}

/// A list of formats; repetitions collapse.
struct Formats;

impl Rule for Formats {
    type Out = Vec<FileFormat>;
    fn read(&self, value: &serde_json::Value) -> Option<Self::Out> {
        let mut formats = Vec::new();
        for item in value.as_array()? {
            let format = FileFormat::from_name(item.as_str()?)?;
            if !formats.contains(&format) {
                formats.push(format);
            }
        }
        Some(formats)
    }
    fn allowed(&self) -> String {
        format!("a list out of {}", FileFormat::ALL.map(FileFormat::name).join(", "))
    }
}

/// Reads prefix and pattern; 2020-12-01 has only `RecordFileNamePattern`, at the top.
pub(super) fn file_name(body: &Fields<'_>, version: Version) -> Result<FileName, ApiError> {
    const PATTERN: Text = Text {
        form: |s| s.chars().count() <= 512 && !s.chars().any(char::is_control),
        allowed: "up to 512 printable characters",
    };
    let (prefix, pattern) = if version == Version::V2020_12_01 {
        (Vec::new(), body.optional("RecordFileNamePattern", PATTERN)?)
    } else {
        let f = body.object_or_empty("FileNameConfig")?;
        (f.or("Prefix", Prefix, Vec::new())?, f.optional("Pattern", PATTERN)?)
    };
    Ok(FileName { prefix, pattern: pattern.filter(|p| !p.is_empty()) })
}

/// Folders of letters and digits.
struct Prefix;

impl Rule for Prefix {
    type Out = Vec<String>;
    fn read(&self, value: &serde_json::Value) -> Option<Self::Out> {
        let parts = value
            .as_array()?
            .iter()
            .map(|part| part.as_str().filter(|s| is_word(s)).map(str::to_owned))
            .collect::<Option<Vec<_>>>()?;
        let with_slashes: usize = parts.iter().map(|p| p.len() + 1).sum();
        (with_slashes <= 128).then_some(parts)
    }
    fn allowed(&self) -> String {
        "a list of words of letters and digits, together at most 128 characters with a slash after each".to_owned()
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}
