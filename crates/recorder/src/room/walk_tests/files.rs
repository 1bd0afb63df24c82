//! The files that a plan gives, by the plan alone: from when to when each is, and how much of it is black and silence.

use std::collections::BTreeSet;
use std::path::Path;

use codec::video::Codec;
use media::mp4::{self, FinishOptions, Kind, check};
use rules::ledger::{Cause, Media};
use rules::select::Source;

use super::plan::{PACKET_MS, Plan, State};
use super::{MAX_SILENCE_MS, stands_still};
use crate::names;

/// A file begins and ends so near to the moment in the plan, and each change in it may add as much filler.
const SLACK_MS: i64 = 60;
/// What a recorder that dies takes along.
const KILLED_MS: i64 = 1_000;
/// A picture is written for so long after the last one came, if it was not the camera that went: half a second and a turn.
const HELD_MS: i64 = 700;

/// A file as the plan or the recorder has it, ms.
#[derive(Debug, Default, Clone)]
struct Part {
    from: i64,
    to: i64,
    /// The codec of its pictures.
    codec: Option<Codec>,
    /// What is no filler.
    picture: i64,
    sound: i64,
    /// What these may be off by; what dead recorders took along; what the last picture was held for at the end.
    slack: i64,
    killed: i64,
    held: i64,
    /// A recorder died while media came.
    cut_off: bool,
}

impl Part {
    /// No further picture comes, and nobody says why.
    fn hold(&mut self, held: bool) {
        if held {
            self.slack += HELD_MS;
            self.held = HELD_MS;
        }
    }
}

fn model(plan: &Plan, user: usize) -> Vec<Part> {
    let phases = plan.users[user].iter().map(|phase| phase.from);
    let incidents = plan.incidents.iter().flat_map(|incident| [incident.from, incident.to]);
    let edges: BTreeSet<i64> = phases.chain(incidents).chain([plan.end]).collect();
    let edges: Vec<i64> = edges.into_iter().collect();
    let (mut parts, mut open) = (Vec::<Part>::new(), false);
    // Since when nothing is to be expected of the stream; the recorder is another one than that which wrote last.
    let (mut absent_since, mut another) = (None, false);
    for (from, to) in edges.iter().zip(&edges[1..]).map(|(from, to)| (*from, *to)) {
        let incident = plan.incident(from);
        let phase = plan.phase(user, from);
        let is = |media, state| phase.of(media) == state && incident.is_none();
        if incident.is_some_and(|incident| incident.cause == Cause::RecorderRestarted) {
            // It knows how long nothing has come by what is in the file.
            (another, absent_since) = (true, None);
            if let Some(part) = parts.last_mut() {
                let dies = plan.incidents.iter().any(|incident| incident.from == from);
                part.killed += if dies { KILLED_MS } else { 0 };
                // The last moments of what still came are not in the file.
                part.cut_off |= dies && part.to == from;
            }
            continue;
        }
        let present = Media::ALL.into_iter().any(|media| is(media, State::On) || is(media, State::Silent));
        absent_since = if present { None } else { absent_since.or(Some(from)) };
        let [picture, sound] = Media::ALL.map(|media| is(media, State::On));
        let silent = is(Media::Picture, State::Silent);
        let still = silent && stands_still(plan, user, from);
        if !picture && !sound {
            if let Some(part) = parts.last_mut().filter(|_| open) {
                part.picture += if still { to - from } else { 0 };
                part.hold(silent && !still);
            }
            open &= another || absent_since.is_none_or(|since| to - since <= MAX_SILENCE_MS);
            continue;
        }
        if std::mem::take(&mut another) {
            open &= parts.last().is_some_and(|part| from - part.to + i64::from(part.cut_off) <= MAX_SILENCE_MS);
        }
        let codec = picture.then_some(phase.form.codec);
        let recoded = |part: &Part| part.codec.is_some() && codec.is_some() && part.codec != codec;
        if let Some(part) = parts.last_mut().filter(|part| open && recoded(part)) {
            // One file goes over into the next.
            part.to = from;
            open = false;
        }
        if !std::mem::replace(&mut open, true) {
            parts.push(Part { from, ..Part::default() });
        }
        let part = parts.last_mut().expect("one was begun");
        part.codec = part.codec.or(codec);
        (part.to, part.cut_off) = (to, false);
        part.slack += SLACK_MS * (1 + phase.losses.len() as i64);
        part.held = 0;
        part.hold(silent && !still);
        if picture || still {
            part.picture += to - from;
        }
        if sound {
            let lost = |at: &i64| plan.loss(user, Media::Sound, *at).is_some();
            let lost = (from..to).step_by(PACKET_MS as usize).filter(lost).count() as i64 * PACKET_MS;
            part.sound += to - from - lost;
        }
    }
    // What is published goes on to the end, muted or not.
    let last = plan.phase(user, plan.end);
    let there = Media::ALL.into_iter().any(|media| last.of(media) != State::Away);
    if let Some(part) = parts.last_mut().filter(|_| open && there && !another) {
        part.to = plan.end;
    }
    parts
}

fn recorded(dir: &Path, user: usize, origin: i64) -> Vec<Part> {
    let own = |source: &Source| source.stream().is_some_and(|stream| stream.user == format!("user {user}"));
    let files = names::list(dir).expect("a folder").into_iter().filter(|(name, _)| own(&name.source));
    let part = |path: &Path| {
        let finished = mp4::finish(path, &FinishOptions::default(), &crate::disk::BlackAndSilence).expect("finished");
        check(path).expect("a file without faults");
        let real = |kind| {
            let tracks = finished.tracks.iter().filter(|track| track.codec.kind() == kind);
            tracks.map(|track| (track.duration - track.filled).as_millis() as i64).sum::<i64>()
        };
        let from = finished.epoch_ns.div_euclid(1_000_000) - origin;
        let to = from + finished.duration().as_millis() as i64;
        Part { from, to, picture: real(Kind::Video), sound: real(Kind::Audio), ..Part::default() }
    };
    files.map(|(_, path)| part(&path)).collect()
}

/// Compares what is in the folder with the plan.
pub fn assert_there(plan: &Plan, dir: &Path, origin: i64) {
    for user in 0..plan.users.len() {
        let (expected, got) = (model(plan, user), recorded(dir, user, origin));
        let told = || format!("user {user}\nmodel {expected:#?}\nrecorder {got:#?}\n{plan:#?}");
        assert_eq!(got.len(), expected.len(), "{}", told());
        for (n, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let near = |a: i64, b: i64, slack: i64| (a - b).abs() <= slack;
            let slack = SLACK_MS + expected.slack + expected.killed;
            let end_slack = SLACK_MS + expected.held + expected.killed;
            assert!(near(got.from, expected.from, SLACK_MS), "file {n} begins: {}", told());
            assert!(near(got.to, expected.to, end_slack), "file {n} ends: {}", told());
            assert!(near(got.picture, expected.picture, slack), "file {n}, picture: {}", told());
            assert!(near(got.sound, expected.sound, slack), "file {n}, sound: {}", told());
        }
    }
}
