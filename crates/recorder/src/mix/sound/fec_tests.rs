//! Of a loss what the next packet brings back is heard in its place, once, and nothing else moves.

use std::ops::Range;

use super::testing::*;
use super::tests::counts;
use super::*;

const FIRST: i64 = 4_800;

/// Plays speech without these packets.
fn played(packets: &[Bytes], lost: &[Range<i64>]) -> (Vec<f32>, VoiceCounts) {
    let mut script = Script::default();
    for (n, data) in packets.iter().enumerate() {
        let n = n as i64;
        if lost.iter().all(|lost| !lost.contains(&n)) {
            let (position, after_loss) = (FIRST + n * PACKET, lost.iter().any(|lost| lost.end == n));
            script.add(position + PACKET, 0, Event::Packet { position, data: data.clone(), after_loss });
        }
    }
    let mut mixer = Mixer::new(0);
    let [left, _] = script.render(&mut mixer, FIRST + (packets.len() as i64 + 10) * PACKET);
    (left, counts(&mixer, 0))
}

fn part(sound: &[f32], packets: Range<i64>) -> &[f32] {
    &sound[(FIRST + packets.start * PACKET) as usize..(FIRST + packets.end * PACKET) as usize]
}

/// Packets from here on that carry a copy, at least `apart` from each other.
fn with_copies(packets: &[Bytes], apart: i64) -> Vec<i64> {
    let mut found: Vec<i64> = Vec::new();
    for n in 12..packets.len() as i64 - apart {
        let far = found.last().is_none_or(|last| n - last >= apart);
        if far && codec::opus::carried(&packets[n as usize]) == PACKET as usize {
            found.push(n);
        }
    }
    found
}

#[test]
fn a_lost_packet_is_taken_from_the_next_one() {
    let packets = speech(150);
    let (whole, _) = played(&packets, &[]);
    let next = with_copies(&packets, 6);
    let lost: Vec<Range<i64>> = next.iter().map(|next| next - 1..*next).collect();
    assert!(lost.len() > 10, "{}", lost.len());
    let (heard, counts) = played(&packets, &lost);
    let recovered = lost.len() as u64 * PACKET as u64;
    assert_eq!(counts, VoiceCounts { packets: 150 - lost.len() as u64, recovered, ..VoiceCounts::default() });
    for lost in lost {
        let likeness = |packets: Range<i64>| alike(part(&heard, packets.clone()), part(&whole, packets));
        assert!(likeness(lost.clone()) > 0.85, "{lost:?}: {}", likeness(lost.clone()));
        assert!(
            likeness(lost.end + 1..lost.end + 4) > 0.95,
            "behind {lost:?}: {}",
            likeness(lost.end + 1..lost.end + 4)
        );
    }
}

#[test]
fn what_was_lost_before_that_is_concealed_and_silent() {
    let packets = speech(300);
    let (whole, _) = played(&packets, &[]);
    let next = with_copies(&packets, 16);
    // Two: one is concealed. Twelve: five are, six are silent.
    for (count, concealed, silent) in [(2, 1, 0), (12, 5, 6)] {
        let mut likenesses = Vec::new();
        for next in &next[1..] {
            let lost = next - count..*next;
            let (heard, counts) = played(&packets, std::slice::from_ref(&lost));
            let got = [counts.concealed, counts.silence, counts.recovered, counts.stretched];
            assert_eq!(got, [concealed, silent, 1, 0].map(|packets: i64| (packets * PACKET) as u64));
            let back = lost.end - 1..lost.end;
            likenesses.push(alike(part(&heard, back.clone()), part(&whole, back)));
            let silence = lost.end - 1 - silent..lost.end - 1;
            assert!(part(&heard, silence).iter().all(|sample| *sample == 0.0));
        }
        // Behind what was concealed the decoder has less to build on.
        let mean = likenesses.iter().sum::<f32>() / likenesses.len() as f32;
        assert!(mean > 0.6, "the last of {count}: {mean} of {likenesses:?}");
    }
}

#[test]
fn copies_of_what_was_never_lost_are_not_played() {
    let packets = speech(60);
    let (whole, _) = played(&packets, &[]);
    let mut script = Script::default();
    for (n, data) in packets.iter().enumerate() {
        let position = FIRST + n as i64 * PACKET;
        // Packets are said to be lost, and the time of the stream has no gap.
        script.add(position + PACKET, 0, Event::Packet { position, data: data.clone(), after_loss: n % 7 == 6 });
    }
    let mut mixer = Mixer::new(0);
    let [heard, _] = script.render(&mut mixer, FIRST + 70 * PACKET);
    assert_eq!(counts(&mixer, 0).recovered, 0);
    assert!(alike(part(&heard, 5..60), part(&whole, 5..60)) > 0.95);
}
