//! A sender and a receiver set up as the client sets them up, over a link of virtual time with seeded loss, jitter and
//! reordering: what retransmission saves, and what reports say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::format::Codec;
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::sdp::Section;
use super::streams::{Counts, Streams};
use super::{RoomEvent, receive, send};

const FRAME: Duration = Duration::from_micros(33_333);
const FRAMES: u32 = 900;
const GOOD_DELAY: Duration = Duration::from_millis(1);
const BASE_DELAY: Duration = Duration::from_millis(10);
const JITTER_US: u64 = 60_000;
const LOSS_PER_MILLE: u64 = 50;

struct Link {
    now: Instant,
    seed: u64,
    impaired: bool,
    /// Datagrams under way to side 0 or 1, by arrival and number.
    air: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    count: u64,
}

impl Link {
    fn random(&mut self) -> u64 {
        // xorshift64
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }

    fn send(&mut self, to: usize, bytes: Vec<u8>) {
        let (lost, jitter) = (self.random() % 1000 < LOSS_PER_MILLE, self.random() % JITTER_US);
        self.count += 1;
        if self.impaired && lost {
            return;
        }
        let delay = if self.impaired { BASE_DELAY + Duration::from_micros(jitter) } else { GOOD_DELAY };
        self.air.insert((self.now + delay, self.count), (to, bytes));
    }
}

struct Side {
    rtc: Rtc,
    wake: Instant,
    connected: bool,
}

struct World {
    link: Link,
    sides: [Side; 2],
    streams: Streams,
    told: Vec<RoomEvent>,
    mid: Mid,
}

fn addr(side: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + side as u8], 1000))
}

impl World {
    /// Side 0 sends one video track to side 1; the network is good so far.
    fn connected() -> World {
        let now = Instant::now();
        let side = |rtc| Side { rtc, wake: now, connected: false };
        let mut sides = [side(send::config().build(now)), side(receive::config().build(now))];
        for (at, side) in sides.iter_mut().enumerate() {
            side.rtc.add_local_candidate(Candidate::host(addr(at), "udp").expect("an address"));
        }
        let mut changes = sides[0].rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        let (offer, pending) = changes.apply().expect("a change");
        let link = Link { now, seed: 0x9e37_79b9_7f4a_7c15, impaired: false, air: BTreeMap::new(), count: 0 };
        let mut world = World { link, sides, streams: Streams::default(), told: Vec::new(), mid };
        let section = Section { mid: mid.to_string(), track_sid: Some("TR_v".into()), ssrcs: Vec::new() };
        world.streams.set_sections(vec![section], &BTreeMap::new());
        let answer = world.sides[1].rtc.sdp_api().accept_offer(offer).expect("a good offer");
        world.drain(1, None);
        world.sides[0].rtc.sdp_api().accept_answer(pending, answer).expect("a good answer");
        world.drain(0, None);
        while !world.sides.iter().all(|side| side.connected) {
            assert!(world.link.now < now + Duration::from_secs(10), "connects");
            world.run(world.link.now + Duration::from_millis(10));
        }
        send::keep_for_resending(&mut world.sides[0].rtc, mid);
        world.drain(0, None);
        world
    }

    fn drain(&mut self, at: usize, wire_ssrc: Option<u32>) {
        loop {
            let output = self.sides[at].rtc.poll_output().expect("works");
            match output {
                Output::Timeout(wake) => {
                    self.sides[at].wake = wake;
                    return;
                }
                Output::Transmit(transmit) => self.link.send(1 - at, transmit.contents.to_vec()),
                Output::Event(Event::Connected) => self.sides[at].connected = true,
                Output::Event(Event::RtpPacket(packet)) => {
                    let wire_ssrc = wire_ssrc.expect("a packet comes out of a datagram");
                    self.streams.packet(&mut self.sides[at].rtc, packet, wire_ssrc, &mut self.told);
                }
                Output::Event(Event::SenderFeedback(report)) => self.streams.sender_report(&report, &mut self.told),
                Output::Event(_) => {}
            }
        }
    }

