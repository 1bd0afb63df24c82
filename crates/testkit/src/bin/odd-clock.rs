//! A user whose RTP clocks jump and roll over while their sequence numbers go on, for tests written in other languages.
//!
//! Prints `publishing` once both tracks are, and ends with its input.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Parser;
use rtc::client::{
    AudioTrack, JoinAs, MediaFrame, PublishEvent, Publisher, RoomServer, TrackId, TrackSource, VideoCodec, VideoLayer,
    VideoTrack,
};
use synth::clip::{Clip, ClipSpec, default_cache};
use synth::schedule;

const TICK: Duration = Duration::from_millis(5);
const VIDEO_RATE: u64 = 90_000;
/// Samples by which Opus decodes later than it was put in; clips feed the encoder that much ahead.
const ENCODER_DELAY: u64 = 312;

/// Publishes a synthetic user with odd clocks.
#[derive(Parser)]
struct Args {
    #[arg(long)]
    url: String,
    #[arg(long)]
    key: String,
    #[arg(long)]
    secret: String,
    #[arg(long)]
    room: String,
    #[arg(long)]
    user: String,
    #[arg(long, default_value_t = 30)]
    fps: u32,
    /// Moves the RTP clock of `video` or `audio` at a time by so many seconds, such as video:4:-3600; may be repeated
    #[arg(long, value_name = "KIND:AT:BY", value_parser = Jump::parse)]
    jump: Vec<Jump>,
    /// When both clocks roll over at 32 bits, in seconds from the start
    #[arg(long, value_name = "AT", default_value_t = 3_600)]
    roll_over: u64,
}

/// A clock is moved.
#[derive(Clone, Debug)]
struct Jump {
    video: bool,
    at_s: u64,
    by_s: i64,
}

impl Jump {
    fn parse(text: &str) -> Result<Jump, String> {
        let fields: Vec<&str> = text.split(':').collect();
        let [kind @ ("video" | "audio"), at, by] = fields[..] else { return Err("must be KIND:AT:BY".into()) };
        let number = |text: &str| text.parse::<i64>().map_err(|error| format!("{text}: {error}"));
        let at_s = u64::try_from(number(at)?).map_err(|_| "AT must not be negative".to_owned())?;
        Ok(Jump { video: kind == "video", at_s, by_s: number(by)? })
    }
}

/// What an RTP clock shows.
struct OddClock {
    rate: u64,
    start_s: u64,
    jumps: Vec<(u64, i64)>,
    offset: u64,
}

impl OddClock {
    fn new(args: &Args, video: bool, rate: u64, start_s: u64) -> OddClock {
        let own = args.jump.iter().filter(|jump| jump.video == video);
        let jumps = own.map(|jump| (jump.at_s, jump.by_s * rate as i64)).collect();
        let mut clock = OddClock { rate, start_s, jumps, offset: 0 };
        let rolls_over = clock.shows((start_s + args.roll_over) * rate);
        clock.offset = (1 << 32) - rolls_over % (1 << 32);
        clock
    }

