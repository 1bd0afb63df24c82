//! Tasks: start, stop, steps, and what a restart reads.

use rules::ids::TaskKey;
use rules::select::StreamId;
use serde_json::Value;
use sqlx::SqliteConnection;

use super::{Sqlite, files, rows};
use crate::{Error, Kind, MAX_NOTES, NewTask, Result, Start, Stop, Task, TaskRow, TaskState, TaskStep, Unfinished};

impl Sqlite {
    pub(super) async fn start_task(&self, new: &NewTask) -> Result<Start> {
        let mut tx = self.write().await?;
        let newest = newest(&mut tx, &new.key).await?;
        let generation = match newest {
            Some(task) if task.state.is_running() => return Ok(Start::AlreadyRunning(task)),
            Some(task) => task.generation + 1,
            None => 1,
        };
        let row = sqlx::query(
            "INSERT INTO tasks (app_id, room_id, task_id, generation, api_version, business_id, room_server, request,
                                state, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING *",
        )
        .bind(new.key.app_id.as_str())
        .bind(new.key.room_id.as_str())
        .bind(new.key.task_id.as_str())
        .bind(generation)
        .bind(&new.api_version)
        .bind(&new.business_id)
        .bind(&new.room_server)
        .bind(new.request.to_string())
        .bind(TaskState::Requested.name())
        .bind(new.created_ms)
        .fetch_one(&mut *tx)
        .await?;
        let task = rows::task(&row)?;
        tx.commit().await.map_err(Error::commit)?;
        Ok(Start::Started(task))
    }

    pub(super) async fn stop_task(&self, key: &TaskKey, reason: &str, ended_ms: i64) -> Result<Stop> {
        let mut tx = self.write().await?;
        let Some(task) = newest(&mut tx, key).await? else { return Ok(Stop::NotRunning) };
        if task.state.is_ended() {
            return Ok(Stop::NotRunning);
        }
        if !task.state.is_running() {
            return Ok(Stop::AlreadyStopping(task));
        }
        let task = step(&mut tx, task.id, &TaskStep::Stopping { reason: reason.to_owned(), ended_ms }).await?;
        tx.commit().await.map_err(Error::commit)?;
        Ok(Stop::Stopping(task))
    }

    pub(super) async fn advance_task(&self, id: TaskRow, wanted: &TaskStep) -> Result<Task> {
        let mut tx = self.write().await?;
        let task = by_id(&mut tx, id).await?;
        let unfinished = if wanted.state().is_ended() { files::unfinished(&mut tx, id).await? } else { 0 };
        if !wanted.applies(task.state, unfinished)? {
            return Ok(task);
        }
        let task = step(&mut tx, id, wanted).await?;
        tx.commit().await.map_err(Error::commit)?;
        Ok(task)
    }

    pub(super) async fn claim_task(&self, id: TaskRow, worker: &str) -> Result<Task> {
        let mut tx = self.write().await?;
        let task = by_id(&mut tx, id).await?;
        if task.state.is_ended() {
            return Err(Error::new(Kind::Conflict, format!("task {} has ended", task.key)));
        }
        let row = sqlx::query("UPDATE tasks SET worker = ?2 WHERE id = ?1 RETURNING *")
            .bind(id.0)
            .bind(worker)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await.map_err(Error::commit)?;
        rows::task(&row)
    }

    pub(super) async fn note_task(&self, id: TaskRow, note: &str) -> Result<Task> {
        let mut tx = self.write().await?;
        let mut task = by_id(&mut tx, id).await?;
        if task.notes.len() >= MAX_NOTES || task.notes.iter().any(|known| known == note) {
            return Ok(task);
        }
        task.notes.push(note.to_owned());
        sqlx::query("UPDATE tasks SET notes = ?2 WHERE id = ?1")
            .bind(id.0)
            .bind(serde_json::Value::from(task.notes.clone()).to_string())
            .execute(&mut *tx)
            .await?;
        tx.commit().await.map_err(Error::commit)?;
        Ok(task)
    }

    pub(super) async fn change_request(&self, id: TaskRow, request: &Value) -> Result<Task> {
        let mut tx = self.write().await?;
        let task = by_id(&mut tx, id).await?;
        if !task.state.is_running() {
            return Err(Error::new(Kind::Conflict, format!("task {} does not run any more", task.key)));
        }
        let row = sqlx::query("UPDATE tasks SET request = ?2 WHERE id = ?1 RETURNING *")
            .bind(id.0)
            .bind(request.to_string())
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await.map_err(Error::commit)?;
        rows::task(&row)
    }

