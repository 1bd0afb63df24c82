//! Two hours of a room in virtual time, compared with what the users really said.

use super::testing::*;
use super::*;

const LOUD: f32 = 0.15;
const USERS: usize = 4;
const LENGTH: i64 = 2 * 3600 * SECOND;
/// Windows of 10 ms, in which is looked for each user's tone.
const WINDOW: i64 = 480;
/// 20 ms.
const EXACT: i64 = 2;

/// Something said without a pause, in windows.
#[derive(Debug, Clone, Copy)]
struct Talk {
    from: i64,
    to: i64,
    /// The network held some of it up for longer than the mix waits.
    held_up: bool,
    /// What was lost, as far as it cannot be concealed at full strength.
    lost: i64,
}

fn hz(user: usize) -> u32 {
    500 + 700 * user as u32
}

/// One user's two hours: talks, pauses of all kinds, a drifting clock, jitter and losses.
fn live(user: usize, tone: &Tone, script: &mut Script) -> Vec<Talk> {
    let mut random = Random(0x5eed + 977 * user as u64);
    let mut talks = Vec::new();
    // The sender's clock is off by up to 100 ppm; the track's clock lets the place wander by two milliseconds.
    let drift = random.between(-100, 101);
    let mut wander = 0;
    // The encoder's number of a talk's first packet: 0 where the decoder begins anew, too.
    let mut first = 0;
    let mut arrival = 0;
    let mut at = random.below(20 * SECOND);
    while at < LENGTH - 40 * SECOND {
        let packets = random.between(25, 600);
        let held_up = random.chance(15);
        let held_from = random.between(5, packets);
        let held_until = at + held_from * PACKET + BEHIND + random.between(4_800, 40_000);
        let (mut missing, mut after_loss, mut lost) = (0, false, 0);
        for i in 0..packets {
            if missing == 0 && i > 0 && i + 10 < packets && random.chance(1) {
                let most = if random.chance(10) { 8 } else { 2 };
                missing = 1 + random.below(most);
                lost += if missing > 1 { (missing + 1) * PACKET / WINDOW } else { 1 };
            }
            if missing > 0 {
                (missing, after_loss) = (missing - 1, true);
                continue;
            }
            wander = (wander + random.between(-2, 3)).clamp(-96, 96);
            let position = at + i * PACKET + i * PACKET * drift / 1_000_000 + wander;
            arrival = arrival.max(position + PACKET + random.below(9_000));
            if held_up && i >= held_from {
                arrival = arrival.max(held_until);
            }
            let data = tone.packet(first + i);
            script.add(arrival, user, Event::Packet { position, data, after_loss: std::mem::take(&mut after_loss) });
        }
        let end = at + packets * PACKET;
        talks.push(Talk { from: at / WINDOW, to: end / WINDOW, held_up, lost });
        let (ended, pause) = match random.below(4) {
            // Nothing is sent for a while, muted, left and come again, another device.
            0 => (false, random.between(SECOND / 4, 5 * SECOND)),
            1 => (true, random.between(SECOND / 2, 60 * SECOND)),
            2 => (true, random.between(5 * SECOND, 300 * SECOND)),
            _ => (true, random.between(2_000, 10_000)),
        };
        if ended {
            script.add(arrival, user, Event::Ended);
        }
        // What was held up is not to run into the next talk.
        let pause = pause + if held_up { 2 * SECOND } else { 0 };
        first = if ended || pause > SECOND { 0 } else { first + packets };
        at = end + pause;
    }
    talks
}

