//! The video half of the report: what is missing, repeated or out of order, when it flashed, how even the times are.

use super::ProbeOptions;
use super::gather::Seen;
use super::report::{Span, spans};
use crate::schedule::{DAY_SECONDS, FLASH_FRAMES, LOOP_SECONDS, since_flash};
use codec::file;
use serde::{Deserialize, Serialize};

/// One picture of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// Presentation time.
    pub ms: f64,
    /// The number written in it.
    pub number: Option<u32>,
    /// The user written in it.
    pub user: Option<u16>,
    pub black: bool,
    /// Shows what the picture before it showed.
    pub frozen: bool,
}

/// Numbers that were expected between two pictures and are not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// Time of the first picture after them.
    pub ms: f64,
    /// The first of them.
    pub number: u32,
    pub count: u64,
}

/// What was seen. Times in ms of presentation time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VideoReport {
    pub codec: String,
    /// Every size that occurs, in order of appearance.
    pub sizes: Vec<(u32, u32)>,
    /// Frames per second that were sent, as given or found.
    pub fps: f64,
    pub pictures: u64,
    pub first_ms: f64,
    /// End of the last picture, one frame after its time.
    pub end_ms: f64,
    /// The user written in the first readable picture.
    pub user: Option<u16>,
    pub first_number: Option<u32>,
    pub last_number: Option<u32>,
    /// Pictures with a number.
    pub readable: u64,
    /// Pictures that are neither readable nor black.
    pub unreadable: u64,
    /// Pictures the decoder called damaged.
    pub damaged: u64,
    /// Runs of black pictures.
    pub black: Vec<Span>,
    /// Runs of pictures that show what the picture before them showed.
    pub frozen: Vec<Span>,
    pub missing: u64,
    pub missing_at: Vec<Missing>,
    /// Pictures with the number of the picture before.
    pub duplicated: u64,
    /// Pictures with a lower number than one before.
    pub out_of_order: u64,
    /// Where the next picture comes later than one and a half frames.
    pub gaps: Vec<Span>,
    /// Largest minus smallest difference between a picture's time and that of its number.
    pub jitter_ms: f64,
    /// When flashes began; corrected by the number where a flash's first picture is not there.
    pub flashes_ms: Vec<f64>,
    /// Every picture, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<Picture>,
}

pub(super) fn report(track: &file::Track, seen: &[Seen], options: &ProbeOptions) -> VideoReport {
    let fps = options.fps.or_else(|| find_fps(seen)).unwrap_or(0.0);
    let frame_ms = if fps > 0.0 { 1000.0 / fps } else { 0.0 };
    let numbers = || seen.iter().filter_map(|s| s.mark.map(|mark| mark.number));
    let mut report = VideoReport {
        codec: track.codec.clone(),
        fps,
        pictures: seen.len() as u64,
        first_ms: seen.first().map_or(0.0, |s| s.ms),
        end_ms: seen.last().map_or(0.0, |s| s.ms + frame_ms),
        user: seen.iter().find_map(|s| s.mark.map(|mark| mark.user)),
        first_number: numbers().next(),
        last_number: numbers().next_back(),
        readable: numbers().count() as u64,
        unreadable: seen.iter().filter(|s| s.mark.is_none() && !s.black).count() as u64,
        damaged: seen.iter().filter(|s| s.damaged).count() as u64,
        black: spans(seen.iter().map(|s| (s.ms, s.black)), frame_ms),
        frozen: spans(seen.iter().map(|s| (s.ms, s.frozen && !s.black)), frame_ms),
        flashes_ms: flashes(seen, fps, options.offset),
        ..VideoReport::default()
    };
    for picture in seen {
        if !report.sizes.contains(&picture.size) {
            report.sizes.push(picture.size);
        }
    }
    let late = seen.windows(2).filter(|pair| pair[1].ms - pair[0].ms > 1.5 * frame_ms);
    report.gaps = late.map(|pair| Span { ms: pair[0].ms, length_ms: pair[1].ms - pair[0].ms }).collect();
    if fps > 0.0 {
        count_numbers(&mut report, seen, loop_frames(seen, fps, options));
    }
    if options.list_pictures {
        let row = |s: &Seen| Picture {
            ms: s.ms,
            number: s.mark.map(|m| m.number),
            user: s.mark.map(|m| m.user),
            black: s.black,
            frozen: s.frozen,
        };
        report.list = seen.iter().map(row).collect();
    }
    report
}

