//! How a mix begins, and how another recorder goes on in its file.

use super::*;

#[test]
fn another_recorder_goes_on_in_the_file() {
    let mut room = Room::of_greys(MixCodec::H264);
    room.members(&[("a", true)], 0);
    room.send(0, 3_000, &[("a", 100)]);
    room.restart();
    room.members(&[("a", true)], 4_000);
    room.send(4_000, 6_000, &[("a", 200)]);
    let (finished, pictures, events) = room.finish(6_000);
    assert!(milliseconds(&finished).iter().all(|length| (length - 6_000).abs() <= 22), "{finished:?}");
    assert!(events.iter().any(|event| matches!(event, MixEvent::Opened { resumed: true, .. })));
    assert_shown(&pictures, 3_900, 100, 100);
    assert_shown(&pictures, 4_100, 200, 200);
}

#[test]
fn another_recorder_goes_on_while_everybody_is_muted() {
    let mut room = Room::of_greys(MixCodec::H264);
    room.members(&[("a", true)], 0);
    room.send(0, 3_000, &[("a", 100)]);
    room.mix().picture_ended(&stream("a"), ms(3_000));
    room.members(&[("a", false)], 3_000);
    room.wait(3_000, 4_000);
    room.restart();
    room.members(&[("a", false)], 5_000);
    room.wait(5_000, 10_000);
    let (finished, pictures, events) = room.finish(10_000);
    assert!(milliseconds(&finished).iter().all(|length| (length - 10_000).abs() <= 22), "{finished:?}");
    assert!(events.iter().any(|event| matches!(event, MixEvent::Opened { resumed: true, .. })));
    let late = pictures.iter().filter(|(ms, ..)| *ms >= 6_000).count();
    assert_eq!(late, 100, "a picture for each frame, as ever");
    assert_shown(&pictures, 9_900, BACKGROUND, BACKGROUND);
}

#[test]
fn a_stop_soon_after_a_restart_ends_the_file_at_the_stop() {
    let mut room = Room::of_greys(MixCodec::H264);
    room.members(&[("a", true)], 0);
    room.send(0, 3_000, &[("a", 100)]);
    room.restart();
    room.members(&[("a", false)], 4_500);
    let (finished, pictures, _) = room.finish(4_800);
    assert!(milliseconds(&finished).iter().all(|length| (length - 4_800).abs() <= 22), "{finished:?}");
    assert_shown(&pictures, 4_700, 100, 100);
}

#[test]
fn a_file_that_nobody_is_in_after_a_restart_ends_where_it_ended() {
    let mut room = Room::of_greys(MixCodec::H264);
    room.members(&[("a", true)], 0);
    room.send(0, 3_000, &[("a", 100)]);
    room.restart();
    room.members(&[], 4_500);
    room.wait(4_500, 6_000);
    assert_eq!(room.mix().close(ms(6_000)).expect("closed"), None);
}

#[test]
fn what_changes_while_the_first_media_is_held_is_shown_at_its_time() {
    let mut room = Room::of_greys(MixCodec::H264);
    room.members(&[("a", true)], 0);
    room.send(0, 100, &[("a", 100)]);
    room.members(&[("a", true), ("b", true)], 100);
    room.send(100, 200, &[("a", 100), ("b", 200)]);
    let first_only = Plan { max_cells: 1, ..room.mix().stage.plan().clone() };
    room.mix().set_layout(first_only, BTreeMap::new(), ms(200));
    room.send(200, 1_000, &[("a", 100), ("b", 200)]);
    let (_, pictures, _) = room.finish(1_000);
    assert_shown(&pictures, 40, 100, 100);
    assert_shown(&pictures, 160, 100, 200);
    assert_shown(&pictures, 240, 100, 100);
}
