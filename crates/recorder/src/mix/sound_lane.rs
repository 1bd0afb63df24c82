//! Mixed sound on its way into the file, and over into the next one.

use std::collections::VecDeque;

use codec::resample::Resampler;
use media::mp4::TrackId;
use rules::ledger::{Counts, Media};
use rules::select::Source;
use rules::time::{Mono, ns_to_ticks, ticks_to_ns};

use super::account::News;
use super::output::{Files, Output};
use super::sound::Mixer;
use crate::Result;
use crate::audio::{AacForm, Coder, LOOK_AHEAD, WARM_UP};
use crate::messages::MixedAudio;
use crate::pcm::{FRAME, GridFrame};
use crate::tally::Happened;

/// Samples per second of mixed sound.
pub const MIXED_RATE: u32 = 48_000;

/// See the module's head. Frames are numbered from media time 0 of the file that the lane began in.
pub struct SoundLane {
    pub mixer: Mixer,
    plan: MixedAudio,
    epoch: Mono,
    resampler: Option<Resampler>,
    coder: Coder,
    mixed: Vec<GridFrame>,
    /// Interleaved, at the file's rate; its first sample is the first of frame `next`.
    pending: Vec<f32>,
    /// Samples of `pending` that lie before frame `next`.
    surplus: usize,
    next: i64,
    /// The next file begins with this frame; what is before it goes into the one before.
    cut: Option<i64>,
    /// The coder of the file before, and how many frames more it is to see.
    ending: Option<(Coder, i64)>,
    /// The last frames, for the next file's coder.
    recent: VecDeque<Vec<f32>>,
}

impl SoundLane {
    /// A lane that begins at media time `from` (nanoseconds), but not before the sound that is in the file already.
    pub fn new(plan: MixedAudio, from: i64, output: &mut Output) -> Result<SoundLane> {
        let channels = usize::from(plan.channels);
        let (coder, track) = coder(plan, 0, output)?;
        let end = output.file.writer.end(track) as i64;
        let from = from.max(ticks_to_ns(end, plan.rate));
        let first = ns_to_ticks(from, MIXED_RATE).div_euclid(FRAME) * FRAME;
        // Where that is in the file's own samples: the frame it lies in may have begun before.
        let position = ns_to_ticks(ticks_to_ns(first, MIXED_RATE), plan.rate);
        let written = (end + FRAME - 1).div_euclid(FRAME);
        let next = ((position + FRAME - 1).div_euclid(FRAME)).max(written);
        let plain = plan.rate == MIXED_RATE && channels == 2;
        Ok(SoundLane {
            mixer: Mixer::new(first),
            plan,
            epoch: output.file.epoch,
            resampler: if plain { None } else { Some(Resampler::new(2, plan.rate, channels)?) },
            coder,
            mixed: Vec::new(),
            pending: Vec::new(),
            surplus: (next * FRAME - position).max(0) as usize * channels,
            next,
            cut: None,
            ending: None,
            recent: VecDeque::new(),
        })
    }

    /// `at` in the mixer's samples.
    pub fn position(&self, at: Mono) -> i64 {
        ns_to_ticks(at.since(self.epoch), MIXED_RATE)
    }

    /// The time of one of the mixer's samples.
    pub fn time(&self, position: i64) -> Mono {
        self.epoch.plus(ticks_to_ns(position, MIXED_RATE))
    }

