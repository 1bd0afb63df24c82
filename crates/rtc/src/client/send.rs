//! The sending peer connection of one stay in a room: offers sections for tracks, one offer at a time, and packetises
//! frames.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, MediaTime, Mid, Rid, Rids, Simulcast, SimulcastLayer};
use str0m::{Event, Rtc, RtcConfig};

use super::path::{MediaError, Path, Trickled};
use super::peer::{Peer, PeerEvent};
use super::{Rotation, path, sdp};
use crate::proto::{SessionDescription, SignalTarget, TrickleRequest};

/// What is kept to be sent again: packets of one stream, and for how long.
const RESEND_PACKETS: usize = 4096;
const RESEND_AGE: Duration = Duration::from_secs(5);

/// A track to offer.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Second token of the msid, by which the server knows the track.
    pub cid: String,
    pub kind: MediaKind,
    /// Simulcast layers, lowest first; empty: one plain stream.
    pub rids: Vec<Rid>,
}

/// One frame to send.
pub(super) struct Frame {
    pub codec: Codec,
    pub rid: Option<Rid>,
    pub rtp_time: MediaTime,
    pub captured: Instant,
    pub data: Arc<[u8]>,
    pub rotation: Option<Rotation>,
}

pub(super) struct Sender {
    peer: Peer,
    events: Vec<PeerEvent>,
    trickled: Trickled,
    path: Path,
    pending: Option<(u32, SdpPendingOffer, Vec<Mid>)>,
    last_offer: u32,
    answered: bool,
}

/// What the peer asks for: a key frame of a section, of one layer where there are several.
pub(super) type KeyFrameWish = (Mid, Option<Rid>);

impl Sender {
    /// `local` is this machine's address towards the signalling server.
    pub(super) fn new(local: IpAddr, now: Instant) -> Result<Sender, MediaError> {
        Ok(Sender {
            peer: Peer::new(config().build(now), local, now)?,
            events: Vec::new(),
            trickled: Trickled::default(),
            path: Path::Idle,
            pending: None,
            last_offer: 0,
            answered: false,
        })
    }

    /// Loses a share of the datagrams that go out, from now on.
    pub(super) fn lose(&mut self, share: f64, seed: u64) {
        self.peer.lose(share, seed);
    }

    /// Whether an offer waits for its answer; no other can be made meanwhile.
    pub(super) fn is_negotiating(&self) -> bool {
        self.pending.is_some()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.path.is_connected()
    }

    /// Makes an offer with new sections, and with those of `ended` inactive. Gives the sections' mids in order.
    pub(super) fn offer(
        &mut self,
        sections: &[Section],
        ended: &[Mid],
        now: Instant,
    ) -> Result<(SessionDescription, Vec<Mid>), MediaError> {
        let mut mids = Vec::new();
        let change = |rtc: &mut Rtc| {
            let mut changes = rtc.sdp_api();
            for section in sections {
                let (stream, track) = (Some(section.cid.clone()), Some(section.cid.clone()));
                let layers = simulcast(&section.rids);
                mids.push(changes.add_media(section.kind, Direction::SendOnly, stream, track, layers));
            }
            for mid in ended {
                changes.set_direction(*mid, Direction::Inactive);
            }
            changes.apply()
        };
        let offered = self.peer.change(now, change, &mut self.events)?;
        let (offer, pending) = offered.ok_or_else(|| MediaError::description("nothing to offer"))?;
        self.last_offer += 1;
        self.pending = Some((self.last_offer, pending, mids.clone()));
        self.path.begin(now);
        let description = SessionDescription {
            r#type: "offer".into(),
            sdp: offer.to_sdp_string(),
            id: self.last_offer,
            ..SessionDescription::default()
        };
        Ok((description, mids))
    }

