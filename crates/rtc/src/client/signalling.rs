//! The life of a participant's signalling: connecting, keeping alive, resuming, joining anew with back-off. Decides
//! from messages and time; sockets are in `link`, media elsewhere.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tracing::debug;

use super::backoff::Backoff;
use super::link::{self, Link, LinkEvent};
use super::{CloseReason, JoinError, RoomServer};
use crate::proto::signal_request::Message as Request;
use crate::proto::signal_response::Message as Response;
use crate::proto::{DisconnectReason, JoinResponse, LeaveAction, LeaveRequest, Ping};
use crate::token::Claims;

/// For the first message after the socket is open; with the link's own limit, as long as SDKs wait.
const JOIN_TIMEOUT: Duration = Duration::from_secs(15);
/// After this long without a socket the server has forgotten the participant, so resuming is not tried any more.
const RESUME_WINDOW: Duration = Duration::from_secs(15);
/// A connection that held this long starts the back-off over.
const STABLE: Duration = Duration::from_secs(5);
/// How long a goodbye may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);
/// LiveKit's intervals, for a server that names none.
const PING_INTERVAL_S: u64 = 5;
const PING_TIMEOUT_S: u64 = 15;

#[derive(Debug)]
pub(super) enum SignalEvent {
    /// A new stay in the room: everything of an earlier one is void. `local` is this machine's address towards the
    /// server.
    Joined {
        join: Box<JoinResponse>,
        local: IpAddr,
    },
    /// The same stay goes on over a new socket.
    Resumed,
    Message(Box<Response>),
    /// The socket is lost. While `resuming`, media may go on.
    Interrupted {
        reason: String,
        resuming: bool,
    },
    Closed(CloseReason),
}

/// What stays the same over all attempts to connect.
pub(super) struct Identity {
    /// `ws(s)://host/path/rtc?query` without what differs between attempts.
    url: String,
    secret: String,
    /// Signed anew for every attempt, valid from then for as long as it was made to be.
    claims: Claims,
}

/// Whether a lost socket is first replaced within the same stay, or always by a new stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reconnect {
    Resume,
    Rejoin,
}

pub(super) struct Signalling {
    reconnect: Reconnect,
    runtime: &'static Handle,
    identity: Identity,
    phase: Phase,
    backoff: Backoff,
    stay: Option<Stay>,
    up_since: Option<Instant>,
    lost_at: Option<Instant>,
}

/// What the server said about this stay in the room.
struct Stay {
    sid: String,
    ping_interval: Duration,
    ping_timeout: Duration,
}

enum Phase {
    Waiting { until: Instant, resume: bool },
    Opening { link: Link, deadline: Instant, resume: bool, local: Option<IpAddr> },
    Up { link: Link, heard: Instant, ping_at: Instant },
    Leaving { link: Option<Link>, until: Instant },
    Closed,
}

impl Identity {
    /// `query` is what follows `/rtc?`.
    pub(super) fn new(server: &RoomServer, claims: Claims, query: &str) -> Result<Identity, JoinError> {
        let url = format!("{}/rtc?{query}", websocket_base(&server.url)?);
        Ok(Identity { url, secret: server.api_secret.clone(), claims })
    }

    fn token(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
        let life = self.claims.exp.unwrap_or_default() - self.claims.nbf.unwrap_or_default();
        Claims { nbf: Some(now), exp: Some(now + life), ..self.claims.clone() }.sign(&self.secret)
    }
}

impl Signalling {
    pub(super) fn new(identity: Identity, reconnect: Reconnect, now: Instant) -> Result<Signalling, JoinError> {
        let runtime = link::runtime().map_err(|e| JoinError::Thread(e.to_string()))?;
        Ok(Signalling {
            reconnect,
            runtime,
            identity,
            phase: Phase::Waiting { until: now, resume: false },
            backoff: Backoff::new(),
            stay: None,
            up_since: None,
            lost_at: None,
        })
    }

    /// Takes in what came, keeps the connection alive or makes a new one. Returns when time alone has something to do.
    pub(super) fn poll(&mut self, now: Instant, out: &mut Vec<SignalEvent>) -> Option<Instant> {
        while let Some(event) = self.received() {
            self.handle(event, now, out);
        }
        self.handle_time(now, out);
        match &self.phase {
            Phase::Waiting { until, .. } | Phase::Leaving { until, .. } => Some(*until),
            Phase::Opening { deadline, .. } => Some(*deadline),
            Phase::Up { heard, ping_at, .. } => Some((*ping_at).min(*heard + self.ping_timeout())),
            Phase::Closed => None,
        }
    }

    /// Sends a request; dropped while there is no joined connection. A link that cannot take it is given up.
    pub(super) fn send(&mut self, request: Request) {
        if let Phase::Up { link, .. } = &mut self.phase
            && !link.send(request)
        {
            link.close();
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up { .. })
    }

    /// Gives this stay up and joins anew, because media failed.
    pub(super) fn rejoin(&mut self, now: Instant, reason: String, out: &mut Vec<SignalEvent>) {
        if !matches!(self.phase, Phase::Leaving { .. } | Phase::Closed) {
            self.interrupt(now, reason, false, out);
        }
    }

