//! (see ARCHITECTURE.md)

pub mod bitstream;
pub mod depacketize;
pub mod mp4;
pub mod packet;
pub mod rtp;
