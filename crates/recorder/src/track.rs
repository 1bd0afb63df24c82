//! One subscribed track: packets in the order of arrival in, pictures or packets of sound out, in order and placed on the
//! recorder's clock.

use std::collections::VecDeque;

use bytes::Bytes;
use media::depacketize::{Depacketizer, Output, opus};
use media::packet::{RtpPacket, VideoCodec};
use media::rtp::reorder::{Item, Reorder, ReorderConfig, ReorderStats};
use rtc::client::{Rotation, TrackPacket};
use rules::ledger::{self, Cause, Counts, Measured};
use rules::select::StreamId;
use rules::sync::{Pace, TrackClock, UserClock};
use rules::time::{MILLI_NS, Mono, Wall, ticks_to_ns};

use crate::audio::OPUS_DELAY;
use crate::messages::Settings;
use crate::tally::Happened;
use crate::unit::{Picture, SoundPacket, Unit};

/// Media of a new track is kept this long before it is placed, so that the fastest packets have been seen by then and
/// the place is right from the first frame on.
const SETTLE_NS: i64 = 250 * MILLI_NS;

/// See the module's head.
pub struct TrackReceiver {
    stream: StreamId,
    media: Media,
    reorder: Reorder,
    clock: TrackClock,
    /// What waits to be placed, with its RTP time, until the time given.
    unplaced: VecDeque<(u64, Unit)>,
    settled_at: Option<Mono>,
    key_frame_ns: i64,
    last_key_frame: Option<Mono>,
    /// When a key frame began to arrive that is not complete yet.
    key_frame_began: Option<Mono>,
    /// How long after its first packet a key frame may still come.
    key_frame_wait_ns: i64,
    /// Capture time of the newest media given out.
    given: Option<Mono>,
    /// What comes now is a server's blank picture and not the sender's.
    blank: bool,
    /// Since it was told last.
    happened: Happened,
    /// The counts that were told.
    told: ReorderStats,
    told_clock: Option<Measured>,
}

enum Media {
    Video(VideoCodec, Box<Depacketizer>),
    /// Whether packets were lost since the last one.
    Audio {
        lost: bool,
    },
}

impl TrackReceiver {
    /// Nothing for codecs that cannot be recorded.
    pub fn new(stream: StreamId, mime: &str, clock_rate: u32, settings: Settings) -> Option<TrackReceiver> {
        let video = |codec| (Media::Video(codec, Box::new(Depacketizer::new(codec))), Pace::Picture);
        let (media, pace) = match mime.to_ascii_lowercase().as_str() {
            "video/h264" => video(VideoCodec::H264),
            "video/h265" => video(VideoCodec::H265),
            "video/vp8" => video(VideoCodec::Vp8),
            "video/vp9" => video(VideoCodec::Vp9),
            "video/av1" => video(VideoCodec::Av1),
            "audio/opus" => (Media::Audio { lost: false }, Pace::Sound),
            _ => return None,
        };
        let wait_ns = i64::from(settings.reorder_ms) * MILLI_NS;
        Some(TrackReceiver {
            stream,
            media,
            reorder: Reorder::new(ReorderConfig { wait_ns, ..ReorderConfig::default() }),
            clock: TrackClock::new(clock_rate, pace),
            unplaced: VecDeque::new(),
            settled_at: None,
            key_frame_ns: i64::from(settings.key_frame_ms) * MILLI_NS,
            last_key_frame: None,
            key_frame_began: None,
            key_frame_wait_ns: wait_ns + SETTLE_NS,
            given: None,
            blank: false,
            happened: Happened::default(),
            told: ReorderStats::default(),
            told_clock: None,
        })
    }

    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    pub fn media(&self) -> ledger::Media {
        if self.is_video() { ledger::Media::Picture } else { ledger::Media::Sound }
    }

    pub fn is_video(&self) -> bool {
        self.codec().is_some()
    }

    /// Of pictures.
    pub fn codec(&self) -> Option<VideoCodec> {
        if let Media::Video(codec, _) = &self.media { Some(*codec) } else { None }
    }

    /// Whether packets that arrived wait for missing ones.
    pub fn has_gap(&self) -> bool {
        self.reorder.next_timeout().is_some()
    }

    /// While packets are missing: from when on media may still come. At most as long ago as they are waited for.
    pub fn waits_since(&self, now: Mono) -> Option<Mono> {
        let earliest = now.plus(-self.key_frame_wait_ns);
        self.has_gap().then(|| self.given.unwrap_or(earliest).max(earliest))
    }

    /// Whether time alone may bring media out: something waits for missing packets, or for its place.
    pub fn holds_media(&self) -> bool {
        self.has_gap() || !self.unplaced.is_empty()
    }

    /// Key frames are due after so long at the latest.
    pub fn ask_for_key_frames(&mut self, every_ms: u32) {
        self.key_frame_ns = self.key_frame_ns.min(i64::from(every_ms) * MILLI_NS);
    }

