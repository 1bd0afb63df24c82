//! The LiveKit room protocol on WebRTC: access tokens, signalling messages, batched UDP, the embedded room server
//! and the room client. Nothing of recording (tasks, takes, files) belongs here.

pub mod client;
#[doc(hidden)]
pub mod fuzzing;
mod keyframe;
pub mod proto;
pub mod rooms;
mod rtp_time;
pub mod token;
pub mod udp;
