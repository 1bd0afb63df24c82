//! Pictures of several spatial layers: all layers' frames say that they are shown, and decoders made for calls show the last
//! one. Decoders of files show every frame; so all but the last are told to be hidden, as those that only others refer to
//! are. What is decoded stays the same.

use super::{BitReader, Malformed, colour};

/// Frames that later ones may refer to.
const SLOTS: usize = 8;

/// Width and height, pixels.
type Size = (u32, u32);

/// Follows a stream as far as finding the end of each frame's uncompressed header takes: what sizes its references have.
#[derive(Debug, Default)]
pub struct Layers {
    /// Zero where nothing is known.
    slots: [Size; SLOTS],
    last: Option<Size>,
}

/// Where things are in a frame, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    key: bool,
    /// `show_frame`, and what it says.
    show_at: usize,
    shown: bool,
    end: usize,
}

impl Layers {
    /// Takes the next frame of the stream; gives it as one that is not shown, when `hide` is asked for and it is shown.
    ///
    /// # Errors
    /// What cannot be read stays as it is.
    pub fn follow(&mut self, frame: &[u8], hide: bool) -> Result<Option<Vec<u8>>, Malformed> {
        self.last = None;
        let header = self.read(frame)?;
        Ok(header.filter(|header| hide && header.shown).map(|header| header.hide(frame)))
    }

    /// The size of the last frame taken, or of the one that it shows; nothing when it could not be read. It may be another
    /// one than before without a key frame between.
    pub fn size(&self) -> Option<Size> {
        self.last
    }

    /// Nothing for a frame that shows an earlier one.
    fn read(&mut self, frame: &[u8]) -> Result<Option<Header>, Malformed> {
        let mut r = BitReader::new(frame);
        if r.bits(2)? != 2 {
            return Err(Malformed("VP9 frame: marker"));
        }
        let profile = r.bits(1)? | r.bits(1)? << 1;
        if profile == 3 {
            r.skip(1)?;
        }
        if r.bit()? {
            self.last = Some(self.slot(r.bits(3)? as usize)?);
            return Ok(None);
        }
        let key = !r.bit()?;
        let show_at = r.bits_read();
        let (shown, resilient) = (r.bit()?, r.bit()?);
        let intra_only = !key && !shown && r.bit()?;
        if !key && !resilient {
            r.skip(2)?; // reset_frame_context
        }
        let (size, refreshed) = if key || intra_only {
            r.skip(24)?; // sync code
            if key || profile > 0 {
                colour(&mut r, profile)?;
            }
            let refreshed = if key { 0xff } else { r.bits(8)? };
            (explicit_size(&mut r)?, refreshed)
        } else {
            let refreshed = r.bits(8)?;
            (self.size_of_references(&mut r)?, refreshed)
        };
        if r.bit()? {
            r.skip(32)?; // render_size
        }
        if !key && !intra_only {
            r.skip(1)?; // allow_high_precision_mv
            if !r.bit()? {
                r.skip(2)?; // interpolation filter
            }
        }
        r.skip(if resilient { 2 } else { 4 })?; // contexts
        skip_tools(&mut r)?;
        skip_tiles(&mut r, size.0)?;
        r.skip(16)?; // header_size_in_bytes
        for (slot, known) in self.slots.iter_mut().enumerate() {
            if refreshed >> slot & 1 == 1 {
                *known = size;
            }
        }
        self.last = Some(size);
        Ok(Some(Header { key, show_at, shown, end: r.bits_read() }))
    }

    /// Of a frame that may have the size of one that it refers to.
    fn size_of_references(&self, r: &mut BitReader) -> Result<Size, Malformed> {
        let mut slots = [0; 3];
        for slot in &mut slots {
            *slot = r.bits(3)? as usize;
            r.skip(1)?; // sign bias
        }
        for slot in slots {
            if r.bit()? {
                return self.slot(slot);
            }
        }
        explicit_size(r)
    }

    fn slot(&self, slot: usize) -> Result<Size, Malformed> {
        Some(self.slots[slot]).filter(|size| size.0 > 0).ok_or(Malformed("VP9 frame: reference"))
    }
}

impl Header {
    fn hide(self, frame: &[u8]) -> Vec<u8> {
        let bit = |at: usize| frame[at / 8] >> (7 - at % 8) & 1 == 1;
        let mut bits: Vec<bool> = (0..self.end).map(bit).collect();
        bits[self.show_at] = false;
        if !self.key {
            // What is not shown says whether it is intra_only, behind error_resilient_mode.
            bits.insert(self.show_at + 2, false);
        }
        let byte = |bits: &[bool]| (0..8).fold(0, |byte, n| byte << 1 | u8::from(bits.get(n) == Some(&true)));
        let mut hidden: Vec<u8> = bits.chunks(8).map(byte).collect();
        hidden.extend_from_slice(&frame[self.end.div_ceil(8)..]);
        hidden
    }
}

fn explicit_size(r: &mut BitReader) -> Result<Size, Malformed> {
    Ok((r.bits(16)? + 1, r.bits(16)? + 1))
}

/// Loop filter, quantiser and segmentation.
fn skip_tools(r: &mut BitReader) -> Result<(), Malformed> {
    r.skip(6 + 3)?;
    if r.bit()? && r.bit()? {
        for _ in 0..6 {
            skip_if_there(r, 7)?;
        }
    }
    r.skip(8)?;
    for _ in 0..3 {
        skip_if_there(r, 5)?;
    }
    if !r.bit()? {
        return Ok(());
    }
    if r.bit()? {
        for _ in 0..7 {
            skip_if_there(r, 8)?;
        }
        if r.bit()? {
            for _ in 0..3 {
                skip_if_there(r, 8)?;
            }
        }
    }
    if r.bit()? {
        r.skip(1)?;
        for _ in 0..8 {
            // With their signs: quantiser, loop filter; without: reference, skip.
            for bits in [9, 7, 2, 0] {
                skip_if_there(r, bits)?;
            }
        }
    }
    Ok(())
}

fn skip_if_there(r: &mut BitReader, bits: usize) -> Result<(), Malformed> {
    if r.bit()? { r.skip(bits) } else { Ok(()) }
}

fn skip_tiles(r: &mut BitReader, width: u32) -> Result<(), Malformed> {
    let blocks = width.div_ceil(64);
    // Columns of tiles, as powers of two: at most 64 blocks wide, at least 4.
    let least = (0..).find(|log| 64 << log >= blocks).unwrap_or(0);
    let most = (1..).find(|log| blocks >> log < 4).unwrap_or(1) - 1;
    for _ in least..most {
        if !r.bit()? {
            break;
        }
    }
    if r.bit()? {
        r.skip(1)?; // rows
    }
    Ok(())
}
