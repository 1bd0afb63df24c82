//! The thread that makes a mix, beside the media thread, which must never wait for an encoder.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rules::layout::{Member, Plan};
use rules::select::StreamId;
use rules::time::Mono;

use super::account::LeftOut;
use super::{Mix, MixEvent, MixJob};
use crate::clock::Clock;
use crate::take::Closed;
use crate::unit::Unit;
use crate::{Result, order};

/// What may wait for the mix: half a minute of a full room. Beyond it media is dropped and counted.
const INPUTS: usize = 1 << 16;

/// Exit status of a recorder whose mix broke off.
const PANICKED: i32 = 70;

/// What the thread is told.
enum Input {
    Unit(StreamId, Unit),
    /// Units that found no room, before what follows.
    LeftOut(BTreeMap<StreamId, LeftOut>),
    Members(Vec<Member>, Mono),
    Layout(Box<Plan>, BTreeMap<String, PathBuf>, Mono),
    PictureEnded(StreamId, Mono),
    PictureGoesOn(StreamId),
    Forget(StreamId, Mono),
    SoundEnded(StreamId),
    /// To be kept for another recorder.
    Order(Vec<StreamId>),
    /// Everything captured before the first has come; said at the second.
    Advance(Mono, Mono),
    /// Ends the file there; so many inputs were dropped.
    Close(Mono, u64),
    Suspend,
}

/// The owner's end.
pub struct MixThread {
    inputs: SyncSender<Input>,
    ending: Ending,
    /// News of the room that found no room: they come before what follows.
    late: VecDeque<Input>,
    /// Media that found no room.
    dropped: u64,
}

/// A mix that is being ended.
#[derive(Debug)]
pub struct Ending {
    events: Receiver<MixEvent>,
    thread: JoinHandle<Option<Closed>>,
}

impl Ending {
    /// Waits for the file, if there is one, and what there is to tell.
    pub fn wait(self) -> (Option<Closed>, Vec<MixEvent>) {
        let closed = self.thread.join();
        // A panic has ended the process.
        (closed.unwrap_or_default(), self.events.try_iter().collect())
    }
}

impl MixThread {
    pub fn start(job: MixJob, clock: Clock) -> Result<MixThread> {
        let (inputs, queue) = sync_channel(INPUTS);
        let (tell, events) = std::sync::mpsc::channel();
        let dir = job.place.dir.clone();
        let mix = Mix::new(job, clock)?;
        let work = move || {
            let run = || run(mix, &dir, &clock, &queue, &|event| _ = tell.send(event));
            let mixed = catch_unwind(AssertUnwindSafe(run));
            mixed.unwrap_or_else(|_| {
                // The worker starts another recorder, which goes on in the same file.
                tracing::error!("the mix panicked");
                std::process::exit(PANICKED)
            })
        };
        let thread = std::thread::Builder::new().name("mix".into()).spawn(work)?;
        Ok(MixThread { inputs, ending: Ending { events, thread }, late: VecDeque::new(), dropped: 0 })
    }

