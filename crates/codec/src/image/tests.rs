//! Images made by FFmpeg's own encoders, and damaged ones.

use super::*;
use crate::video::{Canvas, Rect, Sprite};
use ffmpeg_next::Dictionary;
use proptest::prelude::*;

/// A file of one colour, or with a pattern in its first plane.
fn file(encoder: &str, kind: format::Pixel, size: (u32, u32), fill: impl Fn(usize, usize, usize) -> u8) -> Vec<u8> {
    let mut context = ff::encoder_context(encoder).unwrap().encoder().video().unwrap();
    context.set_width(size.0);
    context.set_height(size.1);
    context.set_format(kind);
    context.set_time_base((1, 25));
    // SAFETY: writes a plain field of an owned context that is not open yet.
    unsafe { (*context.as_mut_ptr()).strict_std_compliance = -1 };
    context.set_color_range(ffmpeg_next::color::Range::JPEG);
    let mut options = Dictionary::new();
    options.set("qscale", "1");
    let mut encoder = context.open_with(options).unwrap();
    let mut frame = frame::Video::new(kind, size.0, size.1);
    for plane in 0..frame.planes() {
        let stride = frame.stride(plane);
        let pixels = frame.data_mut(plane).iter_mut().enumerate();
        pixels.for_each(|(n, pixel)| *pixel = fill(plane, n % stride, n / stride));
    }
    frame.set_pts(Some(0));
    encoder.send_frame(&frame).unwrap();
    encoder.send_eof().unwrap();
    let mut packet = Packet::empty();
    encoder.receive_packet(&mut packet).unwrap();
    packet.data().unwrap().to_vec()
}

/// The colour in the middle.
fn colour(picture: &Picture) -> [u8; 3] {
    let view = picture.view();
    [0, 1, 2].map(|plane| {
        let (width, height) = view.plane_size(plane);
        view.row(plane, height / 2)[width / 2]
    })
}

fn near(got: [u8; 3], wanted: [u8; 3]) -> bool {
    got.into_iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 2)
}

#[test]
fn png_colours_are_those_of_the_standard() {
    for rgb in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [12, 200, 99]] {
        let data = file("png", format::Pixel::RGB24, (33, 17), |_, column, _| rgb[column % 3]);
        let picture = decode(&data, [0; 3]).unwrap();
        assert_eq!((picture.view().width, picture.view().height), (33, 17));
        let wanted = crate::video::rgb_to_yuv(rgb);
        assert!(near(colour(&picture), wanted), "{rgb:?}: {:?} for {wanted:?}", colour(&picture));
    }
}

#[test]
fn transparency_shows_the_background() {
    for (alpha, background, wanted) in [
        (255, [0, 0, 255], [200, 100, 50]),
        (0, [0, 0, 255], [0, 0, 255]),
        (0, [0, 0, 0], [0, 0, 0]),
        (128, [0, 0, 0], [100, 50, 25]),
    ] {
        let rgba = [200, 100, 50, alpha];
        let data = file("png", format::Pixel::RGBA, (16, 16), |_, column, _| rgba[column % 4]);
        let got = colour(&decode(&data, background).unwrap());
        assert!(near(got, crate::video::rgb_to_yuv(wanted)), "{alpha}: {got:?}");
    }
    let grey = file("png", format::Pixel::YA8, (16, 16), |_, column, _| [255, 51][column % 2]);
    let got = colour(&decode(&grey, [0; 3]).unwrap());
    assert!(near(got, crate::video::rgb_to_yuv([51; 3])), "{got:?}");
}

