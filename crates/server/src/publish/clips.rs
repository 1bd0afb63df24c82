//! What users send, held in memory in the form the room client takes, and which of it is due.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::client::{MediaFrame, Rotation};
use synth::clip::{Clip, ClipSpec};
use synth::schedule;

const VIDEO_RATE: u128 = 90_000;

/// What one user sends, over and over. Frames and packets are counted from the Unix epoch.
pub struct Media {
    spec: ClipSpec,
    /// None, or each with the frames of whole seconds.
    layers: Vec<Vec<Coded>>,
    sound: Vec<Arc<[u8]>>,
    /// It begins when publishing does. A synthetic user's begins at the epoch, so that all of them agree.
    from_start: bool,
    /// How receivers are told to turn its pictures.
    rotation: Option<Rotation>,
    /// What is shown in turn with it.
    changes: Vec<Media>,
    /// For how long each is shown, whole seconds.
    change_s: u64,
}

/// A coded picture.
pub struct Coded {
    pub data: Arc<[u8]>,
    pub key: bool,
}

impl Media {
    /// Takes the clip from the cache or makes it; `progress` hears the share that is done.
    pub fn load(spec: &ClipSpec, cache: &Path, progress: &mut dyn FnMut(f64)) -> anyhow::Result<Self> {
        Ok(Self::from(&Clip::load_or_make(spec, cache, progress)?))
    }

    /// The same, with pictures that receivers are told to turn.
    pub fn turned(self, rotation: Option<Rotation>) -> Self {
        Self { rotation, ..self }
    }

    /// The same, in turn with the pictures of others that have as many frames per second, for so many seconds each.
    pub fn changing(self, changes: Vec<Media>, change_s: u64) -> Self {
        Self { changes, change_s: change_s.max(1), ..self }
    }

    /// What is shown at this frame. It changes at whole seconds, where clips have key frames.
    fn shown(&self, frame: u64) -> &Media {
        let looks = self.changes.len() as u64 + 1;
        let look = frame / u64::from(self.spec.fps) / self.change_s % looks;
        look.checked_sub(1).map_or(self, |change| &self.changes[change as usize])
    }

    /// The parameters it was made with.
    pub fn spec(&self) -> &ClipSpec {
        &self.spec
    }

    /// A file's media: frames and packets of equally many whole seconds, or none.
    pub fn of_file(spec: ClipSpec, frames: Vec<Coded>, sound: Vec<Arc<[u8]>>) -> Self {
        let layers = if frames.is_empty() { Vec::new() } else { vec![frames] };
        Self { spec, layers, sound, from_start: true, rotation: None, changes: Vec::new(), change_s: 1 }
    }

    /// Whether there are pictures.
    pub fn has_video(&self) -> bool {
        !self.layers.is_empty()
    }

    /// Whether there is sound.
    pub fn has_audio(&self) -> bool {
        !self.sound.is_empty()
    }

    /// Whole seconds since the epoch at which it begins.
    fn origin_s(&self, clock: &Clock) -> u64 {
        if self.from_start { clock.start_ns / 1_000_000_000 } else { 0 }
    }

