//! A UDP socket read and written in batches: one system call for many datagrams, the kernel's own receive times, and
//! datagram buffers that are never cleared. What the datagrams mean does not belong here.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, getsockopt, recvmmsg, sendmmsg, setsockopt,
    sockopt,
};
use nix::sys::time::TimeSpec;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Datagrams per system call.
pub const BATCH: usize = 64;
/// Longest datagram in bytes. WebRTC stays below the Ethernet MTU; a longer one is cut off and fails to decrypt.
pub const MAX_DATAGRAM: usize = 2048;
/// Datagrams that may wait to be sent; further ones are dropped and counted.
pub const SEND_QUEUE: usize = 4096;
/// Receive buffer asked of the kernel in bytes; it counts its own bookkeeping, so this holds about 6000 video packets.
const RECEIVE_BUFFER: usize = 8 << 20;
/// A receive time further back than this comes from a wall clock that was set, not from a datagram that waited.
const MAX_AGE: Duration = Duration::from_secs(10);

/// What a socket has moved since it was made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SocketStats {
    /// Datagrams received.
    pub received: u64,
    /// System calls that returned at least one datagram.
    pub batches: u64,
    /// Datagrams the kernel dropped because the receive buffer was full (known once a later one arrives).
    pub kernel_drops: u64,
    /// Datagrams handed to the kernel.
    pub sent: u64,
    /// Datagrams not sent: queue full, or refused by the kernel.
    pub send_drops: u64,
}

/// A non-blocking UDP socket. One bound to `[::]` speaks IPv4 as well; its IPv4 addresses look like any others.
pub struct BatchSocket {
    socket: UdpSocket,
    local: SocketAddr,
    receive_buffer: usize,
    inbox: Box<[u8]>,
    stats: SocketStats,
}

impl BatchSocket {
    /// Binds to `addr` (port 0: any) with kernel receive times and the largest receive buffer the kernel allows.
    pub fn bind(addr: SocketAddr) -> io::Result<BatchSocket> {
        let socket = UdpSocket::bind(addr)?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        }
        Ok(BatchSocket {
            local: socket.local_addr()?,
            receive_buffer: getsockopt(&socket, sockopt::RcvBuf)?,
            socket,
            inbox: vec![0; BATCH * MAX_DATAGRAM].into_boxed_slice(),
            stats: SocketStats::default(),
        })
    }

    /// The address the socket is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The receive buffer in bytes as the kernel counts it: twice what was granted.
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Counters since `bind`.
    pub fn stats(&self) -> SocketStats {
        self.stats
    }

    /// Reads up to [`BATCH`] datagrams with one system call and hands each to `each` with its sender and the instant
    /// the kernel received it (never in the future). Returns how many there were; fewer than `BATCH` means that no
    /// more are waiting.
    pub fn recv_batch(&mut self, mut each: impl FnMut(SocketAddr, Instant, &[u8])) -> io::Result<usize> {
        // Made anew for every call: the kernel writes lengths into it which nix does not restore, and it is not Send.
        let mut headers = MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec, u32)));
        let mut chunks = self.inbox.chunks_exact_mut(MAX_DATAGRAM);
        let mut slices: [[IoSliceMut; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(chunks.next().unwrap_or_default())]);
        let fd = self.socket.as_raw_fd();
        let received = match recvmmsg(fd, &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(e) => return Err(e.into()),
        };
        let clock = Clock::now();
        let mut count = 0;
        for message in received {
            count += 1;
            let (at, drops) = read_control(&message, &clock);
            self.stats.kernel_drops = self.stats.kernel_drops.max(drops);
            let Some(src) = message.address.as_ref().and_then(to_std) else { continue };
            each(src, at, message.iovs().next().unwrap_or_default());
        }
        self.stats.received += count as u64;
        self.stats.batches += u64::from(count > 0);
        Ok(count)
    }

    /// Sends what is queued, in batches. What the kernel does not take now stays queued; a datagram it refuses is
    /// dropped and counted.
    pub fn send(&mut self, queue: &mut SendQueue) {
        let fd = self.socket.as_raw_fd();
        let mut done = 0;
        while done < queue.datagrams.len() {
            let end = queue.datagrams.len().min(done + BATCH);
            match send_batch(fd, self.local, &queue.bytes, &queue.datagrams[done..end]) {
                Ok(sent) => {
                    self.stats.sent += sent as u64;
                    done += sent;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(_) => {
                    self.stats.send_drops += 1;
                    done += 1;
                }
            }
        }
        self.stats.send_drops += std::mem::take(&mut queue.dropped);
        queue.remove(done);
    }
}