/// Frames per second of the sender: the usual time from one picture to the next, per step of the number.
fn find_fps(seen: &[Seen]) -> Option<f64> {
    let mut steps: Vec<f64> = seen
        .windows(2)
        .filter_map(|pair| {
            let step = pair[1].mark?.number.checked_sub(pair[0].mark?.number).filter(|step| (1..10).contains(step))?;
            Some((pair[1].ms - pair[0].ms) / f64::from(step)).filter(|ms| *ms > 0.0)
        })
        .collect();
    // Times may be rounded to whole ms; the mean of the middle half is not.
    steps.sort_by(f64::total_cmp);
    let middle = &steps[steps.len() / 4..(3 * steps.len()).div_ceil(4)];
    let fps = 1000.0 * middle.len() as f64 / middle.iter().sum::<f64>();
    Some(if (fps - fps.round()).abs() < 0.02 * fps { fps.round() } else { fps }).filter(|fps| fps.is_finite())
}

fn loop_frames(seen: &[Seen], fps: f64, options: &ProbeOptions) -> i64 {
    let highest = seen.iter().filter_map(|s| s.mark.map(|mark| mark.number)).max().unwrap_or(0);
    let seconds = options.loop_seconds.unwrap_or_else(|| {
        let short = f64::from(highest) < f64::from(LOOP_SECONDS) * fps;
        if short { LOOP_SECONDS } else { DAY_SECONDS }
    });
    (f64::from(seconds) * fps).round() as i64
}

/// Unrolls the numbers along the time and counts what is missing, twice there, or in the wrong place.
fn count_numbers(report: &mut VideoReport, seen: &[Seen], loop_frames: i64) {
    let readable: Vec<(f64, i64)> =
        seen.iter().filter_map(|s| s.mark.map(|mark| (s.ms, i64::from(mark.number)))).collect();
    let Some(&(first_ms, first)) = readable.first() else { return };
    // The highest number so far, unrolled, and when it came.
    let (mut high_ms, mut high) = (first_ms, first);
    let (mut least, mut most) = (0.0_f64, 0.0_f64);
    let mut last = first;
    for &(ms, number) in &readable[1..] {
        let elapsed = (ms - high_ms) * report.fps / 1000.0;
        // Of all numbers that look like this one, the one that fits the time best.
        let rounds = ((elapsed - (number - high) as f64) / loop_frames as f64).round() as i64;
        let unrolled = number + rounds * loop_frames;
        if unrolled == last {
            report.duplicated += 1;
        } else if unrolled < last {
            report.out_of_order += 1;
        }
        if unrolled > high {
            if unrolled > high + 1 {
                let count = (unrolled - high - 1) as u64;
                let number = (high + 1).rem_euclid(loop_frames) as u32;
                report.missing += count;
                report.missing_at.push(Missing { ms, number, count });
            }
            (high_ms, high) = (ms, unrolled);
            let drift = ms - first_ms - (unrolled - first) as f64 * 1000.0 / report.fps;
            (least, most) = (least.min(drift), most.max(drift));
        }
        last = unrolled;
    }
    report.jitter_ms = most - least;
}

/// Onsets of the flashes.
fn flashes(seen: &[Seen], fps: f64, offset: u32) -> Vec<f64> {
    let mut onsets: Vec<f64> = Vec::new();
    let mut lit_before = false;
    for picture in seen {
        let lit = picture.mark.filter(|mark| mark.lit);
        if let Some(mark) = lit.filter(|_| !lit_before) {
            let whole = fps > 0.0 && (fps - fps.round()).abs() < 1e-6;
            let since = if whole { since_flash(u64::from(mark.number), fps as u32, offset) } else { 0 };
            let late = if since < FLASH_FRAMES { since as f64 * 1000.0 / fps } else { 0.0 };
            onsets.push(picture.ms - if late.is_finite() { late } else { 0.0 });
        }
        // A picture that cannot be read neither ends nor begins a flash.
        if picture.mark.is_some() || picture.black {
            lit_before = lit.is_some();
        }
    }
    onsets
}