    pub(super) async fn add_mixed_stream(&self, id: TaskRow, stream: &StreamId) -> Result<()> {
        let mut tx = self.write().await?;
        by_id(&mut tx, id).await?;
        sqlx::query("INSERT INTO mixed_streams (task, user_id, stream) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")
            .bind(id.0)
            .bind(&stream.user)
            .bind(files::stream_name(stream.kind))
            .execute(&mut *tx)
            .await?;
        tx.commit().await.map_err(Error::commit)
    }

    pub(super) async fn mixed_streams(&self, id: TaskRow) -> Result<Vec<StreamId>> {
        let query = sqlx::query("SELECT * FROM mixed_streams WHERE task = ?1 ORDER BY id").bind(id.0);
        query.fetch_all(&self.pool).await?.iter().map(rows::stream).collect()
    }

    pub(super) async fn task(&self, id: TaskRow) -> Result<Task> {
        by_id(&mut *self.pool.acquire().await?, id).await
    }

    pub(super) async fn newest_task(&self, key: &TaskKey, since_ms: i64) -> Result<Option<Task>> {
        let newest = newest(&mut *self.pool.acquire().await?, key).await?;
        Ok(newest.filter(|task| task.created_ms >= since_ms || !task.state.is_ended()))
    }

    pub(super) async fn list_unfinished(&self) -> Result<Vec<Unfinished>> {
        // One transaction: the tasks and their files are of the same moment.
        let mut tx = self.pool.begin().await?;
        let found = sqlx::query("SELECT * FROM tasks WHERE state NOT IN ('done', 'failed') ORDER BY id")
            .fetch_all(&mut *tx)
            .await?;
        let mut unfinished = Vec::with_capacity(found.len());
        for row in &found {
            let task = rows::task(row)?;
            let files = files::of_task(&mut tx, task.id).await?;
            unfinished.push(Unfinished { task, files });
        }
        Ok(unfinished)
    }
}

/// The task of a row.
pub(super) async fn by_id(connection: &mut SqliteConnection, id: TaskRow) -> Result<Task> {
    let row = sqlx::query("SELECT * FROM tasks WHERE id = ?1").bind(id.0).fetch_optional(connection).await?;
    rows::task(&row.ok_or_else(|| Error::new(Kind::NotFound, format!("no task {}", id.0)))?)
}

async fn newest(connection: &mut SqliteConnection, key: &TaskKey) -> Result<Option<Task>> {
    let row = sqlx::query(
        "SELECT * FROM tasks WHERE app_id = ?1 AND room_id = ?2 AND task_id = ?3 ORDER BY generation DESC LIMIT 1",
    )
    .bind(key.app_id.as_str())
    .bind(key.room_id.as_str())
    .bind(key.task_id.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(rows::task).transpose()
}

/// Writes a step that was found to apply. What an earlier step set is kept.
async fn step(connection: &mut SqliteConnection, id: TaskRow, step: &TaskStep) -> Result<Task> {
    let (mut started_ms, mut ended_ms, mut reason, mut error) = (None, None, None, None);
    match step {
        TaskStep::Starting | TaskStep::Finishing | TaskStep::Done => {}
        TaskStep::Recording { started_ms: at } => started_ms = Some(*at),
        TaskStep::Stopping { reason: why, ended_ms: at } => (reason, ended_ms) = (Some(why), Some(*at)),
        TaskStep::Failed { reason: why, error: what, ended_ms: at } => {
            (reason, error, ended_ms) = (Some(why), Some(what), Some(*at));
        }
    }
    let row = sqlx::query(
        "UPDATE tasks SET state = ?2, started_ms = coalesce(started_ms, ?3), ended_ms = coalesce(ended_ms, ?4),
                stop_reason = coalesce(stop_reason, ?5), error = coalesce(error, ?6)
         WHERE id = ?1 RETURNING *",
    )
    .bind(id.0)
    .bind(step.state().name())
    .bind(started_ms)
    .bind(ended_ms)
    .bind(reason)
    .bind(error)
    .fetch_one(connection)
    .await?;
    rows::task(&row)
}
