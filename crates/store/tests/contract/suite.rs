//! What every store must do, each function on an empty store. All times are Unix milliseconds.

use rules::ids::TaskKey;
use rules::request::FileFormat;
use rules::select::{Source, StreamId, StreamKind};
use serde_json::json;
use store::{
    File, FileFacts, FileRow, FileState, Kind, MAX_NOTES, NewFile, NewTask, Start, Stop, Store, Task, TaskRow,
    TaskState, TaskStep, Vid, Written,
};

const NOW: i64 = 1_780_000_000_000;
const HOUR: i64 = 3_600_000;

fn key(app: &str, room: &str, task: &str) -> TaskKey {
    TaskKey {
        app_id: app.parse().expect("an id"),
        room_id: room.parse().expect("an id"),
        task_id: task.parse().expect("an id"),
    }
}

pub fn new_task(task: &str) -> NewTask {
    NewTask {
        key: key("app", "room", task),
        api_version: "2023-11-01".into(),
        business_id: None,
        request: json!({"RecordMode": 1}),
        room_server: "embedded".into(),
        created_ms: NOW,
    }
}

/// Closes a file and has it arrive.
async fn complete(store: &impl Store, file: &File, path: &str) -> File {
    store.close_file(file.id, path, &facts()).await.unwrap();
    store.complete_file(file.id).await.unwrap()
}

async fn started(store: &impl Store, new: &NewTask) -> Task {
    match store.start_task(new).await.unwrap() {
        Start::Started(task) => task,
        Start::AlreadyRunning(task) => panic!("{} runs already", task.key),
    }
}

pub async fn running(store: &impl Store, name: &str) -> Task {
    let task = started(store, &new_task(name)).await;
    store.advance_task(task.id, &TaskStep::Starting).await.unwrap();
    store.advance_task(task.id, &TaskStep::Recording { started_ms: NOW + 200 }).await.unwrap()
}

fn stopping() -> TaskStep {
    TaskStep::Stopping { reason: "StopByAPI".into(), ended_ms: NOW + 9_000 }
}

async fn done(store: &impl Store, task: &Task) {
    for step in [stopping(), TaskStep::Finishing, TaskStep::Done] {
        store.advance_task(task.id, &step).await.unwrap();
    }
}

fn new_file(task: &Task, user: &str, kind: StreamKind, seq: u32) -> NewFile {
    let mut random = [0; 15];
    let text = format!("{}{user}{kind:?}{seq}", task.id.0);
    random.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    NewFile {
        task: task.id,
        source: StreamId { user: user.into(), kind }.into(),
        seq,
        format: FileFormat::Mp4,
        vid: Vid::from_random(random),
        spool_path: format!("{}/{user}-{seq}.mp4", task.id.0),
        started_ms: NOW + 300,
    }
}

fn facts() -> FileFacts {
    FileFacts {
        duration_ms: 8_700,
        size: 2_000_000,
        video_codec: Some("h264".into()),
        audio_codec: Some("aac".into()),
        width: Some(1280),
        height: Some(720),
        sha256: None,
    }
}

async fn added(store: &impl Store, task: &Task, user: &str) -> File {
    store.add_file(&new_file(task, user, StreamKind::Camera, 0)).await.unwrap()
}

pub async fn a_second_start_finds_the_first(store: &impl Store) {
    let first = started(store, &new_task("t")).await;
    assert_eq!((first.generation, first.state), (1, TaskState::Requested));
    let again = NewTask { request: json!({"RecordMode": 0}), ..new_task("t") };
    for _ in 0..2 {
        assert_eq!(store.start_task(&again).await.unwrap(), Start::AlreadyRunning(first.clone()));
    }
}

pub async fn starts_at_once_give_one_task(store: &impl Store) {
    let new = new_task("t");
    let (a, b, c, d, e) = tokio::join!(
        store.start_task(&new),
        store.start_task(&new),
        store.start_task(&new),
        store.start_task(&new),
        store.start_task(&new)
    );
    let answers = [a, b, c, d, e].map(|answer| answer.unwrap());
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Start::Started(_))).count(), 1);
    assert_eq!(store.list_unfinished().await.unwrap().len(), 1);
}

pub async fn the_same_task_id_runs_in_other_rooms_and_apps(store: &impl Store) {
    for key in [key("app", "room", "t"), key("app", "Room", "t"), key("app2", "room", "t"), key("app", "room", "T")] {
        started(store, &NewTask { key, ..new_task("t") }).await;
    }
    assert_eq!(store.list_unfinished().await.unwrap().len(), 4);
}