    /// The piece of a loop with this index since the epoch, at so many pieces per second.
    fn at<'a, T>(&self, pieces: &'a [T], index: u64, rate: u64, clock: &Clock) -> &'a T {
        let index = index.saturating_sub(self.origin_s(clock) * rate);
        &pieces[(index % pieces.len() as u64) as usize]
    }

    /// Whether a receiver can begin with this frame.
    pub fn is_key(&self, frame: u64, clock: &Clock) -> bool {
        let shown = self.shown(frame);
        shown.layers.iter().all(|layer| shown.at(layer, frame, u64::from(self.spec.fps), clock).key)
    }

    /// The picture of every layer, smallest first.
    pub fn pictures(&self, frame: u64, clock: &Clock) -> impl Iterator<Item = (usize, MediaFrame)> + use<> {
        let fps = self.spec.fps;
        let rtp_time = (u128::from(frame) * VIDEO_RATE / u128::from(fps)) as u64;
        let captured = clock.instant(schedule::frame_start(frame, fps));
        let shown = self.shown(frame);
        let rotation = shown.rotation;
        let coded = |layer: &[Coded]| Arc::clone(&shown.at(layer, frame, u64::from(fps), clock).data);
        let coded: Vec<Arc<[u8]>> = shown.layers.iter().map(|layer| coded(layer)).collect();
        coded
            .into_iter()
            .enumerate()
            .map(move |(layer, data)| (layer, MediaFrame { rtp_time, captured, data, rotation }))
    }

    /// A packet of sound. Its time is that of the sound that went into the encoder for it, as with every sender: what a
    /// receiver decodes from it is from [`ENCODER_DELAY`] before, exactly the sound of the packet's place in the clip.
    pub fn packet(&self, packet: u64, clock: &Clock) -> MediaFrame {
        let delay_ns = ENCODER_DELAY * 1_000_000_000 / 48_000;
        MediaFrame {
            rtp_time: packet * schedule::PACKET + ENCODER_DELAY,
            captured: clock.instant(schedule::packet_start(packet) + delay_ns),
            data: Arc::clone(self.at(&self.sound, packet, schedule::RATE / schedule::PACKET, clock)),
            rotation: None,
        }
    }
}

impl From<&Clip> for Media {
    fn from(clip: &Clip) -> Self {
        let spec = clip.spec().clone();
        let coded = |frame: &synth::clip::Frame| Coded { data: Arc::from(&frame.data[..]), key: frame.key };
        let layers = (0..spec.layers).map(|layer| clip.video(layer).iter().map(coded).collect()).collect();
        let sound = clip.audio().iter().map(|packet| Arc::from(&packet[..])).collect();
        Self { spec, layers, sound, from_start: false, rotation: None, changes: Vec::new(), change_s: 1 }
    }
}

/// Samples (48 kHz) by which Opus decodes later than it was put in; clips feed the encoder that much ahead.
const ENCODER_DELAY: u64 = 312;

/// The wall clock as it was at the start, carried on by the monotonic one, so that a step of the former does no harm.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// Nanoseconds since the Unix epoch at `start`.
    start_ns: u64,
}

impl Clock {
    /// `start_ns`: nanoseconds since the Unix epoch at `start`.
    pub fn new(start: Instant, start_ns: u64) -> Self {
        Self { start, start_ns }
    }

