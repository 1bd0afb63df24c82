//! What no mix can do without: decoding what came, and encoding one picture and one sound. The clock stands still while
//! the picture is drawn and the sound is added up, so what is encoded is what a mix encodes, without what it takes to
//! make it.

use codec::video::{Canvas, Codec, Config, Decoder, Draw, Encoder, Picture, Rect, Scaler};
use codec::{aac, opus};
use media::bitstream::annex_b;
use rules::time::{Mono, SECOND_NS, ticks_to_ns};

use crate::inputs::User;
use crate::{Cost, Job, SOUND, cpu_ns};

/// Samples of a frame of AAC.
const AAC_FRAME: usize = 1024;

/// Processor time that was counted, nanoseconds.
#[derive(Default)]
struct Meter(i64);

impl Meter {
    fn count<T>(&mut self, work: impl FnOnce() -> codec::Result<T>) -> anyhow::Result<T> {
        let before = cpu_ns()?;
        let done = work()?;
        self.0 += cpu_ns()? - before;
        Ok(done)
    }

    fn seconds(&self) -> f64 {
        self.0 as f64 / 1e9
    }
}

pub fn floor(job: &Job, users: &[User]) -> anyhow::Result<Cost> {
    let (decode, encode, bytes) = pictures(job, users)?;
    let sound = if job.sound { sound(users)? } else { Meter::default() };
    Ok(Cost {
        cpu: decode.seconds() + encode.seconds() + sound.seconds(),
        decode: Some(decode.seconds()),
        encode: Some(encode.seconds()),
        bytes: Some(bytes),
        file: None,
    })
}

/// Decoding, encoding, and the bytes of the coded pictures.
fn pictures(job: &Job, users: &[User]) -> anyhow::Result<(Meter, Meter, u64)> {
    let (mut decoding, mut encoding, mut bytes) = (Meter::default(), Meter::default(), 0);
    let gop = job.fps * job.gop_s;
    let config = Config::recording(Codec::H264, job.width, job.height, job.fps, job.bitrate, gop);
    let mut encoder = encoding.count(|| Encoder::new(&config))?;
    let mut cells = cells(job, users)?;
    let (mut canvas, mut scaler) = (Canvas::new(job.width, job.height)?, Scaler::new());
    let mut write = |packets: Vec<codec::video::Packet>| {
        // As the file has them.
        bytes += packets.iter().map(|packet| annex_b::to_lengths(&packet.data).len() as u64).sum::<u64>();
    };
    for index in 0..i64::from(job.seconds * job.fps) {
        // As in the mix: the newest picture up to half a frame later.
        let until = Mono(ticks_to_ns(index, job.fps) + SECOND_NS / i64::from(job.fps) / 2);
        for cell in &mut cells {
            if let Some(picture) = cell.newest(until, &mut decoding)? {
                let view = picture.view();
                canvas.draw(&mut scaler, &view, &Draw::whole(&view, cell.rect))?;
            }
        }
        write(encoding.count(|| encoder.encode_canvas(&mut canvas, index, index % i64::from(gop) == 0))?);
    }
    write(encoding.count(|| encoder.finish())?);
    Ok((decoding, encoding, bytes))
}

/// A user's place, and what is to come there.
struct Cell<'a> {
    rect: Rect,
    decoder: Decoder,
    coming: std::iter::Peekable<std::slice::Iter<'a, recorder::Picture>>,
}

fn cells<'a>(job: &Job, users: &'a [User]) -> anyhow::Result<Vec<Cell<'a>>> {
    let members: Vec<_> = users.iter().map(|user| user.member.clone()).collect();
    let cells = job.layout().cells(&members, None);
    let of = |(cell, user): (rules::layout::Cell, &'a User)| {
        let rules::layout::Rect { x, y, width, height } = cell.rect;
        let rect = Rect { x: x as i32, y: y as i32, width, height };
        Ok(Cell { rect, decoder: Decoder::new(Codec::H264, 1)?, coming: user.pictures.iter().peekable() })
    };
    cells.into_iter().zip(users).map(of).collect()
}

impl Cell<'_> {
    /// Decodes what is due; the last of it is to be drawn.
    fn newest(&mut self, until: Mono, decoding: &mut Meter) -> anyhow::Result<Option<Picture>> {
        let mut newest = None;
        while let Some(picture) = self.coming.next_if(|picture| picture.at <= until) {
            newest = decoding.count(|| self.decoder.decode_sized(&picture.data, 0))?.pop().or(newest);
        }
        Ok(newest)
    }
}

/// Decoding of all users' sound, and encoding of their sum.
fn sound(users: &[User]) -> anyhow::Result<Meter> {
    let (channels, mut meter) = (usize::from(SOUND.channels), Meter::default());
    let mut sum = Vec::new();
    for user in users {
        let (mut decoder, mut heard) = (opus::Decoder::new(channels)?, Vec::new());
        for packet in &user.sound {
            meter.count(|| decoder.decode(&packet.data, &mut heard))?;
        }
        sum.resize(heard.len(), 0.0);
        sum.iter_mut().zip(&heard).for_each(|(sum, sample)| *sum += sample);
    }
    let mut encoder = meter.count(|| aac::Encoder::new(SOUND.rate, channels, SOUND.bitrate))?;
    for block in sum.chunks_exact(AAC_FRAME * channels) {
        meter.count(|| encoder.encode(block))?;
    }
    meter.count(|| encoder.finish())?;
    Ok(meter)
}