#[test]
fn two_hours_hold_every_word_at_its_place() {
    let mut script = Script::default();
    let talks: Vec<Vec<Talk>> = (0..USERS).map(|user| live(user, &Tone::new(hz(user), LOUD), &mut script)).collect();
    let mut heard = vec![Vec::new(); USERS];
    let mut mixer = Mixer::new(0);
    let (mut left, mut next) = (Vec::new(), 0);
    script.run(&mut mixer, LENGTH, |frame| {
        assert_eq!(frame.index, next);
        next += 1;
        left.extend(frame.pcm.iter().step_by(2));
        let whole = left.len() / WINDOW as usize * WINDOW as usize;
        for window in left[..whole].chunks_exact(WINDOW as usize) {
            let silent = window.iter().all(|sample| *sample == 0.0);
            for (user, heard) in heard.iter_mut().enumerate() {
                heard.push(!silent && amplitude(window, hz(user)) > LOUD / 2.0);
            }
        }
        left.drain(..whole);
    });
    assert_eq!(next, LENGTH / FRAME);
    for (user, talks) in talks.iter().enumerate() {
        let counts = mixer.counts().nth(user).expect("a user of the mix").1;
        assert_eq!((counts.undecodable, counts.skipped, counts.lag), (0, 0, 0));
        for talk in talks {
            check(talk, &heard[user]).unwrap_or_else(|error| panic!("user {user}: {error} {talk:?} {counts:?}"));
        }
        // What is heard was said, then or up to a second before.
        let mut said = talks.iter().peekable();
        for at in (0..).zip(&heard[user]).filter(|(_, heard)| **heard).map(|(at, _)| at) {
            while said.next_if(|talk| talk.to + EXACT + if talk.held_up { 100 } else { 0 } < at).is_some() {}
            assert!(said.peek().is_some_and(|talk| talk.from - EXACT <= at), "user {user} said nothing at {at}");
        }
    }
}

fn check(talk: &Talk, heard: &[bool]) -> std::result::Result<(), String> {
    let until = talk.to + if talk.held_up { 100 } else { EXACT };
    let inside: Vec<i64> = (talk.from - EXACT..until).filter(|at| heard[*at as usize]).collect();
    let (Some(first), Some(last)) = (inside.first(), inside.last()) else { return Err("unheard".into()) };
    let length = talk.to - talk.from;
    // Held up, it breaks off once, is not concealed where it is late anyway, and may be played two percent faster.
    let faster = if talk.held_up { length / 50 + 4 } else { 0 };
    let missing = length - inside.len() as i64;
    if missing > talk.lost + faster + 4 + length / 100 {
        return Err(format!("{missing} windows missing"));
    }
    if first - talk.from > EXACT || talk.to - last > EXACT + 1 {
        return Err(format!("heard from {first} to {last}"));
    }
    let whole_seconds = (talk.from..talk.to - 100).step_by(100).filter(|_| !talk.held_up);
    for second in whole_seconds {
        if (second..second + 100).filter(|at| heard[*at as usize]).count() < 50 {
            return Err(format!("hardly heard in the second from {second}"));
        }
    }
    Ok(())
}

/// What mixing costs beside decoding; figures, no check: `cargo test --release -- --ignored --nocapture cost`.
#[test]
#[ignore = "a measurement"]
fn cost() {
    let seconds = 60;
    for users in [1, 9, 17] {
        let tones: Vec<Tone> = (0..users).map(|user| Tone::new(hz(user), 0.05)).collect();
        let began = std::time::Instant::now();
        let mut decoded = Vec::new();
        for tone in &tones {
            let mut decoder = codec::opus::Decoder::new(2).expect("a decoder");
            for number in 0..50 * seconds {
                decoded.clear();
                decoder.decode(&tone.packet(number), &mut decoded).expect("a good packet");
            }
        }
        let decoding = began.elapsed().as_secs_f64() * 1000.0 / seconds as f64;
        let mut script = Script::default();
        for (user, tone) in tones.iter().enumerate() {
            script.packets(user, tone, 100 * user as i64, 0, 50 * seconds, 0);
        }
        let began = std::time::Instant::now();
        script.run(&mut Mixer::new(0), seconds * SECOND, |_| {});
        let all = began.elapsed().as_secs_f64() * 1000.0 / seconds as f64;
        println!("{users} voices: {all:.2} ms per second of media, {decoding:.2} of it Opus alone");
    }
}
