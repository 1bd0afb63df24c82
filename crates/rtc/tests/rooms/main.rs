//! The room server from outside: HTTP answers, signalling as SDKs speak it, and media through it.

mod client;
mod http;
mod media;
mod signalling;
