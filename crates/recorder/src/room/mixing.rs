//! A mixed task of the room: who belongs to the mix, and what its thread is told of them.

use std::collections::BTreeSet;

use rules::layout::{Member, Plan};
use rules::select::{MAX_STREAMS, Selection, Source, StreamId};
use rules::time::{MILLI_NS, Mono};

use super::seats::Seats;
use super::task::Wanted;
use super::tracks::{Published, Tracks};
use crate::messages::MixChange;
use crate::mix::MixEvent;
use crate::mix::thread::{Ending, MixThread};
use crate::unit::Unit;

/// The mix is made this much later than the present, so that all media of a moment is there when the moment is made:
/// more than a new track is kept until it has its place, and the jitter of a usual network.
const DELAY_NS: i64 = 400 * MILLI_NS;

pub(super) struct Mixing {
    thread: MixThread,
    plan: Plan,
    select: Selection,
    /// Who is published, in the order of the seats.
    members: Vec<Member>,
    seats: Seats,
    /// What is to be told.
    notes: Vec<String>,
    /// Streams that the mix cannot show before a key frame comes.
    waits: BTreeSet<StreamId>,
    /// Streams whose picture is received.
    seen: BTreeSet<StreamId>,
}

impl Mixing {
    pub fn new(thread: MixThread, plan: Plan, select: Selection, seats: Seats) -> Mixing {
        Mixing {
            thread,
            plan,
            select,
            members: Vec::new(),
            seats,
            notes: Vec::new(),
            waits: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    pub fn records(&self, stream: &StreamId) -> bool {
        self.members.iter().any(|member| member.stream == *stream)
    }

    pub fn streams(&self) -> impl Iterator<Item = &StreamId> {
        self.members.iter().map(|member| &member.stream)
    }

    /// How the track has to be received, if it has to: it is seen, or heard.
    pub fn wants(&self, published: &Published) -> Option<Wanted> {
        let stream = &published.stream;
        if !self.records(stream) {
            return None;
        }
        match published.is_video() {
            true => {
                let (width, height) = self.plan.source_size(stream, &self.members)?;
                Some(Wanted::Covering(width, height))
            }
            false => self.plan.hears(stream).then_some(Wanted::Best),
        }
    }

    /// What is to be told of a stream that cannot be taken in.
    pub fn refusal(&self, stream: &StreamId) -> Option<String> {
        let full = self.members.len() >= MAX_STREAMS && !self.records(stream) && self.select.wants(stream, 0);
        full.then(|| format!("not recorded while {MAX_STREAMS} others are in the mix"))
    }

    /// Takes in who is published now; while the room is not `connected` that is only whom it was heard of.
    pub fn update(&mut self, tracks: &Tracks, connected: bool, now: Mono) {
        let mut members = self.members.clone();
        let mut present = tracks.streams();
        present.retain(|stream| self.select.wants(stream, 0));
        let order = self.seats.order().to_vec();
        for displaced in self.seats.update(&mut members, &present, self.plan.main(), connected) {
            self.notes.push(format!("{}: left out for one whose place is kept", Source::from(displaced)));
        }
        if order != self.seats.order() {
            self.thread.keep_order(self.seats.order().to_vec());
        }
        for member in &mut members {
            let shows = |published: &Published| published.is_video() && !published.muted;
            if member.name != tracks.name(&member.stream.user) {
                member.name = tracks.name(&member.stream.user).to_owned();
            }
            member.video = tracks.recorded().any(|(_, p)| p.stream == member.stream && shows(p));
        }
        if members != self.members {
            self.members = members;
            self.thread.set_members(self.members.clone(), now);
        }
        let visible = |member: &&Member| self.plan.source_size(&member.stream, &self.members).is_some();
        let seen = self.members.iter().filter(visible).map(|member| member.stream.clone()).collect();
        for unseen in std::mem::replace(&mut self.seen, seen) {
            if self.records(&unseen) && !self.seen.contains(&unseen) {
                self.thread.forget(&unseen, now);
            }
        }
    }

    /// Another layout and selection from `now` on.
    pub fn change(&mut self, change: MixChange, tracks: &Tracks, connected: bool, now: Mono) {
        let MixChange { select, layout, images } = change;
        self.select = select;
        self.plan = layout.clone();
        self.thread.set_layout(layout, images, now);
        self.update(tracks, connected, now);
    }

    pub fn push(&mut self, stream: &StreamId, unit: Unit) {
        self.thread.push(stream, unit);
    }

    pub fn set_video_muted(&mut self, stream: &StreamId, muted: bool, now: Mono) {
        match muted {
            true => self.thread.picture_ended(stream, now),
            false => self.thread.picture_goes_on(stream),
        }
    }

    pub fn track_ended(&mut self, stream: &StreamId, video: bool, now: Mono) {
        match video {
            true => self.thread.picture_ended(stream, now),
            false => self.thread.sound_ended(stream),
        }
    }

    pub fn needs_key_frame(&self, stream: &StreamId) -> bool {
        self.waits.contains(stream)
    }

    /// Has the mix made as far as possible: `complete` is up to when everything has come, at the latest.
    pub fn handle_time(&mut self, complete: Mono, now: Mono) -> Vec<MixEvent> {
        self.thread.advance(complete.min(now.plus(-DELAY_NS)), now);
        let mut events: Vec<MixEvent> = self.thread.events().collect();
        events.retain(|event| match event {
            MixEvent::Waits(waits) => {
                self.waits.clone_from(waits);
                false
            }
            _ => true,
        });
        events.extend(self.notes.drain(..).map(MixEvent::Note));
        events
    }

    pub fn close(self, end: Mono) -> Ending {
        self.thread.close(end)
    }

    pub fn suspend(self) {
        self.thread.suspend();
    }
}
