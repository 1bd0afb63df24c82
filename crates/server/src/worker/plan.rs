//! From a request to what a recorder makes of its streams.

use std::collections::BTreeMap;
use std::path::PathBuf;

use recorder::messages::{Anew, AudioPlan, MixCodec, MixPlan, MixedAudio, OutputPlan, VideoPlan};
use rules::layout;
use rules::request::{AudioOutput, Encode, FileFormat, StartRecord, VideoCodec};
use serde_json::Value;

/// Bits per pixel of a mix whose bitrate was left to us, at 25 frames/s. Slower ones get a little more per picture,
/// faster ones less, because their pictures differ less.
const BITS_PER_PIXEL: f64 = 0.1;
/// Bounds of that bitrate, bit/s; the upper one is the API's.
const BITRATES: (u32, u32) = (100_000, 10_000_000);

/// FFmpeg's names of the encoders that are tried before the processor's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoders {
    pub h264: Option<String>,
    pub h265: Option<String>,
}

/// Whether a stored request is of a mixed task.
pub fn is_mixed(request: &Value) -> bool {
    request["RecordMode"] == 0
}

/// The formats that a stored request asks for.
pub fn formats(request: &Value) -> Vec<FileFormat> {
    serde_json::from_value(request["FileFormatConfig"]["FileFormat"].clone()).unwrap_or_else(|_| vec![FileFormat::Mp4])
}

/// What a recorder makes of the streams of a task. `fonts`: files of those that pictures are written with.
pub fn output(request: &StartRecord, encoders: &Encoders, fonts: &[PathBuf]) -> OutputPlan {
    let Encode { audio_channels, audio_bitrate_kbps, audio_sample_rate_hz: rate, .. } = request.encode;
    let (channels, bitrate) = (audio_channels as u8, audio_bitrate_kbps * 1000);
    match layout::Plan::of(request) {
        Some(layout) => OutputPlan::Mix(Box::new(MixPlan {
            video: video(request, encoders, layout.width, layout.height),
            layout,
            images: BTreeMap::new(),
            fonts: fonts.to_vec(),
            audio: MixedAudio { rate, channels, bitrate },
        })),
        None => OutputPlan::Streams {
            max_silence_ms: i64::from(request.control.max_silence_s) * 1000,
            audio: match request.extension.audio {
                AudioOutput::Opus => AudioPlan::Opus,
                AudioOutput::Aac => AudioPlan::Aac { rate, channels, bitrate },
            },
            anew: Anew {
                fps: request.encode.video_fps,
                bitrate: Some(request.encode.video_bitrate_kbps * 1000).filter(|bitrate| *bitrate > 0),
            },
            keep_source: request.extension.keep_source,
        },
    }
}

fn video(request: &StartRecord, encoders: &Encoders, width: u32, height: u32) -> VideoPlan {
    let encode = &request.encode;
    let (codec, encoder) = match encode.video_codec {
        // WebM takes neither of those.
        _ if FileFormat::is_webm_alone(&request.formats) => (MixCodec::Vp8, &None),
        VideoCodec::H264 => (MixCodec::H264, &encoders.h264),
        VideoCodec::ByteVc1 => (MixCodec::H265, &encoders.h265),
    };
    VideoPlan {
        codec,
        encoder: encoder.clone(),
        fps: encode.mixed_fps(),
        bitrate: match encode.video_bitrate_kbps {
            0 => chosen_bitrate(width, height, encode.mixed_fps()),
            kbps => kbps * 1000,
        },
        gop_s: encode.video_gop_s,
    }
}

/// Our formula for `VideoBitrate` 0.
fn chosen_bitrate(width: u32, height: u32, fps: u32) -> u32 {
    let pixels = f64::from(width) * f64::from(height);
    let rate = pixels * BITS_PER_PIXEL * 25.0 * (f64::from(fps) / 25.0).sqrt();
    (rate as u32).clamp(BITRATES.0, BITRATES.1)
}

#[cfg(test)]
mod tests {
    use rules::request::Version;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mix_is_encoded_in_what_all_its_files_take_or_the_master_does() {
        let codec = |video_codec: u32, formats: &[&str]| {
            let request = json!({
                "AppId": "app", "RoomId": "room", "TaskId": "task", "RecordMode": 0,
                "Encode": { "VideoCodec": video_codec }, "FileFormatConfig": { "FileFormat": formats },
                "StorageConfig": { "Type": 1, "VodConfig": { "AccountId": "1", "Space": "s" } },
            });
            let request = StartRecord::parse(Version::V2023_11_01, &request).expect("valid");
            match output(&request, &Encoders::default(), &[]) {
                OutputPlan::Mix(plan) => plan.video.codec,
                OutputPlan::Streams { .. } => panic!("it is mixed"),
            }
        };
        assert_eq!((codec(0, &["MP4", "WEBM"]), codec(1, &["WEBM", "MP4"])), (MixCodec::H264, MixCodec::H265));
        assert_eq!((codec(0, &["WEBM"]), codec(1, &["MP3", "WEBM"])), (MixCodec::Vp8, MixCodec::Vp8));
        assert_eq!((codec(0, &["MP3"]), codec(1, &["HLS"])), (MixCodec::H264, MixCodec::H265));
    }

    #[test]
    fn a_bitrate_left_to_us_follows_size_and_rate() {
        assert_eq!(chosen_bitrate(1280, 720, 25), 2_304_000);
        assert_eq!(chosen_bitrate(640, 480, 15), 594_890);
        assert_eq!(chosen_bitrate(2, 2, 1), 100_000);
        assert_eq!(chosen_bitrate(1920, 1920, 60), 10_000_000);
    }
}
