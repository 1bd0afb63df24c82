//! Pictures in RGB: drawing of test cards, PNG files, and comparison.

use codec::video::I420;

type Colour = [u8; 3];

const WHITE: Colour = [255; 3];
const BLACK: Colour = [0; 3];

/// See the module's head.
pub struct Image {
    width: usize,
    height: usize,
    pixels: Vec<Colour>,
}

impl Image {
    pub fn new(width: usize, height: usize, colour: Colour) -> Image {
        Image { width, height, pixels: vec![colour; width * height] }
    }

    /// A picture that shows how it was turned, cut and stretched: a text in a circle, the left and the upper edge white,
    /// the others black.
    pub fn test_card((width, height): (usize, usize), colour: Colour, text: &str) -> Image {
        let mut card = Image::new(width, height, colour);
        let edge = (width.min(height) / 14).max(2);
        card.fill((width - edge, 0), (edge, height), BLACK);
        card.fill((0, height - edge), (width, edge), BLACK);
        card.fill((0, 0), (width - edge, edge), WHITE);
        card.fill((0, 0), (edge, height - edge), WHITE);
        card.circle(width.min(height) as f64 * 0.42, edge as f64 / 2.0);
        card.write(text);
        card
    }

    /// An I420 picture of BT.601 in limited range.
    pub fn of(picture: &I420<'_>) -> Image {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let pixel = |(x, y): (usize, usize)| {
            let luma = (f64::from(picture.row(0, y)[x]) - 16.0) * 255.0 / 219.0;
            let [u, v] = [1, 2].map(|plane| (f64::from(picture.row(plane, y / 2)[x / 2]) - 128.0) * 255.0 / 224.0);
            let rgb = [luma + 1.402 * v, luma - 0.344_136 * u - 0.714_136 * v, luma + 1.772 * u];
            rgb.map(|level| level.round().clamp(0.0, 255.0) as u8)
        };
        Image { width, height, pixels: places(width, height).map(pixel).collect() }
    }

    /// Turned against the clock.
    pub fn turned_back(&self, degrees: u16) -> Image {
        let (width, height) =
            if degrees.is_multiple_of(180) { (self.width, self.height) } else { (self.height, self.width) };
        let pixel = |(x, y): (usize, usize)| match degrees {
            90 => self.at(self.width - 1 - y, x),
            180 => self.at(self.width - 1 - x, self.height - 1 - y),
            270 => self.at(y, self.height - 1 - x),
            _ => self.at(x, y),
        };
        Image { width, height, pixels: places(width, height).map(pixel).collect() }
    }

    pub fn part(&self, (left, top): (usize, usize), (width, height): (usize, usize)) -> Image {
        let pixels = places(width, height).map(|(x, y)| self.at(left + x, top + y)).collect();
        Image { width, height, pixels }
    }

    pub fn paste(&mut self, image: &Image, (left, top): (usize, usize)) {
        for (x, y) in places(image.width, image.height) {
            self.pixels[(top + y) * self.width + left + x] = image.at(x, y);
        }
    }

    /// The pixels in which another image of this size differs by more than `tolerance`.
    pub fn differing(&self, other: &Image, tolerance: u8) -> impl Iterator<Item = (usize, usize)> {
        assert_eq!((self.width, self.height), (other.width, other.height));
        let far = move |(a, b): &(&Colour, &Colour)| a.iter().zip(*b).any(|(a, b)| a.abs_diff(*b) > tolerance);
        let pairs = places(self.width, self.height).zip(self.pixels.iter().zip(&other.pixels));
        pairs.filter(move |(_, pair)| far(pair)).map(|(place, _)| place)
    }

    pub fn to_png(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        encoder.set_filter(png::Filter::NoFilter);
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(self.pixels.as_flattened()).expect("pixels");
        writer.finish().expect("an end");
        file
    }

    pub fn from_png(file: &[u8]) -> Image {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a header");
        let mut data = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut data).expect("pixels");
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        let pixels = data.as_chunks::<3>().0.to_vec();
        Image { width: info.width as usize, height: info.height as usize, pixels }
    }

    fn at(&self, x: usize, y: usize) -> Colour {
        self.pixels[y * self.width + x]
    }

    fn fill(&mut self, (left, top): (usize, usize), (width, height): (usize, usize), colour: Colour) {
        for row in self.pixels.chunks_mut(self.width).skip(top).take(height) {
            row[left..left + width].fill(colour);
        }
    }

    fn circle(&mut self, radius: f64, thick: f64) {
        let (middle_x, middle_y) = (self.width as f64 / 2.0, self.height as f64 / 2.0);
        for (pixel, (x, y)) in self.pixels.iter_mut().zip(places(self.width, self.height)) {
            let distance = (x as f64 + 0.5 - middle_x).hypot(y as f64 + 0.5 - middle_y);
            if (radius - thick..radius).contains(&distance) {
                *pixel = WHITE;
            }
        }
    }

    /// Letters as large as the circle allows.
    fn write(&mut self, text: &str) {
        let dots = 6 * text.len() - 1;
        let dot = (self.width.min(self.height) * 13 / 20 / dots.max(7)).max(1);
        let (left, top) = ((self.width - dots * dot) / 2, (self.height - 7 * dot) / 2);
        for (number, letter) in text.chars().enumerate() {
            for (column, lines) in synth::font::columns(letter).into_iter().enumerate() {
                for line in (0..7).filter(|line| lines >> line & 1 == 1) {
                    let x = left + (6 * number + column) * dot;
                    self.fill((x, top + line * dot), (dot, dot), WHITE);
                }
            }
        }
    }
}

/// Row by row.
fn places(width: usize, height: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)))
}
