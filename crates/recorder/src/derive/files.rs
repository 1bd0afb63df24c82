//! A file's way to its name: written under another one, and renamed when it is complete.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The name of `path` while it is being made.
pub fn partial(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".partial");
    name.into()
}

/// Gives the whole file its name, on the medium. Its size.
pub fn complete(path: &Path) -> io::Result<u64> {
    let partial = partial(path);
    let file = File::open(&partial)?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    Ok(file.metadata()?.len())
}

/// Puts a file with these bytes in the place of what may be there, at once. For players that read meanwhile; a crash of
/// the machine may undo it.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = partial(path);
    std::fs::write(&partial, bytes)?;
    std::fs::rename(&partial, path)
}
