//! Hybrid MP4 with real media, on real file systems, in real players: ffmpeg and GStreamer.

mod mixed;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use bytes::Bytes;
use media::mp4::{
    Anchor, Codec, Error, Filler, FillerError, FinishOptions, HEAD, Sample, SampleEntry, TrackId, Writer, check, finish,
};
use shiguredo_mp4::bitstream::{aac::parse_adts_frame, h264};

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {errors}");
    format!("{}{errors}", String::from_utf8_lossy(&output.stdout))
}

/// Makes media with ffmpeg; the bytes of the output.
fn make(dir: &Path, name: &str, args: &str) -> Vec<u8> {
    let path = dir.join(name);
    let path = path.to_str().expect("temporary paths are UTF-8");
    let args: Vec<&str> = ["-v", "error", "-y"].into_iter().chain(args.split_whitespace()).chain([path]).collect();
    run("ffmpeg", &args);
    std::fs::read(path).expect("ffmpeg wrote it")
}

/// Pictures of an Annex B stream, parameter sets and all, and its sample entry.
fn pictures(stream: &[u8]) -> (SampleEntry, Vec<(bool, Bytes)>) {
    let nals = h264::parse_annexb_nal_units(stream).expect("ffmpeg's stream is sound");
    let (mut sps, mut pps) = (Vec::new(), Vec::new());
    let mut pictures = Vec::new();
    let mut sample = Vec::new();
    for nal in nals {
        let bytes = nal.data;
        sample.extend((bytes.len() as u32).to_be_bytes());
        sample.extend(bytes);
        match bytes[0] & 0x1f {
            7 => sps = vec![bytes.to_vec()],
            8 => pps = vec![bytes.to_vec()],
            kind @ (1 | 5) => pictures.push((kind == 5, Bytes::from(std::mem::take(&mut sample)))),
            _ => {}
        }
    }
    (SampleEntry::h264(&sps, &pps).expect("ffmpeg's headers are sound"), pictures)
}

fn frames(mut stream: &[u8]) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while !stream.is_empty() {
        let (_, frame) = parse_adts_frame(stream).expect("ffmpeg's stream is sound");
        frames.push(Bytes::copy_from_slice(frame));
        stream = &stream[7 + frame.len()..];
    }
    frames
}

const X264: &str =
    "-c:v libx264 -preset ultrafast -g 25 -bf 0 -x264-params scenecut=0:slices=1 -pix_fmt yuv420p -f h264";
const AAC: &str = "-c:a aac -b:a 64k -ar 48000 -ac 2 -f adts";

/// Black and silence by ffmpeg, in place of the encoders that recorders have.
struct FfmpegFiller<'a>(&'a Path);

impl Filler for FfmpegFiller<'_> {
    fn black(&self, _: Codec, width: u16, height: u16) -> Result<(SampleEntry, Bytes), FillerError> {
        let args = format!("-f lavfi -i color=black:s={width}x{height} -frames:v 1 {X264}");
        let (entry, mut pictures) = pictures(&make(self.0, "black.h264", &args));
        Ok((entry, pictures.remove(0).1))
    }

    fn silence(&self, _: &SampleEntry) -> Result<Bytes, FillerError> {
        let args = format!("-f lavfi -i anullsrc=r=48000:cl=stereo -t 0.2 {AAC}");
        Ok(frames(&make(self.0, "silence.aac", &args)).remove(4))
    }
}

/// Two parts of sound and picture with a hole between them; the second part's picture is coded in another way.
struct Recording {
    dir: tempfile::TempDir,
    path: PathBuf,
}

/// Seconds where the parts begin; each takes 4 s. The first part's picture begins 1 s later than its sound.
const SECOND_PART: u64 = 7;

/// Pushes one part of media, flushing every half second.
fn push_part(writer: &mut Writer, tracks: (TrackId, u32, TrackId), start: u64, media: (&[(bool, Bytes)], &[Bytes])) {
    let (video, entry, audio) = tracks;
    let mut pictures = (0..).zip(media.0).peekable();
    let first = (start * 48_000).next_multiple_of(1024);
    for (n, frame) in (0..).zip(media.1) {
        let dts = first + n * 1024;
        while let Some((n, (key, data))) = pictures.next_if(|(n, _)| start * 90_000 + n * 3600 <= dts * 90 / 48) {
            let dts = start * 90_000 + n * 3600;
            writer
                .push(video, Sample { entry, dts, duration: 3600, key: *key, after_still: false, data: data.clone() })
                .expect("sound");
        }
        writer
            .push(audio, Sample { entry: 0, dts, duration: 1024, key: true, after_still: false, data: frame.clone() })
            .expect("sound");
        if n % 23 == 22 {
            writer.flush().expect("the disk takes it");
        }
    }
    writer.flush().expect("the disk takes it");
}

