//! From RTP streams to tracks: which SSRC carries which track, sequence and time extended, losses counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use str0m::Rtc;
use str0m::format::Codec;
use str0m::media::SenderFeedback;
use str0m::rtp::{RtpPacket, VideoOrientation};

use super::sdp::Section;
use super::{RoomEvent, Rotation, TrackPacket};
use crate::keyframe::starts_keyframe;
use crate::rooms::VideoCodec;
use crate::rtp_time::RtpTime;

/// The streams of one peer connection.
#[derive(Default)]
pub(super) struct Streams {
    sections: Vec<Section>,
    /// By SSRC.
    live: HashMap<u32, Stream>,
    ended: Counts,
}

/// Packets given out, missing, and of the former those that were sent again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub packets: u64,
    pub lost: u64,
    pub recovered: u64,
}

struct Stream {
    track_sid: Arc<str>,
    mid: String,
    payload_type: u8,
    /// Nothing for sound.
    video: Option<VideoCodec>,
    clock_rate: u32,
    time: RtpTime,
    first_seq: u64,
    last_seq: u64,
    packets: u64,
    recovered: u64,
}

impl Streams {
    /// Takes in the sections of a new offer; `mid_to_track` helps where they name no track. Streams whose track
    /// changed or went away end.
    pub(super) fn set_sections(&mut self, mut sections: Vec<Section>, mid_to_track: &BTreeMap<String, String>) {
        for section in &mut sections {
            if section.track_sid.is_none() {
                section.track_sid = mid_to_track.get(&section.mid).cloned();
            }
        }
        let ended = &mut self.ended;
        self.live.retain(|ssrc, stream| {
            let keep = track_of(&sections, *ssrc, &stream.mid) == Some(&*stream.track_sid);
            if !keep {
                *ended = ended.plus(stream.counts());
            }
            keep
        });
        self.sections = sections;
    }

    /// The section that carries a track.
    pub(super) fn mid_of(&self, track_sid: &str) -> Option<&str> {
        let section = self.sections.iter().find(|section| section.track_sid.as_deref() == Some(track_sid))?;
        Some(&section.mid)
    }

    pub(super) fn counts(&self) -> Counts {
        self.live.values().fold(self.ended, |sum, stream| sum.plus(stream.counts()))
    }

    /// Gives a packet out under its track's name; one of no known track is dropped. `wire_ssrc` is the SSRC that it
    /// came with.
    pub(super) fn packet(&mut self, rtc: &mut Rtc, packet: RtpPacket, wire_ssrc: u32, out: &mut Vec<RoomEvent>) {
        let header = &packet.header;
        let (ssrc, payload_type, seq) = (*header.ssrc, *header.payload_type, *packet.seq_no);
        if self.live.get(&ssrc).is_none_or(|stream| stream.payload_type != payload_type)
            && !self.begin(rtc, &packet, out)
        {
            return;
        }
        let stream = self.live.get_mut(&ssrc).expect("known, or begun just above");
        stream.first_seq = stream.first_seq.min(seq);
        stream.last_seq = stream.last_seq.max(seq);
        stream.packets += 1;
        stream.recovered += u64::from(wire_ssrc != ssrc);
        out.push(RoomEvent::Packet(TrackPacket {
            track_sid: stream.track_sid.clone(),
            starts_key_frame: stream.video.is_some_and(|codec| starts_keyframe(codec, &packet.payload)),
            seq,
            rtp_time: stream.time.advance(header.timestamp),
            clock_rate: stream.clock_rate,
            payload_type,
            marker: header.marker,
            rotation: header.ext_vals.video_orientation.map(Rotation::from),
            audio_level: header.ext_vals.audio_level,
            arrival: packet.timestamp,
            payload: packet.payload,
        }));
    }

    /// Gives a sender report out, unless no packet of its stream has come yet.
    pub(super) fn sender_report(&self, report: &SenderFeedback, out: &mut Vec<RoomEvent>) {
        let info = &report.sender_info;
        let Some(stream) = self.live.get(&info.ssrc) else { return };
        out.push(RoomEvent::SenderReport {
            track_sid: stream.track_sid.clone(),
            ntp_ns: unix_ns(info.ntp_time),
            // The low 32 bits are what was on the wire; how the library extends them is of no use here.
            rtp_time: stream.time.near(info.rtp_time.numer() as u32),
            arrival: report.received_at,
        });
    }

