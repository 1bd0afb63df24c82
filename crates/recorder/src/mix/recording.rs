//! The file of a mix while it is made: its pictures and its sound, up to a moment.

use std::collections::BTreeMap;
use std::time::Duration;

use rules::layout::Arrangement;
use rules::ledger::Cause;
use rules::select::StreamId;
use rules::speaker::{SpeakerRule, may_speak};
use rules::time::{MILLI_NS, Mono, SECOND_NS, ticks_to_ns};

use super::account::News;
use super::cut::next_cut;
use super::feed::Feed;
use super::output::{Files, Output, PictureLane};
use super::sound_lane::{MIXED_RATE, SoundLane};
use super::stage::Stage;
use super::{MixEvent, MixJob};
use crate::Result;
use crate::clock::Clock;
use crate::growing::{Growing, Place, Resumed};
use crate::messages::{FileName, MixedAudio, Settings};
use crate::pcm::FRAME;
use crate::take::Closed;
use crate::unit::SoundPacket;

/// After the disk refused a file, it is asked again this much later.
const RETRY_NS: i64 = 10 * SECOND_NS;

/// See the module's head.
pub struct Recording {
    clock: Clock,
    place: Place,
    files: Files,
    /// Media time at which the file is to end and the next one to begin.
    cut: i64,
    /// Greatest length of a file in nanoseconds, and its size in bytes.
    longest: i64,
    largest: u64,
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
    /// The frame in which the picture that stands still meanwhile is due once more.
    still_due: i64,
    events: Vec<MixEvent>,
    news: News,
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
            place: place.clone(),
            files: Files { present: output, before: None },
            cut: 0,
            longest: job.settings.max_file_ms.saturating_mul(MILLI_NS),
            largest: job.settings.max_file_bytes,
            picture,
            sound: None,
            audio,
            speakers,
            made: start,
            resting: false,
            still_due: 0,
            events: vec![opened],
            news: News::default(),
        };
        recording.cut = recording.cut_after(recording.longest);
        recording.sound(start, stage)?;
        Ok(recording)
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> Vec<MixEvent> {
        std::mem::take(&mut self.events)
    }

    /// For the report: what happened since the last call.
    pub fn take_news(&mut self) -> News {
        self.sound.iter_mut().for_each(|sound| sound.tell(&mut self.news));
        std::mem::take(&mut self.news)
    }

    /// Up to when everything was made.
    pub fn made_until(&self) -> Mono {
        self.files.present.file.epoch.plus(self.made)
    }

    /// Takes one packet of a stream's sound.
    pub fn push(&mut self, stream: &StreamId, sound: &SoundPacket, stage: &Stage) -> Result<()> {
        let media = self.files.present.since_start(sound.at);
        let lane = self.sound(media, stage)?;
        let position = lane.position(sound.at);
        lane.mixer.push(stream, position, &sound.data, sound.duration, sound.after_loss);
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
        loop {
            if self.files.present.file.writer.size() >= self.largest {
                self.cut = self.cut.min(self.cut_after(self.made));
            }
            let end = self.files.present.since_start(until);
            if end <= self.made {
                return Ok(());
            }
            self.make_to(end.min(self.cut), step, stage, feeds)?;
            if end < self.cut {
                return self.settle_before();
            }
            self.begin_next(stage)?;
        }
    }

    /// Up to media time `end`.
    fn make_to(&mut self, end: i64, step: u32, stage: &mut Stage, feeds: &mut BTreeMap<StreamId, Feed>) -> Result<()> {
        if stage.members().is_empty() {
            return self.rest(end, stage, feeds);
        }
        let epoch = self.files.present.file.epoch;
        if let Some(sound) = &mut self.sound {
            sound.advance(epoch.plus(end), &mut self.files)?;
        }
        if let Some(picture) = &mut self.picture {
            let half = SECOND_NS / i64::from(picture.fps()) / 2;
            let cut = picture.frame_from(self.cut);
            while picture.time(picture.next()) + half <= end {
                let number = picture.next();
                let time = epoch.plus(picture.time(number));
                let at = time.plus(half);
                if let (Some(rule), Some(sound)) = (&mut self.speakers, &mut self.sound) {
                    heed_speaker(rule, sound, at, stage)?;
                }
                stage.set_time(Some(self.clock.wall(time)))?;
                feeds.values_mut().for_each(|feed| feed.advance(at));
                let frames = i64::from(step).min(cut - number).max(1) as u32;
                picture.push(stage.compose(feeds)?, frames, &mut self.files.present)?;
                if frames > 1 {
                    self.news.frames.counts.frames_dropped += u64::from(frames - 1);
                    let [from, to] = [number + 1, picture.next()].map(|frame| epoch.plus(picture.time(frame)));
                    self.news.frames.missing.push((from, to, Cause::Overload));
                }
                if let Some(why) = picture.fallen_back.take() {
                    self.events.push(MixEvent::Note(format!("encoded by the processor: {why}")));
                }
            }
        }
        self.made = end;
        Ok(())
    }

    /// Where the file may be cut at or after media time `at`.
    fn cut_after(&self, at: i64) -> i64 {
        next_cut(at.max(self.made), self.picture.as_ref().map(PictureLane::fps), self.audio.rate)
    }

    /// The file ends at media time `cut`, up to which all is made, and the next one begins there.
    fn begin_next(&mut self, stage: &Stage) -> Result<()> {
        let old = &self.files.present.file;
        let (sequence, epoch) = (old.sequence + 1, old.epoch.plus(self.cut));
        let next = match Growing::create(&self.place, sequence, epoch, &self.clock) {
            Ok(next) => next,
            Err(error) => {
                // Rather a file that is too long than no file.
                tracing::error!(%error, "the next file cannot be begun yet");
                self.cut = self.cut_after(self.made + RETRY_NS);
                return Ok(());
            }
        };
        if let Some(picture) = &mut self.picture {
            picture.finish(&mut self.files.present)?;
            self.picture = Some(picture.next_file(stage.size())?);
        }
        let opened = MixEvent::Opened { file: self.place.file(sequence), started: next.started(), resumed: false };
        self.events.push(opened);
        let old = std::mem::replace(&mut self.files.present, Output::over(Box::new(next), &[]));
        self.files.before = Some(old);
        if let Some(sound) = &mut self.sound {
            sound.cut(epoch);
        }
        self.made = 0;
        self.cut = self.cut_after(self.longest);
        self.resting = false;
        self.settle_before()
    }

    /// The file before has ended once it has all of its sound.
    fn settle_before(&mut self) -> Result<()> {
        if self.sound.as_ref().is_some_and(SoundLane::is_between) {
            return Ok(());
        }
        let Some(mut old) = self.files.before.take() else { return Ok(()) };
        old.file.writer.flush()?;
        let end = self.files.present.file.epoch.since(old.file.epoch);
        let end = Some(Duration::from_nanos(end.max(0) as u64));
        let (file, path) = (self.place.file(old.file.sequence), self.place.path(old.file.sequence));
        self.events.push(MixEvent::Ended(Closed { file, path, end, still: true, cut: end }));
        Ok(())
    }

    /// Nobody is there up to media time `end`: one picture that stands still, and no sound. It comes once a second, so that
    /// who plays the file while it grows goes on.
    fn rest(&mut self, end: i64, stage: &mut Stage, feeds: &BTreeMap<StreamId, Feed>) -> Result<()> {
        let begins = !std::mem::replace(&mut self.resting, true);
        if begins {
            self.end_sound()?;
            // A clock that stood still would be wrong.
            stage.set_time(None)?;
        }
        if let Some(picture) = &mut self.picture {
            let mut rested = picture.frame_from(end);
            if begins {
                self.still_due = picture.next();
                rested = rested.max(self.still_due + 1);
            }
            while self.still_due < rested {
                picture.skip_to(self.still_due);
                picture.push(stage.compose(feeds)?, 1, &mut self.files.present)?;
                self.still_due += i64::from(picture.fps());
            }
            picture.skip_to(rested);
        }
        self.made = end;
        Ok(())
    }

    /// Writes a fragment if the last one is long enough ago.
    pub fn flush_if_due(&mut self, now: Mono, settings: &Settings) -> Result<()> {
        if let Some(before) = &mut self.files.before {
            before.file.flush_if_due(now, settings)?;
        }
        self.files.present.file.flush_if_due(now, settings)
    }

    /// Writes what was made and is still on its way.
    pub fn finish(&mut self) -> Result<()> {
        self.end_sound()?;
        self.settle_before()?;
        if let Some(picture) = &mut self.picture {
            picture.finish(&mut self.files.present)?;
        }
        Ok(self.files.present.file.writer.flush()?)
    }

    /// The file, media time at `at`, and that up to which everything was made, in nanoseconds.
    pub fn file(&self, job: &MixJob, at: Mono) -> (FileName, i64, i64) {
        (job.place.file(self.files.present.file.sequence), self.files.present.since_start(at), self.made)
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
        sound.finish(self.made_until(), &mut self.files, &mut self.news)
    }

    /// The sound, begun at media time `from` (nanoseconds) if there is none.
    fn sound(&mut self, from: i64, stage: &Stage) -> Result<&mut SoundLane> {
        match self.sound {
            Some(ref mut lane) => Ok(lane),
            None => {
                let mut lane = SoundLane::new(self.audio, from.max(self.made), &mut self.files.present)?;
                place_all(&mut lane, stage);
                if self.speakers.is_some() {
                    lane.mixer.listen();
                }
                Ok(self.sound.insert(lane))
            }
        }
    }
}

/// Shows who speaks by what was heard up to `until`.
fn heed_speaker(rule: &mut SpeakerRule, sound: &mut SoundLane, until: Mono, stage: &mut Stage) -> Result<()> {
    while let Some(heard) = sound.mixer.take_heard(sound.position(until)) {
        let (end, length) = (sound.time(heard.until), ticks_to_ns(FRAME, MIXED_RATE));
        if rule.hear(end.0, length, &heard.streams, |stream| may_speak(stage.members(), stream)) {
            stage.set_speaker(rule.speaker().cloned())?;
        }
    }
    Ok(())
}

/// Tells the mixer who is heard, and where. Of who was taken out of the mix sound goes on coming for a moment.
fn place_all(sound: &mut SoundLane, stage: &Stage) {
    sound.mixer.keep_only(|stream| stage.members().iter().any(|member| member.stream == *stream));
    for member in stage.members() {
        let (stream, plan) = (&member.stream, stage.plan());
        sound.mixer.set_place(stream, plan.hears(stream), plan.pan(stream));
    }
}
