//! SQLite: the contract, and what a file on disk adds to it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rules::request::FileFormat;
use store::{FileRow, FileState, Kind, Sqlite, Start, Store};

use crate::suite::{new_task, running};

pub struct Opened {
    pub store: Sqlite,
    _dir: tempfile::TempDir,
}

async fn open() -> Opened {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let store = Sqlite::open(&dir.path().join("tapedeck.db")).await.expect("an empty database opens");
    Opened { store, _dir: dir }
}

crate::contract_for!(open);

#[tokio::test]
async fn rows_are_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tapedeck.db");
    let store = Sqlite::open(&path).await.unwrap();
    let task = running(&store, "task").await;
    store.close().await;
    let again = Sqlite::open_existing(&path).await.unwrap();
    assert_eq!(again.list_unfinished().await.unwrap()[0].task, task);
}

#[tokio::test]
async fn a_missing_a_broken_and_a_newer_database_are_refused_by_kind() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Sqlite::open_existing(&dir.path().join("none.db")).await.unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);

    let broken = dir.path().join("broken.db");
    std::fs::write(&broken, vec![0x55; 8192]).unwrap();
    assert_eq!(Sqlite::open(&broken).await.unwrap_err().kind(), Kind::Corrupt);

    let newer = dir.path().join("newer.db");
    Sqlite::open(&newer).await.unwrap().close().await;
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", newer.display())).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', TRUE, x'00', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let error = Sqlite::open(&newer).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().contains("newer"), "{error}");
}

#[tokio::test]
async fn a_request_in_the_database_that_is_no_id_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tapedeck.db");
    let store = Sqlite::open(&path).await.unwrap();
    let task = running(&store, "task").await;
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    sqlx::query("UPDATE tasks SET room_id = 'a/b'").execute(&pool).await.unwrap();
    let error = store.task(task.id).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains("room_id"), "{error}");
}

/// Files of before there were formats are MP4s; what was on its way is completed anew.
#[tokio::test]
async fn rows_of_an_older_schema_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tapedeck.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let mut migrator = sqlx::migrate!("sql/sqlite");
    migrator.migrations.to_mut().truncate(2);
    migrator.run(&pool).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO tasks (app_id, room_id, task_id, generation, api_version, room_server, request, state, created_ms)
             VALUES ('app', 'room', 'task', 1, '2023-11-01', 'embedded', '{}', 'stopping', 1);
         INSERT INTO files (task, user_id, stream, seq, vid, state, spool_path, library_path, started_ms, duration_ms, size)
             VALUES (1, 'a', 'camera', 0, 'v0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'finished', '1/a.mp4', 'app/a.mp4', 1, 2, 3);
         INSERT INTO files (task, user_id, stream, seq, vid, state, spool_path, started_ms)
             VALUES (1, 'b', 'camera', 0, 'v0bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'finishing', '1/b.mp4', 1);",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let store = Sqlite::open(&path).await.unwrap();
    let files = store.files_after(FileRow(0), 9).await.unwrap();
    assert!(files.iter().all(|file| file.format == FileFormat::Mp4));
    assert_eq!(files[0].library_path.as_deref(), Some("app/a.mp4"));
    let states: Vec<FileState> = files.iter().map(|file| file.state).collect();
    assert_eq!(states, [FileState::Finished, FileState::Recording]);
}

const CHILD_DATABASE: &str = "STORE_TEST_CHILD_DATABASE";

/// How many answers the parent waits for before it kills. Different numbers hit different moments of a checkpoint.
const ANSWERS: [usize; 4] = [1, 7, 40, 130];

/// Every start that was answered is there after `kill -9` in the middle of more starts.
#[tokio::test]
async fn answered_writes_survive_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    for (round, answers) in ANSWERS.into_iter().enumerate() {
        let path = dir.path().join(format!("{round}.db"));
        let acknowledged = write_and_kill(&path, answers);
        let store = Sqlite::open_existing(&path).await.unwrap();
        let rows = store.list_unfinished().await.unwrap();
        let ids: Vec<&str> = rows.iter().map(|row| row.task.key.task_id.as_str()).collect();
        for name in &acknowledged {
            assert!(ids.contains(&name.as_str()), "{name} was answered and is lost; {} rows", ids.len());
        }
        store.close().await;
    }
}

fn write_and_kill(path: &Path, answers: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::child_that_writes_until_killed", "--ignored", "--nocapture"])
        .env(CHILD_DATABASE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut lines = lines.filter_map(|line| line.strip_prefix("answered ").map(str::to_owned));
    let mut acknowledged: Vec<String> = lines.by_ref().take(answers).collect();
    child.kill().unwrap();
    acknowledged.extend(lines);
    child.wait().unwrap();
    assert!(acknowledged.len() >= answers, "the child died by itself");
    acknowledged
}

#[tokio::test]
#[ignore = "the child process of answered_writes_survive_kill_9"]
async fn child_that_writes_until_killed() {
    let path = std::env::var_os(CHILD_DATABASE).expect("the parent names the database");
    let store = Sqlite::open(Path::new(&path)).await.unwrap();
    for number in 0.. {
        let name = format!("task-{number}");
        assert!(matches!(store.start_task(&new_task(&name)).await.unwrap(), Start::Started(_)));
        // Rust's test harness may print in front of the first line.
        println!("\nanswered {name}");
    }
}
