//! Opus and AAC: what goes in comes out at the promised place, and gaps are silent.

use codec::{aac, file, opus};
use std::f64::consts::TAU;

const RATE: f64 = 48_000.0;

fn tone(hz: f64, from: usize, count: usize) -> Vec<f32> {
    (from..from + count).map(|n| (0.4 * (TAU * hz * n as f64 / RATE).sin()) as f32).collect()
}

fn rms(samples: &[f32]) -> f64 {
    (samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

/// The shift (in samples) at which `heard` fits `sent` best.
fn best_shift(sent: &[f32], heard: &[f32], most: usize) -> usize {
    let score =
        |shift: usize| -> f64 { sent.iter().zip(&heard[shift..]).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    (0..most).max_by(|&a, &b| score(a).total_cmp(&score(b))).unwrap_or(0)
}

/// Sound without periods, so that only one shift fits.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut last = 0.0;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            last = last * 0.9 + ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.2;
            last
        })
        .collect()
}

fn opus_packets(encoder: &mut opus::Encoder, sound: &[f32], channels: usize) -> Vec<bytes::Bytes> {
    sound.chunks_exact(opus::FRAME * channels).map(|block| encoder.encode(block).unwrap()).collect()
}

#[test]
fn opus_comes_out_late_by_its_lookahead() {
    let sent = noise(opus::FRAME * 50);
    let mut encoder = opus::Encoder::new(1, 96_000).unwrap();
    let packets = opus_packets(&mut encoder, &sent, 1);
    assert_eq!(packets.len(), 50, "one packet for every block");
    let mut decoder = opus::Decoder::new(1).unwrap();
    let mut heard = Vec::new();
    for packet in &packets {
        assert_eq!(decoder.decode(packet, &mut heard).unwrap(), opus::FRAME);
    }
    let lookahead = encoder.lookahead();
    assert!(lookahead > 0);
    assert_eq!(best_shift(&sent[..40_000], &heard, 960), lookahead);
}

#[test]
fn mono_packets_fill_both_channels() {
    let mut encoder = opus::Encoder::new(1, 64_000).unwrap();
    let packets = opus_packets(&mut encoder, &tone(440.0, 0, 9600), 1);
    let mut decoder = opus::Decoder::new(2).unwrap();
    let mut heard = Vec::new();
    for packet in &packets {
        assert_eq!(decoder.decode(packet, &mut heard).unwrap(), 960);
    }
    assert_eq!(heard.len(), 2 * 9600);
    assert!(heard.chunks_exact(2).skip(2000).all(|pair| (pair[0] - pair[1]).abs() < 1e-3));
    assert!((rms(&heard[8000..]) - 0.283).abs() < 0.03, "{}", rms(&heard[8000..]));
}

#[test]
fn a_lost_packet_is_concealed_in_exact_length_and_fades_out() {
    let mut encoder = opus::Encoder::new(2, 96_000).unwrap();
    let stereo: Vec<f32> = tone(500.0, 0, 960 * 30).into_iter().flat_map(|s| [s, s]).collect();
    let packets = opus_packets(&mut encoder, &stereo, 2);
    let mut decoder = opus::Decoder::new(2).unwrap();
    let mut heard = Vec::new();
    for packet in &packets[..20] {
        decoder.decode(packet, &mut heard).unwrap();
    }
    let before = heard.len();
    decoder.conceal(960, &mut heard);
    assert_eq!(heard.len() - before, 960 * 2);
    assert!(rms(&heard[before..]) > 0.1, "one packet is filled with something like what came before");
    let odd = heard.len();
    decoder.conceal(48_000 + 7, &mut heard);
    assert_eq!(heard.len() - odd, (48_000 + 7) * 2);
    let silent = &heard[before + opus::CONCEALED * 2..];
    assert!(silent.len() > 50_000 && silent.iter().all(|&s| s == 0.0), "a long loss becomes silence");
    let back = heard.len();
    for packet in &packets[20..] {
        decoder.decode(packet, &mut heard).unwrap();
    }
    assert!((rms(&heard[back + 8000..]) - 0.283).abs() < 0.05, "the decoder goes on after the loss");
}

#[test]
fn concealing_before_the_first_packet_is_silence() {
    let mut heard = Vec::new();
    opus::Decoder::new(1).unwrap().conceal(1000, &mut heard);
    assert_eq!(heard, vec![0.0; 1000]);
}

