//! H.264 payloads (RFC 6184, packetization modes 0 and 1: single NAL units, STAP-A, FU-A) to access units.
//!
//! Coded slices and SEI pass through bit for bit. Delimiters and filler are left out. A key frame begins with the
//! parameter sets it uses, whether they came with it or earlier (players need them there).

use super::parameter_sets::ParameterSets;
use super::sized::{LENGTH, split_sized, with_sets};
use super::{DropReason, Format, Picture, follows};
use crate::bitstream::h264::{SliceHead, Sps, nal, nal_type};
use crate::packet::VideoConfig;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

#[derive(Debug, Default)]
pub(super) struct H264 {
    sets: ParameterSets,
    /// NAL units of the picture with their lengths in front: parameter sets, and all others.
    set_nals: Vec<u8>,
    nals: Vec<u8>,
    /// Where in `nals` the fragmented NAL unit at hand has its length.
    fragment: Option<usize>,
    /// Where in `nals` the first coded slice lies.
    slice: Option<std::ops::Range<usize>>,
    has_sps: bool,
    has_pps: bool,
    /// The last key frame came together with its parameter sets, as browsers send them.
    sets_in_key_frames: bool,
    /// The active SPS and the `frame_num` of the last reference picture.
    reference: Option<(Sps, u32)>,
}

impl Format for H264 {
    fn starts_picture(&self, payload: &[u8]) -> bool {
        match nal_type(payload[0]) {
            // Skips the aggregate's header and the length of its first NAL unit.
            STAP_A => payload.get(3..).is_some_and(nal_starts_picture),
            FU_A => match payload {
                [_, header, first, ..] if header & 0x80 != 0 => nal_starts_picture(&[*header, *first]),
                _ => false,
            },
            _ => nal_starts_picture(payload),
        }
    }

    fn push(&mut self, payload: &[u8]) -> Result<(), DropReason> {
        let fragment = nal_type(payload[0]) == FU_A;
        if self.fragment.is_some() && !fragment {
            return Err(DropReason::Malformed);
        }
        match nal_type(payload[0]) {
            1..=23 => self.add(payload)?,
            STAP_A => {
                let mut rest = &payload[1..];
                while !rest.is_empty() {
                    let (nal, after) = split_sized(rest)?;
                    self.add(nal)?;
                    rest = after;
                }
            }
            FU_A => self.add_fragment(payload)?,
            // The rest belongs to the interleaved mode, which nobody negotiates, or is reserved.
            _ => return Err(DropReason::Malformed),
        }
        Ok(())
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
            nal::IDR_SLICE => self.finish_key(slice, missing)?,
            _ => self.finish_inter(slice, missing),
        };
        self.discard();
        Ok(Some(picture))
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

impl H264 {
    fn add(&mut self, nal: &[u8]) -> Result<(), DropReason> {
        let start = self.nals.len();
        self.nals.extend_from_slice(&[0; LENGTH]);
        self.nals.extend_from_slice(nal);
        self.close(start)
    }

    fn add_fragment(&mut self, payload: &[u8]) -> Result<(), DropReason> {
        let &[indicator, header, ref data @ ..] = payload else { return Err(DropReason::Malformed) };
        let (first, last) = (header & 0x80 != 0, header & 0x40 != 0);
        let nal_header = indicator & 0xe0 | header & 0x1f;
        let start = match (first, self.fragment) {
            (true, None) => {
                let start = self.nals.len();
                self.nals.extend_from_slice(&[0, 0, 0, 0, nal_header]);
                self.fragment = Some(start);
                start
            }
            (false, Some(start)) if nal_type(self.nals[start + LENGTH]) == nal_type(nal_header) => start,
            _ => return Err(DropReason::Malformed),
        };
        self.nals.extend_from_slice(data);
        if last {
            self.fragment = None;
            self.close(start)?;
        }
        Ok(())
    }

    /// Completes the NAL unit at the end of `nals`, whose length field is at `start`.
    fn close(&mut self, start: usize) -> Result<(), DropReason> {
        let (head, body) = self.nals[start..].split_at_mut(LENGTH);
        let &first = body.first().ok_or(DropReason::Malformed)?;
        let length = u32::try_from(body.len()).map_err(|_| DropReason::TooLarge)?;
        head.copy_from_slice(&length.to_be_bytes());
        match nal_type(first) {
            nal::SPS => {
                self.sets.add_sps(body)?;
                self.has_sps = true;
                self.set_nals.extend(self.nals.drain(start..));
            }
            nal::PPS => {
                self.sets.add_pps(body)?;
                self.has_pps = true;
                self.set_nals.extend(self.nals.drain(start..));
            }
            nal::ACCESS_UNIT_DELIMITER | nal::FILLER => self.nals.truncate(start),
            nal::SLICE | nal::IDR_SLICE if self.slice.is_none() => self.slice = Some(start + LENGTH..self.nals.len()),
            1..=23 => {}
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
        let (sps, config) = self.sets.activate(head.pps).ok_or(DropReason::NoParameterSets)?;
        let VideoConfig::H264(sets) = &*config else { return Err(DropReason::NoParameterSets) };
        let data = with_sets(std::iter::once(&sets.sps).chain(&sets.pps), &self.nals);
        self.sets_in_key_frames = own_sets;
        self.reference = Some((sps, 0));
        Ok(Picture { data, key: true, config: Some(config), continuous: true })
    }

    fn finish_inter(&mut self, slice: std::ops::Range<usize>, missing: u64) -> Picture {
        let slice = &self.nals[slice];
        let is_reference = slice[0] & 0x60 != 0;
        let mut continuous = false;
        if let Some((sps, last)) = &mut self.reference
            && sps.frame_mbs_only
            && let Ok(now) = sps.frame_num(slice)
        {
            // A key frame begins the count anew. One that is missing, with all behind it, is as much as the number says.
            let hides_key_frame = now != 0 && missing >= u64::from(now);
            continuous = !hides_key_frame && follows(*last, now, sps.frame_num_modulus(), missing);
            if is_reference {
                *last = now;
            }
        }
        let continuous = continuous || missing == 0;
        let mut data = std::mem::take(&mut self.set_nals);
        data.append(&mut self.nals);
        Picture { data, key: false, config: None, continuous }
    }
}

/// Whether a NAL unit, of which two bytes suffice, can be the first of a picture.
fn nal_starts_picture(nal: &[u8]) -> bool {
    match nal {
        // `first_mb_in_slice` is 0: a single bit that is set.
        [header, first, ..] if matches!(nal_type(*header), 1 | 2 | nal::IDR_SLICE) => first & 0x80 != 0,
        // Data partitions B and C follow A.
        [header, ..] => !matches!(nal_type(*header), 3 | 4),
        [] => false,
    }
}
