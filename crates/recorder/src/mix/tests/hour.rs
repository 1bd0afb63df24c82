//! An hour of four users whose clocks drift apart: flashes and beeps stay together, and where they were planned.

use bytes::Bytes;
use codec::{file, opus};
use rules::layout::{Arrangement, Overlays};
use rules::request::FrameFill;

use rules::time::{MILLI_NS, SECOND_NS};

use super::room::{Room, coded};
use crate::messages::{MixCodec, MixPlan, MixedAudio, VideoPlan};
use crate::mix::sound::testing::amplitude;
use crate::mix::*;

const LENGTH: i64 = 3600 * SECOND_NS;
const SIZE: (u32, u32) = (160, 96);
/// Of the mix: few, so that an hour takes seconds.
const FRAME: i64 = 200 * MILLI_NS;
/// From one picture of a camera to the next.
const EXPOSURE: i64 = 100 * MILLI_NS;
const PACKET: i64 = 20 * MILLI_NS;
/// Everybody flashes and beeps every ten seconds for half a second.
const PERIOD: i64 = 10 * SECOND_NS;
const SIGNAL: i64 = SECOND_NS / 2;
/// Sound is searched in steps of 10 ms.
const WINDOW: usize = 480;
/// Two windows, and what Opus delays.
const EXACT: i64 = 27 * MILLI_NS;

#[derive(Clone, Copy)]
struct User {
    name: &'static str,
    hz: u32,
    /// By how much their clocks are too slow, millionths.
    camera_ppm: i64,
    sound_ppm: i64,
    /// Sends sound only around its beeps.
    pauses: bool,
}

const USERS: [User; 4] = [
    User { name: "a", hz: 500, camera_ppm: 0, sound_ppm: 100, pauses: false },
    User { name: "b", hz: 900, camera_ppm: 100, sound_ppm: -100, pauses: false },
    User { name: "c", hz: 1_300, camera_ppm: -100, sound_ppm: 60, pauses: true },
    User { name: "d", hz: 1_700, camera_ppm: 35, sound_ppm: 0, pauses: true },
];

/// A user at work.
struct Sender {
    user: User,
    dark: Bytes,
    bright: Bytes,
    /// Silence, a beep from number [`BEEP_FROM`] on, silence again.
    packets: Vec<Bytes>,
    exposures: i64,
    sent_packets: i64,
    /// How many packets ago the last beep began.
    since_beep: i64,
    /// Whether the last picture was bright.
    lit: bool,
    /// Capture times of what the room sees and hears first of each signal.
    flashes: Vec<i64>,
    beeps: Vec<i64>,
}

const BEEP_FROM: i64 = 10;
const BEEP: i64 = SIGNAL / PACKET;

impl Sender {
    fn new(user: User) -> Sender {
        let size = (64, 48);
        let grey = |level| coded(size, &[(codec::video::Rect::sized(size.0, size.1), [level, 128, 128])]);
        let mut encoder = opus::Encoder::new(1, 32_000).expect("an encoder");
        let step = std::f64::consts::TAU * f64::from(user.hz) / 48_000.0;
        let mut packet = |number: i64| {
            let loud = if (BEEP_FROM..BEEP_FROM + BEEP).contains(&number) { 0.2 } else { 0.0 };
            let sample = |i: i64| loud * ((number * 960 + i) as f64 * step).sin() as f32;
            encoder.encode(&(0..960).map(sample).collect::<Vec<f32>>()).expect("a packet")
        };
        Sender {
            user,
            dark: grey(60),
            bright: grey(200),
            packets: (0..BEEP_FROM + BEEP + 25).map(&mut packet).collect(),
            exposures: 0,
            sent_packets: 0,
            since_beep: i64::MAX / 2,
            lit: false,
            flashes: Vec::new(),
            beeps: Vec::new(),
        }
    }

    /// Everything that is captured before `until`.
    fn send(&mut self, until: i64, room: &mut Room) {
        let drifted = |count: i64, unit: i64, ppm: i64| count * (unit + unit / 1_000_000 * ppm);
        let signals = |at: i64| at >= PERIOD && at % PERIOD < SIGNAL;
        loop {
            let at = drifted(self.exposures, EXPOSURE, self.user.camera_ppm);
            if at >= until {
                break;
            }
            let was_lit = std::mem::replace(&mut self.lit, signals(at));
            // Of what stands still, a picture every second is enough.
            if self.lit != was_lit || self.exposures % 10 == 0 {
                room.picture(self.user.name, Mono(at), if self.lit { &self.bright } else { &self.dark }, 0);
            }
            if self.lit && !was_lit {
                self.flashes.push(at);
            }
            self.exposures += 1;
        }
        loop {
            let at = drifted(self.sent_packets, PACKET, self.user.sound_ppm);
            if at >= until {
                break;
            }
            self.since_beep += 1;
            if signals(at) && self.since_beep > BEEP {
                self.since_beep = 0;
                self.beeps.push(at);
            }
            let number = BEEP_FROM + self.since_beep;
            if !self.user.pauses || (at + SECOND_NS) % PERIOD < 3 * SECOND_NS {
                let data = self.packets.get(number as usize).unwrap_or(&self.packets[0]);
                room.sound(self.user.name, Mono(at), data);
            }
            self.sent_packets += 1;
        }
    }
}

