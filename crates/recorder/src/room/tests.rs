//! Rooms and their tasks without media.

use std::path::Path;
use std::time::Duration;

use codec::video::{Canvas, Codec, Config, Encoder};
use media::bitstream::vp9;
use media::mp4::{self, FinishOptions, Kind, check};
use media::packet::VideoConfig;
use rtc::client::{Track, TrackKind, TrackSource};
use rules::layout::{Arrangement, Overlays, Plan};
use rules::request::{FileFormat, FrameFill};
use rules::select::{MAX_STREAMS, Selection, StreamKind};

use super::tracks::tests::track;
use super::*;
use crate::messages::{Anew, AudioPlan, MixCodec, MixPlan, MixedAudio, OutputPlan, TaskJob, VideoPlan};
use crate::order;
use crate::unit::Picture;

pub(super) fn job(dir: &Path, output: OutputPlan) -> TaskJob {
    let select = Selection::default();
    TaskJob {
        task: 1,
        dir: dir.to_owned(),
        select,
        output,
        formats: Vec::new(),
        audio_only: false,
        max_idle_ms: 1_000,
        ends_ms: None,
    }
}

fn mix() -> OutputPlan {
    let layout = Plan {
        width: 64,
        height: 64,
        background: [0; 3],
        background_image: None,
        frame_fill: FrameFill::Black,
        arrangement: Arrangement::Adaptive,
        max_cells: MAX_STREAMS,
        overlays: Overlays::default(),
    };
    let video = VideoPlan { codec: MixCodec::H264, encoder: None, fps: 25, bitrate: 100_000, gop_s: 4 };
    let audio = MixedAudio { rate: 48_000, channels: 2, bitrate: 64_000 };
    OutputPlan::Mix(Box::new(MixPlan { layout, images: BTreeMap::new(), fonts: Vec::new(), video, audio }))
}

pub(super) fn syncs() -> SyncQueue {
    SyncQueue::start(Duration::from_secs(2)).expect("a thread")
}

fn with_sound(identity: &str) -> Participant {
    let track = track(&format!("TR_{identity}"), TrackKind::Audio, TrackSource::Microphone);
    Participant { identity: identity.into(), tracks: vec![track], ..nobody() }
}

#[test]
fn a_user_whose_id_makes_no_file_name_is_in_a_mix_all_the_same() {
    let streams =
        OutputPlan::Streams { audio: AudioPlan::Opus, anew: Anew::default(), max_silence_ms: 0, keep_source: false };
    // Of three bytes each, which are nine in a name.
    let user = "陈".repeat(23);
    for (output, mixed) in [(streams, false), (mix(), true)] {
        let dir = tempfile::tempdir().expect("a folder");
        let (clock, syncs) = (Clock::start(), syncs());
        let mut task =
            Task::new(job(dir.path(), output), &clock, Settings::default(), &syncs, Mono(0)).expect("a task");
        let mut tracks = Tracks::default();
        let changes = tracks.update(&with_sound(&user));
        task.update(&tracks, true, Mono(0));
        let note = task.offer(&changes.changed[0], Settings::default(), &syncs);
        assert_eq!(task.records(&StreamId { user: user.clone(), kind: StreamKind::Camera }), mixed);
        assert_eq!(note.is_some_and(|text| text.contains("too long for a file name")), !mixed);
        task.suspend(&clock, clock.now());
    }
}

#[test]
fn a_mix_keeps_its_order_over_a_loss_of_the_room_and_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let joined = |user: &str| RoomEvent::Participant(with_sound(user));
    // As they publish, and as all are told again, in the order of joining.
    let (lived, told) = (["c", "a", "b"], ["a", "b", "c"]);
    let up = |rejoined| RoomEvent::Connected { rejoined };
    for (begins, closed) in [(lived, true), (told, false)] {
        let mut room = Room::new(Clock::start(), Settings::default(), syncs());
        room.start(job(dir.path(), mix()), Mono(0));
        let mut happens = |event| room.handle_event(event, Mono(0));
        begins.into_iter().for_each(|user| happens(joined(user)));
        happens(up(false));
        if closed {
            happens(RoomEvent::Closed { reason: CloseReason::RoomClosed });
            told.into_iter().for_each(|user| happens(joined(user)));
            happens(up(true));
        }
        happens(joined("d"));
        let users = room.tasks[&1].streams().into_iter().map(|stream| stream.user).collect::<Vec<_>>();
        assert_eq!(users, ["c", "a", "b", "d"], "closed: {closed}");
        room.flush(Mono(0));
        assert_eq!(order::read(dir.path()).len(), 4);
    }
}

