//! The mixer in virtual time: joins, gaps, clocks, places, and any nonsense.

use proptest::prelude::*;

use super::testing::*;
use super::*;

/// Not whole in a packet, so that a packet missed is a step.
pub const HZ: u32 = 437;
pub const LOUD: f32 = 0.4;
/// What the tone does by itself, what a fade in adds to it, and a little for the codec.
pub const STEP: f32 = LOUD * std::f32::consts::TAU * HZ as f32 / 48_000.0 * 1.15 + LOUD / 96.0;

pub fn counts(mixer: &Mixer, number: usize) -> VoiceCounts {
    let stream = stream(number);
    mixer.counts().find(|(id, _)| **id == stream).map(|(_, counts)| counts).unwrap_or_default()
}

#[test]
fn a_voice_alone_is_untouched_bit_for_bit() {
    let tone = Tone::new(HZ, 0.5);
    let mut script = Script::default();
    script.packets(0, &tone, 4_800, 0, 100, 0);
    let [left, right] = script.render(&mut Mixer::new(0), 3 * SECOND);
    let mut decoder = codec::opus::Decoder::new(2).expect("a decoder");
    let mut decoded = Vec::new();
    for number in 0..100 {
        decoder.decode(&tone.packet(number), &mut decoded).expect("a good packet");
    }
    // Only the first two milliseconds differ, which fade in.
    for (i, pair) in decoded.as_chunks::<2>().0.iter().enumerate().skip(96) {
        assert_eq!([left[4_800 + i], right[4_800 + i]], *pair, "sample {i}");
    }
    assert!(left[..4_800].iter().chain(&left[4_800 + 96_000 + 240..]).all(|sample| *sample == 0.0));
}

#[test]
fn nothing_clicks() {
    let tone = Tone::new(HZ, LOUD);
    let mut script = Script::default();
    let mut position = 1_000;
    let mut number = 0;
    // After each run of 0.8 s, in the middle of the tone: a gap, a little too far, a little too near, an overlap, a small
    // loss, a large loss, a jump ahead, an overlap of half a second. Only losses and jumps are in the sound, too.
    for (step, missed, lost) in [
        (20_000, 21, false),
        (300, 0, false),
        (-300, 0, false),
        (-2_000, 0, false),
        (2 * PACKET, 2, true),
        (13 * PACKET, 13, true),
        (60_000, 31, false),
        (-24_000, 0, false),
    ] {
        script.packets(0, &tone, position, number, 40, 0);
        number += 40 + missed;
        position += 40 * PACKET + step;
        let data = tone.packet(number);
        script.add(position + PACKET + (-step).max(0), 0, Event::Packet { position, data, after_loss: lost });
        number += 1;
        position += PACKET;
    }
    // An end with a new track at once, in which one packet is bad.
    let (last, ..) = script.events.last().cloned().expect("events");
    script.add(last, 0, Event::Ended);
    position += 24_000;
    script.packets(0, &tone, position, 3, 30, 0);
    position += 30 * PACKET;
    script.add(position + PACKET, 0, Event::Packet { position, data: Bytes::from_static(&[0xff]), after_loss: false });
    script.packets(0, &tone, position + PACKET, 34, 30, 0);
    let mut mixer = Mixer::new(0);
    let [left, _] = script.render(&mut mixer, position + 3 * SECOND);
    assert!(amplitude(&left[9_600..19_200], HZ) > 0.39);
    let step = largest_step(&left);
    assert!(step < STEP, "{step} of {STEP}: {:?}", counts(&mixer, 0));
}

#[test]
fn after_an_end_the_decoder_begins_anew() {
    let tone = Tone::new(HZ, LOUD);
    let mut script = Script::default();
    script.packets(0, &tone, 0, 0, 60, 0);
    script.add(60 * PACKET, 0, Event::Ended);
    script.packets(0, &tone, 60 * PACKET + 9_600, 0, 60, 0);
    let [left, _] = script.render(&mut Mixer::new(0), 3 * SECOND);
    let (first, second) = left.split_at(60 * PACKET as usize + 9_600);
    assert_eq!(first[..50_000], second[..50_000]);
}

#[test]
fn sound_at_impossible_places_is_played_all_the_same() {
    let tone = Tone::new(HZ, LOUD);
    let wrongs =
        [-1_000_000 * SECOND, -10 * SECOND, 3 * SECOND, 6 * SECOND, 1_000_000 * SECOND, i64::MAX / 2, i64::MIN / 2];
    // For a second, or for ever.
    for (wrong, until) in wrongs.iter().flat_map(|wrong| [(*wrong, 100), (*wrong, 200)]) {
        let mut script = Script::default();
        for i in 0..200 {
            let data = tone.packet(i);
            let position = i * PACKET + if (50..until).contains(&i) { wrong } else { 0 };
            script.add((i + 1) * PACKET, 0, Event::Packet { position, data, after_loss: false });
        }
        let mut mixer = Mixer::new(0);
        let [left, _] = script.render(&mut mixer, 8 * SECOND);
        let heard = heard(&left, HZ, LOUD).len();
        assert!(heard > 380, "{wrong} until {until}: {heard} {:?}", counts(&mixer, 0));
    }
}

