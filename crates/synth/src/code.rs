//! The part of a picture that machines read: 17 x 5 square cells, black and white.
//!
//! The first row and the first column alternate, beginning with white: they are how a reader finds place and scale, so it
//! needs neither the picture's size nor its position, and survives scaling, letterboxes and cut edges. The other 64
//! cells hold picture number (32 bits), user (16) and a check sum (16), row by row, highest bit first, white = 1. Around
//! the code at least one cell is dark.

use codec::video::I420;

pub const COLUMNS: usize = 17;
pub const ROWS: usize = 5;
/// The flash patch, seen from the code's upper left corner, in cells: x, y, width, height.
pub const FLASH: (f32, f32, f32, f32) = (0.5, 6.0, 16.0, 4.0);
/// Luma of a white cell, of a black one, and what lies between.
pub const WHITE: u8 = 235;
pub const BLACK: u8 = 16;
const MIDDLE: f32 = 122.0;
/// Cells smaller than this (pixels) are not looked for.
const SMALLEST: f32 = 2.0;

/// What the code of a picture says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    pub number: u32,
    pub user: u16,
    /// Whether the flash patch is lit.
    pub lit: bool,
}

/// The 85 cells, row by row; true is white.
pub fn cells(number: u32, user: u16) -> [[bool; COLUMNS]; ROWS] {
    let bits = u64::from(number) << 32 | u64::from(user) << 16 | u64::from(check_sum(number, user));
    let mut cells = [[false; COLUMNS]; ROWS];
    for (row, line) in cells.iter_mut().enumerate() {
        for (column, cell) in line.iter_mut().enumerate() {
            *cell = match (row, column) {
                (0, n) | (n, 0) => n % 2 == 0,
                _ => bits >> (63 - ((row - 1) * 16 + column - 1)) & 1 == 1,
            };
        }
    }
    cells
}

/// CRC-16/CCITT of number and user.
fn check_sum(number: u32, user: u16) -> u16 {
    let mut sum = 0xffff_u16;
    for byte in number.to_be_bytes().into_iter().chain(user.to_be_bytes()) {
        sum ^= u16::from(byte) << 8;
        for _ in 0..8 {
            sum = if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 };
        }
    }
    sum
}

/// A rectangle of a picture's luma.
#[derive(Clone, Copy)]
pub struct Luma<'a> {
    data: &'a [u8],
    stride: usize,
    pub width: usize,
    pub height: usize,
}

impl<'a> Luma<'a> {
    /// The part of `picture` inside `region` (x, y, width, height in pixels), or all of it. `None` when nothing is left.
    pub fn new(picture: &I420<'a>, region: Option<[u32; 4]>) -> Option<Luma<'a>> {
        let [x, y, width, height] = region.unwrap_or([0, 0, picture.width, picture.height]);
        let width = width.min(picture.width.saturating_sub(x)) as usize;
        let height = height.min(picture.height.saturating_sub(y)) as usize;
        let stride = picture.strides[0];
        let data = picture.planes[0].get(y as usize * stride + x as usize..)?;
        (width > 0 && height > 0 && data.len() >= (height - 1) * stride + width).then_some(Luma {
            data,
            stride,
            width,
            height,
        })
    }

    /// One row of pixels.
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..y * self.stride + self.width]
    }

    /// Mean of the rectangle with this centre and these half sides, pixels; `None` when the centre is outside.
    fn mean(&self, x: f32, y: f32, half_x: f32, half_y: f32) -> Option<f32> {
        if x < 0.0 || y < 0.0 || x >= self.width as f32 || y >= self.height as f32 {
            return None;
        }
        let range = |at: f32, half: f32, end: usize| {
            let first = (at - half).max(0.0) as usize;
            first..((at + half) as usize + 1).min(end).max(first + 1)
        };
        let columns = range(x, half_x, self.width);
        let (mut sum, mut count) = (0_u32, 0_u32);
        for y in range(y, half_y, self.height) {
            let pixels = &self.row(y)[columns.clone()];
            sum += pixels.iter().map(|&pixel| u32::from(pixel)).sum::<u32>();
            count += pixels.len() as u32;
        }
        Some(sum as f32 / count.max(1) as f32)
    }
}

/// Where a code is: upper left corner and sides of a cell, pixels.
#[derive(Debug, Clone, Copy)]
struct Place {
    x: f32,
    y: f32,
    cell: (f32, f32),
}

/// Reads codes; remembers where the last one was, so that a steady picture is not searched again.
#[derive(Default)]
pub struct Reader {
    last: Option<Place>,
}

impl Reader {
    /// What the picture's code says, or `None` when there is none that can be read without doubt.
    pub fn read(&mut self, luma: &Luma<'_>) -> Option<Mark> {
        if let Some(mark) = self.last.and_then(|place| read_at(luma, &place)) {
            return Some(mark);
        }
        // Every row of cells is met, if its cells are not too small to read.
        for y in (0..luma.height).step_by(2) {
            for place in places(luma, y) {
                if let Some(mark) = read_at(luma, &place) {
                    self.last = Some(place);
                    return Some(mark);
                }
            }
        }
        None
    }
}

