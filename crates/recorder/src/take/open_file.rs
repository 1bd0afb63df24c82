//! The file that a take writes: its lanes of pictures and sound.

use media::mp4::{self, RecoveredTrack, TrackId};
use rules::time::{Mono, SECOND_NS, ns_to_ticks, ticks_to_ns};

use crate::Result;
use crate::audio::AudioLane;
use crate::growing::Growing;
use crate::messages::{AudioPlan, Settings};
use crate::tally::Both;
use crate::unit::{Picture, SoundPacket, Unit};
use crate::video::{self, RATE, VideoLane};

/// A file that is being written.
pub(super) struct OpenFile {
    pub file: Box<Growing>,
    pub video: Option<VideoLane>,
    pub audio: Option<AudioLane>,
    pub audio_track: Option<TrackId>,
}

impl OpenFile {
    /// `tracks`: those that are in the file already.
    pub fn over(file: Box<Growing>, tracks: Vec<RecoveredTrack>) -> OpenFile {
        let mut open = OpenFile { file, video: None, audio: None, audio_track: None };
        for track in tracks {
            match track.entries.first().map(mp4::SampleEntry::kind) {
                Some(mp4::Kind::Video) => {
                    let codec = track.entries.first().map(mp4::SampleEntry::codec);
                    open.video = codec.map(|codec| VideoLane::new(track.id, codec, track.end as i64));
                }
                Some(mp4::Kind::Audio) => open.audio_track = Some(track.id),
                None => {}
            }
        }
        open
    }

    pub fn push(&mut self, unit: &Unit, plan: AudioPlan, happened: &mut Both) -> Result<()> {
        match unit {
            Unit::Picture(picture) => self.push_picture(picture, happened),
            Unit::Sound(sound) => self.push_sound(sound, plan, happened),
        }
    }

    fn push_picture(&mut self, picture: &Picture, happened: &mut Both) -> Result<()> {
        let at = ns_to_ticks(picture.at.since(self.file.epoch), RATE);
        if self.video.is_none() {
            let Some(config) = picture.config.as_ref().filter(|_| picture.key) else { return Ok(()) };
            let entry = video::sample_entry(config, picture.rotation)?;
            let codec = entry.codec();
            self.video = Some(VideoLane::new(self.file.writer.add_track(entry)?, codec, 0));
        }
        if let Some(lane) = &mut self.video {
            lane.push(at, picture, &mut self.file.writer)?;
        }
        self.tell_of_picture(happened);
        Ok(())
    }

    pub fn push_sound(&mut self, sound: &SoundPacket, plan: AudioPlan, happened: &mut Both) -> Result<()> {
        let track = match self.audio_track {
            Some(track) => track,
            None => *self.audio_track.insert(self.file.writer.add_track(AudioLane::entry(plan)?)?),
        };
        let lane = match &mut self.audio {
            Some(lane) => lane,
            None => {
                let written = self.file.writer.end(track) as i64;
                self.audio.insert(AudioLane::new(plan, track, self.file.epoch, written)?)
            }
        };
        lane.push(sound, &mut self.file.writer)?;
        lane.tell(&mut happened.sound);
        Ok(())
    }

    pub fn tell_of_picture(&mut self, happened: &mut Both) {
        let Some(lane) = &mut self.video else { return };
        happened.picture.counts.frames_dropped += std::mem::take(&mut lane.left_out);
        let at = |ticks: i64| self.file.epoch.plus(ticks_to_ns(ticks, RATE));
        happened.picture.missing.extend(lane.missing.drain(..).map(|(from, to, cause)| (at(from), at(to), cause)));
    }

    pub fn picture_away(&mut self, happened: &mut Both) -> Result<()> {
        if let Some(lane) = &mut self.video {
            lane.go_away(&mut self.file.writer)?;
        }
        self.tell_of_picture(happened);
        Ok(())
    }

    pub fn sound_away(&mut self) -> Result<()> {
        self.audio.take().map_or(Ok(()), |lane| lane.finish(&mut self.file.writer))
    }

    pub fn handle_time(&mut self, now: Mono, settled: bool, settings: &Settings) -> Result<()> {
        if let Some(lane) = self.video.as_mut().filter(|_| settled) {
            lane.handle_time(ns_to_ticks(now.since(self.file.epoch), RATE), &mut self.file.writer)?;
        }
        self.file.flush_if_due(now, settings)
    }

    /// Writes what is left. The last picture lasts until `end` (nanoseconds of media time) if there is one, else its usual
    /// length.
    pub fn finish(&mut self, end: Option<i64>, happened: &mut Both) -> Result<()> {
        self.sound_away()?;
        if let Some(lane) = &mut self.video {
            let until = end.map(|ns| ns_to_ticks(ns.min(i64::MAX / SECOND_NS), RATE));
            lane.finish(until, &mut self.file.writer)?;
        }
        self.tell_of_picture(happened);
        Ok(self.file.writer.flush()?)
    }
}
