//! The picture of one take: encoded frames at media times in, samples of the file out, bit for bit.

use std::sync::Arc;

use bytes::Bytes;
use media::mp4::{self, Sample, SampleEntry, TrackId, Writer};
use media::packet::VideoConfig;
use rules::ledger::Cause;

use crate::Result;
use crate::unit::Picture;

/// Ticks per second of the video track.
pub const RATE: u32 = 90_000;
/// Taken for the length of a frame until two have been seen: 1/30 s.
const FIRST_GUESS: i64 = 3_000;
/// A frame is never taken to last longer than this by itself: 1/5 s.
const LONGEST_NOMINAL: i64 = 18_000;
/// A picture that stands still is written after this long, so that a crash does not lose it: half a second.
pub const STILL_AFTER: i64 = 45_000;

/// Writes frames with their true length: one frame is held back until the next tells how long it lasted.
///
/// Begins with a key frame, and again after every loss: a picture that cannot be decoded right is not recorded, the one
/// before stays until the next key frame.
#[derive(Debug)]
pub struct VideoLane {
    track: TrackId,
    codec: mp4::Codec,
    entries: Vec<Known>,
    held: Option<Held>,
    /// When the last frame was shown.
    last: i64,
    /// Where the next frame may begin at the earliest.
    end: i64,
    nominal: i64,
    waits_for_key: bool,
    /// The picture went on as a still picture up to `end`: what follows joins up with it.
    still: bool,
    /// Since when, and why, the picture stands still though others came, or should have come.
    frozen: Option<(i64, Cause)>,
    /// Since it was taken: where the picture stood still so, and why, and how many pictures were left out.
    pub missing: Vec<(i64, i64, Cause)>,
    pub left_out: u64,
}

/// A sample entry that is in the file.
#[derive(Debug, Clone)]
struct Known {
    config: Arc<VideoConfig>,
    rotation: u16,
    number: u32,
}

#[derive(Debug)]
struct Held {
    at: i64,
    entry: u32,
    key: bool,
    after_still: bool,
    data: Bytes,
}

impl VideoLane {
    /// A lane on `track`, which has pictures of this codec, that writes nothing before `written_until` (90 kHz).
    pub fn new(track: TrackId, codec: mp4::Codec, written_until: i64) -> VideoLane {
        VideoLane {
            track,
            codec,
            entries: Vec::new(),
            held: None,
            last: written_until,
            end: written_until,
            nominal: FIRST_GUESS,
            waits_for_key: true,
            still: false,
            frozen: None,
            missing: Vec::new(),
            left_out: 0,
        }
    }

    /// Whether the last picture, written already, stands still.
    pub fn stands_still(&self) -> bool {
        self.still
    }

    /// Whether there is no picture now: it was switched off, or has not come yet.
    pub fn is_away(&self) -> bool {
        self.waits_for_key && self.held.is_none()
    }

    /// Whether nothing can be written until a key frame comes.
    pub fn waits_for_key(&self) -> bool {
        self.waits_for_key
    }

    /// Whether the lane's track can have the frame: it has one codec.
    pub fn takes(&self, frame: &Picture) -> bool {
        frame.config.as_ref().is_none_or(|config| codec(config) == self.codec)
    }

    /// A frame that is shown from media time `at` (90 kHz) on.
    pub fn push(&mut self, at: i64, frame: &Picture, writer: &mut Writer) -> Result<()> {
        let missing = frame.missing_before.or(frame.after_loss.then_some((Cause::Lost, u64::MAX)));
        if let Some((cause, most)) = missing.filter(|_| !self.waits_for_key) {
            let most = i64::try_from(most).unwrap_or(i64::MAX).saturating_mul(self.nominal);
            self.frozen.get_or_insert(((self.last + self.nominal).max(at.saturating_sub(most)), cause));
        }
        if frame.after_loss {
            self.waits_for_key = true;
        }
        if !self.takes(frame) {
            // Held back while the file began, or the first behind a restart: the next key frame begins another file.
            return self.go_away(writer);
        }
        if self.waits_for_key && !frame.key {
            self.left_out += 1;
            return Ok(());
        }
        let entry = self.entry(frame, writer)?;
        self.waits_for_key = false;
        let at = at.max(self.held.as_ref().map_or(self.end, |held| held.at + 1));
        self.thaw(at);
        if let Some(held) = &self.held {
            self.nominal = (at - held.at).clamp(1, LONGEST_NOMINAL);
        }
        self.write_held(at, writer)?;
        let after_still = std::mem::take(&mut self.still);
        self.last = at;
        self.held = Some(Held { at, entry, key: frame.key, after_still, data: frame.data.clone() });
        Ok(())
    }

