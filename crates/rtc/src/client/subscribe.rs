//! The subscriber: a hidden participant that receives the tracks it wants. Joins the client's parts together.

use std::time::{Duration, Instant};

use tracing::debug;

use super::key_frames::KeyFrames;
use super::path::MediaError;
use super::receive::Receiver;
use super::roster::Roster;
use super::signalling::{Identity, Reconnect, SignalEvent, Signalling};
use super::wanted::{Wanted, Wants};
use super::{ClientStats, JoinAs, JoinError, Quality, RoomEvent, RoomServer};
use crate::proto::signal_request::Message as Request;
use crate::proto::signal_response::Message as Response;
use crate::proto::{JoinResponse, SyncState, UpdateSubscription, UpdateTrackSettings, VideoQuality};
use crate::token::Claims;

/// What follows `/rtc?`: protocol 16 is what the messages here are, and nothing is subscribed unasked.
const QUERY: &str = "auto_subscribe=0&adaptive_stream=0&protocol=16";
/// How long a caller without any timer of ours may wait.
const IDLE: Duration = Duration::from_secs(1);

/// A hidden, subscribe-only participant of one room, the same towards every room server. Connects in the background
/// and stays connected by itself until [`leave`](Self::leave) or [`RoomEvent::Closed`].
///
/// Nothing here blocks. `poll` has to be called every 5 to 10 ms, because arriving packets wait in the socket
/// meanwhile, at the latest when it says so.
pub struct Subscriber {
    signalling: Signalling,
    signals: Vec<SignalEvent>,
    roster: Roster,
    wanted: Wanted,
    /// Something changed that may ask for other subscriptions.
    review: bool,
    key_frames: KeyFrames,
    /// Media of the present stay.
    receiver: Option<Receiver>,
    /// Of the stays before.
    past: ClientStats,
    progress: Progress,
}

/// How far the connection is, as far as the owner has been told.
#[derive(Debug, Default)]
struct Progress {
    connected: bool,
    ever_connected: bool,
    /// The present stay has not been told as connected yet.
    new_stay: bool,
    /// The last interruption told.
    interruption: Option<String>,
}

impl Subscriber {
    /// Starts joining. The access token has the shape of LiveKit's egress tokens and is signed anew for every attempt
    /// to connect.
    pub fn join(server: &RoomServer, join: JoinAs, now: Instant) -> Result<Subscriber, JoinError> {
        if join.room.is_empty() || join.identity.is_empty() {
            return Err(JoinError::Nameless);
        }
        let claims = Claims {
            name: join.name,
            attributes: join.attributes,
            ..Claims::recorder(&server.api_key, &join.identity, &join.room, 0)
        };
        let identity = Identity::new(server, claims, QUERY)?;
        Ok(Subscriber {
            signalling: Signalling::new(identity, Reconnect::Resume, now)?,
            signals: Vec::new(),
            roster: Roster::default(),
            wanted: Wanted::default(),
            review: false,
            key_frames: KeyFrames::default(),
            receiver: None,
            past: ClientStats::default(),
            progress: Progress::default(),
        })
    }

    /// Sets the tracks to receive. Those not published (yet) are asked for once they are.
    pub fn want(&mut self, tracks: Wants) {
        self.key_frames.retain(|sid| tracks.contains_key(sid));
        self.wanted.set(tracks);
        self.review = true;
    }

    /// Asks for a key frame of a wanted track with the next poll, unless its stream is not known yet or a request was sent
    /// within half a second: whoever still needs one asks again.
    pub fn request_key_frame(&mut self, track_sid: &str) {
        self.key_frames.wish(track_sid);
    }

    /// Takes in everything that waits and appends what happened to `events`. Returns when time alone asks for the
    /// next call.
    pub fn poll(&mut self, now: Instant, events: &mut Vec<RoomEvent>) -> Instant {
        let signalling_wake = self.signalling.poll(now, &mut self.signals);
        self.settle(now, events);
        let media_wake = self.poll_media(now, events).unwrap_or_else(|e| {
            self.give_up_stay(now, &e);
            None
        });
        self.settle(now, events);
        self.announce(events);
        if std::mem::take(&mut self.review) {
            self.review_subscriptions();
        }
        [signalling_wake, media_wake].into_iter().flatten().min().unwrap_or(now + IDLE)
    }

    /// Says goodbye. Media ends at once; `Closed(Left)` comes when the server knows, or after 3 s.
    pub fn leave(&mut self, now: Instant) {
        self.end_media();
        self.signalling.leave(now);
    }

    /// Counters over all connections so far.
    pub fn stats(&self) -> ClientStats {
        self.receiver.as_ref().map_or(self.past, |receiver| sum(self.past, receiver))
    }

    /// Handles what signalling told, and what it tells because of that.
    fn settle(&mut self, now: Instant, events: &mut Vec<RoomEvent>) {
        while !self.signals.is_empty() {
            for signal in std::mem::take(&mut self.signals) {
                self.handle(signal, now, events);
            }
        }
    }