#[test]
fn a_loss_is_concealed_for_a_tenth_of_a_second() {
    let tone = Tone::new(HZ, LOUD);
    for (lost, concealed) in [(1, PACKET), (2, 2 * PACKET), (12, 4_800)] {
        let mut script = Script::default();
        script.packets(0, &tone, 0, 0, 50, 0);
        let (position, data) = ((50 + lost) * PACKET, tone.packet(50 + lost));
        script.add(position + PACKET, 0, Event::Packet { position, data, after_loss: true });
        script.packets(0, &tone, position + PACKET, 51 + lost, 49, 0);
        let mut mixer = Mixer::new(0);
        let [left, _] = script.render(&mut mixer, 4 * SECOND);
        let counts = counts(&mixer, 0);
        let silence = (lost * PACKET - concealed) as u64;
        assert_eq!((counts.concealed, counts.silence, counts.stretched), (concealed as u64, silence, 0));
        let gap = &left[50 * PACKET as usize..][..960];
        assert!(amplitude(gap, HZ) > LOUD / 2.0, "{lost}: {}", amplitude(gap, HZ));
    }
}

#[test]
fn a_drifting_clock_is_followed_by_stretching() {
    let tone = Tone::new(HZ, LOUD);
    for drift in [-500, 500] {
        let mut script = Script::default();
        let place = |i: i64| i * PACKET + i * PACKET * drift / 1_000_000;
        for i in 0..2_000 {
            let position = 4_800 + place(i);
            script.add(position + PACKET, 0, Event::Packet { position, data: tone.packet(i), after_loss: false });
        }
        let mut mixer = Mixer::new(0);
        let [left, _] = script.render(&mut mixer, 45 * SECOND);
        let counts = counts(&mixer, 0);
        let end = left.iter().rposition(|sample| *sample != 0.0).expect("sound") as i64;
        assert!((end - 240 - 4_800 - place(2_000)).abs() < 50, "{end}: {counts:?}");
        assert!((counts.stretched as i64 - 960).abs() < 50 && counts.silence == 0, "{counts:?}");
        assert!(largest_step(&left) < STEP);
    }
}

#[test]
fn the_end_of_the_sound_is_known() {
    let tone = Tone::new(HZ, LOUD);
    let (mut mixer, mut out) = (Mixer::new(0), Vec::new());
    mixer.mix(SECOND, &mut out);
    let mixed = out.len() as i64 * FRAME;
    assert_eq!(mixer.sound_end(), mixed);
    // Half a second late; and another stream that is in time.
    for i in 0..25 {
        mixer.push(&stream(0), SECOND / 2 + i * PACKET, &tone.packet(i), PACKET as u32, false);
        mixer.push(&stream(1), mixed + 4_000 + i * PACKET, &tone.packet(i), PACKET as u32, false);
    }
    let end = mixer.sound_end();
    assert!((0..FRAME + 4_000).contains(&(end - mixed - 28_000)), "{}", end - mixed);
    mixer.mix(end, &mut out);
    assert_eq!(mixer.sound_end(), end);
    assert!(out[out.len() - 1].pcm[VALUES - 2..].iter().all(|sample| *sample == 0.0));
}

#[test]
fn a_place_moves_the_sound_and_not_being_heard_silences_it() {
    let tone = Tone::new(HZ, LOUD);
    let mut script = Script::default();
    script.packets(0, &tone, 0, 0, 300, 0);
    for (second, heard, pan) in
        [(1, true, Some(-1.0)), (2, true, Some(0.0)), (3, true, Some(1.0)), (4, false, None), (5, true, None)]
    {
        script.add(second * SECOND + BEHIND, 0, Event::Place { heard, pan });
    }
    let [left, right] = script.render(&mut Mixer::new(0), 6 * SECOND);
    let at = |second: usize| {
        let range = second * 48_000 + 4_800..second * 48_000 + 43_200;
        [&left, &right].map(|channel| (amplitude(&channel[range.clone()], HZ) * 100.0).round())
    };
    let all: Vec<[f32; 2]> = (0..6).map(at).collect();
    assert_eq!(all, [[40.0, 40.0], [57.0, 0.0], [40.0, 40.0], [0.0, 57.0], [0.0, 0.0], [40.0, 40.0]]);
    let step = largest_step(&left).max(largest_step(&right));
    assert!(step < STEP * std::f32::consts::SQRT_2, "{step}");
}

