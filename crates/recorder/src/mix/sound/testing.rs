//! Streams in virtual time: looped tones, scripts of what arrives when, and measures of what comes out.

use bytes::Bytes;
use codec::opus::{self, Encoder};
use rules::select::{StreamId, StreamKind};

use super::Mixer;
use crate::pcm::GridFrame;

pub const SECOND: i64 = 48_000;
/// Samples in a packet of the tests.
pub const PACKET: i64 = opus::FRAME as i64;
/// How far the mix runs behind the present: 300 ms.
pub const BEHIND: i64 = 14_400;

/// Random enough, and the same every time.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as i64
    }

    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below(to - from)
    }

    pub fn chance(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }
}

pub fn stream(number: usize) -> StreamId {
    StreamId { user: format!("user {number}"), kind: StreamKind::Camera }
}

/// A tone without end, as packets of 20 ms from a new encoder on.
pub struct Tone {
    packets: Vec<Bytes>,
}

impl Tone {
    pub fn new(hz: u32, amplitude: f32) -> Tone {
        let mut encoder = Encoder::new(1, 48_000).expect("an encoder");
        let step = std::f64::consts::TAU * f64::from(hz) / SECOND as f64;
        let mut packet = |number: i64| {
            let samples = (number * PACKET..(number + 1) * PACKET).map(|i| amplitude * (i as f64 * step).sin() as f32);
            encoder.encode(&samples.collect::<Vec<f32>>()).expect("a packet")
        };
        Tone { packets: (0..100).map(&mut packet).collect() }
    }

    /// The second second is repeated: a whole number of waves leaves no seam.
    pub fn packet(&self, number: i64) -> Bytes {
        self.packets[if number < 100 { number } else { 50 + number % 50 } as usize].clone()
    }
}

/// Something like speech, of which each packet carries a copy of the one before where it can: a voice whose pitch and
/// loudness never stand still, so that nothing can be guessed.
pub fn speech(count: i64) -> Vec<Bytes> {
    let mut encoder = Encoder::speech(1, 24_000).expect("an encoder");
    let mut turn = 0.0_f64;
    let mut sample = |n: i64| {
        let t = n as f64 / SECOND as f64;
        turn += std::f64::consts::TAU * (130.0 + 60.0 * (t * 9.0).sin() + 30.0 * (t * 23.0).sin()) / SECOND as f64;
        let loud = 0.15 * (1.0 + 0.8 * (t * 40.0).sin());
        (loud * (1..12).map(|h| (turn * f64::from(h)).sin() / f64::from(h)).sum::<f64>()) as f32
    };
    let mut block = |number: i64| (number * PACKET..(number + 1) * PACKET).map(&mut sample).collect::<Vec<f32>>();
    (0..count).map(|number| encoder.encode(&block(number)).expect("a packet")).collect()
}

/// How alike two pieces of sound are: 1 when they are the same.
pub fn alike(one: &[f32], other: &[f32]) -> f32 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    product(one, other) / (product(one, one) * product(other, other)).sqrt()
}

#[derive(Debug, Clone)]
pub enum Event {
    Packet { position: i64, data: Bytes, after_loss: bool },
    Ended,
    Place { heard: bool, pan: Option<f32> },
}

/// What happens to which stream, and when.
#[derive(Default)]
pub struct Script {
    pub events: Vec<(i64, usize, Event)>,
}

impl Script {
    pub fn add(&mut self, at: i64, stream: usize, event: Event) {
        self.events.push((at, stream, event));
    }

    /// `count` packets of a tone from number `first` on; the first belongs at `position`, and each arrives when
    /// it is complete and `delay` later.
    pub fn packets(&mut self, stream: usize, tone: &Tone, position: i64, first: i64, count: i64, delay: i64) {
        for i in 0..count {
            let data = tone.packet(first + i);
            let position = position + i * PACKET;
            self.add(position + PACKET + delay, stream, Event::Packet { position, data, after_loss: false });
        }
    }

    /// Plays everything up to `end` and gives every frame to `sink`.
    pub fn run(mut self, mixer: &mut Mixer, end: i64, mut sink: impl FnMut(GridFrame)) {
        self.events.sort_by_key(|event| event.0);
        let streams: Vec<StreamId> = (0..32).map(stream).collect();
        let mut events = self.events.into_iter().peekable();
        let mut out = Vec::new();
        for now in (0..=end + BEHIND).step_by(480) {
            while let Some((_, number, event)) = events.next_if(|event| event.0 <= now) {
                let stream = &streams[number];
                match event {
                    Event::Packet { position, data, after_loss } => {
                        mixer.push(stream, position, &data, PACKET as u32, after_loss);
                    }
                    Event::Ended => mixer.ended(stream),
                    Event::Place { heard, pan } => mixer.set_place(stream, heard, pan),
                }
            }
            mixer.mix(now - BEHIND, &mut out);
            out.drain(..).for_each(&mut sink);
        }
    }

    /// The whole left and right channel.
    pub fn render(self, mixer: &mut Mixer, end: i64) -> [Vec<f32>; 2] {
        let mut channels = [Vec::new(), Vec::new()];
        self.run(mixer, end, |frame| {
            for (i, channel) in channels.iter_mut().enumerate() {
                channel.extend(frame.pcm[i..].iter().step_by(2));
            }
        });
        channels
    }
}

/// The amplitude of one frequency in a piece of one channel.
pub fn amplitude(pcm: &[f32], hz: u32) -> f32 {
    let turn = 2.0 * (std::f32::consts::TAU * hz as f32 / SECOND as f32).cos();
    let (mut a, mut b) = (0.0f32, 0.0f32);
    for sample in pcm {
        (a, b) = (sample + turn * a - b, a);
    }
    (a * a + b * b - turn * a * b).max(0.0).sqrt() * 2.0 / pcm.len() as f32
}

/// The largest difference between neighbours.
pub fn largest_step(pcm: &[f32]) -> f32 {
    pcm.windows(2).fold(0.0, |most, pair| most.max((pair[1] - pair[0]).abs()))
}

/// Windows of 10 ms in which the tone is heard with at least half of `full`.
pub fn heard(pcm: &[f32], hz: u32, full: f32) -> Vec<usize> {
    let windows = pcm.chunks_exact(480).enumerate();
    windows.filter(|(_, window)| amplitude(window, hz) > full / 2.0).map(|(i, _)| i).collect()
}
