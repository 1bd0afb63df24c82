//! All rooms behind one socket, without I/O: datagrams, commands and time go in, datagrams come out. Which room and
//! which peer something is for is decided here, what it means there in `room`.

use super::admission::{Admission, Refusal};
use super::context::Context;
use super::participant::Outgoing;
use super::peer::{PeerKey, Pid};
use super::room::Room;
use crate::proto::{DisconnectReason, signal_request};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::net::Transmit;
use tokio::sync::{mpsc, oneshot};

/// How often rooms look after what no message tells.
const TICK: Duration = Duration::from_millis(250);

/// What the signalling side asks of the engine.
pub enum Command {
    Join {
        admission: Box<Admission>,
        signal: mpsc::Sender<Outgoing>,
        reply: oneshot::Sender<Result<Pid, Refusal>>,
    },
    Message {
        participant: Pid,
        message: signal_request::Message,
    },
    /// Sends everybody out; no command is handled after it.
    Stop,
}

type RoomId = u64;

pub struct Engine {
    ctx: Context,
    rooms: BTreeMap<RoomId, Room>,
    by_name: HashMap<String, RoomId>,
    members: HashMap<Pid, RoomId>,
    timers: Timers,
    next_tick: Instant,
}

impl Engine {
    pub fn new(ctx: Context) -> Self {
        let next_tick = ctx.now;
        Self {
            ctx,
            rooms: BTreeMap::new(),
            by_name: HashMap::new(),
            members: HashMap::new(),
            timers: Timers::default(),
            next_tick,
        }
    }

    /// Sets the time of the calls that follow: both clocks at one moment.
    pub fn set_time(&mut self, now: Instant, unix_ms: i64) {
        self.ctx.now = now;
        self.ctx.unix_ms = unix_ms;
    }

    /// When the engine has something to do by itself; `None`: never.
    pub fn deadline(&self) -> Option<Instant> {
        let tick = (!self.rooms.is_empty()).then_some(self.next_tick);
        tick.into_iter().chain(self.timers.first()).min()
    }

    /// Takes one datagram that arrived `at`. [`Engine::settle`] has to follow, after this one or some more.
    pub fn on_datagram(&mut self, at: Instant, source: SocketAddr, bytes: &[u8]) {
        // Nothing may seem to come from the future, sender reports least of all.
        self.ctx.now = self.ctx.now.max(at);
        let Some(key) = self.ctx.routes.find(at, source, bytes) else { return };
        // To the library the datagram came to the advertised address, whatever lies in between.
        let candidates = &self.ctx.settings.candidates;
        let same_family = candidates.iter().find(|addr| addr.is_ipv4() == source.is_ipv4());
        let Some(destination) = same_family.or(candidates.first()).copied() else { return };
        let Some(room) = self.members.get(&key.participant).and_then(|room| self.rooms.get_mut(room)) else { return };
        let Some(peer) = room.peer_mut(key) else { return };
        peer.receive(at, source, destination, bytes, &mut self.ctx.sink);
        self.timers.arm(key, peer.deadline);
        self.handle_events();
    }

    /// Handles one command. [`Engine::settle`] has to follow.
    pub fn on_command(&mut self, command: Command) {
        match command {
            Command::Join { admission, signal, reply } => {
                let result = self.join(*admission, signal);
                if let Err(Ok(id)) = reply.send(result) {
                    // The client has gone while it waited.
                    self.with_room(id, |room, ctx| room.remove(ctx, id, DisconnectReason::JoinFailure));
                }
            }
            Command::Message { participant, message } => {
                self.with_room(participant, |room, ctx| room.on_message(ctx, participant, message));
            }
            Command::Stop => self.close_rooms(|_| true, DisconnectReason::ServerShutdown),
        }
    }

    fn with_room(&mut self, participant: Pid, act: impl FnOnce(&mut Room, &mut Context)) {
        let room = self.members.get(&participant).and_then(|room| self.rooms.get_mut(room));
        if let Some(room) = room.filter(|room| room.has(participant)) {
            act(room, &mut self.ctx);
        }
    }