#[test]
fn who_was_taken_out_is_silent_at_once_and_who_ended_is_heard_to_the_end() {
    let tone = Tone::new(HZ, LOUD);
    let (mut mixer, mut out) = (Mixer::new(0), Vec::new());
    let push = |mixer: &mut Mixer, stream: &StreamId, from: i64, until: i64| {
        (from..until).for_each(|i| mixer.push(stream, i * PACKET, &tone.packet(i), PACKET as u32, false));
    };
    let loudness = |out: &[crate::pcm::GridFrame]| {
        let left: Vec<f32> = out.iter().flat_map(|frame| frame.pcm.iter().step_by(2).copied()).collect();
        amplitude(&left[left.len() - 9_600..], HZ)
    };
    let kept = |name: usize| move |other: &StreamId| *other == stream(name);
    push(&mut mixer, &stream(0), 0, 200);
    mixer.mix(SECOND, &mut out);
    assert!(loudness(&out) > 0.39);
    mixer.keep_only(kept(1));
    mixer.mix(SECOND + FRAME, &mut out);
    let (before, after) = out[out.len() - 1].pcm.split_at(2 * 481);
    assert!(before.iter().any(|sample| *sample != 0.0) && after.iter().all(|sample| *sample == 0.0), "within 10 ms");
    // Nor is one that was never there. Both are when they come back.
    push(&mut mixer, &stream(2), 60, 100);
    mixer.mix(2 * SECOND, &mut out);
    assert!(loudness(&out) == 0.0);
    mixer.keep_only(kept(0));
    mixer.set_place(&stream(0), true, None);
    mixer.mix(3 * SECOND, &mut out);
    assert!(loudness(&out) > 0.39);
    // It left, and the network had held up its last words.
    mixer.ended(&stream(0));
    mixer.keep_only(kept(1));
    mixer.mix(4 * SECOND - FRAME, &mut out);
    assert!(loudness(&out) > 0.39);
    mixer.mix(5 * SECOND, &mut out);
    assert!(loudness(&out) == 0.0);
}

#[test]
fn many_loud_voices_stay_within_full_scale() {
    let mut script = Script::default();
    for number in 0..17 {
        let tone = Tone::new(300 + 100 * number as u32, 0.5);
        script.packets(number, &tone, 500 * number as i64, 0, 100, 0);
    }
    let [left, right] = script.render(&mut Mixer::new(0), 3 * SECOND);
    assert!(left.iter().chain(&right).all(|sample| sample.abs() <= 1.0));
    assert!((0..17).all(|number| amplitude(&left[48_000..57_600], 300 + 100 * number) > 0.02));
}

#[derive(Debug, Clone)]
enum Step {
    Push { stream: usize, step: i64, packet: usize, duration: u32, after_loss: bool },
    Ended(usize),
    Place(usize, bool, Option<f32>),
    Mix(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let jump = prop_oneof![6 => Just(0i64), 3 => -3_000i64..3_000, 1 => -600_000i64..600_000, 1 => any::<i64>()];
    prop_oneof![
        8 => (0usize..3, jump, 0usize..6, prop_oneof![9 => Just(960u32), 1 => any::<u32>()], any::<bool>())
            .prop_map(|(stream, step, packet, duration, after_loss)| Step::Push { stream, step, packet, duration, after_loss }),
        1 => (0usize..3).prop_map(Step::Ended),
        1 => (0usize..3, any::<bool>(), proptest::option::of(any::<f32>())).prop_map(|(s, h, p)| Step::Place(s, h, p)),
        6 => (-1_000i64..10_000).prop_map(Step::Mix),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn anything_gives_an_unbroken_row_of_finite_frames(
        from in prop_oneof![0i64..100_000, any::<i64>()],
        steps in proptest::collection::vec(step(), 1..150),
    ) {
        let tone = Tone::new(HZ, 0.9);
        let mut packets: Vec<Bytes> = (0..3).map(|number| tone.packet(number)).collect();
        packets.extend([Bytes::new(), Bytes::from_static(&[0xff, 1, 2]), Bytes::from_static(&[0xf8])]);
        let (mut mixer, mut out) = (Mixer::new(from), Vec::new());
        let first = mixer.next;
        let mut until = first * FRAME;
        let mut positions = [until; 3];
        for step in steps {
            match step {
                Step::Push { stream: number, step, packet, duration, after_loss } => {
                    positions[number] = positions[number].saturating_add(step);
                    mixer.push(&stream(number), positions[number], &packets[packet], duration, after_loss);
                    positions[number] = positions[number].saturating_add(i64::from(duration));
                }
                Step::Ended(number) => mixer.ended(&stream(number)),
                Step::Place(number, heard, pan) => mixer.set_place(&stream(number), heard, pan),
                Step::Mix(step) => {
                    until += step;
                    mixer.mix(until, &mut out);
                }
            }
        }
        for _ in 0..3 {
            let end = mixer.sound_end();
            prop_assert!(end - mixer.next * FRAME < 40 * SECOND);
            mixer.mix(end, &mut out);
        }
        for (i, frame) in out.iter().enumerate() {
            prop_assert_eq!(frame.index, first + i as i64);
            prop_assert_eq!(frame.pcm.len(), VALUES);
            prop_assert!(frame.pcm.iter().all(|sample| sample.abs() <= 1.0));
        }
    }
}
