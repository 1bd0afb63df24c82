//! A room in virtual time: users who publish, mute and send by a plan, packet by packet, and recorders that lose the room
//! and die.

use std::path::Path;
use std::time::Instant;

use codec::video::Codec;
use codec::{black, opus};
use rtc::client::{Participant, Track, TrackKind, TrackPacket, TrackSource};
use rules::ledger::{Media, Report as Account};
use rules::request::FileFormat;
use rules::time::ns_to_ticks;

use super::plan::{FORMS, FRAME_MS, Form, PACKET_MS, Plan, State, is_key};
use super::*;
use crate::disk::DiskThread;
use crate::facts;
use crate::messages::OutputPlan;
use crate::room::tests::{job, syncs};
use crate::room::tracks::tests::track;

/// A turn while nobody sends.
const IDLE_MS: i64 = 200;
const REPORT_MS: i64 = 2_000;
/// Longer than any plan. How files are cut that become too long is tried with takes.
const YEAR_MS: i64 = 365 * 86_400_000;

/// One of a user's two tracks.
struct Sender {
    media: Media,
    /// How often it was published.
    serial: u32,
    seq: u64,
    /// RTP time of virtual time 0.
    rtp_base: u64,
}

impl Sender {
    fn new(media: Media) -> Sender {
        Sender { media, serial: 0, seq: 0, rtp_base: 1 << 40 }
    }

    fn sid(&self, user: usize) -> String {
        format!("TR_{user}{:?}{}", self.media, self.serial)
    }

    fn rate(&self) -> u32 {
        if self.media == Media::Picture { 90_000 } else { 48_000 }
    }

    fn rtp_time(&self, at: i64) -> u64 {
        self.rtp_base + ns_to_ticks(at * MILLI_NS, self.rate()) as u64
    }
}

pub struct World<'a> {
    plan: &'a Plan,
    dir: &'a Path,
    clock: Clock,
    /// Of virtual time 0.
    origin: Instant,
    disk: DiskThread,
    room: Option<Room>,
    connected: bool,
    senders: Vec<[Sender; 2]>,
    /// A key frame of each of the forms.
    pictures: [Vec<Vec<u8>>; FORMS.len()],
    sound: Vec<u8>,
}

