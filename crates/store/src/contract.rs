//! The contract of a store. Every implementation passes the suite in `tests/contract`.

use std::pin::Pin;

use rules::ids::TaskKey;
use rules::select::StreamId;
use serde_json::Value;

use crate::{
    File, FileFacts, FileRow, NewFile, NewTask, Result, Start, Stop, Task, TaskRow, TaskStep, Unfinished, Vid,
};

/// The future of one call. Boxed by hand so that `dyn Store` is possible.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Tasks, files and settings. Every call is one transaction; every writing call may be repeated after a failure.
/// Times are Unix milliseconds and come from the caller.
pub trait Store: Send + Sync + 'static {
    /// Starts a task, unless one of the same key is running. Two callers at once get one `Started`.
    fn start_task<'a>(&'a self, new: &'a NewTask) -> Answer<'a, Start>;

    /// Moves the running task of `key` to `stopping` with `reason`; `ended_ms` is the moment of the stop.
    fn stop_task<'a>(&'a self, key: &'a TaskKey, reason: &'a str, ended_ms: i64) -> Answer<'a, Stop>;

    /// Reports a step of a task and answers the row as it is afterwards. A step the task has already passed changes
    /// nothing. [`Kind::Conflict`](crate::Kind::Conflict): the step is not possible yet (an end with unfinished files, finishing before a stop).
    fn advance_task<'a>(&'a self, id: TaskRow, step: &'a TaskStep) -> Answer<'a, Task>;

    /// Names the worker that owns an unfinished task from now on.
    fn claim_task<'a>(&'a self, id: TaskRow, worker: &'a str) -> Answer<'a, Task>;

    /// Adds a remark for people to a task, once per text; beyond [`MAX_NOTES`](crate::MAX_NOTES) nothing is added.
    fn note_task<'a>(&'a self, id: TaskRow, note: &'a str) -> Answer<'a, Task>;

    /// Replaces the request of a running task by one that was changed. `Conflict` for a task that does not run any more.
    fn change_request<'a>(&'a self, id: TaskRow, request: &'a Value) -> Answer<'a, Task>;

    /// Notes that a mixed task took a stream in; once per stream.
    fn add_mixed_stream<'a>(&'a self, id: TaskRow, stream: &'a StreamId) -> Answer<'a, ()>;

    /// The streams that a mixed task took in, in the order of their first coming.
    fn mixed_streams(&self, id: TaskRow) -> Answer<'_, Vec<StreamId>>;

    /// One task by its row; `NotFound` when there is none.
    fn task(&self, id: TaskRow) -> Answer<'_, Task>;

    /// The newest task of a key that was started at or after `since_ms` or still runs.
    fn newest_task<'a>(&'a self, key: &'a TaskKey, since_ms: i64) -> Answer<'a, Option<Task>>;

    /// All tasks that have not ended, oldest first, each with all its files: what a restart goes on with.
    fn list_unfinished(&self) -> Answer<'_, Vec<Unfinished>>;

    /// Adds a file to an unfinished task. The same task, source, number and format again answers the existing row, with its
    /// own `Vid`.
    fn add_file<'a>(&'a self, new: &'a NewFile) -> Answer<'a, File>;

    /// A file is complete and goes to `library_path`, a relative path with `/`. Repeated, it goes where it was said last;
    /// nothing happens to a finished file. `Conflict` for a path that another file has.
    fn close_file<'a>(&'a self, id: FileRow, library_path: &'a str, facts: &'a FileFacts) -> Answer<'a, File>;

    /// A closed file is where it goes. `Conflict` for one that was not closed.
    fn complete_file(&self, id: FileRow) -> Answer<'_, File>;

    /// Removes the row of a file that came to nothing. `Conflict` for a finished file.
    fn discard_file(&self, id: FileRow) -> Answer<'_, ()>;

    /// All files of a task, by source and number; those of one recording in the order in which they were added.
    fn files_of(&self, task: TaskRow) -> Answer<'_, Vec<File>>;

    /// One file by its `Vid`.
    fn file_by_vid<'a>(&'a self, vid: &'a Vid) -> Answer<'a, Option<File>>;

    /// At most `limit` files with an id above `after`, by id: for going through all of them in pages.
    fn files_after(&self, after: FileRow, limit: u32) -> Answer<'_, Vec<File>>;

    /// A value of the installation.
    fn setting<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>>;

    /// Sets a value of the installation.
    fn put_setting<'a>(&'a self, name: &'a str, value: &'a str) -> Answer<'a, ()>;
}
