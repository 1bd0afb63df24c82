//! The receiving peer connection of one stay in a room: answers offers, gives packets out by track, asks for key
//! frames.

use std::net::IpAddr;
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpOffer};
use str0m::media::KeyframeRequestKind;
use str0m::{Event, Rtc, RtcConfig};

use super::path::{MediaError, Path, Trickled};
use super::peer::{Peer, PeerEvent};
use super::streams::{Counts, Streams};
use super::{RoomEvent, path, sdp};
use crate::proto::{SessionDescription, SignalTarget, TrickleRequest};
use crate::udp::SocketStats;

pub(super) struct Receiver {
    peer: Peer,
    streams: Streams,
    events: Vec<PeerEvent>,
    trickled: Trickled,
    answer: Option<SessionDescription>,
    path: Path,
}

impl Receiver {
    /// `local` is this machine's address towards the signalling server; `expects_offer`: the server said that it
    /// offers at once, tracks or not.
    pub(super) fn new(local: IpAddr, expects_offer: bool, now: Instant) -> Result<Receiver, MediaError> {
        let peer = Peer::new(config().build(now), local, now)?;
        Ok(Receiver {
            peer,
            streams: Streams::default(),
            events: Vec::new(),
            trickled: Trickled::default(),
            answer: None,
            path: if expects_offer { Path::connecting(now) } else { Path::Idle },
        })
    }

    /// Applies an offer and gives the answer to it.
    pub(super) fn offer(&mut self, offer: &SessionDescription, now: Instant) -> Result<SessionDescription, MediaError> {
        self.path.begin(now);
        for ip in sdp::candidate_ips(&offer.sdp) {
            self.peer.expect_remote(ip);
        }
        let parsed = SdpOffer::from_sdp_string(&sdp::as_sendonly(&offer.sdp)).map_err(MediaError::description)?;
        let accept = |rtc: &mut Rtc| rtc.sdp_api().accept_offer(parsed);
        let answer: SdpAnswer = self.peer.change(now, accept, &mut self.events)?.map_err(MediaError::description)?;
        self.streams.set_sections(sdp::sections(&offer.sdp), &offer.mid_to_track_id);
        let answer = SessionDescription {
            r#type: "answer".into(),
            sdp: answer.to_sdp_string(),
            id: offer.id,
            ..SessionDescription::default()
        };
        self.answer = Some(answer.clone());
        self.add_candidates(now)?;
        Ok(answer)
    }

    /// The last answer given.
    pub(super) fn answer(&self) -> Option<&SessionDescription> {
        self.answer.as_ref()
    }

    /// Applies a trickled candidate.
    pub(super) fn trickle(&mut self, trickle: &TrickleRequest, now: Instant) -> Result<(), MediaError> {
        self.trickled.push(trickle, SignalTarget::Subscriber);
        if self.answer.is_some() { self.add_candidates(now) } else { Ok(()) }
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
        self.path.check(now)?;
        Ok(wake)
    }

    /// Media is connected, or there is none to connect for yet.
    pub(super) fn is_ready(&self) -> bool {
        self.path.is_connected() || matches!(self.path, Path::Idle)
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
            other => self.path.handle(&other, now),
        }
    }

    fn add_candidates(&mut self, now: Instant) -> Result<(), MediaError> {
        for candidate in self.trickled.take() {
            self.peer.expect_remote(candidate.addr().ip());
            self.peer.change(now, |rtc| rtc.add_remote_candidate(candidate), &mut self.events)?;
        }
        Ok(())
    }
}

/// Packets as they come: putting frames together is the owner's, who has to account for every loss.
pub(super) fn config() -> RtcConfig {
    path::config().set_rtp_mode(true)
}