fn record(dir: tempfile::TempDir) -> Recording {
    let path = dir.path().join("take.mp4");
    let audio = frames(&make(dir.path(), "a.aac", &format!("-f lavfi -i sine=1000:r=48000 -t 4 {AAC}")));
    let source = "-f lavfi -i testsrc2=s=640x360:r=25";
    let (entry, video) = pictures(&make(dir.path(), "v1.h264", &format!("{source} -t 3 -profile:v high {X264}")));
    let args = format!("{source} -t 4 -profile:v baseline {X264}");
    let (second, video2) = pictures(&make(dir.path(), "v2.h264", &args));
    let mut writer = Writer::create(&path, Anchor { epoch_ns: 1, note: b"who".to_vec() }).expect("a new file");
    let sound = writer.add_track(entry_of_sound()).expect("the disk takes it");
    // The first second is sound alone, so the head is written again when the picture comes.
    let before = audio.len() / 4;
    for (n, data) in (0..).zip(&audio[..before]) {
        let sample =
            Sample { entry: 0, dts: n * 1024, duration: 1024, key: true, after_still: false, data: data.clone() };
        writer.push(sound, sample).expect("sound");
    }
    writer.flush().expect("the disk takes it");
    let picture = writer.add_track(entry).expect("the disk takes it");
    push_part(&mut writer, (picture, 0, sound), 1, (&video, &audio[before + 1..]));
    drop(writer);
    let (mut writer, recovered) = Writer::recover(&path).expect("goes on");
    assert_eq!((recovered.anchor.note, recovered.truncated), (b"who".to_vec(), 0));
    let entry = writer.add_entry(picture, second).expect("the disk takes it");
    push_part(&mut writer, (picture, entry, sound), SECOND_PART, (&video2, &audio));
    Recording { dir, path }
}

fn entry_of_sound() -> SampleEntry {
    SampleEntry::aac(2, 48_000, &[0x11, 0x90]).expect("a known rate")
}

fn probe(path: &Path, stream: &str, what: &str) -> String {
    let path = path.to_str().expect("temporary paths are UTF-8");
    let args =
        ["-v", "error", "-count_packets", "-select_streams", stream, "-show_entries", what, "-of", "csv=p=0", path];
    run("ffprobe", &args).trim().to_owned()
}

fn decode(path: &Path) -> String {
    run("ffmpeg", &["-v", "error", "-i", path.to_str().expect("UTF-8"), "-f", "null", "-"])
}

/// The lines of a detecting filter.
fn detect(path: &Path, map: &str, filter: &str, word: &str) -> Vec<f64> {
    let flag = if map == "0:a" { "-af" } else { "-vf" };
    let log = run("ffmpeg", &["-i", path.to_str().expect("UTF-8"), "-map", map, flag, filter, "-f", "null", "-"]);
    let numbers = log.split(word).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        rest[..end].parse().expect("a number follows")
    });
    numbers.collect()
}

fn assert_near(found: &[f64], expected: &[f64]) {
    let near = found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.06);
    assert!(near, "{found:?} is not {expected:?}");
}

#[test]
fn real_media_plays_while_it_grows_and_when_it_is_finished() {
    let recording = record(tempfile::tempdir().expect("a directory"));
    let path = &recording.path;
    assert_eq!(decode(path), "", "the growing file plays");
    assert_eq!(probe(path, "v", "stream=nb_read_packets"), "175");

    let filler = FfmpegFiller(recording.dir.path());
    let options = FinishOptions { end: Some(Duration::from_secs(12)), ..FinishOptions::default() };
    let finished = finish(path, &options, &filler).expect("finishes");
    assert_eq!(finish(path, &options, &filler).expect("a no-op"), finished);
    assert!(matches!(Writer::recover(path), Err(Error::Finished)));
    let report = check(path).expect("a file without faults");
    assert_eq!(report.size, std::fs::metadata(path).expect("is there").len());

    assert_eq!(decode(path), "", "the finished file plays without a word");
    let packets: u64 = probe(path, "v", "stream=nb_read_packets").parse().expect("a number");
    assert_eq!(packets, finished.tracks[1].samples + finished.tracks[1].filler);
    for stream in ["v", "a"] {
        let seconds: f64 = probe(path, stream, "stream=duration").parse().expect("a number");
        assert!((seconds - 12.0).abs() < 0.022, "{stream}: {seconds}");
    }
    // Black until the first picture, in the hole, and behind the end; no sound in the hole and behind the end.
    assert_near(&detect(path, "0:v", "blackdetect=d=0.05:pix_th=0.05", "black_start:"), &[0.0, 4.0, 11.0]);
    assert_near(&detect(path, "0:v", "blackdetect=d=0.05:pix_th=0.05", "black_end:")[..2], &[1.0, 7.0]);
    assert_near(&detect(path, "0:a", "silencedetect=n=-60dB:d=0.3", "silence_start: "), &[4.0, 11.0]);
    gstreamer_plays(path, "h264", packets);
}