/// Datagrams to send with [`BatchSocket::send`]: apart from the socket, so that what arrives in a
/// [`recv_batch`](BatchSocket::recv_batch) can be answered at once.
#[derive(Debug, Default)]
pub struct SendQueue {
    bytes: Vec<u8>,
    datagrams: Vec<(SocketAddr, Range<usize>)>,
    dropped: u64,
    loss: Option<Loss>,
}

/// Datagrams lost on purpose.
#[derive(Debug, Clone)]
struct Loss {
    share: f64,
    random: StdRng,
}

impl SendQueue {
    /// From now on loses this share (0 to 1) of what is pushed, chosen by a generator with this seed: a bad network,
    /// for tests and demonstrations.
    pub fn lose(&mut self, share: f64, seed: u64) {
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        self.loss = Some(Loss { share, random: StdRng::seed_from_u64(seed) });
    }

    /// Appends a copy of `bytes`. Dropped (and counted by the next `send`) when [`SEND_QUEUE`] datagrams wait already.
    pub fn push(&mut self, dst: SocketAddr, bytes: &[u8]) {
        if self.datagrams.len() >= SEND_QUEUE {
            self.dropped += 1;
            return;
        }
        if let Some(loss) = &mut self.loss
            && loss.random.random_bool(loss.share)
        {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.datagrams.push((dst, start..self.bytes.len()));
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    fn remove(&mut self, done: usize) {
        self.datagrams.drain(..done);
        let Some(base) = self.datagrams.first().map(|(_, range)| range.start) else {
            self.bytes.clear();
            return;
        };
        // Rare: the kernel's send buffer is full. The rest moves to the front, so that the buffer stays bounded.
        self.bytes.drain(..base);
        for (_, range) in &mut self.datagrams {
            *range = range.start - base..range.end - base;
        }
    }
}

impl AsFd for BatchSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for BatchSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Sends at most [`BATCH`] datagrams; the number taken is at least one.
fn send_batch(fd: RawFd, local: SocketAddr, bytes: &[u8], queue: &[(SocketAddr, Range<usize>)]) -> nix::Result<usize> {
    let slices: Vec<[IoSlice; 1]> = queue.iter().map(|(_, range)| [IoSlice::new(&bytes[range.clone()])]).collect();
    let addrs: Vec<Option<SockaddrStorage>> = queue.iter().map(|(dst, _)| Some(wire_addr(*dst, local))).collect();
    let mut headers = MultiHeaders::preallocate(queue.len(), None);
    Ok(sendmmsg(fd, &mut headers, slices.iter(), addrs, [], MsgFlags::MSG_DONTWAIT)?.count())
}

/// `dst` in the family of the socket: an IPv6 socket reaches IPv4 through mapped addresses.
fn wire_addr(dst: SocketAddr, local: SocketAddr) -> SockaddrStorage {
    match dst {
        SocketAddr::V4(v4) if local.is_ipv6() => {
            SockaddrStorage::from(SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0))
        }
        _ => SockaddrStorage::from(dst),
    }
}

/// The receive time and the socket's drop counter out of a datagram's control messages.
fn read_control(message: &RecvMsg<SockaddrStorage>, clock: &Clock) -> (Instant, u64) {
    let (mut at, mut drops) = (clock.instant, 0);
    // An error means that the kernel cut the control messages off; the datagram itself is whole.
    for control in message.cmsgs().into_iter().flatten() {
        match control {
            ControlMessageOwned::ScmTimestampns(ts) => at = clock.instant_of(Duration::from(ts)),
            ControlMessageOwned::RxqOvfl(n) => drops = u64::from(n),
            _ => {}
        }
    }
    (at, drops)
}

/// Two clocks read within this time are read at one moment.
const AT_ONCE: Duration = Duration::from_micros(200);

/// Both clocks read at one moment, to turn the kernel's wall-clock receive times into instants.
struct Clock {
    instant: Instant,
    /// Since the Unix epoch.
    wall: Duration,
}

impl Clock {
    /// Reads again when the thread was interrupted between the two clocks: all times of a batch would be off by that.
    fn now() -> Clock {
        let mut before = Instant::now();
        loop {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let instant = Instant::now();
            if instant.duration_since(before) < AT_ONCE {
                return Clock { instant, wall };
            }
            before = instant;
        }
    }

