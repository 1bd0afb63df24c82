//! Recording of one room: a hidden subscriber in, files in the spool out.
//!
//! The order of the stages: [`rtc::client::Subscriber`] gives packets; [`track`] puts one track's packets in order,
//! makes frames of them and places them on the recorder's clock; [`room`] knows who publishes what and which task wants
//! it; [`take`] writes one stream of one task, its picture by [`video`], its sound by [`audio`]; [`mix`] makes one
//! picture and one sound of all streams; [`growing`] is the file either writes, [`order`] how a mix's streams are kept in
//! order; [`sync`] and [`disk`] sync and complete files away from the media thread, [`derive`] makes files of other formats
//! there, [`uniform`] gives their pictures one size; [`child`] is all of that as a process that takes
//! commands and gives reports. [`transcode`] stands between a track and the takes where its codec does not go into the file;
//! [`coded`] makes samples of what encoders give.
//!
//! [`Mix`] and what it is given are public for `examples/mix`, which makes one in virtual time, without a room;
//! [`make_uniform`] and [`is_of_several_sizes`] for `examples/finish`.
//!
//! Not here: storage, the store, HTTP. A recorder knows a room and a folder.

mod audio;
mod child;
mod clock;
mod coded;
mod decode;
mod derive;
mod disk;
mod facts;
mod growing;
pub mod messages;
mod mix;
mod names;
mod order;
mod pcm;
mod pictures;
mod room;
mod sync;
mod take;
mod tally;
#[cfg(test)]
mod testing;
mod track;
mod transcode;
mod uniform;
mod unit;
mod video;

pub use child::run;
pub use clock::Clock;
pub use derive::Made;
pub use disk::{LOCK as FOLDER_LOCK, complete, describe, remove_folder};
pub use facts::{exist as has_facts, file_fact, read as read_facts};
pub use growing::Place;
pub use mix::{Mix, MixEvent, MixJob};
pub use names::{derived as derived_file, path as spool_file, segments as segments_folder};
pub use sync::SyncQueue;
pub use uniform::{is_due as is_of_several_sizes, make as make_uniform};
pub use unit::{Picture, SoundPacket, Unit};

/// Why something could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("recording file: {0}")]
    File(media::mp4::Error),
    #[error("spool: {0}")]
    Spool(#[from] std::io::Error),
    #[error("codec: {0}")]
    Codec(#[from] codec::Error),
    #[error("{0} cannot be recorded into MP4 yet")]
    Unsupported(String),
    #[error("pictures cannot be encoded anew: {0}")]
    Uniform(&'static str),
    /// A file of another format cannot be made of the recording.
    #[error("{0}")]
    Format(String),
    #[error("bug: {0}")]
    Internal(&'static str),
}

impl From<media::mp4::Error> for Error {
    /// What the disk refused is no fault of the file.
    fn from(error: media::mp4::Error) -> Error {
        match error {
            media::mp4::Error::Io(error) => Error::Spool(error),
            other => Error::File(other),
        }
    }
}

/// `Result` of this crate.
pub type Result<T> = std::result::Result<T, Error>;
