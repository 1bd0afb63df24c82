//! The file of a mix, and its pictures on their way into it: encoded and written here.

use std::collections::VecDeque;

use codec::video;
use codec::video::{Canvas, Config, Encoder, Packet};
use media::bitstream::{annex_b, h264};
use media::mp4::{self, RecoveredTrack, Sample, SampleEntry, TrackId};
use rules::time::{Mono, ns_to_ticks, ticks_to_ns};

use crate::growing::Growing;
use crate::messages::{MixCodec, VideoPlan};
use crate::video::RATE;
use crate::{Error, Result};

/// A file that a mix is written to.
pub struct Output {
    pub file: Box<Growing>,
    video_track: Option<TrackId>,
    pub audio_track: Option<TrackId>,
}

/// The file that is being written, and the one before it as long as it lacks sound.
pub struct Files {
    pub present: Output,
    pub before: Option<Output>,
}

impl Output {
    /// `tracks`: those that are in the file already.
    pub fn over(file: Box<Growing>, tracks: &[RecoveredTrack]) -> Output {
        let of_kind = |kind| {
            let found = tracks.iter().find(|track| track.entries.first().map(SampleEntry::kind) == Some(kind));
            found.map(|track| track.id)
        };
        Output { video_track: of_kind(mp4::Kind::Video), audio_track: of_kind(mp4::Kind::Audio), file }
    }

    /// Media time at `at`, in nanoseconds.
    pub fn since_start(&self, at: Mono) -> i64 {
        at.since(self.file.epoch)
    }

    /// Where the pictures written so far end, in ticks of [`RATE`].
    pub fn video_end(&self) -> i64 {
        self.video_track.map_or(0, |track| self.file.writer.end(track) as i64)
    }
}

/// Pictures at a constant rate on their way into the file.
pub struct PictureLane {
    plan: VideoPlan,
    size: (u32, u32),
    /// Nothing once the lane is finished.
    encoder: Option<Encoder>,
    /// The next frame: `index / fps` is its media time.
    next: i64,
    key_at: i64,
    /// The next frame goes on from a picture that stood still.
    after_still: bool,
    /// Frames in the encoder: index, length in frames, and whether the one before stood still.
    inside: VecDeque<(i64, i64, bool)>,
    /// The sample entry of the last key frame.
    entry: u32,
    /// The encoder asked for cannot be used; why.
    pub fallen_back: Option<String>,
}

impl PictureLane {
    /// A lane whose first frame is `first`. An encoder that is not to be had is replaced by the processor's.
    pub fn new(plan: VideoPlan, size: (u32, u32), first: i64, after_still: bool) -> Result<PictureLane> {
        let (encoder, fallen_back) = match Encoder::new(&config(&plan, size)) {
            Err(error) if plan.encoder.is_some() => {
                (Encoder::new(&config(&without_hardware(&plan), size))?, Some(error.to_string()))
            }
            encoder => (encoder?, None),
        };
        Ok(PictureLane {
            plan,
            size,
            encoder: Some(encoder),
            next: first,
            key_at: first,
            after_still,
            inside: VecDeque::new(),
            entry: 0,
            fallen_back,
        })
    }

    /// The lane of the next file, which begins with its first frame.
    pub fn next_file(&self, size: (u32, u32)) -> Result<PictureLane> {
        PictureLane::new(self.plan.clone(), size, 0, false)
    }

    /// Frames per second.
    pub fn fps(&self) -> u32 {
        self.plan.fps
    }

    /// The number of the next frame.
    pub fn next(&self) -> i64 {
        self.next
    }

    /// Media time of a frame, in nanoseconds.
    pub fn time(&self, index: i64) -> i64 {
        ticks_to_ns(index, self.plan.fps)
    }

    /// The first frame at or after a media time in nanoseconds.
    pub fn frame_from(&self, ns: i64) -> i64 {
        let near = ns_to_ticks(ns, self.plan.fps);
        if self.time(near) < ns { near + 1 } else { near }
    }

    /// Nothing is shown up to frame `first`: the last picture stays.
    pub fn skip_to(&mut self, first: i64) {
        if first > self.next {
            self.next = first;
            self.after_still = true;
        }
    }