pub async fn a_stopped_task_id_may_start_again(store: &impl Store) {
    let first = running(store, "t").await;
    store.advance_task(first.id, &stopping()).await.unwrap();
    let second = started(store, &NewTask { created_ms: NOW + HOUR, ..new_task("t") }).await;
    assert_eq!(second.generation, 2);
    assert_ne!(second.id, first.id);
    // The first one goes on to its end beside the second.
    done(store, &first).await;
    assert_eq!(store.task(first.id).await.unwrap().state, TaskState::Done);
    assert_eq!(store.task(second.id).await.unwrap().state, TaskState::Requested);
}

pub async fn get_answers_the_newest_within_the_window(store: &impl Store) {
    let since = NOW + HOUR - 72 * HOUR;
    let key = key("app", "room", "t");
    assert_eq!(store.newest_task(&key, since).await.unwrap(), None);
    let old = started(store, &NewTask { created_ms: since - 1, ..new_task("t") }).await;
    // Recording for longer than the window: still the caller's task.
    assert_eq!(store.newest_task(&key, since).await.unwrap().map(|t| t.id), Some(old.id));
    done(store, &old).await;
    assert_eq!(store.newest_task(&key, since).await.unwrap(), None);
    assert_eq!(store.newest_task(&key, since - 1).await.unwrap().map(|t| t.id), Some(old.id));
    let new = started(store, &NewTask { created_ms: since, ..new_task("t") }).await;
    assert_eq!(store.newest_task(&key, since).await.unwrap(), Some(new.clone()));
    done(store, &new).await;
    assert_eq!(store.newest_task(&key, since).await.unwrap().map(|t| t.id), Some(new.id));
}

pub async fn a_task_row_keeps_what_was_asked(store: &impl Store) {
    let new = NewTask {
        business_id: Some("b".into()),
        request: json!({"TargetStreams": {"StreamList": [{"UserId": "名"}]}, "x": null}),
        ..new_task("t")
    };
    let task = started(store, &new).await;
    let read = store.task(task.id).await.unwrap();
    assert_eq!(read, task);
    assert_eq!((read.key, read.request, read.business_id), (new.key, new.request, new.business_id));
    assert_eq!((read.api_version, read.room_server, read.created_ms), (new.api_version, new.room_server, NOW));
    assert_eq!((read.started_ms, read.ended_ms, read.stop_reason, read.error), (None, None, None, None));
}

pub async fn a_stop_is_told_apart(store: &impl Store) {
    let key = key("app", "room", "t");
    let stop = || store.stop_task(&key, "StopByAPI", NOW + 5);
    assert_eq!(stop().await.unwrap(), Stop::NotRunning);
    let task = started(store, &new_task("t")).await;
    let Stop::Stopping(stopped) = stop().await.unwrap() else { panic!("it ran") };
    assert_eq!((stopped.id, stopped.state, stopped.ended_ms), (task.id, TaskState::Stopping, Some(NOW + 5)));
    assert_eq!(stopped.stop_reason.as_deref(), Some("StopByAPI"));
    let second = store.stop_task(&key, "IdleTimeOut", NOW + 6).await.unwrap();
    assert_eq!(second, Stop::AlreadyStopping(stopped));
    done(store, &task).await;
    assert_eq!(stop().await.unwrap(), Stop::NotRunning);
}

pub async fn steps_repeat_and_never_lead_back(store: &impl Store) {
    let task = running(store, "t").await;
    let recording = TaskStep::Recording { started_ms: NOW + 999 };
    assert_eq!(store.advance_task(task.id, &recording).await.unwrap(), task);
    assert_eq!(store.advance_task(task.id, &TaskStep::Starting).await.unwrap(), task);
    done(store, &task).await;
    let ended = store.task(task.id).await.unwrap();
    let failed = TaskStep::Failed { reason: "UnknownStopReason".into(), error: "late".into(), ended_ms: NOW };
    for step in [TaskStep::Starting, recording, stopping(), TaskStep::Done, failed] {
        assert_eq!(store.advance_task(task.id, &step).await.unwrap(), ended, "{step:?}");
    }
}

pub async fn a_late_report_does_not_undo_a_stop(store: &impl Store) {
    let task = started(store, &new_task("t")).await;
    store.stop_task(&task.key, "StopByAPI", NOW + 5).await.unwrap();
    let after = store.advance_task(task.id, &TaskStep::Recording { started_ms: NOW + 6 }).await.unwrap();
    assert_eq!((after.state, after.started_ms), (TaskState::Stopping, None));
}

