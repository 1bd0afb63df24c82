//! The file of a mix: pictures and sound are encoded and written here.

use std::collections::VecDeque;

use codec::resample::Resampler;
use codec::video::{Canvas, Config, Encoder, Packet};
use codec::{aac, video};
use media::bitstream::{annex_b, h264, h265};
use media::mp4::{self, RecoveredTrack, Sample, SampleEntry, TrackId};
use rules::select::Source;
use rules::time::{Mono, ns_to_ticks, ticks_to_ns};

use super::sound::Mixer;
use crate::audio::write_aac;
use crate::growing::Growing;
use crate::messages::{MixCodec, MixedAudio, VideoPlan};
use crate::pcm::{FRAME, GridFrame};
use crate::video::RATE;
use crate::{Error, Result};

/// Samples per second of mixed sound.
pub const MIXED_RATE: u32 = 48_000;

/// A file that a mix is written to.
pub struct Output {
    pub file: Box<Growing>,
    video_track: Option<TrackId>,
    audio_track: Option<TrackId>,
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
            let entry = sample_entry(self.plan.codec, &packet.data)?;
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
        let data = annex_b::to_lengths(&packet.data).into();
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
    };
    let config = Config::recording(codec, width, height, plan.fps, plan.bitrate, plan.fps * plan.gop_s);
    Config { encoder: plan.encoder.clone(), ..config }
}

fn without_hardware(plan: &VideoPlan) -> VideoPlan {
    VideoPlan { encoder: None, ..plan.clone() }
}

/// The sample entry of a key frame, by the parameter sets in it.
fn sample_entry(codec: MixCodec, data: &[u8]) -> Result<SampleEntry> {
    let units = |wanted: u8, kind: fn(u8) -> u8| -> Vec<Vec<u8>> {
        annex_b::nal_units(data).filter(|nal| kind(nal[0]) == wanted).map(<[u8]>::to_vec).collect()
    };
    Ok(match codec {
        MixCodec::H264 => {
            let [sps, pps] = [h264::nal::SPS, h264::nal::PPS].map(|kind| units(kind, h264::nal_type));
            SampleEntry::h264(&sps, &pps)?
        }
        MixCodec::H265 => {
            let kinds = [h265::nal::VPS, h265::nal::SPS, h265::nal::PPS];
            let [vps, sps, pps] = kinds.map(|kind| units(kind, h265::nal_type));
            SampleEntry::h265(&vps, &sps, &pps)?
        }
    })
}

/// Mixed sound on its way into the file.
pub struct SoundLane {
    pub mixer: Mixer,
    track: TrackId,
    resampler: Option<Resampler>,
    encoder: aac::Encoder,
    channels: usize,
    mixed: Vec<GridFrame>,
    /// Interleaved, at the file's rate; its first sample is the first of frame `next`.
    pending: Vec<f32>,
    /// Samples of `pending` that lie before frame `next`.
    surplus: usize,
    next: i64,
    times: VecDeque<i64>,
    primed: bool,
}

impl SoundLane {
    /// A lane that begins at media time `from` (nanoseconds), but not before the sound that is in the file already.
    pub fn new(plan: MixedAudio, from: i64, output: &mut Output) -> Result<SoundLane> {
        let channels = usize::from(plan.channels);
        let encoder = aac::Encoder::new(plan.rate, channels, plan.bitrate)?;
        let writer = &mut output.file.writer;
        let track = match output.audio_track {
            Some(track) => track,
            None => {
                let entry = SampleEntry::aac(plan.channels, plan.rate, &encoder.config())?;
                *output.audio_track.insert(writer.add_track(entry)?)
            }
        };
        let from = from.max(ticks_to_ns(writer.end(track) as i64, plan.rate));
        let first = ns_to_ticks(from, MIXED_RATE).div_euclid(FRAME) * FRAME;
        // Where that is in the file's own samples: the frame it lies in may have begun before.
        let position = ns_to_ticks(ticks_to_ns(first, MIXED_RATE), plan.rate);
        let written = (writer.end(track) as i64 + FRAME - 1).div_euclid(FRAME);
        let next = ((position + FRAME - 1).div_euclid(FRAME)).max(written);
        let plain = plan.rate == MIXED_RATE && channels == 2;
        Ok(SoundLane {
            mixer: Mixer::new(first),
            track,
            resampler: if plain { None } else { Some(Resampler::new(2, plan.rate, channels)?) },
            encoder,
            channels,
            mixed: Vec::new(),
            pending: Vec::new(),
            surplus: (next * FRAME - position).max(0) as usize * channels,
            next,
            times: VecDeque::new(),
            primed: false,
        })
    }

