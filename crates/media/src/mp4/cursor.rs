//! Reading big-endian fields from a slice without panics.

/// A position in `bytes`; every read is `None` past the end.
pub(super) struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next box whole: its type and payload. Large and open sizes are not used where this reads.
    pub fn next_box(&mut self) -> Option<([u8; 4], &'a [u8])> {
        let size = self.u32()? as usize;
        let kind = self.array()?;
        Some((kind, self.take(size.checked_sub(8)?)?))
    }
}

/// FNV-1a, 64 bits, continued from `hash`: finds torn writes, is no defence against forgery.
pub(super) fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Where an FNV-1a hash begins.
pub(super) const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
