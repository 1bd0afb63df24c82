//! (see ARCHITECTURE.md)

pub mod bitstream;
pub mod depacketize;
#[doc(hidden)]
pub mod fuzzing;
pub mod mp4;
pub mod packet;
pub mod rtp;
pub mod sizes;
