//! (see ARCHITECTURE.md)

pub mod bitstream;
pub mod packet;
