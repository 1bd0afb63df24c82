//! The sizes of frames, which may change without a key frame: a frame's header says its own (5.9.5), or from which earlier
//! frame it has it (5.9.7).

use super::sequence::{self, Syntax};
use super::{Av1Config, ObuHeader, obu, split_obu};
use crate::bitstream::{BitReader, Malformed};

/// Frames that later ones may refer to, and how many of them one frame does.
const SLOTS: usize = 8;
const REFERENCES: usize = 7;
/// What short signalling says of the references: the last and the golden frame.
const GOLDEN: usize = 3;

/// `frame_type`
const KEY: u32 = 0;
const INTRA_ONLY: u32 = 2;
const SWITCH: u32 = 3;

/// Width and height, pixels.
type Size = (u32, u32);

/// A frame that later ones may refer to.
#[derive(Debug, Clone, Copy)]
struct Slot {
    size: Size,
    key: bool,
}

/// Follows a stream as far as finding the size of each frame takes.
#[derive(Debug, Default)]
pub struct Frames {
    sequence: Option<(Av1Config, Syntax)>,
    slots: [Option<Slot>; SLOTS],
    last: Option<Size>,
}

impl Frames {
    /// Takes the OBUs of a sample.
    ///
    /// # Errors
    /// What cannot be read; no size is known then.
    pub fn follow(&mut self, mut sample: &[u8]) -> Result<(), Malformed> {
        self.last = None;
        while !sample.is_empty() {
            let (obu, rest) = split_obu(sample)?;
            self.take(obu.header, obu.payload)?;
            sample = rest;
        }
        Ok(())
    }

    /// Takes the payload of an OBU.
    ///
    /// # Errors
    /// What cannot be read; no size is known then.
    pub fn take(&mut self, header: ObuHeader, payload: &[u8]) -> Result<(), Malformed> {
        match header.kind {
            obu::SEQUENCE_HEADER => self.sequence = Some(sequence::read(payload)?),
            obu::FRAME | obu::FRAME_HEADER => {
                self.last = None;
                if let Err(error) = self.frame(&mut BitReader::new(payload)) {
                    // What it leaves for later frames is not known.
                    self.slots = [None; SLOTS];
                    return Err(error);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the last sequence header says, whose size is the largest of the frames'.
    pub fn config(&self) -> Option<&Av1Config> {
        self.sequence.as_ref().map(|(config, _)| config)
    }

    /// The size of the last frame taken, if it is shown, or of the one that it shows: of several layers' it is the highest's.
    pub fn size(&self) -> Option<Size> {
        self.last
    }

    fn frame(&mut self, r: &mut BitReader) -> Result<(), Malformed> {
        let (config, syntax) = self.sequence.as_ref().ok_or(Malformed("AV1 frame: no sequence header"))?;
        let largest = (config.width, config.height);
        if syntax.reduced {
            self.last = Some(largest);
            return Ok(());
        }
        if r.bit()? {
            let shown = r.bits(3)? as usize;
            let slot = self.slot(shown)?;
            if slot.key {
                self.slots = [Some(slot); SLOTS];
            }
            self.last = Some(slot.size);
            return Ok(());
        }
        let (kind, shown) = (r.bits(2)?, r.bit()?);
        let (intra, whole) = (matches!(kind, KEY | INTRA_ONLY), kind == SWITCH || kind == KEY && shown);
        match syntax.time_bits.filter(|_| shown) {
            Some(bits) => r.skip(bits)?,
            None if !shown => r.skip(1)?, // showable_frame
            None => {}
        }
        let resilient = whole || r.bit()?;
        skip_tools(r, syntax)?;
        let own_size = kind == SWITCH || r.bit()?;
        r.skip(syntax.order_bits)?;
        if !intra && !resilient {
            r.skip(3)?; // primary_ref_frame
        }
        if syntax.has_decoder_model && r.bit()? {
            return Err(Malformed("AV1 frame: times of a decoder model"));
        }
        let refreshed = if whole { 0xff } else { r.bits(8)? };
        if (!intra || refreshed != 0xff) && resilient {
            for _ in 0..if syntax.order_bits > 0 { SLOTS } else { 0 } {
                r.skip(syntax.order_bits)?; // ref_order_hint
            }
        }
        let size = match (intra, own_size) {
            (_, false) => largest,
            (true, true) => explicit_size(r, syntax)?,
            (false, true) => {
                let references = references(r, syntax)?;
                let found = if resilient { None } else { first_found(r)? };
                match found {
                    Some(found) => self.slot(references[found].ok_or(Malformed("AV1 frame: reference"))?)?.size,
                    None => explicit_size(r, syntax)?,
                }
            }
        };
        for (n, slot) in self.slots.iter_mut().enumerate() {
            if refreshed >> n & 1 == 1 {
                *slot = Some(Slot { size, key: kind == KEY });
            }
        }
        self.last = shown.then_some(size);
        Ok(())
    }

    fn slot(&self, slot: usize) -> Result<Slot, Malformed> {
        self.slots[slot].ok_or(Malformed("AV1 frame: reference"))
    }
}

/// From `disable_cdf_update` to the frame's id.
fn skip_tools(r: &mut BitReader, syntax: &Syntax) -> Result<(), Malformed> {
    r.skip(1)?;
    let screen_content = match syntax.screen_content {
        Some(says) => says,
        None => r.bit()?,
    };
    if screen_content && syntax.says_integer_vectors {
        r.skip(1)?;
    }
    r.skip(syntax.id_bits.map_or(0, |(id, _)| id))
}

/// The slots of the frames referred to, as far as they are said.
fn references(r: &mut BitReader, syntax: &Syntax) -> Result<[Option<usize>; REFERENCES], Malformed> {
    let mut slots = [None; REFERENCES];
    let short = syntax.order_bits > 0 && r.bit()?;
    if short {
        slots[0] = Some(r.bits(3)? as usize);
        slots[GOLDEN] = Some(r.bits(3)? as usize);
    }
    for slot in &mut slots {
        if !short {
            *slot = Some(r.bits(3)? as usize);
        }
        r.skip(syntax.id_bits.map_or(0, |(_, difference)| difference))?;
    }
    Ok(slots)
}

/// `found_ref`: the first reference of the frame's own size.
fn first_found(r: &mut BitReader) -> Result<Option<usize>, Malformed> {
    for n in 0..REFERENCES {
        if r.bit()? {
            return Ok(Some(n));
        }
    }
    Ok(None)
}

fn explicit_size(r: &mut BitReader, syntax: &Syntax) -> Result<Size, Malformed> {
    let (across, down) = syntax.side_bits;
    Ok((r.bits(across)? + 1, r.bits(down)? + 1))
}
