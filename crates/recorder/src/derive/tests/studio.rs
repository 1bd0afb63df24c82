//! Makes masters that flash and beep, and looks into what is made of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use media::bitstream::{annex_b, h264};
use media::mp4::{Anchor, FinishOptions, Sample, SampleEntry, TrackId, Writer};
use rules::request::FileFormat;
use rules::select::{StreamId, StreamKind};
use rules::time::{Mono, Wall, ticks_to_ns};
use synth::clip::{ClipSpec, Live};
use synth::probe::{ProbeOptions, ProbeReport, probe_file};

use super::super::{Following, Made};
use crate::audio::AudioLane;
use crate::disk::BlackAndSilence;
use crate::messages::{AudioPlan, FileName, FinishedFile};
use crate::names;
use crate::unit::SoundPacket;

pub const AAC: AudioPlan = AudioPlan::Aac { rate: 48_000, channels: 2, bitrate: 64_000 };
/// Unix time of media time 0.
pub const EPOCH_NS: i64 = 1_700_000_000_000_000_000;
pub const FPS: u64 = 30;

/// Flashes and beeps come half a second after the whole one.
fn spec(width: u32, height: u32) -> ClipSpec {
    ClipSpec { width, height, bitrate: 300_000, loop_seconds: 600, offset: 15, ..ClipSpec::new(3, "derive") }
}

/// What is recorded of a stretch of time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shot {
    pub picture: bool,
    pub sound: bool,
    /// The picture is larger.
    pub large: bool,
    /// One picture that is shown all the time, and stands still up to what follows.
    pub still: bool,
}

pub const BOTH: Shot = Shot { picture: true, sound: true, large: false, still: false };
pub const SOUND: Shot = Shot { picture: false, ..BOTH };
pub const PICTURE: Shot = Shot { sound: false, ..BOTH };
pub const NOTHING: Shot = Shot { picture: false, ..PICTURE };

pub struct Studio {
    pub dir: tempfile::TempDir,
    pub name: FileName,
    pub writer: Option<Writer>,
    small: Live,
    large: Option<Live>,
    plan: AudioPlan,
    lane: Option<AudioLane>,
    tracks: [Option<TrackId>; 2],
    /// Seconds recorded.
    pub now: u64,
    after_still: bool,
    following: Option<Following>,
    formats: Vec<FileFormat>,
}

impl Studio {
    pub fn new(plan: AudioPlan, formats: &[FileFormat]) -> Studio {
        let dir = tempfile::tempdir().expect("a folder");
        let name = FileName { source: StreamId { user: "alice".into(), kind: StreamKind::Camera }.into(), sequence: 0 };
        let anchor = Anchor { epoch_ns: EPOCH_NS, note: Vec::new() };
        let writer = Writer::create(&names::path(dir.path(), &name), anchor).expect("a new file");
        let mut studio = Studio {
            dir,
            name,
            writer: Some(writer),
            small: Live::new(&spec(320, 180)).expect("an encoder"),
            large: None,
            plan,
            lane: None,
            tracks: [None, None],
            now: 0,
            after_still: false,
            following: None,
            formats: formats.to_vec(),
        };
        studio.restart();
        studio
    }

    /// The follower dies; another one begins.
    pub fn restart(&mut self) {
        let mut following = Following::default();
        following.add(self.dir.path(), &self.formats).expect("noted");
        self.following = Some(following);
    }

    /// Records a stretch of so many seconds.
    pub fn record(&mut self, seconds: u64, shot: Shot) {
        let end = self.now + seconds;
        while self.now < end {
            for packet in self.now * 50..(self.now + 1) * 50 {
                if shot.picture && !shot.still {
                    let first = (packet * FPS).div_ceil(50);
                    (first..((packet + 1) * FPS).div_ceil(50)).for_each(|frame| self.picture(frame, shot.large, 3_000));
                }
                if shot.still && packet == self.now * 50 {
                    let frame = self.now * FPS;
                    self.picture(frame, shot.large, 60_000);
                    self.after_still = true;
                }
                if shot.sound {
                    self.sound(packet);
                }
                if packet % 20 == 19 {
                    self.writer().flush().expect("the disk takes it");
                }
            }
            if shot.still {
                self.now = end - 1;
            }
            self.now += 1;
            if !shot.sound
                && let Some(lane) = self.lane.take()
            {
                lane.finish(self.writer()).expect("finished");
                self.writer().flush().expect("the disk takes it");
            }
        }
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().expect("the file grows")
    }

