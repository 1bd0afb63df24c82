//! Reads a media file with libavformat.
