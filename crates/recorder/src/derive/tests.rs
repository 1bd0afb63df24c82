//! Real masters in all formats, judged by what is to be seen and heard in them.

mod changes;
mod formats;
mod live;
mod mix;
pub(super) mod studio;
mod webm;
