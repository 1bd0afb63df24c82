//! `Encode` and `Control`: how streams are captured and encoded.

use serde::Serialize;

use super::Version;
use super::field::Fields;
use super::files::FileFormat;
use super::rule::{Bool, Int, OneOf, Side, choice};
use super::wire::wire_enum;
use crate::error::ApiError;

wire_enum! {
    /// `Encode.VideoCodec`.
    VideoCodec {
        /// H.264.
        H264 = 0,
        /// ByteVC1, the vendor's H.265.
        ByteVc1 = 1,
    }
}

wire_enum! {
    /// `Encode.AudioProfile`.
    AacProfile {
        /// Low complexity.
        Lc = 0,
        /// HE-AAC.
        HeV1 = 1,
        /// HE-AAC v2, stereo only.
        HeV2 = 2,
    }
}

wire_enum! {
    /// `Encode.AudioCodec`: one choice only.
    AudioCodecNumber {
        /// AAC.
        Aac = 0,
    }
}

wire_enum! {
    /// `Control.MediaType`.
    CaptureMedia {
        /// Sound and picture.
        AudioVideo = 0,
        /// Sound only.
        AudioOnly = 1,
    }
}

wire_enum! {
    /// `Control.FrameInterpolationMode`: what is shown while a stream is away.
    FrameFill {
        /// Its last frame.
        LastFrame = 0,
        /// Black.
        Black = 1,
    }
}

/// How pictures and sound are encoded. A single-stream task honours rates, not sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Encode {
    /// Pixels, even, 2 to 1920; unused in a custom layout.
    pub video_width: u32,
    /// Pixels, even, 2 to 1920; unused in a custom layout.
    pub video_height: u32,
    /// Frames per second, 1 to 60. See [`Encode::mixed_fps`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_fps: Option<u32>,
    /// kbit/s, up to 10000; 0 means chosen from size and rate.
    #[serde(rename = "VideoBitrate")]
    pub video_bitrate_kbps: u32,
    /// Codec of encoded pictures.
    pub video_codec: VideoCodec,
    /// Seconds between key frames, 1 to 5.
    #[serde(rename = "VideoGop")]
    pub video_gop_s: u32,
    /// AAC profile.
    pub audio_profile: AacProfile,
    /// kbit/s, 32 to 192 and within the profile's limit.
    #[serde(rename = "AudioBitrate")]
    pub audio_bitrate_kbps: u32,
    /// 16000, 32000, 44100 or 48000.
    #[serde(rename = "AudioSampleRate")]
    pub audio_sample_rate_hz: u32,
    /// 1 or 2.
    pub audio_channels: u32,
}

impl Encode {
    /// Of a mix, which has a rate in any case. Pictures of single streams come at that of their sender, unless another is
    /// asked for.
    pub fn mixed_fps(&self) -> u32 {
        self.video_fps.unwrap_or(15)
    }
}

/// Reads `Encode`.
pub(super) fn encode(body: &Fields<'_>) -> Result<Encode, ApiError> {
    let f = body.object_or_empty("Encode")?;
    f.or("AudioCodec", choice(), AudioCodecNumber::Aac)?;
    let channels = f.or("AudioChannels", Int(1..=2), 2)?;
    let mut profile = f.or("AudioProfile", choice(), AacProfile::Lc)?;
    if profile == AacProfile::HeV2 && channels != 2 {
        if !f.is_lenient() {
            return Err(
                f.refuse("AudioProfile", "2 (HeV2) is not allowed with AudioChannels 1; allowed: 0 (Lc), 1 (HeV1)")
            );
        }
        profile = AacProfile::Lc;
    }
    let most_kbps = match profile {
        AacProfile::Lc => 192,
        AacProfile::HeV1 => 128,
        AacProfile::HeV2 => 64,
    };
    Ok(Encode {
        video_width: f.or("VideoWidth", Side, 640)?,
        video_height: f.or("VideoHeight", Side, 480)?,
        video_fps: f.optional("VideoFps", Int(1..=60))?,
        video_bitrate_kbps: f.or("VideoBitrate", Int(0..=10_000), 0)?,
        video_codec: f.or("VideoCodec", choice(), VideoCodec::H264)?,
        video_gop_s: f.or("VideoGop", Int(1..=5), 4)?,
        audio_profile: profile,
        audio_bitrate_kbps: f.or("AudioBitrate", Int(32..=192), 64)?.min(most_kbps),
        audio_sample_rate_hz: f.or("AudioSampleRate", OneOf(vec![16_000, 32_000, 44_100, 48_000]), 48_000)?,
        audio_channels: channels,
    })
}

/// What is captured, and when the task ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Control {
    /// Sound and picture, or sound only.
    #[serde(rename = "MediaType")]
    pub media: CaptureMedia,
    /// What is shown while a stream is away.
    #[serde(rename = "FrameInterpolationMode")]
    pub frame_fill: FrameFill,
    /// Seconds without any wanted stream after which the task ends, 10 to 86400.
    #[serde(rename = "MaxIdleTime")]
    pub max_idle_s: u32,
    /// Seconds after which the task ends; 0 means never.
    #[serde(rename = "MaxRecordTime")]
    pub max_record_s: u32,
    /// Single-stream: a gap of up to so many seconds (60 to 3600) is filled, a longer one ends the file.
    #[serde(rename = "MaxSilenceSeconds")]
    pub max_silence_s: u32,
    /// HLS only: segments are uploaded while recording.
    pub enable_sync_upload: bool,
}

/// Reads `Control`. Fields for live output that older versions carry are ignored.
pub(super) fn control(body: &Fields<'_>, version: Version, formats: &[FileFormat]) -> Result<Control, ApiError> {
    let f = body.object_or_empty("Control")?;
    let newest = version == Version::V2023_11_01;
    let enable_sync_upload = newest && f.or("EnableSyncUpload", Bool, false)?;
    if enable_sync_upload && !formats.contains(&FileFormat::Hls) {
        return Err(f.refuse(
            "EnableSyncUpload",
            "true is not allowed without HLS in FileFormatConfig.FileFormat; allowed: false",
        ));
    }
    Ok(Control {
        media: f.or("MediaType", choice(), CaptureMedia::AudioVideo)?,
        frame_fill: f.or("FrameInterpolationMode", choice(), FrameFill::LastFrame)?,
        max_idle_s: f.or("MaxIdleTime", Int(10..=86_400), 180)?,
        max_record_s: f.or("MaxRecordTime", Int(0..=i32::MAX as u32), 0)?,
        max_silence_s: if newest { f.or("MaxSilenceSeconds", Int(60..=3600), 3600)? } else { 3600 },
        enable_sync_upload,
    })
}
