//! From an encoder's packet to a sample of a file.

use bytes::Bytes;
use codec::video;
use media::bitstream::h264::{self, H264Config};
use media::bitstream::h265::{self, H265Config};
use media::bitstream::{annex_b, av1, vp8, vp9};
use media::mp4;
use media::packet::VideoConfig;

use crate::{Error, Result};

/// The coder of a file's pictures; none of sound.
pub fn codec_of(codec: mp4::Codec) -> Option<video::Codec> {
    match codec {
        mp4::Codec::H264 => Some(video::Codec::H264),
        mp4::Codec::H265 => Some(video::Codec::H265),
        mp4::Codec::Vp8 => Some(video::Codec::Vp8),
        mp4::Codec::Vp9 => Some(video::Codec::Vp9),
        mp4::Codec::Av1 => Some(video::Codec::Av1),
        mp4::Codec::Aac | mp4::Codec::Opus => None,
    }
}

/// The sample of a packet, and of a key frame its configuration.
pub fn sample(codec: video::Codec, data: Bytes, key: bool) -> Result<(Bytes, Option<VideoConfig>)> {
    let config = if key { Some(config_of(codec, &data)?) } else { None };
    let sample = match codec {
        video::Codec::H264 | video::Codec::H265 => annex_b::to_lengths(&data).into(),
        video::Codec::Vp8 | video::Codec::Vp9 => data,
        video::Codec::Av1 => av1::to_sample(&data).map_err(unreadable)?.0.into(),
    };
    Ok((sample, config))
}

fn config_of(codec: video::Codec, data: &[u8]) -> Result<VideoConfig> {
    let none = || Error::Internal("the encoder's key frame does not begin as one");
    let unit = |is: &dyn Fn(u8) -> bool| annex_b::nal_units(data).find(|unit| is(unit[0])).unwrap_or_default();
    Ok(match codec {
        video::Codec::H264 => {
            let [sps, pps] =
                [h264::nal::SPS, h264::nal::PPS].map(|kind| unit(&|header| h264::nal_type(header) == kind));
            VideoConfig::H264(H264Config::new(sps, pps).map_err(unreadable)?)
        }
        video::Codec::H265 => {
            let [vps, sps, pps] = [h265::nal::VPS, h265::nal::SPS, h265::nal::PPS]
                .map(|kind| unit(&|header| h265::nal_type(header) == kind));
            VideoConfig::H265(H265Config::new(vps, sps, pps).map_err(unreadable)?)
        }
        video::Codec::Vp8 => {
            let (width, height) = vp8::key_frame(data).map_err(unreadable)?.ok_or_else(none)?;
            VideoConfig::Vp8 { width, height }
        }
        video::Codec::Vp9 => VideoConfig::Vp9(vp9::key_frame(data).map_err(unreadable)?.ok_or_else(none)?),
        video::Codec::Av1 => VideoConfig::Av1(av1::to_sample(data).map_err(unreadable)?.1.ok_or_else(none)?),
    })
}

fn unreadable(_: media::bitstream::Malformed) -> Error {
    Error::Internal("the encoder's picture cannot be read")
}
