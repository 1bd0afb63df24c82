//! The thread that owns the media socket and the engine: it sleeps until a datagram, a command or a deadline comes,
//! takes everything that is there, and sends what came of it.

use super::engine::{Command, Engine};
use crate::udp::{BATCH, BatchSocket, SendQueue};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Commands that may wait for the thread; senders wait beyond it.
const COMMANDS: usize = 1024;
/// Batches of datagrams taken before time and commands get their turn.
const BATCHES_PER_TURN: usize = 16;
/// Datagrams handed to the socket before it sends; its queue must never overflow.
const SEND_EVERY: usize = 512;

/// The way to the engine for the signalling side.
#[derive(Clone)]
pub struct Commands {
    queue: mpsc::Sender<Command>,
    bell: Arc<UnixDatagram>,
}

impl Commands {
    /// Hands a command over; `false` when the engine has stopped.
    pub async fn send(&self, command: Command) -> bool {
        let sent = self.queue.send(command).await.is_ok();
        // A full bell has been rung already.
        let _ = self.bell.send(&[0]);
        sent
    }
}

/// Starts the thread.
pub fn spawn(engine: Engine, socket: BatchSocket) -> io::Result<(Commands, JoinHandle<()>)> {
    let (bell, ear) = UnixDatagram::pair()?;
    bell.set_nonblocking(true)?;
    ear.set_nonblocking(true)?;
    let (queue, commands) = mpsc::channel(COMMANDS);
    let thread = MediaThread { engine, socket, outbox: SendQueue::default(), commands, ear };
    let handle = std::thread::Builder::new().name("rooms-media".into()).spawn(move || thread.run())?;
    Ok((Commands { queue, bell: Arc::new(bell) }, handle))
}

struct MediaThread {
    engine: Engine,
    socket: BatchSocket,
    outbox: SendQueue,
    commands: mpsc::Receiver<Command>,
    ear: UnixDatagram,
}

impl MediaThread {
    fn run(mut self) {
        loop {
            self.wait();
            self.set_time();
            let goes_on = self.take_commands();
            self.engine.settle();
            self.take_datagrams();
            self.set_time();
            self.engine.on_time();
            self.send();
            if !goes_on {
                return;
            }
        }
    }

    fn wait(&self) {
        let timeout = match self.engine.deadline() {
            None => PollTimeout::NONE,
            Some(at) => {
                // Rounded up to the next millisecond: a deadline slept to the full is really over.
                let left = at.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
                PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX)
            }
        };
        let mut fds =
            [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN), PollFd::new(self.ear.as_fd(), PollFlags::POLLIN)];
        if let Err(error) = poll(&mut fds, timeout)
            && error != nix::errno::Errno::EINTR
        {
            tracing::error!(%error, "waiting for media failed");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn set_time(&mut self) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.engine.set_time(Instant::now(), unix.as_millis() as i64);
    }

    /// Whether the thread goes on.
    fn take_commands(&mut self) -> bool {
        let mut byte = [0; 1];
        while self.ear.recv(&mut byte).is_ok() {}
        loop {
            match self.commands.try_recv() {
                Ok(Command::Stop) => {
                    self.engine.on_command(Command::Stop);
                    return false;
                }
                Ok(command) => self.engine.on_command(command),
                Err(mpsc::error::TryRecvError::Empty) => return true,
                Err(mpsc::error::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn take_datagrams(&mut self) {
        for _ in 0..BATCHES_PER_TURN {
            let engine = &mut self.engine;
            let received = self.socket.recv_batch(|source, at, bytes| engine.on_datagram(at, source, bytes));
            self.engine.settle();
            self.send();
            match received {
                Ok(BATCH) => {}
                Ok(_) => return,
                // What the kernel reports of datagrams sent earlier, such as a port that is closed.
                Err(error) => {
                    tracing::debug!(%error, "media socket");
                    return;
                }
            }
        }
    }

    fn send(&mut self) {
        for (count, transmit) in self.engine.transmits().enumerate() {
            self.outbox.push(transmit.destination, &transmit.contents);
            if count % SEND_EVERY == SEND_EVERY - 1 {
                self.socket.send(&mut self.outbox);
            }
        }
        self.socket.send(&mut self.outbox);
    }
}