pub async fn what_a_step_set_first_stays(store: &impl Store) {
    let task = running(store, "t").await;
    store.stop_task(&task.key, "IdleTimeOut", NOW + 7).await.unwrap();
    let failed = TaskStep::Failed { reason: "UnknownStopReason".into(), error: "disk".into(), ended_ms: NOW + 99 };
    let after = store.advance_task(task.id, &failed).await.unwrap();
    assert_eq!(after.state, TaskState::Failed);
    assert_eq!((after.started_ms, after.ended_ms), (Some(NOW + 200), Some(NOW + 7)));
    assert_eq!((after.stop_reason.as_deref(), after.error.as_deref()), (Some("IdleTimeOut"), Some("disk")));
}

pub async fn a_task_ends_only_with_all_files_finished(store: &impl Store) {
    let task = running(store, "t").await;
    assert_eq!(store.advance_task(task.id, &TaskStep::Done).await.unwrap_err().kind(), Kind::Conflict);
    let (a, b) = (added(store, &task, "a").await, added(store, &task, "b").await);
    store.advance_task(task.id, &stopping()).await.unwrap();
    store.advance_task(task.id, &TaskStep::Finishing).await.unwrap();
    complete(store, &a, "a.mp4").await;
    let error = store.advance_task(task.id, &TaskStep::Done).await.unwrap_err();
    assert_eq!((error.kind(), error.written()), (Kind::Conflict, Written::No));
    complete(store, &b, "b.mp4").await;
    assert_eq!(store.advance_task(task.id, &TaskStep::Done).await.unwrap().state, TaskState::Done);
}

pub async fn a_failed_start_is_told(store: &impl Store) {
    let task = started(store, &new_task("t")).await;
    let step = TaskStep::Failed { reason: "StartTaskFailed".into(), error: "no room".into(), ended_ms: NOW + 1 };
    let task = store.advance_task(task.id, &step).await.unwrap();
    assert_eq!((task.stop_reason.as_deref(), task.error.as_deref()), (Some("StartTaskFailed"), Some("no room")));
    assert!(store.list_unfinished().await.unwrap().is_empty());
    assert_eq!(started(store, &new_task("t")).await.generation, 2);
}

pub async fn an_unfinished_task_changes_its_worker(store: &impl Store) {
    let task = started(store, &new_task("t")).await;
    for worker in ["one", "two"] {
        assert_eq!(store.claim_task(task.id, worker).await.unwrap().worker.as_deref(), Some(worker));
    }
    done(store, &task).await;
    assert_eq!(store.claim_task(task.id, "three").await.unwrap_err().kind(), Kind::Conflict);
}

pub async fn notes_are_kept_once_and_bounded(store: &impl Store) {
    let task = started(store, &new_task("t")).await;
    store.note_task(task.id, "VP8 is \"not\" recorded").await.unwrap();
    let noted = store.note_task(task.id, "VP8 is \"not\" recorded").await.unwrap();
    assert_eq!(noted.notes, ["VP8 is \"not\" recorded"]);
    for number in 0..2 * MAX_NOTES {
        store.note_task(task.id, &format!("note {number}")).await.unwrap();
    }
    assert_eq!(store.task(task.id).await.unwrap().notes.len(), MAX_NOTES);
}

pub async fn a_mix_has_files_and_streams_of_its_own(store: &impl Store) {
    let task = running(store, "t").await;
    let camera = added(store, &task, "a").await;
    let new = NewFile { source: Source::Mix, ..new_file(&task, "mix", StreamKind::Camera, 0) };
    let mix = store.add_file(&new).await.unwrap();
    assert_eq!((&mix.source, mix.seq), (&Source::Mix, 0));
    assert_eq!(store.add_file(&new).await.unwrap(), mix);
    assert_eq!(store.files_of(task.id).await.unwrap(), [mix, camera]);

    let stream = |user: &str, kind| StreamId { user: user.into(), kind };
    let streams = [stream("b", StreamKind::Screen), stream("a", StreamKind::Camera), stream("b", StreamKind::Camera)];
    for stream in streams.iter().chain(&streams) {
        store.add_mixed_stream(task.id, stream).await.unwrap();
    }
    assert_eq!(store.mixed_streams(task.id).await.unwrap(), streams);
    assert!(store.mixed_streams(TaskRow(task.id.0 + 1)).await.unwrap().is_empty());
}

