//! Boxes and fields, read for the check alone.

/// Unread bytes; a read past the end is `None`.
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = (self.0.get(..len)?, self.0.get(len..)?);
        self.0 = rest;
        Some(bytes)
    }

    /// A number of `len` bytes, up to 8.
    pub fn number(&mut self, len: usize) -> Option<u64> {
        Some(self.bytes(len)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.number(4).map(|number| number as u32)
    }

    /// Type and payload of the next box inside another.
    pub fn next_box(&mut self) -> Option<([u8; 4], &'a [u8])> {
        let (kind, header_len, len) = box_header(self.0)?;
        let whole = self.bytes(usize::try_from(len).ok()?)?;
        Some((kind, whole.get(header_len as usize..)?))
    }

    /// A count, then as many records of `record` bytes, read by `read`, and nothing behind them.
    pub fn table<T>(mut self, record: usize, read: impl Fn(&mut Fields) -> Option<T>) -> Option<Vec<T>> {
        let count = self.u32()? as usize;
        if self.0.len() != count.checked_mul(record)? {
            return None;
        }
        self.0.chunks(record).map(|bytes| read(&mut Fields(bytes))).collect()
    }
}

/// Type, length of the header, length of the whole box.
pub(super) fn box_header(bytes: &[u8]) -> Option<([u8; 4], u64, u64)> {
    let mut fields = Fields(bytes);
    let short = fields.number(4)?;
    let kind = fields.bytes(4)?.try_into().ok()?;
    match short {
        0 => None,
        1 => Some((kind, 16, fields.number(8)?)),
        _ => Some((kind, 8, short)),
    }
}

/// The payload of the first box of a kind.
pub(super) fn find<'a>(payload: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    let mut fields = Fields(payload);
    std::iter::from_fn(|| fields.next_box()).find(|found| found.0 == *kind).map(|found| found.1)
}

/// The fields of a box with version and flags, behind them; and the version.
pub(super) fn full(payload: &[u8]) -> Option<(u8, Fields<'_>)> {
    let mut fields = Fields(payload);
    let version = fields.number(1)? as u8;
    fields.bytes(3)?;
    Some((version, fields))
}