    /// Says goodbye; `Closed(Left)` follows.
    pub(super) fn leave(&mut self, now: Instant) {
        let link = match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Closed => return,
            Phase::Opening { link, .. } | Phase::Up { link, .. } => Some(link),
            Phase::Leaving { link, .. } => link,
            Phase::Waiting { .. } => None,
        };
        let link = link.map(|mut link| {
            let reason = DisconnectReason::ClientInitiated as i32;
            link.send(Request::Leave(LeaveRequest { reason, ..LeaveRequest::default() }));
            link.close();
            link
        });
        let until = if link.is_some() { now + LEAVE_TIMEOUT } else { now };
        self.phase = Phase::Leaving { link, until };
    }

    fn received(&mut self) -> Option<LinkEvent> {
        match &mut self.phase {
            Phase::Opening { link, .. } | Phase::Up { link, .. } | Phase::Leaving { link: Some(link), .. } => {
                link.try_recv()
            }
            _ => None,
        }
    }

    fn handle(&mut self, event: LinkEvent, now: Instant, out: &mut Vec<SignalEvent>) {
        match (event, &mut self.phase) {
            (LinkEvent::Closed { .. }, Phase::Leaving { .. }) => self.close(CloseReason::Left, out),
            (_, Phase::Leaving { .. }) => {}
            (LinkEvent::Open { local: address }, Phase::Opening { local, .. }) => *local = Some(address),
            (LinkEvent::Refused { status, message }, _) if is_final(status) => {
                self.close(CloseReason::Refused { status, message }, out);
            }
            // The link tells the reason once more when it closes.
            (LinkEvent::Refused { .. } | LinkEvent::Open { .. }, _) => {}
            (LinkEvent::Closed { reason }, _) => self.interrupt(now, reason, true, out),
            (LinkEvent::Message(message), _) => self.handle_message(*message, now, out),
        }
    }

    fn handle_message(&mut self, message: Response, now: Instant, out: &mut Vec<SignalEvent>) {
        if let Phase::Up { heard, .. } = &mut self.phase {
            *heard = now;
        }
        match message {
            Response::Leave(leave) => match verdict(&leave) {
                Verdict::Close(reason) => self.close(reason, out),
                Verdict::Reconnect { resume } => {
                    let text = format!("server said: leave, {:?}", leave.reason());
                    self.interrupt(now, text, resume, out);
                }
            },
            Response::Join(join) => self.joined(join, now, out),
            Response::Reconnect(_) if matches!(self.phase, Phase::Opening { resume: true, .. }) => {
                self.up(now);
                out.push(SignalEvent::Resumed);
            }
            Response::Pong(_) | Response::PongResp(_) => {}
            other if self.is_up() => out.push(SignalEvent::Message(Box::new(other))),
            other => debug!(?other, "message before the join"),
        }
    }

    fn joined(&mut self, join: Box<JoinResponse>, now: Instant, out: &mut Vec<SignalEvent>) {
        let Phase::Opening { local: Some(local), .. } = self.phase else { return };
        let seconds = |value: i32, default| {
            Duration::from_secs(u64::try_from(value).ok().filter(|value| *value > 0).unwrap_or(default))
        };
        self.stay = Some(Stay {
            sid: join.participant.as_ref().map(|me| me.sid.clone()).unwrap_or_default(),
            ping_interval: seconds(join.ping_interval, PING_INTERVAL_S),
            ping_timeout: seconds(join.ping_timeout, PING_TIMEOUT_S),
        });
        self.up(now);
        out.push(SignalEvent::Joined { join, local });
    }

    /// The open link becomes the connection in use.
    fn up(&mut self, now: Instant) {
        if let Phase::Opening { link, .. } = std::mem::replace(&mut self.phase, Phase::Closed) {
            let ping_at = now + self.stay.as_ref().map_or(Duration::ZERO, |stay| stay.ping_interval);
            self.phase = Phase::Up { link, heard: now, ping_at };
            self.up_since = Some(now);
            self.lost_at = None;
        }
    }

    fn handle_time(&mut self, now: Instant, out: &mut Vec<SignalEvent>) {
        let ping_timeout = self.ping_timeout();
        match &mut self.phase {
            Phase::Waiting { until, resume } if *until <= now => {
                let resume = *resume;
                self.open(now, resume);
            }
            Phase::Opening { deadline, .. } if *deadline <= now => {
                self.interrupt(now, "server sent no join".into(), true, out);
            }
            Phase::Up { heard, .. } if *heard + ping_timeout <= now => {
                self.interrupt(now, "server has fallen silent".into(), true, out);
            }
            Phase::Up { link, ping_at, .. } if *ping_at <= now => {
                let interval = self.stay.as_ref().map_or(Duration::from_secs(PING_INTERVAL_S), |s| s.ping_interval);
                *ping_at = now + interval;
                let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
                link.send(Request::PingReq(Ping { timestamp, rtt: 0 }));
            }
            Phase::Leaving { until, .. } if *until <= now => self.close(CloseReason::Left, out),
            _ => {}
        }
    }

    fn ping_timeout(&self) -> Duration {
        self.stay.as_ref().map_or(Duration::from_secs(PING_TIMEOUT_S), |stay| stay.ping_timeout)
    }

    fn open(&mut self, now: Instant, resume: bool) {
        let mut url = self.identity.url.clone();
        if let (true, Some(stay)) = (resume, &self.stay) {
            url.push_str(&format!("&reconnect=1&sid={}", stay.sid));
        }
        let link = Link::open(self.runtime, &url, &self.identity.token());
        self.phase = Phase::Opening { link, deadline: now + JOIN_TIMEOUT, resume, local: None };
    }

    /// Plans the next attempt. A resume needs a stay that the server can still know.
    fn interrupt(&mut self, now: Instant, reason: String, may_resume: bool, out: &mut Vec<SignalEvent>) {
        if self.up_since.take().is_some_and(|since| now.saturating_duration_since(since) >= STABLE) {
            self.backoff.reset();
        }
        let lost_at = *self.lost_at.get_or_insert(now);
        let in_time = now.saturating_duration_since(lost_at) < RESUME_WINDOW;
        let resume = may_resume && self.reconnect == Reconnect::Resume && self.stay.is_some() && in_time;
        if !resume {
            self.stay = None;
        }
        self.phase = Phase::Waiting { until: now + self.backoff.next(), resume };
        out.push(SignalEvent::Interrupted { reason, resuming: resume });
    }

    fn close(&mut self, reason: CloseReason, out: &mut Vec<SignalEvent>) {
        self.phase = Phase::Closed;
        self.stay = None;
        out.push(SignalEvent::Closed(reason));
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Close(CloseReason),
    Reconnect { resume: bool },
}

