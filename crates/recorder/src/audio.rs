//! The sound of one take: Opus packets at media times in, samples of the file out. Either decoded, laid on a grid and
//! encoded as AAC, or kept as they are.

use std::collections::VecDeque;

use bytes::Bytes;
use codec::{aac, opus};
use media::mp4::{Sample, SampleEntry, TrackId, Writer};

use crate::Result;
use crate::messages::AudioPlan;
use crate::pcm::{FRAME, Grid};

/// Opus decodes to sound that is this much later than the time of its packet (RFC 6716, at 48 kHz).
pub const OPUS_DELAY: i64 = 312;
/// At most this much of a loss (100 ms) is concealed; what is missing beyond it is silence.
const CONCEAL_MAX: i64 = 4_800;
/// Offsets of kept packets below this (10 ms) are taken as drift and move them; larger ones are gaps.
const KEPT_RANGE: i64 = 480;

/// One Opus packet at its place.
pub struct Sound<'a> {
    /// Media time of its first decoded sample, in samples of 48 kHz.
    pub position: i64,
    pub packet: &'a Bytes,
    /// Samples of 48 kHz.
    pub duration: i64,
    /// Packets before this one were lost in the network (and not merely never sent).
    pub after_loss: bool,
}

/// The sound of one take, by plan.
pub enum AudioLane {
    Aac(Box<AacLane>),
    Opus(OpusLane),
}

impl AudioLane {
    /// A lane that writes nothing before `written_until` (48 kHz), where the file's sound ends already.
    pub fn new(plan: AudioPlan, track: TrackId, written_until: i64) -> Result<AudioLane> {
        Ok(match plan {
            AudioPlan::Aac { channels, bitrate } => {
                AudioLane::Aac(Box::new(AacLane::new(track, channels, bitrate, written_until)?))
            }
            AudioPlan::Opus => AudioLane::Opus(OpusLane { track, next: written_until, held: None }),
        })
    }

    /// The sample entry of the lane's track.
    pub fn entry(plan: AudioPlan) -> Result<SampleEntry> {
        Ok(match plan {
            AudioPlan::Aac { channels, bitrate } => {
                let encoder = aac::Encoder::new(48_000, usize::from(channels), bitrate)?;
                SampleEntry::aac(channels, 48_000, &encoder.config())?
            }
            AudioPlan::Opus => SampleEntry::opus(2, OPUS_DELAY as u16),
        })
    }

    pub fn push(&mut self, sound: &Sound<'_>, writer: &mut Writer) -> Result<()> {
        match self {
            AudioLane::Aac(lane) => lane.push(sound, writer),
            AudioLane::Opus(lane) => lane.push(sound, writer),
        }
    }

    /// Writes all that is still inside, because no more sound comes for now or for ever.
    pub fn finish(self, writer: &mut Writer) -> Result<()> {
        match self {
            AudioLane::Aac(lane) => lane.finish(writer),
            AudioLane::Opus(mut lane) => lane.write_held(None, writer),
        }
    }
}

/// Opus to AAC on a grid of 1024 samples that begins at media time 0.
pub struct AacLane {
    track: TrackId,
    decoder: opus::Decoder,
    encoder: aac::Encoder,
    grid: Grid,
    /// Decode times of the packets still to come out, in samples. The first packet only primes the decoder; each
    /// later one carries the frame put in one call before, and the edit list plays it one frame earlier.
    times: VecDeque<i64>,
    primed: bool,
    block: Vec<f32>,
}

impl AacLane {
    fn new(track: TrackId, channels: u8, bitrate: u32, written_until: i64) -> Result<AacLane> {
        let channels = usize::from(channels);
        Ok(AacLane {
            track,
            decoder: opus::Decoder::new(channels)?,
            encoder: aac::Encoder::new(48_000, channels, bitrate)?,
            grid: Grid::new(channels, written_until.div_euclid(FRAME) + i64::from(written_until % FRAME != 0)),
            times: VecDeque::new(),
            primed: false,
            block: Vec::new(),
        })
    }

    fn push(&mut self, sound: &Sound<'_>, writer: &mut Writer) -> Result<()> {
        let missing = if sound.after_loss { self.grid.gap_before(sound.position) } else { 0 };
        if missing > 0 {
            self.block.clear();
            self.decoder.conceal(missing.min(CONCEAL_MAX) as usize, &mut self.block);
            self.grid.push(sound.position - missing, &self.block);
        }
        self.block.clear();
        if self.decoder.decode(sound.packet, &mut self.block).is_err() {
            self.block.clear();
            self.decoder.conceal(sound.duration as usize, &mut self.block);
        }
        self.grid.push(sound.position, &self.block);
        self.encode(writer)
    }

    fn encode(&mut self, writer: &mut Writer) -> Result<()> {
        while let Some(frame) = self.grid.pop() {
            if !std::mem::replace(&mut self.primed, true) {
                self.times.push_back(frame.index * FRAME);
            }
            self.times.push_back((frame.index + 1) * FRAME);
            let packets = self.encoder.encode(&frame.pcm)?;
            write_aac(self.track, &mut self.times, packets, writer)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, writer: &mut Writer) -> Result<()> {
        self.grid.pad();
        self.encode(writer)?;
        let AacLane { track, encoder, mut times, .. } = *self;
        write_aac(track, &mut times, encoder.finish()?, writer)
    }
}

pub(crate) fn write_aac(
    track: TrackId,
    times: &mut VecDeque<i64>,
    packets: Vec<Bytes>,
    writer: &mut Writer,
) -> Result<()> {
    for packet in packets {
        let Some(dts) = times.pop_front() else { break };
        writer.push(
            track,
            Sample { entry: 0, dts: dts as u64, duration: FRAME as u32, key: true, after_still: false, data: packet },
        )?;
    }
    Ok(())
}

/// Opus packets as they were sent.
pub struct OpusLane {
    track: TrackId,
    /// Where the next packet lies when it joins up with the last.
    next: i64,
    held: Option<(i64, i64, Bytes)>,
}

impl OpusLane {
    fn push(&mut self, sound: &Sound<'_>, writer: &mut Writer) -> Result<()> {
        // The track's edit list plays sound OPUS_DELAY earlier than its decode time.
        let mut dts = sound.position + OPUS_DELAY;
        if dts < self.next - KEPT_RANGE {
            return Ok(());
        }
        if (dts - self.next).abs() <= KEPT_RANGE / 16 {
            dts = self.next;
        }
        dts = dts.max(self.held.as_ref().map_or(self.next, |held| held.0 + 1));
        self.write_held(Some(dts), writer)?;
        self.next = dts + sound.duration;
        self.held = Some((dts, sound.duration, sound.packet.clone()));
        Ok(())
    }

    /// Writes the packet held back; up to `until` when the next one is near enough to be its continuation.
    fn write_held(&mut self, until: Option<i64>, writer: &mut Writer) -> Result<()> {
        let Some((dts, duration, data)) = self.held.take() else { return Ok(()) };
        let lasts = until.map_or(duration, |next| next - dts);
        let duration = if (lasts - duration).abs() <= KEPT_RANGE { lasts } else { duration };
        let duration = duration.max(1) as u32;
        let sample = Sample { entry: 0, dts: dts.max(0) as u64, duration, key: true, after_still: false, data };
        Ok(writer.push(self.track, sample)?)
    }
}