    /// Encodes the next frame, which lasts `frames` frames.
    pub fn push(&mut self, canvas: &mut Canvas, frames: u32, output: &mut Output) -> Result<()> {
        let key = self.next >= self.key_at;
        if key {
            self.key_at = self.next + i64::from(self.plan.fps * self.plan.gop_s);
        }
        self.inside.push_back((self.next, i64::from(frames), std::mem::take(&mut self.after_still)));
        let packets = match self.encode(canvas, key) {
            Err(error) if self.plan.encoder.is_some() => {
                // A driver that failed: the processor goes on, from this picture.
                self.fallen_back = Some(error.to_string());
                self.plan = without_hardware(&self.plan);
                self.encoder = Some(Encoder::new(&config(&self.plan, self.size))?);
                // What is inside of it is lost: the picture before stays meanwhile.
                let lost = self.inside.iter().any(|(index, ..)| *index < self.next);
                self.inside.retain(|(index, ..)| *index == self.next);
                self.inside.iter_mut().for_each(|(.., after_still)| *after_still |= lost);
                self.encode(canvas, true)?
            }
            Err(error) => {
                // Tried again with the same number.
                self.inside.pop_back();
                return Err(error);
            }
            Ok(packets) => packets,
        };
        self.next += i64::from(frames);
        packets.into_iter().try_for_each(|packet| self.write(&packet, output))
    }

    /// Writes what is still in the encoder. The lane is used up.
    pub fn finish(&mut self, output: &mut Output) -> Result<()> {
        let packets = self.encoder.take().map_or(Ok(Vec::new()), Encoder::finish)?;
        packets.iter().try_for_each(|packet| self.write(packet, output))
    }

    #[cfg(test)]
    pub fn break_encoder(&mut self) {
        self.encoder = None;
    }

    fn encode(&mut self, canvas: &mut Canvas, key: bool) -> Result<Vec<Packet>> {
        let encoder = self.encoder.as_mut().ok_or(Error::Internal("a picture after the end of its lane"))?;
        Ok(encoder.encode_canvas(canvas, self.next, key)?)
    }

    fn write(&mut self, packet: &Packet, output: &mut Output) -> Result<()> {
        let Some((index, frames, after_still)) = self.inside.pop_front() else { return Ok(()) };
        let writer = &mut output.file.writer;
        if packet.key {
            let entry = sample_entry(self.plan.codec, self.size, &packet.data)?;
            self.entry = match output.video_track {
                Some(track) => writer.add_entry(track, entry)?,
                None => {
                    output.video_track = Some(writer.add_track(entry)?);
                    0
                }
            };
        }
        let Some(track) = output.video_track else { return Ok(()) };
        let ticks = |index: i64| ns_to_ticks(ticks_to_ns(index, self.plan.fps), RATE);
        let (dts, end) = (ticks(index), ticks(index + frames));
        let data = match self.plan.codec {
            MixCodec::H264 | MixCodec::H265 => annex_b::to_lengths(&packet.data).into(),
            MixCodec::Vp8 => packet.data.clone(),
        };
        let sample = Sample {
            entry: self.entry,
            dts: dts as u64,
            duration: (end - dts) as u32,
            key: packet.key,
            after_still,
            data,
        };
        Ok(writer.push(track, sample)?)
    }
}

fn config(plan: &VideoPlan, (width, height): (u32, u32)) -> Config {
    let codec = match plan.codec {
        MixCodec::H264 => video::Codec::H264,
        MixCodec::H265 => video::Codec::H265,
        MixCodec::Vp8 => video::Codec::Vp8,
    };
    let config = Config::recording(codec, width, height, plan.fps, plan.bitrate, plan.fps * plan.gop_s);
    Config { encoder: plan.encoder.clone(), ..config }
}

fn without_hardware(plan: &VideoPlan) -> VideoPlan {
    VideoPlan { encoder: None, ..plan.clone() }
}

/// The sample entry of a key frame, by the parameter sets in it where there are any.
fn sample_entry(codec: MixCodec, (width, height): (u32, u32), data: &[u8]) -> Result<SampleEntry> {
    Ok(match codec {
        MixCodec::H264 => {
            let units = |wanted: u8| -> Vec<Vec<u8>> {
                annex_b::nal_units(data).filter(|nal| h264::nal_type(nal[0]) == wanted).map(<[u8]>::to_vec).collect()
            };
            let [sps, pps] = [h264::nal::SPS, h264::nal::PPS].map(units);
            SampleEntry::h264(&sps, &pps)?
        }
        MixCodec::H265 => SampleEntry::h265_of(data)?,
        MixCodec::Vp8 => SampleEntry::vp8(width as u16, height as u16),
    })
}