#[test]
fn after_an_hour_flashes_and_beeps_are_still_together() {
    let mut senders = USERS.map(Sender::new);
    let mut room = Room::new(plan());
    room.members(&USERS.map(|user| (user.name, true)), 0);
    for now in (0..LENGTH).step_by(FRAME as usize) {
        senders.iter_mut().for_each(|sender| sender.send(now, &mut room));
        room.run(now / MILLI_NS);
    }
    let recording = room.close(LENGTH / MILLI_NS);
    let lengths: Vec<i64> = recording.finished.tracks.iter().map(|track| track.duration.as_nanos() as i64).collect();
    assert!(lengths.iter().all(|length| (length - LENGTH).abs() < FRAME), "{lengths:?}");

    let mut seen = Seen::default();
    recording.content().for_each(|event| seen.take(&event));
    assert_eq!(seen.frames, LENGTH / FRAME);
    for (number, sender) in senders.iter().enumerate() {
        let (flashes, beeps) = (&seen.flashes[number], &seen.beeps[number]);
        let name = sender.user.name;
        assert_eq!(flashes.len() as i64, LENGTH / PERIOD - 1, "{name}");
        assert_eq!(beeps.len(), flashes.len(), "{name}");
        for (n, (flash, beep)) in flashes.iter().zip(beeps).enumerate() {
            let planned = (n as i64 + 1) * PERIOD;
            // The first frame that shows what was captured up to half a frame later.
            let exact = (sender.flashes[n] - FRAME / 2 + FRAME - 1).div_euclid(FRAME) * FRAME;
            assert_eq!(*flash, exact, "{name}: flash {n}");
            assert!((beep - sender.beeps[n]).abs() <= EXACT, "{name}: beep {n} at {beep}, not {}", sender.beeps[n]);
            let off = [flash - planned, beep - planned, flash - beep];
            assert!(off.iter().all(|off| off.abs() <= FRAME), "{name}: signal {n} is off by {off:?}");
        }
    }
}

fn plan() -> MixPlan {
    let layout = Plan {
        width: SIZE.0,
        height: SIZE.1,
        background: [0; 3],
        background_image: None,
        frame_fill: FrameFill::LastFrame,
        arrangement: Arrangement::Adaptive,
        max_cells: 17,
        overlays: Overlays::default(),
    };
    let fps = (SECOND_NS / FRAME) as u32;
    let video = VideoPlan { codec: MixCodec::H264, encoder: None, fps, bitrate: 200_000, gop_s: 5 };
    MixPlan {
        layout,
        images: BTreeMap::new(),
        fonts: Vec::new(),
        video,
        audio: MixedAudio { rate: 16_000, channels: 1, bitrate: 32_000 },
    }
}

/// Where signals begin in a file, nanoseconds, user by user.
#[derive(Default)]
struct Seen {
    frames: i64,
    lit: [bool; 4],
    flashes: [Vec<i64>; 4],
    /// Sound that is no whole window yet.
    rest: Vec<f32>,
    windows: i64,
    heard: [bool; 4],
    beeps: [Vec<i64>; 4],
}

impl Seen {
    fn take(&mut self, event: &file::Event) {
        match event {
            file::Event::Picture(picture) => {
                let at = picture.pts.expect("a time");
                assert_eq!(at, self.frames * FRAME, "no frame is missing");
                self.frames += 1;
                for user in 0..4 {
                    let (x, y) = (user % 2 * 80 + 40, user / 2 * 48 + 24);
                    let lit = picture.view().row(0, y)[x] > 130;
                    if lit && !std::mem::replace(&mut self.lit[user], lit) {
                        self.flashes[user].push(at);
                    }
                    self.lit[user] = lit;
                }
            }
            file::Event::Sound(sound) => {
                self.rest.extend(sound.samples.iter().step_by(sound.channels));
                let whole = self.rest.len() / WINDOW * WINDOW;
                let windows: Vec<f32> = self.rest.drain(..whole).collect();
                windows.chunks_exact(WINDOW).for_each(|window| self.listen(window));
            }
            file::Event::Broken(_) => {}
        }
    }

    fn listen(&mut self, window: &[f32]) {
        let silent = window.iter().all(|sample| sample.abs() < 0.02);
        for (user, heard) in self.heard.iter_mut().enumerate() {
            let hears = !silent && amplitude(window, USERS[user].hz) > 0.1;
            if hears && !*heard {
                self.beeps[user].push(self.windows * 10 * MILLI_NS);
            }
            *heard = hears;
        }
        self.windows += 1;
    }
}
