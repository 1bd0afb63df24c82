//! Key-frame requests: wished for by the owner, sent at most every half second per track. A wish that cannot be sent
//! now is dropped, not kept: later a key frame may be on its way, and room servers do not send again what is lost of it
//! while a request is open.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(super) struct KeyFrames {
    /// By track sid.
    wishes: BTreeMap<String, Wish>,
}

#[derive(Debug, Default)]
struct Wish {
    open: bool,
    sent: Option<Instant>,
}

impl KeyFrames {
    pub(super) fn wish(&mut self, track_sid: &str) {
        self.wishes.entry(track_sid.to_owned()).or_default().open = true;
    }

    /// Forgets tracks that are not wanted any more.
    pub(super) fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.wishes.retain(|sid, _| wanted(sid));
    }

    /// Sends the wishes that are due with `send`, which tells whether it could.
    pub(super) fn send_due<E>(&mut self, now: Instant, mut send: impl FnMut(&str) -> Result<bool, E>) -> Result<(), E> {
        for (sid, wish) in &mut self.wishes {
            let due = wish.sent.is_none_or(|sent| now.saturating_duration_since(sent) >= INTERVAL);
            if std::mem::take(&mut wish.open) && due && send(sid)? {
                wish.sent = Some(now);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(frames: &mut KeyFrames, now: Instant, can: bool) -> Vec<String> {
        let mut sent = Vec::new();
        let send = |sid: &str| -> Result<bool, ()> {
            sent.push(sid.to_owned());
            Ok(can)
        };
        frames.send_due(now, send).expect("never fails");
        sent
    }

    #[test]
    fn requests_are_throttled_per_track_and_not_kept() {
        let (mut frames, start) = (KeyFrames::default(), Instant::now());
        frames.wish("a");
        assert_eq!(sent(&mut frames, start, false), ["a"], "no stream yet");
        assert_eq!(sent(&mut frames, start, true), [""; 0]);
        frames.wish("a");
        assert_eq!(sent(&mut frames, start, true), ["a"]);
        frames.wish("a");
        frames.wish("a");
        frames.wish("b");
        assert_eq!(sent(&mut frames, start + INTERVAL / 2, true), ["b"]);
        assert_eq!(sent(&mut frames, start + INTERVAL, true), [""; 0]);
        frames.wish("a");
        assert_eq!(sent(&mut frames, start + INTERVAL, true), ["a"]);
    }

    #[test]
    fn tracks_no_longer_wanted_are_forgotten() {
        let mut frames = KeyFrames::default();
        frames.wish("a");
        frames.retain(|_| false);
        assert_eq!(sent(&mut frames, Instant::now(), true), [""; 0]);
    }
}