    fn join(&mut self, admission: Admission, signal: mpsc::Sender<Outgoing>) -> Result<Pid, Refusal> {
        let id = match self.by_name.get(&admission.room) {
            Some(id) => *id,
            None if self.rooms.len() >= self.ctx.settings.limits.rooms => {
                return Err(Refusal::new(503, "the server holds as many rooms as it may"));
            }
            None => {
                let id = self.ctx.next_id();
                let room = Room::new(&mut self.ctx, admission.room.clone());
                self.by_name.insert(admission.room.clone(), id);
                self.rooms.insert(id, room);
                id
            }
        };
        let Some(room) = self.rooms.get_mut(&id) else { return Err(Refusal::new(503, "the room is closing")) };
        let (name, identity) = (room.name.clone(), admission.identity.clone());
        let participant = room.join(&mut self.ctx, admission, signal)?;
        self.members.insert(participant, id);
        tracing::info!(room = name, identity, "participant joined");
        Ok(participant)
    }

    /// Lets time pass: whoever is due is driven.
    pub fn on_time(&mut self) {
        let now = self.ctx.now;
        while let Some(key) = self.timers.pop_due(now) {
            self.ctx.dirty.push(key);
        }
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            let ctx = &mut self.ctx;
            let over: BTreeSet<RoomId> =
                self.rooms.iter_mut().filter_map(|(id, room)| room.on_tick(ctx).then_some(*id)).collect();
            self.close_rooms(|id| over.contains(&id), DisconnectReason::RoomClosed);
            let rooms = &self.rooms;
            self.members.retain(|id, room| rooms.get(room).is_some_and(|room| room.has(*id)));
        }
        self.settle();
    }

    fn close_rooms(&mut self, which: impl Fn(RoomId) -> bool, reason: DisconnectReason) {
        let ctx = &mut self.ctx;
        let by_name = &mut self.by_name;
        self.rooms.retain(|id, room| {
            let closes = which(*id);
            if closes {
                room.close(ctx, reason);
                by_name.remove(&room.name);
            }
            !closes
        });
    }

    /// Drives every peer that was written to until all is quiet; what is to be sent is then in
    /// [`Engine::transmits`].
    pub fn settle(&mut self) {
        self.handle_events();
        while let Some(key) = self.ctx.dirty.pop() {
            let room = self.members.get(&key.participant).and_then(|room| self.rooms.get_mut(room));
            let Some(peer) = room.and_then(|room| room.peer_mut(key)) else { continue };
            peer.pump(self.ctx.now, &mut self.ctx.sink);
            self.timers.arm(key, peer.deadline);
            self.handle_events();
        }
    }

    fn handle_events(&mut self) {
        while let Some((key, event)) = self.ctx.sink.events.pop_front() {
            let room = self.members.get(&key.participant).and_then(|room| self.rooms.get_mut(room));
            if let Some(room) = room {
                room.on_peer_event(&mut self.ctx, key, event);
            }
        }
    }

    /// Datagrams to send.
    pub fn transmits(&mut self) -> std::vec::Drain<'_, Transmit> {
        self.ctx.sink.transmits.drain(..)
    }
}

/// When each peer wants to be woken, earliest first.
#[derive(Default)]
struct Timers {
    queue: BTreeSet<(Instant, PeerKey)>,
    armed: HashMap<PeerKey, Instant>,
}

impl Timers {
    fn first(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    fn arm(&mut self, key: PeerKey, at: Instant) {
        let before = self.armed.insert(key, at);
        if before == Some(at) {
            return;
        }
        if let Some(before) = before {
            self.queue.remove(&(before, key));
        }
        self.queue.insert((at, key));
    }

    fn pop_due(&mut self, now: Instant) -> Option<PeerKey> {
        let (at, key) = *self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        self.armed.remove(&key);
        Some(key)
    }
}
