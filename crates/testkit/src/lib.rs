//! Test use only: a bad network between real sockets.
//!
//! [`impair`] decides, from a seed alone, what happens to each datagram; [`relay`] carries datagrams between many
//! clients and one server accordingly. Nothing here knows what the datagrams mean.

pub mod impair;
pub mod relay;
