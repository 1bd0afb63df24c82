//! Room servers to test the client against: the embedded one, and a real LiveKit server where its binary is found.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rtc::client::RoomServer;
use rtc::rooms::{self, RoomsConfig, Running};

const KEY: &str = "devkey";
const SECRET: &str = "a-secret-of-more-than-thirty-two-characters";

/// A room server that can go down and come up again at the same address.
pub trait Host {
    fn http(&self) -> SocketAddr;
    fn stop(&mut self);
    fn start(&mut self);

    fn access(&self) -> RoomServer {
        RoomServer { url: format!("ws://{}", self.http()), api_key: KEY.into(), api_secret: SECRET.into() }
    }
}

pub struct Embedded {
    runtime: tokio::runtime::Runtime,
    config: RoomsConfig,
    running: Option<Running>,
}

impl Embedded {
    pub fn new() -> Embedded {
        let mut config = RoomsConfig { http: free_tcp(), udp: free_udp(), ..RoomsConfig::default() };
        config.keys.insert(KEY.into(), SECRET.into());
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let mut host = Embedded { runtime, config, running: None };
        host.start();
        host
    }
}

impl Host for Embedded {
    fn http(&self) -> SocketAddr {
        self.config.http
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.shutdown());
        }
    }

    fn start(&mut self) {
        let running = self.runtime.block_on(rooms::start(self.config.clone()));
        self.running = Some(running.expect("the room server starts"));
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop();
    }
}

pub struct LiveKit {
    binary: PathBuf,
    http: SocketAddr,
    config: String,
    child: Option<Child>,
}

impl LiveKit {
    /// `None`, said by name, where there is no LiveKit server on this machine.
    pub fn new(test: &str) -> Option<LiveKit> {
        let Some(binary) = std::env::var_os("E2E_LIVEKIT_SERVER").map(PathBuf::from).filter(|path| path.is_file())
        else {
            println!("SKIPPED {test}: E2E_LIVEKIT_SERVER names no LiveKit server binary");
            return None;
        };
        let (http, tcp, udp) = (free_tcp(), free_tcp(), free_udp());
        let config = format!(
            "{{port: {}, bind_addresses: [127.0.0.1], logging: {{level: warn}}, keys: {{{KEY}: {SECRET}}}, \
             rtc: {{tcp_port: {}, udp_port: {}, use_external_ip: false, node_ip: 127.0.0.1, \
             enable_loopback_candidate: true, interfaces: {{includes: [lo]}}, stun_servers: ['127.0.0.1:3478']}}}}",
            http.port(),
            tcp.port(),
            udp.port()
        );
        let mut host = LiveKit { binary, http, config, child: None };
        host.start();
        Some(host)
    }
}

impl LiveKit {
    /// Makes it stand still, or go on: its sockets stay open, and nothing answers.
    pub fn freeze(&self, frozen: bool) {
        let pid = self.child.as_ref().expect("runs").id();
        let signal = if frozen { Signal::SIGSTOP } else { Signal::SIGCONT };
        kill(Pid::from_raw(pid as i32), signal).expect("the server is ours");
    }
}

impl Host for LiveKit {
    fn http(&self) -> SocketAddr {
        self.http
    }

    /// Kills it: no goodbye to anybody.
    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server is ours to kill");
            child.wait().expect("the server was running");
        }
    }

    fn start(&mut self) {
        let child = Command::new(&self.binary)
            .env("LIVEKIT_CONFIG", &self.config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the LiveKit server starts");
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect_timeout(&self.http, Duration::from_millis(100)).is_err() {
            assert!(Instant::now() < deadline, "the LiveKit server listens within 20 s");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for LiveKit {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Below the range the kernel takes ports from by itself, and another one for every call in this process: a server
/// that restarts must find its port free.
fn free_port(is_free: impl Fn(SocketAddr) -> bool) -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let offset = (std::process::id() * 16 + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000 + offset as u16));
        if is_free(addr) {
            return addr;
        }
    }
}

fn free_tcp() -> SocketAddr {
    free_port(|addr| TcpListener::bind(addr).is_ok())
}

fn free_udp() -> SocketAddr {
    free_port(|addr| UdpSocket::bind(addr).is_ok())
}
