//! What a publisher publishes: the tracks as their owner describes them, and how far each has come.

use std::sync::Arc;
use std::time::Instant;

use str0m::format::Codec;
use str0m::media::{Frequency, MediaKind, MediaTime, Mid, Rid};

use super::send::{Frame, Section};
use super::{CloseReason, Rotation, TrackSource};
use crate::proto;

/// A track of one [`Publisher`](super::Publisher); the same over reconnects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub(super) u32);

/// How video is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    H264,
    H265,
    Vp8,
    Vp9,
    Av1,
}

/// A video track to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTrack {
    pub name: String,
    pub source: TrackSource,
    pub codec: VideoCodec,
    /// Simulcast layers, smallest first; one layer means no simulcast. One to three.
    pub layers: Vec<VideoLayer>,
}

/// One size of a video track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoLayer {
    /// Pixels.
    pub width: u32,
    pub height: u32,
    /// Bits per second, about.
    pub bitrate: u32,
}

/// An Opus track to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioTrack {
    pub name: String,
    pub source: TrackSource,
    pub stereo: bool,
}

/// A coded frame to send.
#[derive(Debug, Clone)]
pub struct MediaFrame {
    /// Time of the first sample, in 1/90000 s for video and 1/48000 s for audio; only its low 32 bits travel.
    pub rtp_time: u64,
    /// When it was captured: what sender reports tell receivers about `rtp_time`.
    pub captured: Instant,
    /// H.264 and H.265 with start codes (Annex B), AV1 as a temporal unit, the others as the encoder gives them.
    pub data: Arc<[u8]>,
    /// How receivers are told to turn the picture, if they are told anything.
    pub rotation: Option<Rotation>,
}

/// Something that happened to a [`Publisher`](super::Publisher).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishEvent {
    /// The room is joined. `rejoined`: it had been before, and every track gets a new sid.
    Connected { rejoined: bool },
    /// The server has taken the track and media flows from now on.
    Published { track: TrackId, track_sid: String },
    /// Somebody needs a key frame of this layer (index into `layers`).
    KeyFrameRequest { track: TrackId, layer: usize },
    /// The connection is lost, or could not be made. It is made anew by itself, for ever.
    Interrupted { reason: String },
    /// The end: nothing is tried any more.
    Closed { reason: CloseReason },
}

/// A track with its state in the present stay.
pub(super) struct Local {
    pub kind: LocalKind,
    pub muted: bool,
    pub stage: Stage,
}

pub(super) enum LocalKind {
    Video(VideoTrack),
    Audio(AudioTrack),
}

/// How far publishing a track has come in this stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not announced yet.
    New,
    /// `add_track` is sent.
    Announced,
    /// The server gave it a sid; it goes into the next offer.
    Accepted { sid: String },
    /// Part of an offer, answered or not.
    Offered { sid: String, mid: Mid },
    /// Media flows.
    Live { sid: String, mid: Mid },
}

impl VideoCodec {
    fn codec(self) -> Codec {
        match self {
            VideoCodec::H264 => Codec::H264,
            VideoCodec::H265 => Codec::H265,
            VideoCodec::Vp8 => Codec::Vp8,
            VideoCodec::Vp9 => Codec::Vp9,
            VideoCodec::Av1 => Codec::Av1,
        }
    }

    /// As `add_track` names it.
    fn name(self) -> &'static str {
        match self {
            VideoCodec::H264 => "h264",
            VideoCodec::H265 => "h265",
            VideoCodec::Vp8 => "vp8",
            VideoCodec::Vp9 => "vp9",
            VideoCodec::Av1 => "av1",
        }
    }
}

impl TrackId {
    /// The name the client gives the track in signalling and SDP.
    pub(super) fn cid(self) -> String {
        format!("track-{}", self.0)
    }
}

impl Local {
    pub(super) fn sid(&self) -> Option<&str> {
        match &self.stage {
            Stage::New | Stage::Announced => None,
            Stage::Accepted { sid } | Stage::Offered { sid, .. } | Stage::Live { sid, .. } => Some(sid),
        }
    }

    pub(super) fn mid(&self) -> Option<Mid> {
        match &self.stage {
            Stage::Offered { mid, .. } | Stage::Live { mid, .. } => Some(*mid),
            _ => None,
        }
    }

