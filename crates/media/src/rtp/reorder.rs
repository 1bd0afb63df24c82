//! Puts the packets of one stream back in order. In-order packets pass at once; only a gap waits, for a given
//! time, for its packets to come (reordered or retransmitted), and is then declared lost.
//!
//! Call [`Reorder::handle_packet`] for each packet and [`Reorder::handle_timeout`] when
//! [`Reorder::next_timeout`] is reached, and after either [`Reorder::poll`] until it returns `None`.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use crate::packet::RtpPacket;

/// Bounds of a [`Reorder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReorderConfig {
    /// How long a missing packet is waited for, from the moment its absence shows.
    pub wait_ns: i64,
    /// Packets held back at most; beyond it the oldest gap is given up before its time.
    pub max_packets: usize,
    /// The same for the payload bytes held back.
    pub max_bytes: usize,
}

impl Default for ReorderConfig {
    /// For video: several rounds of retransmission on a long path, and a burst of pictures behind the gap.
    fn default() -> Self {
        Self { wait_ns: 1_500_000_000, max_packets: 4_096, max_bytes: 8 << 20 }
    }
}

/// What comes out, in order of sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Packet(RtpPacket),
    /// These packets did not come in time.
    Lost {
        first_seq: u64,
        count: u64,
    },
    /// The numbering jumped: the sender began anew, or more was lost than is worth counting. What follows has no
    /// relation to what came before.
    Restart,
}

/// Counters since the start; each packet handed in is counted in `received`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReorderStats {
    pub received: u64,
    /// Came a second time.
    pub duplicates: u64,
    /// Came after a packet with a higher number.
    pub reordered: u64,
    /// Of those, in time to be passed on: the gap they left was seen and closed.
    pub recovered: u64,
    /// Declared lost.
    pub lost: u64,
    /// Came after they were declared lost, or from before the first packet or a restart.
    pub late: u64,
    /// Jumps of the numbering.
    pub restarts: u64,
}

/// Distance in sequence numbers from which a packet counts as a jump (RFC 3550, appendix A.1, `MAX_DROPOUT`).
const JUMP: u64 = 3_000;

/// Ranges declared lost that are remembered to tell late packets from duplicates.
const LOST_REMEMBERED: usize = 64;

/// Numbers missing between packets that have come.
#[derive(Debug)]
struct Gap {
    seqs: Range<u64>,
    seen_ns: i64,
}

/// Packets in any order in, packets in order and losses out.
#[derive(Debug)]
pub struct Reorder {
    config: ReorderConfig,
    /// The first number since the start or the last jump, and the number to be passed on next; `None` before the
    /// first packet.
    passed: Option<Range<u64>>,
    /// Packets behind the first gap. Empty exactly when `gaps` is.
    held: BTreeMap<u64, RtpPacket>,
    held_bytes: usize,
    /// Sorted by number, and thereby by the time they were seen.
    gaps: VecDeque<Gap>,
    /// One past the highest number that came.
    end: u64,
    /// A packet from far away: the first after a jump, or a stray. The next packet tells.
    far: Option<(RtpPacket, i64)>,
    recently_lost: VecDeque<Range<u64>>,
    ready: VecDeque<Item>,
    stats: ReorderStats,
}

impl Reorder {
    pub fn new(config: ReorderConfig) -> Self {
        Self {
            config,
            passed: None,
            held: BTreeMap::new(),
            held_bytes: 0,
            gaps: VecDeque::new(),
            end: 0,
            far: None,
            recently_lost: VecDeque::new(),
            ready: VecDeque::new(),
            stats: ReorderStats::default(),
        }
    }

    /// Takes a packet that came at `now_ns`.
    pub fn handle_packet(&mut self, packet: RtpPacket, now_ns: i64) {
        self.stats.received += 1;
        self.give_up_overdue(now_ns);
        if self.passed.is_some() && packet.seq.abs_diff(self.end) > JUMP {
            self.handle_far(packet, now_ns);
            return;
        }
        if self.far.take().is_some() {
            // The stream goes on where it was.
            self.stats.late += 1;
        }
        self.place(packet, now_ns);
    }

    /// Gives up what was waited for too long.
    pub fn handle_timeout(&mut self, now_ns: i64) {
        self.give_up_overdue(now_ns);
        if let Some((_, seen_ns)) = &self.far
            && now_ns >= seen_ns.saturating_add(self.config.wait_ns)
            && let Some((first, _)) = self.far.take()
        {
            self.restart();
            self.place(first, now_ns);
        }
    }