#[test]
fn transparency_is_kept_and_what_is_transparent_has_no_colour() {
    // Left half: opaque red. Right half: transparent green.
    let rgba = |column: usize| if column / 4 < 8 { [255, 0, 0, 255] } else { [0, 255, 0, 0] };
    let data = file("png", format::Pixel::RGBA, (16, 8), |_, column, _| rgba(column)[column % 4]);
    let image = decode_transparent(&data).unwrap();
    let alpha = image.alpha.as_ref().expect("an alpha channel");
    assert_eq!(alpha[..16], [[255; 8], [0; 8]].concat());
    assert_eq!(alpha.len(), 16 * 8);
    let sprite = Sprite::of_image(&image, 8, 4);
    let below = [100, 128, 128];
    let mut canvas = Canvas::new(8, 4).unwrap();
    canvas.fill(Rect::sized(8, 4), below);
    canvas.lay(&sprite, 0, 0);
    let view = canvas.view();
    let at = |x: usize| [view.row(0, 0)[x], view.row(1, 0)[x / 2], view.row(2, 0)[x / 2]];
    assert!(near(at(0), crate::video::rgb_to_yuv([255, 0, 0])), "{:?}", at(0));
    assert!(near(at(7), below), "{:?}", at(7));
    let opaque = file("png", format::Pixel::RGB24, (16, 8), |_, _, _| 9);
    assert!(decode_transparent(&opaque).unwrap().alpha.is_none());
}

#[test]
fn jpeg_of_every_kind_comes_in_limited_range() {
    use format::Pixel::{YUVJ420P, YUVJ422P, YUVJ444P};
    for kind in [YUVJ420P, YUVJ422P, YUVJ444P] {
        for (full, limited) in
            [([255, 128, 128], [235, 128, 128]), ([0, 128, 128], [16, 128, 128]), ([76, 85, 255], [81, 90, 240])]
        {
            let data = file("mjpeg", kind, (48, 30), |plane, _, _| full[plane]);
            let got = colour(&decode(&data, [0; 3]).unwrap());
            assert!(near(got, limited), "{kind:?}: {got:?} for {limited:?}");
        }
    }
    let grey = file("png", format::Pixel::GRAY8, (48, 30), |_, _, _| 255);
    assert!(near(colour(&decode(&grey, [0; 3]).unwrap()), [235, 128, 128]));
}

#[test]
fn the_picture_is_the_image() {
    let data = file(
        "mjpeg",
        format::Pixel::YUVJ420P,
        (64, 40),
        |plane, x, y| if plane == 0 { (x * 3 + y) as u8 } else { 128 },
    );
    let picture = decode(&data, [0; 3]).unwrap();
    for (x, y) in [(0, 0), (63, 0), (5, 39), (40, 20)] {
        let wanted = 16.0 + (x * 3 + y) as f64 * 219.0 / 255.0;
        let got = f64::from(picture.view().row(0, y)[x]);
        assert!((got - wanted).abs() < 6.0, "{x} {y}: {got} for {wanted}");
    }
}

#[test]
fn what_is_no_image_or_too_large_is_an_error() {
    let text = |bytes: &[u8]| decode(bytes, [0; 3]).err().expect("an error").to_string();
    assert!(text(b"GIF89a").contains("JPEG and PNG"));
    assert!(text(b"").contains("JPEG and PNG"));
    assert!(text(JPEG).contains("damaged"));
    let mut png = file("png", format::Pixel::GRAY8, (16, 16), |_, _, _| 9);
    assert_eq!(text(&png[..40]), "decode image: Invalid data found when processing input");
    png[16..24].copy_from_slice(&[0, 0, 0x10, 0, 0, 0, 0x10, 1]);
    assert!(text(&png).contains("4096x4097"));
    let jpeg = file("mjpeg", format::Pixel::YUVJ420P, (16, 16), |_, _, _| 9);
    let header = jpeg.windows(2).position(|mark| mark == [0xff, 0xc0]).unwrap();
    let mut large = jpeg.clone();
    large[header + 5..header + 9].fill(0xff);
    assert!(text(&large).contains("65535x65535"));
}

proptest! {
    #[test]
    fn damage_is_an_error_or_a_picture(at in 0_usize..400, level: u8, cut in 3_usize..400, png: bool) {
        let (encoder, kind) = if png { ("png", format::Pixel::RGB24) } else { ("mjpeg", format::Pixel::YUVJ420P) };
        let mut data = file(encoder, kind, (24, 18), |_, x, y| (x * 7 + y * y) as u8);
        let at = at % data.len();
        data[at] = level;
        data.truncate(cut.max(at));
        if let Ok(picture) = decode(&data, [0; 3]) {
            prop_assert!(picture.view().is_whole());
        }
    }
}
