//! H.265 payloads (RFC 7798: single NAL units, aggregation packets, fragmentation units; without decoding order numbers,
//! as WebRTC has it) to access units.
//!
//! Slices and SEI pass through bit for bit. Delimiters, filler and layers above the base are left out. A key frame (any
//! IRAP picture) begins with the parameter sets it uses, whether they came with it or earlier. Pictures shown before a
//! key frame that comes earlier in the stream (RASL) need what lies before it, and nothing needs them: they are left out,
//! so that decoding may begin at every key frame.

mod parameter_sets;

use std::sync::Arc;

use super::sized::{LENGTH, split_sized, with_sets};
use super::{DropReason, Format, Picture};
use crate::bitstream::h265::{HEADER, SliceHead, is_key_slice, is_slice, layer, nal, nal_type};
use crate::packet::VideoConfig;
use parameter_sets::ParameterSets;

/// Aggregation packet and fragmentation unit.
const AP: u8 = 48;
const FU: u8 = 49;

#[derive(Debug, Default)]
pub(super) struct H265 {
    sets: ParameterSets,
    /// NAL units of the picture with their lengths in front: parameter sets, and all others.
    set_nals: Vec<u8>,
    nals: Vec<u8>,
    /// Where in `nals` the fragmented NAL unit at hand has its length.
    fragment: Option<usize>,
    /// Where in `nals` the first slice segment lies.
    slice: Option<std::ops::Range<usize>>,
    has_sps: bool,
    has_pps: bool,
    /// The last key frame came together with its parameter sets, as browsers send them.
    sets_in_key_frames: bool,
}

impl Format for H265 {
    fn starts_picture(&self, payload: &[u8]) -> bool {
        match nal_type(payload[0]) {
            // Skips the aggregate's header and the length of its first NAL unit.
            AP => payload.get(HEADER + 2..).is_some_and(nal_starts_picture),
            FU => match payload {
                [_, second, header, first, ..] if header & 0x80 != 0 => {
                    nal_starts_picture(&[header << 1 & 0x7e, *second, *first])
                }
                _ => false,
            },
            _ => nal_starts_picture(payload),
        }
    }

    fn push(&mut self, payload: &[u8]) -> Result<(), DropReason> {
        let kind = nal_type(payload[0]);
        if self.fragment.is_some() && kind != FU {
            return Err(DropReason::Malformed);
        }
        match kind {
            0..AP => self.add(payload),
            AP => {
                let mut rest = payload.get(HEADER..).filter(|rest| !rest.is_empty()).ok_or(DropReason::Malformed)?;
                while !rest.is_empty() {
                    let (nal, after) = split_sized(rest)?;
                    self.add(nal)?;
                    rest = after;
                }
                Ok(())
            }
            FU => self.add_fragment(payload),
            // PACI, which nobody negotiates, or nothing that is known.
            _ => Err(DropReason::Malformed),
        }
    }

    fn finish(&mut self, missing: u64) -> Result<Option<Picture>, DropReason> {
        if self.fragment.is_some() {
            return Err(DropReason::Incomplete);
        }
        let Some(slice) = self.slice.clone() else {
            self.discard();
            return Ok(None);
        };
        let picture = match nal_type(self.nals[slice.start]) {
            nal::RASL_N | nal::RASL_R => None,
            kind if is_key_slice(kind) => Some(self.finish_key(slice, missing)?),
            _ => {
                let mut data = std::mem::take(&mut self.set_nals);
                data.append(&mut self.nals);
                // The order of pictures begins anew with a key frame, which may be what is missing: nothing tells.
                Some(Picture { data, key: false, config: None, continuous: missing == 0 })
            }
        };
        self.discard();
        Ok(picture)
    }

    fn discard(&mut self) {
        // What was known of the parameter sets stays.
        self.set_nals.clear();
        self.nals.clear();
        self.fragment = None;
        self.slice = None;
        (self.has_sps, self.has_pps) = (false, false);
    }
}

impl H265 {
    fn add(&mut self, nal: &[u8]) -> Result<(), DropReason> {
        let start = self.nals.len();
        self.nals.extend_from_slice(&[0; LENGTH]);
        self.nals.extend_from_slice(nal);
        self.close(start)
    }

    fn add_fragment(&mut self, payload: &[u8]) -> Result<(), DropReason> {
        let &[first, second, header, ref data @ ..] = payload else { return Err(DropReason::Malformed) };
        let (begins, ends) = (header & 0x80 != 0, header & 0x40 != 0);
        let nal_header = [first & 0x81 | header << 1 & 0x7e, second];
        let start = match (begins, self.fragment) {
            (true, None) => {
                let start = self.nals.len();
                self.nals.extend_from_slice(&[0; LENGTH]);
                self.nals.extend_from_slice(&nal_header);
                self.fragment = Some(start);
                start
            }
            (false, Some(start)) if self.nals[start + LENGTH..].starts_with(&nal_header) => start,
            _ => return Err(DropReason::Malformed),
        };
        self.nals.extend_from_slice(data);
        if ends {
            self.fragment = None;
            self.close(start)?;
        }
        Ok(())
    }

    /// Completes the NAL unit at the end of `nals`, whose length field is at `start`.
    fn close(&mut self, start: usize) -> Result<(), DropReason> {
        let (head, body) = self.nals[start..].split_at_mut(LENGTH);
        let header = *body.first_chunk::<HEADER>().ok_or(DropReason::Malformed)?;
        let length = u32::try_from(body.len()).map_err(|_| DropReason::TooLarge)?;
        head.copy_from_slice(&length.to_be_bytes());
        match nal_type(header[0]) {
            _ if layer(header) > 0 => self.nals.truncate(start),
            kind @ (nal::VPS | nal::SPS | nal::PPS) => {
                self.sets.add(kind, body)?;
                self.has_sps |= kind == nal::SPS;
                self.has_pps |= kind == nal::PPS;
                self.set_nals.extend(self.nals.drain(start..));
            }
            nal::ACCESS_UNIT_DELIMITER | nal::FILLER => self.nals.truncate(start),
            kind if is_slice(kind) && self.slice.is_none() => self.slice = Some(start + LENGTH..self.nals.len()),
            0..AP => {}
            _ => return Err(DropReason::Malformed),
        }
        Ok(())
    }

    fn finish_key(&mut self, slice: std::ops::Range<usize>, missing: u64) -> Result<Picture, DropReason> {
        let own_sets = self.has_sps && self.has_pps;
        if missing > 0 && self.sets_in_key_frames && !own_sets {
            // Its sets were lost, and those known may be of another size.
            return Err(DropReason::Incomplete);
        }
        let head = SliceHead::parse(&self.nals[slice])?;
        let config = self.sets.activate(head.pps).ok_or(DropReason::NoParameterSets)?;
        let sets = [&config.vps, &config.sps].into_iter().chain(&config.pps);
        let data = with_sets(sets, &self.nals);
        self.sets_in_key_frames = own_sets;
        let config: Arc<VideoConfig> = self.sets.share(config);
        Ok(Picture { data, key: true, config: Some(config), continuous: true })
    }
}

/// Whether a NAL unit, of which three bytes suffice, can be the first of a picture.
fn nal_starts_picture(nal: &[u8]) -> bool {
    match nal {
        // The first bit of a slice segment says so.
        [header, _, first, ..] if is_slice(nal_type(*header)) => first & 0x80 != 0,
        // Parameter sets, delimiters, SEI in front; not what ends a sequence, filler, or SEI behind.
        [header, ..] => matches!(nal_type(*header), 32..=35 | 39 | 41..=44),
        [] => false,
    }
}