    /// Applies the answer to the offer that waits; answers to others are ignored.
    pub(super) fn answer(&mut self, answer: &SessionDescription, now: Instant) -> Result<(), MediaError> {
        // A server that echoes no id has only this offer to answer.
        let Some((_, pending, mids)) = self.pending.take_if(|(id, ..)| answer.id == *id || answer.id == 0) else {
            return Ok(());
        };
        for ip in sdp::candidate_ips(&answer.sdp) {
            self.peer.expect_remote(ip);
        }
        let parsed = SdpAnswer::from_sdp_string(&answer.sdp).map_err(MediaError::description)?;
        let accept = |rtc: &mut Rtc| rtc.sdp_api().accept_answer(pending, parsed);
        self.peer.change(now, accept, &mut self.events)?.map_err(MediaError::description)?;
        self.answered = true;
        for mid in mids {
            self.peer.change(now, |rtc| keep_for_resending(rtc, mid), &mut self.events)?;
        }
        self.add_candidates(now)
    }

    /// Applies a trickled candidate.
    pub(super) fn trickle(&mut self, trickle: &TrickleRequest, now: Instant) -> Result<(), MediaError> {
        self.trickled.push(trickle, SignalTarget::Publisher);
        if self.answered { self.add_candidates(now) } else { Ok(()) }
    }

    /// Packetises a frame; it is sent with the next `poll`. `false`: the server does not take the codec.
    pub(super) fn write(&mut self, mid: Mid, frame: Frame, now: Instant) -> Result<bool, MediaError> {
        let write = |rtc: &mut Rtc| {
            let Some(writer) = rtc.writer(mid) else { return Ok(false) };
            let usable = |codec: Codec, mode: Option<u8>| codec == frame.codec && mode != Some(0);
            let params = writer
                .payload_params()
                .find(|params| usable(params.spec().codec, params.spec().format.packetization_mode));
            let Some(pt) = params.map(|params| params.pt()) else { return Ok(false) };
            let writer = match frame.rid {
                Some(rid) => writer.rid(rid),
                None => writer,
            };
            let writer = match frame.rotation {
                Some(rotation) => writer.video_orientation(rotation.into()),
                None => writer,
            };
            writer.write(pt, frame.captured, frame.rtp_time, frame.data).map(|()| true)
        };
        self.peer.change(now, write, &mut self.events)?.map_err(|e| MediaError::Peer(e.into()))
    }

    /// Takes in what waits, sends what was written, and appends the key frames asked for.
    pub(super) fn poll(&mut self, now: Instant, wishes: &mut Vec<KeyFrameWish>) -> Result<Instant, MediaError> {
        let wake = self.peer.poll(now, &mut self.events)?;
        for PeerEvent { event, .. } in self.events.drain(..) {
            match event {
                Event::KeyframeRequest(request) => wishes.push((request.mid, request.rid)),
                other => self.path.handle(&other, now),
            }
        }
        self.path.check(now)?;
        Ok(wake)
    }

    fn add_candidates(&mut self, now: Instant) -> Result<(), MediaError> {
        for candidate in self.trickled.take() {
            self.peer.expect_remote(candidate.addr().ip());
            self.peer.change(now, |rtc| rtc.add_remote_candidate(candidate), &mut self.events)?;
        }
        Ok(())
    }
}

fn simulcast(rids: &[Rid]) -> Option<Simulcast> {
    if rids.is_empty() {
        return None;
    }
    let mut simulcast = Simulcast::new();
    for rid in rids {
        simulcast.add_send_layer(SimulcastLayer::new(rid));
    }
    Some(simulcast)
}

/// Keeps what a section sends for long. Jitter makes receivers ask also for what is only late, so there is no limit to
/// the share of resends.
pub(super) fn keep_for_resending(rtc: &mut Rtc, mid: Mid) {
    let rids = match rtc.media(mid).map(|media| media.rids_tx()) {
        Some(Rids::Specific(rids)) => rids.iter().copied().map(Some).collect(),
        _ => vec![None],
    };
    let mut api = rtc.direct_api();
    for rid in rids {
        if let Some(stream) = api.stream_tx_by_mid(mid, rid) {
            stream.set_rtx_cache(RESEND_PACKETS, RESEND_AGE, None);
        }
    }
}

/// Frames go out as they are written: no bandwidth estimate holds them back.
pub(super) fn config() -> RtcConfig {
    path::config().set_send_buffer_video(RESEND_PACKETS)
}