    /// The instant of a wall-clock time in the recent past; now, when it lies in the future or too far back.
    fn instant_of(&self, wall: Duration) -> Instant {
        let age = self.wall.saturating_sub(wall);
        if age > MAX_AGE { self.instant } else { self.instant.checked_sub(age).unwrap_or(self.instant) }
    }
}

fn to_std(addr: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = addr.as_sockaddr_in() {
        return Some(SocketAddrV4::from(*v4).into());
    }
    let v6 = SocketAddrV6::from(*addr.as_sockaddr_in6()?);
    Some(v6.ip().to_ipv4_mapped().map_or(v6.into(), |v4| SocketAddr::from((v4, v6.port()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_lost_on_purpose_and_the_same_with_the_same_seed() {
        let left = |share, seed| {
            let mut queue = SendQueue::default();
            queue.lose(share, seed);
            (0..1000).for_each(|i: u16| queue.push(([127, 0, 0, 1], 1).into(), &i.to_be_bytes()));
            queue.bytes
        };
        assert!((1800..2000).contains(&left(0.05, 7).len()));
        assert_eq!(left(0.05, 7), left(0.05, 7));
        assert_ne!(left(0.05, 7), left(0.05, 8));
        assert_eq!((left(0.0, 7).len(), left(1.0, 7).len(), left(f64::NAN, 7).len()), (2000, 0, 2000));
    }

    fn exchange(addr: &str) {
        let mut a = BatchSocket::bind(addr.parse().expect("an address")).expect("binds");
        let mut b = BatchSocket::bind(addr.parse().expect("an address")).expect("binds");
        let before = Instant::now();
        let mut queue = SendQueue::default();
        for i in 0..150u8 {
            queue.push(b.local_addr(), &vec![i; 100 + usize::from(i)]);
        }
        a.send(&mut queue);
        assert!(queue.is_empty());
        let sent_by = Instant::now();
        // Reads late on purpose: the time of reading must not leak into the receive times. Much later than a busy machine
        // takes between reading two clocks.
        std::thread::sleep(Duration::from_millis(300));
        let mut got = Vec::new();
        while got.len() < 150 {
            let n = b.recv_batch(|src, at, bytes| got.push((src, at, bytes.to_vec()))).expect("reads");
            assert!(n > 0, "loopback delivers before send returns");
        }
        for (i, (src, at, bytes)) in got.iter().enumerate() {
            assert_eq!(*src, a.local_addr());
            assert_eq!(*bytes, vec![i as u8; 100 + i]);
            let slack = Duration::from_millis(100);
            assert!(*at + slack >= before && *at <= sent_by + slack, "kernel time, not the time of reading");
        }
        assert_eq!(b.recv_batch(|_, _, _| {}).expect("reads"), 0);
        let stats = b.stats();
        assert_eq!((stats.received, stats.batches, stats.kernel_drops), (150, 3, 0));
        assert_eq!((a.stats().sent, a.stats().send_drops), (150, 0));
    }

    /// The kernel begins to note times some moments after the first socket of all asked for them, and tells the time of
    /// reading until then. Goes on noting them while the socket that this gives is there.
    fn with_kernel_times() -> BatchSocket {
        let mut socket = BatchSocket::bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
        let mut queue = SendQueue::default();
        for _ in 0..200 {
            queue.push(socket.local_addr(), b"when");
            socket.send(&mut queue);
            let sent_by = Instant::now();
            std::thread::sleep(Duration::from_millis(50));
            let mut noted = false;
            socket.recv_batch(|_, at, _| noted = at < sent_by + Duration::from_millis(25)).expect("reads");
            if noted {
                return socket;
            }
        }
        panic!("the kernel notes no times");
    }

    #[test]
    fn batches_keep_order_sender_and_kernel_time() {
        let _notes = with_kernel_times();
        exchange("127.0.0.1:0");
        exchange("[::1]:0");
    }

    #[test]
    fn an_unspecified_ipv6_socket_speaks_ipv4() {
        let mut a = BatchSocket::bind("[::]:0".parse().expect("an address")).expect("binds");
        let mut b = BatchSocket::bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
        let a_as_v4 = SocketAddr::from(([127, 0, 0, 1], a.local_addr().port()));
        let mut queue = SendQueue::default();
        queue.push(b.local_addr(), b"ping");
        a.send(&mut queue);
        let mut from = None;
        b.recv_batch(|src, _, _| from = Some(src)).expect("reads");
        assert_eq!(from, Some(a_as_v4));
        queue.push(a_as_v4, b"pong");
        b.send(&mut queue);
        from = None;
        a.recv_batch(|src, _, _| from = Some(src)).expect("reads");
        assert_eq!(from, Some(b.local_addr()));
    }

    #[test]
    fn kernel_drops_are_counted() {
        let mut a = BatchSocket::bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
        let mut b = BatchSocket::bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
        setsockopt(&b, sockopt::RcvBuf, &4096).expect("a small buffer");
        let mut queue = SendQueue::default();
        for _ in 0..100 {
            queue.push(b.local_addr(), &[7; 1200]);
        }
        a.send(&mut queue);
        let mut kept = 0;
        while b.recv_batch(|_, _, _| kept += 1).expect("reads") > 0 {}
        queue.push(b.local_addr(), &[8; 10]);
        a.send(&mut queue);
        b.recv_batch(|_, _, _| {}).expect("reads");
        assert!(kept < 100);
        assert_eq!(b.stats().kernel_drops, 100 - kept);
    }

    #[test]
    fn a_refused_datagram_does_not_block_the_rest() {
        let mut a = BatchSocket::bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
        let mut b = BatchSocket::bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
        let mut queue = SendQueue::default();
        queue.push("[::1]:9".parse().expect("an address"), b"wrong family");
        queue.push(b.local_addr(), b"right");
        a.send(&mut queue);
        let mut got = Vec::new();
        b.recv_batch(|_, _, bytes| got.push(bytes.to_vec())).expect("reads");
        assert_eq!(got, vec![b"right".to_vec()]);
        assert_eq!(a.stats().send_drops, 1);
    }

    #[test]
    fn the_send_queue_is_bounded() {
        let mut a = BatchSocket::bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
        let mut queue = SendQueue::default();
        for _ in 0..SEND_QUEUE + 5 {
            queue.push(a.local_addr(), b"x");
        }
        a.send(&mut queue);
        assert_eq!(a.stats().send_drops, 5);
    }

    #[test]
    fn instants_are_never_in_the_future_nor_absurd() {
        let clock = Clock { instant: Instant::now(), wall: Duration::from_secs(1000) };
        assert_eq!(clock.instant_of(Duration::from_secs(1001)), clock.instant);
        assert_eq!(clock.instant_of(Duration::from_secs(3)), clock.instant);
        assert_eq!(clock.instant_of(Duration::from_millis(999_900)), clock.instant - Duration::from_millis(100));
    }
}
