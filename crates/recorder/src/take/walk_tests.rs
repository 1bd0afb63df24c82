//! Random plans of one stream over days of virtual time, against a model that knows the rules and nothing else: which
//! files there are, from when to when, and how much of them is black and silence.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

/// Longest file, ms.
const MAX_FILE_MS: i64 = 200_000;
/// The camera goes away, and sound ends with a whole frame, at most so much later than in the plan, ms.
const SLACK_MS: i64 = 45;
/// A file is cut without a picture at the earliest when the camera has been off for so long, ms.
const AWAY_MS: i64 = AWAY_DELAY_NS / MILLI_NS + 2 * PACKET_MS;

/// What a stream does for some time.
#[derive(Debug, Clone, Copy)]
struct Phase {
    from: i64,
    to: i64,
    picture: bool,
    sound: bool,
    /// Published, though maybe muted.
    published: bool,
    /// Another recorder goes on before it.
    restarted: bool,
}

fn plan(seed: u64, phases: usize) -> Vec<Phase> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut from = 0;
    let mut plan = Vec::new();
    for n in 0..phases {
        let kind = random.random_range(0..10);
        let (picture, sound) = match kind {
            _ if n == 0 => (true, true),
            0..4 => (true, true),
            4 => (true, false),
            5 => (false, true),
            _ => (false, false),
        };
        let seconds = match (picture || sound, random.random_range(0..16)) {
            (true, _) => random.random_range(1..12),
            (false, 0..4) => random.random_range(1..20),
            (false, 4..12) => random.random_range(30..59),
            // Around the limit.
            (false, 12..14) => MAX_SILENCE_MS / 1_000 + random.random_range(-2..=2),
            (false, 14) => random.random_range(600..4_000),
            (false, _) => random.random_range(4 * 3_600..12 * 3_600),
        };
        let to = from + seconds * 1_000;
        let published = picture || sound || random.random_range(0..2) == 0;
        plan.push(Phase { from, to, picture, sound, published, restarted: random.random_range(0..8) == 0 });
        from = to;
    }
    plan
}

/// A file as the model or the recorder has it, ms.
#[derive(Debug, Default, Clone, Copy)]
struct Part {
    from: i64,
    to: i64,
    picture: i64,
    sound: i64,
    /// How often something began or ended in it.
    changes: i64,
}

/// The rules: media of the plan, laid into files.
fn model(plan: &[Phase]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let (mut last, mut camera_off_at, mut restarted) = (0, i64::MIN, false);
    for (n, phase) in plan.iter().enumerate() {
        restarted |= phase.restarted;
        let came_from_picture = n > 0 && plan[n - 1].picture;
        if came_from_picture && !phase.picture {
            camera_off_at = phase.from;
        }
        if !phase.picture && !phase.sound {
            continue;
        }
        let begins = phase.from;
        if parts.is_empty() || begins - last > MAX_SILENCE_MS {
            parts.push(Part { from: begins, to: begins, ..Part::default() });
        }
        // Every picture is a key frame.
        let mut at = begins;
        while at < phase.to {
            let part = parts.last_mut().expect("one was begun");
            let due = part.from + MAX_FILE_MS;
            let away = if camera_off_at == i64::MIN { i64::MIN } else { camera_off_at + AWAY_MS };
            // The first unit after a restart still goes into the file that is there.
            let first = begins + i64::from(std::mem::take(&mut restarted));
            let cut = match phase.picture {
                true => begins + (due.max(first) - begins + FRAME_MS - 1) / FRAME_MS * FRAME_MS,
                false => due.max(first).max(away),
            };
            let until = cut.min(phase.to).max(at);
            part.picture += if phase.picture { until - at } else { 0 };
            part.sound += if phase.sound { until - at } else { 0 };
            part.to = until;
            part.changes += 1;
            if cut < phase.to {
                parts.push(Part { from: cut, to: cut, ..Part::default() });
            }
            at = until;
        }
        last = phase.to;
    }
    parts.retain(|part| part.picture + part.sound > 0);
    parts
}

