//! The end of the process as a value that is passed down: the first signal drains, the second leaves.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Exit status after the second signal, as shells give it for SIGINT.
const LEFT: i32 = 130;

/// Signals this soon after the first are the same wish.
const TOGETHER: std::time::Duration = std::time::Duration::from_secs(1);

/// Says whether the process has been asked to end. Clones see the same.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Asks for the end; keep it as long as the process lives.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Trigger {
    /// Asks for the end, once and for all.
    pub fn fire(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// One that is fired by hand. It is fired as well when the trigger is dropped.
    pub fn manual() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(sender), Self(receiver))
    }

    /// One that is fired by SIGINT or SIGTERM; the next such signal ends the process at once.
    pub fn on_signals() -> std::io::Result<Self> {
        let (trigger, shutdown) = Self::manual();
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::spawn(async move {
            let mut next =
                async || tokio::select! { _ = interrupt.recv() => "SIGINT", _ = terminate.recv() => "SIGTERM" };
            let name = next().await;
            tracing::info!("{name}: finishing what is running; once more to leave at once");
            trigger.fire();
            // Terminals, `timeout` and supervisors signal the process and its group: one wish, two signals.
            let together = tokio::time::Instant::now() + TOGETHER;
            while tokio::time::timeout_at(together, next()).await.is_ok() {}
            let name = next().await;
            tracing::warn!("{name}: leaving at once");
            std::process::exit(LEFT);
        });
        Ok(shutdown)
    }

    /// Waits until the end is asked for.
    pub async fn requested(&self) {
        // An error means that the trigger is gone, which counts as fired.
        let _ = self.0.clone().wait_for(|fired| *fired).await;
    }

    /// Whether the end has been asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_clones_see_one_trigger() {
        let (trigger, shutdown) = Shutdown::manual();
        let other = shutdown.clone();
        assert!(!other.is_requested());
        let waiting = tokio::spawn(async move { other.requested().await });
        trigger.fire();
        waiting.await.unwrap();
        assert!(shutdown.is_requested());
        shutdown.requested().await;
    }

    #[tokio::test]
    async fn a_dropped_trigger_counts_as_fired() {
        let (trigger, shutdown) = Shutdown::manual();
        drop(trigger);
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
