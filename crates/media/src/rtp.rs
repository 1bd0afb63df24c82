//! RTP before any codec: the order of packets. Time comes in as an argument.

pub mod reorder;
