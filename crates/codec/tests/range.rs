//! Pictures of full range are drawn and encoded in limited range.

use codec::video::{Canvas, Codec, Config, Decoder, Draw, Encoder, I420, Rect, Scaler};

const WIDTH: u32 = 512;
const HEIGHT: u32 = 64;

/// A ramp from black to white, in colour by `chroma`.
fn ramp(chroma: [u8; 2]) -> Vec<u8> {
    let mut data: Vec<u8> = (0..WIDTH * HEIGHT).map(|n| (n % WIDTH / 2) as u8).collect();
    let quarter = (WIDTH * HEIGHT / 4) as usize;
    chroma.into_iter().for_each(|level| data.extend(vec![level; quarter]));
    data
}

/// By BT.601, from full range.
fn limited(level: u8) -> u8 {
    (16.0 + f32::from(level) * 219.0 / 255.0).round() as u8
}

/// The ramp as VP9, whose header says which range it has.
fn vp9(full_range: bool) -> Vec<u8> {
    let mut encoder = Encoder::new(&Config::live(Codec::Vp9, WIDTH, HEIGHT, 25, 4_000_000, 1)).expect("an encoder");
    let data = ramp([128, 128]);
    let mut packets =
        encoder.encode(&I420::packed(&data, WIDTH, HEIGHT).expect("a picture"), 0, true).expect("encoded");
    packets.extend(encoder.finish().expect("the rest"));
    let mut coded = packets[0].data.to_vec();
    assert_eq!(coded[1..4], [0x49, 0x83, 0x42], "a key frame's sync code");
    // Three bits of colour space, then the range.
    coded[4] = coded[4] & !0x10 | u8::from(full_range) << 4;
    coded
}

#[test]
fn a_grey_ramp_of_full_range_is_drawn_in_limited_range() {
    for (full_range, alpha, corner_radius) in
        [(false, 255, 0), (true, 255, 0), (false, 255, 8), (true, 255, 8), (true, 128, 0)]
    {
        let picture = Decoder::new(Codec::Vp9, 1).expect("a decoder").decode(&vp9(full_range), 0).expect("decoded");
        let view = picture[0].view();
        assert_eq!(view.full_range, full_range);
        let mut canvas = Canvas::new(WIDTH, HEIGHT).expect("a canvas");
        let draw = Draw { alpha, corner_radius, ..Draw::whole(&view, Rect::sized(WIDTH, HEIGHT)) };
        canvas.draw(&mut Scaler::new(), &view, &draw).expect("drawn");
        for x in (8..504).step_by(8) {
            let level = (x / 2) as u8;
            let wanted = if full_range { limited(level) } else { level };
            let wanted = (u32::from(wanted) * u32::from(alpha) + 16 * u32::from(255 - alpha)) / 255;
            let got = canvas.view().row(0, 32)[x];
            assert!(u32::from(got).abs_diff(wanted) <= 4, "{full_range} {alpha} {corner_radius}: {level}, {got}");
        }
    }
}

#[test]
fn levels_are_those_of_the_standard() {
    for (chroma, wanted) in [([0, 255], [16, 240]), ([128, 128], [128, 128]), ([64, 192], [72, 184])] {
        let data = ramp(chroma);
        let picture = I420 { full_range: true, ..I420::packed(&data, WIDTH, HEIGHT).expect("a picture") };
        let mut canvas = Canvas::new(WIDTH, HEIGHT).expect("a canvas");
        let whole = Draw::whole(&picture, Rect::sized(WIDTH, HEIGHT));
        canvas.draw(&mut Scaler::new(), &picture, &whole).expect("drawn");
        let view = canvas.view();
        assert!((0..=255).all(|level: u8| view.row(0, 9)[usize::from(level) * 2] == limited(level)));
        assert_eq!([view.row(1, 9)[9], view.row(2, 9)[9]], wanted);
        assert!(!view.full_range);
    }
}

#[test]
fn what_is_encoded_is_of_limited_range() {
    let data = ramp([0, 255]);
    let picture = I420 { full_range: true, ..I420::packed(&data, WIDTH, HEIGHT).expect("a picture") };
    let mut encoder = Encoder::new(&Config::live(Codec::H264, WIDTH, HEIGHT, 25, 4_000_000, 1)).expect("an encoder");
    let packets = encoder.encode(&picture, 0, true).expect("encoded");
    let decoded = Decoder::new(Codec::H264, 1).expect("a decoder").decode(&packets[0].data, 0).expect("decoded");
    let view = decoded[0].view();
    assert!(!view.full_range);
    for level in (4..252_u8).step_by(4) {
        assert!(view.row(0, 32)[usize::from(level) * 2].abs_diff(limited(level)) <= 4, "{level}");
    }
    assert!(view.row(1, 16)[99].abs_diff(16) <= 3 && view.row(2, 16)[99].abs_diff(240) <= 3);
}
