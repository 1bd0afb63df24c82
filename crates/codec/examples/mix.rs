//! What the parts of a mix cost: nine streams of 640x360 at 25 fps are decoded, drawn into 1280x720 and encoded.
//! `cargo run --release -p codec --example mix`

use codec::video::{Canvas, Codec, Config, Decoder, Draw, Encoder, I420, Packet, Rect, Scaler};
use std::time::{Duration, Instant};

const FRAMES: i64 = 100;
const ROUNDS: usize = 8;

fn main() {
    let inputs: Vec<Vec<Packet>> = (0..9).map(input).collect();
    for (name, config) in [
        ("H.264", Config::recording(Codec::H264, 1280, 720, 25, 2_000_000, 50)),
        ("H.265 ultrafast", Config::recording(Codec::H265, 1280, 720, 25, 2_000_000, 50)),
        (
            "H.265 superfast",
            Config { preset: "superfast", ..Config::recording(Codec::H265, 1280, 720, 25, 2_000_000, 50) },
        ),
    ] {
        // Whatever else the machine does only adds to a time.
        let rounds: Vec<[Duration; 3]> = (0..ROUNDS).map(|_| mix(&inputs, &config)).collect();
        let [decode, draw, encode] = [0, 1, 2].map(|part| {
            let least = rounds.iter().map(|round| round[part]).min().unwrap_or_default();
            least.as_secs_f64() * 1000.0 * 25.0 / FRAMES as f64
        });
        let share = 1.0 + draw / (decode + encode);
        println!(
            "{name}: decode {decode:.1}, draw {draw:.1}, encode {encode:.1} ms per second of media: {share:.3} x floor"
        );
    }
}

/// Time spent in decoding, drawing and encoding.
fn mix(inputs: &[Vec<Packet>], config: &Config) -> [Duration; 3] {
    let mut decoders: Vec<Decoder> = (0..9).map(|_| Decoder::new(Codec::H264, 1).expect("a decoder")).collect();
    let mut encoder = Encoder::new(config).expect("an encoder");
    let (mut canvas, mut scaler) = (Canvas::new(1280, 720).expect("a good size"), Scaler::new());
    let mut times = [Duration::ZERO; 3];
    for number in 0..FRAMES {
        for (cell, decoder) in decoders.iter_mut().enumerate() {
            let start = Instant::now();
            let pictures = decoder.decode(&inputs[cell][number as usize].data, number).expect("decodes");
            times[0] += start.elapsed();
            let start = Instant::now();
            let (x, y) = (cell as i32 % 3 * 426, cell as i32 / 3 * 240);
            for picture in &pictures {
                let dest = Rect { x, y, width: 426, height: 240 };
                let view = picture.view();
                canvas.draw(&mut scaler, &view, &Draw::whole(&view, dest)).expect("a good request");
            }
            times[1] += start.elapsed();
        }
        let start = Instant::now();
        encoder.encode_canvas(&mut canvas, number, false).expect("encodes");
        times[2] += start.elapsed();
    }
    times
}

/// A stream of 600 kbit/s: moving gradients with noise.
fn input(seed: u32) -> Vec<Packet> {
    let mut encoder = Encoder::new(&Config::live(Codec::H264, 640, 360, 25, 600_000, 50)).expect("an encoder");
    let mut state = seed + 1;
    let mut data = vec![128; 640 * 360 * 3 / 2];
    let packets = (0..FRAMES).flat_map(|number| {
        for (n, pixel) in data[..640 * 360].iter_mut().enumerate() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (x, y) = (n as i64 % 640 + number * i64::from(seed % 4), n as i64 / 640 + number);
            *pixel = (16 + (x * y / 300 % 200) as u32 + (state >> 29)) as u8;
        }
        let picture = I420::packed(&data, 640, 360).expect("made of that size");
        encoder.encode(&picture, number, false).expect("encodes")
    });
    packets.collect()
}
