//! Custom layouts, for each number of participants another side of them.

use serde_json::{Value, json};

use super::SIZE;
use super::scene::{Camera, Participant, Scene};

pub const BACKGROUND: &str = "https://example.com/background.png";
pub const ALTERNATE: &str = "https://example.com/alternate.png";

/// The layout for so many participants.
pub fn scene(count: usize) -> Scene {
    match count {
        1 => fitted(),
        2 => translucent(),
        4 => render_modes(),
        5 => z_orders(),
        9 => source_crops(),
        10 => corners(),
        16 => without_pictures(),
        17 => everything(),
        _ => unreachable!("no such scene"),
    }
}

/// A participant and the region of its stream.
struct Place(Participant, Value);

/// `at`: x, y, width, height.
fn place(number: usize, at: [usize; 4], mut fields: Value) -> Place {
    for (name, pixels) in ["LocationX", "LocationY", "Width", "Height"].into_iter().zip(at) {
        fields[name] = json!(pixels);
    }
    fields["StreamIndex"] = json!(number);
    Place(Participant::new(number), fields)
}

impl Place {
    fn camera(mut self, camera: Camera) -> Place {
        self.0.camera = camera;
        self
    }
}

fn made(places: Vec<Place>, frame_fill: i64) -> Scene {
    let (participants, regions): (Vec<Participant>, Vec<Value>) = places.into_iter().map(|p| (p.0, p.1)).unzip();
    let stream = |p: &Participant| {
        let stream = p.stream();
        json!({ "Index": p.number, "UserId": stream.user, "StreamType": stream.kind.number() })
    };
    let mut canvas = json!({ "Width": SIZE.0, "Height": SIZE.1, "Background": "#305070" });
    if ![4, 5, 9].contains(&participants.len()) {
        canvas["BackgroundImage"] = json!(BACKGROUND);
    }
    let request = json!({
        "TargetStreams": { "StreamList": participants.iter().map(stream).collect::<Vec<_>>() },
        "Layout": { "LayoutMode": 2, "CustomLayout": { "Canvas": canvas, "Regions": regions } },
        "Control": { "FrameInterpolationMode": frame_fill },
    });
    Scene { request, participants }
}

/// The background image is stretched; around the picture in its box is the background's colour.
fn fitted() -> Scene {
    made(vec![place(1, [32, 16, 160, 112], json!({ "RenderMode": 2 }))], 0)
}

fn translucent() -> Scene {
    let above = json!({ "RenderMode": 1, "Alpha": 0.5, "ZOrder": 5 });
    made(vec![place(2, [96, 24, 128, 104], above), place(1, [16, 16, 144, 82], json!({}))], 0)
}

/// 0 stretch, 1 crop, 2 fit, 3 stretch.
fn render_modes() -> Scene {
    let mode = |mode: i64| json!({ "RenderMode": mode });
    let places = vec![
        place(1, [8, 8, 60, 60], mode(0)),
        place(2, [88, 8, 160, 60], mode(1)),
        place(3, [8, 76, 112, 60], mode(2)),
        place(5, [136, 76, 112, 60], mode(3)),
    ];
    made(places, 0)
}

/// From the lowest: 6, 1, 8, 3 (equal to 8 and later in the list), 2.
fn z_orders() -> Scene {
    let order = |order: i64| json!({ "RenderMode": 1, "ZOrder": order });
    let places = vec![
        place(2, [160, 64, 88, 72], order(100)),
        place(1, [32, 16, 96, 64], order(1)),
        place(8, [72, 36, 96, 64], order(2)),
        place(3, [112, 56, 88, 64], order(2)),
        place(6, [8, 4, 72, 48], order(0)),
    ];
    made(places, 0)
}

/// Rows: the lower right quarter, the left half, an uneven part. Columns: stretch, crop, fit.
fn source_crops() -> Scene {
    let parts = [[0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 0.5, 1.0], [0.31, 0.07, 0.43, 0.77]];
    let numbers = [1, 2, 3, 5, 6, 8, 10, 11, 14];
    let places = numbers.into_iter().enumerate().map(|(n, number)| {
        let [x, y, width, height] = parts[n / 3];
        let crop = json!({ "LocationX": x, "LocationY": y, "WidthProportion": width, "HeightProportion": height });
        let at = [4 + n % 3 * 84, 4 + n / 3 * 46, 80, 42];
        place(number, at, json!({ "RenderMode": n % 3, "SourceCrop": crop }))
    });
    made(places.collect(), 0)
}

/// Upper row opaque and cropped, lower row translucent and fitted. Columns: radius 3, 6, 13, 22 and, more than half the
/// side, 26.
fn corners() -> Scene {
    let numbers = [1, 2, 3, 5, 6, 8, 10, 11, 14, 16];
    let places = numbers.into_iter().enumerate().map(|(n, number)| {
        let radius = [0.01, 0.025, 0.05, 0.085, 0.1][n % 5];
        let (mode, alpha) = if n < 5 { (1, 1.0) } else { (2, 0.6) };
        let at = [4 + n % 5 * 50, 4 + n / 5 * 70, 46, 64];
        place(number, at, json!({ "RenderMode": mode, "CornerRadius": radius, "Alpha": alpha }))
    });
    made(places.collect(), 0)
}

/// Columns: stretch, crop, fit, stretch. Rows: an alternate image of whoever never had a picture; in the ratio of the
/// picture before; in its own ratio. The last row: on, off, never on, only heard.
fn without_pictures() -> Scene {
    let numbers = [4, 9, 13, 15, 2, 5, 14, 16, 7, 1, 17, 6, 8, 10, 11, 3];
    let places = numbers.into_iter().enumerate().map(|(n, number)| {
        let at = [4 + n % 4 * 63, 4 + n / 4 * 35, 58, 32];
        let alternate =
            |fill: i64| json!({ "AlternateImage": ALTERNATE, "AlternateImageFillMode": fill, "RenderMode": n % 4 });
        match n {
            0..4 => place(number, at, alternate(0)).camera(Camera::Never),
            4..8 => place(number, at, alternate(0)).camera(Camera::Off),
            8..12 => place(number, at, alternate(1)).camera(Camera::Off),
            12 => place(number, at, alternate(0)).camera(Camera::On),
            13 => place(number, at, json!({})).camera(Camera::Off),
            14 => place(number, at, json!({})).camera(Camera::Never),
            _ => place(number, at, json!({ "MediaType": 1 })).camera(Camera::On),
        }
    });
    made(places.collect(), 0)
}

/// Odd edges in a grid that reaches beyond the canvas, the last one over all of them. A camera that is off is black.
fn everything() -> Scene {
    let mut places: Vec<Place> = (0..16)
        .map(|n| place(n + 1, [1 + n % 4 * 67, 1 + n / 4 * 37, 65, 35], json!({ "RenderMode": n % 3 })))
        .collect();
    let above = json!({ "RenderMode": 1, "Alpha": 0.8, "CornerRadius": 0.1, "ZOrder": 1 });
    places.push(place(17, [76, 40, 104, 64], above));
    made(places, 1)
}