    fn handle(&mut self, signal: SignalEvent, now: Instant, events: &mut Vec<RoomEvent>) {
        match signal {
            SignalEvent::Joined { join, local } => {
                self.end_media();
                self.progress.new_stay = true;
                let expects_offer = join.subscriber_primary;
                self.joined(*join, events);
                match Receiver::new(local, expects_offer, now) {
                    Ok(receiver) => self.receiver = Some(receiver),
                    Err(e) => self.give_up_stay(now, &e),
                }
            }
            SignalEvent::Resumed => self.synchronise(),
            SignalEvent::Message(message) => {
                if let Err(e) = self.handle_message(*message, now, events) {
                    self.give_up_stay(now, &e);
                }
            }
            SignalEvent::Interrupted { reason, resuming } => {
                if !resuming {
                    self.end_media();
                }
                self.progress.connected = false;
                if self.progress.interruption.as_ref() != Some(&reason) {
                    self.progress.interruption = Some(reason.clone());
                    events.push(RoomEvent::Interrupted { reason });
                }
            }
            SignalEvent::Closed(reason) => {
                self.end_media();
                events.push(RoomEvent::Closed { reason });
            }
        }
    }

    fn handle_message(
        &mut self,
        message: Response,
        now: Instant,
        events: &mut Vec<RoomEvent>,
    ) -> Result<(), MediaError> {
        match (message, &mut self.receiver) {
            (Response::Update(update), _) => {
                self.roster.update(update.participants, events);
                self.review = true;
            }
            (Response::Offer(offer), Some(receiver)) => {
                let answer = receiver.offer(&offer, now)?;
                self.signalling.send(Request::Answer(answer));
            }
            (Response::Trickle(trickle), Some(receiver)) => receiver.trickle(&trickle, now)?,
            (other, _) => debug!(?other, "not for a subscriber"),
        }
        Ok(())
    }

    fn joined(&mut self, join: JoinResponse, events: &mut Vec<RoomEvent>) {
        let own_sid = join.participant.map(|me| me.sid).unwrap_or_default();
        self.roster.replace(own_sid, join.other_participants, events);
        self.wanted.forget();
        self.review = true;
    }

    /// Tells the server what this side has, after a resume.
    fn synchronise(&mut self) {
        let subscription =
            UpdateSubscription { track_sids: self.wanted.asked(), subscribe: true, ..UpdateSubscription::default() };
        let answer = self.receiver.as_ref().and_then(|receiver| receiver.answer().cloned());
        self.signalling.send(Request::SyncState(Box::new(SyncState {
            answer,
            subscription: Some(subscription),
            ..SyncState::default()
        })));
        self.review = true;
    }

    /// Sends the difference between the tracks wanted and those asked for.
    fn review_subscriptions(&mut self) {
        if !self.signalling.is_up() {
            // Looked at again after the join or the resume.
            return;
        }
        let difference = self.wanted.difference(|sid| self.roster.track(sid));
        for (track_sids, subscribe) in [(difference.unsubscribe, false), (difference.subscribe, true)] {
            if track_sids.is_empty() {
                continue;
            }
            self.signalling.send(Request::Subscription(UpdateSubscription {
                track_sids,
                subscribe,
                ..UpdateSubscription::default()
            }));
        }
        for (sid, quality) in difference.qualities {
            self.ask_for_quality(sid, quality);
        }
    }

    /// By its name alone: a size would be compared with the layers again, by rules of the server's own.
    fn ask_for_quality(&mut self, track_sid: String, quality: Quality) {
        let quality = match quality {
            Quality::Low => VideoQuality::Low,
            Quality::Medium => VideoQuality::Medium,
            Quality::High => VideoQuality::High,
        };
        let setting = UpdateTrackSettings {
            track_sids: vec![track_sid],
            quality: quality as i32,
            ..UpdateTrackSettings::default()
        };
        self.signalling.send(Request::TrackSetting(setting));
    }

    fn poll_media(&mut self, now: Instant, events: &mut Vec<RoomEvent>) -> Result<Option<Instant>, MediaError> {
        let Some(receiver) = &mut self.receiver else { return Ok(None) };
        self.key_frames.send_due(now, |sid| receiver.request_key_frame(sid, now))?;
        receiver.poll(now, events).map(Some)
    }

    fn give_up_stay(&mut self, now: Instant, error: &MediaError) {
        self.end_media();
        self.signalling.rejoin(now, error.to_string(), &mut self.signals);
    }

    fn announce(&mut self, events: &mut Vec<RoomEvent>) {
        let up = self.signalling.is_up() && self.receiver.as_ref().is_some_and(Receiver::is_ready);
        if up && !self.progress.connected {
            let rejoined = self.progress.new_stay && self.progress.ever_connected;
            self.progress = Progress { connected: true, ever_connected: true, new_stay: false, interruption: None };
            events.push(RoomEvent::Connected { rejoined });
        }
    }

    fn end_media(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            self.past = sum(self.past, &receiver);
        }
    }
}

fn sum(past: ClientStats, receiver: &Receiver) -> ClientStats {
    let (counts, socket) = receiver.counts();
    ClientStats {
        packets: past.packets + counts.packets,
        lost: past.lost + counts.lost,
        recovered: past.recovered + counts.recovered,
        kernel_drops: past.kernel_drops + socket.kernel_drops,
        datagrams: past.datagrams + socket.received,
        batches: past.batches + socket.batches,
    }
}
