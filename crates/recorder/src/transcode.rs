//! Pictures of codecs that do not go into the file as they are: decoded, and encoded anew, one by one, at the times at which
//! they were captured. On a thread of its own, because the media thread must never wait for an encoder.

mod pace;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use codec::video::{Codec, Config, Encoder, I420};
use media::packet::VideoConfig;
use rules::time::{MILLI_NS, Mono};

use crate::decode::PictureDecoder;
use crate::pictures::Target;
use crate::unit::Picture;
use crate::{Result, coded};
use pace::Pace;

/// Pictures that may wait: two seconds of a fast camera. Beyond it pictures are left out up to the next key frame.
const WAITING: usize = 120;
/// The last pictures of a track are waited for this long.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bits per pixel and picture: a little more than a mix has, for the picture was coded before.
const BITS_PER_PIXEL: f64 = 0.12;
/// Pictures per second that the bit rate is reckoned with where no rate is asked for, and its bounds, bit/s.
const RATE: u32 = 30;
const BITRATES: (u32, u32) = (150_000, 8_000_000);

/// One track's pictures on their way through the thread.
pub struct Transcoder {
    target: Target,
    inputs: SyncSender<Input>,
    outputs: Receiver<Output>,
    /// Pictures left out since the last one that found room.
    left_out: u64,
    /// Only a key frame of the sender helps.
    needs_key_frame: bool,
}

enum Input {
    /// So many pictures before it were left out.
    Picture(Picture, u64),
    /// Answered when all before it is done.
    Mark,
}

enum Output {
    Picture(Picture),
    NeedsKeyFrame(bool),
    Mark,
}

impl Transcoder {
    /// `key_frame_ms`: the longest time from key frame to key frame.
    pub fn start(target: Target, key_frame_ms: u32) -> Result<Transcoder> {
        let (inputs, queue) = sync_channel(WAITING);
        let (tell, outputs) = channel();
        let work = move || run(Transcoding::new(target, key_frame_ms), &queue, &|output| _ = tell.send(output));
        std::thread::Builder::new().name("transcode".into()).spawn(work)?;
        Ok(Transcoder { target, inputs, outputs, left_out: 0, needs_key_frame: true })
    }

    pub fn target(&self) -> Target {
        self.target
    }

    pub fn push(&mut self, picture: Picture) {
        match self.inputs.try_send(Input::Picture(picture, self.left_out)) {
            Ok(()) => self.left_out = 0,
            Err(TrySendError::Full(_)) => self.left_out += 1,
            Err(TrySendError::Disconnected(_)) => tracing::error!("transcoding broke off"),
        }
    }

    /// The pictures that are done.
    pub fn done(&mut self) -> Vec<Picture> {
        let outputs: Vec<Output> = self.outputs.try_iter().collect();
        outputs.into_iter().filter_map(|output| self.take(output)).collect()
    }

    /// The pictures that are done once all that was pushed is. Waits for them, for as long as it may take.
    pub fn rest(&mut self) -> Vec<Picture> {
        let mut pictures = Vec::new();
        if self.inputs.send(Input::Mark).is_err() {
            return self.done();
        }
        loop {
            match self.outputs.recv_timeout(PATIENCE) {
                Ok(Output::Mark) => return pictures,
                Ok(output) => pictures.extend(self.take(output)),
                Err(RecvTimeoutError::Timeout) => {
                    tracing::error!("transcoding is so far behind that its last pictures are lost");
                    return pictures;
                }
                Err(RecvTimeoutError::Disconnected) => return pictures,
            }
        }
    }

    /// Whether only a key frame of the sender brings further pictures.
    pub fn needs_key_frame(&self) -> bool {
        self.needs_key_frame || self.left_out > 0
    }

    fn take(&mut self, output: Output) -> Option<Picture> {
        match output {
            Output::Picture(picture) => Some(picture),
            Output::NeedsKeyFrame(needs) => {
                self.needs_key_frame = needs;
                None
            }
            Output::Mark => None,
        }
    }
}

