//! What holds of every picture and every room.

use proptest::prelude::*;

use super::*;
use crate::request::{AlternateFill, RegionMedia};

fn room(size: usize) -> Vec<Member> {
    let kind = |i: usize| if i % 3 == 2 { StreamKind::Screen } else { StreamKind::Camera };
    let stream = |i: usize| StreamId { user: i.to_string(), kind: kind(i) };
    (0..size).map(|i| Member { stream: stream(i), name: String::new(), video: i % 5 != 1 }).collect()
}

fn side() -> impl Strategy<Value = u32> {
    prop_oneof![1u32..=20, 1u32..=960].prop_map(|half| 2 * half)
}

/// A layout whose geometry is ours.
fn arrangement() -> impl Strategy<Value = Arrangement> {
    let main = prop::option::of(0usize..30).prop_map(|main| main.map(|i| room(i + 1).remove(i).stream));
    prop_oneof![
        Just(Arrangement::Adaptive),
        Just(Arrangement::SideBySide),
        main.prop_map(|main| Arrangement::Vertical { main }),
    ]
}

prop_compose! {
    fn region(user: usize)(
        [x, y] in [0u32..1920, 0u32..1920], [width, height] in [1u32..=1920, 1u32..=1920], z_order in 0u32..=100,
        fit in prop::sample::select(vec![Fit::Stretch, Fit::Crop, Fit::Contain]),
        media in prop::sample::select(vec![RegionMedia::Both, RegionMedia::AudioOnly, RegionMedia::VideoOnly]),
        [left, top, alpha] in [0.0f32..1.0, 0.0f32..1.0, 0.01f32..1.0], corner_radius in 0u32..1920,
        url in prop::option::of("https://[a-z]{1,9}/é\"\\\\"), pan in prop::option::of(-1.0f32..=1.0),
    ) -> Region {
        Region {
            stream: room(user + 1).remove(user).stream,
            rect: Rect { x, y, width, height },
            z_order,
            fit,
            crop: Crop { x: left, y: top, width: 1.0 - left, height: 1.0 - top },
            alpha,
            corner_radius,
            media,
            alternate: url.map(|url| Alternate { url, fill: AlternateFill::OwnRatio }),
            pan,
        }
    }
}

fn regions() -> impl Strategy<Value = Arrangement> {
    (0..=MAX_STREAMS).prop_flat_map(|n| (0..n).map(region).collect::<Vec<_>>()).prop_map(Arrangement::Custom)
}

fn plan(width: u32, height: u32, arrangement: Arrangement) -> Plan {
    Plan {
        width,
        height,
        background: [0; 3],
        background_image: None,
        frame_fill: FrameFill::Black,
        arrangement,
        max_cells: MAX_STREAMS,
        overlays: Overlays::default(),
    }
}

fn is_even(rect: Rect) -> bool {
    [rect.x, rect.y, rect.width, rect.height].iter().all(|side| side % 2 == 0) && !rect.is_empty()
}

fn overlap(a: Rect, b: Rect) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

fn area(rects: &[Rect]) -> u32 {
    rects.iter().map(|rect| rect.width * rect.height).sum()
}

