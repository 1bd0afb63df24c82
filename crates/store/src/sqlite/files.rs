//! Files, and the library they make.

use rules::select::{Source, StreamKind};
use sqlx::SqliteConnection;

use super::{Sqlite, rows, tasks};
use crate::{Error, File, FileFacts, FileRow, FileState, Kind, NewFile, Result, TaskRow, Vid};

impl Sqlite {
    pub(super) async fn add_file(&self, new: &NewFile) -> Result<File> {
        let mut tx = self.write().await?;
        let task = tasks::by_id(&mut tx, new.task).await?;
        if let Some(known) = same(&mut tx, new).await? {
            return Ok(known);
        }
        if task.state.is_ended() {
            return Err(Error::new(Kind::Conflict, format!("task {} has ended", task.key)));
        }
        let row = sqlx::query(
            "INSERT INTO files (task, user_id, stream, seq, format, vid, state, spool_path, started_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING *",
        )
        .bind(new.task.0)
        .bind(user_name(&new.source))
        .bind(kind_name(&new.source))
        .bind(new.seq)
        .bind(new.format.name())
        .bind(new.vid.as_str())
        .bind(FileState::Recording.name())
        .bind(&new.spool_path)
        .bind(new.started_ms)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await.map_err(Error::commit)?;
        rows::file(&row)
    }

    pub(super) async fn close_file(&self, id: FileRow, library_path: &str, facts: &FileFacts) -> Result<File> {
        let (duration_ms, size) = (signed(facts.duration_ms)?, signed(facts.size)?);
        let mut tx = self.write().await?;
        let file = by_id(&mut tx, id).await?;
        if file.state == FileState::Finished {
            return Ok(file);
        }
        let row = sqlx::query(
            "UPDATE files SET state = ?2, library_path = ?3, duration_ms = ?4, size = ?5, video_codec = ?6,
                    audio_codec = ?7, width = ?8, height = ?9, sha256 = ?10
             WHERE id = ?1 RETURNING *",
        )
        .bind(id.0)
        .bind(FileState::Finishing.name())
        .bind(library_path)
        .bind(duration_ms)
        .bind(size)
        .bind(&facts.video_codec)
        .bind(&facts.audio_codec)
        .bind(facts.width)
        .bind(facts.height)
        .bind(&facts.sha256)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await.map_err(Error::commit)?;
        rows::file(&row)
    }

    pub(super) async fn complete_file(&self, id: FileRow) -> Result<File> {
        let mut tx = self.write().await?;
        let file = by_id(&mut tx, id).await?;
        match file.state {
            FileState::Recording => {
                return Err(Error::new(Kind::Conflict, format!("file {} has no place in the library", id.0)));
            }
            FileState::Finishing => {}
            FileState::Finished => return Ok(file),
        }
        let row = sqlx::query("UPDATE files SET state = ?2 WHERE id = ?1 RETURNING *")
            .bind(id.0)
            .bind(FileState::Finished.name())
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await.map_err(Error::commit)?;
        rows::file(&row)
    }

    pub(super) async fn discard_file(&self, id: FileRow) -> Result<()> {
        let mut tx = self.write().await?;
        let deleted = sqlx::query("DELETE FROM files WHERE id = ?1 AND state <> ?2")
            .bind(id.0)
            .bind(FileState::Finished.name())
            .execute(&mut *tx)
            .await?;
        if deleted.rows_affected() == 0 && find(&mut tx, id).await?.is_some() {
            return Err(Error::new(Kind::Conflict, format!("file {} is finished", id.0)));
        }
        tx.commit().await.map_err(Error::commit)
    }

    pub(super) async fn files_of(&self, task: TaskRow) -> Result<Vec<File>> {
        of_task(&mut *self.pool.acquire().await?, task).await
    }

    pub(super) async fn file_by_vid(&self, vid: &Vid) -> Result<Option<File>> {
        let query = sqlx::query("SELECT * FROM files WHERE vid = ?1").bind(vid.as_str());
        query.fetch_optional(&self.pool).await?.as_ref().map(rows::file).transpose()
    }

    pub(super) async fn files_after(&self, after: FileRow, limit: u32) -> Result<Vec<File>> {
        let query = sqlx::query("SELECT * FROM files WHERE id > ?1 ORDER BY id LIMIT ?2").bind(after.0).bind(limit);
        query.fetch_all(&self.pool).await?.iter().map(rows::file).collect()
    }
}

/// The files of a task, by stream and number, then in the order of their adding.
pub(super) async fn of_task(connection: &mut SqliteConnection, task: TaskRow) -> Result<Vec<File>> {
    let query = sqlx::query("SELECT * FROM files WHERE task = ?1 ORDER BY user_id, stream, seq, id").bind(task.0);
    query.fetch_all(connection).await?.iter().map(rows::file).collect()
}

/// How many files of a task are not finished.
pub(super) async fn unfinished(connection: &mut SqliteConnection, task: TaskRow) -> Result<u64> {
    let query = sqlx::query_scalar("SELECT count(*) FROM files WHERE task = ?1 AND state <> 'finished'").bind(task.0);
    let count: i64 = query.fetch_one(connection).await?;
    Ok(count.unsigned_abs())
}

async fn find(connection: &mut SqliteConnection, id: FileRow) -> Result<Option<File>> {
    let row = sqlx::query("SELECT * FROM files WHERE id = ?1").bind(id.0).fetch_optional(connection).await?;
    row.as_ref().map(rows::file).transpose()
}

async fn by_id(connection: &mut SqliteConnection, id: FileRow) -> Result<File> {
    find(connection, id).await?.ok_or_else(|| Error::new(Kind::NotFound, format!("no file {}", id.0)))
}

/// The row that the same call made before.
async fn same(connection: &mut SqliteConnection, new: &NewFile) -> Result<Option<File>> {
    let query = "SELECT * FROM files WHERE task = ?1 AND user_id = ?2 AND stream = ?3 AND seq = ?4 AND format = ?5";
    let row = sqlx::query(query)
        .bind(new.task.0)
        .bind(user_name(&new.source))
        .bind(kind_name(&new.source))
        .bind(new.seq)
        .bind(new.format.name())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(rows::file).transpose()
}

/// The user of a source in the store; nobody for the mix.
fn user_name(source: &Source) -> &str {
    source.stream().map_or("", |stream| &stream.user)
}

/// The name of a kind of source in the store.
fn kind_name(source: &Source) -> &'static str {
    match source.stream().map(|stream| stream.kind) {
        None => MIX,
        Some(kind) => stream_name(kind),
    }
}

/// What the store calls the mix.
pub(super) const MIX: &str = "mix";

/// The name of a kind of stream in the store.
pub(super) fn stream_name(kind: StreamKind) -> &'static str {
    match kind {
        StreamKind::Camera => "camera",
        StreamKind::Screen => "screen",
    }
}

fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::new(Kind::Internal, format!("{number} is no size and no duration")))
}
