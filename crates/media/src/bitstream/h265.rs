//! H.265: NAL unit types (ITU-T H.265, 7.3.1.2 and table 7-1). A NAL unit here has no start code and no length in
//! front.

/// `nal_unit_type` values this crate's users act on.
pub mod nal {
    pub const VPS: u8 = 32;
    pub const SPS: u8 = 33;
    pub const PPS: u8 = 34;
}

/// Type of a NAL unit from the first of its two header bytes.
pub fn nal_type(header: u8) -> u8 {
    header >> 1 & 0x3f
}
