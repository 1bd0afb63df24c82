//! The machine against a reference that knows every arrival in advance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const WAIT: i64 = 100;

fn packet(seq: u64) -> RtpPacket {
    let payload: Arc<[u8]> = seq.to_be_bytes().into();
    RtpPacket { seq, rtp_time: seq, marker: false, payload, arrival_ns: 0, rotation: None }
}

fn reorder() -> Reorder {
    Reorder::new(ReorderConfig { wait_ns: WAIT, ..ReorderConfig::default() })
}

fn drain(reorder: &mut Reorder) -> Vec<Item> {
    std::iter::from_fn(|| reorder.poll()).collect()
}

fn lost(first_seq: u64, count: u64) -> Item {
    Item::Lost { first_seq, count }
}

/// Hands in packets by arrival, waking the machine whenever it asked to be; ends after the last deadline.
fn play(reorder: &mut Reorder, arrivals: &[(i64, u64)]) -> Vec<Item> {
    let mut out = Vec::new();
    for &(now, seq) in arrivals {
        while let Some(due) = reorder.next_timeout().filter(|&due| due <= now) {
            reorder.handle_timeout(due);
            out.extend(drain(reorder));
        }
        reorder.handle_packet(packet(seq), now);
        out.extend(drain(reorder));
    }
    while let Some(due) = reorder.next_timeout() {
        reorder.handle_timeout(due);
        out.extend(drain(reorder));
    }
    out
}

/// What must come out: a number is lost exactly when it does not come within the wait after the first higher one.
fn reference(arrivals: &[(i64, u64)]) -> Vec<Item> {
    let mut first_arrival = BTreeMap::new();
    for &(at, seq) in arrivals {
        first_arrival.entry(seq).or_insert(at);
    }
    let start = arrivals[0].1;
    let end = *first_arrival.keys().max().expect("arrivals are not empty");
    let in_time = |seq: u64| {
        let seen = first_arrival.range(seq + 1..).map(|(_, &at)| at).min().unwrap_or(i64::MAX - WAIT);
        first_arrival.get(&seq).is_some_and(|&at| at < seen + WAIT)
    };
    (start..=end).map(|seq| if in_time(seq) { Item::Packet(packet(seq)) } else { lost(seq, 1) }).collect()
}

/// Ranges of losses, split into single numbers.
fn one_by_one(items: Vec<Item>) -> Vec<Item> {
    let split = |item| match item {
        Item::Lost { first_seq, count } => (first_seq..first_seq + count).map(|seq| lost(seq, 1)).collect(),
        other => vec![other],
    };
    items.into_iter().flat_map(split).collect()
}

#[test]
fn in_order_packets_pass_at_once() {
    let mut reorder = reorder();
    for seq in 10..20 {
        reorder.handle_packet(packet(seq), 0);
        assert_eq!(drain(&mut reorder), [Item::Packet(packet(seq))]);
        assert_eq!(reorder.next_timeout(), None);
    }
}

#[test]
fn a_gap_waits_until_it_is_closed() {
    let mut reorder = reorder();
    let out = play(&mut reorder, &[(0, 1), (5, 4), (6, 3), (7, 3), (8, 2), (9, 2), (10, 5)]);
    assert_eq!(out, (1..=5).map(|seq| Item::Packet(packet(seq))).collect::<Vec<_>>());
    let stats = reorder.stats();
    assert_eq!((stats.received, stats.duplicates, stats.reordered, stats.recovered), (7, 2, 2, 2));
    assert_eq!((stats.lost, stats.late, stats.restarts), (0, 0, 0));
}

#[test]
fn a_gap_is_given_up_after_the_wait_and_what_comes_later_is_late() {
    let mut reorder = reorder();
    let out = play(&mut reorder, &[(0, 1), (10, 4), (10 + WAIT - 1, 2), (10 + WAIT, 3), (200, 3), (201, 0)]);
    let expected = [Item::Packet(packet(1)), Item::Packet(packet(2)), lost(3, 1), Item::Packet(packet(4))];
    assert_eq!(out, expected);
    let stats = reorder.stats();
    // 3 came late and then once more; 0 came from before the first packet.
    assert_eq!((stats.recovered, stats.lost, stats.late, stats.duplicates), (1, 1, 2, 1));
}