/// GStreamer decodes as many pictures, of this codec, as there are.
fn gstreamer_plays(path: &Path, codec: &str, pictures: u64) {
    let source = format!("location={}", path.display());
    let decoder = format!("{codec}parse ! avdec_{codec}");
    let video = format!("d.video_0 ! queue ! {decoder} ! fakesink silent=false sync=false name=pictures");
    let audio = "d.audio_0 ! queue ! aacparse ! avdec_aac ! fakesink sync=false";
    let mut args = vec!["-v", "filesrc", &source, "!", "qtdemux", "name=d"];
    args.extend(video.split_whitespace());
    args.extend(audio.split_whitespace());
    let log = run("gst-launch-1.0", &args);
    let chains = log.lines().filter(|line| line.contains("pictures") && line.contains("chain")).count();
    assert_eq!(chains as u64, pictures);
    assert!(!log.contains("ERROR") && !log.contains("WARNING"), "{log}");
}

#[test]
fn killed_at_any_byte_it_goes_on() {
    let recording = record(tempfile::tempdir().expect("a directory"));
    let whole = std::fs::read(&recording.path).expect("was written");
    let filler = FfmpegFiller(recording.dir.path());
    let path = recording.dir.path().join("cut.mp4");
    let step = (whole.len() - HEAD as usize) / 12;
    for len in (HEAD as usize + step / 2..whole.len()).step_by(step) {
        std::fs::write(&path, &whole[..len]).expect("the disk takes it");
        let (_, recovered) = Writer::recover(&path).expect("recovers");
        assert!(recovered.truncated > 0 && recovered.truncated < 400_000, "{recovered:?}");
        finish(&path, &FinishOptions::default(), &filler).expect("finishes");
        check(&path).expect("a file without faults");
        assert_eq!(decode(&path), "");
    }
}

/// A file whose index is larger than the head, in `dir`; how it was made room for is the file system's matter.
fn finish_a_long_one(dir: tempfile::TempDir) {
    let path = dir.path().join("long.mp4");
    let mut writer = Writer::create(&path, Anchor::default()).expect("a new file");
    let track = writer.add_track(SampleEntry::opus(1, 0)).expect("the disk takes it");
    for n in 0..30_000u64 {
        let data = n.to_be_bytes().to_vec().into();
        writer
            .push(track, Sample { entry: 0, dts: n * 960, duration: 960, key: true, after_still: false, data })
            .expect("sound");
        if n % 50 == 49 {
            writer.flush().expect("the disk takes it");
        }
    }
    drop(writer);
    let media = std::fs::read(&path).expect("was written").split_off(HEAD as usize);
    let finished = finish(&path, &FinishOptions::default(), &FfmpegFiller(dir.path())).expect("finishes");
    assert!(finished.head > HEAD);
    assert!(std::fs::read(&path).expect("was written")[finished.head as usize..] == media, "the media is untouched");
    assert_eq!(check(&path).expect("a file without faults").tracks[0].samples, 30_000);
    assert_eq!(std::fs::read_dir(dir.path()).expect("is there").count(), 1, "nothing is left over");
}

#[test]
fn a_long_one_is_finished_where_the_temporary_directory_is() {
    finish_a_long_one(tempfile::tempdir().expect("a directory"));
}

#[test]
fn a_long_one_is_finished_where_nothing_can_be_inserted() {
    // A file system in memory: it refuses the insertion, so the copying way is taken.
    finish_a_long_one(tempfile::tempdir_in("/dev/shm").expect("a directory"));
}