/// Reads the cells at a place, if their check sum fits.
fn read_at(luma: &Luma<'_>, place: &Place) -> Option<Mark> {
    let (width, height) = place.cell;
    let light = |x: f32, y: f32| luma.mean(place.x + x * width, place.y + y * height, width * 0.2, height * 0.2);
    let mut bits = 0_u64;
    for row in 1..ROWS {
        for column in 1..COLUMNS {
            let white = light(column as f32 + 0.5, row as f32 + 0.5)? > MIDDLE;
            bits = bits << 1 | u64::from(white);
        }
    }
    let (number, user) = ((bits >> 32) as u32, (bits >> 16) as u16);
    if check_sum(number, user) != bits as u16 {
        return None;
    }
    let (x, y, w, h) = FLASH;
    let patch = luma.mean(place.x + (x + w / 2.0) * width, place.y + (y + h / 2.0) * height, w / 4.0 * width, height);
    Some(Mark { number, user, lit: patch.is_some_and(|light| light > MIDDLE) })
}

/// Places whose alternating first row crosses pixel row `y`.
fn places(luma: &Luma<'_>, y: usize) -> Vec<Place> {
    let edges = edges(luma.row(y).iter().copied());
    let mut found = Vec::new();
    for run in edges.windows(COLUMNS + 1) {
        let Some((x, width)) = evenly_spaced(run) else { continue };
        let column = (x + width / 2.0) as usize;
        let first = (y as f32 - 1.5 * width).max(0.0) as usize;
        let last = (y + (6.0 * width) as usize * 2).min(luma.height);
        let down = edges_of(first, (first..last).map(|y| luma.row(y)[column.min(luma.width - 1)]));
        for run in down.windows(ROWS + 1).filter(|run| run[0].at <= y as f32 + 1.0) {
            if let Some((y, height)) = evenly_spaced(run) {
                found.push(Place { x, y, cell: (width, height) });
            }
        }
    }
    found
}

/// A change between dark and light along a line of pixels.
#[derive(Clone, Copy)]
struct Edge {
    /// Pixels from the line's start, to a fraction.
    at: f32,
    rising: bool,
}

fn edges(line: impl Iterator<Item = u8>) -> Vec<Edge> {
    edges_of(0, line)
}

fn edges_of(start: usize, line: impl Iterator<Item = u8>) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut before: Option<f32> = None;
    for (position, pixel) in line.enumerate() {
        let now = f32::from(pixel);
        // What lies outside is dark.
        let last = before.unwrap_or(f32::from(BLACK));
        if (last > MIDDLE) != (now > MIDDLE) {
            // Pixel n is sampled at n + 0.5; the edge is where the line between two samples crosses the middle.
            let at = (start + position) as f32 - 0.5 + (MIDDLE - last) / (now - last);
            edges.push(Edge { at, rising: now > last });
        }
        before = Some(now);
    }
    edges
}

/// Start and spacing of a run of edges that begins with a rising one, if they lie as evenly as those of a code.
fn evenly_spaced(run: &[Edge]) -> Option<(f32, f32)> {
    let (first, last) = (run.first()?, run.last()?);
    let spacing = (last.at - first.at) / (run.len() - 1) as f32;
    let even = run
        .iter()
        .enumerate()
        .all(|(index, edge)| (edge.at - first.at - index as f32 * spacing).abs() < 0.35 * spacing);
    (first.rising && spacing >= SMALLEST && even).then_some((first.at, spacing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_clock_lines_and_bits() {
        let cells = cells(0x8000_0001, 0xffff);
        assert!((0..COLUMNS).all(|n| cells[0][n] == (n % 2 == 0)));
        assert!((0..ROWS).all(|n| cells[n][0] == (n % 2 == 0)));
        assert!(cells[1][1] && !cells[1][2] && cells[2][16]);
        assert!(cells[3][1..].iter().all(|&white| white));
        assert_eq!(check_sum(u32::from_be_bytes(*b"1234"), u16::from_be_bytes(*b"56")), 0x2ef4);
    }

    #[test]
    fn a_picture_without_code_reads_as_none() {
        let flat = vec![0_u8; 160 * 90 * 3 / 2];
        let stripes: Vec<u8> = (0..160 * 90 * 3 / 2).map(|n| if n / 5 % 2 == 0 { 16 } else { 235 }).collect();
        for data in [flat, stripes] {
            let picture = I420::packed(&data, 160, 90).unwrap();
            assert_eq!(Reader::default().read(&Luma::new(&picture, None).unwrap()), None);
            assert!(Luma::new(&picture, Some([200, 0, 10, 10])).is_none());
        }
    }
}
