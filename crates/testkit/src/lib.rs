//! Test use only: a bad network between real sockets; and, as the program `odd-clock`, a sender whose RTP clocks jump.
//!
//! [`impair`] decides, from a seed alone, what happens to each datagram; [`relay`] carries datagrams between many
//! clients and one server accordingly. Nothing here knows what the datagrams mean.

pub mod impair;
pub mod relay;
