//! One track on its way to one subscriber: which layer, and the subscriber's own sequence numbers and RTP times.
//! Pure: packets in as numbers, numbers out.

use super::clock::Micros;

/// What the forwarder looks at of an incoming packet.
#[derive(Debug, Clone, Copy)]
pub struct Incoming {
    /// Rank of the simulcast layer, 0 lowest; 0 for anything but simulcast.
    pub layer: u8,
    /// Extended sequence number of the layer.
    pub seq: u64,
    pub rtp: u32,
    /// Whether a decoder can begin here. Always true for sound.
    pub start: bool,
    /// Without media: it keeps its number, so that receivers do not take it for lost.
    pub padding: bool,
    /// Capture time on the server's clock.
    pub captured: Micros,
}

/// Numbers of the packet as the subscriber sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    pub seq: u64,
    pub rtp: u32,
    /// Capture time of this RTP time.
    pub captured: Micros,
}

/// How one layer is mapped since the last switch to it.
#[derive(Debug, Clone, Copy)]
struct Source {
    layer: u8,
    first_seq: u64,
    /// Subtracted from incoming sequence numbers; wraps when the subscriber is ahead.
    seq_base: u64,
    rtp_base: u32,
}

/// The last packet in the order of the subscriber.
#[derive(Debug, Clone, Copy)]
struct Latest {
    seq: u64,
    rtp: u32,
    captured: Micros,
}

/// Renumbers one track for one subscriber.
#[derive(Debug, Clone)]
pub struct Forwarder {
    rate: u32,
    source: Option<Source>,
    latest: Option<Latest>,
}

/// A fresh stream starts here: low, because receivers count roll-overs from zero.
const FIRST_SEQ: u64 = 1000;

impl Forwarder {
    /// `rate`: RTP clock in Hz.
    pub fn new(rate: u32) -> Self {
        Self { rate, source: None, latest: None }
    }

    /// The layer that is forwarded now.
    pub fn layer(&self) -> Option<u8> {
        self.source.map(|source| source.layer)
    }

    /// Stops until the next packet a decoder can begin at, without a gap in the sequence numbers.
    pub fn pause(&mut self) {
        self.source = None;
    }

    /// Decides about one packet, while `target` is the layer this subscriber should get. Switching waits for a start.
    pub fn forward(&mut self, packet: Incoming, target: u8) -> Option<Outgoing> {
        let current = self.source.filter(|source| source.layer == packet.layer);
        let source = match current {
            Some(source) => source,
            None if packet.layer == target && packet.start => self.switch_to(packet),
            None => return None,
        };
        if packet.seq < source.first_seq {
            return None;
        }
        let seq = packet.seq.wrapping_sub(source.seq_base);
        let rtp = packet.rtp.wrapping_sub(source.rtp_base);
        let captured = match self.latest {
            // It comes at any time and has the RTP time of the picture before.
            Some(latest) if packet.padding => {
                let ticks = i64::from(rtp.wrapping_sub(latest.rtp) as i32);
                latest.captured.saturating_add(ticks * 1_000_000 / i64::from(self.rate))
            }
            _ => packet.captured,
        };
        if self.latest.is_none_or(|latest| seq > latest.seq) {
            self.latest = Some(Latest { seq, rtp, captured });
        }
        Some(Outgoing { seq, rtp, captured })
    }

    fn switch_to(&mut self, packet: Incoming) -> Source {
        let (next_seq, next_rtp) = match self.latest {
            None => (FIRST_SEQ, packet.rtp),
            Some(latest) => {
                let elapsed = packet.captured.saturating_sub(latest.captured).max(0);
                let ticks = (i128::from(elapsed) * i128::from(self.rate) / 1_000_000) as u32;
                (latest.seq + 1, latest.rtp.wrapping_add(ticks.max(1)))
            }
        };
        let source = Source {
            layer: packet.layer,
            first_seq: packet.seq,
            seq_base: packet.seq.wrapping_sub(next_seq),
            rtp_base: packet.rtp.wrapping_sub(next_rtp),
        };
        self.source = Some(source);
        source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(layer: u8, seq: u64, rtp: u32, start: bool, captured: Micros) -> Incoming {
        Incoming { layer, seq, rtp, start, padding: false, captured }
    }

    fn numbers(packet: Option<Outgoing>) -> Option<(u64, u32)> {
        packet.map(|packet| (packet.seq, packet.rtp))
    }

    #[test]
    fn begins_at_a_start_with_a_low_number_and_keeps_gaps_and_order() {
        let mut f = Forwarder::new(90_000);
        assert_eq!(f.forward(packet(0, 70_000, 5, false, 0), 0), None);
        assert_eq!(numbers(f.forward(packet(0, 70_001, 9, true, 0), 0)), Some((1000, 9)));
        assert_eq!(numbers(f.forward(packet(0, 70_004, 12, false, 0), 0)), Some((1003, 12)));
        assert_eq!(numbers(f.forward(packet(0, 70_002, 9, false, 0), 0)), Some((1001, 9)), "retransmitted");
        assert_eq!(f.forward(packet(0, 70_000, 5, false, 0), 0), None, "from before the start");
    }

    #[test]
    fn a_layer_switch_waits_for_a_start_and_is_seamless() {
        let mut f = Forwarder::new(90_000);
        f.forward(packet(2, 10, 1_000, true, 0), 2);
        f.forward(packet(2, 11, 4_000, false, 33_333), 2);
        assert_eq!(f.forward(packet(0, 500, 77_000, false, 66_666), 0), None);
        assert_eq!(numbers(f.forward(packet(2, 12, 7_000, false, 66_666), 0)), Some((1002, 7_000)));
        // 100 ms after the last picture, on another sequence and RTP base.
        assert_eq!(numbers(f.forward(packet(0, 503, 88_000, true, 166_666), 0)), Some((1003, 16_000)));
        assert_eq!(f.forward(packet(2, 13, 16_000, false, 166_666), 0), None, "the old layer is off");
        assert_eq!(numbers(f.forward(packet(0, 504, 91_000, false, 200_000), 0)), Some((1004, 19_000)));
    }

    #[test]
    fn a_pause_leaves_no_gap_in_numbers_but_in_time() {
        let mut f = Forwarder::new(48_000);
        f.forward(packet(0, 1, 960, true, 0), 0);
        f.pause();
        assert_eq!(f.layer(), None);
        let later = f.forward(packet(0, 500, 480_960, true, 10_000_000), 0);
        assert_eq!(numbers(later), Some((1001, 480_960)));
    }

    #[test]
    fn padding_keeps_its_number_and_moves_no_time() {
        let mut f = Forwarder::new(90_000);
        let padding = |seq, captured| Incoming { padding: true, ..packet(0, seq, 9_000, false, captured) };
        assert_eq!(f.forward(padding(9, 0), 0), None, "nothing begins with it");
        f.forward(packet(0, 10, 9_000, true, 100_000), 0);
        assert_eq!(f.forward(padding(11, 170_000), 0), Some(Outgoing { seq: 1001, rtp: 9_000, captured: 100_000 }));
        let next = f.forward(packet(0, 12, 18_000, false, 200_000), 0);
        assert_eq!(next, Some(Outgoing { seq: 1002, rtp: 18_000, captured: 200_000 }));
    }

    #[test]
    fn numbers_continue_over_roll_overs() {
        let mut f = Forwarder::new(90_000);
        f.forward(packet(0, 5, u32::MAX, true, 0), 0);
        assert_eq!(numbers(f.forward(packet(0, 70_005, 1, false, 0), 0)), Some((71_000, 1)));
    }
}
