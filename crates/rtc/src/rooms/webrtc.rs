//! How the WebRTC library is set up for peers of rooms: codecs, header extensions, report intervals. What is done
//! with a peer belongs to `peer`.

use super::config::VideoCodec;
use std::time::{Duration, Instant};
use str0m::config::DtlsCert;
use str0m::format::{Codec, FormatParams};
use str0m::media::{Frequency, Pt};
use str0m::rtp::{Extension, ExtensionMap, ExtensionSerializer, ExtensionValues};
use str0m::{Rtc, RtcConfig};

/// Sender reports come early and often, so that subscribers can put sound and picture together from the start.
const REPORTS: Duration = Duration::from_secs(1);
/// Packets kept for retransmission per stream: 3 s (the library's bound in time) of about 5 Mbit/s.
const SEND_BUFFER_VIDEO: usize = 2000;
const SEND_BUFFER_AUDIO: usize = 250;
/// Longest data channel message accepted, in bytes: what SDKs send plus the fields the server adds.
const MAX_CHANNEL_MESSAGE: u32 = 72 * 1024;
/// Bytes of data channel messages in flight towards one client.
const CHANNEL_BUFFER: usize = 512 * 1024;

const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// Bytes of a dependency descriptor, passed from publisher to subscribers unread.
struct DependencyDescriptor(Vec<u8>);

#[derive(Debug)]
struct PassThrough;

impl ExtensionSerializer for PassThrough {
    fn write_to(&self, buf: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(DependencyDescriptor(bytes)) = values.user_values.get() else { return 0 };
        match buf.get_mut(..bytes.len()) {
            Some(place) => place.copy_from_slice(bytes),
            None => return 0,
        }
        bytes.len()
    }

    fn parse_value(&self, buf: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(DependencyDescriptor(buf.to_vec()));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values.user_values.get().is_some_and(|DependencyDescriptor(bytes)| bytes.len() > 16)
    }
}

/// Whether media comes in, goes out, or both over a peer connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Publish,
    Subscribe,
    Both,
}

/// What all peers share.
#[derive(Clone)]
pub struct PeerSettings {
    pub cert: DtlsCert,
    pub codecs: Vec<VideoCodec>,
}

/// The certificate all peers of this process show.
pub fn new_cert() -> anyhow::Result<DtlsCert> {
    let provider = str0m::crypto::from_feature_flags();
    provider.dtls_provider.generate_certificate().ok_or_else(|| anyhow::anyhow!("no DTLS certificate can be made"))
}

/// A new peer: answers connectivity checks only, RTP mode.
pub fn new_rtc(settings: &PeerSettings, usage: Use, now: Instant) -> Rtc {
    let mut config = RtcConfig::new()
        .set_dtls_cert(settings.cert.clone())
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_opus(true, false)
        .set_extension_map(extensions(usage))
        .set_rtcp_report_interval_audio(REPORTS)
        .set_rtcp_report_interval_video(REPORTS)
        .set_send_buffer_audio(SEND_BUFFER_AUDIO)
        .set_send_buffer_video(SEND_BUFFER_VIDEO)
        .set_sctp_max_message_size(MAX_CHANNEL_MESSAGE)
        .set_sctp_max_buffered_amount(CHANNEL_BUFFER);
    for codec in &settings.codecs {
        add_codec(&mut config, *codec);
    }
    config.build(now)
}

fn add_codec(config: &mut RtcConfig, codec: VideoCodec) {
    let codecs = config.codec_config();
    match codec {
        VideoCodec::Vp8 => codecs.enable_vp8(true),
        VideoCodec::Vp9 => {
            let format = FormatParams { profile_id: Some(0), ..FormatParams::default() };
            codecs.add_config(pt(98), Some(pt(99)), Codec::Vp9, Frequency::NINETY_KHZ, None, format);
        }
        VideoCodec::Av1 => codecs.enable_av1(true),
        // Main profile of the main tier, at any level: what browsers offer.
        VideoCodec::H265 => codecs.enable_h265(true),
        VideoCodec::H264 => {
            // Constrained baseline, baseline, main and high, non-interleaved, as browsers offer them.
            for (main, resend, profile) in
                [(108, 109, 0x42e01f), (127, 121, 0x42001f), (123, 119, 0x4d001f), (114, 115, 0x64001f)]
            {
                codecs.add_h264(pt(main), Some(pt(resend)), true, profile);
            }
        }
    }
}

fn pt(number: u8) -> Pt {
    Pt::new_with_value(number)
}

fn extensions(usage: Use) -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    map.set(1, Extension::AudioLevel);
    map.set(4, Extension::RtpMid);
    map.set(5, Extension::PlayoutDelay);
    map.set(9, Extension::AbsoluteCaptureTime);
    map.set(12, Extension::with_serializer(DEPENDENCY_DESCRIPTOR, PassThrough));
    map.set(13, Extension::VideoOrientation);
    if usage != Use::Subscribe {
        // Feedback for the publisher's congestion control, and its simulcast layers.
        map.set(2, Extension::AbsoluteSendTime);
        map.set(3, Extension::TransportSequenceNumber);
        map.set(10, Extension::RtpStreamId);
        map.set(11, Extension::RepairedRtpStreamId);
    }
    map
}

/// What a subscriber may see of a publisher's header extensions: the rest belongs to the publisher's transport.
pub fn forwarded_extensions(values: &ExtensionValues) -> ExtensionValues {
    let mut kept = values.clone();
    kept.mid = None;
    kept.rid = None;
    kept.rid_repair = None;
    kept.abs_send_time = None;
    kept.transport_cc = None;
    kept.tx_time_offs = None;
    kept.video_timing = None;
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependency_descriptors_pass_unread() {
        let mut values = ExtensionValues::default();
        assert_eq!(PassThrough.write_to(&mut [0; 32], &values), 0);
        assert!(PassThrough.parse_value(&[1, 2, 3], &mut values));
        assert!(!PassThrough.requires_two_byte_form(&values));
        let mut buf = [0; 8];
        assert_eq!(PassThrough.write_to(&mut buf, &forwarded_extensions(&values)), 3);
        assert_eq!(buf[..3], [1, 2, 3]);
        assert_eq!(PassThrough.write_to(&mut [0; 2], &values), 0, "no room");
        PassThrough.parse_value(&[7; 17], &mut values);
        assert!(PassThrough.requires_two_byte_form(&values));
    }
}
