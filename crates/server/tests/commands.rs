//! Subcommands as processes: a server in development mode, synthetic users in it, and how processes end.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const TAPEDECK: &str = env!("CARGO_BIN_EXE_tapedeck");
const DEADLINE: Duration = Duration::from_secs(60);

/// A server on free ports, killed when dropped.
struct Server {
    process: Child,
    ports: Ports,
}

/// Ports that nobody has now.
struct Ports {
    api: u16,
    rooms: u16,
    media: u16,
}

impl Ports {
    fn free() -> Self {
        let tcp = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (api, rooms, media) = (tcp(), tcp(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        Self { api: port(&api), rooms: port(&rooms), media: media.local_addr().unwrap().port() }
    }
}

impl Server {
    fn start(data: &Path) -> Self {
        let ports = Ports::free();
        let set = |name: &str, port: u16| format!("--set={name}=127.0.0.1:{port}");
        let mut process = Command::new(TAPEDECK)
            .args(["serve", "--dev", "--data-dir", data.to_str().unwrap()])
            .args([set("server.api_bind", ports.api), set("rooms.http_bind", ports.rooms)])
            .arg(set("rooms.udp_bind", ports.media))
            .current_dir(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.map_while(Result::ok).find(|line| line.starts_with("Files appear in"));
        assert!(ready.is_some(), "the server ended at its start");
        Self { process, ports }
    }

    fn publish(&self, data: &Path, more: &str) -> Output {
        Command::new(TAPEDECK)
            .args(["publish", "--room", "demo", "--duration", "3s", "--size", "128x72", "--fps", "15"])
            .args(["--data-dir", data.to_str().unwrap(), "--cache", data.join("clips").to_str().unwrap()])
            .args(["--url", &format!("ws://127.0.0.1:{}", self.ports.rooms)])
            .args(more.split_whitespace())
            .current_dir(data)
            .output()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits for a condition that comes about by itself.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Number in front of a word in the line of a track.
fn count(report: &str, track: &str, unit: &str) -> u64 {
    let line = report.lines().find(|line| line.contains(track) && line.contains(unit));
    let line = line.unwrap_or_else(|| panic!("no line of {track} in:\n{report}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == unit).unwrap();
    words[at - 1].parse().unwrap()
}

#[test]
fn development_mode_serves_synthetic_users_and_ends_in_good_order() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start(data.path());

    let published = server.publish(data.path(), "--users 2 --screen --mute video:1s-2s --loss 0.02");
    let report = String::from_utf8(published.stdout).unwrap();
    assert!(published.status.success(), "{report}{}", String::from_utf8_lossy(&published.stderr));
    assert!(report.contains("publishing: 2 users in room demo"), "{report}");
    assert_eq!(report.matches(" is TR_").count(), 8, "{report}");
    // Three seconds less joining: at 15 frames/s with one second muted, and 50 packets/s. Both before and after the mute
    // pictures begin with the clip's next key frame, which is up to a second away.
    assert!((1..=31).contains(&count(&report, "user-2  camera", "frames")), "{report}");
    assert!((75..=150).contains(&count(&report, "user-1  microphone", "packets")), "{report}");

    let refused = server.publish(data.path(), "--key nobody --secret nothing");
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stdout).unwrap().contains("401"));

    let check = Command::new(TAPEDECK)
        .args(["check", "--data-dir", data.path().to_str().unwrap()])
        .current_dir(data.path())
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));

    // As `timeout` does it: to the process and to its group. That is one wish and no "at once".
    for _ in 0..2 {
        kill(Pid::from_raw(server.process.id().cast_signed()), Signal::SIGTERM).unwrap();
    }
    assert!(server.process.wait().unwrap().success());
}

#[test]
fn a_mistake_in_the_settings_ends_the_start_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tapedeck.toml"), "[rooms]\nudp_bnid = \"1\"\n").unwrap();
    let output = Command::new(TAPEDECK).arg("serve").current_dir(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, "tapedeck: tapedeck.toml: unknown setting rooms.udp_bnid; did you mean rooms.udp_bind?\n");
    assert!(!dir.path().join("data").exists(), "nothing is made before the settings are right");
}

/// The kernel closes a dead worker's end of the pipe. Ctrl-C in a terminal and supervisors that signal the whole group
/// reach children too, and are not for them.
#[test]
fn a_recorder_ends_with_its_commands_and_not_by_a_signal() {
    let mut recorder = Command::new(TAPEDECK).arg("recorder").stdin(Stdio::piped()).spawn().unwrap();
    let commands = recorder.stdin.take().unwrap();
    let status = format!("/proc/{}/status", recorder.id());
    eventually("SIGINT and SIGTERM are blocked", || {
        std::fs::read_to_string(&status).is_ok_and(|text| text.contains("SigBlk:\t0000000000004002"))
    });
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        kill(Pid::from_raw(recorder.id().cast_signed()), signal).unwrap();
        assert!(recorder.try_wait().unwrap().is_none());
    }
    drop(commands);
    assert_eq!(recorder.wait().unwrap().code(), Some(1), "it had no room to record");
}
