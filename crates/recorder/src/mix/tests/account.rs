//! What a mix leaves out, of its members and of itself, is told by the task's report.

use bytes::Bytes;
use rules::ledger::Cause;
use rules::ledger::report::LaneReport;

use super::room::{Recording, key_frame};
use super::*;
use crate::mix::account::LeftOut;
use crate::unit::{Picture, SoundPacket};

/// What no decoder takes for a picture, or for Opus.
static DAMAGED_PICTURE: Bytes = Bytes::from_static(&[0, 0, 0, 4, 0x65, 0xff, 0xff, 0xff]);
static DAMAGED_SOUND: Bytes = Bytes::from_static(&[0xff, 0xff, 0xff]);

fn grey(level: u8) -> Bytes {
    coded(SIZE, &[(Rect::sized(SIZE.0, SIZE.1), [level, 128, 128])])
}

fn gaps(lane: &LaneReport) -> Vec<(i64, i64, Cause)> {
    assert_eq!(lane.written_ms + lane.gap_ms.values().sum::<i64>(), lane.expected_ms);
    lane.gaps.iter().map(|gap| (gap.start, gap.length_ms, gap.cause)).collect()
}

/// The picture and the sound of the only member.
fn member(recording: &Recording, end: i64) -> [LaneReport; 2] {
    let stream = recording.account(&["a"], end).streams.remove(0);
    [stream.picture, stream.sound].map(|lane| lane.expect("it was published"))
}

#[test]
fn every_frame_that_was_not_made_is_a_gap_of_the_mix() {
    let mut room = Room::of_greys(MixCodec::H264);
    room.members(&[("a", true)], 0);
    room.send(0, 2_000, &[("a", 100)]);
    for (from, to) in [(2_000, 4_000), (4_000, 6_000), (6_000, 8_000)] {
        room.mix().observe(SECOND_NS, ms(from));
        room.send(from, to, &[("a", 200)]);
    }
    let recording = room.close(8_000);
    let pictures = recording.content().filter_map(|event| match event {
        file::Event::Picture(picture) => Some(picture.pts.expect("a time") / MILLI_NS),
        _ => None,
    });
    // What the file has is what it says that it has.
    let times: Vec<i64> = pictures.chain([8_000]).collect();
    let missing = times.windows(2).map(|pair| (pair[0] + FRAME_MS, pair[1] - pair[0] - FRAME_MS, Cause::Overload));
    let missing: Vec<_> = missing.filter(|(_, length, _)| *length > 0).collect();
    let told = recording.account(&["a"], 8_000);
    let picture = told.mix.expect("the mix").picture.expect("its picture");
    assert_eq!(gaps(&picture), missing);
    let slowest = missing.iter().map(|gap| gap.1).max();
    let frames: i64 = missing.iter().map(|gap| gap.1 / FRAME_MS).sum();
    assert_eq!(slowest, Some(3 * FRAME_MS));
    // The last of them reach over the end.
    let further = picture.counts.frames_dropped as i64 - frames;
    assert!(frames > 80 && (0..3).contains(&further), "{frames} and {further} of 160");
    assert_eq!(told.streams[0].picture.as_ref().map(gaps), Some(Vec::new()), "it is no fault of the member");
}

#[test]
fn pictures_that_cannot_be_decoded_are_a_gap_up_to_the_next_key_frame() {
    let mut room = Room::of_greys(MixCodec::H264);
    room.members(&[("a", true)], 0);
    let (before, after) = (grey(100), grey(200));
    for t in (0..4_000).step_by(FRAME_MS as usize) {
        let picture = match t {
            // Two damaged ones with a second of sound ones between them that refer to the first.
            1_000 | 2_000 => key_frame(ms(t), &DAMAGED_PICTURE),
            1_001..2_400 => Picture { key: false, config: None, ..key_frame(ms(t), &before) },
            _ => key_frame(ms(t), if t < 1_000 { &before } else { &after }),
        };
        room.unit("a", picture);
        room.run(t);
    }
    let recording = room.close(4_000);
    let [picture, _] = member(&recording, 4_000);
    assert_eq!(gaps(&picture), [(1_000, 1_400, Cause::DecoderError)]);
    assert_eq!((picture.counts.frames_undecodable, picture.counts.frames_dropped), (2, 33));
    let levels = recording.content().filter_map(|event| match event {
        file::Event::Picture(picture) => {
            Some((picture.pts.expect("a time") / MILLI_NS, picture.view().row(0, 32)[16], 0))
        }
        _ => None,
    });
    let levels: Vec<_> = levels.collect();
    assert!(shown(&levels, 2_360).0.abs_diff(100) <= 3 && shown(&levels, 2_440).0.abs_diff(200) <= 3, "it stood still");
}

