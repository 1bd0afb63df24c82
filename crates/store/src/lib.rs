//! What must survive a restart: tasks, their files and the library made of them.
//!
//! Belongs here: the [`Store`] contract, the rows, their state machines and the SQLite implementation.
//! Does not belong here: media bytes, moving files, what a request means.
//!
//! Invariants, in every implementation (`tapedeck check` verifies those between rows and files):
//! 1. At most one task of a key (app, room, TaskId) is running.
//! 2. A state never goes back; a step repeated or reported late changes nothing.
//! 3. An ended task has no unfinished file.
//! 4. A file that is complete has a place in the library, a duration and a size, which it has reached when it is finished;
//!    its `Vid` never changes.
//! 5. An answer `Ok` of a writing call is durable: neither `kill -9` nor a power cut takes it back.

mod contract;
mod error;
mod model;
mod sqlite;
mod states;

pub use contract::{Answer, Store};
pub use error::{Error, Kind, Written};
pub use model::{File, FileFacts, FileRow, MAX_NOTES, NewFile, NewTask, Start, Stop, Task, TaskRow, Unfinished, Vid};
pub use sqlite::Sqlite;
pub use states::{FileState, TaskState, TaskStep};

/// What every call of the store answers.
pub type Result<T> = std::result::Result<T, Error>;
