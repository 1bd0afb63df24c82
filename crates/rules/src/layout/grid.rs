//! Windows of the layouts whose geometry is ours: adaptive, vertical, side by side.
//!
//! Windows lie between edges at fractions of the picture's sides, rounded to even pixels. Neighbours share an edge, so
//! they leave no gap and do not overlap; equal windows differ by at most 2 pixels. In a picture with fewer pixels than
//! windows some are empty.

use super::cell::Rect;

/// A picture's, in even pixels.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

/// A stretch of a side, in parts of which the side has `of`.
#[derive(Clone, Copy)]
struct Span {
    from: usize,
    to: usize,
    of: usize,
}

const WHOLE: Span = Span { from: 0, to: 1, of: 1 };

/// The part of this number.
fn part(n: usize, of: usize) -> Span {
    Span { from: n, to: n + 1, of }
}

impl Span {
    /// Its two edges on a side of so many pixels.
    fn on(self, side: u32) -> [u32; 2] {
        let (half, of) = (u64::from(side / 2), self.of as u64);
        [self.from, self.to].map(|n| 2 * ((2 * half * n as u64 + of) / (2 * of)) as u32)
    }
}

impl Size {
    fn window(self, across: Span, down: Span) -> Rect {
        Rect::between(across.on(self.width), down.on(self.height))
    }
}

/// Most small windows beside a large one.
pub const MAX_SMALL: usize = 16;

/// `n` windows, row by row, in the smallest of the grids 1 x 1, 2 x 1, 2 x 2, 3 x 3 and 4 x 4 that holds them. For 17
/// the picture is five rows and columns of windows: four rows of four, centred, and the last one below their middle.
pub fn adaptive(canvas: Size, n: usize) -> Vec<Rect> {
    let (columns, rows) = match n {
        0..=1 => (1, 1),
        2 => (2, 1),
        3..=4 => (2, 2),
        5..=9 => (3, 3),
        10..=16 => (4, 4),
        _ => return (0..17).map(|i| window_of_17(canvas, i)).collect(),
    };
    (0..n).map(|i| canvas.window(part(i % columns, columns), part(i / columns, rows))).collect()
}

fn window_of_17(canvas: Size, i: usize) -> Rect {
    // Tenths, as windows begin half a window from the left.
    let from = if i < 16 { 1 + 2 * (i % 4) } else { 4 };
    canvas.window(Span { from, to: from + 2, of: 10 }, part(i / 4, 5))
}

/// `n` columns of full height.
pub fn side_by_side(canvas: Size, n: usize) -> Vec<Rect> {
    (0..n).map(|i| canvas.window(part(i, n), WHOLE)).collect()
}

/// The large window at the left, of full height, and the windows of up to 16 small ones at the right, downwards and
/// then to the right: 4, 6 or 8 in one column of a fifth, seventh or ninth of the width, or two columns of 8 and a
/// tenth each. The large window is as wide whether small ones are taken or spare.
pub fn vertical(canvas: Size, small: usize) -> (Rect, Vec<Rect>) {
    let (parts, columns, rows) = match small {
        0..=4 => (5, 1, 4),
        5..=6 => (7, 1, 6),
        7..=8 => (9, 1, 8),
        _ => (10, 2, 8),
    };
    let first = parts - columns;
    let large = canvas.window(Span { from: 0, to: first, of: parts }, WHOLE);
    let window = |i: usize| canvas.window(part(first + i / rows, parts), part(i % rows, rows));
    (large, (0..small.min(columns * rows)).map(window).collect())
}