pub async fn a_request_is_changed_while_the_task_runs(store: &impl Store) {
    let task = running(store, "t").await;
    let changed = json!({"RecordMode": 0, "Layout": "new"});
    assert_eq!(store.change_request(task.id, &changed).await.unwrap().request, changed);
    assert_eq!(store.task(task.id).await.unwrap().request, changed);
    store.advance_task(task.id, &stopping()).await.unwrap();
    assert_eq!(store.change_request(task.id, &json!({})).await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(store.task(task.id).await.unwrap().request, changed);
}

pub async fn a_restart_reads_all_unfinished_work(store: &impl Store) {
    let ended = running(store, "ended").await;
    done(store, &ended).await;
    let requested = started(store, &new_task("requested")).await;
    let recording = running(store, "recording").await;
    let finishing = running(store, "finishing").await;
    let second = store.add_file(&new_file(&finishing, "a", StreamKind::Screen, 1)).await.unwrap();
    let first = store.add_file(&new_file(&finishing, "a", StreamKind::Screen, 0)).await.unwrap();
    let camera = added(store, &finishing, "a").await;
    store.advance_task(finishing.id, &stopping()).await.unwrap();
    store.advance_task(finishing.id, &TaskStep::Finishing).await.unwrap();
    let camera = complete(store, &camera, "c.mp4").await;

    let found = store.list_unfinished().await.unwrap();
    let ids: Vec<TaskRow> = found.iter().map(|unfinished| unfinished.task.id).collect();
    assert_eq!(ids, [requested.id, recording.id, finishing.id]);
    assert!(found[0].files.is_empty() && found[1].files.is_empty());
    assert_eq!(found[2].files, [camera, first, second]);
}

pub async fn a_file_is_added_once(store: &impl Store) {
    let task = running(store, "t").await;
    let new = new_file(&task, "a", StreamKind::Camera, 0);
    let file = store.add_file(&new).await.unwrap();
    assert_eq!((file.state, file.facts.as_ref(), file.library_path.as_ref()), (FileState::Recording, None, None));
    assert_eq!((&file.source, file.seq, file.started_ms), (&new.source, 0, new.started_ms));
    let again = NewFile { vid: Vid::from_random([9; 15]), spool_path: "else".into(), started_ms: 1, ..new.clone() };
    assert_eq!(store.add_file(&again).await.unwrap(), file);
    let twin = NewFile { seq: 1, ..new };
    assert_eq!(store.add_file(&twin).await.unwrap_err().kind(), Kind::Conflict, "a Vid belongs to one file");
}

pub async fn an_ended_task_takes_no_file(store: &impl Store) {
    let task = running(store, "t").await;
    let file = added(store, &task, "a").await;
    complete(store, &file, "a.mp4").await;
    done(store, &task).await;
    let error = store.add_file(&new_file(&task, "b", StreamKind::Camera, 0)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    // The repeated report of a known file is no news.
    assert_eq!(added(store, &task, "a").await.id, file.id);
}

pub async fn a_file_goes_through_its_states(store: &impl Store) {
    let task = running(store, "t").await;
    let file = added(store, &task, "a").await;
    assert_eq!(store.complete_file(file.id).await.unwrap_err().kind(), Kind::Conflict, "it has no place");
    let first = store.close_file(file.id, "x/first.mp4", &facts()).await.unwrap();
    assert_eq!((first.state, first.library_path.as_deref()), (FileState::Finishing, Some("x/first.mp4")));
    let other = FileFacts { size: 1, ..facts() };
    let closed = store.close_file(file.id, "x/a.mp4", &other).await.unwrap();
    assert_eq!((closed.state, closed.facts.as_ref()), (FileState::Finishing, Some(&other)));
    let finished = store.complete_file(file.id).await.unwrap();
    assert_eq!(finished, File { state: FileState::Finished, ..closed });
    assert_eq!((finished.library_path.as_deref(), &finished.vid), (Some("x/a.mp4"), &file.vid));
    assert_eq!(store.complete_file(file.id).await.unwrap(), finished);
    assert_eq!(store.close_file(file.id, "x/b.mp4", &facts()).await.unwrap(), finished);
    let sound = added(store, &task, "b").await;
    let facts = FileFacts { duration_ms: 5, size: 6, audio_codec: Some("opus".into()), ..FileFacts::default() };
    assert_eq!(store.close_file(sound.id, "x/b.mp4", &facts).await.unwrap().facts, Some(facts));
}

pub async fn two_files_never_share_a_place_in_the_library(store: &impl Store) {
    let task = running(store, "t").await;
    let (a, b) = (added(store, &task, "a").await, added(store, &task, "b").await);
    store.close_file(a.id, "same.mp4", &facts()).await.unwrap();
    let error = store.close_file(b.id, "same.mp4", &facts()).await.unwrap_err();
    assert_eq!((error.kind(), error.written()), (Kind::Conflict, Written::No));
    assert_eq!(store.files_of(task.id).await.unwrap()[1], b);
}

pub async fn a_recording_has_a_file_of_each_format(store: &impl Store) {
    let task = running(store, "t").await;
    let of = |format: FileFormat, random: u8| {
        let new = new_file(&task, "a", StreamKind::Camera, 0);
        NewFile { format, vid: Vid::from_random([random; 15]), ..new }
    };
    let mut added = Vec::new();
    for (format, random) in [(FileFormat::Wav, 1), (FileFormat::Mp4, 2), (FileFormat::Hls, 3)] {
        let file = store.add_file(&of(format, random)).await.unwrap();
        assert_eq!(file.format, format);
        assert_eq!(store.add_file(&of(format, random + 10)).await.unwrap(), file);
        added.push(file);
    }
    let next = store.add_file(&new_file(&task, "a", StreamKind::Camera, 1)).await.unwrap();
    let files = store.files_of(task.id).await.unwrap();
    assert_eq!(files[..3], added, "in the order of their adding");
    assert_eq!(files[3..], [next]);
}

pub async fn only_an_unfinished_file_is_discarded(store: &impl Store) {
    let task = running(store, "t").await;
    let (a, b) = (added(store, &task, "a").await, added(store, &task, "b").await);
    complete(store, &a, "a.mp4").await;
    assert_eq!(store.discard_file(a.id).await.unwrap_err().kind(), Kind::Conflict);
    store.discard_file(b.id).await.unwrap();
    store.discard_file(b.id).await.unwrap();
    let left: Vec<FileRow> = store.files_of(task.id).await.unwrap().iter().map(|file| file.id).collect();
    assert_eq!(left, [a.id]);
}

pub async fn files_are_found_by_vid_and_in_pages(store: &impl Store) {
    let (one, two) = (running(store, "one").await, running(store, "two").await);
    let mut files = Vec::new();
    for task in [&one, &two, &one] {
        let user = format!("user-{}", files.len());
        files.push(added(store, task, &user).await);
    }
    assert_eq!(store.file_by_vid(&files[1].vid).await.unwrap().as_ref(), Some(&files[1]));
    assert_eq!(store.file_by_vid(&Vid::from_random([0xee; 15])).await.unwrap(), None);
    let first = store.files_after(FileRow(0), 2).await.unwrap();
    assert_eq!(first, files[..2]);
    assert_eq!(store.files_after(first[1].id, 2).await.unwrap(), files[2..]);
    assert!(store.files_after(files[2].id, 2).await.unwrap().is_empty());
}

pub async fn settings_are_replaced(store: &impl Store) {
    assert_eq!(store.setting("a").await.unwrap(), None);
    for value in ["1", "zwei"] {
        store.put_setting("a", value).await.unwrap();
        assert_eq!(store.setting("a").await.unwrap().as_deref(), Some(value));
    }
    assert_eq!(store.setting("b").await.unwrap(), None);
}

pub async fn unknown_rows_are_not_found(store: &impl Store) {
    let (task, file) = (TaskRow(77), FileRow(77));
    let unknown = Task { id: task, ..started(store, &new_task("t")).await };
    assert_eq!(store.task(task).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(store.advance_task(task, &TaskStep::Starting).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(store.claim_task(task, "w").await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(store.note_task(task, "n").await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(store.change_request(task, &json!({})).await.unwrap_err().kind(), Kind::NotFound);
    let stream = StreamId { user: "a".into(), kind: StreamKind::Camera };
    assert_eq!(store.add_mixed_stream(task, &stream).await.unwrap_err().kind(), Kind::NotFound);
    let new = new_file(&unknown, "a", StreamKind::Camera, 0);
    assert_eq!(store.add_file(&new).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(store.close_file(file, "p", &facts()).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(store.complete_file(file).await.unwrap_err().kind(), Kind::NotFound);
    assert!(store.files_of(task).await.unwrap().is_empty());
    store.discard_file(file).await.unwrap();
}