    /// Whether a key frame should be asked for: when one is needed, by the owner (`wanted`) or after a loss, and when
    /// none came for long. Not while one is on its way, be it that packets of it are still missing: room servers take
    /// a request as a reason not to send those again.
    pub fn key_frame_is_due(&self, wanted: bool, now: Mono) -> bool {
        let Media::Video(_, depacketizer) = &self.media else { return false };
        let old = self.last_key_frame.is_some_and(|last| now.since(last) > self.key_frame_ns);
        let arriving = self.key_frame_began.is_some_and(|began| now.since(began) < self.key_frame_wait_ns);
        // A server begins with a key frame, whose first packet may have been overtaken by others.
        let beginning = self.settled_at.is_none_or(|at| now < at);
        let coming = beginning || arriving || !self.unplaced.is_empty();
        !coming && (wanted || old || depacketizer.needs_key_frame())
    }

    pub fn handle_packet(
        &mut self,
        packet: TrackPacket,
        arrival: Mono,
        now: Mono,
        user: &UserClock,
        out: &mut Vec<Unit>,
    ) {
        // Padding has the time of what was sent before, whenever it comes.
        if !packet.payload.is_empty() && self.clock.handle_packet(packet.rtp_time, arrival) {
            tracing::debug!(stream = ?self.stream, "the sender's RTP clock was restarted");
        }
        self.settled_at.get_or_insert(arrival.plus(SETTLE_NS));
        if packet.starts_key_frame {
            self.key_frame_began = Some(arrival);
        }
        let packet = RtpPacket {
            seq: packet.seq,
            rtp_time: packet.rtp_time,
            marker: packet.marker,
            payload: packet.payload,
            arrival_ns: arrival.0,
            rotation: packet.rotation.map(degrees),
        };
        let (rtp_time, late) = (packet.rtp_time, self.reorder.stats().late);
        self.reorder.handle_packet(packet, now.0);
        if self.reorder.stats().late > late {
            self.happened.late.extend(self.clock.at(rtp_time));
        }
        self.drain(now, user, out);
    }

    /// What came, and what did not, since the last call.
    pub fn take_happened(&mut self, user: &UserClock) -> Happened {
        let (now, told) = (self.reorder.stats(), self.told);
        self.told = now;
        self.happened.counts.add(&Counts {
            packets_received: now.received - told.received,
            packets_lost: now.lost - told.lost,
            packets_recovered: now.recovered - told.recovered,
            packets_late: now.late - told.late,
            packets_duplicate: now.duplicates - told.duplicates,
            ..Counts::default()
        });
        let measured = self.clock.measured(user);
        if self.told_clock.is_none_or(|told| told.differs_from(&measured)) {
            self.told_clock = Some(measured);
            self.happened.clock = Some(measured);
        }
        std::mem::take(&mut self.happened)
    }

    pub fn handle_report(&mut self, user: &mut UserClock, ntp_ns: i64, rtp_time: u64, arrival: Mono) {
        self.clock.handle_report(user, Wall(ntp_ns), rtp_time, arrival);
    }

    pub fn handle_time(&mut self, now: Mono, user: &UserClock, out: &mut Vec<Unit>) {
        self.reorder.handle_timeout(now.0);
        self.drain(now, user, out);
    }

    /// Passes on what waits for missing packets or for its place, because nothing more is waited for.
    pub fn release_held(&mut self, user: &UserClock, out: &mut Vec<Unit>) {
        self.reorder.flush();
        self.drain(Mono(i64::MAX), user, out);
    }

    /// The track ends: passes on everything.
    pub fn finish(&mut self, user: &UserClock, out: &mut Vec<Unit>) {
        self.reorder.flush();
        self.assemble();
        if let Media::Video(_, depacketizer) = &mut self.media {
            depacketizer.flush();
        }
        self.drain(Mono(i64::MAX), user, out);
    }

    fn drain(&mut self, now: Mono, user: &UserClock, out: &mut Vec<Unit>) {
        self.assemble();
        if self.settled_at.is_none_or(|at| now < at) {
            return;
        }
        for (rtp_time, mut unit) in self.unplaced.drain(..) {
            let at = self.clock.place(user, rtp_time);
            match &mut unit {
                Unit::Picture(picture) => picture.at = at,
                Unit::Sound(sound) => sound.at = at.plus(-ticks_to_ns(OPUS_DELAY, 48_000)),
            }
            self.given = self.given.max(Some(at));
            out.push(unit);
        }
    }

    /// From packets in order to units without a place.
    fn assemble(&mut self) {
        while let Some(item) = self.reorder.poll() {
            match &mut self.media {
                Media::Video(_, depacketizer) => {
                    depacketizer.handle(item);
                    self.take_pictures();
                }
                Media::Audio { lost } => match item {
                    Item::Packet(packet) => {
                        let after_loss = std::mem::take(lost);
                        let unit = sound(packet, after_loss);
                        self.happened.counts.frames_received += u64::from(unit.is_some());
                        self.unplaced.extend(unit);
                    }
                    Item::Lost { .. } | Item::Restart => *lost = true,
                },
            }
        }
        self.take_pictures();
    }

