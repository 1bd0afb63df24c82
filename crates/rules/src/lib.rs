//! (see ARCHITECTURE.md)
pub mod error;
pub mod ids;
pub mod request;
pub mod select;
pub mod sign;
pub mod sync;
pub mod time;
