//! One after the other for each task, and tasks beside each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rules::ids::TaskKey;
use tokio::sync::OwnedMutexGuard;

/// See the module's head.
#[derive(Default)]
pub struct Turns {
    /// Of tasks that somebody has the turn of, or waits for.
    locks: Mutex<HashMap<TaskKey, Weak<tokio::sync::Mutex<()>>>>,
}

impl Turns {
    /// Waits for the task's turn, which lasts as long as what is returned.
    pub async fn take(&self, key: &TaskKey) -> OwnedMutexGuard<()> {
        self.lock(key).lock_owned().await
    }

    fn lock(&self, key: &TaskKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        // They are as many as requests are worked on at a time.
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        locks.insert(key.clone(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn key(task: &str) -> TaskKey {
        serde_json::from_value(serde_json::json!({ "AppId": "app", "RoomId": "room", "TaskId": task })).unwrap()
    }

    #[tokio::test]
    async fn only_who_wants_the_same_task_waits() {
        let turns = Arc::new(Turns::default());
        let first = turns.take(&key("a")).await;
        let other = turns.take(&key("b")).await;
        let second = tokio::spawn({
            let turns = turns.clone();
            async move { drop(turns.take(&key("a")).await) }
        });
        tokio::task::yield_now().await;
        assert!(timeout(Duration::from_millis(50), turns.take(&key("a"))).await.is_err(), "it is not over yet");
        assert!(!second.is_finished());
        drop(first);
        timeout(Duration::from_secs(5), second).await.expect("its turn comes").unwrap();
        drop(other);
        drop(turns.take(&key("c")).await);
        assert_eq!(turns.locks.lock().unwrap().len(), 1, "those of before are forgotten");
    }
}
