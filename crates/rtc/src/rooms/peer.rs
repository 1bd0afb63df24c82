//! One peer connection: the WebRTC library behind a fence. Errors and panics in it cost this peer only. What a
//! participant does with its peers does not belong here.

use super::webrtc::{self, PeerSettings, Use};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpApi, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::media::{KeyframeRequest, KeyframeRequestKind, Mid, SenderFeedback};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{RtpPacket, RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcError};

/// Bytes of reliable data messages kept for a client that reads slowly; beyond it they are dropped.
const MAX_BACKLOG: usize = 1024 * 1024;
/// Candidates of a client that are looked at; browsers name a handful per network interface.
const MAX_CANDIDATES: usize = 64;
/// How long sent packets can be asked for again.
const RESEND_AGE: Duration = Duration::from_secs(3);
const RESEND_PACKETS: usize = 2000;

/// Number of a participant, unique in the process.
pub type Pid = u64;

/// Which of a participant's peer connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerKey {
    pub participant: Pid,
    pub role: Role,
}

/// With one peer connection (`/rtc/v1`) there is only the publisher's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Publisher,
    Subscriber,
}

/// The two data channels that carry room data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Reliable,
    Lossy,
}

impl Channel {
    fn label(self) -> &'static str {
        match self {
            Channel::Reliable => "_reliable",
            Channel::Lossy => "_lossy",
        }
    }
}

/// What a peer tells the room.
#[expect(clippy::large_enum_variant, reason = "most events are packets; boxing each would cost an allocation")]
pub enum PeerEvent {
    Connected,
    Rtp(RtpPacket),
    Report(SenderFeedback),
    KeyframeRequest(KeyframeRequest),
    Data(Channel, Vec<u8>),
    /// The transport is gone for good.
    Lost(String),
}

/// Where the output of all peers is collected.
#[derive(Default)]
pub struct Sink {
    pub transmits: Vec<Transmit>,
    pub events: VecDeque<(PeerKey, PeerEvent)>,
}

/// One peer connection.
pub struct Peer {
    pub key: PeerKey,
    rtc: Rtc,
    /// When the library wants to be woken.
    pub deadline: Instant,
    /// Whether it waits in the engine's list to be driven.
    pub dirty: bool,
    connected: bool,
    lost: bool,
    last_received: Instant,
    reliable: Option<ChannelId>,
    lossy: Option<ChannelId>,
    /// Candidates taken from the client.
    candidates: usize,
    backlog: VecDeque<Vec<u8>>,
    backlog_bytes: usize,
}

impl Peer {
    pub fn new(key: PeerKey, settings: &PeerSettings, usage: Use, candidates: &[SocketAddr], now: Instant) -> Self {
        let mut rtc = webrtc::new_rtc(settings, usage, now);
        for addr in candidates {
            match Candidate::host(*addr, "udp") {
                Ok(candidate) => drop(rtc.add_local_candidate(candidate)),
                Err(error) => tracing::warn!(%addr, %error, "address cannot be advertised"),
            }
        }
        Self {
            key,
            rtc,
            deadline: now,
            dirty: false,
            connected: false,
            lost: false,
            last_received: now,
            reliable: None,
            lossy: None,
            candidates: 0,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
        }
    }

    pub fn is_connected(&self) -> bool {
        self.connected && !self.lost
    }

