use super::*;
use proptest::prelude::*;

fn side() -> impl Strategy<Value = u32> {
    (1u32..1_000).prop_map(|pairs| pairs * 2)
}

fn shot() -> impl Strategy<Value = (bool, usize, u16, bool)> {
    (prop::bool::weighted(0.3), 0usize..4, (0u16..4).prop_map(|turns| turns * 90), prop::bool::weighted(0.2))
}

/// Pictures of four sizes. A picture that is not a key frame has the size of the one before; `filler` is always at one
/// place.
fn shots(drawn: &[(bool, usize, u16, bool)], sizes: &[(u32, u32)], turns: bool) -> Vec<Shot> {
    let mut shots: Vec<Shot> = Vec::new();
    for (n, (key, size, rotation, filler)) in drawn.iter().enumerate() {
        let rotation = if turns { *rotation } else { 90 };
        let shot = match shots.last() {
            _ if *filler => {
                Shot { place: 7, key: true, size: sizes[0], rotation: if turns { 0 } else { 90 }, misnamed: false }
            }
            Some(last) if !key && last.place != 7 => Shot { place: 1_000 + n as u64, key: false, rotation, ..*last },
            _ => Shot { place: 1_000 + n as u64, key: true, size: sizes[*size], rotation, misnamed: n % 31 == 30 },
        };
        shots.push(shot);
    }
    shots
}

proptest! {
    #[test]
    fn what_is_like_the_canvas_is_kept_and_all_else_is_encoded_once(
        drawn in prop::collection::vec(shot(), 1..60),
        sizes in prop::collection::vec((side(), side()), 4),
        turns: bool,
        upright: bool,
    ) {
        let shots = shots(&drawn, &sizes, turns);
        let Some(plan) = plan(&shots, upright) else {
            prop_assert!(shots.iter().all(|shot| shot.is(shots[0].size, shots[0].rotation)));
            prop_assert!(!upright || shots[0].rotation == 0);
            return Ok(());
        };
        let shown = |shot: &Shot| turned(shot.size, shot.rotation);
        let wanted = (
            shots.iter().map(|shot| shown(shot).0).max().unwrap_or(0),
            shots.iter().map(|shot| shown(shot).1).max().unwrap_or(0),
        );
        prop_assert!(!upright || plan.rotation == 0);
        prop_assert_eq!(turned(plan.canvas, plan.rotation), wanted, "width and height independently");
        let mut end = 0;
        for group in &plan.groups {
            let Range { start, end: next } = group.pictures.clone();
            prop_assert!(start >= end && next > start);
            prop_assert!(start == 0 || shots[start].key);
            prop_assert!(shots[start + 1..next].iter().all(|shot| !shot.key));
            prop_assert!(next == shots.len() || shots[next].key, "up to the next key frame");
            end = next;
            if let Some(first) = group.same_as {
                prop_assert!(first < start && next == start + 1 && shots[first].place == shots[start].place);
                let earlier = plan.groups.iter().find(|group| group.pictures == (first..first + 1));
                prop_assert!(earlier.is_some_and(|earlier| earlier.same_as.is_none()));
            }
        }
        for (n, shot) in shots.iter().enumerate() {
            let alike = shot.is(plan.canvas, plan.rotation);
            let anew = plan.groups.iter().any(|group| group.pictures.contains(&n));
            prop_assert!(alike || anew);
        }
        for group in &plan.groups {
            let mut pictures = shots[group.pictures.clone()].iter();
            prop_assert!(pictures.any(|shot| !shot.is(plan.canvas, plan.rotation)));
        }
    }

    #[test]
    fn a_picture_fits_in_the_middle(size in (side(), side()), canvas in (side(), side())) {
        let rect = fit(size, canvas);
        let (x, y) = (rect.x as u32, rect.y as u32);
        prop_assert!([x, y, rect.width, rect.height].iter().all(|pixels| pixels % 2 == 0));
        prop_assert!(rect.width >= 2 && rect.height >= 2);
        let (right, below) = (canvas.0 - rect.width - x, canvas.1 - rect.height - y);
        prop_assert!(right - x <= 2 && below - y <= 2, "centred");
        prop_assert!(rect.width == canvas.0 || rect.height == canvas.1, "as large as fits");
        let wanted = (size.0 as f64 / size.1 as f64, rect.width as f64 / rect.height as f64);
        let pair = 1.01 * wanted.0 / f64::from(rect.width.min(rect.height)) * (1.0 + wanted.0.max(1.0 / wanted.0));
        prop_assert!((wanted.0 - wanted.1).abs() <= pair || rect.width == 2 || rect.height == 2, "{:?}", wanted);
    }
}

#[test]
fn what_fills_the_canvas_is_all_of_it() {
    assert_eq!(fit((1280, 720), (1280, 720)), Rect::sized(1280, 720));
    assert_eq!(fit((640, 360), (1280, 720)), Rect::sized(1280, 720));
    assert_eq!(fit((480, 360), (1280, 720)), Rect { x: 160, y: 0, width: 960, height: 720 });
    assert_eq!(fit((720, 1280), (1280, 720)), Rect { x: 436, y: 0, width: 406, height: 720 });
    assert_eq!(fit((2, 4096), (1280, 720)), Rect { x: 638, y: 0, width: 2, height: 720 });
}
