//! Groups of pictures decoded, drawn to the size of all and encoded anew, one picture for one picture.

use codec::video::{self, Canvas, Colours, Config, Decoder, Draw, Encoder, Rect, Scaler};
use media::bitstream::annex_b;
use media::mp4::{Replacing, SampleEntry};

use super::plan::{Group, Plan, Shot, fit};
use crate::mix::turn::Turned;
use crate::transcode::config_of;
use crate::{Error, Result};

/// x264's rate factor: what was coded for a call loses nothing that one would see.
const QUALITY: u8 = 20;
/// No more bits than these, per pixel and picture at this rate, and these bounds, bit/s.
const MOST_BITS_PER_PIXEL: f64 = 0.4;
const RATE: u32 = 30;
const MOST_BITRATES: (u32, u32) = (2_000_000, 50_000_000);
/// Levels (Y, U, V) around a picture that does not fill its size.
const BLACK: [u8; 3] = [16, 128, 128];

/// Makes pictures of one file.
pub struct Remake {
    canvas: Canvas,
    /// Where the last picture was drawn; around it is black.
    drawn: Option<Rect>,
    rotation: u16,
    decoder: Decoder,
    encoder: Option<(Colours, Encoder)>,
    scaler: Scaler,
    /// Pictures that went into encoders: their time stamps.
    encoded: i64,
}

impl Remake {
    pub fn new(plan: &Plan) -> Result<Remake> {
        Ok(Remake {
            canvas: Canvas::new(plan.canvas.0, plan.canvas.1)?,
            drawn: None,
            rotation: plan.rotation,
            decoder: Decoder::new(video::Codec::H264, 1)?,
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
            let decoded = self.decoder.decode_sized(&data, (n - start) as i64)?;
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
            let config = if shot.key { Some(config_of(&data)?) } else { None };
            let entry = match config {
                Some(config) => {
                    let entry = SampleEntry::h264(&[config.sps], &config.pps)?;
                    file.add_entry(entry.turned(self.rotation))?
                }
                // That of the picture before, which was replaced, too.
                None => file.pictures()[*next - 1].entry,
            };
            file.replace(*next, entry, &annex_b::to_lengths(&data))?;
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
            self.encoder = Some((colours, encoder(&self.canvas, colours)?));
        }
        let Some((_, encoder)) = &mut self.encoder else { return Err(Error::Internal("an encoder was just opened")) };
        let mut packets = encoder.encode_canvas(&mut self.canvas, self.encoded, key)?;
        self.encoded += 1;
        match (packets.pop(), packets.is_empty()) {
            (Some(packet), true) if packet.key == key => Ok(packet.data),
            _ => Err(Error::Internal("an encoder without delay gave no picture, or not the one asked for")),
        }
    }
}

fn encoder(canvas: &Canvas, colours: Colours) -> Result<Encoder> {
    let (width, height) = (canvas.width(), canvas.height());
    let bits = f64::from(width) * f64::from(height) * f64::from(RATE) * MOST_BITS_PER_PIXEL;
    let most = (bits as u32).clamp(MOST_BITRATES.0, MOST_BITRATES.1);
    // Key frames come where they are asked for, and nowhere else.
    let config = Config::recording(video::Codec::H264, width, height, RATE, most, RATE * 3600 * 48);
    Ok(Encoder::new(&Config { quality: Some(QUALITY), colours, ..config })?)
}
