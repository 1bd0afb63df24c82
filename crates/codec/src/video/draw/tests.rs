//! What is drawn where, compared pixel by pixel.

use super::*;
use proptest::prelude::*;

/// A picture of one colour.
fn flat(width: u32, height: u32, colour: [u8; 3]) -> Canvas {
    let mut canvas = Canvas::new(width, height).unwrap();
    canvas.fill(Rect::sized(width, height), colour);
    canvas
}

/// A picture in which every pixel differs from its neighbours.
fn pattern(width: u32, height: u32) -> Vec<u8> {
    let length = width * height + 2 * width.div_ceil(2) * height.div_ceil(2);
    (0..length).map(|n| (n * 37 + n / width * 11) as u8).collect()
}

#[test]
fn a_picture_of_the_same_size_is_copied_to_its_place() {
    let data = pattern(8, 6);
    let picture = I420::packed(&data, 8, 6).unwrap();
    let mut canvas = flat(20, 16, [50, 60, 70]);
    let dest = Rect { x: 4, y: 2, width: 8, height: 6 };
    canvas.draw(&mut Scaler::new(), &picture, &Draw::whole(&picture, dest)).unwrap();
    for plane in 0..3 {
        let unit = if plane == 0 { 1 } else { 2 };
        let (width, height) = canvas.view().plane_size(plane);
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            let inside = (4 / unit..12 / unit).contains(&x) && (2 / unit..8 / unit).contains(&y);
            let wanted = if inside { picture.row(plane, y - 2 / unit)[x - 4 / unit] } else { [50, 60, 70][plane] };
            assert_eq!(canvas.view().row(plane, y)[x], wanted, "{plane} {x} {y}");
        }
    }
}

proptest! {
    /// What reaches beyond the canvas is drawn as on a canvas large enough, then cut.
    #[test]
    fn clipping_changes_nothing_inside(
        x in -30_i32..30, y in -30_i32..30, size in (1_u32..30, 1_u32..30), from in (1_u32..60, 1_u32..60),
        alpha: u8, radius in 0_u32..20,
    ) {
        let data = pattern(from.0, from.1);
        let picture = I420::packed(&data, from.0, from.1).unwrap();
        let dest = Rect { x: 2 * x, y: 2 * y, width: 2 * size.0, height: 2 * size.1 };
        let draw = Draw { alpha, corner_radius: radius, ..Draw::whole(&picture, dest) };
        let mut scaler = Scaler::new();
        let mut small = flat(40, 30, [90, 30, 200]);
        small.draw(&mut scaler, &picture, &draw).unwrap();
        let mut large = flat(240, 240, [90, 30, 200]);
        let moved = Rect { x: dest.x + 100, y: dest.y + 100, ..dest };
        large.draw(&mut scaler, &picture, &Draw { dest: moved, ..draw }).unwrap();
        for plane in 0..3 {
            let offset = if plane == 0 { 100 } else { 50 };
            let (width, height) = small.view().plane_size(plane);
            for row in 0..height {
                let wanted = &large.view().row(plane, row + offset)[offset..offset + width];
                prop_assert_eq!(small.view().row(plane, row), wanted);
            }
        }
    }
}

#[test]
fn a_part_of_a_picture_shows_nothing_of_the_rest() {
    let mut picture = flat(64, 32, [200, 200, 200]);
    picture.fill(Rect { x: 16, y: 8, width: 32, height: 16 }, [100, 90, 80]);
    let mut canvas = flat(50, 50, [0; 3]);
    let draw = Draw {
        source: Rect { x: 16, y: 8, width: 32, height: 16 },
        dest: Rect { x: -2, y: -2, width: 54, height: 54 },
        alpha: 255,
        corner_radius: 0,
    };
    canvas.draw(&mut Scaler::new(), &picture.view(), &draw).unwrap();
    for (plane, level) in [100, 90, 80].into_iter().enumerate() {
        assert!(
            (0..canvas.view().plane_size(plane).1).all(|row| canvas
                .view()
                .row(plane, row)
                .iter()
                .all(|&pixel| pixel == level))
        );
    }
}

