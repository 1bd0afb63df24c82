//! What drawing a picture on a canvas costs, beside swscale, and how near each comes to the canvas's own filter in
//! floating point (swscale's AREA is another filter, and FAST_BILINEAR none that shrinks).
//! `cargo run --release -p codec --example scale`

use codec::video::{Canvas, Draw, I420, Rect, Scaler};
use ffmpeg_next::{format, frame, software::scaling};
use std::time::Instant;

/// Pictures per measurement; the least of `ROUNDS` is shown: whatever else the machine does only adds to it.
const PICTURES: u32 = 10;
const ROUNDS: usize = 150;

fn main() {
    println!(
        "{:<26}{:>10}{:>12}{:>12}{:>14}",
        "µs per picture (PSNR dB)", "canvas", "BILINEAR", "AREA", "FAST_BILINEAR"
    );
    for (from, to) in [
        ((640, 360), (426, 240)),
        ((1280, 720), (426, 240)),
        ((1920, 1080), (320, 180)),
        ((320, 180), (640, 360)),
        ((1280, 720), (640, 360)),
    ] {
        let data = zone_plate(from.0, from.1);
        let picture = I420::packed(&data, from.0, from.1).expect("made of that size");
        let reference = exact(picture.planes[0], from, to);
        let mut canvas = Canvas::new(to.0, to.1).expect("a good size");
        let mut scaler = Scaler::new();
        let draw = Draw::whole(&picture, Rect::sized(to.0, to.1));
        let time = least(|| canvas.draw(&mut scaler, &picture, &draw).expect("a good request"));
        print!("{:<26}{time:>5.1} ({:.0})", format!("{from:?} to {to:?}"), psnr(&canvas.view(), &reference));
        for flags in [scaling::Flags::BILINEAR, scaling::Flags::AREA, scaling::Flags::FAST_BILINEAR] {
            let (input, kind) = (frame_of(&picture), format::Pixel::YUV420P);
            let mut context = scaling::Context::get(kind, from.0, from.1, kind, to.0, to.1, flags).expect("a scaler");
            let mut output = frame::Video::new(kind, to.0, to.1);
            let time = least(|| context.run(&input, &mut output).expect("scaled"));
            let strides = [0, 1, 2].map(|plane| output.stride(plane));
            let view = I420 {
                width: to.0,
                height: to.1,
                planes: [0, 1, 2].map(|plane| output.data(plane)),
                strides,
                full_range: false,
            };
            print!("{time:>8.1} ({:.0})", psnr(&view, &reference));
        }
        println!();
    }
    nine();
}

/// Nine pictures of 640 x 360 on a canvas of 1280 x 720, 25 times a second of media.
fn nine() {
    let data: Vec<Vec<u8>> = (0..36).map(|_| zone_plate(640, 360)).collect();
    let mut canvas = Canvas::new(1280, 720).expect("a good size");
    let mut scaler = Scaler::new();
    let mut turn = 0;
    for (name, alpha, corner_radius) in [("square", 255, 0), ("round corners", 255, 16), ("alpha 200", 200, 0)] {
        let time = least(|| {
            turn += 1;
            for cell in 0..9_usize {
                let picture = I420::packed(&data[(turn + cell * 4) % 36], 640, 360).expect("made of that size");
                let (x, y) = (cell as i32 % 3 * 426, cell as i32 / 3 * 240);
                let dest = Rect { x, y, width: 426, height: 240 };
                let draw = Draw { alpha, corner_radius, ..Draw::whole(&picture, dest) };
                canvas.draw(&mut scaler, &picture, &draw).expect("a good request");
            }
        });
        println!("nine 640x360 cells of 426x240, {name}: {:.2} ms per second of media at 25 fps", time * 25.0 / 1000.0);
    }
}

/// Time of one call, in µs.
fn least(mut call: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        (0..PICTURES).for_each(|_| call());
        start.elapsed().as_secs_f64() * 1e6 / f64::from(PICTURES)
    });
    times.min_by(f64::total_cmp).unwrap_or_default()
}

fn zone_plate(width: u32, height: u32) -> Vec<u8> {
    let pixel = |n: u32| {
        let (x, y) = (f64::from(n % width) - f64::from(width) / 2.0, f64::from(n / width) - f64::from(height) / 2.0);
        (128.0 + 110.0 * ((x * x + y * y) * std::f64::consts::PI / f64::from(width)).cos()) as u8
    };
    (0..width * height * 3 / 2).map(pixel).collect()
}

/// The filter in floating point: a triangle, or the mean of 2 x 2.
fn exact(plane: &[u8], from: (u32, u32), to: (u32, u32)) -> Vec<f64> {
    let axis = |from: u32, to: u32, at: u32| -> Vec<(usize, f64)> {
        if from == 2 * to {
            return [2 * at, 2 * at + 1].map(|tap| (tap as usize, 0.5)).to_vec();
        }
        let ratio = f64::from(from) / f64::from(to);
        let (reach, centre) = (ratio.max(1.0), (f64::from(at) + 0.5) * ratio - 0.5);
        let taps = (centre - reach).ceil() as i64..=(centre + reach).floor() as i64;
        let weighed = taps.map(|tap| {
            let weight = 1.0 - (tap as f64 - centre).abs() / reach;
            (tap.clamp(0, i64::from(from) - 1) as usize, weight)
        });
        let weighed: Vec<_> = weighed.collect();
        let sum: f64 = weighed.iter().map(|tap| tap.1).sum();
        weighed.into_iter().map(|(tap, weight)| (tap, weight / sum)).collect()
    };
    let columns: Vec<_> = (0..to.0).map(|x| axis(from.0, to.0, x)).collect();
    let rows: Vec<_> = (0..to.1).map(|y| axis(from.1, to.1, y)).collect();
    let pixel = |row: &[(usize, f64)], column: &[(usize, f64)]| -> f64 {
        let line = |y: usize| -> f64 {
            column.iter().map(|&(x, weight)| f64::from(plane[y * from.0 as usize + x]) * weight).sum()
        };
        row.iter().map(|&(y, weight)| line(y) * weight).sum()
    };
    rows.iter().flat_map(|row| columns.iter().map(move |column| pixel(row, column))).collect()
}

/// PSNR of the luma.
fn psnr(view: &I420<'_>, wanted: &[f64]) -> f64 {
    let got = (0..view.height as usize).flat_map(|row| view.row(0, row));
    let squares: f64 = got.zip(wanted).map(|(&a, b)| (f64::from(a) - b).powi(2)).sum();
    10.0 * (255.0 * 255.0 * wanted.len() as f64 / squares.max(1e-9)).log10()
}

fn frame_of(picture: &I420<'_>) -> frame::Video {
    let mut new = frame::Video::new(format::Pixel::YUV420P, picture.width, picture.height);
    for plane in 0..3 {
        let stride = new.stride(plane);
        for row in 0..picture.plane_size(plane).1 {
            let from = picture.row(plane, row);
            new.data_mut(plane)[row * stride..][..from.len()].copy_from_slice(from);
        }
    }
    new
}
