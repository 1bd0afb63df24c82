//! The one place of this crate that reads clocks: the monotonic one, tied once to the wall clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rules::time::{Mono, Wall};

/// Ties the process's monotonic clock to the wall clock as it was when the process began; later steps of the wall
/// clock do not touch a running recording.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    wall_at_origin: Wall,
}

impl Clock {
    pub fn start() -> Clock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { origin: Instant::now(), wall_at_origin: Wall(since_epoch.as_nanos() as i64) }
    }

    /// An instant of the operating system as a plain number.
    pub fn mono(&self, instant: Instant) -> Mono {
        match instant.checked_duration_since(self.origin) {
            Some(after) => Mono(after.as_nanos() as i64),
            None => Mono(-(self.origin.duration_since(instant).as_nanos() as i64)),
        }
    }

    pub fn now(&self) -> Mono {
        self.mono(Instant::now())
    }

    /// What the wall clock shows (or would, had nobody set it) at `mono`.
    pub fn wall(&self, mono: Mono) -> Wall {
        Wall(self.wall_at_origin.0 + mono.0)
    }

    /// The inverse of [`Clock::wall`].
    pub fn at_wall(&self, wall: Wall) -> Mono {
        Mono(wall.0 - self.wall_at_origin.0)
    }
}