    /// Starts the stream of its first packet, or of a changed payload type. `false`: it belongs to no known track.
    fn begin(&mut self, rtc: &mut Rtc, packet: &RtpPacket, out: &mut Vec<RoomEvent>) -> bool {
        let ssrc = packet.header.ssrc;
        let Some(mid) = rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid().to_string()) else { return false };
        let Some(track_sid) = track_of(&self.sections, *ssrc, &mid).map(Arc::<str>::from) else { return false };
        let params = rtc.codec_config().find(|params| params.pt() == packet.header.payload_type);
        let Some(mime) = params.and_then(|params| mime(params.spec().codec)) else { return false };
        let clock_rate = packet.time.frequency().get();
        out.push(RoomEvent::Subscribed { track_sid: track_sid.clone(), mime: mime.to_owned(), clock_rate });
        let stream = Stream {
            track_sid,
            mid,
            payload_type: *packet.header.payload_type,
            video: VideoCodec::ALL.into_iter().find(|codec| codec.mime().eq_ignore_ascii_case(mime)),
            clock_rate,
            time: RtpTime::starting_at(packet.header.timestamp),
            first_seq: *packet.seq_no,
            last_seq: *packet.seq_no,
            packets: 0,
            recovered: 0,
        };
        if let Some(former) = self.live.insert(*ssrc, stream) {
            self.ended = self.ended.plus(former.counts());
        }
        true
    }
}

impl Stream {
    fn counts(&self) -> Counts {
        let span = self.last_seq - self.first_seq + 1;
        Counts { packets: self.packets, lost: span.saturating_sub(self.packets), recovered: self.recovered }
    }
}

impl Counts {
    pub(super) fn plus(self, other: Counts) -> Counts {
        Counts {
            packets: self.packets + other.packets,
            lost: self.lost + other.lost,
            recovered: self.recovered + other.recovered,
        }
    }
}

/// The track of an SSRC: by the SSRC where it was announced, else by its section.
fn track_of<'a>(sections: &'a [Section], ssrc: u32, mid: &str) -> Option<&'a str> {
    let announced = sections.iter().find(|section| section.ssrcs.contains(&ssrc));
    announced.or_else(|| sections.iter().find(|section| section.mid == mid))?.track_sid.as_deref()
}

fn mime(codec: Codec) -> Option<&'static str> {
    Some(match codec {
        Codec::Opus => "audio/opus",
        Codec::H264 => "video/H264",
        Codec::H265 => "video/H265",
        Codec::Vp8 => "video/VP8",
        Codec::Vp9 => "video/VP9",
        Codec::Av1 => "video/AV1",
        _ => return None,
    })
}

/// The library names what was done to the picture; we name what undoes it.
impl From<VideoOrientation> for Rotation {
    fn from(orientation: VideoOrientation) -> Rotation {
        match orientation {
            VideoOrientation::Deg0 => Rotation::None,
            VideoOrientation::Deg270 => Rotation::Clockwise90,
            VideoOrientation::Deg180 => Rotation::Clockwise180,
            VideoOrientation::Deg90 => Rotation::Clockwise270,
        }
    }
}

impl From<Rotation> for VideoOrientation {
    fn from(rotation: Rotation) -> VideoOrientation {
        match rotation {
            Rotation::None => VideoOrientation::Deg0,
            Rotation::Clockwise90 => VideoOrientation::Deg270,
            Rotation::Clockwise180 => VideoOrientation::Deg180,
            Rotation::Clockwise270 => VideoOrientation::Deg90,
        }
    }
}

fn unix_ns(time: SystemTime) -> i64 {
    let ns = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -ns(before.duration()), ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ssrc_finds_its_track_before_the_section_does() {
        let section = |mid: &str, sid: &str, ssrcs: &[u32]| Section {
            mid: mid.into(),
            track_sid: Some(sid.into()),
            ssrcs: ssrcs.to_vec(),
        };
        let sections = [section("1", "TR_a", &[1, 2]), section("2", "TR_b", &[])];
        assert_eq!(track_of(&sections, 2, "2"), Some("TR_a"));
        assert_eq!(track_of(&sections, 3, "2"), Some("TR_b"));
        assert_eq!(track_of(&sections, 3, "9"), None);
    }

    #[test]
    fn times_before_the_epoch_are_negative() {
        assert_eq!(unix_ns(UNIX_EPOCH - std::time::Duration::from_nanos(5)), -5);
        assert_eq!(unix_ns(UNIX_EPOCH + std::time::Duration::from_nanos(5)), 5);
    }
}
