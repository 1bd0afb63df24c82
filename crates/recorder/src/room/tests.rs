//! Rooms and their tasks without media.

use std::path::Path;
use std::time::Duration;

use rtc::client::{Track, TrackKind, TrackSource};
use rules::layout::{Arrangement, Overlays, Plan};
use rules::request::FrameFill;
use rules::select::{MAX_STREAMS, Selection, StreamKind};

use super::*;
use crate::messages::{Anew, AudioPlan, MixCodec, MixPlan, MixedAudio, OutputPlan, TaskJob, VideoPlan};
use crate::order;

fn job(dir: &Path, output: OutputPlan) -> TaskJob {
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

fn syncs() -> SyncQueue {
    SyncQueue::start(Duration::from_secs(2)).expect("a thread")
}

fn with_sound(identity: &str) -> Participant {
    let track = Track {
        sid: format!("TR_{identity}"),
        name: String::new(),
        kind: TrackKind::Audio,
        source: TrackSource::Microphone,
        muted: false,
        mime: String::new(),
        layers: Vec::new(),
        width: 0,
        height: 0,
        encrypted: false,
        simulcast: false,
    };
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
        let mut task = Task::new(job(dir.path(), output), &clock, Settings::default(), &syncs).expect("a task");
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
        room.flush();
        assert_eq!(order::read(dir.path()).len(), 4);
    }
}
