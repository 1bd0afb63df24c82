//! VP8 payloads (RFC 7741) to frames.

use super::{DropReason, Format, LastConfig, Picture, follows};
use crate::bitstream::vp8;
use crate::packet::VideoConfig;

#[derive(Debug, Default)]
pub(super) struct Vp8 {
    data: Vec<u8>,
    picture_id: Option<PictureId>,
    last_id: Option<PictureId>,
    last: LastConfig,
}

/// Counts pictures in 7 or 15 bits; VP9 has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureId {
    value: u32,
    modulus: u32,
}

impl PictureId {
    /// Takes one off the front of `data`.
    pub fn read(data: &mut &[u8]) -> Result<Self, DropReason> {
        let first = take(data)?;
        if first & 0x80 == 0 {
            return Ok(Self { value: first.into(), modulus: 1 << 7 });
        }
        let value = u32::from(first & 0x7f) << 8 | u32::from(take(data)?);
        Ok(Self { value, modulus: 1 << 15 })
    }

    /// Whether no picture is missing between `last` and `now`.
    pub fn continuous(last: Option<Self>, now: Option<Self>, missing: u64) -> bool {
        match (last, now) {
            (Some(last), Some(now)) if last.modulus == now.modulus => {
                follows(last.value, now.value, now.modulus, missing)
            }
            _ => missing == 0,
        }
    }
}

/// Takes a byte off the front of `data`.
pub(super) fn take(data: &mut &[u8]) -> Result<u8, DropReason> {
    let (&first, rest) = data.split_first().ok_or(DropReason::Malformed)?;
    *data = rest;
    Ok(first)
}

/// The payload descriptor.
struct Descriptor {
    /// First packet of the first partition.
    starts_frame: bool,
    picture_id: Option<PictureId>,
}

impl Descriptor {
    fn read(data: &mut &[u8]) -> Result<Self, DropReason> {
        let first = take(data)?;
        let extended = if first & 0x80 != 0 { take(data)? } else { 0 };
        let picture_id = (extended & 0x80 != 0).then(|| PictureId::read(data)).transpose()?;
        if extended & 0x40 != 0 {
            take(data)?; // TL0PICIDX
        }
        if extended & 0x30 != 0 {
            take(data)?; // TID, Y, KEYIDX
        }
        Ok(Self { starts_frame: first & 0x17 == 0x10, picture_id })
    }
}

impl Format for Vp8 {
    fn starts_picture(&self, mut payload: &[u8]) -> bool {
        Descriptor::read(&mut payload).is_ok_and(|descriptor| descriptor.starts_frame)
    }

    fn push(&mut self, mut payload: &[u8]) -> Result<(), DropReason> {
        let descriptor = Descriptor::read(&mut payload)?;
        if descriptor.starts_frame != self.data.is_empty() || payload.is_empty() {
            return Err(DropReason::Malformed);
        }
        self.picture_id = descriptor.picture_id;
        self.data.extend_from_slice(payload);
        Ok(())
    }

    fn finish(&mut self, missing: u64) -> Result<Option<Picture>, DropReason> {
        let size = vp8::key_frame(&self.data)?;
        let config = size.map(|(width, height)| self.last.share(VideoConfig::Vp8 { width, height }));
        let id = self.picture_id.take();
        let key = config.is_some();
        let continuous = key || PictureId::continuous(self.last_id, id, missing);
        self.last_id = id;
        Ok(Some(Picture { data: std::mem::take(&mut self.data), key, config, continuous }))
    }

    fn discard(&mut self) {
        self.data.clear();
        self.picture_id = None;
    }
}