#[test]
fn alpha_mixes_and_zero_draws_nothing() {
    let picture = flat(16, 16, [235, 240, 16]);
    for alpha in 0..=255 {
        let mut canvas = flat(16, 16, [16, 128, 128]);
        let draw = Draw { alpha, ..Draw::whole(&picture.view(), Rect::sized(16, 16)) };
        canvas.draw(&mut Scaler::new(), &picture.view(), &draw).unwrap();
        let share = f64::from(alpha) / 255.0;
        for (plane, (below, above)) in [(16.0, 235.0), (128.0, 240.0), (128.0, 16.0)].into_iter().enumerate() {
            let wanted = below + (above - below) * share;
            let got = f64::from(canvas.view().row(plane, 5)[3]);
            assert!((got - wanted).abs() <= 0.5, "{alpha}: {got} for {wanted}");
        }
    }
}

#[test]
fn round_corners_are_quarters_of_a_circle() {
    let picture = flat(80, 60, [255, 255, 255]);
    let mut canvas = flat(80, 60, [0; 3]);
    for radius in [1, 2, 7, 16, 30, 500] {
        canvas.fill(Rect::sized(80, 60), [0; 3]);
        let draw = Draw { corner_radius: radius, ..Draw::whole(&picture.view(), Rect::sized(80, 60)) };
        canvas.draw(&mut Scaler::new(), &picture.view(), &draw).unwrap();
        let radius = f64::from(radius.min(30));
        for (plane, unit) in [(0, 1.0), (1, 2.0)] {
            let view = canvas.view();
            let (width, height) = view.plane_size(plane);
            let covered: f64 =
                (0..height).flat_map(|row| view.row(plane, row)).map(|&level| f64::from(level) / 255.0).sum();
            let wanted = 80.0 * 60.0 - (4.0 - std::f64::consts::PI) * radius * radius;
            assert!((covered * unit * unit - wanted).abs() < 2.0 + radius / 4.0, "{radius}: {covered} for {wanted}");
            for row in 0..height {
                let pixels = view.row(plane, row);
                assert!(pixels.iter().eq(pixels.iter().rev()), "left and right are alike");
                assert_eq!(pixels, view.row(plane, height - 1 - row), "above and below are alike");
            }
            assert_eq!(view.row(plane, height / 2)[width / 2], 255);
        }
    }
}

#[test]
fn bad_requests_are_errors() {
    let data = pattern(9, 7);
    let picture = I420::packed(&data, 9, 7).unwrap();
    let mut canvas = Canvas::new(20, 20).unwrap();
    let good = Draw::whole(&picture, Rect::sized(10, 10));
    let mut draw = |draw: Draw| canvas.draw(&mut Scaler::new(), &picture, &draw).is_ok();
    assert!(draw(good));
    assert!(draw(Draw { source: Rect { x: 4, y: 2, width: 5, height: 4 }, ..good }), "up to the odd end");
    assert!(
        draw(Draw { dest: Rect { x: i32::MIN, y: i32::MAX - 1, width: 16384, height: 2 }, ..good }),
        "nothing to see"
    );
    assert!(!draw(Draw { source: Rect { x: 4, y: 2, width: 3, height: 4 }, ..good }));
    assert!(!draw(Draw { source: Rect { x: 1, y: 0, width: 8, height: 7 }, ..good }));
    assert!(!draw(Draw { source: Rect { x: 2, y: 0, width: u32::MAX, height: 7 }, ..good }));
    assert!(!draw(Draw { source: Rect { x: -2, y: 0, width: 4, height: 4 }, ..good }));
    assert!(!draw(Draw { source: Rect::sized(0, 4), ..good }));
    assert!(!draw(Draw { dest: Rect::sized(5, 4), ..good }));
    assert!(!draw(Draw { dest: Rect::sized(20_000, 4), ..good }));
    assert!(!draw(Draw { dest: Rect { x: 3, ..Rect::sized(4, 4) }, ..good }));
    let short = I420 { planes: [&data[..9], &[], &[]], ..picture };
    assert!(canvas.draw(&mut Scaler::new(), &short, &good).is_err());
}
