//! Who stands where, from requests.

use serde_json::{Value, json};

use super::*;
use crate::request::{UpdateRecord, Version};

/// A mixed task with these fields added.
fn request(fields: Value) -> StartRecord {
    let mut body = json!({
        "AppId": "app", "RoomId": "room", "TaskId": "task", "Encode": { "VideoWidth": 1280, "VideoHeight": 720 },
        "StorageConfig": { "Type": 1, "VodConfig": { "AccountId": "2100000000", "Space": "media" } },
    });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    StartRecord::parse(Version::V2023_11_01, &body).unwrap_or_else(|e| panic!("{body}: {e}"))
}

pub(super) fn plan(fields: Value) -> Plan {
    Plan::of(&request(fields)).expect("a mixed task")
}

/// A custom layout of a screen and two cameras, `[screen, a, b]` with these fields in their regions.
fn custom_fields(regions: [Value; 3]) -> Value {
    let regions = regions.into_iter().enumerate().map(|(i, fields)| {
        let mut region = json!({ "StreamIndex": i, "Width": 200, "Height": 100 });
        region.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        region
    });
    json!({
        "TargetStreams": { "StreamList": [
            { "Index": 0, "UserId": "a", "StreamType": 1 },
            { "Index": 1, "UserId": "a" },
            { "Index": 2, "UserId": "b" },
        ] },
        "Layout": { "LayoutMode": 2, "CustomLayout": {
            "Canvas": {
                "Width": 800, "Height": 600, "Background": "#102030", "BackgroundImage": "https://example.com/b.png",
            },
            "Regions": regions.collect::<Vec<_>>(),
        } },
    })
}

pub(super) fn custom(regions: [Value; 3]) -> Plan {
    plan(custom_fields(regions))
}

pub(super) fn camera(user: &str) -> StreamId {
    StreamId { user: user.into(), kind: StreamKind::Camera }
}

pub(super) fn screen(user: &str) -> StreamId {
    StreamId { user: user.into(), kind: StreamKind::Screen }
}

pub(super) fn members(streams: impl IntoIterator<Item = StreamId>) -> Vec<Member> {
    streams.into_iter().map(|stream| Member { stream, name: String::new(), video: true }).collect()
}

pub(super) fn streams(cells: &[Cell]) -> Vec<Option<StreamId>> {
    cells.iter().map(|cell| cell.stream.clone()).collect()
}

#[test]
fn a_plan_is_made_of_mixed_tasks_only() {
    assert_eq!(Plan::of(&request(json!({ "RecordMode": 1 }))), None);
    let adaptive = plan(json!({ "Control": { "FrameInterpolationMode": 1 } }));
    assert_eq!(
        adaptive,
        Plan {
            width: 1280,
            height: 720,
            background: [0; 3],
            background_image: None,
            frame_fill: FrameFill::Black,
            arrangement: Arrangement::Adaptive,
            max_cells: 17,
            overlays: Overlays::default(),
        }
    );
    let side_by_side = plan(json!({ "Layout": { "LayoutMode": 3 } }));
    assert_eq!(
        side_by_side,
        Plan { frame_fill: FrameFill::LastFrame, arrangement: Arrangement::SideBySide, ..adaptive }
    );
}

#[test]
fn a_custom_layout_has_its_own_canvas() {
    let plan = custom([json!({}), json!({}), json!({})]);
    assert_eq!((plan.width, plan.height, plan.background), (800, 600, [0x10, 0x20, 0x30]));
    assert_eq!(plan.background_image.as_deref(), Some("https://example.com/b.png"));
}

#[test]
fn the_images_of_a_plan_are_those_that_may_be_drawn() {
    let image = |name: &str| format!("https://example.com/{name}.png");
    let plan = custom([
        json!({ "AlternateImage": image("a") }),
        json!({ "AlternateImage": image("never"), "MediaType": 1 }),
        json!({ "AlternateImage": image("b"), "MediaType": 2 }),
    ]);
    assert_eq!(plan.images().into_iter().collect::<Vec<_>>(), [image("a"), image("b")]);
    assert!(super::Plan { arrangement: Arrangement::Adaptive, background_image: None, ..plan }.images().is_empty());
}

