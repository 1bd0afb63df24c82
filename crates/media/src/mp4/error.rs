//! What can go wrong with a recording's file, by what the caller can do about it.

/// Why a call on an MP4 file failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk or the file system refused; the call may be repeated, nothing was lost.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// No more sample entries fit into the head: go on in a new file.
    #[error("the head of the file is full")]
    HeadFull,
    /// The sample begins before the end of the one before it, or is not one (empty, without duration, unknown entry).
    #[error("sample refused: {0}")]
    BadSample(&'static str),
    /// The sample entry, note or track asked for cannot be written.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The file was finished, or its finish has begun: nothing can be added, only [`finish`](super::finish) applies.
    #[error("the file is finished")]
    Finished,
    /// There is no media in the file; if it is not to grow any more, it may be deleted.
    #[error("the file holds no media")]
    Empty,
    /// Not a recording of this module, or damaged beyond what a kill can do.
    #[error("not a recording: {0}")]
    Corrupt(String),
    /// The filler asked for could not be made.
    #[error("filler: {0}")]
    Filler(String),
}
