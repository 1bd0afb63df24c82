//! What a plan loses, by the plan alone: which packets are counted, and what of the picture and the sound is missing.

use codec::video::Codec;
use rules::ledger::report::LaneReport;
use rules::ledger::{Cause, Counts, Media};

use super::plan::{FRAME_MS, PACKET_MS, Plan, State, is_key};

/// Between what is captured and where it is placed.
const PLACED_MS: i64 = 8;

/// What is told of one track.
#[derive(Debug, Default)]
struct Lost {
    counts: Counts,
    /// From, to: lost sound, and a picture that stands still up to the next key frame.
    gaps: Vec<(i64, i64)>,
}

/// How many times something is lost.
pub fn count(plan: &Plan) -> usize {
    plan.users.iter().flatten().map(|phase| phase.losses.len()).sum()
}

fn model(plan: &Plan, user: usize, media: Media) -> Lost {
    let mut lost = Lost::default();
    // Since when the picture cannot be decoded, or the sound is missing.
    let mut broken = None;
    for (n, phase) in plan.users[user].iter().enumerate() {
        let end = plan.users[user].get(n + 1).map_or(plan.end, |next| next.from);
        let step = if media == Media::Sound { PACKET_MS } else { FRAME_MS };
        if phase.of(media) != State::On {
            continue;
        }
        for at in (phase.from..end).step_by(step as usize).filter(|at| plan.incident(*at).is_none()) {
            let key = media == Media::Sound || is_key(at);
            let sent = packets(media, phase.form.codec, key);
            let missing = plan.loss(user, media, at).map_or(0, |loss| if loss.in_part { 1 } else { sent });
            lost.counts.packets_received += sent - missing;
            lost.counts.packets_lost += missing;
            if missing > 0 {
                broken.get_or_insert(at);
                lost.counts.frames_lost += u64::from(missing < sent);
                continue;
            }
            lost.counts.frames_received += 1;
            match broken {
                Some(_) if !key => lost.counts.frames_dropped += 1,
                Some(from) => {
                    lost.gaps.push((from, at));
                    broken = None;
                }
                None => {}
            }
        }
    }
    lost
}

/// So many packets are sent at a time. Parameter sets come with key frames of H.264.
fn packets(media: Media, codec: Codec, key: bool) -> u64 {
    match (media, codec) {
        (Media::Sound, _) => 1,
        (Media::Picture, Codec::H264) if key => 3,
        (Media::Picture, _) => 2,
    }
}

pub fn assert_told(plan: &Plan, user: usize, media: Media, lane: &LaneReport, origin: i64, told: &str) {
    let Lost { counts, gaps } = model(plan, user, media);
    let lost = lane.gaps.iter().filter(|gap| gap.cause == Cause::Lost);
    let lost: Vec<_> = lost.map(|gap| (gap.start - origin, gap.start - origin + gap.length_ms)).collect();
    let near = |(got, wanted): (&(i64, i64), &(i64, i64))| {
        (got.0 - wanted.0).abs() <= PLACED_MS && (got.1 - wanted.1).abs() <= PLACED_MS
    };
    let same = lost.len() == gaps.len() && lost.iter().zip(&gaps).all(near);
    assert!(same, "user {user}, {media:?}: lost {lost:?}, in the plan {gaps:?}\n{told}");
    if plan.incidents.iter().all(|incident| incident.cause == Cause::ConnectionLost) {
        assert_eq!(lane.counts, counts, "user {user}, {media:?}\n{told}");
    }
}