    fn take_pictures(&mut self) {
        let Media::Video(_, depacketizer) = &mut self.media else { return };
        while let Some(output) = depacketizer.poll() {
            match output {
                Output::Frame(frame) => {
                    if let Some(config) = &frame.config {
                        self.blank = is_blank(config.dimensions());
                    }
                    if self.blank {
                        continue;
                    }
                    self.happened.counts.frames_received += 1;
                    let arrival = Mono(frame.arrival_ns);
                    if frame.key {
                        self.last_key_frame = Some(arrival);
                        self.key_frame_began = None;
                    }
                    let picture = Picture {
                        at: arrival,
                        arrival,
                        data: frame.data.into(),
                        key: frame.key,
                        after_loss: frame.after_loss,
                        missing_before: (frame.lost_before > 0).then_some((Cause::Lost, frame.lost_before)),
                        config: frame.config,
                        rotation: frame.rotation.unwrap_or(0),
                    };
                    self.unplaced.push_back((frame.rtp_time, Unit::Picture(picture)));
                }
                Output::Dropped { rtp_time, reason } => {
                    self.happened.counts.frames_lost += 1;
                    tracing::debug!(stream = ?self.stream, rtp_time, %reason, "a picture is missing");
                }
            }
        }
    }
}

/// The subtype of the codec's MIME type.
pub fn name(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "H264",
        VideoCodec::H265 => "H265",
        VideoCodec::Vp8 => "VP8",
        VideoCodec::Vp9 => "VP9",
        VideoCodec::Av1 => "AV1",
    }
}

/// Room servers end or mute a track with black key frames of a few pixels; no camera sends such a size.
fn is_blank((width, height): (u32, u32)) -> bool {
    width <= 16 && height <= 16
}

/// One packet of sound without a place; nothing for padding and for what is not Opus.
fn sound(packet: RtpPacket, after_loss: bool) -> Option<(u64, Unit)> {
    let arrival = Mono(packet.arrival_ns);
    let frame = opus::frame(&packet).ok()??;
    let sound =
        SoundPacket { at: arrival, arrival, data: Bytes::from_owner(frame.data), duration: frame.duration, after_loss };
    Some((frame.rtp_time, Unit::Sound(sound)))
}

fn degrees(rotation: Rotation) -> u16 {
    match rotation {
        Rotation::None => 0,
        Rotation::Clockwise90 => 90,
        Rotation::Clockwise180 => 180,
        Rotation::Clockwise270 => 270,
    }
}

#[cfg(test)]
mod tests {
    use rules::select::StreamKind;

    use super::*;

    fn receiver() -> TrackReceiver {
        let stream = StreamId { user: "u".into(), kind: StreamKind::Camera };
        TrackReceiver::new(stream, "video/H264", 90_000, Settings::default()).expect("a codec that is recorded")
    }

    fn packet(seq: u64, rtp_time: u64, payload: &[u8]) -> TrackPacket {
        TrackPacket {
            track_sid: "TR_u".into(),
            seq,
            rtp_time,
            clock_rate: 90_000,
            payload_type: 96,
            marker: false,
            starts_key_frame: seq == 1,
            payload: payload.into(),
            arrival: std::time::Instant::now(),
            rotation: None,
            audio_level: None,
        }
    }

    /// A LiveKit server stops sending again what was lost when it is asked for a key frame, until the next one begins.
    #[test]
    fn no_key_frame_is_asked_for_while_one_is_on_its_way() {
        let mut receiver = receiver();
        let (user, mut out) = (UserClock::default(), Vec::new());
        let start = Mono(1_000 * MILLI_NS);
        assert!(!receiver.key_frame_is_due(true, start), "it will begin with a key frame");
        // The first fragment of an IDR picture; the rest is missing.
        let packet = packet(1, 0, &[0x7c, 0x85, 1]);
        receiver.handle_packet(packet, start, start, &user, &mut out);
        let patience = i64::from(Settings::default().reorder_ms) * MILLI_NS;
        assert!(!receiver.key_frame_is_due(true, start.plus(patience)));
        assert!(receiver.key_frame_is_due(true, start.plus(patience + SETTLE_NS)), "it will not come any more");
    }

    #[test]
    fn padding_of_a_picture_that_stands_still_moves_no_clock() {
        let mut receiver = receiver();
        let (user, mut out) = (UserClock::default(), Vec::new());
        for (seq, ms, payload) in [(1, 0, &[0x65, 0x88][..]), (2, 9_000, &[]), (3, 18_000, &[])] {
            let at = Mono((1_000 + ms) * MILLI_NS);
            receiver.handle_packet(packet(seq, 90_000, payload), at, at, &user, &mut out);
        }
        assert_eq!((receiver.clock.restarts(), receiver.has_gap()), (0, false));
    }
}
