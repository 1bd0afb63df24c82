//! `tapedeck publish`: users in a room, synthetic or with a media file, all driven by one thread from memory.

pub mod clips;
mod file;
pub mod mute;
mod user;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use rtc::client::{CloseReason, JoinAs};
use synth::clip::{ClipSpec, default_cache};

use crate::cli::options::room_server;
use crate::cli::publish::{MediaArgs, PublishArgs, VideoCodec};
use crate::shutdown::Shutdown;
use clips::{Clock, Media};
use user::{Stream, User};

/// Time between looks at the sockets and the schedule: the unevenness of what is sent.
const TICK: Duration = Duration::from_millis(5);
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(4);
/// Users that differ; the others look and sound like one of them.
const DIFFERENT: u16 = 16;

/// Publishes until the duration is over or a signal comes.
pub fn run(args: &PublishArgs) -> anyhow::Result<ExitCode> {
    let server = room_server(args.url.as_deref(), &args.keys, &args.config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let shutdown = {
        let _entered = runtime.enter();
        Shutdown::on_signals().context("cannot listen to signals")?
    };
    let names = names(args);
    let loops = load(args, &names)?;
    if shutdown.is_requested() {
        return Ok(ExitCode::SUCCESS);
    }
    let start = Instant::now();
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let clock = Clock::new(start, u64::try_from(since_epoch.as_nanos())?);
    let mut users = Vec::new();
    for ((name, streams), seed) in names.iter().zip(loops).zip(args.media.seed..) {
        let (room, identity) = (args.room.clone(), name.clone());
        let join = JoinAs { room, identity, name: name.clone(), attributes: BTreeMap::new() };
        let mut user = User::join(&server, join, streams, start)?;
        if args.media.loss > 0.0 {
            user.lose(args.media.loss, seed);
        }
        users.push(user);
    }
    drive(args, &clock, &mut users, &shutdown);
    say_goodbye(&mut users);
    users.iter().for_each(|user| print!("{user}"));
    let stayed = users.iter().all(|user| user.is_published() && matches!(user.closed, None | Some(CloseReason::Left)));
    Ok(if stayed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends until the end is asked for, the time is over or nobody is left.
fn drive(args: &PublishArgs, clock: &Clock, users: &mut [User], shutdown: &Shutdown) {
    let mut progress = Progress { published: false, second: 0, shown: std::io::stderr().is_terminal() };
    let mut told = Vec::new();
    loop {
        let now = Instant::now();
        let at = clock.since_start(now);
        if shutdown.is_requested() || args.duration.is_some_and(|duration| at >= duration) {
            break;
        }
        for user in users.iter_mut() {
            user.step(clock, &args.media.mute, now, &mut told);
        }
        progress.tell(&mut told, users, &args.room, at);
        if users.iter().all(|user| user.closed.is_some()) {
            break;
        }
        std::thread::sleep(TICK.saturating_sub(now.elapsed()));
    }
    progress.clear();
}

/// Leaves with everybody, and waits until the server knows.
fn say_goodbye(users: &mut [User]) {
    let begun = Instant::now();
    let mut told = Vec::new();
    users.iter_mut().filter(|user| user.closed.is_none()).for_each(|user| user.leave(begun));
    while users.iter().any(|user| user.closed.is_none()) && begun.elapsed() < GOODBYE {
        for user in users.iter_mut().filter(|user| user.closed.is_none()) {
            user.poll(Instant::now(), &mut told);
        }
        std::thread::sleep(TICK);
    }
}

/// What people see while it runs: events as lines, and on a terminal one line that is written over and over.
struct Progress {
    published: bool,
    second: u64,
    shown: bool,
}

impl Progress {
    fn tell(&mut self, told: &mut Vec<String>, users: &[User], room: &str, at: Duration) {
        if !told.is_empty() {
            self.clear();
        }
        told.drain(..).for_each(|line| println!("{line}"));
        if !self.published && users.iter().all(User::is_published) {
            self.published = true;
            println!("publishing: {} users in room {room}", users.len());
        }
        if self.shown && at.as_secs() != self.second {
            self.second = at.as_secs();
            let kbits = users.iter().map(User::bytes).sum::<u64>() / 125 / self.second;
            let there = users.iter().filter(|user| user.closed.is_none()).count();
            eprint!("\r\x1b[K{} s, {there} users, {kbits} kbit/s", self.second);
        }
    }

    fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

fn names(args: &PublishArgs) -> Vec<String> {
    if !args.user.is_empty() {
        return args.user.clone();
    }
    (1..=args.users).map(|number| format!("user-{number}")).collect()
}

/// The streams of every user.
fn load(args: &PublishArgs, names: &[String]) -> anyhow::Result<Vec<Vec<Stream>>> {
    let media = &args.media;
    let made = match &args.file {
        Some(path) => vec![load_file(path, media)?],
        None => load_clips(media, names)?,
    };
    if !made.iter().any(|clip| clip.has_video() && !media.no_video || clip.has_audio() && !media.no_audio) {
        bail!("neither picture nor sound is left to publish");
    }
    let streams = |index: usize| {
        let clip = &made[index % made.len()];
        let (video, audio) = (clip.has_video() && !media.no_video, clip.has_audio() && !media.no_audio);
        let stream = |screen| Stream { media: clip.clone(), screen, video, audio };
        if media.screen { vec![stream(false), stream(true)] } else { vec![stream(false)] }
    };
    Ok((0..names.len()).map(streams).collect())
}

fn load_file(path: &Path, media: &MediaArgs) -> anyhow::Result<Arc<Media>> {
    let shown = std::io::stderr().is_terminal();
    let mut told = 0;
    let mut progress = |seconds: u64| {
        if shown && seconds != told {
            told = seconds;
            eprint!("\r\x1b[Kencoding {}: {seconds} s", path.display());
        }
    };
    let bitrate = |width, height| media.bits(width, height);
    Ok(Arc::new(file::load(path, &spec(media, media.pixels(), 0, ""), bitrate, &mut progress)?))
}

/// The clips of synthetic users. Those that are not in the cache are made now.
fn load_clips(media: &MediaArgs, names: &[String]) -> anyhow::Result<Vec<Arc<Media>>> {
    let cache = media.cache.clone().unwrap_or_else(default_cache);
    let shown = std::io::stderr().is_terminal();
    let load = |(number, name): (u16, &String)| {
        let mut progress = |share: f64| {
            if shown {
                eprint!("\r\x1b[Kencoding the clip of {name}: {:.0} %", share * 100.0);
            }
        };
        let mut load = |size: (u32, u32)| {
            let loaded = Media::load(&spec(media, size, number, name), &cache, &mut progress);
            loaded.with_context(|| format!("the clip of {name}"))
        };
        let first = load(media.pixels())?.turned(media.rotation);
        let changes = media.change.iter().map(|look| Ok(load(look.size)?.turned(look.rotation)));
        let changes = changes.collect::<anyhow::Result<Vec<Media>>>()?;
        Ok(Arc::new(first.changing(changes, media.change_every.as_secs())))
    };
    (0..DIFFERENT).zip(names).map(load).collect()
}

fn spec(media: &MediaArgs, (width, height): (u32, u32), number: u16, name: &str) -> ClipSpec {
    let codec = match media.codec {
        VideoCodec::H264 => codec::video::Codec::H264,
        VideoCodec::Vp8 => codec::video::Codec::Vp8,
        VideoCodec::Vp9 => codec::video::Codec::Vp9,
        VideoCodec::Av1 => codec::video::Codec::Av1,
        VideoCodec::H265 => codec::video::Codec::H265,
    };
    ClipSpec {
        codec,
        width,
        height,
        fps: media.fps,
        bitrate: media.bits(width, height),
        gop: media.fps,
        layers: if media.simulcast { 3 } else { 1 },
        ..ClipSpec::new(number, name)
    }
}
