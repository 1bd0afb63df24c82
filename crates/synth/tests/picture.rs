//! Every picture's number is read right after real encoders, small sizes, cut edges, bars and scaling.

use codec::video::{Codec, Config, Decoder, Encoder, I420};
use synth::code::{Luma, Mark, Reader};
use synth::draw::Painter;

fn read(picture: &I420<'_>) -> Option<Mark> {
    Reader::default().read(&Luma::new(picture, None)?)
}

/// Draws, encodes, decodes and reads back `count` pictures.
fn there_and_back(codec: Codec, width: u32, height: u32, bitrate: u32, count: u32) {
    let mut painter = Painter::new(width, height, 7, "Anna");
    let mut encoder = Encoder::new(&Config::live(codec, width, height, 30, bitrate, 60)).unwrap();
    let mut decoder = Decoder::new(codec, 1).unwrap();
    let (mut reader, mut pictures) = (Reader::default(), Vec::new());
    for number in 0..count {
        let packets = encoder.encode(&painter.draw(number, number % 30 < 2), i64::from(number), false).unwrap();
        for packet in packets {
            pictures.extend(decoder.decode(&packet.data, packet.pts).unwrap());
        }
    }
    pictures.extend(decoder.flush().unwrap());
    assert_eq!(pictures.len(), count as usize);
    for (number, picture) in (0..).zip(&pictures) {
        let mark = reader.read(&Luma::new(&picture.view(), None).unwrap());
        let wanted = Mark { number, user: 7, lit: number % 30 < 2 };
        assert_eq!(mark, Some(wanted), "{codec:?} {width}x{height} at {bitrate}");
    }
}

#[test]
fn numbers_survive_every_codec() {
    for codec in Codec::ALL {
        there_and_back(codec, 320, 180, 300_000, 90);
    }
}

#[test]
fn numbers_survive_few_bits_and_small_pictures() {
    there_and_back(Codec::H264, 1280, 720, 300_000, 60);
    there_and_back(Codec::Vp8, 1280, 720, 400_000, 40);
    there_and_back(Codec::H264, 160, 90, 60_000, 90);
    there_and_back(Codec::H264, 640, 360, 150_000, 60);
}

#[test]
fn numbers_survive_other_shapes() {
    for (width, height) in [(640, 480), (360, 640), (480, 480), (1920, 200), (176, 144)] {
        there_and_back(Codec::H264, width, height, 300_000, 10);
    }
}

/// The picture's luma scaled by area into a box of a larger grey canvas, as a mixer's tile would show it.
fn tile(picture: &I420<'_>, canvas: (usize, usize), at: (usize, usize), size: (usize, usize)) -> Vec<u8> {
    let mut out = vec![16_u8; canvas.0 * canvas.1 * 3 / 2];
    let (width, height) = (picture.width as usize, picture.height as usize);
    for y in 0..size.1 {
        let rows = y * height / size.1..((y + 1) * height).div_ceil(size.1);
        for x in 0..size.0 {
            let columns = x * width / size.0..((x + 1) * width).div_ceil(size.0);
            let count = rows.len() * columns.len();
            let sum: usize = rows
                .clone()
                .map(|row| picture.row(0, row)[columns.clone()].iter().map(|&p| p as usize).sum::<usize>())
                .sum();
            out[(at.1 + y) * canvas.0 + at.0 + x] = (sum / count) as u8;
        }
    }
    out
}

#[test]
fn tiles_of_a_grid_are_read_each() {
    let (mut first, mut second) = (Painter::new(640, 360, 1, "one"), Painter::new(640, 360, 2, "two"));
    for (width, height) in [(426, 240), (320, 180), (213, 120), (160, 90), (140, 78)] {
        for number in [0, 1, 599, 0xffff_ffff, 0x5555_5555] {
            let left = first.draw(number, true);
            let right = second.draw(number ^ 1, false);
            let canvas = (1280, 720);
            let mut mixed = tile(&left, canvas, (11, 301), (width, height));
            let other = tile(&right, canvas, (700, 40), (width, height));
            mixed.iter_mut().zip(other).for_each(|(to, from)| *to = from.max(*to));
            let mixed = I420::packed(&mixed, 1280, 720).unwrap();
            let region = |x, y| Luma::new(&mixed, Some([x, y, width as u32, height as u32])).unwrap();
            let (one, two) = (region(11, 301), region(700, 40));
            let mark = |number, user, lit| Some(Mark { number, user, lit });
            assert_eq!(Reader::default().read(&one), mark(number, 1, true), "{width}x{height}");
            assert_eq!(Reader::default().read(&two), mark(number ^ 1, 2, false), "{width}x{height}");
        }
    }
}

#[test]
fn cut_edges_and_bars_do_no_harm() {
    let mut painter = Painter::new(640, 360, 9, "cut");
    let picture = painter.draw(4321, false);
    // The middle square, as a tile that fills itself shows it.
    let square = Luma::new(&picture, Some([140, 0, 360, 360])).unwrap();
    assert_eq!(Reader::default().read(&square).map(|mark| mark.number), Some(4321));
    // Bars above and below, and the picture stretched by a quarter.
    let boxed = tile(&picture, (500, 500), (0, 100), (500, 300));
    assert_eq!(read(&I420::packed(&boxed, 500, 500).unwrap()).map(|mark| mark.number), Some(4321));
}

#[test]
fn a_reader_follows_a_picture_that_moves_and_changes_size() {
    let mut painter = Painter::new(640, 360, 9, "move");
    let mut reader = Reader::default();
    for number in 0..20 {
        let step = number as usize;
        let picture = painter.draw(number, false);
        let moved = tile(&picture, (800, 600), (3 * step, 2 * step), (400 + 8 * step, 225 + 4 * step));
        let view = I420::packed(&moved, 800, 600).unwrap();
        let mark = reader.read(&Luma::new(&view, None).unwrap());
        assert_eq!(mark.map(|mark| mark.number), Some(number));
    }
}

/// For people: with `TEST_PICTURE` set to a file name, one picture is written there as raw I420.
#[test]
fn one_picture_to_look_at() {
    let mut painter = Painter::new(640, 360, 3, "Anna-3");
    let picture = painter.draw(123, true);
    assert_eq!(picture.planes[0].len(), 640 * 360);
    if let Some(path) = std::env::var_os("TEST_PICTURE") {
        std::fs::write(path, picture.planes.concat()).unwrap();
    }
}
