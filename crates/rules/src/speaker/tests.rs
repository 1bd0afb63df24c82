//! Conversations in virtual time.

use super::*;

/// One frame of mixed sound.
const FRAME_NS: i64 = 21_333_333;
const LOUD: f32 = 0.01;
const SOFT: f32 = 0.0005;

fn stream(user: &str) -> StreamId {
    StreamId { user: user.into(), kind: StreamKind::Camera }
}

#[derive(Default)]
struct Talk {
    rule: SpeakerRule,
    now: i64,
    /// Milliseconds, and who speaks from then on.
    changes: Vec<(i64, String)>,
}

impl Talk {
    /// For so long (ms) those speak, as loud as that.
    fn hear(&mut self, ms: i64, voices: &[(&StreamId, f32)]) -> &mut Talk {
        self.hear_those(ms, voices, |_| true)
    }

    fn hear_those(&mut self, ms: i64, voices: &[(&StreamId, f32)], may: impl Fn(&StreamId) -> bool) -> &mut Talk {
        for frame in 0..ms * MILLI_NS / FRAME_NS {
            self.now += FRAME_NS;
            // Syllables: 150 ms of sound, 100 ms of nearly none.
            let part = if frame % 12 < 7 { 1.0 } else { 0.001 };
            let heard = |&(stream, power): &(&StreamId, f32)| Loudness { stream: stream.clone(), power: power * part };
            let heard: Vec<Loudness> = voices.iter().map(heard).collect();
            if self.rule.hear(self.now, FRAME_NS, &heard, &may) {
                let speaker = self.rule.speaker().expect("somebody").user.clone();
                self.changes.push((self.now / MILLI_NS, speaker));
            }
        }
        self
    }

    fn speaker(&self) -> Option<&str> {
        self.rule.speaker().map(|stream| stream.user.as_str())
    }
}

#[test]
fn who_speaks_for_a_second_is_the_speaker_and_stays_so_in_silence() {
    let (a, b) = (stream("a"), stream("b"));
    let mut talk = Talk::default();
    talk.hear(900, &[(&a, LOUD)]);
    assert_eq!(talk.speaker(), None);
    talk.hear(300, &[(&a, LOUD)]).hear(60_000, &[(&a, 0.0), (&b, 1e-6)]);
    assert_eq!(talk.speaker(), Some("a"));
    talk.hear(5_000, &[(&b, LOUD)]).hear(5_000, &[(&a, LOUD)]);
    let starts: Vec<i64> = talk.changes.iter().map(|(at, _)| *at).collect();
    assert_eq!(talk.changes.iter().map(|(_, who)| who.as_str()).collect::<String>(), "aba");
    // A second after each begins to speak, give or take the last voice's fading.
    for (start, begins) in starts.iter().zip([0, 61_200, 66_200]) {
        assert!((900..1_600).contains(&(start - begins)), "{starts:?}");
    }
}

#[test]
fn a_cough_an_interjection_and_a_soft_voice_change_nothing() {
    let (a, b) = (stream("a"), stream("b"));
    let mut talk = Talk::default();
    talk.hear(3_000, &[(&a, LOUD)]);
    talk.hear(200, &[(&b, 0.5)]).hear(2_000, &[(&a, LOUD)]);
    talk.hear(600, &[(&a, LOUD), (&b, 2.0 * LOUD)]).hear(2_000, &[(&a, LOUD)]);
    talk.hear(10_000, &[(&a, LOUD), (&b, SOFT)]);
    assert_eq!(talk.speaker(), Some("a"));
    talk.hear(3_000, &[(&a, SOFT), (&b, LOUD)]);
    assert_eq!(talk.speaker(), Some("b"), "the louder of two");
}

#[test]
fn noise_of_the_last_speaker_does_not_hold_up_the_next() {
    let (a, b) = (stream("a"), stream("b"));
    let mut talk = Talk::default();
    talk.hear(3_000, &[(&a, LOUD)]);
    for _ in 0..12 {
        talk.hear(400, &[(&b, LOUD)]).hear(60, &[(&a, 0.1)]);
    }
    assert_eq!(talk.speaker(), Some("b"));
}

#[test]
fn pictures_do_not_jump_more_often_than_every_two_seconds() {
    let users = ["a", "b", "c"].map(stream);
    let mut talk = Talk::default();
    for turn in 0..40 {
        talk.hear(1_400, &[(&users[turn % 3], LOUD)]);
    }
    assert!(talk.changes.len() > 5, "{:?}", talk.changes);
    assert!(talk.changes.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 1_999), "{:?}", talk.changes);
}

#[test]
fn screens_and_those_who_may_not_never_are_the_speaker() {
    let screen = StreamId { user: "s".into(), kind: StreamKind::Screen };
    let (a, b) = (stream("a"), stream("b"));
    let mut talk = Talk::default();
    talk.hear_those(5_000, &[(&screen, 1.0), (&b, LOUD), (&a, SOFT)], |stream| stream.user != "b");
    assert_eq!(talk.speaker(), Some("a"));
    talk.hear(3_000, &[(&screen, 1.0), (&b, LOUD), (&a, SOFT)]);
    assert_eq!(talk.speaker(), Some("b"));
}

#[test]
fn who_is_seen_is_preferred() {
    let screen = StreamId { user: "s".into(), kind: StreamKind::Screen };
    let member = |stream: &StreamId, video| Member { stream: stream.clone(), name: String::new(), video };
    let (a, b) = (stream("a"), stream("b"));
    let may = |members: &[Member]| (may_speak(members, &a), may_speak(members, &b));
    assert_eq!(may(&[member(&a, true), member(&b, false)]), (true, false));
    assert_eq!(may(&[member(&a, false), member(&b, false), member(&screen, true)]), (true, true));
    assert_eq!(may(&[member(&b, true)]), (false, true), "who left does not speak");
}
