//! The receiving peer connection of one stay in a room: answers offers, maps packets to tracks, asks for key frames,
//! notices when the path is dead.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Deserialize;
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::media::KeyframeRequestKind;
use str0m::{Candidate, Event, IceConnectionState, Rtc, RtcConfig};
use tracing::debug;

use super::peer::{Peer, PeerError, PeerEvent};
use super::streams::{Counts, Streams};
use super::{RoomEvent, sdp};
use crate::proto::SessionDescription;
use crate::udp::SocketStats;

/// From the join to running media.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection closed by the server waits for the `leave` that says why.
const GOODBYE: Duration = Duration::from_secs(1);
/// Between reports to the server, which makes its bandwidth estimate from them.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Remote candidates that may wait for the first offer.
const MAX_EARLY_CANDIDATES: usize = 32;

/// Why media of this stay cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum MediaError {
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("unusable offer: {0}")]
    Offer(String),
    #[error("media path lost")]
    PathLost,
    #[error("server closed the media connection")]
    Closed,
    #[error("no media connection within {} s", MEDIA_TIMEOUT.as_secs())]
    NotConnected,
}

pub(super) struct Receiver {
    peer: Peer,
    streams: Streams,
    events: Vec<PeerEvent>,
    /// Candidates that came before the first offer.
    early: Vec<Candidate>,
    answer: Option<SessionDescription>,
    path: Path,
}

#[derive(Debug, Clone, Copy)]
enum Path {
    Connecting {
        deadline: Instant,
    },
    Connected,
    /// Was connected, and no candidate pair answers any more.
    Lost,
    /// The server said goodbye to this connection; it counts as dead from then on.
    Closing {
        dead_at: Instant,
    },
}

impl Receiver {
    /// `local` is this machine's address towards the signalling server.
    pub(super) fn new(local: IpAddr, now: Instant) -> Result<Receiver, MediaError> {
        let peer = Peer::new(config().build(now), local, now)?;
        let path = Path::Connecting { deadline: now + MEDIA_TIMEOUT };
        Ok(Receiver { peer, streams: Streams::default(), events: Vec::new(), early: Vec::new(), answer: None, path })
    }

    /// Applies an offer and gives the answer to it.
    pub(super) fn offer(&mut self, offer: &SessionDescription, now: Instant) -> Result<SessionDescription, MediaError> {
        for ip in sdp::candidate_ips(&offer.sdp) {
            self.peer.expect_remote(ip);
        }
        let parsed = SdpOffer::from_sdp_string(&sdp::as_sendonly(&offer.sdp)).map_err(offer_error)?;
        let accept = |rtc: &mut Rtc| rtc.sdp_api().accept_offer(parsed);
        let answer: SdpAnswer = self.peer.change(now, accept, &mut self.events)?.map_err(offer_error)?;
        self.streams.set_sections(sdp::sections(&offer.sdp), &offer.mid_to_track_id);
        let answer = SessionDescription {
            r#type: "answer".into(),
            sdp: answer.to_sdp_string(),
            id: offer.id,
            ..SessionDescription::default()
        };
        self.answer = Some(answer.clone());
        for candidate in std::mem::take(&mut self.early) {
            self.add_candidate(candidate, now)?;
        }
        Ok(answer)
    }

    /// The last answer given.
    pub(super) fn answer(&self) -> Option<&SessionDescription> {
        self.answer.as_ref()
    }

    /// Applies a trickled candidate: the JSON text that browsers use. Names and TCP are ignored.
    pub(super) fn trickle(&mut self, init: &str, now: Instant) -> Result<(), MediaError> {
        let Some(candidate) = parse_candidate(init) else {
            debug!(init, "remote candidate ignored");
            return Ok(());
        };
        if self.answer.is_some() {
            return self.add_candidate(candidate, now);
        }
        if self.early.len() < MAX_EARLY_CANDIDATES {
            self.early.push(candidate);
        }
        Ok(())
    }

