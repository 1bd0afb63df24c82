//! The probe against files whose content is known to the sample: the right answers, and the right complaints.

use codec::video::{Codec, Config, Encoder, I420};
use codec::{aac, opus};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use synth::clip::{Clip, ClipSpec, Frame};
use synth::draw::Painter;
use synth::probe::{ProbeOptions, ProbeReport, probe_file};
use synth::schedule::{FLASH_FRAMES, since_flash, tone_hz};

/// Flashes and beeps lie in the middle of the seconds, so that decoders have settled when the first one comes.
fn spec(user: u16) -> ClipSpec {
    ClipSpec { width: 320, height: 180, bitrate: 300_000, loop_seconds: 6, offset: 15, ..ClipSpec::new(user, "probe") }
}

fn make(spec: &ClipSpec) -> Clip {
    Clip::make(spec, &mut |_| ()).unwrap()
}

fn options() -> ProbeOptions {
    ProbeOptions { loop_seconds: Some(6), offset: 15, ..ProbeOptions::default() }
}

/// What a listener hears of Opus packets, mono.
fn decoded<'a>(packets: impl IntoIterator<Item = &'a bytes::Bytes>) -> Vec<f32> {
    let mut decoder = opus::Decoder::new(1).unwrap();
    let mut sound = Vec::new();
    packets.into_iter().for_each(|packet| assert_eq!(decoder.decode(packet, &mut sound).unwrap(), opus::FRAME));
    sound
}

struct Mux<'a> {
    folder: &'a Path,
    fps: u32,
    /// Options of ffmpeg between inputs and output file.
    output: &'a [&'a str],
    /// Seconds by which the sound is moved.
    shift: &'a str,
}

impl Mux<'_> {
    /// Makes a file of H.264 pictures at even times and sound.
    fn write(&self, name: &str, frames: &[&Frame], sound: &[f32]) -> PathBuf {
        let file = |name: &str| self.folder.join(name);
        fs::write(file("in.h264"), frames.iter().flat_map(|frame| frame.data.to_vec()).collect::<Vec<u8>>()).unwrap();
        fs::write(file("in.f32"), sound.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-f", "h264", "-framerate", &self.fps.to_string(), "-i"])
            .arg(file("in.h264"))
            .args(["-itsoffset", self.shift, "-f", "f32le", "-ar", "48000", "-ac", "1", "-i"])
            .arg(file("in.f32"))
            .args(self.output)
            .arg(file(name))
            .status()
            .expect("ffmpeg is installed");
        assert!(status.success());
        file(name)
    }
}

const AAC: [&str; 6] = ["-c:v", "copy", "-c:a", "aac", "-b:a", "96k"];

fn probe(path: &Path, options: &ProbeOptions) -> ProbeReport {
    let report = probe_file(path, options).unwrap();
    assert_eq!(report.error_count, 0, "{report}");
    report
}

/// 12 s: the loop twice.
fn twice(clip: &Clip) -> (Vec<&Frame>, Vec<f32>) {
    let frames = (0..2 * clip.spec().frames()).map(|frame| clip.frame(0, frame)).collect();
    (frames, decoded((0..600).map(|packet| clip.packet(packet))))
}

