//! A stream's coded pictures, decoded as long as they can be decoded right.

use codec::video::{self, Decoder};
use media::packet::VideoCodec;
use rules::ledger::Cause;

use crate::unit::Picture;

/// Decodes one stream in the order it was sent. After a loss, or a fault of the decoder, nothing is given until a key frame
/// comes: what is shown then would be wrong.
#[derive(Default)]
pub struct PictureDecoder {
    decoder: Option<(VideoCodec, Decoder)>,
    /// Pictures cannot be decoded right until a key frame comes.
    broken: bool,
    /// Why pictures are missing since the last one that was decoded.
    pub fault: Option<Cause>,
    pub counts: Counts,
}

/// What became of the pictures of a stream.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub decoded: u64,
    /// Not decoded because something that they refer to is missing.
    pub skipped: u64,
    /// Refused by the decoder, or found damaged by it.
    pub undecodable: u64,
    /// Dropped because decoding fell behind.
    pub dropped: u64,
    /// Width and height of the last picture decoded, pixels.
    pub size: (u32, u32),
}

impl PictureDecoder {
    /// Nothing for a picture that is not meant to be shown, or cannot be.
    pub fn decode(&mut self, picture: &Picture) -> Option<video::Picture> {
        if picture.after_loss {
            self.break_off(Cause::Lost);
        }
        if picture.key && !picture.after_loss {
            self.broken = false;
        }
        if self.broken {
            self.counts.skipped += 1;
            return None;
        }
        match self.try_decode(picture) {
            Ok(decoded) if decoded.as_ref().is_none_or(|decoded| !decoded.damaged) => {
                let decoded = decoded?;
                self.counts.decoded += 1;
                let view = decoded.view();
                self.counts.size = (view.width, view.height);
                Some(decoded)
            }
            Ok(_) | Err(_) => {
                self.counts.undecodable += 1;
                self.break_off(Cause::DecoderError);
                None
            }
        }
    }

    /// So many pictures were left out: what refers to them cannot be decoded right.
    pub fn left_out(&mut self, pictures: u64) {
        self.counts.dropped += pictures;
        self.break_off(Cause::Overload);
    }

    fn break_off(&mut self, cause: Cause) {
        self.broken = true;
        self.fault.get_or_insert(cause);
    }

    /// The next picture has nothing to do with the last.
    pub fn begin_anew(&mut self) {
        self.decoder = None;
        self.broken = false;
        self.fault = None;
    }

    /// Whether only a key frame helps: nothing was decoded yet, or something is missing.
    pub fn needs_key_frame(&self) -> bool {
        self.broken || self.decoder.is_none()
    }

    fn try_decode(&mut self, picture: &Picture) -> codec::Result<Option<video::Picture>> {
        if let Some(config) = &picture.config
            && self.decoder.as_ref().is_none_or(|(codec, _)| *codec != config.codec())
        {
            self.decoder = Some((config.codec(), Decoder::new(decoder_of(config.codec()), 1)?));
        }
        let Some((codec, decoder)) = &mut self.decoder else { return Ok(None) };
        let decoded = match codec {
            VideoCodec::H264 | VideoCodec::H265 => decoder.decode_sized(&picture.data, 0)?,
            _ => decoder.decode(&picture.data, 0)?,
        };
        Ok(decoded.into_iter().next_back())
    }
}

fn decoder_of(codec: VideoCodec) -> video::Codec {
    match codec {
        VideoCodec::H264 => video::Codec::H264,
        VideoCodec::H265 => video::Codec::H265,
        VideoCodec::Vp8 => video::Codec::Vp8,
        VideoCodec::Vp9 => video::Codec::Vp9,
        VideoCodec::Av1 => video::Codec::Av1,
    }
}
