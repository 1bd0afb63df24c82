//! The file of a mix while it is made: its pictures and its sound, up to a moment.

use std::collections::BTreeMap;

use rules::layout::Arrangement;
use rules::select::StreamId;
use rules::speaker::{SpeakerRule, may_speak};
use rules::time::{Mono, SECOND_NS, ns_to_ticks, ticks_to_ns};

use super::feed::Feed;
use super::output::{MIXED_RATE, Output, PictureLane, SoundLane};
use super::stage::Stage;
use super::{MixEvent, MixJob};
use crate::Result;
use crate::clock::Clock;
use crate::growing::{Growing, Resumed};
use crate::messages::{FileName, MixedAudio, Settings};
use crate::pcm::FRAME;
use crate::unit::SoundPacket;

/// See the module's head.
pub struct Recording {
    clock: Clock,
    output: Output,
    picture: Option<PictureLane>,
    /// Nothing while nobody is there.
    sound: Option<SoundLane>,
    audio: MixedAudio,
    /// Who speaks, where the layout heeds it.
    speakers: Option<SpeakerRule>,
    /// Media time up to which everything was made, nanoseconds.
    made: i64,
    /// Nobody is there.
    resting: bool,
    events: Vec<MixEvent>,
}

impl Recording {
    /// Begins a file whose first media is of `first`, or goes on from there in the one of before a restart.
    pub fn open(job: &MixJob, file: Resumed, clock: &Clock, first: Mono, stage: &Stage) -> Result<Recording> {
        let place = &job.place;
        let (file, tracks, resumed) = match file {
            Resumed::File(file, tracks) => (file, tracks, true),
            Resumed::Begin(number) => (Box::new(Growing::create(place, number, first, clock)?), Vec::new(), false),
        };
        let opened = MixEvent::Opened { file: place.file(file.sequence), started: file.started(), resumed };
        let output = Output::over(file, &tracks);
        let start = output.since_start(first).max(0);
        let picture = match job.audio_only {
            true => None,
            false => {
                let video_end = ticks_to_ns(output.video_end(), crate::video::RATE);
                let mut lane = PictureLane::new(job.plan.video.clone(), stage.size(), 0, resumed)?;
                lane.skip_to(lane.frame_from(start.max(video_end)));
                Some(lane)
            }
        };
        let audio = job.plan.audio;
        let heeded = picture.is_some() && stage.plan().arrangement == Arrangement::Speaker;
        let speakers = heeded.then(SpeakerRule::default);
        let mut recording = Recording {
            clock: *clock,
            output,
            picture,
            sound: None,
            audio,
            speakers,
            made: start,
            resting: false,
            events: vec![opened],
        };
        recording.sound(start, stage)?;
        Ok(recording)
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> Vec<MixEvent> {
        std::mem::take(&mut self.events)
    }

    /// Takes one packet of a stream's sound.
    pub fn push(&mut self, stream: &StreamId, sound: &SoundPacket, stage: &Stage) -> Result<()> {
        let media = self.output.since_start(sound.at);
        let mixer = &mut self.sound(media, stage)?.mixer;
        mixer.push(stream, ns_to_ticks(media, 48_000), &sound.data, sound.duration, sound.after_loss);
        Ok(())
    }

    /// The stream's sound ends.
    pub fn sound_ended(&mut self, stream: &StreamId) {
        if let Some(sound) = &mut self.sound {
            sound.mixer.ended(stream);
        }
    }

    /// Somebody came or left, or the layout changed.
    pub fn arranged(&mut self, stage: &Stage) -> Result<()> {
        if self.resting && !stage.members().is_empty() {
            self.sound(self.made, stage)?;
        }
        // What stands still while nobody is there may look different now.
        self.resting = false;
        if let Some(sound) = &mut self.sound {
            place_all(sound, stage);
        }
        Ok(())
    }

    /// Makes everything up to `until`, in which nothing changes; of the pictures every `step`th.
    pub fn make(
        &mut self,
        until: Mono,
        step: u32,
        stage: &mut Stage,
        feeds: &mut BTreeMap<StreamId, Feed>,
    ) -> Result<()> {
        let end = self.output.since_start(until);
        if end <= self.made {
            return Ok(());
        }
        if stage.members().is_empty() {
            return self.rest(end, stage, feeds);
        }
        if let Some(sound) = &mut self.sound {
            sound.advance(end, &mut self.output)?;
        }
        if let Some(picture) = &mut self.picture {
            let half = SECOND_NS / i64::from(picture.fps()) / 2;
            while picture.time(picture.next()) + half <= end {
                let time = self.output.file.epoch.plus(picture.time(picture.next()));
                let at = time.plus(half);
                if let (Some(rule), Some(sound)) = (&mut self.speakers, &mut self.sound) {
                    heed_speaker(rule, sound, self.output.since_start(at), stage)?;
                }
                stage.set_time(Some(self.clock.wall(time)))?;
                feeds.values_mut().for_each(|feed| feed.advance(at));
                picture.push(stage.compose(feeds)?, step, &mut self.output)?;
                if let Some(why) = picture.fallen_back.take() {
                    self.events.push(MixEvent::Note(format!("encoded by the processor: {why}")));
                }
            }
        }
        self.made = end;
        Ok(())
    }

    /// Nobody is there up to media time `end`: one picture that stands still, and no sound.
    fn rest(&mut self, end: i64, stage: &mut Stage, feeds: &BTreeMap<StreamId, Feed>) -> Result<()> {
        if !std::mem::replace(&mut self.resting, true) {
            self.end_sound()?;
            // A clock that stood still would be wrong.
            stage.set_time(None)?;
            if let Some(picture) = &mut self.picture {
                picture.push(stage.compose(feeds)?, 1, &mut self.output)?;
            }
        }
        if let Some(picture) = &mut self.picture {
            picture.skip_to(picture.frame_from(end));
        }
        self.made = end;
        Ok(())
    }

    /// Writes a fragment if the last one is long enough ago.
    pub fn flush_if_due(&mut self, now: Mono, settings: &Settings) -> Result<()> {
        self.output.file.flush_if_due(now, settings)
    }

    /// Writes what was made and is still on its way.
    pub fn finish(&mut self) -> Result<()> {
        self.end_sound()?;
        if let Some(picture) = &mut self.picture {
            picture.finish(&mut self.output)?;
        }
        Ok(self.output.file.writer.flush()?)
    }

    /// The file, and media time at `at` in nanoseconds.
    pub fn file(&self, job: &MixJob, at: Mono) -> (FileName, i64) {
        (job.place.file(self.output.file.sequence), self.output.since_start(at))
    }

    /// The encoder of the pictures fails from now on, as hardware may.
    #[cfg(test)]
    pub fn break_encoder(&mut self) {
        if let Some(picture) = &mut self.picture {
            picture.break_encoder();
        }
    }

    fn end_sound(&mut self) -> Result<()> {
        let Some(sound) = self.sound.take() else { return Ok(()) };
        self.events.extend(sound.losses().map(MixEvent::Note));
        sound.finish(self.made, &mut self.output)
    }

    /// The sound, begun at media time `from` (nanoseconds) if there is none.
    fn sound(&mut self, from: i64, stage: &Stage) -> Result<&mut SoundLane> {
        match self.sound {
            Some(ref mut lane) => Ok(lane),
            None => {
                let mut lane = SoundLane::new(self.audio, from.max(self.made), &mut self.output)?;
                place_all(&mut lane, stage);
                if self.speakers.is_some() {
                    lane.mixer.listen();
                }
                Ok(self.sound.insert(lane))
            }
        }
    }
}

/// Shows who speaks by what was heard up to media time `until` (nanoseconds).
fn heed_speaker(rule: &mut SpeakerRule, sound: &mut SoundLane, until: i64, stage: &mut Stage) -> Result<()> {
    while let Some(heard) = sound.mixer.take_heard(ns_to_ticks(until, MIXED_RATE)) {
        let [end, length] = [heard.until, FRAME].map(|ticks| ticks_to_ns(ticks, MIXED_RATE));
        if rule.hear(end, length, &heard.streams, |stream| may_speak(stage.members(), stream)) {
            stage.set_speaker(rule.speaker().cloned())?;
        }
    }
    Ok(())
}

/// Tells the mixer who is heard, and where.
fn place_all(sound: &mut SoundLane, stage: &Stage) {
    for member in stage.members() {
        let (stream, plan) = (&member.stream, stage.plan());
        sound.mixer.set_place(stream, plan.hears(stream), plan.pan(stream));
    }
}
