//! A UDP relay that behaves like a bad network: many clients, one server, one socket towards the server per client,
//! so that the server sees as many peers as there are. One plain thread; what happens to each datagram is decided by
//! [`crate::impair`], in each direction and for each client by a link of its own seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use crate::impair::{Fate, Impairment, Link};

/// Clients beyond this many are not served.
const MAX_CLIENTS: usize = 1024;
/// Datagrams under way beyond this many are dropped and counted.
const MAX_QUEUED: usize = 1 << 16;
/// Datagrams read from one socket before the others get their turn.
const READ_BATCH: usize = 64;

/// A direction through the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From a client to the server.
    Up,
    /// From the server to a client.
    Down,
}

/// Datagrams of one direction since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    pub received: u64,
    /// Sent on, duplicates included.
    pub delivered: u64,
    /// Lost as the impairment decided.
    pub lost: u64,
    /// Dropped in a black-out.
    pub blacked_out: u64,
    /// Sent on after one that had arrived later.
    pub overtaken: u64,
    /// Dropped because a bound of the relay was reached.
    pub overflowed: u64,
}

/// Counts of both directions and the number of clients seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    pub up: Count,
    pub down: Count,
    pub clients: usize,
}

#[derive(Default)]
struct Shared {
    up: Impairment,
    down: Impairment,
    blackout: bool,
    stop: bool,
    stats: Stats,
}

impl Shared {
    fn count(&mut self, direction: Direction) -> &mut Count {
        match direction {
            Direction::Up => &mut self.stats.up,
            Direction::Down => &mut self.stats.down,
        }
    }
}

/// A running relay; it stops when dropped.
pub struct Relay {
    addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens on `listen` (port 0: any free one) and relays to `to`. It changes nothing until told to.
    pub fn start(listen: SocketAddr, to: SocketAddr, seed: u64) -> io::Result<Self> {
        let socket = nonblocking(UdpSocket::bind(listen)?)?;
        let addr = socket.local_addr()?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let worker = Worker {
            listen: socket,
            to,
            seed,
            began: Instant::now(),
            shared: shared.clone(),
            clients: Vec::new(),
            by_addr: BTreeMap::new(),
            queue: BinaryHeap::new(),
            arrivals: 0,
        };
        let thread = std::thread::Builder::new().name("udp-relay".into()).spawn(move || worker.run())?;
        Ok(Self { addr, shared, thread: Some(thread) })
    }

    /// Where clients send to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Impairs `direction` from the next datagram on.
    pub fn set(&self, direction: Direction, impairment: Impairment) {
        let mut shared = lock(&self.shared);
        match direction {
            Direction::Up => shared.up = impairment,
            Direction::Down => shared.down = impairment,
        }
    }

    /// Drops everything in both directions, or stops doing so.
    pub fn black_out(&self, on: bool) {
        lock(&self.shared).blackout = on;
    }

    /// Counts so far.
    pub fn stats(&self) -> Stats {
        lock(&self.shared).stats
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        lock(&self.shared).stop = true;
        // Any datagram wakes the thread; without this socket it would stay asleep until a client sends one.
        let woken = UdpSocket::bind((self.addr.ip(), 0)).and_then(|s| s.send_to(&[], self.addr));
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

struct Client {
    addr: SocketAddr,
    upstream: UdpSocket,
    up: Link,
    down: Link,
    /// Highest arrival number sent on, by direction.
    newest: [u64; 2],
}

/// A datagram under way; ordered by due time, then by arrival.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Duration,
    arrival: u64,
    client: usize,
    direction: Direction,
    bytes: Vec<u8>,
}

struct Worker {
    listen: UdpSocket,
    to: SocketAddr,
    seed: u64,
    began: Instant,
    shared: Arc<Mutex<Shared>>,
    clients: Vec<Client>,
    by_addr: BTreeMap<SocketAddr, usize>,
    queue: BinaryHeap<Reverse<Due>>,
    arrivals: u64,
}

impl Worker {
    fn run(mut self) {
        let mut buffer = vec![0; 1 << 16];
        while !lock(&self.shared).stop {
            self.send_due();
            for socket in self.wait() {
                self.read(socket, &mut buffer);
            }
        }
    }

