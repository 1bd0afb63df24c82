//! The sound of one take: Opus packets at media times in, samples of the file out. Either decoded, laid on a grid and
//! encoded as AAC, or kept as they are.

mod coder;
mod kept;
mod rated;

use std::collections::VecDeque;

use bytes::Bytes;
use codec::opus;
use codec::resample::RATE;
use media::mp4::{SampleEntry, TrackId, Writer};
use rules::ledger::{Cause, Counts};
use rules::request::FileFormat;
use rules::time::{Mono, ns_to_ticks, ticks_to_ns};

use crate::Result;
use crate::messages::AudioPlan;
use crate::pcm::{FRAME, Grid, GridFrame};
use crate::tally::Happened;
use crate::unit::SoundPacket;
pub use coder::{AacForm, Coder};
use kept::OpusLane;
use rated::Rated;

/// Opus decodes to sound that is this much later than the time of its packet (RFC 6716, at 48 kHz).
pub const OPUS_DELAY: i64 = 312;
/// At most this much of a loss (100 ms) is concealed; what is missing beyond it and not recovered is silence.
const CONCEAL_MAX: i64 = 4_800;
/// What a lane remembers of its sound while the file may have to be cut before the end of it: frames of 21 ms, or packets.
const REMEMBERED: usize = 256;
/// An encoder decides on a frame by the ones behind it, so many of them,
pub const LOOK_AHEAD: i64 = 2;
/// and by the ones before.
pub const WARM_UP: i64 = 8;

/// One Opus packet at its place.
struct Sound<'a> {
    /// Of its first decoded sample, in samples of 48 kHz since the lane's epoch.
    position: i64,
    packet: &'a Bytes,
    /// Samples of 48 kHz.
    duration: i64,
    /// Packets before this one were lost in the network (and not merely never sent).
    after_loss: bool,
}

/// The sound of a task's files. WebM takes Opus only: it is kept where no other file has pictures, whose players expect
/// what was asked for.
pub fn plan_for(formats: &[FileFormat], asked: AudioPlan) -> AudioPlan {
    if FileFormat::is_webm_alone(formats) { AudioPlan::Opus } else { asked }
}

/// What became of lost sound; samples of 48 kHz.
#[derive(Debug, Default, Clone, PartialEq)]
struct Told {
    /// Lost beyond what was made up: from, to, since the lane's epoch.
    missing: Vec<(i64, i64)>,
    /// Silence that its sender left out (DTX) and no packet of the file tells of, likewise.
    silent: Vec<(i64, i64)>,
    /// Taken from the copies in later packets.
    recovered: i64,
    /// Made up by the decoder.
    concealed: i64,
    /// Packets that the decoder refused, likewise.
    refused: Vec<(i64, i64)>,
}

/// The sound of one take, by plan. It may go on from file to file.
pub struct AudioLane {
    /// Media time 0 of the file that it began in.
    epoch: Mono,
    lane: Lane,
}

enum Lane {
    Aac(Box<AacLane>),
    Opus(OpusLane),
}

impl AudioLane {
    /// A lane that writes nothing before `written_until` (samples of the plan's rate), where the file's sound ends already.
    /// `epoch`: media time 0 of the file.
    pub fn new(plan: AudioPlan, track: TrackId, epoch: Mono, written_until: i64) -> Result<AudioLane> {
        let lane = match plan {
            AudioPlan::Aac { rate, channels, bitrate } => {
                let form = AacForm { rate, channels, bitrate };
                Lane::Aac(Box::new(AacLane::new(track, form, written_until)?))
            }
            AudioPlan::Opus => Lane::Opus(OpusLane::new(track, written_until)),
        };
        Ok(AudioLane { epoch, lane })
    }

    /// The sample entry of the lane's track.
    pub fn entry(plan: AudioPlan) -> Result<SampleEntry> {
        Ok(match plan {
            AudioPlan::Aac { rate, channels, bitrate } => AacForm { rate, channels, bitrate }.entry()?,
            AudioPlan::Opus => SampleEntry::opus(2, OPUS_DELAY as u16),
        })
    }