#[test]
fn a_faultless_file_is_found_faultless() {
    let folder = tempfile::tempdir().unwrap();
    let clip = make(&spec(5));
    let (frames, sound) = twice(&clip);
    let mux = Mux { folder: folder.path(), fps: 30, output: &AAC, shift: "0" };
    let report = probe(&mux.write("good.mp4", &frames, &sound), &options());
    let (video, audio, sync) =
        (report.video.clone().unwrap(), report.audio.clone().unwrap(), report.sync.clone().unwrap());
    assert_eq!((video.pictures, video.readable, video.fps), (360, 360, 30.0), "{report}");
    assert_eq!((video.missing, video.duplicated, video.out_of_order, video.damaged), (0, 0, 0, 0), "{report}");
    assert_eq!((video.first_number, video.last_number, video.user), (Some(0), Some(179), Some(5)));
    assert!(video.black.is_empty() && video.gaps.is_empty() && video.frozen.is_empty(), "{report}");
    assert!(video.jitter_ms < 1.0, "{report}");
    assert_eq!(video.flashes_ms.len(), 12);
    assert!((video.end_ms - video.first_ms - 12_000.0).abs() < 1.0);
    assert_eq!((audio.tone_hz, audio.beeps.len()), (tone_hz(5), 12), "{report}");
    for (second, beep) in (0..).zip(&audio.beeps) {
        assert!((beep.ms - 500.0 - f64::from(second) * 1000.0).abs() < 1.0, "{:?}", audio.beeps);
        assert!(beep.whole && (beep.level - 0.25).abs() < 0.03, "{beep:?}");
    }
    assert!(audio.silences.is_empty() && audio.gaps.is_empty(), "{report}");
    assert!((audio.end_ms - audio.first_ms - 12_000.0).abs() < 22.0, "{report}");
    assert_eq!(sync.pairs, 12);
    assert!(sync.min_ms > -1.0 && sync.max_ms < 1.0, "{report}");
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<ProbeReport>(&json).unwrap().video.unwrap().pictures, 360);
}

#[test]
fn every_tone_is_found_within_a_millisecond_through_opus_and_aac() {
    let folder = tempfile::tempdir().unwrap();
    let clip = make(&spec(0));
    let frames: Vec<&Frame> = clip.video(0).iter().collect();
    for user in [0, 1, 7, 20, 33] {
        let voice = make(&ClipSpec { width: 64, height: 36, hum: user % 2 == 0, ..spec(user) });
        let mux = Mux { folder: folder.path(), fps: 30, output: &AAC, shift: "0" };
        let report = probe(&mux.write("tone.mp4", &frames, &decoded(voice.audio())), &options());
        let audio = report.audio.clone().unwrap();
        assert_eq!((audio.tone_hz, audio.beeps.len()), (tone_hz(user), 6), "{report}");
        let errors: Vec<f64> =
            (0..).zip(&audio.beeps).map(|(n, beep)| beep.ms - 500.0 - f64::from(n) * 1000.0).collect();
        assert!(errors.iter().all(|error| error.abs() < 1.0), "user {user}: {errors:?}");
        assert_eq!(audio.silences.len(), if user % 2 == 0 { 0 } else { 7 }, "{report}");
    }
}

#[test]
fn shifted_sound_is_measured_in_every_container() {
    let folder = tempfile::tempdir().unwrap();
    let clip = make(&spec(2));
    let (frames, sound) = twice(&clip);
    let opus = ["-c:v", "copy", "-c:a", "libopus", "-b:a", "96k"];
    for (name, output, shift) in
        [("a.mp4", &AAC, 0.037), ("b.mp4", &AAC, -0.021), ("c.mp4", &opus, 0.037), ("d.ts", &AAC, 0.120)]
    {
        let shift_text = shift.to_string();
        let mux = Mux { folder: folder.path(), fps: 30, output, shift: &shift_text };
        let report = probe(&mux.write(name, &frames, &sound), &options());
        let sync = report.sync.clone().unwrap();
        assert!(sync.pairs >= 11, "{name}: {report}");
        assert!((sync.median_ms - shift * 1000.0).abs() < 1.5, "{name}: {report}");
        assert!(sync.max_ms - sync.min_ms < 3.0, "{name}: {report}");
    }
}