    /// What of the streams' sound is not in the file, for people.
    pub fn losses(&self) -> impl Iterator<Item = String> + '_ {
        let lossy = self.mixer.counts().filter(|(_, counts)| counts.undecodable > 0 || counts.skipped > 0);
        lossy.map(|(stream, counts)| {
            let (source, skipped_ms) = (Source::from(stream.clone()), counts.skipped * 1000 / u64::from(MIXED_RATE));
            format!("{source}: {} packets of sound undecodable, {skipped_ms} ms skipped", counts.undecodable)
        })
    }

    /// Tells what became of the streams' sound since the last call.
    pub fn tell(&mut self, news: &mut News) {
        let (epoch, ms) = (self.epoch, |samples: u64| samples * 1000 / u64::from(MIXED_RATE));
        for (stream, told) in self.mixer.take_told() {
            let counts = Counts {
                frames_dropped: told.dropped,
                frames_undecodable: told.undecodable,
                recovered_ms: ms(told.recovered),
                concealed_ms: ms(told.concealed),
                ..Counts::default()
            };
            let mut happened = Happened { counts, ..Happened::default() };
            let at = |position: i64| epoch.plus(ticks_to_ns(position, MIXED_RATE));
            told.missing.into_iter().for_each(|(from, to, cause)| happened.lacks(at(from), at(to), cause));
            news.add(stream, Media::Sound, happened);
        }
    }

    /// The present file begins at `at`, where a frame of its rate begins; what was not encoded yet of the sound before
    /// goes into the file before.
    pub fn cut(&mut self, at: Mono) {
        let frame = ns_to_ticks(at.since(self.epoch), self.plan.rate) + FRAME / 2;
        self.cut = Some(frame.div_euclid(FRAME));
    }

    /// Whether the file before lacks sound.
    pub fn is_between(&self) -> bool {
        self.cut.is_some() || self.ending.is_some()
    }

    /// Mixes and encodes everything up to `until`.
    pub fn advance(&mut self, until: Mono, files: &mut Files) -> Result<()> {
        self.mix(self.position(until), files)
    }

    /// `until`: samples of mixed sound.
    fn mix(&mut self, until: i64, files: &mut Files) -> Result<()> {
        let mut mixed = std::mem::take(&mut self.mixed);
        self.mixer.mix(until, &mut mixed);
        for frame in mixed.drain(..) {
            match &mut self.resampler {
                Some(resampler) => resampler.push(&frame.pcm, &mut self.pending)?,
                None => self.pending.extend_from_slice(&frame.pcm),
            }
            self.encode(files)?;
        }
        self.mixed = mixed;
        Ok(())
    }

    /// Writes everything up to `until`, and what lags behind after it. The last frame is filled up with silence.
    pub fn finish(mut self, until: Mono, files: &mut Files, news: &mut News) -> Result<()> {
        // A frame is mixed when all of it has passed.
        let mut end = self.position(until) + FRAME;
        loop {
            self.mix(end, files)?;
            let sounds_until = self.mixer.sound_end();
            if sounds_until <= end {
                break;
            }
            end = sounds_until;
        }
        self.tell(news);
        if let Some(mut resampler) = self.resampler.take() {
            resampler.flush(&mut self.pending)?;
        }
        let whole = FRAME as usize * usize::from(self.plan.channels);
        let wanted = self.pending.len().saturating_sub(self.surplus).next_multiple_of(whole);
        self.pending.resize(self.surplus + wanted, 0.0);
        self.encode(files)?;
        match (self.cut, &mut files.before) {
            // The file before ends here as well.
            (Some(_), Some(before)) => self.coder.finish(&mut before.file.writer),
            _ => self.coder.finish(&mut files.present.file.writer),
        }?;
        match (self.ending, &mut files.before) {
            (Some((coder, _)), Some(before)) => coder.finish(&mut before.file.writer),
            _ => Ok(()),
        }
    }

    fn encode(&mut self, files: &mut Files) -> Result<()> {
        let cut = self.surplus.min(self.pending.len());
        self.pending.drain(..cut);
        self.surplus -= cut;
        let frame = FRAME as usize * usize::from(self.plan.channels);
        let whole = self.pending.len() / frame * frame;
        let pending = std::mem::take(&mut self.pending);
        let (blocks, rest) = pending.split_at(whole);
        for block in blocks.chunks_exact(frame) {
            self.encode_frame(block, files)?;
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    fn encode_frame(&mut self, block: &[f32], files: &mut Files) -> Result<()> {
        if self.cut.is_some_and(|cut| cut <= self.next) {
            self.cut = None;
            self.move_on(files)?;
        }
        let output = match (self.cut, &mut files.before) {
            (Some(_), Some(before)) => before,
            _ => &mut files.present,
        };
        self.coder.encode(block, self.next, &mut output.file.writer)?;
        if let (Some((mut coder, left)), Some(before)) = (self.ending.take(), &mut files.before) {
            coder.encode(block, self.next, &mut before.file.writer)?;
            match left {
                ..=1 => coder.finish(&mut before.file.writer)?,
                _ => self.ending = Some((coder, left - 1)),
            }
        }
        self.next += 1;
        self.recent.push_back(block.to_vec());
        if self.recent.len() > WARM_UP as usize {
            self.recent.pop_front();
        }
        Ok(())
    }

    /// The next file has its turn. Its coder is shown what came before, so that the sound goes on as if there were no cut.
    fn move_on(&mut self, files: &mut Files) -> Result<()> {
        let (mut coder, _) = coder(self.plan, self.next, &mut files.present)?;
        let first = self.next - self.recent.len() as i64;
        for (index, block) in (first..).zip(&self.recent) {
            coder.encode(block, index, &mut files.present.file.writer)?;
        }
        let old = std::mem::replace(&mut self.coder, coder);
        self.ending = Some((old, LOOK_AHEAD));
        Ok(())
    }
}

/// The coder of a file whose media time 0 is frame `base`; its track is added if the file has none.
fn coder(plan: MixedAudio, base: i64, output: &mut Output) -> Result<(Coder, TrackId)> {
    let MixedAudio { rate, channels, bitrate } = plan;
    let form = AacForm { rate, channels, bitrate };
    let track = match output.audio_track {
        Some(track) => track,
        None => *output.audio_track.insert(output.file.writer.add_track(form.entry()?)?),
    };
    Ok((Coder::new(form, track, base)?, track))
}
