//! In-band FEC: a packet of speech brings the one before it back.

use bytes::Bytes;
use codec::opus::{self, Decoder, Encoder, FRAME};

/// Something like speech: a voice whose pitch and loudness never stand still.
fn voice(samples: usize) -> Vec<f32> {
    let mut phase = 0.0_f64;
    (0..samples)
        .map(|n| {
            let t = n as f64 / 48_000.0;
            phase += 130.0 + 60.0 * (t * 9.0).sin() + 30.0 * (t * 23.0).sin();
            let turn = std::f64::consts::TAU * phase / 48_000.0;
            let loud = 0.15 * (1.0 + 0.8 * (t * 40.0).sin());
            let harmonics = (1..12).map(|h| (turn * f64::from(h)).sin() / f64::from(h));
            (loud * harmonics.sum::<f64>()) as f32
        })
        .collect()
}

fn packets(encoder: &mut Encoder, sound: &[f32], channels: usize) -> Vec<Bytes> {
    sound.chunks_exact(FRAME * channels).map(|block| encoder.encode(block).expect("a packet")).collect()
}

/// How alike two sounds are: 1 when they are the same.
fn alike(one: &[f32], other: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    product(one, other) / (product(one, one) * product(other, other)).sqrt()
}

fn decoded(packets: &[Bytes], channels: usize) -> Vec<f32> {
    let (mut decoder, mut out) = (Decoder::new(channels).expect("a decoder"), Vec::new());
    packets.iter().for_each(|packet| _ = decoder.decode(packet, &mut out).expect("a good packet"));
    out
}

#[test]
fn what_was_lost_comes_back_at_its_place() {
    for channels in [1, 2] {
        let mono = voice(FRAME * 100);
        let sound: Vec<f32> = mono.iter().flat_map(|sample| std::iter::repeat_n(*sample, channels)).collect();
        let packets =
            packets(&mut Encoder::speech(channels, 24_000 * channels as u32).expect("an encoder"), &sound, channels);
        let whole = decoded(&packets, channels);
        let lost: Vec<usize> = (15..95).step_by(5).filter(|n| opus::carried(&packets[n + 1]) == FRAME).collect();
        assert!(lost.len() > 10, "{} of 16", lost.len());
        let mut sums = [0.0; 2];
        for (recovers, sum) in [false, true].into_iter().zip(&mut sums) {
            let (mut decoder, mut out) = (Decoder::new(channels).expect("a decoder"), Vec::new());
            for (n, packet) in packets.iter().enumerate() {
                match lost.contains(&n) {
                    true if recovers => decoder.recover(&packets[n + 1], &mut out),
                    true => decoder.conceal(FRAME, &mut out),
                    false => _ = decoder.decode(packet, &mut out).expect("a good packet"),
                }
                assert_eq!(out.len(), (n + 1) * FRAME * channels);
            }
            let part = |n: usize| n * FRAME * channels..(n + 1) * FRAME * channels;
            *sum = lost.iter().map(|n| alike(&out[part(*n)], &whole[part(*n)])).sum::<f64>() / lost.len() as f64;
        }
        let [concealed, recovered] = sums;
        assert!(recovered > 0.9 && concealed < 0.7, "{channels} channels: {recovered:.2}, {concealed:.2}");
    }
}

#[test]
fn music_carries_nothing_and_neither_does_what_is_no_packet() {
    let sound = voice(FRAME * 20);
    let music = packets(&mut Encoder::new(1, 96_000).expect("an encoder"), &sound, 1);
    let speech = packets(&mut Encoder::speech(1, 24_000).expect("an encoder"), &sound, 1);
    assert!(music.iter().all(|packet| opus::carried(packet) == 0));
    assert_eq!(opus::carried(&speech[0]), 0, "there is none before it");
    // Of nothing, of a frame that was not sent, and of code 3 with no frames.
    for packet in [&[][..], &speech[10][..1], &[0x0b, 0x00], &[0x4b]] {
        assert_eq!(opus::carried(packet), 0);
    }
    let (mut decoder, mut out) = (Decoder::new(1).expect("a decoder"), Vec::new());
    decoder.recover(&music[5], &mut out);
    assert!(out.is_empty());
    // Behind music there is nothing to build on: the length is right all the same.
    decoder.decode(&music[5], &mut out).expect("a good packet");
    decoder.recover(&speech[10], &mut out);
    assert_eq!(out.len(), 2 * FRAME);
}

#[test]
fn damaged_packets_are_told_apart_without_harm() {
    let speech = packets(&mut Encoder::speech(1, 24_000).expect("an encoder"), &voice(FRAME * 12), 1);
    let (mut decoder, mut out) = (Decoder::new(2).expect("a decoder"), Vec::new());
    for length in 1..300_usize {
        let bytes: Vec<u8> = (0..length).map(|i| (i * 151 + length * 37) as u8).collect();
        for damaged in [&bytes[..], &speech[11][..length.min(speech[11].len())]] {
            out.clear();
            decoder.recover(damaged, &mut out);
            assert_eq!(out.len(), 2 * opus::carried(damaged));
            assert!(out.iter().all(|sample| sample.is_finite()));
        }
    }
}