    /// The rids of the layers, lowest first; none without simulcast.
    pub(super) fn rids(&self) -> Vec<Rid> {
        match &self.kind {
            LocalKind::Video(video) if video.layers.len() > 1 => {
                ["q", "h", "f"].into_iter().take(video.layers.len()).map(Rid::from).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn section(&self, id: TrackId) -> Section {
        let kind = match self.kind {
            LocalKind::Video(_) => MediaKind::Video,
            LocalKind::Audio(_) => MediaKind::Audio,
        };
        Section { cid: id.cid(), kind, rids: self.rids() }
    }

    pub(super) fn frame(&self, layer: usize, frame: MediaFrame) -> Frame {
        let (codec, clock) = match &self.kind {
            LocalKind::Video(video) => (video.codec.codec(), Frequency::NINETY_KHZ),
            LocalKind::Audio(_) => (Codec::Opus, Frequency::FORTY_EIGHT_KHZ),
        };
        let rid = self.rids().get(layer).copied();
        let rtp_time = MediaTime::new(frame.rtp_time, clock);
        Frame { codec, rid, rtp_time, captured: frame.captured, data: frame.data, rotation: frame.rotation }
    }

    pub(super) fn add_track(&self, id: TrackId) -> proto::AddTrackRequest {
        let base = proto::AddTrackRequest {
            cid: id.cid(),
            muted: self.muted,
            disable_red: true,
            ..proto::AddTrackRequest::default()
        };
        match &self.kind {
            LocalKind::Audio(audio) => proto::AddTrackRequest {
                name: audio.name.clone(),
                r#type: proto::TrackType::Audio as i32,
                source: wire_source(audio.source),
                stereo: audio.stereo,
                ..base
            },
            LocalKind::Video(video) => {
                let full = video.layers.last();
                let codec = video.codec.name().to_owned();
                let layers = wire_layers(&video.layers);
                let codec =
                    proto::SimulcastCodec { codec, cid: id.cid(), layers: layers.clone(), ..Default::default() };
                proto::AddTrackRequest {
                    name: video.name.clone(),
                    r#type: proto::TrackType::Video as i32,
                    source: wire_source(video.source),
                    width: full.map_or(0, |layer| layer.width),
                    height: full.map_or(0, |layer| layer.height),
                    layers,
                    simulcast_codecs: vec![codec],
                    ..base
                }
            }
        }
    }
}

/// Layers with the qualities that SDKs give them: q low, h medium, f high, and a single one high.
fn wire_layers(layers: &[VideoLayer]) -> Vec<proto::VideoLayer> {
    use proto::VideoQuality::{High, Low, Medium};
    let qualities: &[_] = if layers.len() > 1 { &[Low, Medium, High] } else { &[High] };
    let layer = |(layer, quality): (&VideoLayer, &proto::VideoQuality)| proto::VideoLayer {
        quality: *quality as i32,
        width: layer.width,
        height: layer.height,
        bitrate: layer.bitrate,
        ..proto::VideoLayer::default()
    };
    layers.iter().zip(qualities).map(layer).collect()
}

fn wire_source(source: TrackSource) -> i32 {
    let source = match source {
        TrackSource::Unknown => proto::TrackSource::Unknown,
        TrackSource::Camera => proto::TrackSource::Camera,
        TrackSource::Microphone => proto::TrackSource::Microphone,
        TrackSource::ScreenShare => proto::TrackSource::ScreenShare,
        TrackSource::ScreenShareAudio => proto::TrackSource::ScreenShareAudio,
    };
    source as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(sizes: &[(u32, u32)]) -> Local {
        let layers = sizes.iter().map(|&(width, height)| VideoLayer { width, height, bitrate: 1 }).collect();
        let track = VideoTrack { name: "cam".into(), source: TrackSource::Camera, codec: VideoCodec::H264, layers };
        Local { kind: LocalKind::Video(track), muted: false, stage: Stage::New }
    }

    #[test]
    fn simulcast_is_announced_as_sdks_do() {
        let local = video(&[(320, 180), (640, 360), (1280, 720)]);
        assert_eq!(local.rids().iter().map(|rid| rid.to_string()).collect::<Vec<_>>(), ["q", "h", "f"]);
        let add = local.add_track(TrackId(3));
        assert_eq!((add.width, add.height, add.cid.as_str()), (1280, 720, "track-3"));
        assert_eq!(add.layers.iter().map(|layer| layer.quality).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((add.simulcast_codecs[0].codec.as_str(), add.simulcast_codecs[0].cid.as_str()), ("h264", "track-3"));
    }

    #[test]
    fn a_single_layer_is_plain() {
        let local = video(&[(640, 360)]);
        assert!(local.rids().is_empty());
        assert_eq!(local.add_track(TrackId(0)).layers[0].quality, proto::VideoQuality::High as i32);
    }
}
