//! One WebRTC peer connection on its own UDP socket: datagrams in, events out, timers. Keeps the library's contract
//! (one input, then drain) in one place. What the events mean does not belong here.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcError};

use crate::udp::{BATCH, BatchSocket, SendQueue, SocketStats};

/// Batches read per call, so that a flood cannot keep the caller from its other work.
const MAX_BATCHES: usize = 32;
/// Remote addresses whose route is remembered; more come only from strangers.
const MAX_ROUTES: usize = 64;
/// Where the SSRC lies in an RTP datagram.
const SSRC: std::ops::Range<usize> = 8..12;

/// An event and, when an RTP datagram caused it, the SSRC that datagram came with (another one than the event's
/// packet has, if it was a retransmission).
pub(super) struct PeerEvent {
    pub event: Event,
    pub wire_ssrc: Option<u32>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    #[error("media socket: {0}")]
    Socket(#[from] io::Error),
    #[error("WebRTC: {0}")]
    Rtc(#[from] RtcError),
}

pub(super) struct Peer {
    rtc: Rtc,
    socket: BatchSocket,
    queue: SendQueue,
    /// This machine's address towards a remote one.
    routes: HashMap<IpAddr, SocketAddr>,
    first_local: SocketAddr,
    wake: Instant,
}

impl Peer {
    /// Opens a socket for `rtc`. `local` is this machine's address towards the signalling server: the first host
    /// candidate.
    pub(super) fn new(rtc: Rtc, local: IpAddr, now: Instant) -> Result<Peer, PeerError> {
        let socket = bind()?;
        let first_local = SocketAddr::new(local, socket.local_addr().port());
        let mut peer =
            Peer { rtc, socket, queue: SendQueue::default(), routes: HashMap::new(), first_local, wake: now };
        peer.add_local(first_local);
        Ok(peer)
    }

    /// Learns that media may come from `remote`: adds a host candidate on the interface that leads there.
    pub(super) fn expect_remote(&mut self, remote: IpAddr) {
        let local = self.route(remote);
        if local != self.first_local {
            self.add_local(local);
        }
    }

    /// Changes the connection and takes out what follows from the change. Datagrams go with the next `poll`.
    pub(super) fn change<R>(
        &mut self,
        now: Instant,
        change: impl FnOnce(&mut Rtc) -> R,
        events: &mut Vec<PeerEvent>,
    ) -> Result<R, PeerError> {
        // Time first: an instance that was never told the time sets no timers at all.
        self.handle_time(now, events)?;
        let result = change(&mut self.rtc);
        self.wake = drain(&mut self.rtc, &mut self.queue, None, events)?;
        self.handle_time(now, events)?;
        Ok(result)
    }

    /// For looking only: what changes the connection goes through [`change`](Self::change).
    pub(super) fn rtc(&mut self) -> &mut Rtc {
        &mut self.rtc
    }

    /// Takes in waiting datagrams and due timers, and sends what follows. Returns when the next timer is due.
    pub(super) fn poll(&mut self, now: Instant, events: &mut Vec<PeerEvent>) -> Result<Instant, PeerError> {
        for _ in 0..MAX_BATCHES {
            if self.receive(events)? < BATCH {
                break;
            }
        }
        self.handle_time(now, events)?;
        self.socket.send(&mut self.queue);
        Ok(self.wake)
    }

    /// Loses a share of the datagrams that go out; see [`SendQueue::lose`].
    pub(super) fn lose(&mut self, share: f64, seed: u64) {
        self.queue.lose(share, seed);
    }

    pub(super) fn socket_stats(&self) -> SocketStats {
        self.socket.stats()
    }

    fn handle_time(&mut self, now: Instant, events: &mut Vec<PeerEvent>) -> Result<(), RtcError> {
        if self.wake <= now {
            self.rtc.handle_input(Input::Timeout(now))?;
            self.wake = drain(&mut self.rtc, &mut self.queue, None, events)?;
        }
        Ok(())
    }

    fn receive(&mut self, events: &mut Vec<PeerEvent>) -> Result<usize, PeerError> {
        let Peer { rtc, socket, queue, routes, first_local, wake } = self;
        let port = first_local.port();
        let mut result = Ok(());
        let count = socket.recv_batch(|src, at, bytes| {
            let destination = route(routes, src.ip(), *first_local, port);
            let Ok(receive) = Receive::new(Protocol::Udp, src, destination, bytes) else { return };
            let outcome = rtc.handle_input(Input::Receive(at, receive)).and_then(|()| {
                *wake = drain(rtc, queue, wire_ssrc(bytes), events)?;
                Ok(())
            });
            if let Err(e) = outcome {
                result = Err(e);
            }
        })?;
        result?;
        Ok(count)
    }

    fn add_local(&mut self, addr: SocketAddr) {
        if let Ok(candidate) = Candidate::host(addr, Protocol::Udp) {
            self.rtc.add_local_candidate(candidate);
        }
    }

    fn route(&mut self, remote: IpAddr) -> SocketAddr {
        route(&mut self.routes, remote, self.first_local, self.first_local.port())
    }
}

/// Both families where the machine has IPv6.
fn bind() -> io::Result<BatchSocket> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    BatchSocket::bind(both).or_else(|_| BatchSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))))
}

/// Takes everything out of `rtc` until it only waits, and returns until when.
fn drain(
    rtc: &mut Rtc,
    queue: &mut SendQueue,
    wire_ssrc: Option<u32>,
    events: &mut Vec<PeerEvent>,
) -> Result<Instant, RtcError> {
    loop {
        match rtc.poll_output()? {
            Output::Timeout(at) => return Ok(at),
            Output::Transmit(transmit) => queue.push(transmit.destination, &transmit.contents),
            Output::Event(event) => events.push(PeerEvent { event, wire_ssrc }),
        }
    }
}

/// The SSRC of an RTP datagram; of anything else, whatever stands there.
fn wire_ssrc(datagram: &[u8]) -> Option<u32> {
    datagram.get(SSRC)?.try_into().ok().map(u32::from_be_bytes)
}

fn route(routes: &mut HashMap<IpAddr, SocketAddr>, remote: IpAddr, first_local: SocketAddr, port: u16) -> SocketAddr {
    if let Some(local) = routes.get(&remote) {
        return *local;
    }
    let local = outgoing_ip(remote).map_or(first_local, |ip| SocketAddr::new(ip, port));
    if routes.len() < MAX_ROUTES {
        routes.insert(remote, local);
    }
    local
}

/// The address that the kernel would send from. Connecting a UDP socket sends nothing.
fn outgoing_ip(remote: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((remote, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_this_machine_is_loopback() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(outgoing_ip(loopback), Some(loopback));
    }

    #[test]
    fn the_ssrc_is_read_from_whole_headers_only() {
        assert_eq!(wire_ssrc(&[0x80; 11]), None);
        assert_eq!(wire_ssrc(&[0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 7]), Some(7));
    }
}