proptest! {
    #[test]
    fn windows_are_even_apart_and_inside(width in side(), height in side(), layout in arrangement(), n in 0usize..=30) {
        let plan = plan(width, height, layout);
        let room = room(n);
        let cells = plan.cells(&room, None);
        prop_assert!(cells.len() <= MAX_STREAMS);
        for (i, cell) in cells.iter().enumerate() {
            let rect = cell.rect;
            prop_assert!(is_even(rect) && rect.x + rect.width <= width && rect.y + rect.height <= height, "{rect:?}");
            for other in &cells[..i] {
                prop_assert!(!overlap(rect, other.rect), "{rect:?} and {:?}", other.rect);
                prop_assert!(cell.stream != other.stream);
            }
            if let Some(stream) = &cell.stream {
                prop_assert_eq!(plan.source_size(stream, &room), Some((rect.width, rect.height)));
            }
        }
    }

    #[test]
    fn everybody_has_a_window_and_main_the_large_one(layout in arrangement(), n in 0usize..=30) {
        let plan = plan(1280, 720, layout);
        let mut seated = room(n);
        if let Some(main) = plan.main().and_then(|main| seated.iter().position(|member| member.stream == *main)) {
            let main = seated.remove(main);
            seated.insert(0, main);
        }
        seated.truncate(MAX_STREAMS);
        let cells = plan.cells(&room(n), None);
        let shown: BTreeSet<_> = cells.iter().filter_map(|cell| cell.stream.as_ref()).collect();
        prop_assert_eq!(shown, seated.iter().map(|member| &member.stream).collect());
        if let Some(main) = plan.main() {
            let large = cells[0].stream.as_ref();
            let others = seated.len() - usize::from(seated.first().is_some_and(|first| first.stream == *main));
            prop_assert!(large == Some(main) || large.is_none() != (others == MAX_STREAMS), "{large:?}");
            prop_assert!(large == Some(main) || seated.iter().all(|member| member.stream != *main));
        }
    }

    #[test]
    fn full_grids_leave_no_gap(width in side(), height in side(), n in 1usize..=17) {
        let rects = |arrangement| -> Vec<Rect> {
            plan(width, height, arrangement).cells(&room(n), None).iter().map(|cell| cell.rect).collect()
        };
        prop_assert_eq!(area(&rects(Arrangement::SideBySide)), width * height);
        if [1, 2, 4, 9, 16].contains(&n) {
            prop_assert_eq!(area(&rects(Arrangement::Adaptive)), width * height);
        }
        if [5, 7, 9, 17].contains(&n) {
            prop_assert_eq!(area(&rects(Arrangement::Vertical { main: None })), width * height);
        }
    }

    #[test]
    fn equal_windows_differ_by_two_pixels(width in side(), height in side(), n in 1usize..=17, columns: bool) {
        let layout = if columns { Arrangement::SideBySide } else { Arrangement::Adaptive };
        let cells = plan(width.max(40), height.max(40), layout).cells(&room(n), None);
        prop_assert_eq!(cells.len(), n);
        for side in [|rect: Rect| rect.width, |rect: Rect| rect.height] {
            let sides = || cells.iter().map(|cell| side(cell.rect));
            prop_assert!(sides().max().unwrap() - sides().min().unwrap() <= 2);
        }
    }

    #[test]
    fn when_one_leaves_the_others_keep_their_order(layout in arrangement(), n in 1usize..=16, leaver in 0usize..16) {
        let plan = plan(640, 480, layout);
        let mut room = room(n);
        let order = |room: &[Member]| plan.cells(room, None).into_iter().filter_map(|cell| cell.stream).collect::<Vec<_>>();
        let mut before = order(&room);
        let left = room.remove(leaver % n).stream;
        before.retain(|stream| *stream != left);
        prop_assert_eq!(order(&room), before);
    }

    #[test]
    fn regions_stand_whoever_is_there(width in side(), height in side(), layout in regions(), n in 0usize..=30) {
        let plan = plan(width, height, layout);
        let cells = plan.cells(&room(n), None);
        prop_assert!(cells.iter().all(|cell| is_even(cell.rect) && cell.alpha > 0.0));
        prop_assert!(cells.iter().all(|cell| 2 * cell.corner_radius <= cell.rect.width.min(cell.rect.height)));
        let place = |cells: Vec<Cell>| cells.into_iter().map(|cell| (cell.stream, cell.rect)).collect::<Vec<_>>();
        prop_assert_eq!(place(cells), place(plan.cells(&[], None)));
        for member in room(n) {
            _ = (plan.source_size(&member.stream, &[]), plan.hears(&member.stream), plan.pan(&member.stream));
        }
    }

    #[test]
    fn a_plan_survives_json(width in side(), height in side(), layout in prop_oneof![arrangement(), regions()]) {
        let plan = plan(width, height, layout);
        let text = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
