//! Draws and encodes a user's pictures and sound one after the other.

use super::{ClipSpec, Frame};
use crate::draw::Painter;
use crate::schedule::{FLASH_FRAMES, PACKET, number, since_flash};
use crate::sound::Voice;
use crate::{Error, Result};
use bytes::Bytes;
use codec::opus;
use codec::video::{Config, Encoder};

/// A user encoded while it is sent. For numbers that do not repeat, let the spec loop over a day.
pub struct Live {
    spec: ClipSpec,
    layers: Vec<(Painter, Encoder)>,
    sound: Sound,
    /// Pictures encoded so far.
    count: i64,
}

impl Live {
    pub fn new(spec: &ClipSpec) -> Result<Live> {
        spec.check()?;
        let mut layers = Vec::new();
        for layer in spec.layers() {
            let painter = Painter::new(layer.width, layer.height, spec.user, &spec.name);
            let config = Config::live(spec.codec, layer.width, layer.height, spec.fps, layer.bitrate, spec.gop);
            layers.push((painter, Encoder::new(&config)?));
        }
        Ok(Live { spec: spec.clone(), layers, sound: Sound::new(spec)?, count: 0 })
    }

    /// The frame with this index since the epoch, once for each layer, smallest first; key frames when `key`.
    pub fn video(&mut self, frame: u64, key: bool) -> Result<Vec<Frame>> {
        let number = number(frame, self.spec.fps, self.spec.loop_seconds);
        let lit = since_flash(frame, self.spec.fps, self.spec.offset) < FLASH_FRAMES;
        let mut frames = Vec::with_capacity(self.layers.len());
        for (painter, encoder) in &mut self.layers {
            let packet = encoder.encode(&painter.draw(number, lit), self.count, key)?.pop();
            let packet = packet.ok_or_else(|| Error::Argument("the encoder held a picture back".into()))?;
            frames.push(Frame { data: packet.data, key: packet.key });
        }
        self.count += 1;
        Ok(frames)
    }

    /// The sound packet with this index since the epoch. Packets are asked for in order.
    pub fn sound(&mut self, packet: u64) -> Result<Bytes> {
        self.sound.packet(packet)
    }
}

/// The sound alone.
pub(super) struct Sound {
    voice: Voice,
    encoder: opus::Encoder,
    channels: usize,
    block: Vec<f32>,
}

impl Sound {
    pub(super) fn new(spec: &ClipSpec) -> Result<Sound> {
        let voice = Voice::new(spec.user, spec.fps, spec.offset, spec.hum);
        let encoder = opus::Encoder::new(spec.channels, spec.audio_bitrate)?;
        Ok(Sound { voice, encoder, channels: spec.channels, block: vec![0.0; PACKET as usize * spec.channels] })
    }

    pub(super) fn packet(&mut self, packet: u64) -> Result<Bytes> {
        // Decoded sound comes late by the look-ahead; so much earlier it goes in, and beep and flash are one instant.
        let first = packet * PACKET + self.encoder.lookahead() as u64;
        self.voice.fill(first, self.channels, &mut self.block);
        Ok(self.encoder.encode(&self.block)?)
    }
}
