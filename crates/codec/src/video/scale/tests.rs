//! Vector code against plain code, and both against a float filter.

use super::*;
use proptest::prelude::*;

fn scaled(scaler: &mut Scaler, from: Plane<'_>, to: (usize, usize)) -> Vec<u8> {
    let mut out = vec![0; to.0 * to.1];
    let mut scaling = scaler.start(from, to);
    out.chunks_exact_mut(to.0).enumerate().for_each(|(row, out)| scaling.row(row, out));
    out
}

/// The output with each kind of instructions that this processor has, the plain one last.
fn with_each_level(from: Plane<'_>, to: (usize, usize)) -> Vec<Vec<u8>> {
    let levels = Level::usable().into_iter();
    levels.map(|level| scaled(&mut Scaler { level, ..Scaler::new() }, from, to)).collect()
}

fn packed(data: &[u8], width: usize, height: usize) -> Plane<'_> {
    Plane { data, stride: width, width, height }
}

fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        // Extremes are as frequent as all the rest: sums shall come near their limits.
        match (state >> 33) & 3 {
            0 => 0,
            1 => 255,
            _ => (state >> 40) as u8,
        }
    };
    (0..count).map(|_| next()).collect()
}

/// The same filter in floating point.
fn exact(from: Plane<'_>, to: (usize, usize)) -> Vec<f64> {
    let (mut across, mut down) = (Vec::new(), Vec::new());
    let mut out = Vec::with_capacity(to.0 * to.1);
    for y in 0..to.1 {
        let top = taps::triangle(from.height, to.1, y, &mut down);
        for x in 0..to.0 {
            let left = taps::triangle(from.width, to.0, x, &mut across);
            let rows = down.iter().enumerate().map(|(row, weight)| {
                let pixels = from.row(top + row)[left..].iter().zip(&across);
                weight * pixels.map(|(&pixel, weight)| f64::from(pixel) * weight).sum::<f64>()
            });
            out.push(rows.sum());
        }
    }
    out
}

fn psnr(got: &[u8], wanted: &[f64]) -> f64 {
    let squares: f64 = got.iter().zip(wanted).map(|(&a, b)| (f64::from(a) - b).powi(2)).sum();
    10.0 * (255.0 * 255.0 * got.len() as f64 / squares.max(1e-9)).log10()
}

/// Rings that grow finer from the middle (as coarse as one likes) to the corners (one pixel).
fn zone_plate(width: usize, height: usize) -> Vec<u8> {
    let pixel = |n: usize| {
        let (x, y) = ((n % width) as f64 - width as f64 / 2.0, (n / width) as f64 - height as f64 / 2.0);
        128.0 + 110.0 * ((x * x + y * y) * std::f64::consts::PI / width as f64).cos()
    };
    (0..width * height).map(|n| pixel(n) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn vectors_and_plain_code_agree(
        from in (1_usize..300, 1_usize..40), to in (1_usize..200, 1_usize..30),
        gap in 0_usize..40, seed: u64, as_half: bool,
    ) {
        let from = if as_half { (2 * to.0, 2 * to.1) } else { from };
        let data = noise((from.0 + gap) * from.1, seed);
        let data = &data[..data.len() - gap];
        let plane = Plane { data, stride: from.0 + gap, width: from.0, height: from.1 };
        let outputs = with_each_level(plane, to);
        prop_assert!(outputs.iter().all(|output| *output == outputs[0]));
        if !as_half {
            let exact = exact(plane, to);
            let worst = outputs[0].iter().zip(&exact).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max);
            prop_assert!(worst < 8.0, "{} off", worst);
        }
    }

    #[test]
    fn flat_stays_flat(from in (1_usize..700, 1_usize..50), to in (1_usize..500, 1_usize..50), level: u8) {
        let data = vec![level; from.0 * from.1];
        let out = scaled(&mut Scaler::new(), packed(&data, from.0, from.1), to);
        prop_assert!(out.iter().all(|&pixel| pixel == level));
    }
}

#[test]
fn every_ratio_agrees_in_real_sizes() {
    for (width, to) in [(640, 426), (1280, 426), (1920, 320), (320, 640), (1920, 64), (3840, 33), (640, 640), (98, 96)]
    {
        let data = noise(width * 24, width as u64);
        let plane = packed(&data, width, 24);
        let outputs = with_each_level(plane, (to, 15));
        assert!(outputs.iter().all(|output| *output == outputs[0]), "{width} to {to}");
    }
}

#[test]
fn scaling_is_near_the_exact_filter() {
    let cases = [((640, 360), (426, 240)), ((1280, 720), (426, 240)), ((480, 270), (80, 46)), ((320, 180), (640, 360))];
    for (from, to) in cases {
        let data = zone_plate(from.0, from.1);
        let plane = packed(&data, from.0, from.1);
        let got = psnr(&scaled(&mut Scaler::new(), plane, to), &exact(plane, to));
        println!("{from:?} to {to:?}: {got:.1} dB");
        assert!(got > 50.0, "{from:?} to {to:?}: {got:.1} dB");
    }
}

#[test]
fn stripes_too_fine_to_show_become_grey() {
    let stripes: Vec<u8> = (0..640 * 360).map(|n| if n % 2 == 0 { 235 } else { 16 }).collect();
    for (to, most) in [((426, 240), 26), ((320, 180), 1), ((212, 120), 13), ((160, 90), 2), ((106, 60), 4)] {
        let out = scaled(&mut Scaler::new(), packed(&stripes, 640, 360), to);
        let inner = out.chunks_exact(to.0).flat_map(|row| &row[1..to.0 - 1]);
        let worst = inner.map(|&pixel| pixel.abs_diff(125)).max().unwrap_or(0);
        assert!(worst <= most, "{to:?}: {worst} off grey");
    }
}

#[test]
fn half_is_the_mean_of_four() {
    let data = noise(130 * 6, 3);
    let out = scaled(&mut Scaler::new(), packed(&data, 130, 6), (65, 3));
    for (n, &pixel) in out.iter().enumerate() {
        let at = n / 65 * 260 + n % 65 * 2;
        let sum: u32 = [at, at + 1, at + 130, at + 131].iter().map(|&at| u32::from(data[at])).sum();
        assert_eq!(u32::from(pixel), (sum + 2) / 4);
    }
}

#[test]
fn tables_are_kept_and_their_number_is_bounded() {
    let mut scaler = Scaler::new();
    let data = noise(64 * 64, 1);
    for to in 1..200 {
        scaled(&mut scaler, packed(&data, 64, 64), (to, 3));
    }
    assert_eq!(scaler.axes.len(), KEPT);
    assert!(scaler.axes.iter().any(|axis| (axis.from, axis.to) == (64, 3)), "what is in use stays");
}
