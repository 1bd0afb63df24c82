//! The row passes in plain Rust: what the vector code must give too, bit for bit.
//!
//! Between the passes pixels are signed, less 128: then 16 bits hold any sum of weights up to 256, and one rounding
//! per pass is all that is lost.

use super::taps::Taps;

/// Two source rows and their weights.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// Where the rows begin in the plane.
    pub rows: [usize; 2],
    /// All pairs of an output row sum up to 256.
    pub weights: [u8; 2],
}

/// The row pairs of one output row, from its taps and the bytes between two rows.
pub fn pairs(taps: (usize, &[u16]), stride: usize, into: &mut Vec<Pair>) {
    let (start, weights) = taps;
    into.clear();
    if let &[256] = weights {
        into.push(Pair { rows: [start * stride; 2], weights: [255, 1] });
        return;
    }
    into.extend(weights.chunks(2).enumerate().map(|(index, part)| {
        let row = (start + 2 * index) * stride;
        match part {
            [a, b] => Pair { rows: [row, row + stride], weights: [*a as u8, *b as u8] },
            _ => Pair { rows: [row; 2], weights: [part[0] as u8, 0] },
        }
    }));
}

/// Weighs rows of `plane` into `out`.
pub fn vertical(plane: &[u8], pairs: &[Pair], out: &mut [i8]) {
    const BLOCK: usize = 64;
    for (number, block) in out.chunks_mut(BLOCK).enumerate() {
        let mut sums = [128_i16; BLOCK];
        let at = number * BLOCK;
        for &Pair { rows, weights } in pairs {
            for (row, weight) in rows.into_iter().zip(weights) {
                let row = &plane[row + at..row + at + block.len()];
                for (sum, &pixel) in sums.iter_mut().zip(row) {
                    *sum += signed(pixel) * i16::from(weight);
                }
            }
        }
        block.iter_mut().zip(sums).for_each(|(pixel, sum)| *pixel = (sum >> 8) as i8);
    }
}

/// Weighs pixels of a row into `out`, which has one pixel per output of `taps`.
pub fn horizontal(taps: &Taps, row: &[i8], out: &mut [u8]) {
    for (output, pixel) in out.iter_mut().enumerate().take(taps.len()) {
        let (start, weights) = taps.at(output);
        let products = row[start..].iter().zip(weights).map(|(&pixel, &weight)| i32::from(pixel) * i32::from(weight));
        let sum: i32 = products.sum();
        *pixel = ((sum + 128) >> 8) as u8 ^ 0x80;
    }
}

/// Every output pixel is the mean of 2 x 2; the rows hold twice as many pixels as `out`.
pub fn half(upper: &[u8], lower: &[u8], out: &mut [u8]) {
    for ((pixel, a), b) in out.iter_mut().zip(upper.chunks_exact(2)).zip(lower.chunks_exact(2)) {
        let sum: u16 = [a[0], a[1], b[0], b[1]].map(u16::from).iter().sum();
        *pixel = ((sum + 2) >> 2) as u8;
    }
}

fn signed(pixel: u8) -> i16 {
    i16::from(pixel) - 128
}
