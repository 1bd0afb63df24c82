//! Sound that comes after its time, or waits for a mix that does.

use super::testing::*;
use super::tests::{HZ, LOUD, STEP, counts};
use super::*;

#[test]
fn late_sound_is_heard_whole_and_the_lag_is_worked_off() {
    let (tone, silence) = (Tone::new(HZ, LOUD), Tone::new(HZ, 0.0));
    let mut script = Script::default();
    // Two seconds of speech, of which the network holds up the part from 0.8 s on, for 0.9 s longer than the mix waits; then
    // eight seconds without pause, then a pause in which silence is sent, and speech again.
    script.packets(0, &tone, 0, 0, 40, 0);
    let held_until = 17 * SECOND / 10 + BEHIND;
    for i in 40..500 {
        let (position, data) = (i * PACKET, tone.packet(i));
        let arrival = (position + PACKET).max(held_until);
        script.add(arrival, 0, Event::Packet { position, data, after_loss: false });
    }
    script.packets(0, &silence, 10 * SECOND, 0, 100, 0);
    script.packets(0, &tone, 12 * SECOND, 0, 50, 0);
    let mut mixer = Mixer::new(0);
    let [left, _] = script.render(&mut mixer, 15 * SECOND);
    let heard = heard(&left, HZ, LOUD);
    let counts = counts(&mixer, 0);
    let expected = 1_100 - 100 * counts.stretched as usize / SECOND as usize;
    assert!(heard.len().abs_diff(expected) <= 4, "{} of {expected} windows: {counts:?}", heard.len());
    assert_eq!((counts.skipped, counts.lag, counts.concealed), (0, 0, 0), "{counts:?}");
    assert!(counts.silence_dropped > 20_000 && counts.stretched > 5_000, "{counts:?}");
    // The last words are in their place again.
    assert!(heard.iter().filter(|window| (1_198..1_302).contains(*window)).count() >= 97);
    assert!(heard.iter().all(|window| *window < 1_302));
    assert!(largest_step(&left) < STEP);
}

#[test]
fn a_stream_that_is_always_late_is_not_chopped() {
    let tone = Tone::new(HZ, LOUD);
    for delay in [BEHIND + 7_000, BEHIND + 60_000] {
        let mut script = Script::default();
        script.packets(0, &tone, 0, 0, 500, delay);
        let mut mixer = Mixer::new(0);
        let [left, _] = script.render(&mut mixer, 14 * SECOND);
        let counts = counts(&mixer, 0);
        assert!(heard(&left, HZ, LOUD).len() >= 985, "{delay}: {} {counts:?}", heard(&left, HZ, LOUD).len());
        assert_eq!(counts.skipped, 0);
        assert!(largest_step(&left) < STEP);
    }
}

#[test]
fn one_late_packet_is_heard_with_or_without_an_end() {
    let tone = Tone::new(HZ, LOUD);
    for ended in [false, true] {
        let mut script = Script::default();
        script.packets(0, &tone, SECOND, 1, 1, BEHIND + 10_000);
        if ended {
            script.add(SECOND + PACKET + BEHIND + 10_000, 0, Event::Ended);
        }
        let mut mixer = Mixer::new(0);
        let [left, _] = script.render(&mut mixer, 3 * SECOND);
        let begins = left.iter().position(|sample| *sample != 0.0).expect("sound") as i64 - SECOND - PACKET - 10_000;
        let waited = if ended { 0 } else { 2_880 };
        assert!((waited - FRAME..waited + 3 * FRAME).contains(&begins), "{begins} after it came, ended: {ended}");
    }
}

#[test]
fn a_burst_is_heard_whole_unless_it_is_later_than_four_seconds() {
    let tone = Tone::new(HZ, LOUD);
    for (late, skipped) in [(3, 0), (7, 3)] {
        let mut script = Script::default();
        for i in 0..50 * late {
            let (position, data) = (i * PACKET, tone.packet(i));
            script.add(late * SECOND + BEHIND, 0, Event::Packet { position, data, after_loss: false });
        }
        let mut mixer = Mixer::new(0);
        let [left, _] = script.render(&mut mixer, (2 * late + 1) * SECOND);
        let counted = counts(&mixer, 0).skipped as i64;
        assert!((counted - skipped * SECOND).abs() < 5_000, "{counted}");
        let heard = heard(&left, HZ, LOUD).len();
        // Two percent faster, as long as enough waits.
        assert!(heard as i64 >= 100 * (late - skipped) * 97 / 100, "{heard} of {late} s");
        assert!(largest_step(&left) < STEP);
    }
}

#[test]
fn a_mix_that_stood_still_has_lost_nothing() {
    let tone = Tone::new(HZ, LOUD);
    let (mut mixer, mut out) = (Mixer::new(0), Vec::new());
    for i in 0..1_000 {
        mixer.push(&stream(0), i * PACKET, &tone.packet(i), PACKET as u32, false);
    }
    mixer.mix(20 * SECOND, &mut out);
    let left: Vec<f32> = out.iter().flat_map(|frame| frame.pcm.iter().step_by(2).copied()).collect();
    assert!(heard(&left, HZ, LOUD).len() > 1_990);
}
