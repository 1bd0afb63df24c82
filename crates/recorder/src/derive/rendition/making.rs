//! Pictures decoded and encoded one by one into a file. Each lasts until the next one, so that the file has no holes: black
//! is pictures of its own.

use std::collections::VecDeque;

use bytes::Bytes;
use codec::black;
use codec::video::{self, Decoder, Encoder, Picture};
use media::mp4::{self, Codec, Content, Played, Sample, SampleEntry, TrackId, Writer};

use crate::messages::Anew;
use crate::mix::turn::Turned;
use crate::pictures::Target;
use crate::{Error, Result, transcode};

/// VP8, which everything plays that plays WebM, takes another size at any key frame and costs the least.
const TARGET: Target = Target { codec: video::Codec::Vp8, rates: Anew { fps: None, bitrate: None } };

/// See the module's head.
pub struct Making {
    writer: Writer,
    track: Option<TrackId>,
    entry: Option<SampleEntry>,
    decoder: Option<Decoder>,
    /// Nothing can be decoded right until a key frame comes.
    broken: bool,
    /// Pictures in the decoder: their time, whether they are key frames, and their clockwise turn.
    inside: VecDeque<(i64, bool, u16)>,
    encoder: Option<((u32, u32), Encoder)>,
    /// Pictures that went into encoders.
    encoded: i64,
    /// The next picture has nothing before it.
    fresh: bool,
    /// A black picture of this size.
    black: Option<((u32, u32), Bytes)>,
    /// The last picture, whose end is not known yet.
    held: Option<Sample>,
}

impl Making {
    pub fn new(writer: Writer) -> Making {
        Making {
            writer,
            track: None,
            entry: None,
            decoder: None,
            broken: true,
            inside: VecDeque::new(),
            encoder: None,
            encoded: 0,
            fresh: true,
            black: None,
            held: None,
        }
    }

    /// The sample entry of the pieces that come.
    pub fn entry(&mut self, entry: SampleEntry) {
        self.entry = Some(entry);
    }

    pub fn push(&mut self, played: &Played) -> Result<()> {
        match &played.content {
            Content::Sample { key, data } => self.decode(played.at, *key, data),
            Content::Filler => self.black(played.at),
        }
    }

    fn decode(&mut self, at: i64, key: bool, data: &[u8]) -> Result<()> {
        let Some(entry) = &self.entry else { return Ok(()) };
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(Decoder::new(decoder_of(entry.codec())?, 1)?),
        };
        self.broken &= !key;
        if self.broken {
            return Ok(());
        }
        self.inside.push_back((at, key, entry.rotation()));
        match decoder.decode_sized(data, at) {
            Ok(pictures) => self.encode_all(pictures),
            Err(error) => {
                tracing::debug!(at, %error, "a picture cannot be decoded");
                self.break_off();
                Ok(())
            }
        }
    }

    /// The picture before stays until a key frame comes.
    fn break_off(&mut self) {
        (self.broken, self.decoder) = (true, None);
        self.inside.clear();
    }

    /// Encodes what is left in the decoder; what comes then is a key frame.
    fn flush(&mut self) -> Result<()> {
        let rest = self.decoder.as_mut().map(Decoder::flush).transpose()?.unwrap_or_default();
        self.encode_all(rest)?;
        self.break_off();
        Ok(())
    }

    fn encode_all(&mut self, pictures: Vec<Picture>) -> Result<()> {
        for picture in pictures {
            let of = |(at, ..): &(i64, bool, u16)| Some(*at) == picture.pts;
            let Some(n) = self.inside.iter().position(of) else { continue };
            let Some((at, key, rotation)) = self.inside.drain(..=n).next_back() else { continue };
            if picture.damaged {
                self.break_off();
                return Ok(());
            }
            self.encode(&picture, at, key, rotation)?;
        }
        Ok(())
    }

    fn encode(&mut self, picture: &Picture, at: i64, key: bool, rotation: u16) -> Result<()> {
        let turned = (rotation != 0).then(|| Turned::new(&picture.view(), rotation));
        let view = match &turned {
            Some(turned) => turned.view().ok_or(Error::Internal("a decoded picture is not whole"))?,
            None => picture.view(),
        };
        let size = (view.width, view.height);
        let encoder = match &mut self.encoder {
            Some((of, encoder)) if *of == size => encoder,
            other => &mut other.insert((size, transcode::encoder(TARGET, size)?)).1,
        };
        let key = key || std::mem::take(&mut self.fresh);
        let packet = encoder.encode(&view, self.encoded, key)?.pop();
        self.encoded += 1;
        let Some(packet) = packet else { return Ok(()) };
        self.hold(at, size, packet.key, packet.data)
    }

    fn black(&mut self, at: i64) -> Result<()> {
        self.flush()?;
        let Some(entry) = &self.entry else { return Ok(()) };
        let (width, height) = entry.upright_size();
        let size = (width.into(), height.into());
        let data = match &self.black {
            Some((of, data)) if *of == size => data.clone(),
            _ => self.black.insert((size, black::key_frame(TARGET.codec, size.0, size.1)?)).1.clone(),
        };
        self.fresh = true;
        self.hold(at, size, true, data)
    }

    /// The picture before lasts up to this one.
    fn hold(&mut self, at: i64, (width, height): (u32, u32), key: bool, data: Bytes) -> Result<()> {
        let entry = SampleEntry::vp8(width as u16, height as u16);
        let entry = match self.track {
            None => {
                self.track = Some(self.writer.add_track(entry)?);
                0
            }
            // A key frame says its size itself, also when there is no room for another entry.
            Some(track) => match self.writer.add_entry(track, entry) {
                Err(mp4::Error::HeadFull) => 0,
                entry => entry?,
            },
        };
        let dts = at.max(0) as u64;
        self.write_held(dts)?;
        self.held = Some(Sample { entry, dts, duration: 0, key, after_still: false, data });
        Ok(())
    }

    fn write_held(&mut self, end: u64) -> Result<()> {
        let (Some(held), Some(track)) = (self.held.take(), self.track) else { return Ok(()) };
        let duration = end.saturating_sub(held.dts).max(1) as u32;
        Ok(self.writer.push(track, Sample { duration, ..held })?)
    }

    /// The last picture stays up to here, in ticks.
    pub fn finish(mut self, end: u64) -> Result<()> {
        self.flush()?;
        self.write_held(end)?;
        Ok(self.writer.flush()?)
    }
}

fn decoder_of(codec: Codec) -> Result<video::Codec> {
    match codec {
        Codec::H264 => Ok(video::Codec::H264),
        Codec::H265 => Ok(video::Codec::H265),
        _ => Err(Error::Internal("pictures that WebM takes are copied")),
    }
}