    /// Passes on everything held, without waiting any longer; for the end of a stream.
    pub fn flush(&mut self) {
        while !self.gaps.is_empty() {
            self.give_up_first_gap();
        }
        if let Some((first, seen_ns)) = self.far.take() {
            self.restart();
            self.place(first, seen_ns);
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<i64> {
        let gap = self.gaps.front().map(|gap| gap.seen_ns);
        let far = self.far.as_ref().map(|(_, seen_ns)| *seen_ns);
        let seen_ns = [gap, far].into_iter().flatten().min()?;
        Some(seen_ns.saturating_add(self.config.wait_ns))
    }

    pub fn poll(&mut self) -> Option<Item> {
        self.ready.pop_front()
    }

    pub fn stats(&self) -> ReorderStats {
        self.stats
    }

    /// Packets and payload bytes held back at present.
    pub fn held(&self) -> (usize, usize) {
        (self.held.len(), self.held_bytes)
    }

    /// A packet from far away is believed when a second one comes from its neighbourhood.
    fn handle_far(&mut self, packet: RtpPacket, now_ns: i64) {
        match self.far.take() {
            Some((first, seen_ns)) if first.seq.abs_diff(packet.seq) <= JUMP => {
                let (first, second) = if first.seq <= packet.seq { (first, packet) } else { (packet, first) };
                self.restart();
                self.place(first, seen_ns);
                self.place(second, now_ns);
            }
            stray => {
                self.stats.late += u64::from(stray.is_some());
                self.far = Some((packet, now_ns));
            }
        }
    }

    /// Ends the old numbering: passes on what is held of it and forgets it.
    fn restart(&mut self) {
        while !self.gaps.is_empty() {
            self.give_up_first_gap();
        }
        self.recently_lost.clear();
        self.passed = None;
        self.stats.restarts += 1;
        self.ready.push_back(Item::Restart);
    }

    /// Sorts a packet in that is near the others.
    fn place(&mut self, packet: RtpPacket, now_ns: i64) {
        let seq = packet.seq;
        let passed = self.passed.get_or_insert_with(|| {
            self.end = seq;
            seq..seq
        });
        let (start, next) = (passed.start, passed.end);
        if seq >= self.end {
            if seq > self.end {
                self.gaps.push_back(Gap { seqs: self.end..seq, seen_ns: now_ns });
            }
            self.end = seq + 1;
            if self.gaps.is_empty() {
                self.pass_to(self.end);
                self.ready.push_back(Item::Packet(packet));
            } else {
                self.hold(packet);
                self.keep_bounds();
            }
        } else if self.held.contains_key(&seq) {
            self.stats.duplicates += 1;
        } else if seq >= next {
            self.stats.reordered += 1;
            self.stats.recovered += 1;
            self.close_gap_at(seq);
            self.hold(packet);
            self.release();
            self.keep_bounds();
        } else if seq < start {
            self.stats.late += 1;
            self.stats.reordered += 1;
        } else {
            self.handle_passed(seq);
        }
    }

    fn pass_to(&mut self, next: u64) {
        if let Some(passed) = &mut self.passed {
            passed.end = next;
        }
    }

    /// A packet whose turn is over: a copy of one passed on, or one too late.
    fn handle_passed(&mut self, seq: u64) {
        let Some(range) = self.recently_lost.iter().position(|range| range.contains(&seq)) else {
            self.stats.duplicates += 1;
            return;
        };
        self.stats.late += 1;
        self.stats.reordered += 1;
        // A second copy of it is then a duplicate.
        let range = self.recently_lost.remove(range).unwrap_or_default();
        self.remember_lost(range.start..seq);
        self.remember_lost(seq + 1..range.end);
    }

    fn remember_lost(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        if self.recently_lost.len() == LOST_REMEMBERED {
            self.recently_lost.pop_front();
        }
        self.recently_lost.push_back(range);
    }

    fn hold(&mut self, packet: RtpPacket) {
        self.held_bytes += packet.payload.len();
        self.held.insert(packet.seq, packet);
    }

    fn keep_bounds(&mut self) {
        let ReorderConfig { max_packets, max_bytes, .. } = self.config;
        while (self.held.len() > max_packets || self.held_bytes > max_bytes) && !self.gaps.is_empty() {
            self.give_up_first_gap();
        }
    }

    /// Takes one number out of the gap it lies in.
    fn close_gap_at(&mut self, seq: u64) {
        let index = self.gaps.partition_point(|gap| gap.seqs.end <= seq);
        let Some(gap) = self.gaps.get_mut(index) else { return };
        let (before, after) = (gap.seqs.start..seq, seq + 1..gap.seqs.end);
        let seen_ns = gap.seen_ns;
        match (before.is_empty(), after.is_empty()) {
            (true, true) => {
                self.gaps.remove(index);
            }
            (false, true) => gap.seqs = before,
            (true, false) => gap.seqs = after,
            (false, false) => {
                gap.seqs = before;
                self.gaps.insert(index + 1, Gap { seqs: after, seen_ns });
            }
        }
    }

    fn give_up_overdue(&mut self, now_ns: i64) {
        while self.gaps.front().is_some_and(|gap| now_ns >= gap.seen_ns.saturating_add(self.config.wait_ns)) {
            self.give_up_first_gap();
        }
    }

    fn give_up_first_gap(&mut self) {
        let Some(Gap { seqs, .. }) = self.gaps.pop_front() else { return };
        let count = seqs.end - seqs.start;
        self.stats.lost += count;
        self.ready.push_back(Item::Lost { first_seq: seqs.start, count });
        self.remember_lost(seqs);
        self.release();
    }

    /// Passes on what is held in front of the first gap.
    fn release(&mut self) {
        let end = self.gaps.front().map_or(self.end, |gap| gap.seqs.start);
        while let Some(entry) = self.held.first_entry() {
            if *entry.key() >= end {
                break;
            }
            let packet = entry.remove();
            self.held_bytes -= packet.payload.len();
            self.ready.push_back(Item::Packet(packet));
        }
        self.pass_to(end);
    }
}

#[cfg(test)]
mod tests;