/// Pictures of VP9, 25 a second from 1 s on, every 25th a key frame.
fn vp9_pictures(count: i64) -> Vec<Unit> {
    let mut encoder = Encoder::new(&Config::live(Codec::Vp9, 160, 90, 25, 100_000, 25)).expect("an encoder");
    let mut canvas = Canvas::new(160, 90).expect("a canvas");
    let picture = |n: i64| {
        let packet = encoder.encode_canvas(&mut canvas, n, n % 25 == 0).expect("encoded").remove(0);
        let config = vp9::key_frame(&packet.data).expect("a frame").map(|config| Arc::new(VideoConfig::Vp9(config)));
        let at = Mono((1_000 + n * 40) * MILLI_NS);
        let (data, key) = (packet.data, packet.key);
        Unit::Picture(Picture {
            at,
            arrival: at,
            data,
            key,
            after_loss: false,
            missing_before: None,
            config,
            rotation: 0,
        })
    };
    (0..count).map(picture).collect()
}

#[test]
fn each_task_of_a_room_gets_the_form_of_a_track_that_its_files_take() {
    use FileFormat::{Hls, Mp4, Webm};
    let wanted = [(vec![Mp4], "vp9"), (vec![Mp4, Hls], "h264"), (vec![Hls], "h264"), (vec![Webm], "vp9")];
    let dirs = [(); 4].map(|()| tempfile::tempdir().expect("a folder"));
    let mut room = Room::new(Clock::start(), Settings::default(), syncs());
    let sid: Arc<str> = "TR_v".into();
    let begin = |room: &mut Room, n: usize| {
        let output = OutputPlan::Streams {
            audio: AudioPlan::Opus,
            anew: Anew::default(),
            max_silence_ms: 60_000,
            keep_source: false,
        };
        let job = TaskJob { task: n as i64, formats: wanted[n].0.clone(), ..job(dirs[n].path(), output) };
        room.start(job, Mono(0));
    };
    begin(&mut room, 0);
    room.handle_event(RoomEvent::Connected { rejoined: false }, Mono(0));
    let mut anna = with_sound("anna");
    let camera =
        Track { sid: sid.to_string(), kind: TrackKind::Video, source: TrackSource::Camera, ..anna.tracks.remove(0) };
    anna.tracks.push(camera);
    room.handle_event(RoomEvent::Participant(anna), Mono(0));
    let subscribed = RoomEvent::Subscribed { track_sid: sid.clone(), mime: "video/VP9".into(), clock_rate: 90_000 };
    room.handle_event(subscribed, Mono(0));
    assert!(room.transcoders.is_empty());
    // While the track is there.
    (1..4).for_each(|n| begin(&mut room, n));
    assert_eq!(room.transcoders[&sid].len(), 1, "one for both that want the same");
    let notes = |room: &mut Room| {
        let note = |action| {
            if let Action::Report(Report::Note { task, text, .. }) = action { Some((task, text)) } else { None }
        };
        room.take_actions().into_iter().filter_map(note).collect::<Vec<_>>()
    };
    let told = "the picture is video/VP9 and is encoded anew, as H.264".to_owned();
    assert_eq!(notes(&mut room), [(1, told.clone()), (2, told)]);
    for unit in vp9_pictures(50) {
        let now = unit.at();
        room.units.push(unit);
        room.deliver(&sid, now);
        room.handle_time(now);
    }
    room.flush(Mono(0));
    for ((formats, codec), dir) in wanted.iter().zip(&dirs) {
        let (_, path) = crate::names::list(dir.path()).expect("a folder").remove(0);
        let finished = mp4::finish(&path, &FinishOptions::default(), &crate::disk::BlackAndSilence).expect("finished");
        check(&path).expect("a file without faults");
        let track = finished.tracks.iter().find(|track| track.codec.kind() == Kind::Video).expect("a picture");
        assert_eq!((track.codec.name(), track.samples), (*codec, 50), "{formats:?}");
    }
}