#[test]
fn what_still_cannot_be_decoded_is_told_while_it_lasts() {
    let mut room = Room::of_greys(MixCodec::H264);
    room.members(&[("a", true)], 0);
    let whole = grey(100);
    for t in (0..9_000).step_by(FRAME_MS as usize) {
        room.unit("a", key_frame(ms(t), if t < 1_000 { &whole } else { &DAMAGED_PICTURE }));
        room.run(t);
    }
    let [picture, _] = member(&room.close(9_000), 9_000);
    assert_eq!(gaps(&picture), [(1_000, 8_000, Cause::DecoderError)]);
}

#[test]
fn sound_that_cannot_be_decoded_is_a_gap() {
    let sound = opus::Encoder::new(1, 32_000).and_then(|mut encoder| encoder.encode(&[0.1; 960])).expect("a packet");
    let mut room = Room::of_greys(MixCodec::H264);
    room.members(&[("a", false)], 0);
    for t in (0..3_000).step_by(PACKET_MS as usize) {
        let damaged = (1_000..1_200).contains(&t) || t == 2_000;
        room.sound("a", ms(t), if damaged { &DAMAGED_SOUND } else { &sound });
        room.run(t);
    }
    let [_, sound] = member(&room.close(3_000), 3_000);
    assert_eq!(gaps(&sound), [(1_000, 200, Cause::DecoderError), (2_000, 20, Cause::DecoderError)]);
    assert_eq!((sound.counts.frames_undecodable, sound.counts.concealed_ms), (11, 0));
}

#[test]
fn what_a_mix_that_stands_still_has_no_room_for_is_told() {
    let sound = opus::Encoder::new(1, 32_000).and_then(|mut encoder| encoder.encode(&[0.1; 960])).expect("a packet");
    let mut room = Room::of_greys(MixCodec::H264);
    room.members(&[("a", true)], 0);
    room.send(0, 2_000, &[("a", 100)]);
    let picture = grey(200);
    // Fifty seconds in which nothing is made. Pictures wait for 24, sound for 30.
    for t in (2_000..52_000).step_by(PACKET_MS as usize) {
        if t % FRAME_MS == 0 {
            room.picture("a", ms(t), &picture, 0);
        }
        room.sound("a", ms(t), &sound);
    }
    room.run(52_400);
    let [picture, sound] = member(&room.close(52_000), 52_000);
    // What had come and was not made yet, 400 ms, waits with it.
    let pictures = (1_600, 48_000, Cause::Overload);
    assert_eq!(gaps(&picture), [pictures]);
    assert_eq!(picture.counts.frames_dropped as i64, pictures.1 / FRAME_MS);
    let (from, length, cause) = gaps(&sound)[0];
    assert_eq!((gaps(&sound).len(), cause, from + length), (1, Cause::Overload, 22_000));
    assert_eq!(sound.counts.frames_dropped as i64, length / PACKET_MS);
}

#[test]
fn what_never_reached_the_mix_is_told_and_nothing_is_shown_that_refers_to_it() {
    let mut room = Room::of_greys(MixCodec::H264);
    room.members(&[("a", true)], 0);
    let mut left_out = LeftOut::default();
    let (before, after) = (grey(100), grey(200));
    for t in (0..3_000).step_by(FRAME_MS as usize) {
        let first = if t < 1_000 { &before } else { &after };
        let picture = Picture { key: !(1_000..2_000).contains(&t), ..key_frame(ms(t), first) };
        if (1_000..1_200).contains(&t) {
            left_out.add(&Unit::Picture(picture));
            let packet =
                SoundPacket { at: ms(t), arrival: ms(t), data: Bytes::new(), duration: 1_920, after_loss: false };
            left_out.add(&Unit::Sound(packet));
        } else {
            if t == 1_200 {
                room.mix().leave_out(&stream("a"), std::mem::take(&mut left_out));
            }
            room.unit("a", picture);
        }
        room.run(t);
    }
    let [picture, sound] = member(&room.close(3_000), 3_000);
    assert_eq!(gaps(&picture), [(1_000, 1_000, Cause::Overload)]);
    assert_eq!(picture.counts.frames_dropped, 25, "five, and twenty that refer to them");
    assert_eq!(gaps(&sound), [(1_000, 200, Cause::Overload)]);
}