    fn picture(&mut self, frame: u64, large: bool, duration: u32) {
        let track = self.tracks[0];
        let encoder = match large {
            true => self.large.get_or_insert_with(|| Live::new(&spec(480, 270)).expect("an encoder")),
            false => &mut self.small,
        };
        // After a gap, and once a second.
        let fresh = track.is_none_or(|track| self.writer.as_ref().expect("grows").end(track) < frame * 3_000);
        let packet = encoder.video(frame, fresh || frame.is_multiple_of(FPS)).expect("a picture").remove(0);
        let entry = packet.key.then(|| entry_of(&packet.data));
        let writer = self.writer.as_mut().expect("the file grows");
        let track = match (track, &entry) {
            (Some(track), _) => track,
            (None, Some(entry)) => *self.tracks[0].insert(writer.add_track(entry.clone()).expect("a track")),
            (None, None) => return,
        };
        let known = if large { 1 } else { 0 };
        let number = entry.map_or(known, |entry| writer.add_entry(track, entry).expect("an entry"));
        let after_still = std::mem::take(&mut self.after_still);
        let data = Bytes::from(annex_b::to_lengths(&packet.data));
        let sample = Sample { entry: number, dts: frame * 3_000, duration, key: packet.key, after_still, data };
        writer.push(track, sample).expect("in order");
    }

    fn sound(&mut self, packet: u64) {
        let data = self.small.sound(packet).expect("sound");
        let writer = self.writer.as_mut().expect("the file grows");
        let track = *self.tracks[1]
            .get_or_insert_with(|| writer.add_track(AudioLane::entry(self.plan).expect("an entry")).expect("a track"));
        let lane = self.lane.get_or_insert_with(|| {
            AudioLane::new(self.plan, track, Mono(0), writer.end(track) as i64).expect("an encoder")
        });
        let at = Mono(ticks_to_ns(packet as i64 * 960, 48_000));
        let sound = SoundPacket { at, arrival: at, data, duration: 960, after_loss: false };
        lane.push(&sound, writer).expect("taken");
    }

    /// What a follower does once a second.
    pub fn follow(&mut self) {
        let now = Wall(EPOCH_NS + self.now as i64 * 1_000_000_000);
        self.following.as_mut().expect("follows").follow(now);
    }

    pub fn record_and_follow(&mut self, seconds: u64, shot: Shot) {
        for _ in 0..if shot.still { 1 } else { seconds } {
            self.record(if shot.still { seconds } else { 1 }, shot);
            self.follow();
        }
    }

    /// The recording ends: `filled`, at the present; else where its media does.
    pub fn finish(&mut self, filled: bool) -> Made {
        let options = self.end(filled);
        self.complete(&options)
    }

    /// The last of the recording is written. How it ends.
    pub fn end(&mut self, filled: bool) -> FinishOptions {
        if let Some(lane) = self.lane.take() {
            lane.finish(self.writer()).expect("finished");
        }
        self.writer().flush().expect("the disk takes it");
        self.writer = None;
        let end = filled.then(|| Duration::from_secs(self.now));
        FinishOptions { end, still: self.after_still, cut: None }
    }

    pub fn complete(&mut self, options: &FinishOptions) -> Made {
        let made = self.complete_but_for_late(options);
        self.complete_late(made)
    }

    pub fn complete_late(&self, mut made: Made) -> Made {
        if let Some(late) = made.late.take() {
            made.failed.extend(late.make(self.dir.path(), &self.name, Ok(false), &mut made.files));
        }
        made
    }

    pub fn complete_but_for_late(&mut self, options: &FinishOptions) -> Made {
        let path = names::path(self.dir.path(), &self.name);
        let finished = media::mp4::finish(&path, options, &BlackAndSilence).expect("finished");
        let master = crate::disk::described(self.name.clone(), &finished);
        let following = self.following.as_mut().expect("follows");
        following.complete(self.dir.path(), &master, false).expect("made")
    }