    /// Asks the sender of a track for a key frame. `false`: no stream of the track is known yet.
    pub(super) fn request_key_frame(&mut self, track_sid: &str, now: Instant) -> Result<bool, MediaError> {
        let Some(mid) = self.streams.mid_of(track_sid).map(|mid| mid.into()) else { return Ok(false) };
        let request = |rtc: &mut Rtc| match rtc.direct_api().stream_rx_by_mid(mid, None) {
            Some(stream) => {
                stream.request_keyframe(KeyframeRequestKind::Pli);
                true
            }
            None => false,
        };
        Ok(self.peer.change(now, request, &mut self.events)?)
    }

    /// Takes in what waits and gives packets out. Returns when the next timer is due; an error ends the stay.
    pub(super) fn poll(&mut self, now: Instant, out: &mut Vec<RoomEvent>) -> Result<Instant, MediaError> {
        let wake = self.peer.poll(now, &mut self.events)?;
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            self.handle(event, now, out);
        }
        self.events = events;
        match self.path {
            Path::Connecting { deadline } if deadline <= now => Err(MediaError::NotConnected),
            Path::Closing { dead_at } if dead_at <= now => Err(MediaError::Closed),
            Path::Lost => Err(MediaError::PathLost),
            _ => Ok(wake),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.path, Path::Connected)
    }

    pub(super) fn counts(&self) -> (Counts, SocketStats) {
        (self.streams.counts(), self.peer.socket_stats())
    }

    fn handle(&mut self, PeerEvent { event, wire_ssrc }: PeerEvent, now: Instant, out: &mut Vec<RoomEvent>) {
        match event {
            Event::RtpPacket(packet) => {
                let wire_ssrc = wire_ssrc.unwrap_or(*packet.header.ssrc);
                self.streams.packet(self.peer.rtc(), packet, wire_ssrc, out);
            }
            Event::SenderFeedback(report) => self.streams.sender_report(&report, out),
            Event::Connected => self.path = Path::Connected,
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) if self.is_connected() => {
                self.path = Path::Lost;
            }
            Event::Closed => self.path = Path::Closing { dead_at: now + GOODBYE },
            _ => {}
        }
    }

    fn add_candidate(&mut self, candidate: Candidate, now: Instant) -> Result<(), MediaError> {
        self.peer.expect_remote(candidate.addr().ip());
        Ok(self.peer.change(now, |rtc| rtc.add_remote_candidate(candidate), &mut self.events)?)
    }
}

fn offer_error(error: impl ToString) -> MediaError {
    MediaError::Offer(error.to_string())
}

/// Packets as they come, every codec a recording can hold, plain Opus: with RED declined a server unwraps it.
fn config() -> RtcConfig {
    RtcConfig::new()
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(true)
        .enable_h264(true)
        .enable_h265(true)
        .enable_vp9(true)
        .enable_av1(true)
        .set_rtcp_report_interval_audio(REPORT_INTERVAL)
        .set_rtcp_report_interval_video(REPORT_INTERVAL)
}

/// The UDP candidate in `{"candidate": "candidate:..", ..}`.
fn parse_candidate(init: &str) -> Option<Candidate> {
    #[derive(Deserialize)]
    struct Init {
        candidate: String,
    }
    let init: Init = serde_json::from_str(init).ok()?;
    sdp::candidate_ip(&init.candidate)?;
    Candidate::from_sdp_string(&init.candidate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_with_names_or_tcp_are_ignored() {
        let parse = |candidate: &str| parse_candidate(&format!(r#"{{"candidate":"{candidate}","sdpMid":"0"}}"#));
        let good = parse("candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host").expect("a candidate");
        assert_eq!(good.addr(), "127.0.0.1:50000".parse().expect("an address"));
        assert!(parse("candidate:1 1 udp 2130706431 1b2c.local 50000 typ host").is_none());
        assert!(parse("candidate:1 1 tcp 2130706431 127.0.0.1 50000 typ host tcptype passive").is_none());
        assert!(parse("").is_none() && parse_candidate("{").is_none());
    }
}