#[test]
fn an_update_changes_the_plan() {
    let running = request(custom_fields([json!({}), json!({}), json!({})]));
    let update = json!({
        "AppId": "app", "RoomId": "room", "TaskId": "task",
        "TargetStreams": { "StreamList": [{ "Index": 5, "UserId": "c" }] },
        "Layout": { "CustomLayout": {
            "Canvas": { "Background": "#ffffff" }, "Regions": [{ "StreamIndex": 5, "Width": 800, "Height": 600 }],
        } },
    });
    let updated = UpdateRecord::parse(Version::V2023_11_01, &update).unwrap().apply(&running).unwrap();
    let plan = Plan::of(&updated).unwrap();
    assert_eq!((plan.width, plan.height, plan.background), (800, 600, [0xff; 3]));
    assert_eq!(streams(&plan.cells(&[], None)), [Some(camera("c"))]);
    assert!(!plan.hears(&camera("a")));
}

#[test]
fn whoever_has_no_picture_keeps_the_place() {
    let mut room = members([camera("a"), camera("b"), screen("a")]);
    room[1].video = false;
    for (mode, fills) in [
        (0, [Fill::Background; 3]),
        (1, [Fill::Black, Fill::Black, Fill::Background]),
        (3, [Fill::Black, Fill::Black, Fill::Background]),
    ] {
        let plan = plan(json!({ "Layout": { "LayoutMode": mode }, "Control": { "FrameInterpolationMode": 1 } }));
        let cells = plan.cells(&room, None);
        assert_eq!(streams(&cells), [Some(camera("a")), Some(camera("b")), Some(screen("a"))]);
        assert_eq!(cells.iter().map(|cell| cell.has_picture).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(cells.iter().map(|cell| cell.fill).collect::<Vec<_>>(), fills);
        assert!(cells.iter().all(|cell| cell.shows_video && cell.fit == Fit::Crop && cell.crop == Crop::WHOLE));
        assert!(plan.hears(&camera("b")) && plan.pan(&camera("b")).is_none());
    }
}

#[test]
fn the_large_window_belongs_to_the_one_named() {
    let named = plan(json!({ "Layout": { "LayoutMode": 1, "MainVideoStream": { "UserId": "b" } } }));
    let cells = named.cells(&members([camera("a"), camera("b"), camera("c")]), None);
    assert_eq!(streams(&cells), [Some(camera("b")), Some(camera("a")), Some(camera("c"))]);
    assert_eq!(cells[0].rect, Rect { x: 0, y: 0, width: 1024, height: 720 });

    let cells = named.cells(&members([camera("a"), screen("b")]), None);
    assert_eq!(streams(&cells), [None, Some(camera("a")), Some(screen("b"))]);
    assert_eq!((cells[0].rect.width, cells[0].fill, cells[0].has_picture), (1024, Fill::Background, false));
    assert_eq!(streams(&named.cells(&[], None)), [None]);

    let anyone = plan(json!({ "Layout": { "LayoutMode": 1 } }));
    assert_eq!(
        streams(&anyone.cells(&members([camera("c"), camera("b")]), None)),
        [Some(camera("c")), Some(camera("b"))]
    );
    assert_eq!(anyone.cells(&[], None), []);
}

#[test]
fn seventeen_have_a_place() {
    let room = members((0..20).map(|i| camera(&i.to_string())));
    for mode in [0, 1, 3] {
        assert_eq!(plan(json!({ "Layout": { "LayoutMode": mode } })).cells(&room, None).len(), 17);
    }
    let absent = plan(json!({ "Layout": { "LayoutMode": 1, "MainVideoStream": { "UserId": "nobody" } } }));
    assert_eq!(streams(&absent.cells(&room, None))[0], Some(camera("16")));
    assert_eq!(streams(&absent.cells(&room, None)).into_iter().flatten().count(), 17);
    assert_eq!(streams(&absent.cells(&room[..16], None))[0], None, "it is kept for who is named");
    let last = plan(json!({ "Layout": { "LayoutMode": 1, "MainVideoStream": { "UserId": "19" } } }));
    assert_eq!(streams(&last.cells(&room, None))[0], Some(camera("19")));
    assert_eq!(streams(&last.cells(&room, None)).len(), 17);
}

#[test]
fn regions_are_drawn_upwards_and_equal_ones_in_their_order() {
    let plan = custom([json!({ "ZOrder": 3 }), json!({ "ZOrder": 3 }), json!({ "ZOrder": 1 })]);
    assert_eq!(streams(&plan.cells(&[], None)), [Some(camera("b")), Some(screen("a")), Some(camera("a"))]);
}

#[test]
fn a_region_says_everything_of_its_cell() {
    let plan = custom([
        json!({
            "LocationX": 701, "LocationY": 3, "Width": 201, "Height": 99, "Alpha": 0.5, "RenderMode": 2,
            "SourceCrop": { "LocationX": 0.75, "WidthProportion": 0.5, "HeightProportion": 0.5 },
            "AlternateImage": "https://example.com/a.png", "AlternateImageFillMode": 1, "CornerRadius": 0.0625,
        }),
        json!({ "MediaType": 1, "CornerRadius": 0.0625, "RenderMode": 1 }),
        json!({ "MediaType": 2, "Width": 1, "RenderMode": 3 }),
    ]);
    let cells = plan.cells(&members([camera("a"), camera("stranger")]), None);
    let expected = Cell {
        stream: Some(screen("a")),
        rect: Rect { x: 700, y: 2, width: 202, height: 100 },
        fit: Fit::Contain,
        crop: Crop { x: 0.75, y: 0.0, width: 0.25, height: 0.5 },
        alpha: 0.5,
        corner_radius: 50,
        shows_video: true,
        has_picture: false,
        alternate: Some(Alternate {
            url: "https://example.com/a.png".into(),
            fill: crate::request::AlternateFill::OwnRatio,
        }),
        fill: Fill::Background,
        label: None,
    };
    assert_eq!(cells[0], expected);
    assert_eq!((cells[1].shows_video, cells[1].has_picture, cells[1].fit), (false, true, Fit::Crop));
    assert_eq!((cells[1].corner_radius, cells[1].fill), (50, Fill::LastFrame));
    assert_eq!(cells.len(), 2, "a region of one pixel has no even size");
    assert!(plan.hears(&screen("a")) && plan.hears(&camera("a")) && !plan.hears(&camera("b")));
    assert!(!plan.hears(&camera("stranger")));

    let too_round = custom([json!({ "CornerRadius": 0.065 }), json!({}), json!({})]);
    assert_eq!(too_round.cells(&[], None)[0].corner_radius, 0);
}

#[test]
fn sound_is_placed_by_its_direction() {
    let pan = |fields: Value| custom([fields, json!({}), json!({})]).pan(&screen("a"));
    assert_eq!(pan(json!({})), None);
    assert_eq!(pan(json!({ "SpatialPosition": [0, 100, 0], "ApplySpatialAudio": false })), None);
    assert_eq!(pan(json!({ "SpatialPosition": [0, 100, 0] })), Some(1.0));
    assert_eq!(pan(json!({ "SpatialPosition": [0, -1, 0] })), Some(-1.0));
    assert_eq!(pan(json!({ "SpatialPosition": [50, 0, 0] })), Some(0.0));
    assert_eq!(pan(json!({ "SpatialPosition": [4, 3, 0] })), Some(0.6));
    assert_eq!(pan(json!({ "SpatialPosition": [0, -30, 40] })), Some(-0.6));
    assert_eq!(custom([json!({}), json!({}), json!({})]).pan(&camera("stranger")), None);
}

#[test]
fn a_source_is_as_large_as_its_cell_needs() {
    let room = members([camera("a"), camera("b"), camera("c")]);
    let adaptive = plan(json!({}));
    assert_eq!(adaptive.source_size(&camera("c"), &room), Some((640, 360)));
    assert_eq!(adaptive.source_size(&camera("d"), &room), None);
    let crop = json!({ "SourceCrop": { "WidthProportion": 0.1, "HeightProportion": 0.7 } });
    let custom = custom([crop, json!({ "MediaType": 1 }), json!({})]);
    assert_eq!(custom.source_size(&screen("a"), &[]), Some((2000, 143)));
    assert_eq!(custom.source_size(&camera("a"), &room), None, "only heard");
    assert_eq!(custom.source_size(&camera("b"), &room), Some((200, 100)));
}
