//! Each rule broken once, and a folder in which nothing is.

use bytes::Bytes;
use media::mp4::{self, Anchor, Codec, Filler, FillerError, FinishOptions, Sample, SampleEntry, Writer};
use rules::ids::TaskKey;
use rules::select::{StreamId, StreamKind};
use store::{NewFile, NewTask, Start, Task, TaskStep, Vid};

use super::*;

const MEDIA_MS: u64 = 1_000;

struct Bench {
    store: Sqlite,
    place: Place,
    task: Task,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { spool: dir.path().join("spool"), library: dir.path().join("library"), quick: false };
        fs::create_dir_all(place.spool.join("1")).unwrap();
        fs::create_dir_all(place.library.join("app")).unwrap();
        let store = Sqlite::open(&dir.path().join("t.db")).await.unwrap();
        let id = |text: &str| text.to_owned();
        let new = NewTask {
            key: TaskKey {
                app_id: id("app").parse().unwrap(),
                room_id: id("room").parse().unwrap(),
                task_id: id("task").parse().unwrap(),
            },
            api_version: "2023-11-01".into(),
            business_id: None,
            request: serde_json::Value::Null,
            room_server: "embedded".into(),
            created_ms: 0,
        };
        let Start::Started(task) = store.start_task(&new).await.unwrap() else { panic!("it is the first") };
        Self { store, place, task, _dir: dir }
    }

    async fn row(&self, user: &str) -> File {
        let mut random = [0; 15];
        random.iter_mut().zip(user.bytes()).for_each(|(to, from)| *to = from);
        let new = NewFile {
            task: self.task.id,
            source: StreamId { user: user.into(), kind: StreamKind::Camera }.into(),
            seq: 0,
            format: FileFormat::Mp4,
            vid: Vid::from_random(random),
            spool_path: format!("1/{user}.mp4"),
            started_ms: 0,
        };
        self.store.add_file(&new).await.unwrap()
    }

    /// A row and its file, both as they should be.
    async fn finished(&self, user: &str) -> PathBuf {
        let row = self.row(user).await;
        let library_path = format!("app/{user}.mp4");
        let path = self.place.library.join(&library_path);
        record(&path);
        let size = fs::metadata(&path).unwrap().len();
        let facts = FileFacts { duration_ms: MEDIA_MS, size, audio_codec: Some("opus".into()), ..FileFacts::default() };
        self.store.close_file(row.id, &library_path, &facts).await.unwrap();
        self.store.complete_file(row.id).await.unwrap();
        path
    }

    /// The rules broken, in order.
    async fn broken(&self) -> Vec<u8> {
        let findings = self.place.compare(&self.store).await.unwrap();
        let rule = |fault: &String| fault.strip_prefix("rule ").unwrap().split(':').next().unwrap().parse().unwrap();
        findings.faults.iter().map(rule).collect()
    }
}

struct NoFiller;

impl Filler for NoFiller {
    fn black(&self, _: Codec, _: u16, _: u16) -> Result<(SampleEntry, Bytes), FillerError> {
        Err("sound only".into())
    }

    fn silence(&self, _: &SampleEntry) -> Result<Bytes, FillerError> {
        Ok(Bytes::from_static(&[0xf8, 0xff, 0xfe]))
    }
}

/// A second of Opus, as a recorder leaves it.
fn record(path: &Path) {
    let mut writer = Writer::create(path, Anchor::default()).unwrap();
    let track = writer.add_track(SampleEntry::opus(1, 0)).unwrap();
    for packet in 0..MEDIA_MS / 20 {
        let data = Bytes::from(vec![0xf8, 0xff, 0xfe, packet as u8]);
        let sample = Sample { entry: 0, dts: packet * 960, duration: 960, key: true, after_still: false, data };
        writer.push(track, sample).unwrap();
    }
    writer.flush().unwrap();
    drop(writer);
    mp4::finish(path, &FinishOptions::default(), &NoFiller).unwrap();
}

#[tokio::test]
async fn what_belongs_together_is_found_right() {
    let bench = Bench::new().await;
    bench.finished("a").await;
    bench.row("b").await;
    fs::write(bench.place.spool.join("1/b.mp4"), "growing").unwrap();
    fs::write(bench.place.spool.join("1/notes.json"), "{}").unwrap();
    bench.store.note_task(bench.task.id, "b C: a remark").await.unwrap();
    let findings = bench.place.compare(&bench.store).await.unwrap();
    let notes = vec!["note: app/room/task: b C: a remark".to_owned()];
    assert_eq!(findings, Findings { rows: 2, faults: Vec::new(), notes });
}

#[tokio::test]
async fn a_missing_and_a_shorter_file_of_the_library() {
    let bench = Bench::new().await;
    fs::remove_file(bench.finished("a").await).unwrap();
    let path = bench.finished("b").await;
    let short = fs::metadata(&path).unwrap().len() - 1;
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(short).unwrap();
    assert_eq!(bench.broken().await, [1, 1]);
}

#[tokio::test]
async fn a_file_of_the_right_size_that_does_not_play() {
    let mut bench = Bench::new().await;
    let path = bench.finished("a").await;
    let size = fs::metadata(&path).unwrap().len();
    fs::write(&path, vec![0; size as usize]).unwrap();
    let broken = bench.broken().await;
    assert!(!broken.is_empty() && broken.iter().all(|rule| *rule == 2), "{broken:?}");
    bench.place.quick = true;
    assert!(bench.broken().await.is_empty());
}

#[tokio::test]
async fn a_file_of_another_duration_than_its_row() {
    let bench = Bench::new().await;
    let row = bench.row("a").await;
    let path = bench.place.library.join("app/a.mp4");
    record(&path);
    let size = fs::metadata(&path).unwrap().len();
    let facts = FileFacts { duration_ms: 2 * MEDIA_MS, size, ..FileFacts::default() };
    bench.store.close_file(row.id, "app/a.mp4", &facts).await.unwrap();
    bench.store.complete_file(row.id).await.unwrap();
    assert_eq!(bench.broken().await, [2]);
}

#[tokio::test]
async fn leftovers_losses_and_strangers() {
    let bench = Bench::new().await;
    bench.finished("a").await;
    fs::write(bench.place.spool.join("1/a.mp4"), "left").unwrap();
    assert_eq!(bench.broken().await, [3]);
    bench.row("lost").await;
    fs::write(bench.place.spool.join("1/stranger.mp4"), "media").unwrap();
    fs::write(bench.place.library.join("app/stranger.mp4"), "media").unwrap();
    assert_eq!(bench.broken().await, [3, 4, 6, 7]);
}

#[tokio::test]
async fn a_row_that_points_outside_is_not_followed() {
    let bench = Bench::new().await;
    let row = bench.row("a").await;
    let facts = FileFacts { size: 1, ..FileFacts::default() };
    bench.store.close_file(row.id, "../t.db", &facts).await.unwrap();
    bench.store.complete_file(row.id).await.unwrap();
    let step = TaskStep::Stopping { reason: "StopByAPI".into(), ended_ms: 1 };
    bench.store.advance_task(bench.task.id, &step).await.unwrap();
    assert_eq!(bench.broken().await, [1]);
}