    pub fn path(&self, format: FileFormat) -> PathBuf {
        match format {
            FileFormat::Mp4 => names::path(self.dir.path(), &self.name),
            format => names::derived(self.dir.path(), &self.name, format),
        }
    }

    pub fn segments(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = names::segments(self.dir.path(), &self.name);
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("there").path()).collect();
        files.sort();
        files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("there"))).collect()
    }

    /// All segments one after the other, as one file.
    pub fn joined(&self) -> PathBuf {
        let path = self.dir.path().join("joined.ts");
        let bytes: Vec<u8> = self.segments().into_iter().flat_map(|(_, bytes)| bytes).collect();
        std::fs::write(&path, bytes).expect("written");
        path
    }

    pub fn playlist(&self) -> String {
        std::fs::read_to_string(self.path(FileFormat::Hls)).expect("a playlist")
    }

    /// What the note beside the master says.
    pub fn noted(&self) -> Vec<FinishedFile> {
        self.following.as_ref().expect("follows").made(self.dir.path(), &self.name).expect("it is there")
    }

    /// Every file there is of these formats, to be compared.
    pub fn bytes(&self, formats: &[FileFormat]) -> Vec<(String, Vec<u8>)> {
        let mut all: Vec<(String, Vec<u8>)> = formats
            .iter()
            .map(|format| (format.name().to_owned(), std::fs::read(self.path(*format)).expect("a file")))
            .collect();
        if formats.contains(&FileFormat::Hls) {
            let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
            all.extend(self.segments().into_iter().map(|(path, bytes)| (name(&path), bytes)));
        }
        all
    }

    /// Makes everything again in another folder, from the finished master alone.
    pub fn again(&self) -> Studio {
        let mut other = Studio::new(self.plan, &self.formats);
        other.writer = None;
        std::fs::copy(self.path(FileFormat::Mp4), other.path(FileFormat::Mp4)).expect("copied");
        other.now = self.now;
        other.complete(&FinishOptions::default());
        other
    }
}

fn entry_of(stream: &[u8]) -> SampleEntry {
    let of = |kind| -> Vec<Vec<u8>> {
        let nals = annex_b::nal_units(stream).filter(|nal| h264::nal_type(nal[0]) == kind);
        nals.map(<[u8]>::to_vec).collect()
    };
    SampleEntry::h264(&of(h264::nal::SPS), &of(h264::nal::PPS)).expect("parameter sets")
}

pub fn probe(path: &Path) -> ProbeReport {
    let options =
        ProbeOptions { loop_seconds: Some(600), offset: 15, fps: Some(FPS as f64), ..ProbeOptions::default() };
    let report = probe_file(path, &options).expect("a media file");
    assert_eq!(report.error_count, 0, "{:?}", report.errors);
    report
}

/// FFmpeg decodes the whole file without a word.
pub fn decodes(path: &Path) {
    let path = path.to_str().expect("UTF-8");
    let args = ["-v", "warning", "-xerror", "-i", path, "-f", "null", "-"];
    let output = Command::new("ffmpeg").args(args).output().expect("ffmpeg is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    // Of ADTS, which has no times, of WAV, which does not say where its channels are, and of pictures that come late.
    let known = ["Estimating duration", "Guessed Channel Layout", "New video stream"];
    let said: Vec<&str> = said.lines().filter(|line| !known.iter().any(|known| line.contains(known))).collect();
    assert!(output.status.success() && said.concat().is_empty(), "{path}: {said:#?}");
}

/// What FFmpeg decodes of the sound, mono.
pub fn samples(path: &Path) -> Vec<f32> {
    let args = ["-v", "error", "-i", path.to_str().expect("UTF-8"), "-vn", "-f", "f32le", "-ac", "1", "-"];
    let output = Command::new("ffmpeg").args(args).output().expect("ffmpeg is installed");
    output.stdout.chunks_exact(4).map(|sample| f32::from_le_bytes(sample.try_into().expect("4 bytes"))).collect()
}
