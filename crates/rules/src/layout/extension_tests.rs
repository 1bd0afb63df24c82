//! The layout of speakers, a bound on windows, and what is written on them.

use proptest::prelude::*;
use serde_json::json;

use super::tests::{camera, custom, members, plan, screen, streams};
use super::*;
use crate::request::{Clock, Corner};
use crate::time::{MILLI_NS, Wall};

fn mix(fields: serde_json::Value) -> Plan {
    plan(json!({ "Tapedeck": { "Mix": fields } }))
}

fn room(size: usize) -> Vec<Member> {
    members((0..size).map(|i| camera(&i.to_string())))
}

/// Users of the windows, and how many share the last one.
fn shown(cells: &[Cell]) -> (Vec<&str>, usize) {
    let users = cells.iter().filter_map(|cell| cell.stream.as_ref()).map(|stream| stream.user.as_str()).collect();
    let more = cells.iter().find_map(|cell| match cell.label {
        Some(Label::More(more)) => Some(more),
        _ => None,
    });
    (users, more.unwrap_or(0))
}

#[test]
fn who_speaks_is_large_and_the_others_stay_where_they_are() {
    let plan = mix(json!({ "Layout": "speaker" }));
    let vertical = super::tests::plan(json!({ "Layout": { "LayoutMode": 1 } }));
    let room = room(5);
    let order = |speaker: Option<&str>| {
        let cells = plan.cells(&room, speaker.map(camera).as_ref());
        let rects = |cells: &[Cell]| cells.iter().map(|cell| cell.rect).collect::<Vec<_>>();
        assert_eq!(rects(&cells), rects(&vertical.cells(&room, None)));
        shown(&cells).0.join("")
    };
    assert_eq!(order(None), "01234");
    assert_eq!(order(Some("0")), "01234");
    assert_eq!(order(Some("2")), "21034");
    assert_eq!(order(Some("4")), "41230");
    assert_eq!(order(Some("left meanwhile")), "01234");
    assert_eq!(plan.cells(&[], Some(&camera("0"))), []);
    for member in &room {
        assert_eq!(plan.source_size(&member.stream, &room), Some((1024, 720)), "each may be the next");
    }
}

#[test]
fn the_last_window_counts_those_without_one() {
    let table: [(_, usize, usize, &[&str], usize); 9] = [
        (json!({ "MaxCells": 4 }), 4, 4, &["0", "1", "2", "3"], 0),
        (json!({ "MaxCells": 4 }), 9, 4, &["0", "1", "2"], 6),
        (json!({ "MaxCells": 2 }), 3, 2, &["0"], 2),
        (json!({ "MaxCells": 1 }), 3, 1, &["0"], 0),
        (json!({ "MaxCells": 17 }), 17, 17, &[], 0),
        (json!({ "MaxCells": 3, "Layout": "speaker" }), 9, 3, &["7", "1"], 7),
        (json!({ "MaxCells": 2, "Layout": "speaker" }), 9, 2, &["7"], 8),
        (json!({ "MaxCells": 1, "Layout": "speaker" }), 9, 1, &["7"], 0),
        (json!({ "MaxCells": 3, "Layout": "speaker" }), 2, 2, &["0", "1"], 0),
    ];
    for (fields, n, windows, users, more) in table {
        let cells = mix(fields.clone()).cells(&room(n), Some(&camera("7")));
        assert_eq!(cells.len(), windows, "{fields}");
        let (who, count) = shown(&cells);
        assert_eq!(count, more, "{fields}");
        assert!(users.is_empty() || who == users, "{fields}: {who:?}");
    }
    let alone = mix(json!({ "MaxCells": 1, "Layout": "speaker" })).cells(&room(3), None);
    assert_eq!(alone[0].rect, Rect { x: 0, y: 0, width: 1280, height: 720 });
    let few = mix(json!({ "MaxCells": 4 }));
    assert_eq!(few.source_size(&camera("2"), &room(9)), Some((640, 360)));
    assert_eq!(few.source_size(&camera("3"), &room(9)), None, "nobody sees it");
    assert!(few.hears(&camera("8")));
}

#[test]
fn names_are_those_of_the_users_or_their_ids() {
    let mut room = members([camera("a"), screen("b")]);
    room[0].name = "陈 晨".into();
    room[1].name = " ".into();
    let label = |plan: &Plan| plan.cells(&room, None).into_iter().map(|cell| cell.label).collect::<Vec<_>>();
    let name = |name: &str| Some(Label::Name(name.into()));
    assert_eq!(label(&mix(json!({ "Names": true }))), [name("陈 晨"), name("b")]);
    assert_eq!(label(&mix(json!({}))), [None, None]);
    let mut regions = custom([json!({}), json!({}), json!({})]);
    regions.overlays.names = true;
    assert_eq!(streams(&regions.cells(&room, None)), [Some(screen("a")), Some(camera("a")), Some(camera("b"))]);
    assert_eq!(label(&regions), [None, name("陈 晨"), None], "who is not there has no name");
}

