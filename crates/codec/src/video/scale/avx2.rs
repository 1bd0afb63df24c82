//! The row passes with AVX2. They give what `rows` gives, bit for bit.

use super::lanes::{CHUNK, Lanes};
use super::rows::{self, Pair};
use std::arch::x86_64::*;

/// Pixels per vector.
const WIDE: usize = 32;

/// Looks whether this processor has what the functions here need.
pub fn available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// See `rows::vertical`.
#[target_feature(enable = "avx2")]
pub fn vertical(plane: &[u8], pairs: &[Pair], out: &mut [i8]) {
    let width = out.len();
    if width < WIDE {
        return rows::vertical(plane, pairs, out);
    }
    assert!(pairs.iter().flat_map(|pair| pair.rows).all(|row| row + width <= plane.len()), "rows lie in the plane");
    let mut at = 0;
    while at + 2 * WIDE <= width {
        // SAFETY: every row has `width` bytes in `plane` (checked above) and so has `out`.
        unsafe { columns::<2>(plane, pairs, at, out) };
        at += 2 * WIDE;
    }
    if at + WIDE <= width {
        // SAFETY: as above.
        unsafe { columns::<1>(plane, pairs, at, out) };
        at += WIDE;
    }
    if at < width {
        // SAFETY: as above; the last vector ends with the row, and computes some pixels a second time.
        unsafe { columns::<1>(plane, pairs, width - WIDE, out) };
    }
}

/// `N` vectors of pixels from column `at` on.
///
/// # Safety
/// `at + N * WIDE` is within `out` and, from the beginning of each row of `pairs`, within `plane`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn columns<const N: usize>(plane: &[u8], pairs: &[Pair], at: usize, out: &mut [i8]) {
    let sign = _mm256_set1_epi8(-128);
    let mut sums = [[_mm256_setzero_si256(); 2]; N];
    for pair in pairs {
        let weights = _mm256_set1_epi16(i16::from_le_bytes(pair.weights));
        for (index, [low, high]) in sums.iter_mut().enumerate() {
            let from = pair.rows.map(|row| plane.as_ptr().wrapping_add(row + at + index * WIDE).cast());
            // SAFETY: promised by the caller.
            let (a, b) = unsafe { (_mm256_loadu_si256(from[0]), _mm256_loadu_si256(from[1])) };
            let (a, b) = (_mm256_xor_si256(a, sign), _mm256_xor_si256(b, sign));
            // Sums of weights up to 256 and signed bytes between them fit 16 bits: nothing saturates.
            *low = _mm256_add_epi16(*low, _mm256_maddubs_epi16(weights, _mm256_unpacklo_epi8(a, b)));
            *high = _mm256_add_epi16(*high, _mm256_maddubs_epi16(weights, _mm256_unpackhi_epi8(a, b)));
        }
    }
    for (index, [low, high]) in sums.into_iter().enumerate() {
        let pixels = _mm256_packs_epi16(rounded(low), rounded(high));
        // SAFETY: promised by the caller.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(at + index * WIDE).cast(), pixels) };
    }
}

/// See `rows::horizontal`. `row` is as long as `lanes.reach` says, `out` has at most as many pixels as the table.
#[target_feature(enable = "avx2")]
pub fn horizontal(lanes: &Lanes, row: &[i8], out: &mut [u8]) {
    assert!(lanes.reach <= row.len() && out.len() <= lanes.starts.len() * lanes.per_lane * 2, "buffers fit the table");
    match (lanes.per_lane, lanes.steps) {
        (8, 1) => chunks::<1, 1>(lanes, row, out),
        (8, 2) => chunks::<1, 2>(lanes, row, out),
        (8, _) => chunks::<1, 0>(lanes, row, out),
        (4, 2) => chunks::<2, 2>(lanes, row, out),
        (4, _) => chunks::<2, 0>(lanes, row, out),
        (2, _) => chunks::<4, 0>(lanes, row, out),
        _ => chunks::<8, 0>(lanes, row, out),
    }
}