    /// `ticks` since the epoch, as it shows them.
    fn shows(&self, ticks: u64) -> u64 {
        let since_s = (ticks / self.rate).saturating_sub(self.start_s);
        let moved = self.jumps.iter().filter(|(at, _)| *at <= since_s).map(|(_, by)| by).sum();
        (ticks + self.offset).saturating_add_signed(moved)
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let spec = ClipSpec { fps: args.fps, gop: args.fps, width: 320, height: 180, ..ClipSpec::new(0, &args.user) };
    let clip = Clip::load_or_make(&spec, &default_cache(), &mut |_| ())?;
    let ended = Arc::new(AtomicBool::new(false));
    let end = ended.clone();
    std::thread::spawn(move || {
        _ = std::io::stdin().read_to_end(&mut Vec::new());
        end.store(true, Ordering::Relaxed);
    });
    let mut user = User::join(&args, &clip)?;
    while !ended.load(Ordering::Relaxed) {
        user.step(&clip, args.fps)?;
        std::thread::sleep(TICK);
    }
    user.publisher.leave(Instant::now());
    user.publisher.poll(Instant::now(), &mut Vec::new());
    Ok(())
}

struct User {
    publisher: Publisher,
    video: TrackId,
    audio: TrackId,
    picture_clock: OddClock,
    sound_clock: OddClock,
    start: Instant,
    /// Nanoseconds since the epoch at `start`.
    start_ns: u64,
    next_picture: u64,
    next_packet: u64,
    /// Receivers can decode the next picture.
    flowing: bool,
    unpublished: u32,
}

impl User {
    fn join(args: &Args, clip: &Clip) -> anyhow::Result<User> {
        let start = Instant::now();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        let start_ns = u64::try_from(since_epoch.as_nanos())?;
        let server = RoomServer { url: args.url.clone(), api_key: args.key.clone(), api_secret: args.secret.clone() };
        let (room, identity) = (args.room.clone(), args.user.clone());
        let join = JoinAs { room, name: identity.clone(), identity, attributes: BTreeMap::new() };
        let mut publisher = Publisher::join(&server, join, start)?;
        let spec = clip.spec();
        let layer = VideoLayer { width: spec.width, height: spec.height, bitrate: spec.bitrate };
        let video = publisher.add_video(VideoTrack {
            name: "camera".into(),
            source: TrackSource::Camera,
            codec: VideoCodec::H264,
            layers: vec![layer],
        });
        let sound = AudioTrack { name: "microphone".into(), source: TrackSource::Microphone, stereo: false };
        let start_s = start_ns / 1_000_000_000;
        Ok(User {
            audio: publisher.add_audio(sound),
            video,
            publisher,
            picture_clock: OddClock::new(args, true, VIDEO_RATE, start_s),
            sound_clock: OddClock::new(args, false, schedule::RATE, start_s),
            start,
            start_ns,
            next_picture: schedule::frame_at(start_ns, args.fps) + 1,
            next_packet: schedule::packet_at(start_ns) + 1,
            flowing: false,
            unpublished: 2,
        })
    }

    /// Sends what is due.
    fn step(&mut self, clip: &Clip, fps: u32) -> anyhow::Result<()> {
        let now = Instant::now();
        let now_ns = self.start_ns + u64::try_from(now.duration_since(self.start).as_nanos())?;
        let captured = |ns: u64| self.start + Duration::from_nanos(ns - self.start_ns);
        let pictures = clip.video(0);
        for frame in self.next_picture..=schedule::frame_at(now_ns, fps) {
            let coded = &pictures[(frame % pictures.len() as u64) as usize];
            if self.flowing || coded.key {
                let rtp_time = self.picture_clock.shows(frame * VIDEO_RATE / u64::from(fps));
                let captured = captured(schedule::frame_start(frame, fps));
                let data = coded.data[..].into();
                let picture = MediaFrame { rtp_time, captured, data, rotation: None };
                self.flowing = self.publisher.write_video(self.video, 0, picture, now);
            }
            self.next_picture = frame + 1;
        }
        for packet in self.next_packet..=schedule::packet_at(now_ns) {
            let coded = &clip.audio()[(packet % clip.audio().len() as u64) as usize];
            let delay_ns = ENCODER_DELAY * 1_000_000_000 / schedule::RATE;
            let rtp_time = self.sound_clock.shows(packet * schedule::PACKET + ENCODER_DELAY);
            let captured = captured(schedule::packet_start(packet) + delay_ns);
            let sound = MediaFrame { rtp_time, captured, data: coded[..].into(), rotation: None };
            self.publisher.write_audio(self.audio, sound, now);
            self.next_packet = packet + 1;
        }
        let mut events = Vec::new();
        self.publisher.poll(now, &mut events);
        for event in events {
            match event {
                PublishEvent::Published { .. } => {
                    self.flowing = false;
                    self.unpublished = self.unpublished.saturating_sub(1);
                    if self.unpublished == 0 {
                        println!("publishing");
                    }
                }
                PublishEvent::Closed { reason } => bail!("not in the room any more: {reason:?}"),
                _ => {}
            }
        }
        Ok(())
    }
}