#[test]
fn a_jump_is_believed_at_its_second_packet() {
    for (from, to) in [(100u64, 50_000u64), (50_000, 100)] {
        let mut reorder = reorder();
        let out = play(&mut reorder, &[(0, from), (1, from + 2), (2, to + 1), (3, to), (4, to + 2)]);
        let mut expected = vec![Item::Packet(packet(from)), lost(from + 1, 1), Item::Packet(packet(from + 2))];
        expected.push(Item::Restart);
        expected.extend([to, to + 1, to + 2].map(|seq| Item::Packet(packet(seq))));
        assert_eq!(out, expected);
        assert_eq!(reorder.stats().restarts, 1);
    }
}

#[test]
fn a_stray_packet_is_no_jump_but_a_silence_after_it_makes_it_one() {
    let mut reorder = reorder();
    let out = play(&mut reorder, &[(0, 1), (1, 90_000), (2, 2), (3, 70_000)]);
    let expected = [Item::Packet(packet(1)), Item::Packet(packet(2)), Item::Restart, Item::Packet(packet(70_000))];
    assert_eq!(out, expected);
    assert_eq!((reorder.stats().late, reorder.stats().restarts), (1, 1));
}

#[test]
fn strays_from_all_over_are_no_jump() {
    let mut reorder = reorder();
    let out = play(&mut reorder, &[(0, 1), (1, 90_000), (2, 50_000), (3, 70_000), (4, 2)]);
    assert_eq!(out, [1, 2].map(|seq| Item::Packet(packet(seq))));
    assert_eq!((reorder.stats().late, reorder.stats().restarts), (3, 0));
}

#[test]
fn held_packets_stay_within_the_bounds() {
    let config = ReorderConfig { wait_ns: i64::MAX, max_packets: 16, max_bytes: 1 << 20 };
    let mut by_count = Reorder::new(config);
    let mut by_bytes = Reorder::new(ReorderConfig { max_packets: 4_096, max_bytes: 16 * 8, ..config });
    for seq in (0..10_000).step_by(2) {
        for reorder in [&mut by_count, &mut by_bytes] {
            reorder.handle_packet(packet(seq), 0);
            assert!(reorder.held().0 <= 16 && reorder.held().1 <= 16 * 8);
            drain(reorder);
        }
    }
    assert_eq!(by_count.stats(), by_bytes.stats());
    assert_eq!(by_count.stats().lost, 4_999 - 16);
    by_count.flush();
    assert_eq!((by_count.held(), by_count.stats().lost), ((0, 0), 4_999));
}

proptest! {
    #[test]
    fn a_shuffle_within_the_wait_comes_out_sorted(delays in prop::collection::vec(0..WAIT, 1..300), start in 0..1u64 << 40) {
        // One packet per unit of time; the first is not overtaken.
        let mut arrivals: Vec<(i64, u64)> = delays.iter().enumerate()
            .map(|(i, delay)| (i as i64 + if i == 0 { 0 } else { *delay }, start + i as u64))
            .collect();
        arrivals.sort_by_key(|&(at, seq)| (at, std::cmp::Reverse(seq)));
        let mut reorder = reorder();
        let out = play(&mut reorder, &arrivals);
        let sorted: Vec<Item> = (0..delays.len() as u64).map(|i| Item::Packet(packet(start + i))).collect();
        prop_assert_eq!(out, sorted);
        let stats = reorder.stats();
        prop_assert_eq!((stats.lost, stats.late, stats.duplicates), (0, 0, 0));
        prop_assert_eq!(stats.recovered, stats.reordered);
    }

    #[test]
    fn loss_copies_and_delay_come_out_as_the_reference_says(
        fates in prop::collection::vec(prop::collection::vec(0..3 * WAIT, 0..3), 1..200),
    ) {
        let mut arrivals: Vec<(i64, u64)> = fates.iter().enumerate()
            .flat_map(|(i, delays)| delays.iter().map(move |delay| (2 * i as i64 + delay, i as u64)))
            .collect();
        prop_assume!(!arrivals.is_empty());
        arrivals.sort();
        let mut reorder = reorder();
        let out = one_by_one(play(&mut reorder, &arrivals));
        prop_assert_eq!(&out, &reference(&arrivals));

        let stats = reorder.stats();
        let passed: BTreeSet<u64> =
            out.iter().filter_map(|item| if let Item::Packet(p) = item { Some(p.seq) } else { None }).collect();
        prop_assert_eq!(stats.received, arrivals.len() as u64);
        prop_assert_eq!(stats.received, passed.len() as u64 + stats.duplicates + stats.late);
        prop_assert_eq!(stats.lost, (out.len() - passed.len()) as u64);
        prop_assert_eq!(reorder.held(), (0, 0));
    }
}