    /// Nanoseconds since the Unix epoch.
    pub fn ns(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        self.start_ns.saturating_add(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The time since the start.
    pub fn since_start(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    /// The moment of a time in nanoseconds since the Unix epoch.
    pub fn instant(&self, ns: u64) -> Instant {
        match ns.checked_sub(self.start_ns) {
            Some(after) => self.start + Duration::from_nanos(after),
            None => self.start.checked_sub(Duration::from_nanos(self.start_ns - ns)).unwrap_or(self.start),
        }
    }
}

/// Hands out each index that becomes due, once and in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Due {
    next: Option<u64>,
}

impl Due {
    /// Pieces that are later than this many are skipped: after a standstill nobody wants the past in a burst.
    const MAX_LATE: u64 = 25;

    /// The indices that are due when `newest` is.
    pub fn up_to(&mut self, newest: u64) -> std::ops::RangeInclusive<u64> {
        let first = self.next.unwrap_or(newest).max(newest.saturating_sub(Self::MAX_LATE));
        self.next = Some(self.next.unwrap_or(0).max(newest + 1));
        first..=newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_index_comes_once_and_a_standstill_is_not_made_up_for() {
        let mut due = Due::default();
        assert_eq!(due.up_to(100).collect::<Vec<_>>(), [100]);
        assert_eq!(due.up_to(100).count(), 0);
        assert_eq!(due.up_to(103).collect::<Vec<_>>(), [101, 102, 103]);
        assert_eq!(due.up_to(99).count(), 0);
        let late: Vec<u64> = due.up_to(1_000).collect();
        assert_eq!((late[0], late.len()), (975, 26));
        assert_eq!(due.up_to(1_001).collect::<Vec<_>>(), [1_001]);
    }

    #[test]
    fn the_clock_goes_both_ways() {
        let start = Instant::now();
        let clock = Clock::new(start, 1_790_000_000_000_000_000);
        let later = start + Duration::from_millis(1_500);
        assert_eq!(clock.ns(later), 1_790_000_001_500_000_000);
        assert_eq!(clock.instant(clock.ns(later)), later);
        assert_eq!(clock.instant(1_789_999_999_999_000_000), start - Duration::from_millis(1));
        assert_eq!(clock.since_start(later), Duration::from_millis(1_500));
    }

    #[test]
    fn a_file_begins_with_publishing_and_repeats() {
        let coded = |number: u8| Coded { data: Arc::from([number]), key: number == 0 };
        let spec = ClipSpec { fps: 5, ..ClipSpec::new(0, "") };
        let sound = (0..50).map(|number: u8| Arc::from([number])).collect();
        let media = Media::of_file(spec, (0..5).map(coded).collect(), sound);
        let clock = Clock::new(Instant::now(), 1_790_000_003_400_000_000);
        let first = 1_790_000_003 * 5;
        assert!(media.is_key(first, &clock) && media.is_key(first + 5, &clock) && !media.is_key(first + 2, &clock));
        assert_eq!(media.pictures(first + 7, &clock).next().unwrap().1.data[0], 2);
        assert_eq!(media.packet(1_790_000_003 * 50 + 120, &clock).data[0], 20);
    }

    #[test]
    fn looks_take_turns_at_whole_seconds() {
        let coded = |number: u8| Coded { data: Arc::from([number]), key: number.is_multiple_of(5) };
        let look = |from: u8| {
            let spec = ClipSpec { fps: 5, ..ClipSpec::new(0, "") };
            Media::of_file(spec, (from..from + 10).map(coded).collect(), Vec::new())
        };
        let media = look(0).changing(vec![look(20).turned(Some(Rotation::Clockwise90))], 2);
        let clock = Clock::new(Instant::now(), 1_790_000_000_000_000_000);
        let first = 1_790_000_000 * 5;
        let shown = |frame: u64| {
            let picture = media.pictures(first + frame, &clock).next().unwrap().1;
            (picture.data[0], picture.rotation)
        };
        assert_eq!((shown(9), shown(10)), ((9, None), (20, Some(Rotation::Clockwise90))));
        assert_eq!(shown(20), (0, None));
        assert!(media.is_key(first + 10, &clock) && !media.is_key(first + 11, &clock));
    }

    #[test]
    fn pictures_and_packets_carry_the_time_of_the_schedule() {
        let spec = ClipSpec { width: 64, height: 36, fps: 15, loop_seconds: 1, ..ClipSpec::new(0, "u") };
        let media = Media::from(&Clip::make(&spec, &mut |_| ()).unwrap());
        let start = Instant::now();
        let clock = Clock::new(start, 1_790_000_000_000_000_000);
        let frame = schedule::frame_at(1_790_000_000_000_000_000, 15);
        assert!(media.is_key(frame, &clock));
        assert!(!media.is_key(frame + 1, &clock));
        let now = media.pictures(frame, &clock).next().unwrap().1;
        let next = media.pictures(frame + 1, &clock).next().unwrap().1;
        assert_eq!(next.rtp_time - now.rtp_time, 6_000);
        assert_eq!(now.captured, start);
        let packet = schedule::packet_at(1_790_000_000_000_000_000);
        let delay = Duration::from_nanos(ENCODER_DELAY * 1_000_000_000 / schedule::RATE);
        assert_eq!(media.packet(packet + 1, &clock).captured, start + Duration::from_millis(20) + delay);
        assert_eq!(media.packet(packet + 1, &clock).rtp_time - media.packet(packet, &clock).rtp_time, 960);
        assert_eq!(media.packet(packet, &clock).data, media.packet(packet + 50, &clock).data);
    }
}
