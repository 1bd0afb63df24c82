//! The store in one SQLite file: opening it, and the contract on top of `tasks` and `files`.

mod files;
mod rows;
mod tasks;

use std::path::Path;
use std::time::Duration;

use rules::ids::TaskKey;
use rules::select::StreamId;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::{
    Answer, Error, File, FileFacts, FileRow, Kind, NewFile, NewTask, Result, Start, Stop, Store, Task, TaskRow,
    TaskStep, Unfinished, Vid,
};

/// How long a writer waits for another one before the call fails as unavailable.
const BUSY: Duration = Duration::from_secs(10);

/// Enough for reads beside the one writer SQLite allows.
const CONNECTIONS: u32 = 4;

/// The store in one SQLite file. Clones share it.
#[derive(Clone, Debug)]
pub struct Sqlite {
    pool: SqlitePool,
}

impl Sqlite {
    /// Opens the database at `path`, creating it if there is none, and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self> {
        Self::connect(path, true).await
    }

    /// Opens the database at `path`, which must exist.
    pub async fn open_existing(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Err(Error::new(Kind::NotFound, format!("no database at {}", path.display())));
        }
        Self::connect(path, false).await
    }

    async fn connect(path: &Path, create: bool) -> Result<Self> {
        // A commit is on the disk before it is answered: WAL alone would lose the last ones in a power cut.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let pool =
            SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(BUSY).connect_with(options).await?;
        sqlx::migrate!("sql/sqlite").run(&pool).await?;
        Ok(Self { pool })
    }

    /// Waits for running calls and closes the file. Later calls answer unavailable.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that holds the right to write from its start, so that what it reads stays true until its commit.
    async fn write(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    async fn setting(&self, name: &str) -> Result<Option<String>> {
        let query = sqlx::query_scalar("SELECT value FROM settings WHERE name = ?1").bind(name);
        Ok(query.fetch_optional(&self.pool).await?)
    }

    async fn put_setting(&self, name: &str, value: &str) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query("INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2")
            .bind(name)
            .bind(value)
            .execute(&mut *tx)
            .await?;
        tx.commit().await.map_err(Error::commit)
    }
}

impl Store for Sqlite {
    fn start_task<'a>(&'a self, new: &'a NewTask) -> Answer<'a, Start> {
        Box::pin(self.start_task(new))
    }

    fn stop_task<'a>(&'a self, key: &'a TaskKey, reason: &'a str, ended_ms: i64) -> Answer<'a, Stop> {
        Box::pin(self.stop_task(key, reason, ended_ms))
    }

    fn advance_task<'a>(&'a self, id: TaskRow, step: &'a TaskStep) -> Answer<'a, Task> {
        Box::pin(self.advance_task(id, step))
    }

    fn claim_task<'a>(&'a self, id: TaskRow, worker: &'a str) -> Answer<'a, Task> {
        Box::pin(self.claim_task(id, worker))
    }

    fn note_task<'a>(&'a self, id: TaskRow, note: &'a str) -> Answer<'a, Task> {
        Box::pin(self.note_task(id, note))
    }

    fn change_request<'a>(&'a self, id: TaskRow, request: &'a Value) -> Answer<'a, Task> {
        Box::pin(self.change_request(id, request))
    }

    fn add_mixed_stream<'a>(&'a self, id: TaskRow, stream: &'a StreamId) -> Answer<'a, ()> {
        Box::pin(self.add_mixed_stream(id, stream))
    }

    fn mixed_streams(&self, id: TaskRow) -> Answer<'_, Vec<StreamId>> {
        Box::pin(self.mixed_streams(id))
    }

    fn task(&self, id: TaskRow) -> Answer<'_, Task> {
        Box::pin(self.task(id))
    }

    fn newest_task<'a>(&'a self, key: &'a TaskKey, since_ms: i64) -> Answer<'a, Option<Task>> {
        Box::pin(self.newest_task(key, since_ms))
    }

    fn list_unfinished(&self) -> Answer<'_, Vec<Unfinished>> {
        Box::pin(self.list_unfinished())
    }

    fn add_file<'a>(&'a self, new: &'a NewFile) -> Answer<'a, File> {
        Box::pin(self.add_file(new))
    }

    fn close_file<'a>(&'a self, id: FileRow, library_path: &'a str, facts: &'a FileFacts) -> Answer<'a, File> {
        Box::pin(self.close_file(id, library_path, facts))
    }

    fn complete_file(&self, id: FileRow) -> Answer<'_, File> {
        Box::pin(self.complete_file(id))
    }

    fn discard_file(&self, id: FileRow) -> Answer<'_, ()> {
        Box::pin(self.discard_file(id))
    }

    fn files_of(&self, task: TaskRow) -> Answer<'_, Vec<File>> {
        Box::pin(self.files_of(task))
    }

    fn file_by_vid<'a>(&'a self, vid: &'a Vid) -> Answer<'a, Option<File>> {
        Box::pin(self.file_by_vid(vid))
    }

    fn files_after(&self, after: FileRow, limit: u32) -> Answer<'_, Vec<File>> {
        Box::pin(self.files_after(after, limit))
    }

    fn setting<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(self.setting(name))
    }

    fn put_setting<'a>(&'a self, name: &'a str, value: &'a str) -> Answer<'a, ()> {
        Box::pin(self.put_setting(name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kill -9` leaves the page cache alone, so no test can show a lost power cut: the settings that prevent it can be.
    #[tokio::test]
    async fn every_connection_syncs_each_commit() {
        let dir = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&dir.path().join("t.db")).await.unwrap();
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = store.pool.acquire().await.unwrap();
            let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap();
            let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.unwrap();
            assert_eq!((journal.as_str(), synchronous), ("wal", 2));
            held.push(connection);
        }
    }
}