    /// Sleeps until a datagram is due or a socket has something; `None` is the clients' side, `Some` one upstream.
    fn wait(&self) -> Vec<Option<usize>> {
        let timeout = self.queue.peek().map_or(PollTimeout::NONE, |Reverse(due)| {
            let micros = due.at.saturating_sub(self.began.elapsed()).as_micros();
            // Rounded up: rounding down would spin through the last millisecond.
            PollTimeout::try_from(micros.div_ceil(1000)).unwrap_or(PollTimeout::MAX)
        });
        let sockets = std::iter::once(&self.listen).chain(self.clients.iter().map(|c| &c.upstream));
        let mut fds: Vec<_> = sockets.map(|s| PollFd::new(s.as_fd(), PollFlags::POLLIN)).collect();
        if poll(&mut fds, timeout).is_err() {
            return Vec::new();
        }
        let ready = fds.iter().enumerate().filter(|(_, fd)| fd.any().unwrap_or(false));
        ready.map(|(i, _)| i.checked_sub(1)).collect()
    }

    fn read(&mut self, upstream: Option<usize>, buffer: &mut [u8]) {
        for _ in 0..READ_BATCH {
            let (client, direction, len) = match upstream {
                Some(client) => match self.clients[client].upstream.recv(buffer) {
                    Ok(len) => (Some(client), Direction::Down, len),
                    Err(_) => return,
                },
                None => match self.listen.recv_from(buffer) {
                    Ok((len, from)) => (self.client(from), Direction::Up, len),
                    Err(_) => return,
                },
            };
            self.take_in(client, direction, &buffer[..len]);
        }
    }

    fn client(&mut self, from: SocketAddr) -> Option<usize> {
        if let Some(&known) = self.by_addr.get(&from) {
            return Some(known);
        }
        if self.clients.len() == MAX_CLIENTS {
            return None;
        }
        let upstream = UdpSocket::bind((self.listen.local_addr().ok()?.ip(), 0)).and_then(nonblocking).ok()?;
        upstream.connect(self.to).ok()?;
        let index = self.clients.len();
        let seed = self.seed.wrapping_add(index as u64 * 2);
        self.clients.push(Client {
            addr: from,
            upstream,
            up: Link::new(seed),
            down: Link::new(seed.wrapping_add(1)),
            newest: [0; 2],
        });
        self.by_addr.insert(from, index);
        lock(&self.shared).stats.clients = self.clients.len();
        Some(index)
    }

    fn take_in(&mut self, client: Option<usize>, direction: Direction, bytes: &[u8]) {
        let now = self.began.elapsed();
        self.arrivals += 1;
        let mut shared = lock(&self.shared);
        let impairment = if direction == Direction::Up { shared.up } else { shared.down };
        let blackout = shared.blackout;
        let count = shared.count(direction);
        count.received += 1;
        if blackout {
            count.blacked_out += 1;
            return;
        }
        let Some(client) = client else {
            count.overflowed += 1;
            return;
        };
        let link = match direction {
            Direction::Up => &mut self.clients[client].up,
            Direction::Down => &mut self.clients[client].down,
        };
        let Fate::Arrives(first, again) = link.pass(&impairment, now, bytes.len()) else {
            count.lost += 1;
            return;
        };
        for at in std::iter::once(first).chain(again) {
            if self.queue.len() == MAX_QUEUED {
                count.overflowed += 1;
            } else {
                self.queue.push(Reverse(Due { at, arrival: self.arrivals, client, direction, bytes: bytes.to_vec() }));
            }
        }
    }

    fn send_due(&mut self) {
        let now = self.began.elapsed();
        while self.queue.peek().is_some_and(|Reverse(due)| due.at <= now) {
            let Some(Reverse(due)) = self.queue.pop() else { return };
            let client = &mut self.clients[due.client];
            let sent = match due.direction {
                Direction::Up => client.upstream.send(&due.bytes),
                Direction::Down => self.listen.send_to(&due.bytes, client.addr),
            };
            let newest = &mut client.newest[due.direction as usize];
            let mut shared = lock(&self.shared);
            let count = shared.count(due.direction);
            count.overtaken += u64::from(due.arrival < *newest);
            // A refused or full socket is a loss that nobody asked for: it must show.
            if sent.is_ok() {
                count.delivered += 1
            } else {
                count.overflowed += 1
            }
            *newest = due.arrival.max(*newest);
        }
    }
}

fn nonblocking(socket: UdpSocket) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The counters stay true even if a holder panicked: no update leaves them half done.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
