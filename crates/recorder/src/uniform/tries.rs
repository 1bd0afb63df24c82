//! How often a file's pictures were begun to be encoded anew: noted beside it, because a picture that ends the process
//! with the decoder would end its successors, too, and the recordings of the whole room with them.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that was begun so often and never ended stays as it is. A server that is stopped meanwhile counts as well.
const MOST: u64 = 5;

/// What is behind the recording's name.
const SUFFIX: &str = ".tries";

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(SUFFIX);
    name.into()
}

/// Whether it was begun, and not ended.
pub fn are_noted(path: &Path) -> bool {
    beside(path).exists()
}

/// Notes one more try; `false` when there were too many.
fn begin(path: &Path) -> io::Result<bool> {
    let mut tries = OpenOptions::new().create(true).append(true).open(beside(path))?;
    tries.write_all(b".")?;
    Ok(tries.metadata()?.len() <= MOST)
}

/// The same, with the reason in words when it is not to be tried.
pub fn allow(path: &Path) -> Result<(), String> {
    match begin(path) {
        Ok(true) => Ok(()),
        Ok(false) => Err("it was begun several times and never ended".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// The file was made uniform, or will never be.
pub fn end(path: &Path) {
    if let Err(error) = std::fs::remove_file(beside(path)) {
        tracing::warn!(?path, %error, "the note of tries stays in the spool");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_try_is_one_too_many() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("0000-C-a.mp4");
        assert!(!are_noted(&path));
        let tries: Vec<bool> = (0..6).map(|_| begin(&path).expect("noted")).collect();
        assert_eq!(tries, [true, true, true, true, true, false]);
        assert!(are_noted(&path));
        end(&path);
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0);
        assert!(begin(&path).expect("noted"));
    }
}
