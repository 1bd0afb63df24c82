//! A published track: its layers as they flow, and who gets it.

use super::clock::StreamClock;
use super::config::VideoCodec;
use super::peer::Pid;
use crate::proto;
use std::time::{Duration, Instant};
use str0m::format::CodecSpec;
use str0m::media::Pt;
use str0m::rtp::Ssrc;

/// Number of a track, unique in the process.
pub type TrackId = u64;

/// A layer without packets for this long is taken to be switched off.
const FLOWING: Duration = Duration::from_secs(1);
/// Key frames are asked for at most this often per layer.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);

/// How many simulcast layers a track has at most.
pub const LAYERS: usize = 3;

/// One RTP stream of a track.
#[derive(Debug)]
pub struct Layer {
    /// 0 is the smallest picture.
    pub rank: u8,
    pub ssrc: Ssrc,
    pub clock: StreamClock,
    last_packet: Instant,
    last_request: Option<Instant>,
    /// A key frame was asked for too soon after the last request, and none has started since.
    wanted: bool,
}

/// A published track.
#[derive(Debug)]
pub struct Track {
    pub id: TrackId,
    pub owner: Pid,
    /// Published by a hidden participant: nobody gets it.
    pub hidden: bool,
    pub info: proto::TrackInfo,
    /// `None` for sound.
    pub codec: Option<VideoCodec>,
    /// Payload type last seen, and what it stands for.
    pub payload: Option<(Pt, CodecSpec)>,
    layers: Vec<Layer>,
    pub subscribers: Vec<Pid>,
}

impl Track {
    pub fn new(id: TrackId, owner: Pid, info: proto::TrackInfo, codec: Option<VideoCodec>, hidden: bool) -> Self {
        Self { id, owner, hidden, info, codec, payload: None, layers: Vec::new(), subscribers: Vec::new() }
    }

    pub fn is_video(&self) -> bool {
        self.info.r#type() == proto::TrackType::Video
    }

    /// RTP clock in Hz.
    pub fn rate(&self) -> u32 {
        if self.is_video() { 90_000 } else { 48_000 }
    }

    /// Whether media of the stream has come.
    pub fn is_stream(&self, ssrc: Ssrc) -> bool {
        self.layers.iter().any(|layer| layer.ssrc == ssrc)
    }

    /// The layer of a stream. `Err` with the layer when a new stream has taken its place.
    pub fn layer_mut(&mut self, ssrc: Ssrc, rid: Option<&str>, now: Instant) -> Result<&mut Layer, &mut Layer> {
        let (rank, rate) = (rank(rid), self.rate());
        let found = self.layers.iter().position(|layer| layer.rank == rank);
        let (at, fresh) = match found {
            Some(at) if self.layers[at].ssrc == ssrc => (at, false),
            Some(at) => {
                self.layers[at] = Layer::new(rank, ssrc, rate, now);
                (at, true)
            }
            None => {
                self.layers.push(Layer::new(rank, ssrc, rate, now));
                (self.layers.len() - 1, false)
            }
        };
        let layer = &mut self.layers[at];
        if fresh { Err(layer) } else { Ok(layer) }
    }

    /// The highest layer that flows, of those up to rank `limit` if one does; when none does, the one that flowed last.
    pub fn best_layer(&self, limit: u8, now: Instant) -> Option<&Layer> {
        let flowing = || self.layers.iter().filter(|layer| layer.flows(now));
        let allowed = flowing().filter(|layer| layer.rank <= limit).max_by_key(|layer| layer.rank);
        let larger = || flowing().min_by_key(|layer| layer.rank);
        allowed.or_else(larger).or_else(|| self.layers.iter().max_by_key(|layer| layer.last_packet))
    }

    /// Rank of the smallest layer that covers a picture of so many pixels.
    pub fn covering(&self, width: u32, height: u32) -> u8 {
        let covers = self.info.layers.iter().filter(|layer| layer.width >= width && layer.height >= height);
        covers.filter_map(|layer| limit_of(layer.quality())).min().unwrap_or(BEST)
    }

