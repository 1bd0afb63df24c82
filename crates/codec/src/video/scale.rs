//! Scaling of 8-bit planes, row by row, so that a caller writes each row where it belongs.
//!
//! Rows first (all source rows of an output row into one), then columns: the columns of rows that are not needed are
//! never touched, and what lies between the passes is one row.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod lanes;
mod level;
mod rows;
mod taps;

use self::lanes::Lanes;
use self::level::Level;
use self::rows::Pair;
use self::taps::Taps;
use std::sync::Arc;

/// Tables kept. A layout needs at most four per size of its inputs.
const KEPT: usize = 64;
/// What vector code may read, and not use, beyond a row.
const MARGIN: usize = 32;

/// Scales planes; keeps its tables and buffers from one picture to the next.
///
/// Shrinking averages over everything an output pixel covers (triangle filter), exactly 2:1 takes the mean of 2 x 2,
/// enlarging is bilinear, equal sizes are copied. Luma and chroma are both scaled centre to centre, which is where
/// browsers put chroma.
#[derive(Debug)]
pub struct Scaler {
    level: Level,
    /// The last used is the last one.
    axes: Vec<Arc<Axis>>,
    buffers: Buffers,
}

/// Tables for one axis from one size to another.
#[derive(Debug)]
struct Axis {
    from: usize,
    to: usize,
    taps: Taps,
    /// Without vector instructions there are none.
    lanes: Option<Lanes>,
}

#[derive(Debug, Default)]
struct Buffers {
    row: Vec<i8>,
    pairs: Vec<Pair>,
}

/// A rectangle of a plane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plane<'a> {
    /// From the first pixel of the rectangle at least to its last one.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    pub width: usize,
    pub height: usize,
}

impl<'a> Plane<'a> {
    fn row(&self, row: usize) -> &'a [u8] {
        &self.data[row * self.stride..][..self.width]
    }
}

impl Default for Scaler {
    fn default() -> Scaler {
        Scaler::new()
    }
}

impl Scaler {
    /// One that uses AVX-512 or AVX2 where the processor has it; the pictures are the same without.
    pub fn new() -> Scaler {
        Scaler { level: Level::usable()[0], axes: Vec::new(), buffers: Buffers::default() }
    }

    /// Prepares the scaling of a rectangle to `to` (width, height); neither is empty.
    pub(super) fn start<'a>(&'a mut self, from: Plane<'a>, to: (usize, usize)) -> Scaling<'a> {
        let way = if (from.width, from.height) == to {
            Way::Copy
        } else if (from.width, from.height) == (2 * to.0, 2 * to.1) {
            Way::Half
        } else {
            let (columns, rows) = (self.axis(from.width, to.0), self.axis(from.height, to.1));
            let reach = columns.lanes.as_ref().map_or(0, |lanes| lanes.reach);
            self.buffers.row.resize(reach.max(from.width + MARGIN), 0);
            Way::Filter { columns, rows }
        };
        Scaling { level: self.level, from, way, buffers: &mut self.buffers }
    }

    fn axis(&mut self, from: usize, to: usize) -> Arc<Axis> {
        if let Some(at) = self.axes.iter().position(|axis| (axis.from, axis.to) == (from, to)) {
            let used = self.axes.remove(at);
            self.axes.push(used);
        } else {
            if self.axes.len() == KEPT {
                self.axes.remove(0);
            }
            let taps = Taps::new(from, to);
            let lanes = (self.level != Level::Plain).then(|| Lanes::new(&taps));
            self.axes.push(Arc::new(Axis { from, to, taps, lanes }));
        }
        self.axes[self.axes.len() - 1].clone()
    }
}

/// One plane on its way.
pub(super) struct Scaling<'a> {
    level: Level,
    from: Plane<'a>,
    way: Way,
    buffers: &'a mut Buffers,
}

enum Way {
    Copy,
    Half,
    Filter { columns: Arc<Axis>, rows: Arc<Axis> },
}

impl Scaling<'_> {
    /// Writes output row `row` to `out`, which is as wide as the output.
    pub(super) fn row(&mut self, row: usize, out: &mut [u8]) {
        let (from, level) = (self.from, self.level);
        match &self.way {
            Way::Copy => out.copy_from_slice(from.row(row)),
            Way::Half => level.half(from.row(2 * row), from.row(2 * row + 1), out),
            Way::Filter { columns, rows } => {
                let Buffers { row: between, pairs } = &mut *self.buffers;
                rows::pairs(rows.taps.at(row), from.stride, pairs);
                level.vertical(from.data, pairs, &mut between[..from.width]);
                level.horizontal(&columns.taps, columns.lanes.as_ref(), between, out);
            }
        }
    }
}

#[cfg(test)]
mod tests;