    pub fn push(&mut self, sound: &SoundPacket, writer: &mut Writer) -> Result<()> {
        let position = ns_to_ticks(sound.at.since(self.epoch), 48_000);
        let sound =
            Sound { position, packet: &sound.data, duration: sound.duration.into(), after_loss: sound.after_loss };
        match &mut self.lane {
            Lane::Aac(lane) => lane.push(&sound, writer),
            Lane::Opus(lane) => lane.push(&sound, writer),
        }
    }

    /// Tells what became of lost sound since the last call.
    pub fn tell(&mut self, happened: &mut Happened) {
        let told = std::mem::take(match &mut self.lane {
            Lane::Aac(lane) => &mut lane.told,
            Lane::Opus(lane) => &mut lane.told,
        });
        let ms = |samples: i64| (samples / 48) as u64;
        happened.counts.add(&Counts {
            frames_undecodable: told.refused.len() as u64,
            recovered_ms: ms(told.recovered),
            concealed_ms: ms(told.concealed),
            ..Counts::default()
        });
        let at = |samples: i64| self.epoch.plus(ticks_to_ns(samples, 48_000));
        told.silent.into_iter().for_each(|(from, to)| happened.came(at(from), at(to)));
        happened.missing.extend(told.missing.into_iter().map(|(from, to)| (at(from), at(to), Cause::Lost)));
        told.refused.into_iter().for_each(|(from, to)| happened.lacks(at(from), at(to), Cause::DecoderError));
    }

    /// Has the lane remember the last seconds of its sound, for [`AudioLane::split`], or forget them.
    pub fn remember(&mut self, wanted: bool) {
        match &mut self.lane {
            Lane::Aac(lane) => remember(&mut lane.recent, wanted),
            Lane::Opus(lane) => remember(&mut lane.recent, wanted),
        }
    }

    /// Whether there is all that [`AudioLane::split`] wants of the sound before frame `index` of the file's grid, which
    /// begins at media time `index * FRAME`.
    pub fn reaches(&self, index: i64) -> bool {
        match &self.lane {
            Lane::Aac(lane) => lane.next >= lane.coder.base + index + LOOK_AHEAD,
            Lane::Opus(lane) => lane.next >= index * FRAME + OPUS_DELAY,
        }
    }

    /// The sound goes on in another file, whose media time 0 is frame `index` of this one: gives the lane that writes to
    /// `track` of it. What this file has beyond that time is written once more, as far as it is remembered.
    pub fn split(self, index: i64, from: &mut Writer, track: TrackId, to: &mut Writer) -> Result<AudioLane> {
        let lane = match self.lane {
            Lane::Aac(lane) => Lane::Aac(lane.split(index, from, track, to)?),
            Lane::Opus(lane) => Lane::Opus(lane.split(index * FRAME, from, track, to)?),
        };
        Ok(AudioLane { lane, ..self })
    }

    /// Writes all that is still inside, because no more sound comes for now or for ever.
    pub fn finish(self, writer: &mut Writer) -> Result<()> {
        match self.lane {
            Lane::Aac(lane) => lane.finish(writer),
            Lane::Opus(mut lane) => lane.write_held(None, writer),
        }
    }
}

fn remember<T>(recent: &mut Option<VecDeque<T>>, wanted: bool) {
    match wanted {
        true => _ = recent.get_or_insert_default(),
        false => *recent = None,
    }
}

/// Opus to AAC on a grid of 1024 samples that begins at media time 0. Frames are numbered from the lane's epoch.
struct AacLane {
    form: AacForm,
    decoder: opus::Decoder,
    coder: Coder,
    /// At 48 kHz.
    grid: Grid,
    /// From there to the file's rate, if it has another.
    rated: Option<Rated>,
    /// The frame behind the last one.
    next: i64,
    recent: Option<VecDeque<GridFrame>>,
    told: Told,
    block: Vec<f32>,
}