impl<'a> World<'a> {
    pub fn new(plan: &'a Plan, dir: &'a Path) -> World<'a> {
        let (clock, origin) = (Clock::start(), Instant::now());
        let packet = opus::Encoder::new(1, 32_000).and_then(|mut encoder| encoder.encode(&[0.1; 960]));
        World {
            plan,
            dir,
            clock,
            origin,
            disk: DiskThread::start(|_| {}).expect("a thread"),
            room: None,
            connected: false,
            senders: plan.users.iter().map(|_| Media::ALL.map(Sender::new)).collect(),
            pictures: FORMS.map(payloads),
            sound: packet.expect("a packet").to_vec(),
        }
    }

    /// Plays the plan. Gives the account, and when virtual time 0 was, Unix milliseconds.
    pub fn play(mut self) -> (Account, i64) {
        let end = self.plan.end;
        self.begin_recorder(0);
        let mut now = 0;
        while now < end {
            self.happens(now);
            let phases = (0..self.senders.len()).map(|user| self.plan.phase(user, now));
            let sends = phases.flat_map(|phase| [phase.picture, phase.sound]).any(|state| state == State::On);
            if sends && self.connected {
                self.send(now);
            }
            if let Some(room) = &mut self.room {
                room.handle_time(ms(now));
            }
            self.act();
            now += if sends && self.room.is_some() { PACKET_MS } else { IDLE_MS };
        }
        let room = self.room.as_mut().expect("plans do not end in an incident");
        room.stop(1, ms(end));
        room.handle_time(ms(end));
        self.act();
        // Lets it finish the files.
        drop(self.disk);
        let mut account = Account::default();
        facts::read(self.dir).expect("facts").tell(0, &mut account);
        (account, self.clock.wall(ms(0)).millis())
    }

    fn act(&mut self) {
        for action in self.room.as_mut().map_or(Vec::new(), Room::take_actions) {
            if let Action::Disk(job) = action {
                self.disk.send(job);
            }
        }
    }

    fn begin_recorder(&mut self, now: i64) {
        let output = OutputPlan::Streams {
            audio: AudioPlan::Opus,
            anew: Anew::default(),
            max_silence_ms: MAX_SILENCE_MS,
            keep_source: true,
        };
        let settings = Settings { max_file_ms: YEAR_MS, ..Settings::default() };
        let mut room = Room::new(self.clock, settings, syncs());
        let job = TaskJob { max_idle_ms: YEAR_MS, formats: vec![FileFormat::Mp4], ..job(self.dir, output) };
        room.start(job, ms(now));
        self.room = Some(room);
        self.connect(now);
    }

    /// Everybody is told of, then all their tracks are subscribed to.
    fn connect(&mut self, now: i64) {
        self.connected = true;
        for user in 0..self.senders.len() {
            self.tell(user, now);
        }
        self.handle(RoomEvent::Connected { rejoined: now > 0 }, now);
        for user in 0..self.senders.len() {
            for media in Media::ALL {
                self.subscribe(user, media, now);
            }
        }
    }

    fn handle(&mut self, event: RoomEvent, now: i64) {
        if let Some(room) = self.room.as_mut().filter(|_| self.connected) {
            room.handle_event(event, ms(now));
        }
    }

    /// What begins or ends at this moment.
    fn happens(&mut self, now: i64) {
        if let Some(incident) = self.plan.incidents.iter().find(|incident| incident.from == now) {
            match incident.cause {
                Cause::ConnectionLost => {
                    self.handle(RoomEvent::Closed { reason: CloseReason::RoomClosed }, now);
                    self.connected = false;
                }
                // Without a word: what it had not written is lost.
                _ => (self.room, self.connected) = (None, false),
            }
        }
        for user in 0..self.senders.len() {
            if self.plan.users[user].iter().any(|phase| phase.from == now) {
                self.change(user, now);
            }
        }
        if self.plan.incidents.iter().any(|incident| incident.to == now) {
            match self.room {
                Some(_) => self.connect(now),
                None => self.begin_recorder(now),
            }
        }
    }

    /// A user's next phase begins.
    fn change(&mut self, user: usize, now: i64) {
        let before = self.plan.users[user].iter().rfind(|phase| phase.from < now);
        let after = self.plan.phase(user, now);
        let mut published = Vec::new();
        for sender in &mut self.senders[user] {
            let was = before.map_or(State::Away, |before| before.of(sender.media));
            let recoded = before.is_some_and(|before| before.form.codec != after.form.codec);
            let anew = was == State::Away || sender.media == Media::Picture && recoded;
            if after.of(sender.media) != State::Away && anew {
                sender.serial += 1;
                published.push(sender.media);
            }
            if let Some((_, seconds)) = after.jump.filter(|(media, _)| *media == sender.media) {
                sender.rtp_base = sender.rtp_base.saturating_add_signed(seconds * i64::from(sender.rate()));
            }
        }
        self.tell(user, now);
        published.into_iter().for_each(|media| self.subscribe(user, media, now));
    }

    fn tell(&mut self, user: usize, now: i64) {
        let phase = self.plan.phase(user, now);
        let there = self.senders[user].iter().filter(|sender| phase.of(sender.media) != State::Away);
        let tracks: Vec<Track> = there
            .map(|sender| {
                let (kind, source) = match sender.media {
                    Media::Picture => (TrackKind::Video, TrackSource::Camera),
                    Media::Sound => (TrackKind::Audio, TrackSource::Microphone),
                };
                let muted = phase.of(sender.media) == State::Muted;
                Track { muted, ..track(&sender.sid(user), kind, source) }
            })
            .collect();
        let identity = format!("user {user}");
        self.handle(RoomEvent::Participant(Participant { identity, tracks, ..nobody() }), now);
    }

    fn subscribe(&mut self, user: usize, media: Media, now: i64) {
        let phase = self.plan.phase(user, now);
        let sender = &self.senders[user][media as usize];
        let mime = match (media, phase.form.codec) {
            (Media::Sound, _) => "audio/opus",
            (_, Codec::Vp9) => "video/VP9",
            _ => "video/H264",
        };
        let (track_sid, mime, clock_rate) = (sender.sid(user).into(), mime.into(), sender.rate());
        if phase.of(media) != State::Away {
            self.handle(RoomEvent::Subscribed { track_sid, mime, clock_rate }, now);
        }
    }

    fn send(&mut self, now: i64) {
        for user in 0..self.senders.len() {
            for media in Media::ALL {
                let phase = self.plan.phase(user, now);
                if phase.of(media) != State::On {
                    continue;
                }
                let form = FORMS.iter().position(|form| *form == phase.form).expect("one of them");
                let sender = &self.senders[user][media as usize];
                let track_sid: Arc<str> = sender.sid(user).into();
                let rtp_time = sender.rtp_time(now);
                if now % REPORT_MS == 0 {
                    let ntp_ns = self.clock.wall(ms(now)).0;
                    let arrival = self.origin + Duration::from_millis(now as u64);
                    let report = RoomEvent::SenderReport { track_sid: track_sid.clone(), ntp_ns, rtp_time, arrival };
                    self.handle(report, now);
                }
                let payloads = match media {
                    Media::Sound => vec![self.sound.clone()],
                    Media::Picture if now % FRAME_MS != 0 => continue,
                    Media::Picture if is_key(now) => self.pictures[form].clone(),
                    Media::Picture => inter_payloads(phase.form.codec),
                };
                let loss = self.plan.loss(user, media, now).copied();
                let last = payloads.len() - 1;
                for (n, payload) in payloads.into_iter().enumerate() {
                    let sender = &mut self.senders[user][media as usize];
                    sender.seq += 1;
                    if loss.is_some_and(|loss| !loss.in_part || n == last) {
                        continue;
                    }
                    let packet = TrackPacket {
                        track_sid: track_sid.clone(),
                        seq: sender.seq,
                        rtp_time,
                        clock_rate: sender.rate(),
                        payload_type: 96,
                        marker: n == last,
                        starts_key_frame: media == Media::Picture && is_key(now) && n == 0,
                        payload: payload.into(),
                        arrival: self.origin + Duration::from_millis(now as u64),
                        rotation: None,
                        audio_level: None,
                    };
                    self.handle(RoomEvent::Packet(packet), now);
                }
            }
        }
    }
}

/// A picture that refers to the one before, as far as anybody looks who does not decode it.
fn inter_payloads(codec: Codec) -> Vec<Vec<u8>> {
    match codec {
        Codec::Vp9 => vec![vec![0b0100_1000, 0x86, 0, 0], vec![0b0100_0100, 0, 0]],
        // Two slices.
        _ => vec![vec![0x41, 0x9a, 0, 0x80], vec![0x41, 0x26, 0, 0x80]],
    }
}

/// A key frame as RTP payloads.
fn payloads(Form { codec, size: (width, height) }: Form) -> Vec<Vec<u8>> {
    match codec {
        Codec::Vp9 => {
            // It refers to nothing, begins with one packet and ends with the other.
            let frame = black::key_frame(Codec::Vp9, width, height).expect("a picture");
            let (head, rest) = frame.split_at(frame.len() / 2);
            vec![[&[0b0000_1000], head].concat(), [&[0b0000_0100], rest].concat()]
        }
        _ => {
            let frame = black::h264_key_frame(width, height).expect("a picture");
            let slice = frame.sample.slice(12 + frame.sps.len() + frame.pps.len()..);
            [frame.sps, frame.pps, slice].map(|unit| unit.to_vec()).into()
        }
    }
}
