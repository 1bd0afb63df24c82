//! Names of the files in a task's folder of the spool: `0000-C-alice.mp4` is the first camera file of the user `alice`,
//! `0000-M.mp4` the first of a mix. The user's identity is percent-encoded, so that any identity makes a safe name and
//! every name can be read back. Files of other formats beside the MP4 have its name with their own extension; the segments
//! of HLS are in the folder `0000-C-alice.hls`.

use std::io;
use std::path::{Path, PathBuf};

use rules::request::FileFormat;
use rules::select::{Source, StreamId, StreamKind};

use crate::messages::FileName;

/// Longest encoded identity: a file name has at most 255 bytes.
const MAX_ENCODED: usize = 200;

/// Whether a stream of this user can have a file of its own.
pub fn is_nameable(user: &str) -> bool {
    !user.is_empty() && encode(user).len() <= MAX_ENCODED
}

/// The path of a file in the task's folder: of the master, from which files of other formats are made.
pub fn path(dir: &Path, file: &FileName) -> PathBuf {
    dir.join(format!("{}{MASTER}", stem(file)))
}

/// The path of a file of this format beside its master; of HLS, its playlist.
pub fn derived(dir: &Path, file: &FileName, format: FileFormat) -> PathBuf {
    dir.join(format!("{}.{}", stem(file), format.extension()))
}

/// The folder of the segments of a recording's HLS.
pub fn segments(dir: &Path, file: &FileName) -> PathBuf {
    dir.join(format!("{}.hls", stem(file)))
}

/// What follows the name of a recording in that of its pictures in a codec of WebM.
pub const PICTURES: &str = ".pictures";

/// A master's pictures in a codec of WebM, while they are being made.
pub fn pictures(dir: &Path, file: &FileName) -> PathBuf {
    dir.join(format!("{}{PICTURES}", stem(file)))
}

/// What follows the name of a recording in that of the note of what was made of it.
pub const MADE: &str = ".made";

/// The note of what was made of a master.
pub fn made(dir: &Path, file: &FileName) -> PathBuf {
    dir.join(format!("{}{MADE}", stem(file)))
}

fn stem(file: &FileName) -> String {
    match &file.source {
        Source::Mix => format!("{:04}-M", file.sequence),
        Source::Stream(stream) => format!("{:04}-{}-{}", file.sequence, stream.kind.letter(), encode(&stream.user)),
    }
}

/// All masters in a task's folder, in order of their names.
pub fn list(dir: &Path) -> io::Result<Vec<(FileName, PathBuf)>> {
    Ok(list_of(dir, MASTER)?.into_iter().map(|file| (file.clone(), path(dir, &file))).collect())
}

/// All masters of which everything was made.
pub fn list_made(dir: &Path) -> io::Result<Vec<FileName>> {
    list_of(dir, MADE)
}

fn list_of(dir: &Path, suffix: &str) -> io::Result<Vec<FileName>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        files.extend(entry?.file_name().to_str().and_then(|name| parse(name.strip_suffix(suffix)?)));
    }
    files.sort();
    Ok(files)
}

/// The number of the source's newest file in the folder. One of which everything was made is followed by the next, for
/// its master may be gone.
pub fn newest(dir: &Path, source: &Source) -> Option<u32> {
    let own = |suffix, step| {
        let files = list_of(dir, suffix).unwrap_or_default();
        files.into_iter().filter(|file| file.source == *source).map(move |file| file.sequence + step)
    };
    own(MASTER, 0).chain(own(MADE, 1)).max()
}

const MASTER: &str = ".mp4";

/// Reads a name without its extension.
fn parse(name: &str) -> Option<FileName> {
    let mut parts = name.splitn(3, '-');
    let sequence = parts.next()?.parse().ok()?;
    let (kind, user) = match (parts.next()?, parts.next()) {
        ("M", None) => return Some(FileName { source: Source::Mix, sequence }),
        ("C", Some(user)) => (StreamKind::Camera, user),
        ("S", Some(user)) => (StreamKind::Screen, user),
        _ => return None,
    };
    Some(FileName { source: StreamId { user: decode(user)?, kind }.into(), sequence })
}

fn encode(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'@' | b'.' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_identity_makes_a_safe_name_that_can_be_read_back(user in "\\PC{1,60}", screen: bool, sequence in 0u32..20_000) {
            let kind = if screen { StreamKind::Screen } else { StreamKind::Camera };
            let file = FileName { source: StreamId { user: user.clone(), kind }.into(), sequence };
            let path = path(Path::new("dir"), &file);
            prop_assert_eq!(path.parent(), Some(Path::new("dir")));
            let name = path.file_name().and_then(|name| name.to_str()).expect("a UTF-8 name");
            prop_assert!(!is_nameable(&user) || name.len() <= 255);
            prop_assert_eq!(name.strip_suffix(MASTER).and_then(parse), Some(file));
        }

        #[test]
        fn a_mix_has_names_of_its_own(sequence in 0u32..20_000) {
            let file = FileName { source: Source::Mix, sequence };
            let path = path(Path::new("dir"), &file);
            prop_assert_eq!(path.file_stem().and_then(|name| parse(name.to_str()?)), Some(file));
        }

        #[test]
        fn other_names_are_not_taken_for_ours(name in ".{0,40}") {
            let _ = parse(&name);
        }
    }
}