impl AacLane {
    fn new(track: TrackId, form: AacForm, written_until: i64) -> Result<AacLane> {
        let (rate, channels) = (form.rate, usize::from(form.channels));
        let written = written_until.div_euclid(FRAME) + i64::from(written_until % FRAME != 0);
        let plain = rate == RATE;
        let first = if plain { written } else { written * i64::from(RATE) / i64::from(rate) };
        Ok(AacLane {
            form,
            decoder: opus::Decoder::new(channels)?,
            coder: Coder::new(form, track, 0)?,
            grid: Grid::new(channels, first),
            rated: if plain { None } else { Some(Rated::new(rate, channels, written)?) },
            next: 0,
            recent: None,
            told: Told::default(),
            block: Vec::new(),
        })
    }

    fn push(&mut self, sound: &Sound<'_>, writer: &mut Writer) -> Result<()> {
        self.lay(sound);
        self.encode(writer)
    }

    /// Lays a packet's sound on the grid.
    fn lay(&mut self, sound: &Sound<'_>) {
        if sound.after_loss {
            self.fill_loss(sound);
        }
        self.block.clear();
        if self.decoder.decode(sound.packet, &mut self.block).is_err() {
            self.block.clear();
            self.decoder.conceal(sound.duration as usize, &mut self.block);
            self.told.refused.push((sound.position, sound.position + sound.duration));
        }
        self.grid.push(sound.position, &self.block);
    }

    /// What was lost directly before this packet is taken from the copy in it (in-band FEC), if it has one; what was lost
    /// before that is concealed.
    fn fill_loss(&mut self, sound: &Sound<'_>) {
        let lost = self.grid.gap_before(sound.position);
        if lost == 0 {
            return;
        }
        let copied = Some(opus::carried(sound.packet) as i64).filter(|copied| copied / 2 <= lost).unwrap_or(0);
        let recovered = sound.position - copied;
        let missing = self.grid.gap_before(recovered);
        if missing > 0 {
            self.block.clear();
            let concealed = missing.min(CONCEAL_MAX);
            self.decoder.conceal(concealed as usize, &mut self.block);
            self.grid.push(recovered - missing, &self.block);
            self.told.concealed += concealed;
            if concealed < missing {
                self.told.missing.push((recovered - missing + concealed, recovered));
            }
        }
        if copied > 0 {
            self.block.clear();
            self.decoder.recover(sound.packet, &mut self.block);
            self.grid.push(recovered, &self.block);
            self.told.recovered += copied;
        }
    }

    fn encode(&mut self, writer: &mut Writer) -> Result<()> {
        while let Some(frame) = self.grid.pop() {
            match &mut self.rated {
                None => self.take(frame, writer)?,
                Some(rated) => {
                    let frames = rated.push(&frame)?;
                    frames.into_iter().try_for_each(|frame| self.take(frame, writer))?;
                }
            }
        }
        Ok(())
    }

    /// Encodes what was begun as well, its end filled with silence.
    fn encode_rest(&mut self, writer: &mut Writer) -> Result<()> {
        self.grid.pad();
        self.encode(writer)?;
        let rest = self.rated.as_mut().map_or(Ok(Vec::new()), Rated::finish)?;
        rest.into_iter().try_for_each(|frame| self.take(frame, writer))
    }

    fn take(&mut self, frame: GridFrame, writer: &mut Writer) -> Result<()> {
        self.coder.encode(&frame.pcm, frame.index, writer)?;
        self.next = frame.index + 1;
        if let Some(recent) = &mut self.recent {
            recent.push_back(frame);
            while recent.len() > REMEMBERED {
                recent.pop_front();
            }
        }
        Ok(())
    }

    fn split(mut self: Box<Self>, index: i64, from: &mut Writer, track: TrackId, to: &mut Writer) -> Result<Box<Self>> {
        let base = self.coder.base + index;
        if self.next < base {
            self.encode_rest(from)?;
        }
        let coder = Coder::new(self.form, track, base)?;
        std::mem::replace(&mut self.coder, coder).finish(from)?;
        // The frames before the first one are not written, but the sound goes on as if there were no cut.
        for frame in self.recent.take().unwrap_or_default() {
            if frame.index + WARM_UP >= base {
                self.coder.encode(&frame.pcm, frame.index, to)?;
            }
        }
        Ok(self)
    }

    fn finish(mut self: Box<Self>, writer: &mut Writer) -> Result<()> {
        self.encode_rest(writer)?;
        self.coder.finish(writer)
    }
}

#[cfg(test)]
mod tests;
