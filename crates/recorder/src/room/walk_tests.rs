//! Random plans of a room over days of virtual time, packet by packet, against models that know the rules and nothing
//! else: every second of every stream is written, or the report gives the cause that the plan has; every packet that the
//! plan loses is counted; and there are the files that should be there.

mod files;
mod losses;
mod plan;
mod world;

use std::time::Duration;

use rules::ledger::report::LaneReport;
use rules::ledger::{Cause, Media};

use super::*;
use crate::messages::{Anew, AudioPlan, TaskJob};
use plan::{INCIDENTS, Incident, Phase, Plan, State};
use world::World;

const MAX_SILENCE_MS: i64 = 60_000;
/// Whoever began or ended something, its effect is in the file, and in the report, within so long.
const SLACK_MS: i64 = 900;
/// Between two frames, or two files.
const ROUNDING_MS: i64 = 50;
/// Silence up to this long belongs to the mute or the end that follows; up to the other, to a loss that is noticed late.
const WORD_MS: i64 = 3_000;
const NOTICE_MS: i64 = 60_000;
/// Who was there before an incident is given so long to be told of again.
const RETURN_MS: i64 = 2_000;
/// A recorder gives a sign of life so often.
const BEAT_MS: i64 = 5_000;

fn ms(ms: i64) -> Mono {
    Mono(ms * MILLI_NS)
}

/// What should be told of a part of the time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Expected {
    Written,
    Because(Cause),
    /// It was to be expected and did not come.
    Nothing,
    /// The same, where the cause hangs on a moment: for as long as just belongs to what follows; shortly before a recorder
    /// died, whose last word may have come before; behind an absence that began in an incident and was over at once.
    Anything,
}

/// The rules: what is told of every moment of one track, in order.
fn model(plan: &Plan, user: usize, media: Media) -> Vec<(i64, i64, Expected)> {
    let edges = plan.users[user].iter().map(|phase| phase.from);
    let edges = edges.chain(plan.incidents.iter().flat_map(|incident| [incident.from, incident.to]));
    let edges: std::collections::BTreeSet<i64> = edges.chain([plan.end]).collect();
    let mut parts: Vec<(i64, i64, Expected)> = Vec::new();
    let edges: Vec<i64> = edges.into_iter().collect();
    for (from, to) in edges.iter().zip(&edges[1..]) {
        let expected = match (plan.incident(*from), plan.phase(user, *from).of(media)) {
            (Some(incident), _) => Expected::Because(incident.cause),
            (None, State::Away) => Expected::Because(Cause::NotPublished),
            (None, State::Muted) => Expected::Because(Cause::Muted),
            (None, State::On) => Expected::Written,
            // A picture stands still, if there is one.
            (None, State::Silent) if media == Media::Picture && stands_still(plan, user, *from) => Expected::Written,
            (None, State::Silent) => Expected::Nothing,
        };
        match parts.last_mut() {
            Some((_, end, same)) if *same == expected => *end = *to,
            _ => parts.push((*from, *to, expected)),
        }
    }
    let explained = |n: usize| {
        let cause = |n: usize| match parts.get(n)?.2 {
            Expected::Because(cause) => Some(cause),
            _ => None,
        };
        let (from, to, expected) = parts[n];
        if expected != Expected::Nothing {
            return parts[n];
        }
        let dies = |incident: &Incident| incident.cause == Cause::RecorderRestarted && incident.from > to;
        if plan.incidents.iter().any(|incident| dies(incident) && incident.from - to <= BEAT_MS) {
            return (from, to, Expected::Anything);
        }
        let patience = |cause| match cause {
            Cause::ConnectionLost | Cause::RecorderRestarted => NOTICE_MS,
            _ => WORD_MS,
        };
        let briefly =
            |n: usize| parts[n].2 == Expected::Because(Cause::NotPublished) && parts[n].1 - parts[n].0 <= RETURN_MS;
        if n >= 2 && briefly(n - 1) && cause(n - 2).is_some_and(|cause| INCIDENTS.contains(&cause)) {
            return (from, to, Expected::Anything);
        }
        if cause(n + 1).is_some_and(|cause| (to - from - patience(cause)).abs() <= BEAT_MS.min(patience(cause) / 2)) {
            return (from, to, Expected::Anything);
        }
        let followed = cause(n + 1).filter(|cause| to - from <= patience(*cause));
        let begun = n.checked_sub(1).and_then(cause).map(|before| match before {
            Cause::Muted | Cause::NotPublished => Cause::Starting,
            other => other,
        });
        (from, to, Expected::Because(followed.or(begun).unwrap_or(Cause::NotReceived)))
    };
    (0..parts.len()).map(explained).collect()
}

/// Whether a picture is there that stands still at this moment: one came before, and others of the same track follow, or
/// the end of the recording. One that goes instead is taken to have gone with its last picture.
fn stands_still(plan: &Plan, user: usize, at: i64) -> bool {
    let phases = &plan.users[user];
    let codec = plan.phase(user, at).form.codec;
    let split = phases.partition_point(|phase| phase.from <= at);
    let silent = |phase: &&Phase| phase.picture == State::Silent && phase.form.codec == codec;
    let began = phases[..split].iter().rev().take_while(silent).last().map_or(at, |phase| phase.from);
    let before = phases[..split].iter().rev().find(|phase| !silent(phase));
    let after = phases[split..].iter().find(|phase| !silent(phase));
    let until = after.map_or(plan.end, |phase| phase.from);
    let shows = |phase: &Phase| phase.picture == State::On && phase.form.codec == codec;
    let disturbed = |incident: &Incident| incident.to >= began && incident.from <= until;
    before.is_some_and(shows) && after.is_none_or(shows) && !plan.incidents.iter().any(disturbed)
}

