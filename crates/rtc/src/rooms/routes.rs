//! Which peer a datagram is for: by the address it comes from, and, for connectivity checks, by the user fragment in
//! them. Whether a check is genuine is the peer's business.

use super::peer::PeerKey;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// An address that was heard from within this time is not given to another peer.
const HELD: Duration = Duration::from_secs(5);
/// Addresses per peer; a client has a few, a flood of forged ones must not fill the table.
const ADDRESSES_PER_PEER: usize = 16;

const STUN_HEADER: usize = 20;
const STUN_USERNAME: u16 = 0x0006;

struct Route {
    peer: PeerKey,
    heard: Instant,
}

/// The tables of one socket.
#[derive(Default)]
pub struct Routes {
    by_addr: HashMap<SocketAddr, Route>,
    by_ufrag: HashMap<String, PeerKey>,
    ufrags: HashMap<PeerKey, String>,
    addresses: HashMap<PeerKey, Vec<SocketAddr>>,
}

impl Routes {
    /// Makes a peer known under a user fragment, in place of an earlier one.
    pub fn add(&mut self, ufrag: String, peer: PeerKey) {
        if let Some(before) = self.ufrags.insert(peer, ufrag.clone()) {
            self.by_ufrag.remove(&before);
        }
        self.by_ufrag.insert(ufrag, peer);
    }

    /// Forgets everything about a peer.
    pub fn remove(&mut self, peer: PeerKey) {
        if let Some(ufrag) = self.ufrags.remove(&peer) {
            self.by_ufrag.remove(&ufrag);
        }
        for addr in self.addresses.remove(&peer).unwrap_or_default() {
            self.by_addr.remove(&addr);
        }
    }

    /// The peer a datagram is for.
    pub fn find(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) -> Option<PeerKey> {
        match stun_ufrag(bytes) {
            Some(ufrag) => {
                let peer = *self.by_ufrag.get(ufrag)?;
                self.learn(now, source, peer);
                Some(peer)
            }
            None => {
                let route = self.by_addr.get_mut(&source)?;
                route.heard = route.heard.max(now);
                Some(route.peer)
            }
        }
    }

    fn learn(&mut self, now: Instant, source: SocketAddr, peer: PeerKey) {
        if let Some(route) = self.by_addr.get_mut(&source) {
            if route.peer == peer {
                route.heard = route.heard.max(now);
                return;
            }
            if now.saturating_duration_since(route.heard) < HELD {
                return;
            }
            let before = route.peer;
            self.addresses.entry(before).or_default().retain(|addr| *addr != source);
        }
        let addresses = self.addresses.entry(peer).or_default();
        if addresses.len() >= ADDRESSES_PER_PEER {
            self.by_addr.remove(&addresses.remove(0));
        }
        addresses.push(source);
        self.by_addr.insert(source, Route { peer, heard: now });
    }
}

/// The receiver's user fragment in a STUN message that carries one.
fn stun_ufrag(bytes: &[u8]) -> Option<&str> {
    if bytes.len() < STUN_HEADER || bytes[0] >= 2 {
        return None;
    }
    let mut rest = &bytes[STUN_HEADER..];
    while let [t0, t1, l0, l1, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        if u16::from_be_bytes([*t0, *t1]) == STUN_USERNAME {
            let name = std::str::from_utf8(after.get(..length)?).ok()?;
            return name.split(':').next();
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::peer::Role;
    use super::*;
    use proptest::prelude::*;

    fn peer(participant: u64) -> PeerKey {
        PeerKey { participant, role: Role::Publisher }
    }

    fn check(ufrag: &str) -> Vec<u8> {
        let name = format!("{ufrag}:remote");
        let mut bytes = vec![0, 1, 0, 0];
        bytes.resize(STUN_HEADER, 7);
        bytes.extend([0x80, 0x22, 0, 3, b'x', b'y', b'z', 0]);
        bytes.extend([0, 6, 0, name.len() as u8]);
        bytes.extend(name.as_bytes());
        bytes
    }

    #[test]
    fn checks_go_by_name_and_media_by_address() {
        let (mut routes, now) = (Routes::default(), Instant::now());
        let addr: SocketAddr = "192.0.2.1:5000".parse().expect("an address");
        routes.add("abcd".into(), peer(1));
        assert_eq!(routes.find(now, addr, &[0x80, 96, 0]), None);
        assert_eq!(routes.find(now, addr, &check("abcd")), Some(peer(1)));
        assert_eq!(routes.find(now, addr, &[0x80, 96, 0]), Some(peer(1)));
        assert_eq!(routes.find(now, addr, &check("nobody")), None);
        routes.add("efgh".into(), peer(1));
        assert_eq!(routes.find(now, addr, &check("abcd")), None, "restarted under another name");
        assert_eq!(routes.find(now, addr, &check("efgh")), Some(peer(1)));
        routes.remove(peer(1));
        assert_eq!(routes.find(now, addr, &[0x80, 96, 0]), None);
        assert_eq!(routes.find(now, addr, &check("efgh")), None);
    }

    #[test]
    fn an_address_in_use_cannot_be_taken_over() {
        let (mut routes, now) = (Routes::default(), Instant::now());
        let addr: SocketAddr = "192.0.2.1:5000".parse().expect("an address");
        routes.add("aaaa".into(), peer(1));
        routes.add("bbbb".into(), peer(2));
        routes.find(now, addr, &check("aaaa"));
        routes.find(now, addr, &check("bbbb"));
        assert_eq!(routes.find(now, addr, &[0x80]), Some(peer(1)));
        routes.find(now + HELD, addr, &check("bbbb"));
        assert_eq!(routes.find(now + HELD, addr, &[0x80]), Some(peer(2)));
    }

    #[test]
    fn the_tables_are_bounded() {
        let (mut routes, now) = (Routes::default(), Instant::now());
        routes.add("aaaa".into(), peer(1));
        for port in 1..=100 {
            routes.find(now, SocketAddr::from(([192, 0, 2, 1], port)), &check("aaaa"));
        }
        assert_eq!(routes.by_addr.len(), ADDRESSES_PER_PEER);
        routes.remove(peer(1));
        assert!(routes.by_addr.is_empty() && routes.addresses.is_empty() && routes.by_ufrag.is_empty());
        assert!(routes.ufrags.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Some(first) = bytes.first_mut() { *first &= 1 }
            let _ = stun_ufrag(&bytes);
        }
    }
}
