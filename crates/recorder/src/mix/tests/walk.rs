//! Random things happen in a room, and every frame of the file shows what it should.

mod model;

use codec::file;
use codec::video::I420;
use rules::time::MILLI_NS;

use self::model::{Happening, Model, Scene};
use super::room::{PACKET_MS, Recording, Room, coded, ms};
use crate::messages::{MixCodec, MixPlan, MixedAudio, VideoPlan};
use crate::mix::sound::testing::{Random, Tone, amplitude};
use crate::mix::*;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=6;
const STEPS: usize = 100;
const FRAME_MS: i64 = 40;
/// Of each user's tone. All of them together do not reach the limiter.
const LOUD: f32 = 0.09;
/// What a change of who sounds takes until it is heard: fades, Opus and AAC.
const SETTLES_MS: i64 = 100;

/// What was to be seen and heard from one moment to another, milliseconds.
struct Step {
    from: i64,
    to: i64,
    happened: Happening,
    scene: Scene,
    /// Whose tone sounds.
    heard: Vec<bool>,
}

#[test]
fn whatever_happens_every_frame_shows_it() {
    let tones: Vec<Tone> = (0..model::USERS).map(|user| Tone::new(hz(user), LOUD)).collect();
    for seed in SEEDS {
        let (steps, recording) = walk(seed, &tones);
        check(&steps, &recording).unwrap_or_else(|(at, error)| {
            let number = steps.iter().rposition(|step| step.from <= at).unwrap_or(0);
            let steps = steps[..=number].iter().enumerate().rev().take(8);
            let told: Vec<_> = steps.map(|(n, step)| format!("{n} at {}: {:?}", step.from, step.happened)).collect();
            panic!("seed {seed}, step {number}, at {at} ms: {error}; before it:\n{}", told.join("\n"));
        });
    }
}

fn hz(user: usize) -> u32 {
    400 + 300 * user as u32
}

/// A room in which something happens a hundred times.
fn walk(seed: u64, tones: &[Tone]) -> (Vec<Step>, Recording) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut model = Model::new(&mut random);
    let mut room = Room::new(plan(model.plan().clone()));
    let (mut steps, mut now) = (Vec::new(), 0);
    for number in 0..STEPS {
        let happened = if number == 0 { Happening::Joins(0) } else { model.choose(&mut random) };
        model.apply(&happened);
        tell(&mut room, &happened, &model, now);
        // The file begins before anything changes.
        let shortest = if number == 0 { 7 } else { 5 };
        let to = now + random.between(shortest, 16) * FRAME_MS;
        send(&mut room, &model, tones, now, to);
        let heard = (0..model::USERS).map(|user| model.hears(user)).collect();
        steps.push(Step { from: now, to, happened, scene: model.scene(), heard });
        now = to;
    }
    (steps, room.close(now))
}

/// Tells the mix what the room would.
fn tell(room: &mut Room, happened: &Happening, model: &Model, now: i64) {
    match happened {
        Happening::Leaves(user) => {
            let stream = model::stream(*user);
            room.mix().picture_ended(&stream, ms(now));
            room.mix().sound_ended(&stream);
        }
        Happening::Camera(user, false) => room.mix().picture_ended(&model::stream(*user), ms(now)),
        Happening::Camera(user, true) => room.mix().picture_goes_on(&model::stream(*user)),
        Happening::Layout(plan) => room.mix().set_layout(plan.clone(), BTreeMap::new(), ms(now)),
        Happening::Joins(_) | Happening::Microphone(..) | Happening::Looks(..) => {}
    }
    room.mix().set_members(model.members(), ms(now));
}