fn run(mut transcoding: Transcoding, queue: &Receiver<Input>, tell: &impl Fn(Output)) {
    let (mut needed, mut failed) = (true, false);
    for input in queue {
        let (picture, left_out) = match input {
            Input::Mark => {
                tell(Output::Mark);
                continue;
            }
            Input::Picture(picture, left_out) => (picture, left_out),
        };
        match transcoding.push(&picture, left_out) {
            Ok(done) => done.into_iter().for_each(|picture| tell(Output::Picture(picture))),
            Err(error) => {
                if !std::mem::replace(&mut failed, true) {
                    tracing::error!(%error, "a picture cannot be encoded");
                }
            }
        }
        let needs = transcoding.decoder.needs_key_frame();
        if needs != needed {
            needed = needs;
            tell(Output::NeedsKeyFrame(needs));
        }
    }
    tracing::info!(counts = ?transcoding.decoder.counts, "pictures transcoded");
}

/// What the thread does. Pure but for the codecs.
struct Transcoding {
    target: Target,
    pace: Option<Pace>,
    decoder: PictureDecoder,
    encoder: Option<Open>,
    key_frame_ns: i64,
}

/// An encoder for pictures of one size.
struct Open {
    size: (u32, u32),
    encoder: Encoder,
    /// Number of the next picture.
    next: i64,
    /// When the last key frame was captured.
    key_at: Option<Mono>,
    /// That of the last key frame, and shared as long as it stays the same.
    config: Option<Arc<VideoConfig>>,
}

impl Transcoding {
    fn new(target: Target, key_frame_ms: u32) -> Transcoding {
        let key_frame_ns = i64::from(key_frame_ms) * MILLI_NS;
        let pace = target.rates.fps.map(Pace::new);
        Transcoding { target, pace, decoder: PictureDecoder::default(), encoder: None, key_frame_ns }
    }

    /// `left_out`: so many pictures before it are missing.
    fn push(&mut self, picture: &Picture, left_out: u64) -> Result<Option<Picture>> {
        if left_out > 0 {
            self.decoder.left_out(left_out);
        }
        let Some(decoded) = self.decoder.decode(picture) else { return Ok(None) };
        if self.pace.as_mut().is_some_and(|pace| !pace.keeps(picture.at)) {
            return Ok(None);
        }
        let view = if self.target.codec == Codec::H264 { even(decoded.view()) } else { decoded.view() };
        let size = (view.width, view.height);
        let open = match &mut self.encoder {
            Some(open) if open.size == size => open,
            encoder => encoder.insert(Open::new(self.target, size)?),
        };
        let due = open.key_at.is_none_or(|at| picture.at.since(at) >= self.key_frame_ns);
        let key = picture.key || due;
        let packets = open.encoder.encode(&view, open.next, key)?;
        open.next += 1;
        // Without delay and look-ahead each picture comes out at once.
        let Some(packet) = packets.into_iter().next_back() else { return Ok(None) };
        let (data, config) = coded::sample(self.target.codec, packet.data, packet.key)?;
        if let Some(config) = config {
            open.key_at = Some(picture.at);
            if open.config.as_deref() != Some(&config) {
                open.config = Some(Arc::new(config));
            }
        }
        Ok(Some(Picture {
            data,
            key: packet.key,
            after_loss: false,
            missing_before: self.decoder.fault.take().map(|cause| (cause, u64::MAX)).or(picture.missing_before),
            config: open.config.clone().filter(|_| packet.key),
            ..picture.clone()
        }))
    }
}

impl Open {
    fn new(target: Target, size: (u32, u32)) -> Result<Open> {
        Ok(Open { size, encoder: encoder(target, size)?, next: 0, key_at: None, config: None })
    }
}

/// An encoder of pictures that were coded before. Key frames come where they are asked for.
pub fn encoder(Target { codec, rates }: Target, (width, height): (u32, u32)) -> Result<Encoder> {
    let fps = rates.fps.unwrap_or(RATE);
    let bits = f64::from(width) * f64::from(height) * f64::from(fps) * BITS_PER_PIXEL;
    let bitrate = rates.bitrate.unwrap_or((bits as u32).clamp(BITRATES.0, BITRATES.1));
    Ok(Encoder::new(&Config::recording(codec, width, height, fps, bitrate, fps * 600))?)
}

/// The picture without an odd last row and column, which H.264 pictures of calls cannot have.
fn even(picture: I420<'_>) -> I420<'_> {
    let side = |pixels: u32| (pixels & !1).max(pixels.min(2));
    I420 { width: side(picture.width), height: side(picture.height), ..picture }
}

#[cfg(test)]
mod tests;