/// `SUMS` per chunk; `STEPS` per sum, or any number of them for 0. The caller checked the lengths.
#[target_feature(enable = "avx2")]
#[inline]
fn chunks<const SUMS: usize, const STEPS: usize>(lanes: &Lanes, row: &[i8], out: &mut [u8]) {
    let steps = if STEPS == 0 { lanes.steps } else { STEPS };
    let tables = lanes.starts.chunks_exact(SUMS).zip(lanes.masks.chunks_exact(SUMS));
    for (chunk, ((starts, masks), out)) in tables.zip(out.chunks_mut(CHUNK)).enumerate() {
        let mut sums = [_mm256_setzero_si256(); SUMS];
        for (index, sum) in sums.iter_mut().enumerate() {
            let mask = load(&masks[index]);
            let [left, right] = starts[index];
            for step in 0..steps {
                let at = step * lanes.stride;
                // SAFETY: `lanes.reach` covers 16 bytes from every start and step, and `row` is as long.
                let pixels = unsafe {
                    let row = row.as_ptr().add(at);
                    let left = _mm_loadu_si128(row.add(left as usize).cast());
                    let right = _mm_loadu_si128(row.add(right as usize).cast());
                    _mm256_set_m128i(right, left)
                };
                let weights = &lanes.weights[step * lanes.starts.len() + chunk * SUMS + index];
                let products = _mm256_maddubs_epi16(load(weights), _mm256_shuffle_epi8(pixels, mask));
                *sum = _mm256_add_epi16(*sum, products);
            }
        }
        // Neighbouring partial sums of one output are added until 8 outputs per lane are left.
        let mut left = SUMS;
        while left > 1 {
            for index in 0..left / 2 {
                sums[index] = _mm256_hadd_epi16(sums[2 * index], sums[2 * index + 1]);
            }
            left /= 2;
        }
        let bytes = _mm256_packs_epi16(rounded(sums[0]), _mm256_setzero_si256());
        let bytes = _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b1000>(bytes));
        let bytes = _mm_xor_si128(bytes, _mm_set1_epi8(-128));
        if out.len() == CHUNK {
            // SAFETY: `out` has 16 bytes.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), bytes) };
        } else {
            let mut pixels = [0; CHUNK];
            // SAFETY: the array has 16 bytes.
            unsafe { _mm_storeu_si128(pixels.as_mut_ptr().cast(), bytes) };
            out.copy_from_slice(&pixels[..out.len()]);
        }
    }
}

/// See `rows::half`.
#[target_feature(enable = "avx2")]
pub fn half(upper: &[u8], lower: &[u8], out: &mut [u8]) {
    let width = out.len().min(upper.len() / 2).min(lower.len() / 2);
    if width < WIDE {
        return rows::half(upper, lower, out);
    }
    let mut at = 0;
    loop {
        // SAFETY: `at + 32` is at most `width`, so both rows have 64 bytes from `2 * at` on.
        let sums = unsafe { [means(upper, lower, 2 * at), means(upper, lower, 2 * at + WIDE)] };
        let pixels = _mm256_permute4x64_epi64::<0b1101_1000>(_mm256_packus_epi16(sums[0], sums[1]));
        // SAFETY: `at + 32` is at most `width`.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(at).cast(), pixels) };
        if at + WIDE == width {
            return;
        }
        // The last vector ends with the row, and computes some pixels a second time.
        at = (at + WIDE).min(width - WIDE);
    }
}

/// 16 means of 2 x 2 pixels from column `at` on.
///
/// # Safety
/// Both rows have 32 bytes from `at` on.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn means(upper: &[u8], lower: &[u8], at: usize) -> __m256i {
    // SAFETY: promised by the caller.
    let (a, b) = unsafe {
        (_mm256_loadu_si256(upper.as_ptr().add(at).cast()), _mm256_loadu_si256(lower.as_ptr().add(at).cast()))
    };
    let ones = _mm256_set1_epi8(1);
    let sums = _mm256_add_epi16(_mm256_maddubs_epi16(a, ones), _mm256_maddubs_epi16(b, ones));
    _mm256_srli_epi16::<2>(_mm256_add_epi16(sums, _mm256_set1_epi16(2)))
}

/// `(sum + 128) >> 8` of each.
#[target_feature(enable = "avx2")]
#[inline]
fn rounded(sums: __m256i) -> __m256i {
    _mm256_mulhrs_epi16(sums, _mm256_set1_epi16(128))
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: 32 bytes are read from 32 bytes; no alignment is asked for.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}