    /// What happened since the last call.
    pub fn events(&self) -> impl Iterator<Item = MixEvent> + '_ {
        self.ending.events.try_iter()
    }

    pub fn push(&mut self, stream: &StreamId, unit: Unit) {
        self.send(Input::Unit(stream.clone(), unit));
    }

    /// See [`Mix::set_members`].
    pub fn set_members(&mut self, members: Vec<Member>, at: Mono) {
        self.send(Input::Members(members, at));
    }

    /// See [`Mix::set_layout`].
    pub fn set_layout(&mut self, plan: Plan, images: BTreeMap<String, PathBuf>, at: Mono) {
        self.send(Input::Layout(Box::new(plan), images, at));
    }

    /// See [`Mix::picture_ended`].
    pub fn picture_ended(&mut self, stream: &StreamId, at: Mono) {
        self.send(Input::PictureEnded(stream.clone(), at));
    }

    /// See [`Mix::picture_goes_on`].
    pub fn picture_goes_on(&mut self, stream: &StreamId) {
        self.send(Input::PictureGoesOn(stream.clone()));
    }

    /// See [`Mix::forget`].
    pub fn forget(&mut self, stream: &StreamId, at: Mono) {
        self.send(Input::Forget(stream.clone(), at));
    }

    /// See [`Mix::sound_ended`].
    pub fn sound_ended(&mut self, stream: &StreamId) {
        self.send(Input::SoundEnded(stream.clone()));
    }

    /// Has the order of the streams written down, for another recorder to begin with.
    pub fn keep_order(&mut self, order: Vec<StreamId>) {
        self.send(Input::Order(order));
    }

    /// See [`Mix::advance`].
    pub fn advance(&mut self, until: Mono, now: Mono) {
        self.send(Input::Advance(until, now));
    }

    /// Has the file end at `end`.
    pub fn close(self, end: Mono) -> Ending {
        let dropped = self.dropped;
        self.end(Input::Close(end, dropped))
    }

    /// Has everything received written, and waits for it.
    pub fn suspend(self) {
        _ = self.end(Input::Suspend).wait();
    }

    /// The last words wait for their place in the queue: nothing else is left to do for the task.
    fn end(self, last: Input) -> Ending {
        self.late.into_iter().chain([last]).for_each(|input| _ = self.inputs.send(input));
        self.ending
    }

    fn send(&mut self, input: Input) {
        while let Some(late) = self.late.pop_front() {
            if let Err(TrySendError::Full(late)) = self.inputs.try_send(late) {
                self.late.push_front(late);
                break;
            }
        }
        let sent = if self.late.is_empty() { self.inputs.try_send(input) } else { Err(TrySendError::Full(input)) };
        match sent {
            Ok(()) => {}
            // There is another one in a moment.
            Err(TrySendError::Full(Input::Advance(..))) => {}
            Err(TrySendError::Full(Input::Unit(stream, unit))) => {
                self.dropped += 1;
                if !matches!(self.late.back(), Some(Input::LeftOut(_))) {
                    self.late.push_back(Input::LeftOut(BTreeMap::new()));
                }
                if let Some(Input::LeftOut(left_out)) = self.late.back_mut() {
                    left_out.entry(stream).or_default().add(&unit);
                }
                if self.dropped.is_power_of_two() {
                    tracing::error!(dropped = self.dropped, "the mix is so far behind that media is dropped");
                }
            }
            Err(TrySendError::Full(news)) => self.late.push_back(news),
            Err(TrySendError::Disconnected(_)) => {}
        }
    }
}

/// Returns the file when the recording was closed.
fn run(mut mix: Mix, dir: &Path, clock: &Clock, queue: &Receiver<Input>, tell: &impl Fn(MixEvent)) -> Option<Closed> {
    let note = |what: &str, error: &crate::Error| tell(MixEvent::Note(format!("{what}: {error}")));
    // The disk, or an encoder: tried again with the next input, told once.
    let mut failed: Option<String> = None;
    for input in queue {
        let done = match input {
            Input::Unit(stream, unit) => mix.push(&stream, unit),
            Input::LeftOut(streams) => {
                streams.into_iter().for_each(|(stream, left_out)| mix.leave_out(&stream, left_out));
                Ok(())
            }
            Input::Members(members, at) => {
                mix.set_members(members, at);
                Ok(())
            }
            Input::Layout(plan, images, at) => {
                mix.set_layout(*plan, images, at);
                Ok(())
            }
            Input::PictureEnded(stream, at) => {
                mix.picture_ended(&stream, at);
                Ok(())
            }
            Input::PictureGoesOn(stream) => {
                mix.picture_goes_on(&stream);
                Ok(())
            }
            Input::Forget(stream, at) => {
                mix.forget(stream, at);
                Ok(())
            }
            Input::SoundEnded(stream) => {
                mix.sound_ended(&stream);
                Ok(())
            }
            Input::Order(order) => order::write(dir, &order),
            Input::Advance(until, said) => {
                let now = clock.now();
                mix.observe(now.since(said), now);
                mix.advance(until, now)
            }
            Input::Close(end, dropped) => {
                let closed = mix.close(end);
                mix.take_events().into_iter().for_each(tell);
                if dropped > 0 {
                    tell(MixEvent::Note(format!("mixing fell so far behind that {dropped} packets were dropped")));
                }
                return closed.unwrap_or_else(|error| {
                    note("closing", &error);
                    None
                });
            }
            Input::Suspend => {
                if let Err(error) = mix.suspend() {
                    tracing::error!(%error, "cannot write the rest");
                }
                return None;
            }
        };
        if let Err(error) = done
            && failed.as_deref() != Some(&error.to_string())
        {
            note("mixing", &error);
            failed = Some(error.to_string());
        }
        mix.take_events().into_iter().for_each(tell);
    }
    None
}
