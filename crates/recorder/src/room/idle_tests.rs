//! When files end and when their task does: several streams of one task, in virtual time.

use std::time::{Duration, Instant};

use codec::opus;
use media::mp4::{self, FinishOptions, check};
use rtc::client::{Track, TrackKind, TrackPacket, TrackSource};
use rules::time::ns_to_ticks;

use super::tests::{job, syncs};
use super::tracks::tests::track;
use super::*;
use crate::messages::{Anew, AudioPlan, OutputPlan, OwnEnd, TaskJob};
use crate::take::Closed;

const PACKET_MS: i64 = 20;
/// A turn of the room, in which ten packets may come.
const TURN_MS: i64 = 200;
const RATE: u32 = 48_000;

fn ms(ms: i64) -> Mono {
    Mono(ms * MILLI_NS)
}

/// What a room does about its files and its task.
#[derive(Debug, Clone, PartialEq)]
enum Done {
    Opened(String, u32),
    Closed(String, u32),
    Ended(OwnEnd),
    /// With it the files that were still open: whose, and for how long they last, in ms.
    Finished(Vec<(String, i64)>),
}

use Done::{Ended, Finished, Opened};

/// A room with one task.
struct Scene {
    dir: tempfile::TempDir,
    room: Room,
    origin: Instant,
    sound: Vec<u8>,
    now: i64,
    /// Who is there, and whether they are heard.
    users: BTreeMap<&'static str, bool>,
    /// What was done, and at which second.
    done: Vec<(i64, Done)>,
}

impl Scene {
    fn new(max_silence_s: i64, max_idle_s: i64) -> Scene {
        let dir = tempfile::tempdir().expect("a folder");
        let max_silence_ms = max_silence_s * 1_000;
        let (audio, anew) = (AudioPlan::Opus, Anew::default());
        let output = OutputPlan::Streams { audio, anew, max_silence_ms, keep_source: false };
        let mut room = Room::new(Clock::start(), Settings::default(), syncs());
        let origin = Instant::now();
        room.start(TaskJob { max_idle_ms: max_idle_s * 1_000, ..job(dir.path(), output) }, ms(0));
        room.handle_event(RoomEvent::Connected { rejoined: false }, ms(0));
        let packet = opus::Encoder::new(1, 32_000).and_then(|mut encoder| encoder.encode(&[0.1; 960]));
        let sound = packet.expect("a packet").to_vec();
        Scene { dir, room, origin, sound, now: 0, users: BTreeMap::new(), done: Vec::new() }
    }

    /// The user comes, or is heard again, or is muted.
    fn comes(&mut self, user: &'static str, heard: bool) {
        let came = self.users.insert(user, heard).is_none();
        let own = track(&format!("TR_{user}"), TrackKind::Audio, TrackSource::Microphone);
        let tracks = vec![Track { muted: !heard, ..own }];
        let told = Participant { identity: user.into(), tracks, ..nobody() };
        self.room.handle_event(RoomEvent::Participant(told), ms(self.now));
        if came {
            let (track_sid, mime) = (format!("TR_{user}").into(), "audio/opus".into());
            let subscribed = RoomEvent::Subscribed { track_sid, mime, clock_rate: RATE };
            self.room.handle_event(subscribed, ms(self.now));
        }
    }

    fn leaves(&mut self, user: &str) {
        self.users.remove(user);
        self.room.handle_event(RoomEvent::ParticipantLeft { identity: user.into() }, ms(self.now));
    }

    /// Everybody who is heard sends, until this second.
    fn until(&mut self, second: i64) {
        while self.now < second * 1_000 {
            let heard: Vec<_> = self.users.iter().filter(|(_, heard)| **heard).map(|(user, _)| *user).collect();
            for at in (self.now..self.now + TURN_MS).step_by(PACKET_MS as usize) {
                heard.iter().for_each(|user| self.send(user, at));
            }
            self.now += TURN_MS;
            self.room.handle_time(ms(self.now));
            self.note_actions();
        }
    }

