//! What the room client tells its owner: plain values, independent of the wire and of the WebRTC library.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::proto;

/// Something that happened to a [`Subscriber`](super::Subscriber) or in its room.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomEvent {
    /// Signalling is up, and media as far as there is any yet. `rejoined` tells that they have been up before: media of
    /// the meantime is missing.
    Connected {
        rejoined: bool,
    },
    /// The connection is lost, or could not be made. It is resumed or joined anew by itself, for ever.
    Interrupted {
        reason: String,
    },
    /// The end: nothing is tried any more.
    Closed {
        reason: CloseReason,
    },
    /// A participant joined or changed; the whole state, not a difference. Every join tells all participants
    /// (again), before it tells `Connected`.
    Participant(Participant),
    ParticipantLeft {
        identity: String,
    },
    /// Packets of a track begin, with a numbering of their own: `seq` and `rtp_time` of earlier packets of the track
    /// cannot be compared with those that follow. Comes before the first packet.
    Subscribed {
        track_sid: Arc<str>,
        mime: String,
        clock_rate: u32,
    },
    Packet(TrackPacket),
    /// The sender's wall clock `ntp_ns` (Unix nanoseconds, possibly of a clock that is wrong) at `rtp_time`, counted as
    /// in the packets of the track.
    SenderReport {
        track_sid: Arc<str>,
        ntp_ns: i64,
        rtp_time: u64,
        arrival: Instant,
    },
}

/// Why a client gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// `leave` was called.
    Left,
    RoomDeleted,
    /// The server closed the room because nobody was left in it.
    RoomClosed,
    /// An administrator removed this participant.
    Removed,
    /// Another participant joined with the same identity.
    DuplicateIdentity,
    /// The server refuses the token or the request.
    Refused {
        status: u16,
        message: String,
    },
}

/// One RTP packet of a track, in the order of arrival. A packet comes once; one that was sent again after a loss comes
/// late, with its own `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackPacket {
    pub track_sid: Arc<str>,
    /// RTP sequence number, extended over roll-overs.
    pub seq: u64,
    /// RTP time in units of `1 / clock_rate` s, extended over roll-overs.
    pub rtp_time: u64,
    pub clock_rate: u32,
    pub payload_type: u8,
    pub marker: bool,
    /// A key frame begins in it. False for sound, and for codecs that rooms do not carry.
    pub starts_key_frame: bool,
    /// RTP payload without padding, as the codec's payload format defines it; empty in a padding packet.
    pub payload: Arc<[u8]>,
    /// When the kernel received it.
    pub arrival: Instant,
    /// How to turn the picture, where the packet says so.
    pub rotation: Option<Rotation>,
    /// Loudness in dB below overload: 0 (loudest) to -127 (silence), where the packet says so.
    pub audio_level: Option<i8>,
}

/// Clockwise turn to apply when the picture is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    None,
    Clockwise90,
    Clockwise180,
    Clockwise270,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Of this stay in the room; another one after a rejoin.
    pub sid: String,
    pub identity: String,
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    /// When this stay began, by the server's clock, Unix milliseconds.
    pub joined_ms: i64,
    pub tracks: Vec<Track>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    pub sid: String,
    pub name: String,
    pub kind: TrackKind,
    pub source: TrackSource,
    pub muted: bool,
    /// Such as `video/H264`; may be empty until media flows.
    pub mime: String,
    /// Pixels as the publisher announced them; 0 for sound.
    pub width: u32,
    pub height: u32,
    /// Its simulcast layers; empty for sound and where the publisher announced none.
    pub layers: Vec<TrackLayer>,
    /// End-to-end encrypted: cannot be decoded.
    pub encrypted: bool,
    pub simulcast: bool,
}

/// A picture of a track as its publisher announced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackLayer {
    pub quality: Quality,
    /// Pixels.
    pub width: u32,
    pub height: u32,
}

