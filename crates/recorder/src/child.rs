//! The recorder as a process: commands on standard input, reports on standard output, one media thread.
//!
//! The media thread sleeps [`TURN`] between turns and then handles everything that arrived meanwhile in one go: a
//! recorder is in no hurry, and wake-ups cost more than packets. Exact arrival times come from the kernel.

use std::collections::BTreeMap;
use std::io::{BufRead, Write, stdin, stdout};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use rtc::client::{JoinAs, RoomEvent, RoomServer, Subscriber};

use crate::clock::Clock;
use crate::disk::DiskThread;
use crate::messages::{Command, Report, RoomJob};
use crate::room::{Action, Room};
use crate::sync::SyncQueue;

/// Time between two turns of the media thread.
const TURN: Duration = Duration::from_millis(10);
/// Pause before a room is joined again that was closed or put the recorder out.
const REJOIN: Duration = Duration::from_secs(1);
/// Commands that may wait for the media thread.
const COMMANDS: usize = 256;

/// Runs until standard input ends. Returns an error only when it cannot begin.
pub fn run() -> anyhow::Result<()> {
    let (send, commands) = sync_channel(COMMANDS);
    std::thread::Builder::new().name("commands".into()).spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            match serde_json::from_str::<Command>(&line) {
                Ok(command) => {
                    if send.send(command).is_err() {
                        return;
                    }
                }
                Err(error) => tracing::error!(%error, line, "not a command"),
            }
        }
        // The media thread sees the end of the channel, writes what it has and leaves. Should it hang, leave anyway:
        // two recorders must never write to one file.
        drop(send);
        std::thread::sleep(Duration::from_secs(2));
        std::process::exit(1);
    })?;
    let Ok(Command::Open(job)) = commands.recv() else { anyhow::bail!("the first command must be \"open\"") };
    record(&job, &commands)
}

fn record(job: &RoomJob, commands: &Receiver<Command>) -> anyhow::Result<()> {
    let clock = Clock::start();
    let server = RoomServer { url: job.url.clone(), api_key: job.api_key.clone(), api_secret: job.api_secret.clone() };
    let join = || JoinAs {
        room: job.room.clone(),
        identity: job.identity.clone(),
        name: String::new(),
        attributes: BTreeMap::new(),
    };
    let mut subscriber = Subscriber::join(&server, join(), Instant::now())?;
    let mut rejoin_at = None;
    let disk = DiskThread::start(print)?;
    let syncs = SyncQueue::start(Duration::from_millis(job.settings.sync_ms.into()))?;
    let mut room = Room::new(clock, job.settings, syncs);
    let mut events = Vec::new();
    loop {
        let now = Instant::now();
        // When its next timer is due does not matter: none is so pressing that it could not wait for the next turn, and
        // with many tracks they would make it a turn each millisecond.
        subscriber.poll(now, &mut events);
        for event in events.drain(..) {
            if matches!(&event, RoomEvent::Closed { reason } if room.may_come_back(reason)) {
                rejoin_at = Some(now + REJOIN);
            }
            room.handle_event(event, clock.mono(now));
        }
        if rejoin_at.is_some_and(|at| at <= now) {
            rejoin_at = None;
            subscriber = Subscriber::join(&server, join(), now).inspect_err(|_| room.flush(clock.now()))?;
            subscriber.want(room.wanted());
        }
        let open = handle_commands(commands, &mut room, &clock);
        // The time before the sockets were read: a busy machine may have held the thread up since then, and what came
        // meanwhile would be missing from what is made up to the present.
        room.handle_time(clock.mono(now));
        if let Some(wanted) = room.take_wanted() {
            subscriber.want(wanted);
        }
        for action in room.take_actions() {
            match action {
                Action::Report(report) => print(report),
                Action::KeyFrame(track) => subscriber.request_key_frame(&track),
                Action::Disk(job) => disk.send(job),
            }
        }
        if !open {
            // The worker is gone. What was received is written by dropping the room's files in order.
            room.flush(clock.now());
            subscriber.leave(Instant::now());
            return Ok(());
        }
        std::thread::sleep(TURN.saturating_sub(now.elapsed()));
    }
}

/// Returns whether the worker is still there.
fn handle_commands(commands: &Receiver<Command>, room: &mut Room, clock: &Clock) -> bool {
    loop {
        match commands.try_recv() {
            Ok(Command::Start(task)) => room.start(task, clock.now()),
            Ok(Command::Change { task, change }) => room.change(task, change, clock.now()),
            Ok(Command::Stop { task }) => room.stop(task, clock.now()),
            Ok(Command::Finish { task, dir }) => room.finish(task, dir),
            Ok(Command::Open(_)) => tracing::error!("\"open\" comes once"),
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
    }
}

/// Reports go out whole lines at a time from both threads.
fn print(report: Report) {
    match serde_json::to_string(&report) {
        Ok(line) => {
            let mut out = stdout().lock();
            // A worker that does not read any more is dead; the end of standard input says so, too.
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        }
        Err(error) => tracing::error!(%error, "report cannot be encoded"),
    }
}
