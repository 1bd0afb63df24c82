//! What a sprite leaves of what lies below, pixel by pixel.

use super::super::Rect;
use super::*;

const BELOW: [u8; 3] = [60, 90, 200];

fn canvas(width: u32, height: u32) -> Canvas {
    let mut canvas = Canvas::new(width, height).unwrap();
    canvas.fill(Rect::sized(width, height), BELOW);
    canvas
}

fn pixel(canvas: &Canvas, x: usize, y: usize) -> [u8; 3] {
    let view = canvas.view();
    [view.row(0, y)[x], view.row(1, y / 2)[x / 2], view.row(2, y / 2)[x / 2]]
}

fn near(got: [u8; 3], wanted: [u8; 3]) -> bool {
    got.iter().zip(wanted).all(|(got, wanted)| got.abs_diff(wanted) <= 1)
}

fn between(above: [u8; 3], share: f64) -> [u8; 3] {
    [0, 1, 2].map(|n| (f64::from(BELOW[n]) * (1.0 - share) + f64::from(above[n]) * share).round() as u8)
}

#[test]
fn a_colour_covers_as_much_as_its_mask_says() {
    for rgb in [[255, 255, 255], [0, 0, 0], [255, 0, 0], [3, 200, 120]] {
        for share in [0, 1, 64, 128, 254, 255] {
            let mut sprite = Sprite::new(4, 4);
            sprite.cover(&[share; 16], rgb);
            let mut canvas = canvas(8, 8);
            canvas.lay(&sprite, 2, 2);
            let wanted = between(rgb_to_yuv(rgb), f64::from(share) / 255.0);
            assert!(near(pixel(&canvas, 3, 4), wanted), "{rgb:?} {share}: {:?} {wanted:?}", pixel(&canvas, 3, 4));
            assert_eq!(pixel(&canvas, 1, 1), BELOW);
            assert_eq!(pixel(&canvas, 6, 6), BELOW);
            if share == 0 {
                assert_eq!(pixel(&canvas, 3, 4), BELOW, "nothing is left of a transparent one");
            }
        }
    }
}

#[test]
fn chroma_is_covered_as_much_as_its_four_pixels_are() {
    let mut sprite = Sprite::new(2, 2);
    sprite.cover(&[255, 0, 0, 0], [255, 0, 0]);
    let mut canvas = canvas(2, 2);
    canvas.lay(&sprite, 0, 0);
    let red = rgb_to_yuv([255, 0, 0]);
    assert_eq!(canvas.view().row(0, 0), [red[0], BELOW[0]]);
    assert_eq!(canvas.view().row(0, 1), [BELOW[0], BELOW[0]]);
    let wanted = between(red, 0.25);
    assert!(near(pixel(&canvas, 0, 0), [red[0], wanted[1], wanted[2]]), "{:?}", pixel(&canvas, 0, 0));
}

#[test]
fn layers_lie_one_over_the_other_and_fade_together() {
    let mut sprite = Sprite::new(2, 2);
    sprite.cover(&[128; 4], [0, 0, 0]);
    sprite.cover(&[255, 255, 0, 0], [255, 255, 255]);
    let mut whole = canvas(2, 2);
    whole.lay(&sprite, 0, 0);
    let dark = between(BLACK, 128.0 / 255.0);
    assert_eq!(whole.view().row(0, 0), [235, 235]);
    assert!(whole.view().row(0, 1)[0].abs_diff(dark[0]) <= 1);
    sprite.fade(128);
    let mut half = canvas(2, 2);
    half.lay(&sprite, 0, 0);
    let wanted = (f64::from(BELOW[0]) + (235.0 - f64::from(BELOW[0])) * 128.0 / 255.0).round() as u8;
    assert!(half.view().row(0, 0)[0].abs_diff(wanted) <= 1, "{:?}", half.view().row(0, 0));
    sprite.fade(0);
    let mut none = canvas(2, 2);
    none.lay(&sprite, 0, 0);
    assert_eq!(pixel(&none, 0, 0), BELOW);
}

#[test]
fn what_reaches_beyond_the_canvas_is_cut_off() {
    let mut sprite = Sprite::new(5, 3);
    assert_eq!((sprite.width(), sprite.height()), (6, 4));
    sprite.cover(&[255; 24], [255, 255, 255]);
    for (x, y) in [(-4, -2), (6, 6), (-3, 7), (-100, 0), (0, 100), (i32::MAX, i32::MIN)] {
        let mut canvas = canvas(8, 8);
        canvas.lay(&sprite, x, y);
        let (left, top) = (i64::from(x & !1), i64::from(y & !1));
        for (px, py) in (0..8).flat_map(|y| (0..8).map(move |x| (x, y))) {
            let inside = (left..left + 6).contains(&px) && (top..top + 4).contains(&py);
            let wanted = if inside { [235, 128, 128] } else { BELOW };
            assert_eq!(pixel(&canvas, px as usize, py as usize), wanted, "{x} {y}: {px} {py}");
        }
    }
}
