//! The two filter passes with AVX-512. They give what `rows` gives, bit for bit.

use super::lanes::{CHUNK, Lanes};
use super::rows::Pair;
use std::arch::x86_64::*;

/// Pixels per vector of the vertical pass.
const WIDE: usize = 64;

/// Looks whether this processor has what the functions here need, and does not pay for it: those without VBMI are the
/// first with AVX-512, which slow down whenever it is used.
pub fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
}

/// See `rows::vertical`.
#[target_feature(enable = "avx512f,avx512bw")]
pub fn vertical(plane: &[u8], pairs: &[Pair], out: &mut [i8]) {
    let width = out.len();
    assert!(pairs.iter().flat_map(|pair| pair.rows).all(|row| row + width <= plane.len()), "rows lie in the plane");
    let mut at = 0;
    while at + 2 * WIDE <= width {
        // SAFETY: every row has `width` bytes in `plane` (checked above) and so has `out`.
        unsafe { columns::<2>(plane, pairs, at, !0, out) };
        at += 2 * WIDE;
    }
    while at < width {
        if width - at >= WIDE {
            // SAFETY: as above.
            unsafe { columns::<1>(plane, pairs, at, !0, out) };
        } else {
            // SAFETY: as above; the mask leaves out what lies beyond `width`.
            unsafe { columns::<1>(plane, pairs, at, (1 << (width - at)) - 1, out) };
        }
        at += WIDE;
    }
}

/// `N` vectors of pixels from column `at` on; of each, the pixels in `mask`.
///
/// # Safety
/// The pixels in the mask are within `out` and, from the beginning of each row of `pairs`, within `plane`.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
unsafe fn columns<const N: usize>(plane: &[u8], pairs: &[Pair], at: usize, mask: u64, out: &mut [i8]) {
    let sign = _mm512_set1_epi8(-128);
    let mut sums = [[_mm512_setzero_si512(); 2]; N];
    for pair in pairs {
        let weights = _mm512_set1_epi16(i16::from_le_bytes(pair.weights));
        for (index, [low, high]) in sums.iter_mut().enumerate() {
            let from = pair.rows.map(|row| plane.as_ptr().wrapping_add(row + at + index * WIDE).cast());
            // SAFETY: promised by the caller; what is not in the mask is not read.
            let (a, b) = unsafe { (_mm512_maskz_loadu_epi8(mask, from[0]), _mm512_maskz_loadu_epi8(mask, from[1])) };
            let (a, b) = (_mm512_xor_si512(a, sign), _mm512_xor_si512(b, sign));
            // Sums of weights up to 256 and signed bytes between them fit 16 bits: nothing saturates.
            *low = _mm512_add_epi16(*low, _mm512_maddubs_epi16(weights, _mm512_unpacklo_epi8(a, b)));
            *high = _mm512_add_epi16(*high, _mm512_maddubs_epi16(weights, _mm512_unpackhi_epi8(a, b)));
        }
    }
    for (index, [low, high]) in sums.into_iter().enumerate() {
        let pixels = _mm512_packs_epi16(rounded(low), rounded(high));
        let to = out.as_mut_ptr().wrapping_add(at + index * WIDE);
        // SAFETY: promised by the caller; what is not in the mask is not written.
        unsafe { _mm512_mask_storeu_epi8(to, mask, pixels) };
    }
}

/// See `rows::horizontal`; for tables with 8 outputs per lane. `row` is as long as `lanes.reach` says, `out` has at most
/// as many pixels as the table.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub fn horizontal(lanes: &Lanes, row: &[i8], out: &mut [u8]) {
    assert!(lanes.per_lane == 8, "one sum per chunk");
    assert!(lanes.reach <= row.len() && out.len() <= lanes.starts.len() * CHUNK, "buffers fit the table");
    match lanes.steps {
        1 => chunks::<1>(lanes, row, out),
        2 => chunks::<2>(lanes, row, out),
        _ => chunks::<0>(lanes, row, out),
    }
}

/// Two chunks at once; `STEPS` per sum, or any number of them for 0. The caller checked the lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn chunks<const STEPS: usize>(lanes: &Lanes, row: &[i8], out: &mut [u8]) {
    let steps = if STEPS == 0 { lanes.steps } else { STEPS };
    let tables = lanes.starts.as_chunks::<2>().0.iter().zip(lanes.masks.as_chunks::<2>().0);
    for (index, ((starts, masks), out)) in tables.zip(out.chunks_mut(2 * CHUNK)).enumerate() {
        let mask = load(masks);
        // No closures here: they have not the function's instructions, are called, and what they give goes over the stack.
        let [[a, b], [c, d]] = *starts;
        let (a, b, c, d) = (a as usize, b as usize, c as usize, d as usize);
        let mut sum = _mm512_setzero_si512();
        for step in 0..steps {
            // SAFETY: `lanes.reach` covers 16 bytes from every start and step, and `row` is as long.
            let pixels = unsafe {
                let row = row.as_ptr().add(step * lanes.stride);
                let pixels = _mm512_castsi128_si512(_mm_loadu_si128(row.add(a).cast()));
                let pixels = _mm512_inserti32x4::<1>(pixels, _mm_loadu_si128(row.add(b).cast()));
                let pixels = _mm512_inserti32x4::<2>(pixels, _mm_loadu_si128(row.add(c).cast()));
                _mm512_inserti32x4::<3>(pixels, _mm_loadu_si128(row.add(d).cast()))
            };
            let weights = lanes.weights[step * lanes.starts.len()..].as_chunks::<2>().0;
            let products = _mm512_maddubs_epi16(load(&weights[index]), _mm512_shuffle_epi8(pixels, mask));
            sum = _mm512_add_epi16(sum, products);
        }
        let pixels = _mm256_xor_si256(_mm512_cvtepi16_epi8(rounded(sum)), _mm256_set1_epi8(-128));
        // Stores of single bytes by a mask take a hundred cycles on some processors (Zen 4): only where they are needed.
        if out.len() == 2 * CHUNK {
            // SAFETY: `out` has as many bytes as are stored.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), pixels) };
        } else {
            // SAFETY: the mask has as many bits as `out` has pixels.
            unsafe { _mm256_mask_storeu_epi8(out.as_mut_ptr().cast(), (1 << out.len()) - 1, pixels) };
        }
    }
}

/// `(sum + 128) >> 8` of each, which fits 8 bits.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn rounded(sums: __m512i) -> __m512i {
    _mm512_mulhrs_epi16(sums, _mm512_set1_epi16(128))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn load(bytes: &[[u8; 32]; 2]) -> __m512i {
    // SAFETY: 64 bytes are read from 64 bytes; no alignment is asked for.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}