    fn run(&mut self, until: Instant) {
        loop {
            let arrival = self.link.air.first_key_value().map(|((at, _), _)| *at);
            let next = self.sides.iter().map(|side| side.wake).chain(arrival).min().expect("two sides");
            if next > until {
                self.link.now = until;
                return;
            }
            self.link.now = self.link.now.max(next);
            let now = self.link.now;
            if arrival.is_some_and(|at| at <= now) {
                let (_, (to, bytes)) = self.link.air.pop_first().expect("arrives");
                let receive = Receive::new(Protocol::Udp, addr(1 - to), addr(to), &bytes).expect("a datagram");
                self.sides[to].rtc.handle_input(Input::Receive(now, receive)).expect("works");
                let ssrc = bytes.get(8..12).map(|ssrc| u32::from_be_bytes(ssrc.try_into().expect("four bytes")));
                self.drain(to, ssrc);
            }
            for at in 0..2 {
                if self.sides[at].wake <= now {
                    self.sides[at].rtc.handle_input(Input::Timeout(now)).expect("works");
                    self.drain(at, None);
                }
            }
        }
    }

    fn write(&mut self, number: u32, at: Instant, size: usize) {
        let data: Arc<[u8]> = [&[0, 0, 0, 1, 0x65][..], &vec![7; size]].concat().into();
        let writer = self.sides[0].rtc.writer(self.mid).expect("negotiated");
        let params = writer.payload_params().find(|params| params.spec().codec == Codec::H264).expect("H.264");
        let (pt, time) = (params.pt(), MediaTime::new(u64::from(number) * 3000, Frequency::NINETY_KHZ));
        writer.write(pt, at, time, data).expect("written");
        self.drain(0, None);
    }
}

/// Thirty seconds of 30 frames/s with a key frame every two seconds, over a bad network.
fn record(key_bytes: usize, delta_bytes: usize) -> (Counts, Vec<RoomEvent>) {
    let mut world = World::connected();
    world.link.impaired = true;
    let start = world.link.now;
    for number in 0..FRAMES {
        let at = start + FRAME * number;
        world.run(at);
        world.write(number, at, if number % 60 == 0 { key_bytes } else { delta_bytes });
    }
    world.run(start + FRAME * FRAMES + Duration::from_secs(3));
    (world.streams.counts(), world.told)
}

#[test]
fn retransmission_saves_what_is_lost_at_2_mbit() {
    let (counts, told) = record(60_000, 7_000);
    let sent = counts.packets + counts.lost;
    println!("{counts:?} of {sent}");
    assert!(sent > 6500, "{counts:?}");
    assert!(counts.recovered > sent * 3 / 100, "about the loss comes by retransmission: {counts:?}");
    assert!(counts.lost * 500 <= sent, "{counts:?}");
    let packets = told.iter().filter_map(|event| match event {
        RoomEvent::Packet(packet) => Some((packet.seq, packet.rtp_time)),
        _ => None,
    });
    let times: BTreeMap<u64, u64> = packets.collect();
    assert_eq!(times.len() as u64, counts.packets, "every packet comes once");
    assert!(times.values().zip(times.values().skip(1)).all(|(a, b)| a <= b), "time follows sequence, also when late");
    let frames: BTreeSet<u64> = times.into_values().collect();
    assert_eq!(frames.len(), FRAMES as usize);
    assert!(matches!(&told[0], RoomEvent::Subscribed { mime, clock_rate: 90_000, .. } if mime == "video/H264"));
}

/// As of a sender that makes its media by the clock.
#[test]
fn reports_are_right_of_media_that_is_sent_ahead_of_its_time() {
    // More than a frame: every report falls before the time of the last one.
    const AHEAD: Duration = Duration::from_millis(40);
    let mut world = World::connected();
    let start = world.link.now;
    for number in 0..FRAMES / 3 {
        let at = start + FRAME * number;
        world.run(at);
        world.write(number, at + AHEAD, 1_000);
    }
    let first = world.told.iter().find_map(|event| match event {
        RoomEvent::Packet(packet) => Some(packet.rtp_time as i64),
        _ => None,
    });
    let first = first.expect("a packet");
    let reports = world.told.iter().filter_map(|event| match event {
        RoomEvent::SenderReport { rtp_time, arrival, .. } => Some((*rtp_time as i64, *arrival - GOOD_DELAY)),
        _ => None,
    });
    let off_ms = |(rtp_time, sent): (i64, Instant)| {
        let media_ms = (sent - start).as_secs_f64() * 1e3 - AHEAD.as_secs_f64() * 1e3;
        (rtp_time - first) as f64 / 90.0 - media_ms
    };
    let off: Vec<f64> = reports.map(off_ms).collect();
    assert!(off.len() >= 3 && off.iter().all(|ms| ms.abs() < 1.0), "{off:?}");
}
