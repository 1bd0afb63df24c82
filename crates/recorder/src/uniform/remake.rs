//! Groups of pictures decoded, drawn to the size of all and encoded anew, one picture for one picture.

use codec::video::{self, Canvas, Colours, Config, Decoder, Draw, Encoder, I420, Rect, Scaler};
use media::mp4::Replacing;

use super::plan::{Group, Plan, Shot, fit};
use crate::mix::turn::Turned;
use crate::video::sample_entry;
use crate::{Error, Result, coded};

/// No more bits than these, per pixel and picture at this rate, and these bounds, bit/s.
const MOST_BITS_PER_PIXEL: f64 = 0.4;
const RATE: u32 = 30;
const MOST_BITRATES: (u32, u32) = (2_000_000, 50_000_000);
/// Levels (Y, U, V) around a picture that does not fill its size.
const BLACK: [u8; 3] = [16, 128, 128];

/// Makes pictures of one file.
pub struct Remake {
    codec: video::Codec,
    /// As all pictures will be.
    size: (u32, u32),
    rotation: u16,
    /// Of even sides: of an odd size, which H.264 and H.265 have not, the last column or row is cut off.
    canvas: Canvas,
    /// Where the last picture was drawn; around it is black.
    drawn: Option<Rect>,
    decoder: Decoder,
    encoder: Option<(Colours, Encoder)>,
    scaler: Scaler,
    /// Pictures that went into encoders: their time stamps.
    encoded: i64,
}

impl Remake {
    pub fn new(codec: video::Codec, plan: &Plan) -> Result<Remake> {
        let (width, height) = plan.canvas;
        Ok(Remake {
            codec,
            size: plan.canvas,
            rotation: plan.rotation,
            canvas: Canvas::new(width.next_multiple_of(2), height.next_multiple_of(2))?,
            drawn: None,
            decoder: Decoder::new(codec, 1)?,
            encoder: None,
            scaler: Scaler::new(),
            encoded: 0,
        })
    }

    /// Replaces the pictures of a group; `shots` are those of the file.
    pub fn group(&mut self, group: &Group, shots: &[Shot], file: &mut Replacing) -> Result<()> {
        let (start, mut next) = (group.pictures.start, group.pictures.start);
        for n in group.pictures.clone() {
            let data = file.read(n, usize::MAX)?;
            let at = (n - start) as i64;
            let decoded = match self.codec {
                video::Codec::H264 | video::Codec::H265 => self.decoder.decode_sized(&data, at)?,
                _ => self.decoder.decode(&data, at)?,
            };
            self.replace(decoded, &mut next, group, shots, file)?;
        }
        let rest = self.decoder.flush()?;
        self.replace(rest, &mut next, group, shots, file)?;
        if next < group.pictures.end {
            return Err(Error::Uniform("some of them cannot be decoded"));
        }
        Ok(())
    }

    /// Puts what was decoded in the place of the pictures from `next` on.
    fn replace(
        &mut self,
        decoded: Vec<video::Picture>,
        next: &mut usize,
        group: &Group,
        shots: &[Shot],
        file: &mut Replacing,
    ) -> Result<()> {
        for picture in decoded {
            if *next == group.pictures.end {
                return Err(Error::Uniform("a picture is coded in several"));
            }
            let shot = &shots[*next];
            self.draw(&picture, shot.rotation + 360 - self.rotation)?;
            let data = self.encode(picture.colours().limited(), shot.key)?;
            let (sample, config) = coded::sample(self.codec, data, shot.key)?;
            let entry = match config {
                Some(config) => file.add_entry(sample_entry(&config, self.rotation)?)?,
                // That of the picture before, which was replaced, too.
                None => file.pictures()[*next - 1].entry,
            };
            file.replace(*next, entry, &sample)?;
            *next += 1;
        }
        Ok(())
    }

    fn draw(&mut self, picture: &video::Picture, degrees: u16) -> Result<()> {
        let turned;
        let view = match degrees % 360 {
            0 => picture.view(),
            degrees => {
                turned = Turned::new(&picture.view(), degrees);
                turned.view().ok_or(Error::Internal("a decoded picture is not whole"))?
            }
        };
        let dest = fit((view.width, view.height), (self.canvas.width(), self.canvas.height()));
        if self.drawn.replace(dest).is_some_and(|drawn| drawn != dest) {
            self.canvas.fill(Rect::sized(self.canvas.width(), self.canvas.height()), BLACK);
        }
        Ok(self.canvas.draw(&mut self.scaler, &view, &Draw::whole(&view, dest))?)
    }

    /// Encodes the canvas: one packet, because nothing looks ahead.
    fn encode(&mut self, colours: Colours, key: bool) -> Result<bytes::Bytes> {
        if self.encoder.as_ref().is_none_or(|(of, _)| *of != colours) {
            if !key && self.encoder.is_some() {
                return Err(Error::Uniform("colours change without a key frame"));
            }
            self.encoder = Some((colours, encoder(self.codec, self.size, colours)?));
        }
        let Some((_, encoder)) = &mut self.encoder else { return Err(Error::Internal("an encoder was just opened")) };
        let (width, height) = self.size;
        let mut packets = match (self.canvas.width(), self.canvas.height()) == self.size {
            true => encoder.encode_canvas(&mut self.canvas, self.encoded, key)?,
            false => encoder.encode(&I420 { width, height, ..self.canvas.view() }, self.encoded, key)?,
        };
        self.encoded += 1;
        match (packets.pop(), packets.is_empty()) {
            (Some(packet), true) if packet.key || !key => Ok(packet.data),
            _ => Err(Error::Internal("an encoder without delay gave no picture, or not the one asked for")),
        }
    }
}

/// What was coded for a call loses nothing that one would see: rate factors of x264 and x265, levels of libvpx and libaom.
/// All come to the same (43 dB where small pictures full of noise become 1280x720).
fn quality(codec: video::Codec) -> u8 {
    match codec {
        video::Codec::H264 => 20,
        video::Codec::H265 => 22,
        video::Codec::Vp8 => 20,
        video::Codec::Vp9 => 28,
        video::Codec::Av1 => 28,
    }
}

fn encoder(codec: video::Codec, (width, height): (u32, u32), colours: Colours) -> Result<Encoder> {
    let bits = f64::from(width) * f64::from(height) * f64::from(RATE) * MOST_BITS_PER_PIXEL;
    let most = (bits as u32).clamp(MOST_BITRATES.0, MOST_BITRATES.1);
    // Key frames come where they are asked for.
    let config = Config::recording(codec, width, height, RATE, most, RATE * 3600 * 48);
    Ok(Encoder::new(&Config { quality: Some(quality(codec)), colours, ..config })?)
}
