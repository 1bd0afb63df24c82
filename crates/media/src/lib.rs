//! (see ARCHITECTURE.md)

pub mod bitstream;
pub mod mp4;
pub mod packet;