    /// Notes that a key frame of the layer in use is wanted; its stream if it may be asked for now. Otherwise
    /// [`Layer::note_start`] tells when.
    pub fn take_keyframe_request(&mut self, rank: Option<u8>, now: Instant) -> Option<Ssrc> {
        if !self.is_video() {
            return None;
        }
        let rank = rank.or_else(|| self.best_layer(BEST, now).map(|layer| layer.rank))?;
        let layer = self.layers.iter_mut().find(|layer| layer.rank == rank)?;
        layer.wanted = layer.is_throttled(now);
        if layer.wanted {
            return None;
        }
        layer.last_request = Some(now);
        Some(layer.ssrc)
    }
}

impl Layer {
    fn new(rank: u8, ssrc: Ssrc, rate: u32, now: Instant) -> Self {
        let clock = StreamClock::new(rate);
        Self { rank, ssrc, clock, last_packet: now, last_request: None, wanted: false }
    }

    pub fn note_packet(&mut self, now: Instant) {
        self.last_packet = self.last_packet.max(now);
    }

    /// Notes whether a packet starts a key frame, which is what requests so far wanted. Returns true when one of them
    /// came too soon and is due now.
    pub fn note_start(&mut self, start: bool, now: Instant) -> bool {
        self.wanted &= !start;
        self.wanted && !self.is_throttled(now)
    }

    fn is_throttled(&self, now: Instant) -> bool {
        self.last_request.is_some_and(|at| now.saturating_duration_since(at) < KEYFRAME_INTERVAL)
    }

    fn flows(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_packet) < FLOWING
    }
}

/// The rank that no layer is above.
pub const BEST: u8 = LAYERS as u8 - 1;

/// The highest rank that a subscriber of this quality gets; nothing when it gets none.
pub fn limit_of(quality: proto::VideoQuality) -> Option<u8> {
    match quality {
        proto::VideoQuality::Low => Some(0),
        proto::VideoQuality::Medium => Some(1),
        proto::VideoQuality::High => Some(BEST),
        proto::VideoQuality::Off => None,
    }
}

