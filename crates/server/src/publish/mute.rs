//! When a publisher mutes which kind of its tracks.

use std::time::Duration;

use crate::config::duration;

/// One kind of track is muted from a time on, until another; both count from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mute {
    pub kind: MediaKind,
    pub from: Duration,
    pub to: Duration,
}

/// Sound or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    Audio,
    Video,
}

impl Mute {
    /// Reads `audio:5s-20s`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "must be KIND:FROM-TO, such as audio:5s-20s or video:0s-1m".to_owned();
        let (kind, times) = text.split_once(':').ok_or_else(wrong)?;
        let kind = match kind {
            "audio" => MediaKind::Audio,
            "video" => MediaKind::Video,
            _ => return Err(wrong()),
        };
        let (from, to) = times.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (duration(from)?, duration(to)?);
        if from < to { Ok(Self { kind, from, to }) } else { Err("must end after it begins".to_owned()) }
    }
}

/// Whether a kind is muted at a time since the start.
pub fn is_muted(mutes: &[Mute], kind: MediaKind, at: Duration) -> bool {
    mutes.iter().any(|mute| mute.kind == kind && (mute.from..mute.to).contains(&at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_and_applies() {
        let mutes = [Mute::parse("audio:5s-20s").unwrap(), Mute::parse("video:500ms-1s").unwrap()];
        let muted = |kind, ms| is_muted(&mutes, kind, Duration::from_millis(ms));
        assert!(!muted(MediaKind::Audio, 4_999) && muted(MediaKind::Audio, 5_000));
        assert!(muted(MediaKind::Audio, 19_999) && !muted(MediaKind::Audio, 20_000));
        assert!(muted(MediaKind::Video, 700) && !muted(MediaKind::Video, 5_000));
        for bad in ["", "audio", "audio:5s", "audio:5-6", "sound:1s-2s", "audio:2s-2s", "video:3s-2s"] {
            assert!(Mute::parse(bad).is_err(), "{bad}");
        }
    }
}