#[test]
fn overlays_and_their_images_are_those_of_the_request() {
    let image = json!({ "Image": "https://example.com/w.png", "Width": 80, "Height": 60 });
    let marks = json!({ "Clock": { "Position": "bottom-left" }, "Watermarks": [image, { "Text": "t" }] });
    let plan = mix(marks);
    assert_eq!(plan.overlays.clock.map(|clock| clock.position), Some(Corner::BottomLeft));
    assert_eq!(plan.overlays.watermarks.len(), 2);
    assert_eq!(Vec::from_iter(plan.images()), ["https://example.com/w.png"]);
    let alternate = json!({ "AlternateImage": "https://example.com/a.png" });
    let custom = custom([alternate.clone(), alternate, json!({})]);
    let addresses = ["https://example.com/a.png", "https://example.com/b.png"];
    assert_eq!(Vec::from_iter(custom.images()), addresses);
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    assert!(plan.has_text() && mix(json!({ "MaxCells": 3 })).has_text() && !mix(json!({})).has_text());
}

#[test]
fn the_clock_shows_the_time_of_its_zone() {
    let text = |offset: i32, ms: i64| {
        Clock { position: Corner::TopLeft, utc_offset_minutes: offset }.text(Wall(ms * MILLI_NS))
    };
    assert_eq!(text(0, 1_795_365_067_999), "2026-11-22 16:31:07");
    assert_eq!(text(480, 1_795_365_067_000), "2026-11-23 00:31:07");
    assert_eq!(text(-720, 951_868_799_000), "2000-02-29 11:59:59");
    assert_eq!(text(-1, 0), "1969-12-31 23:59:00");
}

fn layouts() -> impl Strategy<Value = Arrangement> {
    prop::sample::select(vec![
        Arrangement::Adaptive,
        Arrangement::SideBySide,
        Arrangement::Speaker,
        Arrangement::Vertical { main: None },
        Arrangement::Vertical { main: Some(camera("3")) },
    ])
}

proptest! {
    #[test]
    fn windows_are_few_enough_apart_and_inside(
        [width, height] in [20u32..=960, 20u32..=960], arrangement in layouts(), n in 0usize..=20, most in 1usize..=17,
        speaker in 0usize..30,
    ) {
        let (width, height) = (2 * width, 2 * height);
        let plan = Plan { width, height, arrangement, max_cells: most, ..mix(json!({})) };
        let room = room(n);
        let cells = plan.cells(&room, Some(&camera(&speaker.to_string())));
        prop_assert!(cells.len() <= most);
        for (i, Cell { rect, .. }) in cells.iter().enumerate() {
            prop_assert!([rect.x, rect.y, rect.width, rect.height].iter().all(|side| side % 2 == 0));
            prop_assert!(rect.x + rect.width <= width && rect.y + rect.height <= height, "{rect:?}");
            for Cell { rect: other, .. } in &cells[..i] {
                let apart = rect.x >= other.x + other.width || other.x >= rect.x + rect.width
                    || rect.y >= other.y + other.height || other.y >= rect.y + rect.height;
                prop_assert!(apart, "{rect:?} and {other:?}");
            }
        }
        let (mut users, more) = shown(&cells);
        let absent = cells.iter().filter(|cell| cell.stream.is_none() && cell.label.is_none()).count();
        if most > 1 && absent == 0 {
            prop_assert_eq!(users.len() + more, n.min(MAX_STREAMS), "everybody is seen or counted");
        }
        users.sort_unstable();
        users.dedup();
        prop_assert_eq!(users.len() + absent + usize::from(more > 0), cells.len(), "nobody is seen twice");
    }

    #[test]
    fn another_speaker_moves_three_windows_at_most(n in 1usize..=17, most in 1usize..=17, one in 0usize..17, other in 0usize..17) {
        let plan = Plan { arrangement: Arrangement::Speaker, max_cells: most, ..mix(json!({})) };
        let room = room(n);
        let cells = |speaker: usize| plan.cells(&room, Some(&camera(&speaker.to_string())));
        let (before, after) = (cells(one), cells(other));
        prop_assert_eq!(before.len(), after.len());
        prop_assert!(before.iter().zip(&after).filter(|(before, after)| before != after).count() <= 3);
        if other < n {
            prop_assert_eq!(after[0].stream.as_ref(), Some(&room[other].stream));
        }
    }
}
