//! What is written on and laid over windows stands where it should, and what stands still is not drawn again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use codec::video::{Canvas, Codec, Config, Encoder, Rect};
use media::bitstream::annex_b;
use media::bitstream::h264::H264Config;
use media::packet::VideoConfig;
use rules::layout::{Arrangement, Member, Overlays, Plan};
use rules::request::{Clock, Color, Corner, FrameFill, Mark, Watermark};
use rules::select::{StreamId, StreamKind};
use rules::time::{Mono, SECOND_NS, Wall};

use super::{Feed, Stage, Typefaces};
use crate::mix::text::test_fonts;
use crate::unit::Picture;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;
/// 4 x 2 pixels: the left half red, the right half transparent.
const PNG: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x04\x00\x00\x00\x02\x08\x06\x00\x00\x00\x7f\xa8}c\x00\x00\x00\x14IDATx\xdac\xf8\xcf\xc0\xf0\x1f\x84\x81\x90\x01\x86Q\x04\x00\xddD\x0b\xf5\xfa\xe2F-\x00\x00\x00\x00IEND\xaeB`\x82";
const ADDRESS: &str = "https://example.com/mark.png";

type Feeds = BTreeMap<StreamId, Feed>;

fn stream(user: &str) -> StreamId {
    StreamId { user: user.into(), kind: StreamKind::Camera }
}

fn members(users: &[&str]) -> Vec<Member> {
    users.iter().map(|user| Member { stream: stream(user), name: format!("{user} 陈"), video: true }).collect()
}

fn plan(arrangement: Arrangement, overlays: Overlays) -> Plan {
    Plan {
        width: WIDTH,
        height: HEIGHT,
        background: [90, 90, 90],
        background_image: None,
        frame_fill: FrameFill::LastFrame,
        arrangement,
        max_cells: 4,
        overlays,
    }
}

fn text(text: &str, x: u32, y: u32, alpha: f32) -> Watermark {
    Watermark { x, y, alpha, mark: Mark::Text { text: text.into(), size: 40, color: Color([255; 3]) } }
}

fn image(x: u32, y: u32) -> Watermark {
    Watermark { x, y, alpha: 0.5, mark: Mark::Image { image: ADDRESS.into(), width: 80, height: 40 } }
}

fn clock(position: Corner) -> Option<Clock> {
    Some(Clock { position, utc_offset_minutes: 0 })
}

fn stage(plan: &Plan) -> Stage {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("mark.png");
    std::fs::write(&path, PNG).expect("written");
    let images = BTreeMap::from([(ADDRESS.to_owned(), path)]);
    let mut stage = Stage::new(plan.clone(), &images).expect("a stage");
    assert_eq!(stage.finish_images(), [""; 0]);
    stage.write_with(Typefaces::load(&test_fonts())).expect("fonts");
    stage
}

/// Shows a picture of one level of grey.
fn show(feeds: &mut Feeds, user: &str, level: u8) {
    let (width, height) = (64, 36);
    let config = Config::live(Codec::H264, width, height, 25, 500_000, 1);
    let mut canvas = Canvas::new(width, height).expect("a canvas");
    canvas.fill(Rect::sized(width, height), [level, 128, 128]);
    let packets = Encoder::new(&config).and_then(|mut encoder| encoder.encode_canvas(&mut canvas, 0, true));
    let data = annex_b::to_lengths(&packets.expect("encoded")[0].data).into();
    let config = VideoConfig::H264(H264Config {
        sps: Vec::new(),
        pps: Vec::new(),
        width,
        height,
        profile: 66,
        compatibility: 0,
        level: 10,
        chroma_format: 1,
        bit_depth_luma: 8,
        bit_depth_chroma: 8,
        reorder_frames: Some(0),
    });
    let (at, config) = (Mono(0), Some(Arc::new(config)));
    let picture =
        Picture { at, arrival: at, data, key: true, after_loss: false, missing_before: None, config, rotation: 0 };
    let feed = feeds.entry(stream(user)).or_default();
    feed.push(picture);
    feed.advance(at);
}

fn planes(canvas: &Canvas) -> Vec<u8> {
    let view = canvas.view();
    (0..3).flat_map(|plane| (0..view.plane_size(plane).1).flat_map(move |row| view.row(plane, row).to_vec())).collect()
}

/// The smallest box of all pixels in which two pictures differ: left, top, right, bottom.
fn difference(one: &[u8], other: &[u8]) -> Option<[u32; 4]> {
    let pixels = (WIDTH * HEIGHT) as usize;
    let differ = (0..pixels).filter(|n| one[*n] != other[*n]).map(|n| (n as u32 % WIDTH, n as u32 / WIDTH));
    differ.fold(None, |found: Option<[u32; 4]>, (x, y)| {
        let [left, top, right, bottom] = found.unwrap_or([x, y, x + 1, y + 1]);
        Some([left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)])
    })
}

/// Composes over a canvas that was painted over: what is drawn shows, in luma; nothing else changes.
fn drawn(stage: &mut Stage, feeds: &Feeds) -> Option<[u32; 4]> {
    const PAINT: u8 = 1;
    let whole = Rect::sized(WIDTH, HEIGHT);
    stage.compose(feeds).expect("composed").fill(whole, [PAINT; 3]);
    let painted = vec![PAINT; (WIDTH * HEIGHT * 3 / 2) as usize];
    difference(&planes(stage.compose(feeds).expect("composed")), &painted)
}

#[test]
fn a_name_stands_at_the_lower_left_of_its_window() {
    let picture = |names: bool| {
        let mut stage = stage(&plan(Arrangement::SideBySide, Overlays { names, ..Overlays::default() }));
        stage.set_members(members(&["a", "b"])).expect("arranged");
        planes(stage.compose(&Feeds::new()).expect("composed"))
    };
    let (with, without) = (picture(true), picture(false));
    let half = |picture: &[u8], keep: fn(u32) -> bool| -> Vec<u8> {
        let level = |n: usize| if keep(n as u32 % WIDTH) { picture[n] } else { 0 };
        (0..(WIDTH * HEIGHT) as usize).map(level).collect()
    };
    for (left, keep) in [(0, (|x| x < WIDTH / 2) as fn(u32) -> bool), (WIDTH / 2, |x| x >= WIDTH / 2)] {
        let [x, top, right, bottom] = difference(&half(&with, keep), &half(&without, keep)).expect("a name");
        assert_eq!((x, bottom), (left + 8, HEIGHT - 8));
        assert!(right < left + 120 && top > HEIGHT - 60, "{right} {top}");
    }
    assert!(with.contains(&235) && !without.contains(&235), "white letters");
}

#[test]
fn a_clock_stands_in_its_corner_and_is_drawn_once_a_second() {
    for (corner, right, bottom) in [
        (Corner::TopLeft, false, false),
        (Corner::TopRight, true, false),
        (Corner::BottomLeft, false, true),
        (Corner::BottomRight, true, true),
    ] {
        let mut feeds = Feeds::new();
        show(&mut feeds, "a", 100);
        let mut stage = stage(&plan(Arrangement::Adaptive, Overlays { clock: clock(corner), ..Overlays::default() }));
        stage.set_members(members(&["a"])).expect("arranged");
        let bare = planes(stage.compose(&feeds).expect("composed"));
        let mut last = None;
        for ms in (0..3_000).step_by(40) {
            stage.set_time(Some(Wall(ms * SECOND_NS / 1_000))).expect("a time");
            if ms % 1_000 == 0 {
                let place = difference(&planes(stage.compose(&feeds).expect("composed")), &bare).expect("a clock");
                assert_eq!(place[0] > WIDTH / 2, right);
                assert_eq!(place[1] > HEIGHT / 2, bottom);
                assert!(place[2] - place[0] < 300 && place[3] - place[1] < 40, "{place:?}");
                assert!(last.is_none_or(|last| last == place), "it does not move");
                last = Some(place);
            } else {
                assert_eq!(drawn(&mut stage, &feeds), None, "{ms}");
                // Undoes the paint.
                stage.set_time(None).expect("no time");
                stage.write_with(Typefaces::load(&test_fonts())).expect("fonts");
                stage.set_time(Some(Wall(ms * SECOND_NS / 1_000))).expect("a time");
            }
        }
        stage.set_time(None).expect("no time");
        assert_eq!(planes(stage.compose(&feeds).expect("composed")), bare, "nothing is left of it");
    }
}

#[test]
fn a_tick_draws_the_clock_and_nothing_else() {
    let mut feeds = Feeds::new();
    ["a", "b", "c"].into_iter().for_each(|user| show(&mut feeds, user, 100));
    let watermarks = vec![text("mark", 20, 20, 0.5)];
    let overlays = Overlays { names: true, clock: clock(Corner::BottomRight), watermarks };
    let mut stage = stage(&plan(Arrangement::Adaptive, overlays));
    stage.set_members(members(&["a", "b", "c"])).expect("arranged");
    stage.set_time(Some(Wall(0))).expect("a time");
    let whole = Rect::sized(WIDTH, HEIGHT);
    stage.compose(&feeds).expect("composed").fill(whole, [1; 3]);
    stage.set_time(Some(Wall(SECOND_NS))).expect("a time");
    let painted = vec![1; (WIDTH * HEIGHT * 3 / 2) as usize];
    let [left, top, ..] = difference(&planes(stage.compose(&feeds).expect("composed")), &painted).expect("a clock");
    assert!(left > WIDTH / 2 && top > HEIGHT - 50, "{left} {top}");
}

#[test]
fn an_image_keeps_its_transparency() {
    let mut stage =
        stage(&plan(Arrangement::Adaptive, Overlays { watermarks: vec![image(101, 50)], ..Overlays::default() }));
    let canvas = stage.compose(&Feeds::new()).expect("composed");
    let at = |x: usize, y: usize| [canvas.view().row(0, y)[x], canvas.view().row(2, y / 2)[x / 2]];
    let background = codec::video::rgb_to_yuv([90; 3])[0];
    assert_eq!(at(99, 60), [background, 128]);
    assert_eq!(at(170, 60), [background, 128], "transparent");
    let red = at(110, 60);
    assert!(red[0].abs_diff((background + 81) / 2) <= 2 && red[1].abs_diff(184) <= 2, "half of red: {red:?}");
}

#[test]
fn a_watermark_stays_the_same_over_what_moves() {
    let mut feeds = Feeds::new();
    let marks =
        vec![text("over", 300, 150, 0.5), image(310, 160), text("two", 320, 170, 1.0), text("off", 600, 340, 0.7)];
    let overlays = Overlays { names: true, clock: clock(Corner::TopRight), watermarks: marks };
    let custom_free = [Arrangement::Adaptive, Arrangement::Speaker, Arrangement::Vertical { main: Some(stream("c")) }];
    for arrangement in custom_free {
        let plan = plan(arrangement, overlays.clone());
        let mut moving = stage(&plan);
        let (mut room, mut speaker, mut time) = (members(&["a", "b"]), None, None);
        for step in 0..24_u8 {
            match step % 6 {
                0 | 3 => show(&mut feeds, ["a", "b", "c"][usize::from(step / 3 % 3)], 60 + 5 * step),
                1 => time = Some(Wall(i64::from(step) * SECOND_NS)),
                2 => speaker = Some(stream(["b", "c", "a", "e"][usize::from(step / 6)])),
                4 => room = members(&["a", "b", "c", "d", "e", "f"][..usize::from(2 + step / 6)]),
                _ => room[0].name.push('!'),
            }
            moving.set_members(room.clone()).expect("arranged");
            moving.set_speaker(speaker.clone()).expect("arranged");
            moving.set_time(time).expect("a time");
            let mut anew = stage(&plan);
            anew.set_members(room.clone()).expect("arranged");
            anew.set_speaker(speaker.clone()).expect("arranged");
            anew.set_time(time).expect("a time");
            let wanted = planes(anew.compose(&feeds).expect("composed"));
            let got = planes(moving.compose(&feeds).expect("composed"));
            assert_eq!(difference(&got, &wanted), None, "step {step} of {:?}", plan.arrangement);
            assert!(got == wanted, "colours of step {step}");
        }
    }
}

#[test]
fn what_stands_still_is_not_drawn_again() {
    let mut feeds = Feeds::new();
    ["a", "b", "c"].into_iter().for_each(|user| show(&mut feeds, user, 100));
    let watermarks = vec![text("mark", 20, 20, 0.5)];
    let overlays = Overlays { names: true, clock: clock(Corner::TopRight), watermarks };
    let mut stage = stage(&plan(Arrangement::Speaker, overlays));
    stage.set_members(members(&["a", "b", "c", "d"])).expect("arranged");
    stage.set_time(Some(Wall(0))).expect("a time");
    assert_eq!(drawn(&mut stage, &feeds), None);
    // The small windows are those of b, c and d, each a quarter of the height; c becomes large.
    stage.set_speaker(Some(stream("c"))).expect("arranged");
    let canvas = stage.compose(&feeds).expect("composed");
    let column = |y: u32| canvas.view().row(0, y as usize)[WIDTH as usize - 10];
    assert_eq!(column(HEIGHT * 5 / 8), 1, "d stays where it is and as it was");
    assert_eq!(column(10 + HEIGHT / 8), 1, "so does b");
    assert_ne!(column(HEIGHT * 3 / 8), 1, "a stands where c was");
}

#[test]
fn those_without_a_window_are_counted_in_the_last_one() {
    let mut stage = stage(&plan(Arrangement::Adaptive, Overlays::default()));
    let names: Vec<String> = (0..9).map(|n| n.to_string()).collect();
    stage.set_members(members(&names.iter().map(String::as_str).collect::<Vec<_>>())).expect("arranged");
    let canvas = stage.compose(&Feeds::new()).expect("composed");
    let grey = codec::video::rgb_to_yuv([48; 3])[0];
    let level = |x: u32, y: u32| canvas.view().row(0, y as usize)[x as usize];
    assert_eq!(level(WIDTH / 2 + 4, HEIGHT / 2 + 4), grey);
    assert_ne!(level(WIDTH / 2 - 4, HEIGHT / 2 - 4), grey);
    let middle = (WIDTH * 5 / 8..WIDTH * 7 / 8).flat_map(|x| (HEIGHT * 5 / 8..HEIGHT * 7 / 8).map(move |y| (x, y)));
    assert!(middle.filter(|(x, y)| level(*x, *y) > 200).count() > 100, "+6 is written");
}

#[test]
fn without_fonts_everything_else_is_there() {
    let overlays =
        Overlays { names: true, clock: clock(Corner::TopLeft), watermarks: vec![text("t", 9, 9, 1.0), image(100, 50)] };
    let mut stage = stage(&plan(Arrangement::Adaptive, overlays));
    stage.write_with(Typefaces::load(&[PathBuf::from("/no/font")])).expect("none");
    stage.set_members(members(&["a"])).expect("arranged");
    stage.set_time(Some(Wall(0))).expect("a time");
    let bare = vec![codec::video::rgb_to_yuv([90; 3])[0]; (WIDTH * HEIGHT * 3 / 2) as usize];
    let picture = planes(stage.compose(&Feeds::new()).expect("composed"));
    let [left, top, right, bottom] = difference(&picture, &bare).expect("the image");
    assert_eq!((left, top, bottom), (100, 50, 90));
    assert!((140..160).contains(&right), "its red half: {right}");
}
