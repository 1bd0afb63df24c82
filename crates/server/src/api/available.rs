//! The one place that says what is understood but not done yet.

use rules::error::{ApiError, ErrorKind};
use rules::layout::Plan;
use rules::request::{AacProfile, AudioOutput, FileFormat, Mode, StartRecord, Storage, VideoCodec};

/// x265 makes no smaller pictures, pixels.
const SMALLEST_H265: u32 = 16;

/// Refuses a valid request that this server cannot fulfil.
pub(super) fn check(start: &StartRecord) -> Result<(), ApiError> {
    let refuse = |field: &str, what: &str, instead: &str| {
        let message = format!("{field}: {what} is not available yet on this server; available: {instead}");
        Err(ApiError::new(ErrorKind::NotAvailableYet, message))
    };
    let encodes_aac = matches!(start.mode, Mode::Mixed(_)) || start.extension.audio == AudioOutput::Aac;
    if encodes_aac && start.encode.audio_profile != AacProfile::Lc {
        return refuse("Encode.AudioProfile", "HE-AAC (FFmpeg's own encoder has none)", "0 (Lc)");
    }
    if let Some(plan) = Plan::of(start).filter(|_| start.encode.video_codec == VideoCodec::ByteVc1)
        && plan.width.min(plan.height) < SMALLEST_H265
    {
        let what = format!("1 (ByteVC1) for a picture of {}x{}", plan.width, plan.height);
        return refuse("Encode.VideoCodec", &what, "0 (H.264), or sides of at least 16");
    }
    match start.storage {
        Storage::Vod(_) => {}
        Storage::Tos(_) => return refuse("StorageConfig.Type", "0 (Tos)", "1 (Vod)"),
        Storage::Custom(_) => return refuse("StorageConfig.Type", "2 (Custom)", "1 (Vod)"),
    }
    if start.formats.contains(&FileFormat::Flv) && start.encode.video_codec == VideoCodec::ByteVc1 {
        let instead = "0 (H.264), or FileFormatConfig.FileFormat without FLV";
        return refuse("Encode.VideoCodec", "1 (ByteVC1) with FLV", instead);
    }
    Ok(())
}
