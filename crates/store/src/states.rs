//! The states of tasks and files and the steps between them: decisions on plain values.

use crate::{Error, Kind, Result};

/// Where a task is. The order of the variants is the order of a task's life; `Failed` may follow any but `Done`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskState {
    /// The start is durable; nobody has taken it up.
    Requested,
    /// A recorder is being started or joins the room.
    Starting,
    /// A recorder is in the room.
    Recording,
    /// A stop is decided; media that came before it is still being written.
    Stopping,
    /// All media is in the spool; files are being completed and moved into the library.
    Finishing,
    /// All files are complete.
    Done,
    /// Ended without doing what was asked; what was recorded is kept.
    Failed,
}

impl TaskState {
    /// Whether a start of the same key is answered "already running".
    pub fn is_running(self) -> bool {
        self <= Self::Recording
    }

    /// Whether nothing will change any more.
    pub fn is_ended(self) -> bool {
        self >= Self::Done
    }

    /// The name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Starting => "starting",
            Self::Recording => "recording",
            Self::Stopping => "stopping",
            Self::Finishing => "finishing",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        use TaskState::*;
        [Requested, Starting, Recording, Stopping, Finishing, Done, Failed].into_iter().find(|s| s.name() == name)
    }
}

/// A step of a task. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskStep {
    /// A recorder is being started.
    Starting,
    /// The recorder is in the room since `started_ms`; the first report counts.
    Recording { started_ms: i64 },
    /// Recording ended at `ended_ms`, for `reason`; the first report counts.
    Stopping { reason: String, ended_ms: i64 },
    /// The recorder has written everything.
    Finishing,
    /// Every file is in the library.
    Done,
    /// Given up. `reason` is kept only if there was none before; every file must be finished or discarded.
    Failed { reason: String, error: String, ended_ms: i64 },
}

impl TaskStep {
    /// The state this step leads to.
    pub fn state(&self) -> TaskState {
        match self {
            Self::Starting => TaskState::Starting,
            Self::Recording { .. } => TaskState::Recording,
            Self::Stopping { .. } => TaskState::Stopping,
            Self::Finishing => TaskState::Finishing,
            Self::Done => TaskState::Done,
            Self::Failed { .. } => TaskState::Failed,
        }
    }

    /// Whether this step changes a task that is in `now` and has `unfinished` files; an error if it comes too early.
    pub fn applies(&self, now: TaskState, unfinished: u64) -> Result<bool> {
        let next = self.state();
        if now.is_ended() || next <= now {
            return Ok(false);
        }
        if matches!(self, Self::Finishing | Self::Done) && now < TaskState::Stopping {
            return Err(Error::new(Kind::Conflict, format!("a task that is {} is not stopped", now.name())));
        }
        if next.is_ended() && unfinished > 0 {
            return Err(Error::new(Kind::Conflict, format!("a task with {unfinished} unfinished files cannot end")));
        }
        Ok(true)
    }
}

/// Where a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileState {
    /// A recorder appends to it.
    Recording,
    /// Complete, on its way to its place in the library.
    Finishing,
    /// Complete, in the library.
    Finished,
}

impl FileState {
    /// The name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Finishing => "finishing",
            Self::Finished => "finished",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Recording, Self::Finishing, Self::Finished].into_iter().find(|s| s.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(state: TaskState) -> Option<TaskStep> {
        let (reason, error) = ("StopByAPI".to_owned(), "no".to_owned());
        Some(match state {
            TaskState::Requested => return None,
            TaskState::Starting => TaskStep::Starting,
            TaskState::Recording => TaskStep::Recording { started_ms: 1 },
            TaskState::Stopping => TaskStep::Stopping { reason, ended_ms: 2 },
            TaskState::Finishing => TaskStep::Finishing,
            TaskState::Done => TaskStep::Done,
            TaskState::Failed => TaskStep::Failed { reason, error, ended_ms: 2 },
        })
    }

    #[test]
    fn no_step_leads_back_and_an_end_is_final() {
        use TaskState::*;
        let all = [Requested, Starting, Recording, Stopping, Finishing, Done, Failed];
        for now in all {
            for step in all.into_iter().filter_map(step) {
                let applies = step.applies(now, 0).unwrap_or(false);
                assert!(!applies || step.state() > now, "{now:?} {step:?}");
                assert!(!applies || !now.is_ended(), "{now:?} {step:?}");
            }
        }
    }

    #[test]
    fn a_task_ends_only_after_a_stop_and_with_all_files_finished() {
        assert!(TaskStep::Done.applies(TaskState::Recording, 0).is_err());
        assert!(TaskStep::Finishing.applies(TaskState::Recording, 0).is_err());
        assert!(TaskStep::Done.applies(TaskState::Stopping, 1).is_err());
        assert!(TaskStep::Done.applies(TaskState::Stopping, 0).unwrap());
        let failed = step(TaskState::Failed).unwrap();
        assert!(failed.applies(TaskState::Starting, 2).is_err());
        assert!(failed.applies(TaskState::Requested, 0).unwrap());
    }

    #[test]
    fn names_read_back() {
        use TaskState::*;
        for state in [Requested, Starting, Recording, Stopping, Finishing, Done, Failed] {
            assert_eq!(TaskState::from_name(state.name()), Some(state));
        }
        for state in [FileState::Recording, FileState::Finishing, FileState::Finished] {
            assert_eq!(FileState::from_name(state.name()), Some(state));
        }
    }
}
