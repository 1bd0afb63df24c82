//! What happens in a room: who publishes, mutes and sends what and when, what is lost of it, and what becomes of the
//! recorder.

use codec::video::Codec;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rules::ledger::{Cause, Media};

use super::MAX_SILENCE_MS;

pub const FRAME_MS: i64 = 40;
pub const PACKET_MS: i64 = 20;
/// Of each second this much begins with key frames, the rest refers to them.
const KEYS_MS: i64 = 120;
/// No packet is lost so long after a track begins to send, and before it ends: a loss is waited for, and up to the next
/// key frame.
const CALM_MS: (i64, i64) = (1_000, 2_700);
/// What a recorder knows that it has not told yet when it dies, beside that.
const UNTOLD_MS: i64 = 9_000;
pub const INCIDENTS: [Cause; 2] = [Cause::ConnectionLost, Cause::RecorderRestarted];

/// Whether the picture of this moment is a key frame.
pub fn is_key(at: i64) -> bool {
    at % 1_000 < KEYS_MS
}

/// In what form pictures are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Form {
    pub codec: Codec,
    pub size: (u32, u32),
}

pub const FORMS: [Form; 3] = [
    Form { codec: Codec::H264, size: (64, 48) },
    Form { codec: Codec::H264, size: (32, 48) },
    Form { codec: Codec::Vp9, size: (64, 48) },
];

/// What becomes of one of a user's two tracks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum State {
    Away,
    Muted,
    /// There, and nothing is sent.
    Silent,
    On,
}

/// What a user does from a moment on.
#[derive(Debug, Clone)]
pub struct Phase {
    pub from: i64,
    pub picture: State,
    pub sound: State,
    pub form: Form,
    /// The RTP clock of this track jumps by so many seconds.
    pub jump: Option<(Media, i64)>,
    pub losses: Vec<Loss>,
}

/// What a track sends from one moment to another is lost: whole, or of each picture the last packet.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    pub media: Media,
    pub from: i64,
    pub to: i64,
    pub in_part: bool,
}

impl Phase {
    pub fn of(&self, media: Media) -> State {
        if media == Media::Picture { self.picture } else { self.sound }
    }
}

/// When there is no room, or no recorder.
#[derive(Debug, Clone, Copy)]
pub struct Incident {
    pub from: i64,
    pub to: i64,
    pub cause: Cause,
}

#[derive(Debug)]
pub struct Plan {
    pub seed: u64,
    pub users: Vec<Vec<Phase>>,
    pub incidents: Vec<Incident>,
    pub end: i64,
}

impl Plan {
    /// All moments but those of losses are whole seconds.
    pub fn random(seed: u64, users: usize, phases: usize, incidents: &[Cause]) -> Plan {
        let mut random = StdRng::seed_from_u64(seed);
        let mut plan = Plan { seed, users: Vec::new(), incidents: Vec::new(), end: 0 };
        for _ in 0..users {
            let (mut from, mut of_user) = (0, Vec::new());
            for n in 0..phases {
                let phase = random_phase(&mut random, from, n == 0);
                let there = phase.picture == State::On || phase.sound == State::On;
                let seconds = match (there, random.random_range(0..16)) {
                    (true, _) => random.random_range(1..12),
                    (false, 0..5) => random.random_range(1..20),
                    (false, 5..12) => random.random_range(20..59),
                    // Around the limit.
                    (false, 12..14) => MAX_SILENCE_MS / 1_000 + random.random_range(-3..=3),
                    (false, 14) => random.random_range(600..4_000),
                    (false, _) => random.random_range(2 * 3_600..6 * 3_600),
                };
                of_user.push(phase);
                from += seconds * 1_000;
            }
            plan.users.push(of_user);
            plan.end = plan.end.max(from);
        }
        let starts: Vec<i64> = plan.users[0].iter().map(|phase| phase.from).collect();
        let mut free_from = 5_000;
        for start in starts {
            let from = start + random.random_range(0..5) * 1_000;
            let to = from + random.random_range(1..15) * 1_000;
            if random.random_range(0..5) == 0 && from > free_from && to + 5_000 < plan.end {
                let cause = incidents[random.random_range(0..incidents.len())];
                plan.incidents.push(Incident { from, to, cause });
                free_from = to + 5_000;
            }
        }
        plan.lose_packets(&mut random);
        plan
    }

    /// Packets are lost inside of what is sent without a break, so that what comes after them tells of it.
    fn lose_packets(&mut self, random: &mut StdRng) {
        let (end, incidents) = (self.end, &self.incidents);
        for phases in &mut self.users {
            let ends: Vec<i64> = phases.iter().skip(1).map(|phase| phase.from).chain([end]).collect();
            for (phase, end) in phases.iter_mut().zip(ends) {
                let free = (end - phase.from - CALM_MS.0 - CALM_MS.1) / FRAME_MS;
                let lossy = Media::ALL.into_iter().filter(|media| phase.of(*media) == State::On && free > 0);
                for media in lossy.collect::<Vec<_>>() {
                    let from = phase.from + CALM_MS.0 + random.random_range(0..free) * FRAME_MS;
                    let most = ((end - CALM_MS.1 - from) / FRAME_MS).min(20);
                    // One packet of sound, or one picture, or a burst.
                    let to = match random.random_range(0..3) {
                        0 if media == Media::Sound => from + PACKET_MS,
                        0 => from + FRAME_MS,
                        _ => from + random.random_range(1..=most.max(1)) * FRAME_MS,
                    };
                    let disturbs = |incident: &Incident| {
                        let notice = if incident.cause == Cause::ConnectionLost { CALM_MS.1 } else { UNTOLD_MS };
                        incident.from < to + notice && incident.to > from - CALM_MS.0
                    };
                    let in_part = media == Media::Picture && random.random_range(0..2) == 0;
                    if random.random_range(0..3) > 0 && !incidents.iter().any(disturbs) {
                        phase.losses.push(Loss { media, from, to, in_part });
                    }
                }
            }
        }
    }

    pub fn phase(&self, user: usize, at: i64) -> &Phase {
        let phases = &self.users[user];
        &phases[phases.partition_point(|phase| phase.from <= at) - 1]
    }

    pub fn loss(&self, user: usize, media: Media, at: i64) -> Option<&Loss> {
        let losses = &self.phase(user, at).losses;
        losses.iter().find(|loss| loss.media == media && (loss.from..loss.to).contains(&at))
    }

    pub fn incident(&self, at: i64) -> Option<&Incident> {
        self.incidents.iter().find(|incident| (incident.from..incident.to).contains(&at))
    }
}

fn random_phase(random: &mut StdRng, from: i64, first: bool) -> Phase {
    use State::{Away, Muted, On, Silent};
    let (picture, sound) = match random.random_range(0..14) {
        _ if first => (On, On),
        0..4 => (On, On),
        4 => (On, Muted),
        5 => (On, Away),
        6 => (Away, On),
        7 => (Muted, On),
        8 => (Silent, On),
        9 => (On, Silent),
        10 => (Muted, Muted),
        11 => (Silent, Silent),
        _ => (Away, Away),
    };
    let media = Media::ALL[random.random_range(0..2)];
    let hours = [-4, -1, 1, 4][random.random_range(0..4)];
    let jump = (random.random_range(0..4) == 0).then_some((media, hours * 3_600));
    Phase { from, picture, sound, form: FORMS[random.random_range(0..3)], jump, losses: Vec::new() }
}
