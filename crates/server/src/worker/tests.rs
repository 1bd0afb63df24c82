//! Tasks that the worker ends by itself, without a recorder.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use media::mp4::{Anchor, Sample, SampleEntry, Writer};
use recorder::messages::FileName;
use rules::ids::TaskKey;
use rules::request::Version;
use rules::select::{StreamId, StreamKind};
use serde_json::json;
use store::{FileState, NewTask, Sqlite, Start, TaskState};

use super::room::Supervisor;
use super::*;
use crate::fetch::{Fetcher, Limits};

const SERVER: &str = "gone";

struct Bench {
    worker: Worker,
    store: Arc<dyn Store>,
    dir: tempfile::TempDir,
}

impl Bench {
    /// A worker that knows no room server any more.
    async fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&dir.path().join("t.db")).await.unwrap());
        let config = WorkerConfig {
            spool: dir.path().join("spool"),
            library: dir.path().join("library"),
            images: Images::new(dir.path().join("images"), Fetcher::new(Limits::default(), Vec::new()).unwrap()),
            room_servers: BTreeMap::new(),
            settings: Settings::default(),
            program: "/nonexistent".into(),
            log: "off".into(),
            encoders: plan::Encoders::default(),
            fonts: Vec::new(),
            max_cpu: 0,
            instance: "test".into(),
        };
        Bench { worker: Worker::new(config, store.clone()), store, dir }
    }

    async fn start(&self) -> Start {
        self.start_as(request(json!({ "RecordMode": 1 }))).await
    }

    async fn start_as(&self, request: StartRecord) -> Start {
        let key: TaskKey = request.key.clone();
        let new = NewTask {
            key,
            api_version: "2023-11-01".into(),
            business_id: None,
            request: request.into(),
            room_server: SERVER.into(),
            created_ms: now_ms(),
        };
        self.store.start_task(&new).await.unwrap()
    }

    async fn task(&self) -> Task {
        let Start::Started(task) = self.start().await else { panic!("it is the first") };
        task
    }

    /// What a recorder that was killed leaves: a row, and a file that is not finished.
    async fn recorded(&self, task: &Task, user: &str) {
        let name = FileName { source: StreamId { user: user.into(), kind: StreamKind::Camera }.into(), sequence: 0 };
        std::fs::create_dir_all(self.worker.inner.task_dir(task.id)).unwrap();
        files::open(&self.worker.inner, task.id, &name, 0).await.unwrap();
        record(&recorder::spool_file(&self.worker.inner.task_dir(task.id), &name));
    }

    async fn ended(&self, task: &Task) -> Task {
        let ended = async {
            loop {
                let task = self.store.task(task.id).await.unwrap();
                if task.state.is_ended() && !self.worker.inner.settling().contains(&task.id.0) {
                    return task;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the task ends")
    }
}

/// A request with these fields added.
fn request(fields: serde_json::Value) -> StartRecord {
    let mut body = json!({
        "AppId": "app", "RoomId": "room", "TaskId": "task",
        "StorageConfig": { "Type": 1, "VodConfig": { "AccountId": "21", "Space": "media" } },
    });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    StartRecord::parse(Version::V2023_11_01, &body).unwrap()
}

/// Half a second of Opus.
fn record(path: &Path) {
    let mut writer = Writer::create(path, Anchor::default()).unwrap();
    let track = writer.add_track(SampleEntry::opus(1, 0)).unwrap();
    for packet in 0..25 {
        let data = Bytes::from(vec![0xf8, 0xff, 0xfe, packet as u8]);
        let sample = Sample { entry: 0, dts: packet * 960, duration: 960, key: true, after_still: false, data };
        writer.push(track, sample).unwrap();
    }
    writer.flush().unwrap();
}

#[tokio::test]
async fn a_task_whose_room_server_is_gone_fails_with_its_files_in_the_library() {
    let bench = Bench::new().await;
    let task = bench.task().await;
    bench.recorded(&task, "alice").await;
    assert_eq!(bench.worker.resume().await.unwrap(), 1);
    let task = bench.ended(&task).await;
    assert_eq!((task.state, task.stop_reason.as_deref()), (TaskState::Failed, Some(reports::FAILED)));
    assert!(task.error.unwrap().contains("\"gone\" is not configured"));
    let files = bench.store.files_of(task.id).await.unwrap();
    assert_eq!(files.iter().map(|file| file.state).collect::<Vec<_>>(), [FileState::Finished]);
    let path = bench.dir.path().join("library").join(files[0].library_path.as_ref().unwrap());
    media::mp4::check(&path).unwrap();
    assert!(!bench.worker.inner.task_dir(task.id).exists());
}

#[tokio::test]
async fn a_task_that_was_stopping_is_done_without_its_room_server() {
    let bench = Bench::new().await;
    let task = bench.task().await;
    bench.recorded(&task, "alice").await;
    bench.store.stop_task(&task.key, "StopByAPI", 1).await.unwrap();
    bench.worker.resume().await.unwrap();
    let task = bench.ended(&task).await;
    assert_eq!((task.state, task.stop_reason.as_deref()), (TaskState::Done, Some("StopByAPI")));
    assert_eq!(bench.store.files_of(task.id).await.unwrap().len(), 1);
}

/// The recording is made into what was asked for, without a recorder; and where that was begun, it is gone on with.
#[tokio::test]
async fn other_formats_are_made_without_a_recorder() {
    let formats = json!({ "FileFormat": ["WAV", "HLS", "OGG"] });
    for moved in [false, true] {
        let bench = Bench::new().await;
        let asked = request(json!({ "RecordMode": 1, "FileFormatConfig": formats }));
        let Start::Started(task) = bench.start_as(asked).await else { panic!("it is the first") };
        bench.recorded(&task, "alice").await;
        let (inner, dir) = (&bench.worker.inner, bench.worker.inner.task_dir(task.id));
        std::fs::write(dir.join("formats"), formats["FileFormat"].to_string()).unwrap();
        if moved {
            // By a worker that died with its recorder, after the first of them was in the library.
            let name =
                FileName { source: StreamId { user: "alice".into(), kind: StreamKind::Camera }.into(), sequence: 0 };
            let made = recorder::complete(&dir, &name).unwrap();
            files::complete(inner, &task, &made.files[0]).await.unwrap();
            std::fs::remove_file(recorder::spool_file(&dir, &name)).unwrap();
        }
        settle::try_settle(inner, task.id, &mut Ending { unattended: true, ..Ending::default() }).await.unwrap();
        let files = bench.store.files_of(task.id).await.unwrap();
        assert!(files.iter().all(|file| file.state == FileState::Finished), "{files:?}");
        let made: Vec<&str> = files.iter().map(|file| file.format.name()).collect();
        assert_eq!(made, ["WAV", "HLS", "OGG"]);
        let stem = |file: &store::File| Path::new(file.library_path.as_ref().unwrap()).with_extension("");
        assert!(files.iter().all(|file| stem(file) == stem(&files[0])));
        assert!(!dir.exists(), "nothing is left in the spool");
        let sqlite = Sqlite::open(&bench.dir.path().join("t.db")).await.unwrap();
        let place = crate::check::Place {
            spool: inner.config.spool.clone(),
            library: inner.config.library.clone(),
            quick: false,
        };
        assert_eq!(place.compare(&sqlite).await.unwrap().faults, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_task_running() {
    let bench = Bench::new().await;
    std::fs::write(bench.dir.path().join("spool"), "no folder").unwrap();
    let task = bench.task().await;
    assert!(matches!(bench.worker.start(&task).await, Err(WorkerError::Spool(_))));
    assert!(matches!(bench.start().await, Start::Started(_)), "it can be started anew");
    let task = bench.ended(&task).await;
    assert_eq!((task.state, task.stop_reason.as_deref()), (TaskState::Failed, Some(reports::FAILED)));
    assert!(task.error.unwrap().contains("spool"));
}

#[tokio::test]
async fn a_file_is_given_up_only_where_its_folder_is_there() {
    let bench = Bench::new().await;
    let task = bench.task().await;
    bench.recorded(&task, "alice").await;
    let (dir, away) = (bench.worker.inner.task_dir(task.id), bench.dir.path().join("unmounted"));
    std::fs::rename(&dir, &away).unwrap();
    let mut ending = Ending::default();
    settle::try_settle(&bench.worker.inner, task.id, &mut ending).await.unwrap_err();
    assert_eq!(bench.store.files_of(task.id).await.unwrap().len(), 1, "its row stays");
    std::fs::rename(&away, &dir).unwrap();
    settle::try_settle(&bench.worker.inner, task.id, &mut ending).await.unwrap();
    let files = bench.store.files_of(task.id).await.unwrap();
    assert_eq!(files[0].state, FileState::Finished);
}

#[tokio::test]
async fn the_end_of_a_task_notes_a_stop_that_the_store_refused() {
    let bench = Bench::new().await;
    let task = bench.task().await;
    std::fs::create_dir_all(bench.worker.inner.task_dir(task.id)).unwrap();
    bench.store.advance_task(task.id, &TaskStep::Recording { started_ms: 1 }).await.unwrap();
    let mut ending = Ending { stopped: Some(("IdleTimeOut".into(), 7)), ..Ending::default() };
    settle::try_settle(&bench.worker.inner, task.id, &mut ending).await.unwrap();
    let task = bench.store.task(task.id).await.unwrap();
    assert_eq!((task.state, task.stop_reason.as_deref()), (TaskState::Done, Some("IdleTimeOut")));
    assert_eq!(task.ended_ms, Some(7));
}

#[tokio::test]
async fn a_folder_in_which_a_recorder_still_writes_is_left_alone() {
    use nix::fcntl::{Flock, FlockArg};
    let bench = Bench::new().await;
    let task = bench.task().await;
    bench.recorded(&task, "alice").await;
    let lock = std::fs::File::create(bench.worker.inner.task_dir(task.id).join(recorder::FOLDER_LOCK)).unwrap();
    let lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let mut ending = Ending { unattended: true, ..Ending::default() };
    settle::try_settle(&bench.worker.inner, task.id, &mut ending).await.unwrap_err();
    drop(lock);
    settle::try_settle(&bench.worker.inner, task.id, &mut ending).await.unwrap();
}

#[tokio::test]
async fn repeated_commands_disturb_nothing() {
    use recorder::messages::Command;
    let bench = Bench::new().await;
    let task = bench.task().await;
    let job = bench.worker.inner.job(&task).unwrap();
    let (id, dir) = (task.id.0, job.dir.clone());
    let start = || RoomCommand::Start(job.clone());
    let stop = || RoomCommand::Stop { task: id, dir: dir.clone() };
    let server = RoomServer { url: String::new(), api_key: String::new(), api_secret: String::new() };
    let key = RoomKey { server: SERVER.into(), room: "room".into(), mix: None };
    let supervisor = || Supervisor::new(bench.worker.inner.clone(), key.clone(), server.clone());

    let mut room = supervisor();
    assert_eq!(room.accept(start()), Some(Command::Start(job.clone())));
    assert_eq!(room.accept(start()), None, "it is being recorded");
    assert_eq!(room.accept(stop()), Some(Command::Stop { task: id }));
    assert_eq!(room.accept(stop()), None, "it is being stopped");
    assert_eq!(room.accept(start()), None, "a start does not undo a stop");

    let mut room = supervisor();
    assert_eq!(room.accept(stop()), Some(Command::Finish { task: id, dir: dir.clone() }));
    assert_eq!(room.accept(start()), None, "the stop has overtaken it");

    let mut room = supervisor();
    bench.worker.inner.settling().insert(id);
    assert_eq!((room.accept(stop()), room.accept(start())), (None, None), "its files are being moved");
}

/// A mixed task of one region at `x`, which shows this image while alice is not seen.
fn mixed(x: u32, image: &str) -> StartRecord {
    request(json!({
        "RecordMode": 0, "TargetStreams": { "StreamList": [{ "Index": 1, "UserId": "alice" }] },
        "Layout": { "LayoutMode": 2, "CustomLayout": {
            "Regions": [{ "StreamIndex": 1, "LocationX": x, "Width": 100, "Height": 100, "AlternateImage": image }],
        } },
    }))
}

#[tokio::test]
async fn an_image_that_comes_goes_into_the_newest_layout() {
    use recorder::messages::{Command, MixChange, OutputPlan};
    const IMAGES: [&str; 2] = ["http://example.com/a.png", "http://example.com/b.png"];
    let bench = Bench::new().await;
    let Start::Started(task) = bench.start_as(mixed(0, IMAGES[0])).await else { panic!("it is the first") };
    let id = task.id.0;
    let started = bench.worker.inner.job(&task).unwrap();
    let task = bench.store.change_request(task.id, &mixed(8, IMAGES[1]).into()).await.unwrap();
    let changed = bench.worker.inner.job(&task).unwrap();
    let with = |job: &TaskJob, image: Option<(&str, PathBuf)>| {
        let mut job = job.clone();
        let OutputPlan::Mix(plan) = &mut job.output else { panic!("it is mixed") };
        plan.images = image.into_iter().map(|(url, path)| (url.to_owned(), path)).collect();
        job
    };
    let change = |job: TaskJob| Command::Change { task: id, change: MixChange::to(&job).unwrap() };
    let server = RoomServer { url: String::new(), api_key: String::new(), api_secret: String::new() };
    let key = RoomKey { server: SERVER.into(), room: "room".into(), mix: Some(id) };
    let mut room = Supervisor::new(bench.worker.inner.clone(), key, server);
    let images = &bench.worker.inner.config.images;

    assert_eq!(room.accept(RoomCommand::Images { task: id }), None, "it has not begun");
    assert_eq!(room.accept(RoomCommand::Start(started.clone())), Some(Command::Start(started.clone())));
    let path = images.keep(id, IMAGES[0], b"an image").unwrap();
    let told = room.accept(RoomCommand::Images { task: id });
    assert_eq!(told, Some(change(with(&started, Some((IMAGES[0], path))))));
    assert_eq!(
        room.accept(RoomCommand::Change(changed.clone())),
        Some(change(changed.clone())),
        "its image is not there"
    );
    assert_eq!(room.accept(RoomCommand::Images { task: id }), Some(change(changed.clone())), "one of before");
    let path = images.keep(id, IMAGES[1], b"an image").unwrap();
    let told = room.accept(RoomCommand::Images { task: id });
    assert_eq!(told, Some(change(with(&changed, Some((IMAGES[1], path))))));
    room.accept(RoomCommand::Stop { task: id, dir: changed.dir });
    assert_eq!(room.accept(RoomCommand::Images { task: id }), None, "it is being stopped");
}

#[tokio::test]
async fn the_report_of_a_task_is_beside_its_files_and_is_made_by_the_next_worker_if_need_be() {
    let bench = Bench::new().await;
    let task = bench.task().await;
    bench.recorded(&task, "alice").await;
    let inner = &bench.worker.inner;
    let dir = inner.task_dir(task.id);
    std::fs::write(dir.join("facts.jsonl"), "{\"at\":1,\"fact\":\"recorder\"}\n{torn").unwrap();
    let so_far = bench.worker.report(task.clone()).await.unwrap();
    assert_eq!((so_far.complete, so_far.streams.len()), (false, 1), "what grows is told of");
    settle::try_settle(inner, task.id, &mut Ending::default()).await.unwrap();
    let path = bench.worker.report_path(&task).expect("it is there");
    assert!(path.ends_with(&format!("_{:08}.report.json", task.id.0)), "{path}");
    let report = bench.worker.report(task.clone()).await.unwrap();
    let library = bench.dir.path().join("library");
    assert_eq!(report.files.len(), 1);
    use sha2::Digest;
    let hash = sha2::Sha256::digest(std::fs::read(library.join(&report.files[0].path)).unwrap());
    assert_eq!((report.complete, report.files[0].sha256.clone()), (true, Some(hex::encode(hash))));
    assert!(!dir.exists());
    // As if the worker had died before it made the report; at last the file was taken out of the library.
    for there in [true, false] {
        std::fs::remove_file(library.join(&path)).unwrap();
        if !there {
            std::fs::remove_file(library.join(&report.files[0].path)).unwrap();
        }
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("facts.jsonl"), "{\"at\":1,\"fact\":\"recorder\"}\n").unwrap();
        bench.worker.resume().await.unwrap();
        let made = async {
            while dir.exists() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), made).await.expect("the folder goes");
        let again = bench.worker.report(task.clone()).await.unwrap();
        assert_eq!((again.files[0].sha256.is_some(), again.notes.len()), (there, usize::from(!there)));
        assert_eq!(again.streams.len(), usize::from(there), "what is in the file of the library is told");
    }
}