/// What servers call the pictures of a track, of which a subscriber gets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    Low,
    Medium,
    High,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackKind {
    Audio,
    Video,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackSource {
    Unknown,
    Camera,
    Microphone,
    ScreenShare,
    ScreenShareAudio,
}

/// Counters of a client since it was made, over all its connections.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ClientStats {
    /// RTP packets given out.
    pub packets: u64,
    /// Sequence numbers that never came (yet).
    pub lost: u64,
    /// Packets that came by retransmission.
    pub recovered: u64,
    /// Datagrams dropped by the kernel because nobody read them in time.
    pub kernel_drops: u64,
    /// Datagrams received, and the system calls this took.
    pub datagrams: u64,
    pub batches: u64,
}

impl From<proto::ParticipantInfo> for Participant {
    fn from(info: proto::ParticipantInfo) -> Participant {
        Participant {
            joined_ms: joined_ms(&info),
            tracks: info.tracks.into_iter().filter_map(track).collect(),
            sid: info.sid,
            identity: info.identity,
            name: info.name,
            attributes: info.attributes,
        }
    }
}

/// When the participant joined, Unix milliseconds. Older servers say it in whole seconds.
pub(super) fn joined_ms(info: &proto::ParticipantInfo) -> i64 {
    if info.joined_at_ms != 0 { info.joined_at_ms } else { info.joined_at.saturating_mul(1000) }
}

/// `None` for data tracks and kinds unknown.
fn track(info: proto::TrackInfo) -> Option<Track> {
    let kind = match proto::TrackType::try_from(info.r#type) {
        Ok(proto::TrackType::Audio) => TrackKind::Audio,
        Ok(proto::TrackType::Video) => TrackKind::Video,
        _ => return None,
    };
    let source = match info.source() {
        proto::TrackSource::Unknown => TrackSource::Unknown,
        proto::TrackSource::Camera => TrackSource::Camera,
        proto::TrackSource::Microphone => TrackSource::Microphone,
        proto::TrackSource::ScreenShare => TrackSource::ScreenShare,
        proto::TrackSource::ScreenShareAudio => TrackSource::ScreenShareAudio,
    };
    let mime = if info.mime_type.is_empty() {
        info.codecs.into_iter().next().map(|codec| codec.mime_type).unwrap_or_default()
    } else {
        info.mime_type
    };
    let layers = info.layers.into_iter().filter_map(|layer| {
        let quality = match layer.quality() {
            proto::VideoQuality::Low => Quality::Low,
            proto::VideoQuality::Medium => Quality::Medium,
            proto::VideoQuality::High => Quality::High,
            proto::VideoQuality::Off => return None,
        };
        Some(TrackLayer { quality, width: layer.width, height: layer.height })
    });
    Some(Track {
        layers: layers.collect(),
        sid: info.sid,
        name: info.name,
        kind,
        source,
        muted: info.muted,
        mime,
        width: info.width,
        height: info.height,
        // Any value but 0 is an encryption, also one that this version does not know.
        encrypted: info.encryption != 0,
        simulcast: info.simulcast,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_keep_what_a_recorder_needs() {
        let info = proto::TrackInfo {
            sid: "TR_1".into(),
            r#type: proto::TrackType::Video as i32,
            source: proto::TrackSource::ScreenShare as i32,
            codecs: vec![proto::SimulcastCodecInfo { mime_type: "video/VP8".into(), ..Default::default() }],
            encryption: 9,
            ..Default::default()
        };
        let data = proto::TrackInfo { r#type: proto::TrackType::Data as i32, ..Default::default() };
        let participant = Participant::from(proto::ParticipantInfo { tracks: vec![info, data], ..Default::default() });
        let [track] = &participant.tracks[..] else { panic!("one track: {participant:?}") };
        assert_eq!((track.kind, track.source), (TrackKind::Video, TrackSource::ScreenShare));
        assert_eq!(track.mime, "video/VP8");
        assert!(track.encrypted);
    }
}
