//! AV1 payloads (RTP Payload Format For AV1, version 1.0) to temporal units.
//!
//! Out come OBUs with size fields, without temporal delimiters, tile lists and padding, as an MP4 sample has them;
//! a key frame begins with a sequence header. A picture's size is that of its highest layer, which may change without a key
//! frame.

use std::sync::Arc;

use super::{DropReason, Format, LastConfig, Picture};
use crate::bitstream::av1::{Av1Config, Frames, ObuHeader, is_key_frame, leb128, obu, write_leb128};
use crate::packet::VideoConfig;

#[derive(Debug, Default)]
pub(super) struct Av1 {
    /// Whole OBUs of the temporal unit.
    data: Vec<u8>,
    /// The OBU whose next fragment is in the next packet.
    fragment: Option<Vec<u8>>,
    has_sequence_header: bool,
    /// The first frame header of the temporal unit is a key frame's.
    key: Option<bool>,
    stream: Frames,
    /// The last key frame came together with its sequence header.
    headers_in_key_frames: bool,
    last: LastConfig,
}

/// The OBU elements of a payload: the first may continue one, the last may be continued.
struct Elements<'a> {
    continues: bool,
    continued: bool,
    elements: Vec<&'a [u8]>,
}

impl<'a> Elements<'a> {
    fn read(payload: &'a [u8]) -> Result<Self, DropReason> {
        let (&header, mut rest) = payload.split_first().ok_or(DropReason::Malformed)?;
        let count = usize::from(header >> 4 & 3);
        let mut elements = Vec::new();
        while !rest.is_empty() {
            // The last of a counted list has no length of its own.
            if elements.len() + 1 == count {
                elements.push(std::mem::take(&mut rest));
                break;
            }
            let (length, skip) = leb128(rest)?;
            let (element, after) = rest[skip..].split_at_checked(length as usize).ok_or(DropReason::Malformed)?;
            elements.push(element);
            rest = after;
        }
        if elements.is_empty() || (count != 0 && elements.len() != count) {
            return Err(DropReason::Malformed);
        }
        Ok(Self { continues: header & 0x80 != 0, continued: header & 0x40 != 0, elements })
    }
}

impl Format for Av1 {
    fn starts_picture(&self, payload: &[u8]) -> bool {
        let Ok(Elements { continues: false, elements, .. }) = Elements::read(payload) else { return false };
        // Within a temporal unit the lowest layer comes first, and a frame's header before its tiles.
        ObuHeader::parse(elements[0])
            .is_ok_and(|header| header.spatial_layer == 0 && !matches!(header.kind, obu::TILE_GROUP | obu::TILE_LIST))
    }

    fn push(&mut self, payload: &[u8]) -> Result<(), DropReason> {
        let Elements { continues, continued, elements } = Elements::read(payload)?;
        if continues != self.fragment.is_some() {
            return Err(DropReason::Malformed);
        }
        let last = elements.len() - 1;
        for (i, element) in elements.into_iter().enumerate() {
            let open = continued && i == last;
            match self.fragment.take() {
                Some(mut fragment) => {
                    fragment.extend_from_slice(element);
                    if open {
                        self.fragment = Some(fragment);
                    } else {
                        self.add(&fragment)?;
                    }
                }
                None if open => self.fragment = Some(element.to_vec()),
                None => self.add(element)?,
            }
        }
        Ok(())
    }

    fn finish(&mut self, missing: u64) -> Result<Option<Picture>, DropReason> {
        if self.fragment.is_some() {
            return Err(DropReason::Incomplete);
        }
        let Some(key) = self.key else {
            self.discard();
            return Ok(None);
        };
        let config = if key { Some(self.key_config(missing)?) } else { self.changed() };
        let mut data = std::mem::take(&mut self.data);
        if let (true, false, Some(VideoConfig::Av1(config))) = (key, self.has_sequence_header, config.as_deref()) {
            data.splice(0..0, config.sequence_header.iter().copied());
        }
        self.discard();
        // Without the dependency descriptor nothing tells whether a frame depends on a lost one.
        Ok(Some(Picture { data, key, config, continuous: key || missing == 0 }))
    }

    fn discard(&mut self) {
        self.data.clear();
        self.fragment = None;
        self.has_sequence_header = false;
        self.key = None;
    }
}

impl Av1 {
    /// Takes a whole OBU.
    fn add(&mut self, bytes: &[u8]) -> Result<(), DropReason> {
        let header = ObuHeader::parse(bytes)?;
        let mut payload = &bytes[header.len..];
        if header.has_size {
            let (length, skip) = leb128(payload)?;
            payload = payload.get(skip..skip + length as usize).ok_or(DropReason::Malformed)?;
        }
        match header.kind {
            obu::TEMPORAL_DELIMITER | obu::TILE_LIST | obu::PADDING => return Ok(()),
            obu::SEQUENCE_HEADER => {
                self.stream.take(header, payload)?;
                self.has_sequence_header = true;
            }
            obu::FRAME | obu::FRAME_HEADER => {
                self.key = Some(self.key.map_or_else(|| is_key_frame(payload), Ok)?);
                // Where its size cannot be read it is that of the frame before.
                _ = self.stream.take(header, payload);
            }
            _ => {}
        }
        self.data.push(bytes[0] | 2);
        self.data.extend_from_slice(&bytes[1..header.len]);
        write_leb128(payload.len(), &mut self.data);
        self.data.extend_from_slice(payload);
        Ok(())
    }

    fn key_config(&mut self, missing: u64) -> Result<Arc<VideoConfig>, DropReason> {
        if missing > 0 && self.headers_in_key_frames && !self.has_sequence_header {
            // It was lost, and the one known may be of another size.
            return Err(DropReason::Incomplete);
        }
        let config = self.stream.config().ok_or(DropReason::NoParameterSets)?;
        let (width, height) = self.stream.size().unwrap_or((config.width, config.height));
        let config = Av1Config { width, height, ..config.clone() };
        self.headers_in_key_frames = self.has_sequence_header;
        Ok(self.last.share(VideoConfig::Av1(config)))
    }

    /// The configuration of a picture that has another size than the one before.
    fn changed(&mut self) -> Option<Arc<VideoConfig>> {
        let Some(VideoConfig::Av1(last)) = self.last.0.as_deref() else { return None };
        let (width, height) = self.stream.size().filter(|size| *size != (last.width, last.height))?;
        let config = Av1Config { width, height, ..last.clone() };
        Some(self.last.share(VideoConfig::Av1(config)))
    }
}