/// What the recorder makes of it.
fn record(plan: &[Phase], audio: AudioPlan) -> Vec<Part> {
    let mut user = User::new(audio);
    let settings = Settings { max_file_ms: MAX_FILE_MS, ..Settings::default() };
    let fresh = |user: &User| {
        let mut take = user.new_take(audio);
        take.plan.settings = settings;
        take
    };
    user.take = Some(fresh(&user));
    let mut closed = Vec::new();
    for phase in plan {
        if phase.restarted {
            user.take.take().expect("a take").suspend(&user.clock, ms(phase.from)).expect("written");
            user.take = Some(fresh(&user));
        }
        let take = user.take.as_mut().expect("a take");
        let there = phase.picture || phase.sound;
        take.set_present(there, ms(phase.from));
        if phase.published {
            take.set_video_muted(!phase.picture, ms(phase.from));
        } else {
            take.video_ended().and_then(|()| take.audio_ended(ms(phase.from))).expect("ended");
        }
        match there {
            true => closed.extend(user.send(phase.from, phase.to, phase.picture, phase.sound)),
            false => {
                for t in (phase.from..phase.to).step_by(200) {
                    let told = user.take.as_mut().expect("a take").handle_time(&user.clock, ms(t), true);
                    closed.extend(told.expect("the disk works").and_then(|event| match event {
                        TakeEvent::Ended(file) => Some(file),
                        TakeEvent::Opened { .. } => None,
                    }));
                }
            }
        }
    }
    let end = plan.last().map_or(0, |phase| phase.to);
    closed.extend(user.take.take().expect("a take").close(false, &user.clock, ms(end)).expect("closed").0);
    let begun = names::list(user.dir.path()).expect("a folder");
    let options = |path: &std::path::Path| {
        let told = closed.iter().find(|file| file.path == path);
        told.map_or(mp4::FinishOptions::default(), |file| mp4::FinishOptions {
            end: file.end,
            still: file.still,
            cut: file.cut,
        })
    };
    let part = |path: &std::path::Path| {
        let finished = mp4::finish(path, &options(path), &crate::disk::BlackAndSilence).expect("finished");
        check(path).expect("a file without faults");
        let real = |video: bool| {
            let track = finished.tracks.iter().find(|track| (track.codec == mp4::Codec::H264) == video);
            track.map_or(0, |track| (track.duration - track.filled).as_millis() as i64)
        };
        let from = (finished.epoch_ns - user.clock.wall(ms(0)).0) / MILLI_NS;
        let to = from + finished.duration().as_millis() as i64;
        Part { from, to, picture: real(true), sound: real(false), changes: 0 }
    };
    begun.iter().map(|(_, path)| part(path)).collect()
}

fn assert_as_in_the_model(seed: u64, phases: usize, audio: AudioPlan) -> i64 {
    let plan = plan(seed, phases);
    let (expected, got) = (model(&plan), record(&plan, audio));
    let told = || format!("seed {seed}\nplan {plan:#?}\nmodel {expected:#?}\nrecorder {got:#?}");
    assert_eq!(got.len(), expected.len(), "{}", told());
    for (n, (got, expected)) in got.iter().zip(&expected).enumerate() {
        let slack = SLACK_MS * (expected.changes + 1);
        assert!(near(got.from, expected.from, SLACK_MS), "file {n} begins: {}", told());
        assert!(near(got.to, expected.to, SLACK_MS), "file {n} ends: {}", told());
        assert!(near(got.picture, expected.picture, slack), "file {n}, picture: {}", told());
        assert!(near(got.sound, expected.sound, slack), "file {n}, sound: {}", told());
    }
    plan.last().map_or(0, |phase| phase.to)
}

#[test]
fn random_plans_over_days_give_the_files_of_the_model() {
    let days: i64 = (0..12).map(|seed| assert_as_in_the_model(seed, 240, AudioPlan::Opus)).sum::<i64>() / 86_400_000;
    assert!(days >= 10, "{days} days");
    let cuts = |seed| model(&plan(seed, 240)).windows(2).filter(|parts| parts[0].to == parts[1].from).count();
    assert!((0..12).map(cuts).sum::<usize>() >= 20, "files that were too long are in the plans");
    assert_as_in_the_model(100, 60, AAC);
}