/// Media of everybody from one moment to another.
fn send(room: &mut Room, model: &Model, tones: &[Tone], from: i64, to: i64) {
    let looks: Vec<_> =
        model.seen().map(|(user, look)| (user, look.rotation, coded(look.sent_size(), &look.boxes()))).collect();
    for t in (from..to).step_by(PACKET_MS as usize) {
        for (user, rotation, data) in looks.iter().filter(|_| t % FRAME_MS == 0) {
            room.picture(&model::name(*user), ms(t), data, *rotation);
        }
        for user in model.talking() {
            room.sound(&model::name(user), ms(t), &tones[user].packet(t / PACKET_MS));
        }
        room.run(t);
    }
}

/// Compares what is in the file with what should be. On an error also says where, in milliseconds.
fn check(steps: &[Step], recording: &Recording) -> std::result::Result<(), (i64, String)> {
    let mut frames = frames(steps).into_iter();
    let mut sound = Vec::new();
    for event in recording.content() {
        match event {
            file::Event::Picture(picture) => {
                let at = picture.pts.expect("a time") / MILLI_NS;
                let wanted = frames.next();
                if wanted != Some(at) {
                    return Err((at, format!("a frame instead of at {wanted:?}")));
                }
                let step = steps.iter().rfind(|step| step.from <= at).expect("a step");
                compare(&step.scene, &picture.view()).map_err(|error| (at, error))?;
            }
            file::Event::Sound(block) => sound.extend(block.samples.iter().step_by(block.channels)),
            file::Event::Broken(_) => {}
        }
    }
    if let Some(missing) = frames.next() {
        return Err((missing, "a frame is missing".into()));
    }
    steps.iter().try_for_each(|step| listen(step, &sound).map_err(|error| (step.from, error)))
}

/// When frames should begin: at a constant rate, which is one a second while nobody is there.
fn frames(steps: &[Step]) -> Vec<i64> {
    let mut frames = Vec::new();
    let mut still_due = None;
    for step in steps {
        if step.scene.nobody {
            let due = *still_due.get_or_insert(step.from);
            let due: Vec<i64> = (due..step.to).step_by(1_000).collect();
            still_due = due.last().map(|last| last + 1_000).or(still_due);
            frames.extend(due);
        } else {
            still_due = None;
            frames.extend((step.from..step.to).step_by(FRAME_MS as usize));
        }
    }
    frames
}

fn compare(scene: &Scene, picture: &I420<'_>) -> std::result::Result<(), String> {
    for (x, y) in (0..picture.height).step_by(2).flat_map(|y| (0..picture.width).step_by(2).map(move |x| (x, y))) {
        let Some(wanted) = scene.colour_at(x as i32, y as i32) else { continue };
        let at = |plane: usize, shift: u32| picture.row(plane, (y >> shift) as usize)[(x >> shift) as usize];
        let got = [at(0, 0), at(1, 1), at(2, 1)];
        if got.iter().zip(wanted).any(|(got, wanted)| got.abs_diff(wanted) > 12) {
            return Err(format!("{got:?} at {x}, {y} instead of {wanted:?}"));
        }
    }
    Ok(())
}

fn listen(step: &Step, sound: &[f32]) -> std::result::Result<(), String> {
    let sample = |ms: i64| (ms * 48) as usize;
    let inside = &sound[sample(step.from + SETTLES_MS)..sample(step.to - PACKET_MS)];
    for (user, wanted) in step.heard.iter().enumerate() {
        let got = amplitude(inside, hz(user));
        let right = if *wanted { (0.8 * LOUD..1.2 * LOUD).contains(&got) } else { got < 0.3 * LOUD };
        if !right {
            let said = if *wanted { "is heard with" } else { "is not to be heard, but has" };
            return Err(format!("user {user} {said} an amplitude of {got}"));
        }
    }
    Ok(())
}

fn plan(layout: Plan) -> MixPlan {
    let video = VideoPlan { codec: MixCodec::H264, encoder: None, fps: 25, bitrate: 1_500_000, gop_s: 4 };
    MixPlan {
        layout,
        images: BTreeMap::new(),
        fonts: Vec::new(),
        video,
        audio: MixedAudio { rate: 48_000, channels: 2, bitrate: 128_000 },
    }
}