#[test]
fn lost_repeated_and_swapped_pictures_are_found() {
    let folder = tempfile::tempdir().unwrap();
    // Every picture is a key frame, so that any of them can be taken away.
    let clip = make(&ClipSpec { gop: 1, ..spec(9) });
    let (mut frames, sound) = twice(&clip);
    let swapped = 250;
    frames.swap(swapped, swapped + 1);
    frames.insert(200, frames[199]);
    frames.remove(100);
    // The first picture of the flash at 2.5 s.
    frames.remove(75);
    let mux = Mux { folder: folder.path(), fps: 30, output: &AAC, shift: "0" };
    let path = mux.write("faults.mp4", &frames, &sound);
    let report = probe(&path, &ProbeOptions { list_pictures: true, ..options() });
    let video = report.video.clone().unwrap();
    assert_eq!(video.pictures, 359);
    let missing: Vec<(u32, u64)> = video.missing_at.iter().map(|m| (m.number, m.count)).collect();
    // A swapped picture is missing where it should be, and out of order where it is.
    assert_eq!(missing, [(75, 1), (100, 1), (250 - 180, 1)], "{report}");
    assert_eq!((video.missing, video.duplicated, video.out_of_order), (3, 1, 1), "{report}");
    assert_eq!(video.frozen.len(), 1, "{:?}", video.frozen);
    assert_eq!(video.list.len(), 359);
    assert_eq!((video.list[75].number, video.list[197].frozen, video.list[198].frozen), (Some(76), false, true));
    // The flash that lost its first picture is still put where it began.
    let expected = video.list[75].ms - 1000.0 / 30.0;
    assert!((video.flashes_ms[2] - expected).abs() < 0.1, "{:?}", video.flashes_ms);
}

#[test]
fn black_pictures_silence_and_a_gap_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let clip = make(&spec(4));
    let (mut frames, mut sound) = twice(&clip);
    let black = codec::black::h264_key_frame(320, 180).unwrap();
    let mut data = Vec::new();
    let mut rest = &black.sample[..];
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (unit, next) = tail.split_at(u32::from_be_bytes(*length) as usize);
        data.extend([0, 0, 0, 1]);
        data.extend_from_slice(unit);
        rest = next;
    }
    let black = Frame { data: data.into(), key: true };
    // 3 s to 5 s are black, 3.2 s to 4.2 s silent.
    frames.splice(90..150, std::iter::repeat_n(&black, 60));
    sound[153_600..201_600].fill(0.0);
    let mux = Mux { folder: folder.path(), fps: 30, output: &AAC, shift: "0" };
    let report = probe(&mux.write("black.mp4", &frames, &sound), &options());
    let (video, audio, sync) =
        (report.video.clone().unwrap(), report.audio.clone().unwrap(), report.sync.clone().unwrap());
    assert_eq!((video.black.len(), video.readable, video.unreadable), (1, 300, 0), "{report}");
    assert!((video.black[0].ms - 3000.0).abs() < 1.0 && (video.black[0].length_ms - 2000.0).abs() < 1.0);
    assert_eq!((video.missing, video.missing_at.len()), (60, 1), "{report}");
    assert_eq!(audio.silences.len(), 1, "{report}");
    assert!((audio.silences[0].ms - 3200.0).abs() < 45.0 && (audio.silences[0].length_ms - 1000.0).abs() < 60.0);
    assert_eq!((audio.beeps.len(), sync.pairs), (11, 10), "{report}");
    assert_eq!((sync.flashes_alone_ms.len(), sync.beeps_alone_ms.len()), (0, 1), "{report}");
}

