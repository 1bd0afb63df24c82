//! A mix in virtual time, of users whose media arrives as soon as it is captured.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use codec::file;
use codec::video::{Canvas, Codec, Config, Encoder, Rect};
use media::bitstream::annex_b;
use media::bitstream::h264::H264Config;
use media::mp4::{self, Finished, check};
use media::packet::VideoConfig;
use rules::ledger::{Entry, Fact, Media, Presence, Report, Span, Tally};
use rules::select::{Source, StreamKind};
use rules::time::MILLI_NS;

use super::super::*;
use crate::growing::Place;
use crate::messages::{MixPlan, Settings};
use crate::names;
use crate::sync::SyncQueue;
use crate::unit::{Picture, SoundPacket};

pub const PACKET_MS: i64 = 20;
/// How far the mix is made behind the present.
const BEHIND_MS: i64 = 400;

pub fn ms(ms: i64) -> Mono {
    Mono(ms * MILLI_NS)
}

/// See the module's head.
pub struct Room {
    dir: tempfile::TempDir,
    clock: Clock,
    mix: Option<Mix>,
    events: Vec<MixEvent>,
    job: MixJob,
}

/// What became of it.
pub struct Recording {
    dir: Arc<tempfile::TempDir>,
    epoch: i64,
    pub path: PathBuf,
    pub finished: Finished,
    pub events: Vec<MixEvent>,
}

impl Room {
    pub fn new(plan: MixPlan) -> Room {
        Room::with(plan, Settings::default())
    }

    pub fn with(plan: MixPlan, settings: Settings) -> Room {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Clock::start();
        let syncs = SyncQueue::start(Duration::from_secs(2)).expect("a thread");
        let place = Place { source: Source::Mix, dir: dir.path().to_owned(), keep_source: false, syncs };
        let job = MixJob { place, plan, audio_only: false, settings };
        let mix = Some(Mix::new(job.clone(), clock).expect("a mix"));
        Room { dir, clock, mix, events: Vec::new(), job }
    }

    pub fn mix(&mut self) -> &mut Mix {
        self.mix.as_mut().expect("a mix")
    }

    /// Who is there from `at` (ms) on; of each, whether the camera is on.
    pub fn members(&mut self, users: &[(&str, bool)], at: i64) {
        let member = |user: &str, video| Member { stream: stream(user), name: String::new(), video };
        let members = users.iter().map(|(user, video)| member(user, *video)).collect();
        self.mix().set_members(members, ms(at));
    }

    pub fn picture(&mut self, user: &str, at: Mono, data: &Bytes, rotation: u16) {
        self.unit(user, Picture { rotation, ..key_frame(at, data) });
    }

    pub fn unit(&mut self, user: &str, picture: Picture) {
        self.mix().push(&stream(user), Unit::Picture(picture)).expect("taken");
    }

    /// 20 ms of sound.
    pub fn sound(&mut self, user: &str, at: Mono, data: &Bytes) {
        let sound = SoundPacket { at, arrival: at, data: data.clone(), duration: 960, after_loss: false };
        self.mix().push(&stream(user), Unit::Sound(sound)).expect("taken");
    }

    /// Time passes up to `to` (ms) without media.
    pub fn wait(&mut self, from: i64, to: i64) {
        (from..to).step_by(PACKET_MS as usize).for_each(|t| self.run(t));
    }

    pub fn run(&mut self, now: i64) {
        self.mix().advance(ms(now - BEHIND_MS), ms(now)).expect("made");
        let events = self.mix().take_events();
        self.events.extend(events);
    }

    /// The recorder ends, and another one goes on.
    pub fn restart(&mut self) {
        self.mix.take().expect("a mix").suspend().expect("written");
        self.mix = Some(Mix::new(self.job.clone(), self.clock).expect("a mix"));
    }

    /// Ends the recording at `end` (ms).
    pub fn close(self, end: i64) -> Recording {
        let mut files = self.close_all(end);
        assert_eq!(files.len(), 1, "all is in one file");
        files.remove(0)
    }

