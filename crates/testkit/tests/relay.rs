//! The relay between real sockets on loopback.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use testkit::impair::Impairment;
use testkit::relay::{Direction, Relay};

const DEADLINE: Duration = Duration::from_secs(20);
/// Datagrams under way at once: few enough for any socket's buffer, also while the reader gets no CPU time.
const UNDER_WAY: u64 = 64;

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind(local()).expect("loopback has free ports");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
    socket
}

struct Rig {
    server: UdpSocket,
    client: UdpSocket,
    relay: Relay,
}

fn rig(seed: u64, up: Impairment) -> Rig {
    let (server, client) = (socket(), socket());
    let relay = Relay::start(local(), server.local_addr().expect("bound"), seed).expect("relay starts");
    client.connect(relay.addr()).expect("loopback");
    relay.set(Direction::Up, up);
    Rig { server, client, relay }
}

impl Rig {
    /// Sends `count` numbered datagrams and returns the numbers that arrive, with the milliseconds each took. No socket
    /// loses any: after each it waits until the relay has seen it and all but [`UNDER_WAY`] are read or lost by decision.
    fn send(&self, count: u32) -> Vec<(u32, f64)> {
        let reader = self.server.try_clone().expect("sockets clone");
        let began = Instant::now();
        let read = Arc::new(AtomicU64::new(0));
        let reading = std::thread::spawn({
            let read = read.clone();
            move || read_until_end(&reader, began, &read)
        });
        let before = self.relay.stats().up;
        let sent: Vec<Duration> = (0..count)
            .map(|number| {
                let at = began.elapsed();
                self.client.send(&number.to_be_bytes()).expect("loopback takes it");
                wait(|| {
                    let up = self.relay.stats().up;
                    let seen = up.received - before.received;
                    let done = read.load(Ordering::Relaxed) + up.lost - before.lost;
                    seen == u64::from(number) + 1 && seen - done < UNDER_WAY
                });
                at
            })
            .collect();
        wait(|| self.settled());
        self.relay.set(Direction::Up, Impairment::default());
        self.client.send(&u32::MAX.to_be_bytes()).expect("loopback takes it");
        let arrived = reading.join().expect("the reader ends with the end mark");
        arrived.into_iter().map(|(n, at)| (n, (at - sent[n as usize]).as_secs_f64() * 1e3)).collect()
    }

    fn settled(&self) -> bool {
        let up = self.relay.stats().up;
        assert_eq!(up.overflowed, 0, "the relay dropped by itself");
        up.delivered + up.lost + up.blacked_out >= up.received
    }
}

fn read_until_end(socket: &UdpSocket, began: Instant, read: &AtomicU64) -> Vec<(u32, Duration)> {
    let mut arrived = Vec::new();
    let mut bytes = [0; 4];
    loop {
        socket.recv(&mut bytes).expect("the end mark comes before the deadline");
        match u32::from_be_bytes(bytes) {
            u32::MAX => return arrived,
            number => arrived.push((number, began.elapsed())),
        }
        read.fetch_add(1, Ordering::Relaxed);
    }
}

fn wait(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "not in time");
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_changed_unless_asked() {
    let rig = rig(1, Impairment::default());
    let numbers: Vec<u32> = rig.send(2000).into_iter().map(|(n, _)| n).collect();
    assert_eq!(numbers, (0..2000).collect::<Vec<_>>());
}

#[test]
fn loss_is_as_asked_and_the_same_for_the_same_seed() {
    let lossy = Impairment { loss: 0.05, ..Impairment::default() };
    let run = |seed| rig(seed, lossy).send(4000).into_iter().map(|(n, _)| n).collect::<Vec<_>>();
    let first = run(7);
    let lost = 4000 - first.len();
    assert!((140..260).contains(&lost), "{lost} of 4000 lost");
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
}

#[test]
fn jitter_delays_and_reorders() {
    let jittery = Impairment { delay_ms: 10, jitter_ms: 40, ..Impairment::default() };
    let arrived = rig(3, jittery).send(3000);
    assert_eq!(arrived.len(), 3000);
    assert!(arrived.iter().all(|(_, ms)| *ms >= 10.0), "a datagram came too early");
    let mean = arrived.iter().map(|(_, ms)| ms).sum::<f64>() / 3000.0;
    assert!(mean > 28.0, "mean delay {mean} ms");
    assert!(arrived.windows(2).any(|w| w[1].0 < w[0].0), "nothing was reordered");
}

#[test]
fn clients_are_apart_and_answers_find_their_way() {
    let rig = rig(1, Impairment::default());
    let other = socket();
    other.connect(rig.relay.addr()).expect("loopback");
    rig.client.send(b"one").expect("loopback");
    other.send(b"two").expect("loopback");
    let mut bytes = [0; 16];
    let mut peers = Vec::new();
    for _ in 0..2 {
        let (len, from) = rig.server.recv_from(&mut bytes).expect("both arrive");
        rig.server.send_to(&bytes[..len], from).expect("loopback");
        peers.push(from);
    }
    assert_ne!(peers[0], peers[1]);
    assert_eq!(rig.client.recv(&mut bytes).map(|len| bytes[..len].to_vec()).expect("echo"), b"one");
    assert_eq!(other.recv(&mut bytes).map(|len| bytes[..len].to_vec()).expect("echo"), b"two");
    assert_eq!(rig.relay.stats().clients, 2);
}

#[test]
fn a_black_out_drops_everything_until_it_ends() {
    let rig = rig(1, Impairment::default());
    rig.relay.black_out(true);
    rig.client.send(&0u32.to_be_bytes()).expect("loopback");
    wait(|| rig.relay.stats().up.blacked_out == 1);
    rig.relay.black_out(false);
    assert_eq!(rig.send(10).len(), 10);
}

#[test]
fn a_server_that_is_away_is_found_again() {
    let rig = rig(1, Impairment::default());
    let addr = rig.server.local_addr().expect("bound");
    drop(rig.server);
    rig.client.send(b"lost").expect("loopback");
    wait(|| rig.relay.stats().up.received == 1);
    let server = UdpSocket::bind(addr).expect("the port is free again");
    server.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout above zero");
    let deadline = Instant::now() + DEADLINE;
    let mut bytes = [0; 8];
    loop {
        rig.client.send(b"found").expect("loopback");
        if matches!(server.recv(&mut bytes), Ok(5)) {
            return;
        }
        assert!(Instant::now() < deadline, "the server was not found again");
    }
}
