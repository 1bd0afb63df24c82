//! Images come when they are decoded, and what is there stays for as long.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rules::layout::{Arrangement, Overlays, Plan};
use rules::request::{FrameFill, Mark, Watermark};

use super::{Feed, Stage, StreamId};

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const GREY: [u8; 3] = [90; 3];

struct Files {
    dir: tempfile::TempDir,
    paths: BTreeMap<String, PathBuf>,
}

impl Files {
    fn new() -> Files {
        Files { dir: tempfile::tempdir().expect("a folder"), paths: BTreeMap::new() }
    }

    fn add(&mut self, address: &str, bytes: &[u8]) {
        let path = self.dir.path().join(format!("{}.png", self.paths.len()));
        std::fs::write(&path, bytes).expect("written");
        self.paths.insert(address.to_owned(), path);
    }
}

/// An image of one colour.
fn png(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&colour.repeat((width * height) as usize)).expect("an image");
    writer.finish().expect("an end");
    bytes
}

fn plan(background_image: Option<&str>) -> Plan {
    Plan {
        width: 320,
        height: 180,
        background: GREY,
        background_image: background_image.map(str::to_owned),
        frame_fill: FrameFill::LastFrame,
        arrangement: Arrangement::Adaptive,
        max_cells: 4,
        overlays: Overlays::default(),
    }
}

/// The colour of one pixel is this one.
fn shows(stage: &mut Stage, (x, y): (usize, usize), colour: [u8; 3]) -> bool {
    let canvas = stage.compose(&BTreeMap::<StreamId, Feed>::new()).expect("composed");
    let view = canvas.view();
    let got = [view.row(0, y)[x], view.row(1, y / 2)[x / 2], view.row(2, y / 2)[x / 2]];
    got.iter().zip(codec::video::rgb_to_yuv(colour)).all(|(got, wanted)| got.abs_diff(wanted) <= 2)
}

#[test]
fn a_background_image_stays_until_the_next_one_has_come() {
    let (mut files, nobody) = (Files::new(), (160, 90));
    files.add("red", &png(640, 400, RED));
    let mut stage = Stage::new(plan(Some("red")), &files.paths).expect("a stage");
    assert!(shows(&mut stage, nobody, GREY), "it is not decoded while the mix waits");
    assert_eq!(stage.finish_images(), [""; 0]);
    assert!(shows(&mut stage, nobody, RED));
    // Not fetched yet, then not decoded yet.
    stage.set_plan(plan(Some("blue")), &files.paths).expect("planned");
    assert_eq!(stage.finish_images(), [""; 0]);
    assert!(shows(&mut stage, nobody, RED));
    files.add("blue", &png(64, 64, BLUE));
    stage.set_plan(plan(Some("blue")), &files.paths).expect("planned");
    assert!(shows(&mut stage, nobody, RED));
    assert_eq!(stage.finish_images(), [""; 0]);
    assert!(shows(&mut stage, nobody, BLUE));
    // One that is no image is told once, though the layout comes again with every image that was fetched.
    files.add("broken", b"no image");
    for told in [1, 0] {
        stage.set_plan(plan(Some("broken")), &files.paths).expect("planned");
        assert_eq!(stage.finish_images().len(), told);
        assert!(shows(&mut stage, nobody, BLUE));
    }
    stage.set_plan(plan(None), &files.paths).expect("planned");
    assert!(shows(&mut stage, nobody, GREY));
    stage.set_plan(plan(Some("blue")), &files.paths).expect("planned");
    assert!(shows(&mut stage, nobody, GREY));
    assert_eq!(stage.finish_images(), [""; 0]);
    assert!(shows(&mut stage, nobody, BLUE));
}

#[test]
fn what_is_still_shown_in_its_size_is_there_at_once() {
    let mark = |width| {
        let mark = Mark::Image { image: "red".into(), width, height: 40 };
        let watermarks = vec![Watermark { x: 20, y: 20, alpha: 1.0, mark }];
        Plan { overlays: Overlays { watermarks, ..Overlays::default() }, ..plan(Some("blue")) }
    };
    let mut files = Files::new();
    files.add("red", &png(500, 500, RED));
    files.add("blue", &png(500, 500, BLUE));
    let mut stage = Stage::new(mark(60), &files.paths).expect("a stage");
    assert_eq!(stage.finish_images(), [""; 0]);
    assert!(shows(&mut stage, (30, 30), RED) && shows(&mut stage, (160, 90), BLUE));
    std::fs::remove_file(&files.paths["blue"]).expect("removed");
    stage.set_plan(mark(60), &files.paths).expect("planned");
    assert!(shows(&mut stage, (30, 30), RED) && shows(&mut stage, (160, 90), BLUE));
    assert_eq!(stage.take_images().expect("images"), (false, Vec::new()), "nothing is decoded again");
    // In another size it has to come anew.
    stage.set_plan(mark(80), &files.paths).expect("planned");
    assert!(shows(&mut stage, (30, 30), BLUE));
    assert_eq!(stage.finish_images(), [""; 0]);
    assert!(shows(&mut stage, (90, 50), RED) && shows(&mut stage, (160, 90), BLUE));
}

#[test]
fn more_images_than_may_wait_all_come() {
    let mut files = Files::new();
    let mut watermarks = Vec::new();
    for n in 0..20 {
        files.add(&n.to_string(), &png(50, 50, RED));
        let mark = Mark::Image { image: n.to_string(), width: 10, height: 10 };
        watermarks.push(Watermark { x: 14 * n, y: 20, alpha: 1.0, mark });
    }
    let plan = Plan { overlays: Overlays { watermarks, ..Overlays::default() }, ..plan(None) };
    let mut stage = Stage::new(plan, &files.paths).expect("a stage");
    assert_eq!(stage.finish_images(), [""; 0]);
    assert!((0..20).all(|n| shows(&mut stage, (14 * n + 4, 24), RED)));
}