/// What a `leave` means for a client that wants to stay. A server that shuts down comes back, or another one does.
fn verdict(leave: &LeaveRequest) -> Verdict {
    match leave.reason() {
        DisconnectReason::DuplicateIdentity => return Verdict::Close(CloseReason::DuplicateIdentity),
        DisconnectReason::ParticipantRemoved => return Verdict::Close(CloseReason::Removed),
        DisconnectReason::RoomDeleted => return Verdict::Close(CloseReason::RoomDeleted),
        DisconnectReason::RoomClosed => return Verdict::Close(CloseReason::RoomClosed),
        _ => {}
    }
    Verdict::Reconnect { resume: leave.action() == LeaveAction::Resume }
}

/// Whether the same request would be refused again: bad token or bad request. A missing room or path may appear.
fn is_final(status: u16) -> bool {
    matches!(status, 400 | 401 | 403)
}

/// The base of a server's URL with a WebSocket scheme and without a slash at its end.
fn websocket_base(url: &str) -> Result<String, JoinError> {
    let fail = |reason: &str| JoinError::Url { url: url.to_owned(), reason: reason.to_owned() };
    let (scheme, rest) = url.split_once("://").ok_or_else(|| fail("has no scheme"))?;
    let scheme = match scheme {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return Err(fail("scheme must be ws, wss, http or https")),
    };
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() || rest.contains(['?', '#', ' ']) {
        return Err(fail("must be scheme, host and path only"));
    }
    Ok(format!("{scheme}://{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_websocket_urls() {
        let base = |url| websocket_base(url).ok();
        assert_eq!(base("http://127.0.0.1:7880").as_deref(), Some("ws://127.0.0.1:7880"));
        assert_eq!(base("wss://rooms.example/livekit/").as_deref(), Some("wss://rooms.example/livekit"));
        for bad in ["127.0.0.1:7880", "ftp://x", "ws://", "ws://x?y=1", "ws://a b"] {
            assert_eq!(base(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_some_leaves_are_final() {
        let leave = |reason: DisconnectReason, action: LeaveAction| {
            verdict(&LeaveRequest { reason: reason as i32, action: action as i32, ..LeaveRequest::default() })
        };
        use DisconnectReason as Reason;
        let disconnect = LeaveAction::Disconnect;
        assert_eq!(leave(Reason::RoomDeleted, disconnect), Verdict::Close(CloseReason::RoomDeleted));
        assert_eq!(leave(Reason::DuplicateIdentity, disconnect), Verdict::Close(CloseReason::DuplicateIdentity));
        assert_eq!(leave(Reason::ParticipantRemoved, disconnect), Verdict::Close(CloseReason::Removed));
        assert_eq!(leave(Reason::ServerShutdown, disconnect), Verdict::Reconnect { resume: false });
        assert_eq!(leave(Reason::StateMismatch, LeaveAction::Reconnect), Verdict::Reconnect { resume: false });
        assert_eq!(leave(Reason::SignalClose, LeaveAction::Resume), Verdict::Reconnect { resume: true });
    }

    #[test]
    fn refusals_of_the_token_are_final() {
        assert!(is_final(401) && is_final(400) && is_final(403));
        assert!(!is_final(404) && !is_final(500) && !is_final(503) && !is_final(429));
    }
}