#[test]
fn two_users_in_one_picture_and_sound_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    // The second user flashes and beeps five frames later, and is heard 20 ms late.
    let specs = [spec(1), ClipSpec { offset: 20, ..spec(6) }];
    let clips = specs.each_ref().map(make);
    let mut sound = decoded(clips[0].audio());
    let second = decoded(clips[1].audio());
    sound[960..].iter_mut().zip(&second).for_each(|(to, from)| *to += from);
    let mut painters = specs.each_ref().map(|spec| Painter::new(320, 180, spec.user, &spec.name));
    let mut encoder = Encoder::new(&Config::live(Codec::H264, 640, 180, 25, 600_000, 25)).unwrap();
    let mut frames = Vec::new();
    // A mixer with 25 pictures a second shows what each of two users with 30 sent last.
    for picture in 0..150_u32 {
        let number = picture * 30 / 25;
        let mut mixed = vec![128; 640 * 180 * 3 / 2];
        for (user, painter) in painters.iter_mut().enumerate() {
            let lit = since_flash(u64::from(number), 30, specs[user].offset) < FLASH_FRAMES;
            let view = painter.draw(number, lit);
            (0..180).for_each(|row| mixed[row * 640 + user * 320..][..320].copy_from_slice(view.row(0, row)));
        }
        let mixed = I420::packed(&mixed, 640, 180).unwrap();
        let packets = encoder.encode(&mixed, i64::from(picture), false).unwrap();
        frames.extend(packets.into_iter().map(|packet| Frame { data: packet.data, key: packet.key }));
    }
    let mux = Mux { folder: folder.path(), fps: 25, output: &AAC, shift: "0" };
    let mixed = mux.write("mix.mp4", &frames.iter().collect::<Vec<_>>(), &sound);
    for (user, region, late) in [(0, [0, 0, 320, 180], 0.0), (1, [320, 0, 320, 180], 20.0)] {
        let report = probe(
            &mixed,
            &ProbeOptions {
                region: Some(region),
                tone_hz: Some(tone_hz(specs[user].user)),
                fps: Some(30.0),
                offset: specs[user].offset,
                ..options()
            },
        );
        let (video, sync) = (report.video.clone().unwrap(), report.sync.clone().unwrap());
        assert_eq!(video.user, Some(specs[user].user));
        assert_eq!(video.readable, video.pictures, "{report}");
        assert_eq!((video.duplicated, video.out_of_order), (0, 0), "{report}");
        assert_eq!(video.flashes_ms.len(), 6, "{report}");
        assert_eq!(sync.pairs, 6, "{report}");
        // At 25 pictures a second the flash is seen up to 40 ms late.
        assert!((late - 41.0..late + 1.0).contains(&sync.median_ms), "{report}");
        for (n, beep) in (0..).zip(&report.audio.as_ref().unwrap().beeps) {
            let expected = f64::from(n) * 1000.0 + f64::from(specs[user].offset) * 1000.0 / 30.0 + late;
            assert!((beep.ms - expected).abs() < 2.0, "{n}: {beep:?} {expected}");
        }
    }
}

#[test]
fn raw_aac_with_its_priming_is_late_by_that() {
    let folder = tempfile::tempdir().unwrap();
    let voice = make(&ClipSpec { width: 64, height: 36, ..spec(3) });
    let mut encoder = aac::Encoder::new(48_000, 1, 96_000).unwrap();
    let mut stream = Vec::new();
    let mut packets = Vec::new();
    for block in decoded(voice.audio()).chunks_exact(aac::FRAME) {
        packets.extend(encoder.encode(block).unwrap());
    }
    packets.extend(encoder.finish().unwrap());
    for packet in packets {
        let length = packet.len() + 7;
        stream.extend([0xff, 0xf1, 0x4c, 0x40 | (length >> 11) as u8, (length >> 3) as u8]);
        stream.extend([(length << 5) as u8 | 0x1f, 0xfc]);
        stream.extend_from_slice(&packet);
    }
    let path = folder.path().join("raw.aac");
    fs::write(&path, stream).unwrap();
    let report = probe(&path, &options());
    assert!(report.video.is_none() && report.sync.is_none());
    let beeps = report.audio.unwrap().beeps;
    assert_eq!(beeps.len(), 6);
    let late = aac::PRIMING as f64 / 48.0;
    assert!(
        (0..).zip(&beeps).all(|(n, beep)| (beep.ms - 500.0 - f64::from(n) * 1000.0 - late).abs() < 1.0),
        "{beeps:?}"
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    assert!(probe_file(Path::new("/nonexistent/file.mp4"), &options()).is_err());
}
