//! How often an action may be called.

use std::collections::HashMap;
use std::time::Duration;

use super::Action;

/// Calls a second, per action and access key; as many may come at once.
pub(super) const PER_SECOND: u32 = 60;

/// A bucket of tokens per action and access key. Only known keys are asked about, so it stays small.
#[derive(Default)]
pub(super) struct RateLimits {
    buckets: HashMap<(String, Action), Bucket>,
}

struct Bucket {
    tokens: f64,
    filled: Duration,
}

impl RateLimits {
    /// Whether a call may be made at `now` on a steady clock; if so it is counted.
    pub fn take(&mut self, access_key: &str, action: Action, now: Duration) -> bool {
        let most = f64::from(PER_SECOND);
        let bucket =
            self.buckets.entry((access_key.to_owned(), action)).or_insert(Bucket { tokens: most, filled: now });
        let gained = now.saturating_sub(bucket.filled).as_secs_f64() * most;
        bucket.tokens = (bucket.tokens + gained).min(most);
        bucket.filled = now.max(bucket.filled);
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn sixty_at_once_then_sixty_a_second() {
        let mut rates = RateLimits::default();
        let mut allowed = |ms, calls| (0..calls).filter(|_| rates.take("k", Action::Get, at(ms))).count();
        assert_eq!(allowed(1000, 100), 60);
        assert_eq!(allowed(1500, 100), 30);
        assert_eq!(allowed(1400, 100), 0, "a clock that steps back gives nothing");
        assert_eq!(allowed(60_000, 100), 60);
    }

    #[test]
    fn keys_and_actions_do_not_share() {
        let mut rates = RateLimits::default();
        while rates.take("k", Action::Get, at(0)) {}
        assert!(rates.take("k", Action::Stop, at(0)));
        assert!(rates.take("l", Action::Get, at(0)));
    }
}