    /// Whether the client has sent anything within `span`.
    pub fn heard_within(&self, span: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.last_received) <= span
    }

    /// The user fragment by which datagrams for this peer are known.
    pub fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    pub fn rtc(&self) -> &Rtc {
        &self.rtc
    }

    /// Takes one datagram.
    pub fn receive(&mut self, at: Instant, source: SocketAddr, destination: SocketAddr, bytes: &[u8], sink: &mut Sink) {
        let Ok(receive) = Receive::new(Protocol::Udp, source, destination, bytes) else { return };
        self.last_received = self.last_received.max(at);
        // A datagram that cannot be used may come from anybody: it must not end the peer.
        let handled = self.fenced(sink, |rtc| Ok(rtc.handle_input(Input::Receive(at, receive))));
        if let Some(Err(error)) = handled {
            tracing::debug!(peer = ?self.key, %error, "datagram not usable");
        }
        self.drain(sink);
    }

    /// Lets time pass and sends what was written.
    pub fn pump(&mut self, now: Instant, sink: &mut Sink) {
        self.dirty = false;
        self.flush_backlog();
        self.fenced(sink, |rtc| rtc.handle_input(Input::Timeout(now)));
        self.drain(sink);
    }

    fn drain(&mut self, sink: &mut Sink) {
        while let Some(output) = self.fenced(sink, Rtc::poll_output) {
            match output {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    break;
                }
                Output::Transmit(transmit) => sink.transmits.push(transmit),
                Output::Event(event) => self.on_event(event, sink),
            }
        }
        if !self.lost && !self.rtc.is_alive() {
            self.lose("connection closed", sink);
        }
    }

    fn on_event(&mut self, event: Event, sink: &mut Sink) {
        let event = match event {
            Event::Connected => {
                self.connected = true;
                PeerEvent::Connected
            }
            Event::RtpPacket(packet) => PeerEvent::Rtp(packet),
            Event::SenderFeedback(report) => PeerEvent::Report(report),
            Event::KeyframeRequest(request) => PeerEvent::KeyframeRequest(request),
            Event::ChannelOpen(id, label) => return self.on_channel_open(id, &label),
            Event::ChannelClose(id) => {
                self.reliable = self.reliable.filter(|open| *open != id);
                self.lossy = self.lossy.filter(|open| *open != id);
                return;
            }
            Event::ChannelData(data) if Some(data.id) == self.reliable => PeerEvent::Data(Channel::Reliable, data.data),
            Event::ChannelData(data) if Some(data.id) == self.lossy => PeerEvent::Data(Channel::Lossy, data.data),
            Event::Closed => return self.lose("closed by the client", sink),
            _ => return,
        };
        sink.events.push_back((self.key, event));
    }

    fn on_channel_open(&mut self, id: ChannelId, label: &str) {
        if label == Channel::Reliable.label() {
            self.reliable = Some(id);
        } else if label == Channel::Lossy.label() {
            self.lossy = Some(id);
        }
    }

    fn lose(&mut self, reason: &str, sink: &mut Sink) {
        if !self.lost {
            self.lost = true;
            sink.events.push_back((self.key, PeerEvent::Lost(reason.to_owned())));
        }
    }

    /// Runs a call into the library. An error or panic ends this peer.
    fn fenced<T>(&mut self, sink: &mut Sink, call: impl FnOnce(&mut Rtc) -> Result<T, RtcError>) -> Option<T> {
        if self.lost {
            self.deadline = self.deadline.max(self.last_received + Duration::from_secs(3600));
            return None;
        }
        let rtc = &mut self.rtc;
        let reason = match catch_unwind(AssertUnwindSafe(|| call(rtc))) {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "fault in the WebRTC library".to_owned(),
        };
        self.rtc.disconnect();
        self.lose(&reason, sink);
        None
    }

    /// Answers an offer; the text of the answer.
    pub fn accept_offer(&mut self, offer: &str) -> Result<String, String> {
        let offer = SdpOffer::from_sdp_string(offer).map_err(|error| error.to_string())?;
        Ok(self.negotiate(|api| api.accept_offer(offer))?.to_sdp_string())
    }

    /// Makes an offer out of `change`; `None` when it changes nothing.
    pub fn offer<T>(&mut self, change: impl FnOnce(&mut SdpApi<'_>) -> T) -> (T, Option<(String, SdpPendingOffer)>) {
        let mut api = self.rtc.sdp_api();
        let value = change(&mut api);
        (value, api.apply().map(|(offer, pending)| (offer.to_sdp_string(), pending)))
    }

    /// Takes the answer to an offer of ours.
    pub fn accept_answer(&mut self, pending: SdpPendingOffer, answer: &str) -> Result<(), String> {
        let answer = SdpAnswer::from_sdp_string(answer).map_err(|error| error.to_string())?;
        self.negotiate(|api| api.accept_answer(pending, answer))
    }

    fn negotiate<T>(&mut self, call: impl FnOnce(SdpApi<'_>) -> Result<T, RtcError>) -> Result<T, String> {
        let rtc = &mut self.rtc;
        match catch_unwind(AssertUnwindSafe(|| call(rtc.sdp_api()))) {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err("fault in the WebRTC library".into()),
        }
    }

    /// Takes a candidate line of the client; ones it cannot use (names, TCP) are ignored, the address is learnt anyway.
    pub fn add_candidate(&mut self, line: &str) {
        if self.candidates >= MAX_CANDIDATES {
            return;
        }
        self.candidates += 1;
        if let Ok(candidate) = Candidate::from_sdp_string(line) {
            self.rtc.add_remote_candidate(candidate);
        }
    }

    /// The stream that sends in a media section, once negotiated, set up for generous retransmission.
    pub fn sending_ssrc(&mut self, mid: Mid) -> Option<Ssrc> {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None)?;
        stream.set_rtx_cache(RESEND_PACKETS, RESEND_AGE, None);
        Some(stream.ssrc())
    }

    /// Queues one packet; it leaves with the next [`Peer::pump`].
    pub fn write(&mut self, ssrc: Ssrc, packet: RtpWrite) {
        if let Some(stream) = self.rtc.direct_api().stream_tx(&ssrc) {
            stream.write_rtp(packet);
        }
    }

    /// Section and layer name of an incoming stream.
    pub fn incoming(&mut self, ssrc: Ssrc) -> Option<(Mid, Option<String>)> {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx(&ssrc)?;
        Some((stream.mid(), stream.rid().map(|rid| rid.to_string())))
    }

    /// Asks the publisher for a key frame.
    pub fn request_keyframe(&mut self, ssrc: Ssrc) {
        if let Some(stream) = self.rtc.direct_api().stream_rx(&ssrc) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    /// Opens our data channels: for subscribers, where the server makes the offer.
    pub fn add_channels(api: &mut SdpApi<'_>) {
        api.add_channel(Channel::Reliable.label().into());
        api.add_channel_with_config(ChannelConfig {
            label: Channel::Lossy.label().into(),
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..ChannelConfig::default()
        });
    }

    /// Sends a data message. A lossy one is dropped when there is no room for it; a reliable one waits.
    pub fn send_data(&mut self, channel: Channel, message: &[u8]) {
        let waits = channel == Channel::Reliable && !self.backlog.is_empty();
        if !waits && self.write_channel(channel, message) {
            return;
        }
        if channel == Channel::Lossy || !self.connected {
            return;
        }
        if self.backlog_bytes + message.len() > MAX_BACKLOG {
            tracing::warn!(peer = ?self.key, "client reads data too slowly: message dropped");
            return;
        }
        self.backlog_bytes += message.len();
        self.backlog.push_back(message.to_vec());
    }

    fn write_channel(&mut self, channel: Channel, message: &[u8]) -> bool {
        let id = match channel {
            Channel::Reliable => self.reliable,
            Channel::Lossy => self.lossy,
        };
        let rtc = &mut self.rtc;
        let written = catch_unwind(AssertUnwindSafe(|| rtc.channel(id?)?.write(true, message).ok()));
        written.ok().flatten().unwrap_or(false)
    }

    fn flush_backlog(&mut self) {
        while let Some(message) = self.backlog.pop_front() {
            if !self.write_channel(Channel::Reliable, &message) {
                self.backlog.push_front(message);
                return;
            }
            self.backlog_bytes -= message.len();
        }
    }
}
