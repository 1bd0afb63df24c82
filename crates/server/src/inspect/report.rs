//! A report as text.

use std::collections::BTreeSet;
use std::fmt::Write;

use rules::ledger::report::{FileReport, LaneReport, StreamReport};
use rules::ledger::{Cause, Report};

use super::time;
use super::timeline::{draw, letter, words};

/// Gaps printed of one picture or sound.
const MAX_GAPS: usize = 40;

/// The whole report.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    tell(report, &mut out).expect("a string takes everything");
    out
}

fn tell(report: &Report, out: &mut String) -> std::fmt::Result {
    let state = if report.complete { report.stop_reason.as_str() } else { "so far" };
    writeln!(out, "task {} of room {} (app {})", report.task_id, report.room_id, report.app_id)?;
    writeln!(out, "from {} (Unix ms) for {}, {state}", report.start, time(report.end - report.start))?;
    for began in report.recorders.iter().skip(1) {
        writeln!(out, "a recorder took over at {}", time(began - report.start))?;
    }
    let streams: Vec<(String, &StreamReport)> =
        report.streams.iter().chain(&report.mix).map(|stream| (stream.source().to_string(), stream)).collect();
    let lanes = |stream: &'_ StreamReport| {
        let lanes = [("picture", stream.picture.clone()), ("sound", stream.sound.clone())];
        lanes.into_iter().filter_map(|(media, lane)| Some((media, lane?))).collect::<Vec<_>>()
    };
    writeln!(out, "\n{:<24} {:<8} {:>13} {:>13}", "stream", "", "expected", "written")?;
    let mut causes = BTreeSet::new();
    for (name, stream) in &streams {
        for (media, lane) in lanes(stream) {
            let share = lane.written_ms as f64 * 100.0 / lane.expected_ms.max(1) as f64;
            let (expected, written) = (time(lane.expected_ms), time(lane.written_ms));
            writeln!(out, "{name:<24} {media:<8} {expected:>13} {written:>13} {share:>7.2}%")?;
            causes.extend(lane.gap_ms.keys().copied());
        }
    }
    writeln!(out)?;
    for (name, stream) in &streams {
        for (media, lane) in lanes(stream) {
            writeln!(out, "{:<15} |{}|", format!("{} {media}", short(name)), timeline(report, &lane))?;
        }
    }
    let legend = causes.iter().map(|cause| format!("'{}' {}", letter(*cause), words(*cause)));
    writeln!(
        out,
        "{:<15}  {}",
        "",
        ["'=' written".to_owned()].into_iter().chain(legend).collect::<Vec<_>>().join(", ")
    )?;
    for (name, stream) in &streams {
        for (media, lane) in lanes(stream) {
            writeln!(out, "\n{name}, {media}")?;
            tell_lane(report, &lane, out)?;
        }
        if let Some(sync) = stream.sync {
            let ms = |ms: Option<f64>| ms.map_or("not measured".to_owned(), |ms| format!("{ms:+.1} ms"));
            let (arrived, written) = (ms(sync.arrival_offset_ms), ms(sync.written_offset_ms));
            writeln!(out, "{name}: pictures after sound as they arrived {arrived}, as written {written}")?;
        }
    }
    if !report.files.is_empty() {
        writeln!(out, "\nfiles")?;
        report.files.iter().try_for_each(|file| tell_file(report, file, out))?;
    }
    report.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))
}

fn tell_lane(report: &Report, lane: &LaneReport, out: &mut String) -> std::fmt::Result {
    for format in &lane.formats {
        let at = time(format.start - report.start);
        match format.width {
            0 => writeln!(out, "  {at:>13}  {}", format.codec)?,
            _ => writeln!(out, "  {at:>13}  {} {}x{}", format.codec, format.width, format.height)?,
        }
    }
    for gap in lane.gaps.iter().take(MAX_GAPS) {
        let at = time(gap.start - report.start);
        writeln!(out, "  {at:>13}  {:>11}  {}", time(gap.length_ms), words(gap.cause))?;
    }
    let hidden = lane.gaps.iter().skip(MAX_GAPS).map(|gap| (gap.cause, 1, gap.length_ms));
    let further = lane.further_gaps.iter().map(|(cause, more)| (*cause, more.count, more.length_ms));
    let mut more: std::collections::BTreeMap<Cause, (u64, i64)> = Default::default();
    for (cause, count, length) in hidden.chain(further) {
        let known = more.entry(cause).or_default();
        *known = (known.0 + count, known.1 + length);
    }
    for (cause, (count, length)) in more {
        writeln!(out, "  {count} more, {} in all: {}", time(length), words(cause))?;
    }
    let c = &lane.counts;
    let numbers = [
        ("packets", c.packets_received),
        ("lost", c.packets_lost),
        ("recovered", c.packets_recovered),
        ("late", c.packets_late),
        ("twice", c.packets_duplicate),
        ("frames", c.frames_received),
        ("frames lost", c.frames_lost),
        ("frames dropped", c.frames_dropped),
        ("frames undecodable", c.frames_undecodable),
        ("ms recovered", c.recovered_ms),
        ("ms concealed", c.concealed_ms),
    ];
    let told: Vec<_> = numbers.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name}")).collect();
    if !told.is_empty() {
        writeln!(out, "  {}", told.join(", "))?;
    }
    match lane.clock.and_then(|clock| clock.drift_ppm) {
        Some(drift) => writeln!(out, "  its clock runs {drift:+.1} ppm off ours"),
        None => Ok(()),
    }
}

fn tell_file(report: &Report, file: &FileReport, out: &mut String) -> std::fmt::Result {
    let (at, length) = (time(file.start - report.start), time(file.duration_ms));
    writeln!(out, "  {at:>13}  {length:>11}  {:>11} bytes  {}", file.size, file.path)?;
    match &file.sha256 {
        Some(hash) => writeln!(out, "{:>15}  sha256 {hash}", ""),
        None => Ok(()),
    }
}

fn timeline(report: &Report, lane: &LaneReport) -> String {
    let mut spans = vec![(report.start, lane.start, letter(Cause::NotPublished))];
    spans.extend(lane.gaps.iter().map(|gap| (gap.start, gap.start + gap.length_ms, letter(gap.cause))));
    spans.push((lane.end, report.end, letter(Cause::NotPublished)));
    draw(report.start, report.end, &spans)
}

/// Names in front of timelines are cut, so that these stand below each other.
fn short(name: &str) -> String {
    const MOST: usize = 7;
    if name.chars().count() <= MOST { name.to_owned() } else { name.chars().take(MOST - 1).chain(['~']).collect() }
}
