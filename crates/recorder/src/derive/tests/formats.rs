//! Every format of an ordinary recording.

use rules::request::FileFormat::{self, Aac, Flv, Hls, M4a, Mp3, Mp4, Ogg, Wav};

use super::studio::{AAC, BOTH, Studio, decodes, probe, samples};
use crate::messages::AudioPlan;

const SOUNDS: [FileFormat; 5] = [Mp3, Aac, M4a, Ogg, Wav];
const ALL: [FileFormat; 8] = [Mp4, Hls, Flv, Mp3, Aac, M4a, Ogg, Wav];

/// Beeps lie half a second after each whole one, counted in the samples that are heard.
fn beeps_are_in_time(heard: &[f32], seconds: usize, format: FileFormat) {
    for n in 0..seconds {
        let second = &heard[n * 48_000..((n + 1) * 48_000).min(heard.len())];
        let loud =
            second.iter().position(|sample| sample.abs() > 0.1).unwrap_or_else(|| panic!("{format:?}: no beep {n}"));
        let off = (loud as f64 - 24_000.0) / 48.0;
        assert!(off.abs() < 3.0, "{format:?}: beep {n} is off by {off} ms");
    }
}

fn ordinary(plan: AudioPlan) {
    let mut studio = Studio::new(plan, &ALL);
    studio.record_and_follow(14, BOTH);
    let made = studio.finish(true);
    assert_eq!(made.failed, Vec::<String>::new());
    assert_eq!(made.files.iter().map(|file| file.format).collect::<Vec<_>>(), ALL);
    for file in &made.files {
        let pictures = file.format.has_picture();
        assert_eq!((file.video_codec.is_some(), file.width), (pictures, if pictures { 320 } else { 0 }));
        assert!(file.audio_codec.is_some() && file.size > 10_000, "{file:?}");
        assert!((13_990..14_030).contains(&file.duration_ms), "{file:?}");
        assert_eq!(file.started_ms, 1_700_000_000_000);
    }
    let wanted = samples(&studio.path(Mp4)).len();
    for format in SOUNDS {
        let path = studio.path(format);
        decodes(&path);
        probe(&path);
        let heard = samples(&path);
        beeps_are_in_time(&heard, 14, format);
        // Frames of AAC are whole.
        let frame = if [Aac, M4a].contains(&format) { 1024 } else { 1 };
        assert_eq!(heard.len(), wanted.next_multiple_of(frame), "{format:?}");
    }
    for (format, path) in [(Flv, studio.path(Flv)), (Hls, studio.joined())] {
        decodes(&path);
        let report = probe(&path);
        let (video, audio) = (report.video.expect("pictures"), report.audio.expect("sound"));
        assert_eq!((video.pictures, video.missing, video.damaged, video.duplicated), (14 * 30, 0, 0, 0), "{format:?}");
        let offset = video.flashes_ms[0] - 500.0;
        assert!(format == Hls || offset.abs() < 2.0, "{offset}");
        for (n, (flash, beep)) in video.flashes_ms.iter().zip(&audio.beeps).enumerate() {
            assert!((flash - offset - (n as f64 * 1000.0 + 500.0)).abs() < 2.0, "{format:?}: {flash}");
            assert!((flash - beep.ms).abs() < 4.0, "{format:?}: flash {flash} and beep {}", beep.ms);
        }
        assert_eq!((video.flashes_ms.len(), audio.beeps.len()), (14, 14));
    }
    decodes(&studio.path(Hls));
    assert_eq!(studio.segments().len(), 3);
    let again = studio.again();
    for ((name, grown), (_, at_once)) in studio.bytes(&ALL).iter().zip(again.bytes(&ALL)) {
        assert!(*grown == at_once, "{name} differs when it is made at once");
    }
}

#[test]
fn a_recording_with_aac_in_every_format() {
    ordinary(AAC);
}

#[test]
fn a_recording_with_opus_in_every_format() {
    ordinary(AudioPlan::Opus);
}
