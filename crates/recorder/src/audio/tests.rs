//! Losses in the sound of a file of one stream.

use std::ops::Range;

use media::mp4::Anchor;

use super::*;
use crate::mix::sound::testing::{PACKET, alike, speech};

const FIRST: i64 = 10 * FRAME;

fn lane() -> AacLane {
    let dir = tempfile::tempdir().expect("a folder");
    let anchor = Anchor { epoch_ns: 0, note: Vec::new() };
    let mut writer = Writer::create(&dir.path().join("sound.mp4"), anchor).expect("a file");
    let entry = AudioLane::entry(AudioPlan::Aac { rate: 48_000, channels: 1, bitrate: 64_000 }).expect("an entry");
    AacLane::new(writer.add_track(entry).expect("a track"), AacForm { rate: 48_000, channels: 1, bitrate: 64_000 }, 0)
        .expect("a lane")
}

/// What lies on the grid of speech without these packets.
fn laid(packets: &[Bytes], lost: &Range<i64>) -> Vec<f32> {
    let mut lane = lane();
    for (n, packet) in packets.iter().enumerate().filter(|(n, _)| !lost.contains(&(*n as i64))) {
        let (position, after_loss) = (FIRST + n as i64 * PACKET, lost.end == n as i64);
        lane.lay(&Sound { position, packet, duration: PACKET, after_loss });
    }
    lane.grid.pad();
    let frames: Vec<_> = std::iter::from_fn(|| lane.grid.pop()).collect();
    assert!(frames.iter().enumerate().all(|(n, frame)| frame.index == FIRST / FRAME + n as i64));
    frames.into_iter().flat_map(|frame| frame.pcm).collect()
}

fn part(sound: &[f32], packets: Range<i64>) -> &[f32] {
    &sound[(packets.start * PACKET) as usize..(packets.end * PACKET) as usize]
}

#[test]
fn what_the_next_packet_brings_back_lies_in_its_place() {
    let packets = speech(60);
    let whole = laid(&packets, &(0..0));
    let copies = |n: &i64| opus::carried(&packets[*n as usize]) == PACKET as usize;
    let next: Vec<i64> = (14..55).filter(copies).step_by(3).collect();
    assert!(next.len() > 5, "{}", next.len());
    // One lost packet, two of which one is concealed, and nine of which three are silent.
    // Behind what was concealed the decoder has less to build on.
    for (count, silent, wanted) in [(1, 0, 0.9), (2, 0, 0.6), (9, 3, 0.6)] {
        let mut likenesses = Vec::new();
        for next in &next {
            let lost = next - count..*next;
            let heard = laid(&packets, &lost);
            assert_eq!(heard.len(), whole.len());
            let likeness = |packets: Range<i64>| alike(part(&heard, packets.clone()), part(&whole, packets));
            likenesses.push(likeness(next - 1..*next));
            assert!(likeness(next + 1..next + 4) > 0.9, "behind {lost:?}: {}", likeness(next + 1..next + 4));
            assert_eq!(part(&heard, 0..lost.start), part(&whole, 0..lost.start));
            let silence = part(&heard, lost.end - 1 - silent..lost.end - 1);
            assert!(silence.iter().all(|sample| *sample == 0.0), "in {lost:?}");
        }
        let mean = likenesses.iter().sum::<f32>() / likenesses.len() as f32;
        assert!(mean > wanted, "the last of {count}: {mean} of {likenesses:?}");
    }
}

#[test]
fn what_seemed_lost_and_leaves_no_gap_is_not_played_twice() {
    let packets = speech(40);
    let mut lane = lane();
    for (n, packet) in packets.iter().enumerate() {
        let position = FIRST + n as i64 * PACKET;
        lane.lay(&Sound { position, packet, duration: PACKET, after_loss: n % 5 == 4 });
    }
    lane.grid.pad();
    let heard: Vec<f32> = std::iter::from_fn(|| lane.grid.pop()).flat_map(|frame| frame.pcm).collect();
    assert_eq!(heard, laid(&packets, &(0..0)));
}

/// Senders with DTX send a packet of silence each 400 ms.
#[test]
fn what_a_sender_leaves_out_of_kept_packets_is_no_loss() {
    let dir = tempfile::tempdir().expect("a folder");
    let anchor = Anchor { epoch_ns: 0, note: Vec::new() };
    let mut writer = Writer::create(&dir.path().join("sound.mp4"), anchor).expect("a file");
    let track = writer.add_track(AudioLane::entry(AudioPlan::Opus).expect("an entry")).expect("a track");
    let mut lane = AudioLane::new(AudioPlan::Opus, track, Mono(0), 0).expect("a lane");
    let (data, mut happened) = (speech(1).remove(0), Happened::default());
    let ms = |ms: i64| Mono(ms * rules::time::MILLI_NS);
    for (at, after_loss) in [(0, false), (20, false), (420, false), (820, false), (2_500, false), (2_900, true)] {
        let packet = SoundPacket { at: ms(at), arrival: ms(at), data: data.clone(), duration: 960, after_loss };
        lane.push(&packet, &mut writer).expect("taken");
        lane.tell(&mut happened);
    }
    assert_eq!(happened.came, [(ms(20), ms(820))]);
    assert_eq!(happened.missing, [(ms(2_520), ms(2_900), Cause::Lost)]);
}
