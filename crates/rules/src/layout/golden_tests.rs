//! Geometry as tables of edges.

use super::grid::{Size, adaptive, side_by_side, vertical};
use super::*;

const HD: Size = Size { width: 1280, height: 720 };
const VGA: Size = Size { width: 640, height: 480 };
/// Neither side divides by much.
const ODD: Size = Size { width: 1918, height: 1078 };

/// Windows between these edges, row by row.
fn rows(across: &[u32], down: &[u32]) -> Vec<Rect> {
    let row = |y: &[u32]| across.windows(2).map(|x| Rect::between([x[0], x[1]], [y[0], y[1]])).collect::<Vec<_>>();
    down.windows(2).flat_map(row).collect()
}

/// Windows between these edges, column by column.
fn columns(across: &[u32], down: &[u32]) -> Vec<Rect> {
    across.windows(2).flat_map(|x| rows(x, down)).collect()
}

#[test]
fn adaptive_is_the_smallest_square_grid() {
    for (canvas, halves, thirds, quarters) in [
        (
            HD,
            [&[0, 640, 1280], &[0, 360, 720]],
            [&[0, 426, 854, 1280], &[0, 240, 480, 720]],
            [&[0, 320, 640, 960, 1280], &[0, 180, 360, 540, 720]],
        ),
        (
            VGA,
            [&[0, 320, 640], &[0, 240, 480]],
            [&[0, 214, 426, 640], &[0, 160, 320, 480]],
            [&[0, 160, 320, 480, 640], &[0, 120, 240, 360, 480]],
        ),
        (
            ODD,
            [&[0, 960, 1918], &[0, 540, 1078]],
            [&[0, 640, 1278, 1918], &[0, 360, 718, 1078]],
            [&[0, 480, 960, 1438, 1918], &[0, 270, 540, 808, 1078]],
        ),
    ] {
        let whole = [0, canvas.height];
        assert_eq!(adaptive(canvas, 0), []);
        assert_eq!(adaptive(canvas, 1), rows(&[0, canvas.width], &whole));
        assert_eq!(adaptive(canvas, 2), rows(halves[0], &whole));
        for n in 3..=4 {
            assert_eq!(adaptive(canvas, n), rows(halves[0], halves[1])[..n]);
        }
        for n in 5..=9 {
            assert_eq!(adaptive(canvas, n), rows(thirds[0], thirds[1])[..n]);
        }
        for n in 10..=16 {
            assert_eq!(adaptive(canvas, n), rows(quarters[0], quarters[1])[..n]);
        }
    }
}

#[test]
fn adaptive_centres_17() {
    for (canvas, across, down, last) in [
        (HD, [128, 384, 640, 896, 1152], [0, 144, 288, 432, 576, 720], [512, 768]),
        (VGA, [64, 192, 320, 448, 576], [0, 96, 192, 288, 384, 480], [256, 384]),
        (ODD, [192, 576, 960, 1342, 1726], [0, 216, 432, 646, 862, 1078], [768, 1150]),
    ] {
        let mut expected = rows(&across, &down[..5]);
        expected.extend(rows(&last, &down[4..]));
        assert_eq!(adaptive(canvas, 17), expected);
    }
}

#[test]
fn vertical_makes_room_for_more_small_windows() {
    type Class<'a> = (&'a [u32], &'a [u32]);
    let table: [(Size, [Class<'_>; 4]); 3] = [
        (
            HD,
            [
                (&[1024, 1280], &[0, 180, 360, 540, 720]),
                (&[1098, 1280], &[0, 120, 240, 360, 480, 600, 720]),
                (&[1138, 1280], &[0, 90, 180, 270, 360, 450, 540, 630, 720]),
                (&[1024, 1152, 1280], &[0, 90, 180, 270, 360, 450, 540, 630, 720]),
            ],
        ),
        (
            VGA,
            [
                (&[512, 640], &[0, 120, 240, 360, 480]),
                (&[548, 640], &[0, 80, 160, 240, 320, 400, 480]),
                (&[568, 640], &[0, 60, 120, 180, 240, 300, 360, 420, 480]),
                (&[512, 576, 640], &[0, 60, 120, 180, 240, 300, 360, 420, 480]),
            ],
        ),
        (
            ODD,
            [
                (&[1534, 1918], &[0, 270, 540, 808, 1078]),
                (&[1644, 1918], &[0, 180, 360, 540, 718, 898, 1078]),
                (&[1704, 1918], &[0, 134, 270, 404, 540, 674, 808, 944, 1078]),
                (&[1534, 1726, 1918], &[0, 134, 270, 404, 540, 674, 808, 944, 1078]),
            ],
        ),
    ];
    for (canvas, classes) in table {
        for small in 0..=17 {
            let (across, down) = classes[[4, 6, 8].iter().filter(|most| small > **most).count()];
            let (large, rest) = vertical(canvas, small);
            assert_eq!(large, Rect::between([0, across[0]], [0, canvas.height]), "{small} at {canvas:?}");
            // The 17th has none: one of 17 streams is large.
            assert_eq!(rest, columns(across, down)[..small.min(16)], "{small} at {canvas:?}");
        }
    }
}

#[test]
fn side_by_side_is_equal_columns() {
    let table: [(Size, &[&[u32]]); 3] = [
        (
            HD,
            &[
                &[0, 1280],
                &[0, 640, 1280],
                &[0, 320, 640, 960, 1280],
                &[0, 256, 512, 768, 1024, 1280],
                &[0, 142, 284, 426, 568, 712, 854, 996, 1138, 1280],
                &[0, 128, 256, 384, 512, 640, 768, 896, 1024, 1152, 1280],
                &[0, 80, 160, 240, 320, 400, 480, 560, 640, 720, 800, 880, 960, 1040, 1120, 1200, 1280],
                &[0, 76, 150, 226, 302, 376, 452, 528, 602, 678, 752, 828, 904, 978, 1054, 1130, 1204, 1280],
            ],
        ),
        (
            VGA,
            &[
                &[0, 640],
                &[0, 320, 640],
                &[0, 160, 320, 480, 640],
                &[0, 128, 256, 384, 512, 640],
                &[0, 72, 142, 214, 284, 356, 426, 498, 568, 640],
                &[0, 64, 128, 192, 256, 320, 384, 448, 512, 576, 640],
                &[0, 40, 80, 120, 160, 200, 240, 280, 320, 360, 400, 440, 480, 520, 560, 600, 640],
                &[0, 38, 76, 112, 150, 188, 226, 264, 302, 338, 376, 414, 452, 490, 528, 564, 602, 640],
            ],
        ),
        (
            ODD,
            &[
                &[0, 1918],
                &[0, 960, 1918],
                &[0, 480, 960, 1438, 1918],
                &[0, 384, 768, 1150, 1534, 1918],
                &[0, 214, 426, 640, 852, 1066, 1278, 1492, 1704, 1918],
                &[0, 192, 384, 576, 768, 960, 1150, 1342, 1534, 1726, 1918],
                &[0, 120, 240, 360, 480, 600, 720, 840, 960, 1078, 1198, 1318, 1438, 1558, 1678, 1798, 1918],
                &[0, 112, 226, 338, 452, 564, 676, 790, 902, 1016, 1128, 1242, 1354, 1466, 1580, 1692, 1806, 1918],
            ],
        ),
    ];
    for (canvas, edges) in table {
        for (n, across) in [1, 2, 4, 5, 9, 10, 16, 17].into_iter().zip(edges) {
            assert_eq!(side_by_side(canvas, n), rows(across, &[0, canvas.height]), "{n} at {canvas:?}");
        }
    }
}