/// The forms in which pictures come, one after the other.
fn forms(plan: &Plan, user: usize) -> Vec<(String, u32, u32)> {
    let mut all: Vec<(String, u32, u32)> = Vec::new();
    for (n, phase) in plan.users[user].iter().enumerate() {
        let to = plan.users[user].get(n + 1).map_or(plan.end, |next| next.from);
        let comes = (phase.from..to).step_by(1_000).any(|at| plan.incident(at).is_none());
        let form = (phase.form.codec.name().to_owned(), phase.form.size.0, phase.form.size.1);
        if phase.picture == State::On && comes && all.last() != Some(&form) {
            all.push(form);
        }
    }
    all
}

fn assert_told(plan: &Plan, user: usize, media: Media, lane: &LaneReport, origin: i64, told: &str) {
    let gaps: i64 = lane.gap_ms.values().sum();
    assert_eq!(lane.written_ms + gaps, lane.expected_ms, "user {user}, {media:?}: {told}");
    assert!(lane.further_gaps.is_empty(), "user {user}, {media:?}: {told}");
    assert!((lane.end - origin - plan.end).abs() <= SLACK_MS, "user {user}, {media:?}: {told}");
    let parts = model(plan, user, media);
    for (n, (from, to, expected)) in parts.iter().copied().enumerate() {
        // A recorder that died may have been dead since its last word.
        let dies = parts.get(n + 1).is_some_and(|next| next.2 == Expected::Because(Cause::RecorderRestarted));
        let end = if dies && expected != Expected::Written { BEAT_MS } else { 0 };
        // Who is not told of at once behind an incident may still come.
        let gone = expected == Expected::Because(Cause::NotPublished);
        let settled = plan.incidents.iter().map(|incident| incident.to + RETURN_MS);
        let begin = settled.filter(|at| gone && (0..=RETURN_MS).contains(&(at - from))).max().unwrap_or(from);
        let (from, to) = (begin.max(from + SLACK_MS), to - SLACK_MS.max(end));
        let within = |gap: &rules::ledger::report::Gap| {
            let begin = gap.start - origin;
            ((begin + gap.length_ms).min(to) - begin.max(from)).max(0)
        };
        let of = |cause| lane.gaps.iter().filter(|gap| cause == gap.cause).map(within).sum::<i64>();
        let gaps = lane.gaps.iter().filter(|gap| gap.length_ms > ROUNDING_MS);
        let all: i64 = gaps.filter(|gap| gap.cause != Cause::Lost).map(within).sum();
        let right = match expected {
            Expected::Because(cause) => of(cause) == (to - from).max(0),
            Expected::Anything => true,
            Expected::Written | Expected::Nothing => all == 0,
        };
        assert!(right, "user {user}, {media:?}, {from} to {to}: {expected:?} is not what is told.\n{told}");
    }
}

/// Gives how long the plan is.
fn assert_as_in_the_models(plan: &Plan, users: usize) -> i64 {
    let dir = tempfile::tempdir().expect("a folder");
    let (report, origin) = World::new(plan, dir.path()).play();
    assert_eq!(report.streams.len(), users);
    for (user, stream) in report.streams.iter().enumerate() {
        let near = |lane: &Option<LaneReport>| {
            let gaps = lane.iter().flat_map(|lane| &lane.gaps);
            gaps.map(|gap| (gap.start - origin, gap.length_ms, gap.cause)).collect::<Vec<_>>()
        };
        let told = format!(
            "seed {}, {plan:#?}\npicture {:?}\nsound {:?}",
            plan.seed,
            near(&stream.picture),
            near(&stream.sound)
        );
        let [picture, sound] = [&stream.picture, &stream.sound].map(|lane| lane.as_ref().expect("it was published"));
        for (media, lane) in [(Media::Picture, picture), (Media::Sound, sound)] {
            assert_told(plan, user, media, lane, origin, &told);
            losses::assert_told(plan, user, media, lane, origin, &told);
        }
        let came: Vec<_> = picture.formats.iter().map(|f| (f.codec.clone(), f.width, f.height)).collect();
        assert_eq!(came, forms(plan, user), "user {user}: {told}");
    }
    files::assert_there(plan, dir.path(), origin);
    plan.end
}

#[test]
fn every_second_of_random_plans_over_days_is_written_or_explained() {
    let plans: Vec<Plan> = (0..6).map(|seed| Plan::random(seed, 2, 120, &INCIDENTS)).collect();
    let days = plans.iter().map(|plan| assert_as_in_the_models(plan, 2)).sum::<i64>() / 86_400_000;
    assert!(days >= 2, "{days} days");
    assert!(plans.iter().map(losses::count).sum::<usize>() >= 100, "packets are lost in the plans");
}

#[test]
fn every_packet_of_random_plans_is_counted() {
    // A recorder that dies takes numbers along.
    let plans = (10..13).map(|seed| Plan::random(seed, 2, 100, &[Cause::ConnectionLost]));
    plans.for_each(|plan| _ = assert_as_in_the_models(&plan, 2));
}