    /// What of the streams' sound is not in the file, for people.
    pub fn losses(&self) -> impl Iterator<Item = String> + '_ {
        let lossy = self.mixer.counts().filter(|(_, counts)| counts.undecodable > 0 || counts.skipped > 0);
        lossy.map(|(stream, counts)| {
            let (source, skipped_ms) = (Source::from(stream.clone()), counts.skipped * 1000 / u64::from(MIXED_RATE));
            format!("{source}: {} packets of sound undecodable, {skipped_ms} ms skipped", counts.undecodable)
        })
    }

    /// Mixes and encodes everything up to media time `until` (nanoseconds).
    pub fn advance(&mut self, until: i64, output: &mut Output) -> Result<()> {
        self.mix(ns_to_ticks(until, MIXED_RATE), output)
    }

    /// `until`: samples of mixed sound.
    fn mix(&mut self, until: i64, output: &mut Output) -> Result<()> {
        let mut mixed = std::mem::take(&mut self.mixed);
        self.mixer.mix(until, &mut mixed);
        for frame in mixed.drain(..) {
            match &mut self.resampler {
                Some(resampler) => resampler.push(&frame.pcm, &mut self.pending)?,
                None => self.pending.extend_from_slice(&frame.pcm),
            }
            self.encode(output)?;
        }
        self.mixed = mixed;
        Ok(())
    }

    /// Writes everything up to media time `until` (nanoseconds), and what lags behind after it. The last frame is filled
    /// up with silence.
    pub fn finish(mut self, until: i64, output: &mut Output) -> Result<()> {
        // A frame is mixed when all of it has passed.
        let mut end = ns_to_ticks(until, MIXED_RATE) + FRAME;
        loop {
            self.mix(end, output)?;
            let sounds_until = self.mixer.sound_end();
            if sounds_until <= end {
                break;
            }
            end = sounds_until;
        }
        if let Some(mut resampler) = self.resampler.take() {
            resampler.flush(&mut self.pending)?;
        }
        let whole = FRAME as usize * self.channels;
        let wanted = self.pending.len().saturating_sub(self.surplus).next_multiple_of(whole);
        self.pending.resize(self.surplus + wanted, 0.0);
        self.encode(output)?;
        let SoundLane { track, encoder, mut times, .. } = self;
        write_aac(track, &mut times, encoder.finish()?, &mut output.file.writer)
    }

    fn encode(&mut self, output: &mut Output) -> Result<()> {
        let cut = self.surplus.min(self.pending.len());
        self.pending.drain(..cut);
        self.surplus -= cut;
        let frame = FRAME as usize * self.channels;
        let whole = self.pending.len() / frame * frame;
        for block in self.pending[..whole].chunks_exact(frame) {
            if !std::mem::replace(&mut self.primed, true) {
                self.times.push_back(self.next * FRAME);
            }
            self.next += 1;
            self.times.push_back(self.next * FRAME);
            let packets = self.encoder.encode(block)?;
            write_aac(self.track, &mut self.times, packets, &mut output.file.writer)?;
        }
        self.pending.drain(..whole);
        Ok(())
    }
}