/// Order of simulcast layers by their names: `q`, `h`, `f` of the SDKs, or numbers. The only stream of a track has
/// no name.
fn rank(rid: Option<&str>) -> u8 {
    match rid {
        Some("f") => 2,
        Some("h") => 1,
        Some(number) => number.parse().unwrap_or(0).min(BEST),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video() -> Track {
        let info = proto::TrackInfo { r#type: proto::TrackType::Video as i32, ..Default::default() };
        Track::new(1, 1, info, Some(VideoCodec::Vp8), false)
    }

    #[test]
    fn the_best_layer_is_the_highest_that_flows() {
        let (mut track, t0) = (video(), Instant::now());
        for (ssrc, rid) in [(1, "q"), (2, "h"), (3, "f")] {
            assert!(track.layer_mut(Ssrc::from(ssrc), Some(rid), t0).is_ok());
        }
        assert_eq!(track.best_layer(BEST, t0).map(|layer| layer.rank), Some(2));
        assert_eq!(track.best_layer(1, t0).map(|layer| layer.rank), Some(1));
        let later = t0 + FLOWING;
        track.layer_mut(Ssrc::from(1), Some("q"), later).expect("known").note_packet(later);
        assert_eq!(track.best_layer(BEST, later).map(|layer| layer.rank), Some(0), "f and h stopped");
        track.layer_mut(Ssrc::from(3), Some("f"), later).expect("known").note_packet(later);
        assert_eq!(track.best_layer(BEST, later).map(|layer| layer.rank), Some(2), "f is back");
        let last = later + FLOWING;
        track.layer_mut(Ssrc::from(3), Some("f"), last).expect("known").note_packet(last);
        assert_eq!(track.best_layer(0, last).map(|layer| layer.rank), Some(2), "better too large than nothing");
    }

    #[test]
    fn a_size_is_covered_by_the_smallest_layer_that_is_as_large() {
        let mut track = video();
        assert_eq!(track.covering(1, 1), BEST, "nothing was announced");
        let layer = |quality, width| proto::VideoLayer { quality, width, height: width / 2, ..Default::default() };
        track.info.layers = vec![layer(0, 200), layer(1, 400), layer(2, 800)];
        assert_eq!(
            [(200, 100), (201, 100), (100, 201), (900, 900)].map(|(w, h)| track.covering(w, h)),
            [0, 1, 2, BEST]
        );
    }

    #[test]
    fn a_new_stream_in_a_layer_is_told_apart() {
        let (mut track, t0) = (video(), Instant::now());
        assert!(track.layer_mut(Ssrc::from(1), None, t0).is_ok());
        assert!(track.layer_mut(Ssrc::from(2), None, t0).is_err());
        assert!(track.layer_mut(Ssrc::from(2), None, t0).is_ok());
    }

    #[test]
    fn keyframe_requests_are_throttled_per_layer() {
        let (mut track, t0) = (video(), Instant::now());
        assert_eq!(track.take_keyframe_request(None, t0), None, "nothing flows yet");
        let _ = track.layer_mut(Ssrc::from(1), Some("q"), t0);
        let _ = track.layer_mut(Ssrc::from(2), Some("h"), t0);
        assert_eq!(track.take_keyframe_request(None, t0), Some(Ssrc::from(2)));
        assert_eq!(track.take_keyframe_request(Some(1), t0 + KEYFRAME_INTERVAL / 2), None);
        assert_eq!(track.take_keyframe_request(Some(0), t0), Some(Ssrc::from(1)));
        assert_eq!(track.take_keyframe_request(Some(1), t0 + KEYFRAME_INTERVAL), Some(Ssrc::from(2)));
    }

    #[test]
    fn a_request_that_came_too_soon_is_due_when_the_throttle_allows() {
        let (mut track, t0, ssrc) = (video(), Instant::now(), Ssrc::from(1));
        let note =
            |track: &mut Track, start, now| track.layer_mut(ssrc, None, now).expect("known").note_start(start, now);
        let _ = track.layer_mut(ssrc, None, t0);
        assert_eq!(track.take_keyframe_request(None, t0), Some(ssrc));
        assert!(!note(&mut track, false, t0 + KEYFRAME_INTERVAL), "asked for already");
        let t1 = t0 + KEYFRAME_INTERVAL;
        assert_eq!(track.take_keyframe_request(None, t1), Some(ssrc));
        assert_eq!(track.take_keyframe_request(None, t1 + KEYFRAME_INTERVAL / 5), None);
        assert!(!note(&mut track, false, t1 + KEYFRAME_INTERVAL / 2), "not yet");
        let t2 = t1 + KEYFRAME_INTERVAL;
        assert!(note(&mut track, false, t2));
        assert_eq!(track.take_keyframe_request(Some(0), t2), Some(ssrc));
        assert!(!note(&mut track, false, t2 + KEYFRAME_INTERVAL), "once only");
    }

    #[test]
    fn a_key_frame_that_starts_satisfies_requests_of_before() {
        let (mut track, t0, ssrc) = (video(), Instant::now(), Ssrc::from(1));
        let note =
            |track: &mut Track, start, now| track.layer_mut(ssrc, None, now).expect("known").note_start(start, now);
        let _ = track.layer_mut(ssrc, None, t0);
        assert_eq!(track.take_keyframe_request(None, t0), Some(ssrc));
        assert_eq!(track.take_keyframe_request(None, t0 + KEYFRAME_INTERVAL / 4), None);
        assert!(!note(&mut track, true, t0 + KEYFRAME_INTERVAL / 2));
        assert!(!note(&mut track, false, t0 + KEYFRAME_INTERVAL * 2), "no second one");
    }
}
