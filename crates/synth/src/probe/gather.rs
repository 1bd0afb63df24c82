//! Turns a file's pictures and sound, as they come, into what the reports are made of.

use super::beeps::{Beep, Detector};
use super::mean;
use super::report::{Span, ms};
use crate::code::{Luma, Mark, Reader};
use codec::{file, video};

/// Luma of a black pixel at most; and what share of the pixels must be that dark.
const BLACK: u8 = 40;
/// Samples of a block whose loudness is measured: 10 ms.
const BLOCK: usize = 480;
/// RMS below this is silence: the faint tone between beeps has 0.014, even an encoder's noise has less.
const SILENCE: f64 = 0.0008;
/// Shorter silences are not reported, ms: a tone passes through zero.
const SHORTEST_SILENCE: f64 = 30.0;
/// A jump of the sound's time stamps smaller than this (ms) is rounding.
const ROUNDING: f64 = 2.0;

/// One picture as it was seen.
pub(super) struct Seen {
    pub ms: f64,
    pub size: (u32, u32),
    pub mark: Option<Mark>,
    pub black: bool,
    /// The same content as the picture before.
    pub frozen: bool,
    pub damaged: bool,
}

/// Looks at every picture.
pub(super) struct Pictures {
    region: Option<[u32; 4]>,
    reader: Reader,
    seen: Vec<Seen>,
    last_content: Option<u64>,
}

impl Pictures {
    pub(super) fn new(region: Option<[u32; 4]>) -> Pictures {
        Pictures { region, reader: Reader::default(), seen: Vec::new(), last_content: None }
    }

    pub(super) fn add(&mut self, picture: &video::Picture) {
        let view = picture.view();
        let luma = Luma::new(&view, self.region);
        let mark = luma.and_then(|luma| self.reader.read(&luma));
        let content = luma.map(|luma| content(&luma));
        let same_number = mark.is_some() && mark.map(number) == self.seen.last().and_then(|last| last.mark.map(number));
        let frozen = same_number || content.is_some() && content == self.last_content;
        self.last_content = content;
        self.seen.push(Seen {
            ms: picture.pts.map_or(f64::NAN, ms),
            size: (view.width, view.height),
            mark,
            black: luma.is_some_and(|luma| is_black(&luma)),
            frozen,
            damaged: picture.damaged,
        });
    }

    pub(super) fn finish(self) -> Vec<Seen> {
        self.seen
    }
}

fn number(mark: Mark) -> u32 {
    mark.number
}

fn is_black(luma: &Luma<'_>) -> bool {
    let rows = (0..luma.height).step_by(2);
    let bright: usize = rows.map(|y| luma.row(y).iter().filter(|&&pixel| pixel > BLACK).count()).sum();
    bright * 2000 < luma.width * luma.height
}

/// A hash of the pixels of every fourth row.
fn content(luma: &Luma<'_>) -> u64 {
    (0..luma.height)
        .step_by(4)
        .flat_map(|y| luma.row(y))
        .fold(0xcbf2_9ce4_8422_2325, |hash, &pixel| (hash ^ u64::from(pixel)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// What was heard in the whole file.
pub(super) struct Heard {
    pub tone_hz: u32,
    pub start_ms: Option<f64>,
    pub end_ms: f64,
    pub beeps: Vec<Beep>,
    pub silences: Vec<Span>,
    pub gaps: Vec<Span>,
}

/// Listens to all sound. Its clock is the first time stamp plus the samples since; a time stamp that disagrees is a gap.
pub(super) struct SoundTrack {
    detector: Detector,
    heard: Heard,
    /// Time of the first sample since the last gap, ms, and samples since then.
    anchor_ms: f64,
    samples: u64,
    block: (f64, usize),
    silent_since: Option<f64>,
}

impl SoundTrack {
    pub(super) fn new(tone_hz: u32) -> SoundTrack {
        let heard =
            Heard { tone_hz, start_ms: None, end_ms: 0.0, beeps: Vec::new(), silences: Vec::new(), gaps: Vec::new() };
        let detector = Detector::new(tone_hz);
        SoundTrack { detector, heard, anchor_ms: 0.0, samples: 0, block: (0.0, 0), silent_since: None }
    }

    pub(super) fn add(&mut self, sound: &file::Sound) {
        let expected = self.now_ms();
        let said = sound.pts.map_or(expected, ms);
        match self.heard.start_ms {
            None => {
                self.heard.start_ms = Some(said);
                self.go_on_at(said);
            }
            Some(_) if (said - expected).abs() > ROUNDING => {
                self.heard.gaps.push(Span { ms: expected, length_ms: said - expected });
                self.end_silence(expected);
                self.go_on_at(said);
            }
            Some(_) => {}
        }
        for frame in sound.samples.chunks_exact(sound.channels.max(1)) {
            let sample = mean(frame);
            self.detector.add(sample);
            self.samples += 1;
            self.block = (self.block.0 + f64::from(sample).powi(2), self.block.1 + 1);
            if self.block.1 == BLOCK {
                self.end_block();
            }
        }
    }

    pub(super) fn finish(mut self) -> Heard {
        let end = self.now_ms();
        self.end_silence(end);
        self.heard.end_ms = end;
        self.heard.beeps = self.detector.finish();
        self.heard
    }

    fn now_ms(&self) -> f64 {
        self.anchor_ms + self.samples as f64 / 48.0
    }

    fn go_on_at(&mut self, ms: f64) {
        (self.anchor_ms, self.samples, self.block) = (ms, 0, (0.0, 0));
        self.detector.restart(ms);
    }

    fn end_block(&mut self) {
        let silent = (self.block.0 / BLOCK as f64).sqrt() < SILENCE;
        let start = self.now_ms() - BLOCK as f64 / 48.0;
        self.block = (0.0, 0);
        if !silent {
            self.end_silence(start);
        } else if self.silent_since.is_none() {
            self.silent_since = Some(start);
        }
    }

    fn end_silence(&mut self, end: f64) {
        if let Some(start) = self.silent_since.take().filter(|start| end - start >= SHORTEST_SILENCE) {
            self.heard.silences.push(Span { ms: start, length_ms: end - start });
        }
    }
}