    /// The camera was switched off, the stream unpublished or the connection lost: the picture ends a frame after the
    /// last one, what follows is a gap.
    pub fn go_away(&mut self, writer: &mut Writer) -> Result<()> {
        self.waits_for_key = true;
        self.still = false;
        if let Some(held) = &self.held {
            self.write_held(held.at + self.nominal, writer)?;
        }
        self.thaw(self.end);
        Ok(())
    }

    /// Nothing came for a while though the stream is there: writes the picture that stands still.
    pub fn handle_time(&mut self, now: i64, writer: &mut Writer) -> Result<()> {
        if self.held.as_ref().is_some_and(|held| now - held.at > STILL_AFTER) {
            self.still = true;
            return self.write_held(now, writer);
        }
        Ok(())
    }

    /// The recording ends. While the stream is there, the last picture lasts until `until`; else a frame's length.
    pub fn finish(&mut self, until: Option<i64>, writer: &mut Writer) -> Result<()> {
        if let Some(held) = &self.held {
            self.write_held(until.unwrap_or(held.at + self.nominal).max(held.at + 1), writer)?;
        }
        self.thaw(self.end);
        Ok(())
    }

    /// The picture does not stand still any more, or goes, at `at`. There is no room for another one in less than half of
    /// its length: what was lost was none.
    fn thaw(&mut self, at: i64) {
        if let Some((since, cause)) = self.frozen.take().filter(|(since, _)| *since + self.nominal / 2 < at) {
            self.missing.push((since, at, cause));
        }
    }

    fn write_held(&mut self, until: i64, writer: &mut Writer) -> Result<()> {
        let Some(held) = self.held.take() else { return Ok(()) };
        self.end = until;
        let duration = (until - held.at).clamp(1, i64::from(u32::MAX)) as u32;
        let Held { at, entry, key, after_still, data } = held;
        writer.push(self.track, Sample { entry, dts: at as u64, duration, key, after_still, data })?;
        Ok(())
    }

    /// The sample entry of a frame: key frames name theirs, and so do others of another size; the rest goes on with the last
    /// one. All may be turned in another way than the one before.
    fn entry(&mut self, frame: &Picture, writer: &mut Writer) -> Result<u32> {
        let last = self.entries.last();
        let last_number = last.map_or(0, |last| last.number);
        let Some(config) = frame.config.as_ref().or(last.map(|last| &last.config)) else { return Ok(last_number) };
        let alike = |known: &Known| known.rotation == frame.rotation && known.config == *config;
        if let Some(known) = self.entries.iter().position(alike) {
            // The newest in use stays last.
            self.entries[known..].rotate_left(1);
            return Ok(self.entries[self.entries.len() - 1].number);
        }
        let number = match writer.add_entry(self.track, sample_entry(config, frame.rotation)?) {
            Ok(number) => number,
            // A window that was resized a hundred times. Key frames have their parameter sets with them.
            Err(mp4::Error::HeadFull) => return Ok(last_number),
            Err(error) => return Err(error.into()),
        };
        self.entries.push(Known { config: config.clone(), rotation: frame.rotation, number });
        Ok(number)
    }
}

fn codec(config: &VideoConfig) -> mp4::Codec {
    match config {
        VideoConfig::H264(_) => mp4::Codec::H264,
        VideoConfig::H265(_) => mp4::Codec::H265,
        VideoConfig::Vp8 { .. } => mp4::Codec::Vp8,
        VideoConfig::Vp9(_) => mp4::Codec::Vp9,
        VideoConfig::Av1(_) => mp4::Codec::Av1,
    }
}

/// The sample entry for a codec configuration and the clockwise turn that shows its pictures upright, degrees.
pub fn sample_entry(config: &VideoConfig, rotation: u16) -> Result<SampleEntry> {
    let entry = match config {
        VideoConfig::H264(h264) => SampleEntry::h264(std::slice::from_ref(&h264.sps), &h264.pps)?,
        VideoConfig::H265(h265) => {
            let [vps, sps] = [&h265.vps, &h265.sps].map(std::slice::from_ref);
            SampleEntry::h265(vps, sps, &h265.pps)?
        }
        VideoConfig::Vp8 { width, height } => SampleEntry::vp8(*width, *height),
        VideoConfig::Vp9(vp9) => SampleEntry::vp9(vp9)?,
        VideoConfig::Av1(av1) => SampleEntry::av1(av1)?,
    };
    Ok(entry.turned(rotation))
}
