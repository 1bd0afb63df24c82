//! In which sizes images are needed, and made.

use codec::video::Rect;
use rules::layout::{Alternate, Arrangement, Crop, Fit, Overlays, Region};
use rules::request::{FrameFill, RegionMedia, Watermark};
use rules::select::{StreamId, StreamKind};

use super::thread::shrunk;
use super::*;

fn region(name: &str, (width, height): (u32, u32), crop: Crop, fill: AlternateFill) -> Region {
    Region {
        stream: StreamId { user: name.into(), kind: StreamKind::Camera },
        rect: rules::layout::Rect { x: 0, y: 0, width, height },
        z_order: 0,
        fit: Fit::Crop,
        crop,
        alpha: 1.0,
        corner_radius: 0,
        media: RegionMedia::Both,
        alternate: Some(Alternate { url: name.into(), fill }),
        pan: None,
    }
}

#[test]
fn images_are_needed_in_the_sizes_in_which_they_are_shown() {
    let half = Crop { x: 0.5, y: 0.0, width: 0.5, height: 1.0 };
    let unseen = region("unseen", (100, 100), Crop::WHOLE, AlternateFill::OwnRatio);
    let regions = vec![
        region("a", (100, 80), Crop::WHOLE, AlternateFill::OwnRatio),
        region("a", (60, 90), half, AlternateFill::OwnRatio),
        region("b", (100, 80), Crop::WHOLE, AlternateFill::VideoRatio),
        Region { media: RegionMedia::AudioOnly, ..unseen },
    ];
    let mark = Mark::Image { image: "a".into(), width: 30, height: 20 };
    let plan = Plan {
        width: 640,
        height: 360,
        background: [0; 3],
        background_image: Some("a".into()),
        frame_fill: FrameFill::LastFrame,
        arrangement: Arrangement::Custom(regions),
        max_cells: 17,
        overlays: Overlays { watermarks: vec![Watermark { x: 0, y: 0, alpha: 1.0, mark }], ..Overlays::default() },
    };
    let wanted: Vec<(String, Shape)> = wants(&plan).into_iter().map(|want| (want.address, want.shape)).collect();
    let wanted: Vec<(&str, Shape)> = wanted.iter().map(|(address, shape)| (address.as_str(), *shape)).collect();
    let a = [Shape::Background(640, 360), Shape::Window(120, 90), Shape::Mark(30, 20)].map(|shape| ("a", shape));
    assert_eq!(wanted, [&a[..], &[("b", Shape::Window(640, 360))]].concat());
}

#[test]
fn what_is_larger_than_it_is_shown_is_shrunk_in_its_ratio() {
    for (size, shown, made) in [
        ((4_000, 1_000), (640, 360), (1_440, 360)),
        ((1_000, 4_000), (640, 360), (640, 2_560)),
        ((1_280, 720), (640, 360), (640, 360)),
        ((600, 4_000), (640, 360), (600, 4_000)),
        ((4_000, 2), (100, 2), (4_000, 2)),
        ((4_000, 10), (100, 2), (800, 2)),
    ] {
        let mut canvas = Canvas::new(size.0, size.1).expect("a canvas");
        canvas.fill(Rect::sized(size.0, size.1), [77, 88, 99]);
        let picture = shrunk(canvas.into_picture(), shown.0, shown.1).expect("shrunk");
        let view = picture.view();
        assert_eq!((view.width, view.height), made, "{size:?} in {shown:?}");
        assert_eq!([view.row(0, 0)[0], view.row(1, 0)[0], view.row(2, 0)[0]], [77, 88, 99]);
    }
}
