//! The health of a media path, and the candidates that make one: shared by both directions.

use std::time::{Duration, Instant};

use serde::Deserialize;
use str0m::{Candidate, Event, IceConnectionState, RtcConfig};

use super::peer::PeerError;
use super::sdp;
use crate::proto::{SignalTarget, TrickleRequest};

/// From the first need of media to running media.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection closed by the server waits for the `leave` that says why.
const GOODBYE: Duration = Duration::from_secs(1);
/// Between checks of the path, and between the retries of one that fails.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Retries without an answer before a path counts as lost: with the interval, after about 8 s.
const CHECK_RETRIES: usize = 8;
/// Between reports to the peer: senders estimate bandwidth, and receivers put sound and picture together by them.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Remote candidates that may wait for the first description.
const MAX_EARLY_CANDIDATES: usize = 32;

/// Why media of this stay cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum MediaError {
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("unusable session description: {0}")]
    Description(String),
    #[error("media path lost")]
    PathLost,
    #[error("server closed the media connection")]
    Closed,
    #[error("no media connection within {} s", CONNECT_TIMEOUT.as_secs())]
    NotConnected,
}

impl MediaError {
    pub(super) fn description(error: impl ToString) -> MediaError {
        MediaError::Description(error.to_string())
    }
}

/// What both directions have in common: every codec a recording can hold, Opus without RED (which makes servers unwrap
/// it), and a path that is known to be dead soon.
pub(super) fn config() -> RtcConfig {
    let mut config = RtcConfig::new()
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(true)
        .enable_h264(true)
        .enable_h265(true)
        .enable_vp9(true)
        .enable_av1(true)
        .set_rtcp_report_interval_audio(REPORT_INTERVAL)
        .set_rtcp_report_interval_video(REPORT_INTERVAL);
    config.set_max_stun_rto(CHECK_INTERVAL);
    config.set_max_stun_retransmits(CHECK_RETRIES);
    config
}

/// Where the path of one peer connection stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Path {
    /// Nothing was offered yet, and nothing has to be.
    Idle,
    Connecting {
        deadline: Instant,
    },
    Connected,
    /// Was connected, and no candidate pair answers any more.
    Lost,
    /// The server said goodbye to this connection; it counts as dead from then on.
    Closing {
        dead_at: Instant,
    },
}

impl Path {
    pub(super) fn connecting(now: Instant) -> Path {
        Path::Connecting { deadline: now + CONNECT_TIMEOUT }
    }

    pub(super) fn handle(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Connected => *self = Path::Connected,
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) if self.is_connected() => {
                *self = Path::Lost;
            }
            Event::Closed => *self = Path::Closing { dead_at: now + GOODBYE },
            _ => {}
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self, Path::Connected)
    }

    /// The first description is under way.
    pub(super) fn begin(&mut self, now: Instant) {
        if matches!(self, Path::Idle) {
            *self = Path::connecting(now);
        }
    }

    /// An error once the path is beyond hope.
    pub(super) fn check(&self, now: Instant) -> Result<(), MediaError> {
        match *self {
            Path::Connecting { deadline } if deadline <= now => Err(MediaError::NotConnected),
            Path::Closing { dead_at } if dead_at <= now => Err(MediaError::Closed),
            Path::Lost => Err(MediaError::PathLost),
            _ => Ok(()),
        }
    }
}

/// Trickled candidates on their way to a peer connection, which takes them after its first remote description.
#[derive(Debug, Default)]
pub(super) struct Trickled {
    waiting: Vec<Candidate>,
}

impl Trickled {
    /// Keeps the candidate of a message for `target`. Names (mDNS), TCP and other targets' are ignored.
    pub(super) fn push(&mut self, trickle: &TrickleRequest, target: SignalTarget) {
        let candidate = parse_candidate(&trickle.candidate_init).filter(|_| trickle.target() == target);
        if self.waiting.len() < MAX_EARLY_CANDIDATES {
            self.waiting.extend(candidate);
        }
    }

    pub(super) fn take(&mut self) -> Vec<Candidate> {
        std::mem::take(&mut self.waiting)
    }
}

/// The UDP candidate in the JSON that browsers use: `{"candidate": "candidate:..", ..}`.
fn parse_candidate(init: &str) -> Option<Candidate> {
    #[derive(Deserialize)]
    struct Init {
        candidate: String,
    }
    let init: Init = serde_json::from_str(init).ok()?;
    sdp::candidate_ip(&init.candidate)?;
    Candidate::from_sdp_string(&init.candidate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_with_names_or_tcp_are_ignored() {
        let parse = |candidate: &str| parse_candidate(&format!(r#"{{"candidate":"{candidate}","sdpMid":"0"}}"#));
        let good = parse("candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host").expect("a candidate");
        assert_eq!(good.addr(), "127.0.0.1:50000".parse().expect("an address"));
        assert!(parse("candidate:1 1 udp 2130706431 1b2c.local 50000 typ host").is_none());
        assert!(parse("candidate:1 1 tcp 2130706431 127.0.0.1 50000 typ host tcptype passive").is_none());
        assert!(parse("").is_none() && parse_candidate("{").is_none());
    }

    #[test]
    fn only_the_own_target_counts_and_few_wait() {
        let init = r#"{"candidate":"candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host"}"#;
        let trickle = |target: SignalTarget| TrickleRequest {
            candidate_init: init.into(),
            target: target as i32,
            ..TrickleRequest::default()
        };
        let mut trickled = Trickled::default();
        trickled.push(&trickle(SignalTarget::Publisher), SignalTarget::Subscriber);
        assert!(trickled.take().is_empty());
        for _ in 0..99 {
            trickled.push(&trickle(SignalTarget::Subscriber), SignalTarget::Subscriber);
        }
        assert_eq!(trickled.take().len(), MAX_EARLY_CANDIDATES);
    }

    #[test]
    fn a_path_is_given_up_only_when_it_is_hopeless() {
        let now = Instant::now();
        let mut path = Path::Idle;
        assert!(path.check(now + 9 * CONNECT_TIMEOUT).is_ok(), "nothing to wait for");
        path.begin(now);
        path.handle(&Event::IceConnectionStateChange(IceConnectionState::Disconnected), now);
        assert!(path.check(now).is_ok(), "still trying");
        assert!(matches!(path.check(now + CONNECT_TIMEOUT), Err(MediaError::NotConnected)));
        path.handle(&Event::Connected, now);
        assert!(path.check(now + 9 * CONNECT_TIMEOUT).is_ok());
        path.handle(&Event::Closed, now);
        assert!(path.check(now).is_ok(), "waits for the reason");
        assert!(matches!(path.check(now + GOODBYE), Err(MediaError::Closed)));
    }
}