    /// Ends a recording of any number of files at `end` (ms). Each has all events.
    pub fn close_all(mut self, end: i64) -> Vec<Recording> {
        let last = self.mix().close(ms(end)).expect("closed").expect("a file");
        let told = self.mix().take_events();
        self.events.extend(told);
        let ended = |event: &MixEvent| if let MixEvent::Ended(closed) = event { Some(closed.clone()) } else { None };
        let closed: Vec<Closed> = self.events.iter().filter_map(ended).chain([last]).collect();
        assert_eq!(names::list(self.dir.path()).expect("a folder").len(), closed.len(), "every file has its end");
        let (dir, events, epoch) = (Arc::new(self.dir), self.events, self.clock.wall(ms(0)).millis());
        let complete = |closed: Closed| {
            let options = mp4::FinishOptions { end: closed.end, still: closed.still, cut: closed.cut };
            let finished = mp4::finish(&closed.path, &options, &crate::disk::BlackAndSilence).expect("finished");
            check(&closed.path).expect("a file without faults");
            crate::facts::add_file(dir.path(), &closed.file, &closed.path);
            Recording { dir: dir.clone(), epoch, path: closed.path, finished, events: events.clone() }
        };
        closed.into_iter().map(complete).collect()
    }
}

impl Recording {
    /// What the mix tells of itself and of these users, of whom media came all the time up to `end` (ms). Times since 0.
    pub fn account(&self, users: &[&str], end: i64) -> Report {
        let mut ledger = crate::facts::read(self.dir.path()).expect("facts");
        let (start, end) = (self.epoch, self.epoch + end);
        let mut take = |at, fact| ledger.take(Entry { at, fact });
        for (user, media) in users.iter().flat_map(|user| Media::ALL.map(|media| (user, media))) {
            let came = vec![Span { start, end }];
            take(start, Fact::Presence { stream: stream(user), media, is: Presence::On });
            take(start, Fact::Tally { stream: stream(user), media, tally: Tally { came, ..Tally::default() }.into() });
        }
        take(end, Fact::End);
        let mut report = Report::default();
        ledger.tell(end, &mut report);
        let lanes = report.streams.iter_mut().chain(&mut report.mix).flat_map(|of| [&mut of.picture, &mut of.sound]);
        lanes.flatten().flat_map(|lane| &mut lane.gaps).for_each(|gap| gap.start -= start);
        report
    }

    /// What is in the file.
    pub fn content(&self) -> impl Iterator<Item = file::Event> {
        let whole = |event| match event {
            file::Event::Broken(error) => panic!("{error}"),
            event => event,
        };
        file::Reader::open(&self.path).expect("a readable file").map(whole)
    }
}

pub fn stream(user: &str) -> StreamId {
    StreamId { user: user.into(), kind: StreamKind::Camera }
}

pub fn key_frame(at: Mono, data: &Bytes) -> Picture {
    let (data, config) = (data.clone(), Some(config()));
    Picture { at, arrival: at, data, key: true, after_loss: false, missing_before: None, config, rotation: 0 }
}

/// A key frame of boxes in one colour each, Y Cb Cr.
pub fn coded((width, height): (u32, u32), boxes: &[(Rect, [u8; 3])]) -> Bytes {
    let config = Config::live(Codec::H264, width, height, 25, 500_000, 1);
    let mut canvas = Canvas::new(width, height).expect("a canvas");
    boxes.iter().for_each(|(rect, colour)| canvas.fill(*rect, *colour));
    let packets = Encoder::new(&config).and_then(|mut encoder| encoder.encode_canvas(&mut canvas, 0, true));
    annex_b::to_lengths(&packets.expect("encoded")[0].data).into()
}

/// What matters of it here is the codec: sizes are in the pictures themselves.
fn config() -> Arc<VideoConfig> {
    Arc::new(VideoConfig::H264(H264Config {
        sps: Vec::new(),
        pps: Vec::new(),
        width: 128,
        height: 64,
        profile: 66,
        compatibility: 0,
        level: 10,
        chroma_format: 1,
        bit_depth_luma: 8,
        bit_depth_chroma: 8,
        reorder_frames: Some(0),
    }))
}
