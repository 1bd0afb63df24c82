//! The intended head of a file that is being finished, kept at its end until the head is in place.
//!
//! A `uuid` box that ends with a trailer, so that it is found from the end of the file alone: the place at the front
//! may be zeros or half written when it is needed.

use super::{
    Result,
    cursor::{Cursor, FNV_START, fnv},
    disk::Disk,
};

/// How to finish a file whose media and filler are all there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Journal {
    /// Bytes to insert in front, a multiple of 4096.
    pub shift: u64,
    /// The end of the media in the growing file, where the journal begins.
    pub media_end: u64,
    /// The new head's image.
    pub image: Vec<u8>,
}

const UUID: [u8; 16] = *b"tapedeck-finish\x01";
const MAGIC: [u8; 8] = *b"tdfinish";
/// Box header, uuid, shift, `media_end`.
const BEFORE: usize = 8 + 16 + 8 + 8;
/// Hash, length of the box, magic.
const AFTER: usize = 8 + 8 + 8;
/// No index of two days is larger.
pub(super) const MAX_LEN: u64 = 512 << 20;

impl Journal {
    pub fn encode(&self) -> Vec<u8> {
        let len = self.encoded_len();
        let mut bytes = Vec::with_capacity(len as usize);
        bytes.extend((len as u32).to_be_bytes());
        bytes.extend(b"uuid");
        bytes.extend(UUID);
        bytes.extend(self.shift.to_be_bytes());
        bytes.extend(self.media_end.to_be_bytes());
        bytes.extend(&self.image);
        bytes.extend(fnv(FNV_START, &bytes).to_be_bytes());
        bytes.extend(len.to_be_bytes());
        bytes.extend(MAGIC);
        bytes
    }

    pub fn encoded_len(&self) -> u64 {
        (BEFORE + self.image.len() + AFTER) as u64
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (sealed, trailer) = bytes.split_at_checked(bytes.len().checked_sub(AFTER)?)?;
        if Cursor(trailer).u64()? != fnv(FNV_START, sealed) {
            return None;
        }
        let mut fields = Cursor(sealed);
        fields.take(8)?;
        if fields.take(16)? != UUID {
            return None;
        }
        let (shift, media_end) = (fields.u64()?, fields.u64()?);
        Some(Self { shift, media_end, image: fields.0.to_vec() })
    }

    /// The journal at the end of the file, if there is a whole one that fits the file.
    pub fn read(disk: &dyn Disk) -> Result<Option<Self>> {
        let len = disk.len()?;
        let mut trailer = [0; 16];
        let Some(at) = len.checked_sub(16) else { return Ok(None) };
        if disk.read_at(&mut trailer, at)? < 16 || trailer[8..] != MAGIC {
            return Ok(None);
        }
        let size = u64::from_be_bytes(trailer[..8].try_into().expect("8 bytes"));
        if size > len.min(MAX_LEN) {
            return Ok(None);
        }
        let mut bytes = vec![0; size as usize];
        let read = disk.read_at(&mut bytes, len - size)?;
        bytes.truncate(read);
        let fits = |journal: &Self| {
            let plain = journal.media_end.saturating_add(size);
            journal.shift <= MAX_LEN && (len == plain || len == plain.saturating_add(journal.shift))
        };
        Ok(Self::decode(&bytes).filter(fits))
    }
}