#[test]
fn garbage_is_an_error_of_its_packet_only() {
    let mut encoder = opus::Encoder::new(1, 64_000).unwrap();
    let packets = opus_packets(&mut encoder, &tone(700.0, 0, 960 * 10), 1);
    let mut decoder = opus::Decoder::new(1).unwrap();
    let mut heard = Vec::new();
    decoder.decode(&packets[0], &mut heard).unwrap();
    let before = heard.len();
    assert!(decoder.decode(&[], &mut heard).is_err());
    // Code 3 with a frame count of zero is not allowed.
    assert!(decoder.decode(&[0xff, 0x00], &mut heard).is_err());
    assert_eq!(heard.len(), before);
    for length in 1..400_usize {
        let bytes: Vec<u8> = (0..length).map(|i| (i * 151 + length * 37) as u8).collect();
        if let Ok(samples) = decoder.decode(&bytes, &mut heard) {
            assert!(samples <= opus::MAX_PACKET);
        }
    }
    heard.clear();
    for packet in &packets[1..] {
        assert_eq!(decoder.decode(packet, &mut heard).unwrap(), 960);
    }
    assert!((rms(&heard[4000..]) - 0.283).abs() < 0.05);
}

/// Wraps raw AAC frames into ADTS, decodes them all and gives the sound with the priming still in it.
fn aac_decoded(packets: &[bytes::Bytes], channels: usize) -> Vec<f32> {
    let mut stream = Vec::new();
    for packet in packets {
        let length = packet.len() + 7;
        let c = channels as u8;
        stream.extend([0xff, 0xf1, 0x4c, c << 6 | (length >> 11) as u8, (length >> 3) as u8]);
        stream.extend([(length << 5) as u8 | 0x1f, 0xfc]);
        stream.extend_from_slice(packet);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sound.aac");
    std::fs::write(&path, stream).unwrap();
    let mut samples = Vec::new();
    for event in file::Reader::open(&path).unwrap() {
        match event {
            file::Event::Sound(sound) => {
                assert_eq!(sound.channels, channels);
                samples.extend(sound.samples);
            }
            file::Event::Picture(_) => panic!("sound only"),
            file::Event::Broken(error) => panic!("{error}"),
        }
    }
    samples
}

#[test]
fn aac_packet_i_is_input_frame_i_minus_1() {
    let sent = noise(aac::FRAME * 40);
    let mut encoder = aac::Encoder::new(48_000, 1, 96_000).unwrap();
    assert_eq!(&encoder.config()[..2], [0x11, 0x88], "AAC-LC, 48 kHz, mono");
    let mut packets = Vec::new();
    for block in sent.chunks_exact(aac::FRAME) {
        packets.extend(encoder.encode(block).unwrap());
    }
    packets.extend(encoder.finish().unwrap());
    assert_eq!(packets.len(), 41, "n frames give n + 1 packets");
    let heard = aac_decoded(&packets, 1);
    assert_eq!(heard.len(), 41 * aac::FRAME);
    assert_eq!(best_shift(&sent[..36_000], &heard, 2048), aac::PRIMING);
}

#[test]
fn silent_frames_between_tones_are_silence() {
    for channels in [1, 2] {
        let silent = aac::silent_frame(48_000, channels).unwrap();
        assert!(silent.len() < 16, "{} bytes", silent.len());
        let mut encoder = aac::Encoder::new(48_000, channels, 64_000 * channels as u32).unwrap();
        let mut packets = Vec::new();
        for n in 0..20 {
            let mono = tone(440.0, n * aac::FRAME, aac::FRAME);
            let block: Vec<f32> = mono.iter().flat_map(|&s| std::iter::repeat_n(s, channels)).collect();
            packets.extend(encoder.encode(&block).unwrap());
        }
        packets.splice(10..10, std::iter::repeat_n(silent, 50));
        let heard = aac_decoded(&packets, channels);
        let frame = aac::FRAME * channels;
        assert!(rms(&heard[5 * frame..9 * frame]) > 0.2);
        // The first silent frame still holds the fade-out of the tone before it, by AAC's overlap.
        assert!(heard[11 * frame..60 * frame].iter().all(|s| s.abs() < 1e-4));
        assert!(rms(&heard[62 * frame..65 * frame]) > 0.2, "the tone comes back");
    }
}

#[test]
fn aac_of_dense_sound_is_near_the_bit_rate_asked_for() {
    for (channels, bitrate) in [(1, 32_000), (1, 64_000), (2, 64_000), (2, 128_000)] {
        let mut encoder = aac::Encoder::new(48_000, channels, bitrate).unwrap();
        let sound = noise(aac::FRAME * channels * 200);
        let blocks = sound.chunks_exact(aac::FRAME * channels);
        let bytes: usize = blocks.flat_map(|block| encoder.encode(block).unwrap()).map(|packet| packet.len()).sum();
        let got = bytes as f64 * 8.0 / (200.0 * aac::FRAME as f64 / RATE);
        let share = got / f64::from(bitrate);
        assert!((0.4..1.6).contains(&share), "{channels} channels at {bitrate} bit/s: {got:.0} bit/s");
    }
}
