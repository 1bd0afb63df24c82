//! What is printed, letter for letter.

use std::time::Duration;

use codec::file::Track;
use codec::packets::{Contents, Packets};
use media::mp4::{Codec, Recorded, RecordedTrack};
use rules::ledger::report::{FileReport, Gap, LaneReport, StreamReport};
use rules::ledger::{Cause, Counts, Format, Measured, Report};

use super::*;

const START: i64 = 1_700_000_000_000;

fn report() -> Report {
    let gap = |start: i64, length_ms: i64, cause| Gap { start: START + start, length_ms, cause };
    let gaps = vec![
        gap(2_000, 400, Cause::Starting),
        gap(20_000, 10_000, Cause::Muted),
        gap(40_000, 1_500, Cause::RecorderRestarted),
        gap(60_000, 40, Cause::Lost),
    ];
    let picture = LaneReport {
        start: START + 2_000,
        end: START + 72_000,
        expected_ms: 70_000,
        written_ms: 58_060,
        gap_ms: gaps.iter().map(|gap| (gap.cause, gap.length_ms)).collect(),
        gaps,
        counts: Counts { packets_received: 5_000, packets_lost: 3, frames_received: 1_700, ..Counts::default() },
        formats: vec![Format { start: START + 2_400, codec: "h264".into(), width: 640, height: 360 }],
        clock: Some(Measured { drift_ppm: Some(12.34), delay_ms: None, error_ms: None }),
        ..LaneReport::default()
    };
    Report {
        app_id: "app".into(),
        room_id: "room".into(),
        task_id: "task".into(),
        complete: true,
        start: START,
        end: START + 72_000,
        stop_reason: "StopByAPI".into(),
        recorders: vec![START, START + 40_500],
        streams: vec![StreamReport {
            user_id: Some("alice".into()),
            stream_type: Some(0),
            picture: Some(picture),
            ..StreamReport::default()
        }],
        files: vec![FileReport {
            path: "app/a.mp4".into(),
            start: START + 2_400,
            duration_ms: 69_600,
            size: 1_234,
            sha256: Some("00ff".into()),
            ..FileReport::default()
        }],
        notes: vec!["alice C: a remark".into()],
        ..Report::default()
    }
}

#[test]
fn a_report_reads_so() {
    let expected = "\
task task of room room (app app)
from 1700000000000 (Unix ms) for 1:12.000, StopByAPI
a recorder took over at 0:40.500

stream                                 expected       written
alice C                  picture       1:10.000      0:58.060   82.94%

alice C picture |  >=================..........==========!!==================x===========|
                 '=' written, '.' muted, '>' starting, 'x' lost in the network, '!' recorder restarted

alice C, picture
       0:02.400  h264 640x360
       0:02.000     0:00.400  starting
       0:20.000     0:10.000  muted
       0:40.000     0:01.500  recorder restarted
       0:60.000     0:00.040  lost in the network
  5000 packets, 3 lost, 1700 frames
  its clock runs +12.3 ppm off ours

files
       0:02.400     1:09.600         1234 bytes  app/a.mp4
                 sha256 00ff
note: alice C: a remark
"
    .replace("0:60.000", "1:00.000");
    let text = report::text(&report());
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn a_recording_reads_so() {
    let s = Duration::from_secs;
    let picture = RecordedTrack {
        codec: Codec::H264,
        samples: 900,
        keys: 12,
        end: s(72),
        media: vec![(s(0), s(20)), (s(30), s(50))],
        still: vec![(s(50), s(72))],
        sizes: vec![(s(0), 640, 360), (s(30), 320, 180)],
    };
    let recorded = Recorded { epoch_ns: 1_700_000_000_000_000_000, size: 99, growing: true, tracks: vec![picture] };
    let mut text = String::new();
    recording::tell("a.mp4", &recorded, &mut text).expect("told");
    let expected = "\
a.mp4: growing, 99 bytes, 1:12.000
media time 0 is 1700000000000 (Unix ms)

picture         |====================bbbbbbbbbb====================----------------------|
  h264, 1:12.000, 900 samples, 12 key frames
       0:00.000  640x360
       0:30.000  320x180
       0:20.000     0:10.000  no media: black

'=' media, '-' the picture stands still, 'b' black, 's' silence
";
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn a_media_file_of_others_reads_so() {
    let s = |seconds: i64| seconds * 1_000_000_000;
    let track = |codec: &str, (width, height)| Track { codec: codec.into(), width, height, ..Track::default() };
    let picture = Packets {
        track: track("h264", (640, 360)),
        is_video: true,
        count: 1_500,
        keys: 6,
        spans: vec![(0, s(24)), (s(36), s(72))],
    };
    let sound = Packets {
        track: track("mp3", (0, 0)),
        count: 1_378,
        keys: 1_378,
        spans: vec![(0, s(36))],
        ..Packets::default()
    };
    let (format, broken) = ("mov,mp4".to_owned(), Some("read media file: it ends".to_owned()));
    let contents = Contents { format, tracks: vec![picture, sound], broken };
    let mut text = String::new();
    recording::tell_other("film.mp4", 99, &contents, &mut text).expect("told");
    let expected = "\
film.mp4: mov,mp4, no recording of ours, 99 bytes, 1:12.000

picture         |========================............====================================|
  h264, 1:12.000, 1500 samples, 6 key frames
       0:00.000  640x360
       0:24.000     0:12.000  no media

sound           |====================================                                    |
  mp3, 0:36.000, 1378 samples, 1378 key frames
fault: read media file: it ends

'=' media, '.' none
";
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn what_is_no_media_file_is_named_with_what_is_allowed() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("letter.mp4");
    std::fs::write(&path, "Dear Sir, this is no film.".repeat(20)).expect("written");
    let error = format!("{:#}", recording::text(&path).expect_err("it is none"));
    let name = path.display().to_string();
    assert!(error.starts_with(&format!("cannot inspect {name}: a report (*.report.json), a recording, or")), "{error}");
    assert!(error.contains("it is no recording (") && error.contains("FFmpeg says: open media file"), "{error}");
    let missing = format!("{:#}", recording::text(&dir.path().join("none.mp4")).expect_err("it is none"));
    assert!(missing.contains("none.mp4") && missing.contains("No such file"), "{missing}");
}