    fn send(&mut self, user: &str, at: i64) {
        let packet = TrackPacket {
            track_sid: format!("TR_{user}").into(),
            seq: at as u64 / PACKET_MS as u64,
            rtp_time: ns_to_ticks(at * MILLI_NS, RATE) as u64,
            clock_rate: RATE,
            payload_type: 96,
            marker: false,
            starts_key_frame: false,
            payload: self.sound.clone().into(),
            arrival: self.origin + Duration::from_millis(at as u64),
            rotation: None,
            audio_level: None,
        };
        self.room.handle_event(RoomEvent::Packet(packet), ms(at));
    }

    fn note_actions(&mut self) {
        for action in self.room.take_actions() {
            let done = match action {
                Action::Report(Report::FileOpened { file, .. }) => Opened(user(&file.source), file.sequence),
                Action::Report(Report::Ends { why, .. }) => Ended(why),
                Action::Disk(DiskJob::Close { closed, .. }) => {
                    Done::Closed(user(&closed.file.source), closed.file.sequence)
                }
                Action::Disk(DiskJob::Finish { closed, .. }) => Finished(closed.iter().map(complete).collect()),
                _ => continue,
            };
            self.done.push((self.now / 1_000, done));
        }
    }
}

fn user(source: &Source) -> String {
    source.stream().expect("a stream's").user.clone()
}

/// Whose file it is, and for how long it lasts.
fn complete(closed: &Closed) -> (String, i64) {
    let options = FinishOptions { end: closed.end, still: closed.still, cut: closed.cut };
    let finished = mp4::finish(&closed.path, &options, &crate::disk::BlackAndSilence).expect("finished");
    check(&closed.path).expect("a file without faults");
    (user(&closed.file.source), finished.duration().as_millis() as i64)
}

fn opened(user: &str, sequence: u32) -> Done {
    Opened(user.to_owned(), sequence)
}

fn closed(user: &str, sequence: u32) -> Done {
    Done::Closed(user.to_owned(), sequence)
}

#[test]
fn one_stream_keeps_the_task_while_the_gap_of_another_ends_its_file() {
    let mut scene = Scene::new(60, 100);
    scene.comes("anna", true);
    scene.comes("ben", true);
    scene.until(10);
    scene.leaves("anna");
    // Longer than the silence and the idle time.
    scene.until(150);
    scene.comes("anna", true);
    scene.until(160);
    scene.leaves("ben");
    // Somebody who is muted is there: the file ends, and the task does not.
    scene.comes("anna", false);
    scene.until(300);
    scene.comes("anna", true);
    scene.until(310);
    scene.leaves("anna");
    scene.until(420);
    let expected = [
        (0, opened("anna", 0)),
        (0, opened("ben", 0)),
        (70, closed("anna", 0)),
        (150, opened("anna", 1)),
        (220, closed("anna", 1)),
        (220, closed("ben", 0)),
        (300, opened("anna", 2)),
        (370, closed("anna", 2)),
        (410, Ended(OwnEnd::Idle)),
        (410, Finished(Vec::new())),
    ];
    assert_eq!(scene.done, expected);
    assert_eq!(crate::names::list(scene.dir.path()).expect("a folder").len(), 4);
}

#[test]
fn a_task_that_is_idle_sooner_ends_in_the_gaps_of_its_files() {
    let mut scene = Scene::new(60, 30);
    scene.comes("anna", true);
    scene.comes("ben", true);
    scene.until(10);
    scene.leaves("anna");
    scene.until(25);
    scene.leaves("ben");
    // In time: the gap is in the same file.
    scene.until(40);
    scene.comes("anna", true);
    scene.until(50);
    scene.leaves("anna");
    scene.until(90);
    let [anna, ben, idle, (at, Finished(files))] = &scene.done[..] else { panic!("{:?}", scene.done) };
    assert_eq!([anna, ben], [&(0, opened("anna", 0)), &(0, opened("ben", 0))]);
    // Both files are open: no gap has become as long as one may be.
    assert_eq!((idle, at), (&(80, Ended(OwnEnd::Idle)), &80));
    assert_eq!(files.len(), 2, "{files:?}");
    for ((user, length), (wanted, lasts)) in files.iter().zip([("anna", 50_000), ("ben", 25_000)]) {
        assert!(user == wanted && (length - lasts).abs() <= PACKET_MS, "{files:?}: no filler behind the last sound");
    }
}
