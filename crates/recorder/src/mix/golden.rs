//! Composed pictures against golden ones, which a person has looked at: of every layout one sheet for 1, 2, 4, 5, 9, 10,
//! 16 and 17 participants, `golden/*.png`. After a wanted change of the drawing
//!
//! ```text
//! UPDATE_GOLDEN=1 cargo test -p recorder golden
//! ```
//!
//! writes them anew: look at each of them before it is committed.

mod custom;
mod image;
mod scene;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rules::layout::Plan;
use serde_json::{Value, json};

use self::image::Image;
use self::scene::{Participant, Scene};
use super::stage::Stage;

const COUNTS: [usize; 8] = [1, 2, 4, 5, 9, 10, 16, 17];
const COLUMNS: usize = 4;
/// Of each canvas.
const SIZE: (usize, usize) = (256, 144);
/// Between the canvases of a sheet.
const GAP: usize = 4;
const GAP_COLOUR: [u8; 3] = [160; 3];
/// Levels of red, green and blue by which a pixel may differ. Vector code rounds luma and chroma differently, by one or
/// two.
const TOLERANCE: u8 = 6;

#[test]
fn adaptive() {
    check("adaptive", |count| Scene::of_room(count, json!({ "LayoutMode": 0 })));
}

#[test]
fn vertical() {
    check("vertical", |count| Scene::of_room(count, json!({ "LayoutMode": 1 })));
}

#[test]
fn vertical_with_a_main_stream() {
    let main = json!({ "UserId": "3", "StreamType": 1 });
    let layout = json!({ "LayoutMode": 1, "MainVideoStream": main });
    check("vertical-main", |count| Scene::of_room(count, layout.clone()));
}

#[test]
fn side_by_side() {
    check("side-by-side", |count| Scene::of_room(count, json!({ "LayoutMode": 3 })));
}

#[test]
fn custom() {
    check("custom", custom::scene);
}

/// Compares the canvases of a layout with those on its sheet.
fn check(name: &str, scene: impl Fn(usize) -> Scene) {
    let dir = tempfile::tempdir().expect("a folder");
    let images = images(dir.path());
    let canvases: Vec<Image> = COUNTS.iter().map(|count| composed(&scene(*count), &images)).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/mix/golden/{name}.png"));
    let places = || (0..COUNTS.len()).map(|n| (n % COLUMNS * (SIZE.0 + GAP), n / COLUMNS * (SIZE.1 + GAP)));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let rows = COUNTS.len() / COLUMNS;
        let mut sheet = Image::new(COLUMNS * (SIZE.0 + GAP) - GAP, rows * (SIZE.1 + GAP) - GAP, GAP_COLOUR);
        canvases.iter().zip(places()).for_each(|(canvas, place)| sheet.paste(canvas, place));
        std::fs::write(&path, sheet.to_png()).expect("written");
    }
    let sheet = Image::from_png(&std::fs::read(&path).expect("a golden picture"));
    for ((canvas, place), count) in canvases.iter().zip(places()).zip(COUNTS) {
        let golden = sheet.part(place, SIZE);
        let wrong: Vec<(usize, usize)> = golden.differing(canvas, TOLERANCE).collect();
        assert!(
            wrong.is_empty(),
            "{name}, {count} participants: {} pixels differ, from {:?} on",
            wrong.len(),
            wrong[0]
        );
    }
}

/// The canvas of a scene. What is drawn over another picture is the same as what is drawn anew.
fn composed(scene: &Scene, images: &BTreeMap<String, PathBuf>) -> Image {
    let plan = Plan::of(&scene.request()).expect("a mixed task");
    let stage = || {
        let mut stage = Stage::new(plan.clone(), images).expect("a stage");
        assert_eq!(stage.finish_images(), Vec::<String>::new());
        stage.set_members(scene.participants.iter().map(Participant::member).collect()).expect("placed");
        stage
    };
    let draw = |stage: &mut Stage, others: bool| {
        let canvas = stage.compose(&scene.feeds(others)).expect("composed");
        Image::of(&canvas.view())
    };
    let canvas = draw(&mut stage(), false);
    let mut over = stage();
    let before = draw(&mut over, true);
    assert!(before.differing(&canvas, TOLERANCE).next().is_some(), "there was another picture before");
    assert_eq!(draw(&mut over, false).differing(&canvas, 0).next(), None, "drawn over another picture");
    canvas
}

/// Files of the images that custom layouts show, by their addresses.
fn images(dir: &Path) -> BTreeMap<String, PathBuf> {
    let images = [
        (custom::BACKGROUND, Image::test_card((128, 143), [90, 50, 110], "B")),
        (custom::ALTERNATE, Image::test_card((80, 61), [200, 120, 40], "A")),
    ];
    let written = images.into_iter().enumerate().map(|(n, (address, image))| {
        let path = dir.join(format!("{n}.png"));
        std::fs::write(&path, image.to_png()).expect("written");
        (address.to_owned(), path)
    });
    written.collect()
}

/// A request with what every one has.
fn with_common_fields(mut fields: Value) -> Value {
    fields["AppId"] = json!("app");
    fields["RoomId"] = json!("room");
    fields["TaskId"] = json!("task");
    fields["Encode"] = json!({ "VideoWidth": SIZE.0, "VideoHeight": SIZE.1 });
    fields["StorageConfig"] = json!({ "Type": 1, "VodConfig": { "AccountId": "2100000000", "Space": "media" } });
    fields
}
