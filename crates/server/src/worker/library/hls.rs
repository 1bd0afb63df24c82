//! HLS in the library: `NAME.m3u8` and its segments, `NAME/00000.ts` and so on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{gone, move_file, partial};

/// Extension of the folder with the segments in the spool, where the playlist has its own.
const SPOOL_FOLDER: &str = "hls";

/// Moves the segments, then the playlist, which thus never names what is not there; then clears the spool.
pub fn move_all(playlist: &Path, target: &Path) -> io::Result<()> {
    let spooled = playlist.with_extension(SPOOL_FOLDER);
    if !target.try_exists()? {
        let text = rewritten(&fs::read_to_string(playlist)?, target)?;
        let folder = target.with_extension("");
        fs::create_dir_all(&folder)?;
        match fs::read_dir(&spooled) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entries => {
                for entry in entries? {
                    let entry = entry?;
                    move_file(&entry.path(), &folder.join(entry.file_name()))?;
                }
            }
        }
        File::open(&folder)?.sync_all()?;
        let partial = partial(target);
        let mut file = File::create(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, target)?;
    }
    gone(fs::remove_dir_all(spooled))?;
    gone(fs::remove_file(playlist))
}

/// By how many bytes the playlist grows on its way to `target`.
pub fn growth(playlist: &Path, target: &Path) -> io::Result<i64> {
    let text = fs::read_to_string(playlist)?;
    Ok(rewritten(&text, target)?.len() as i64 - text.len() as i64)
}

/// The segments that a playlist of the library names.
pub fn segments(playlist: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = playlist.parent().unwrap_or(Path::new("."));
    let text = fs::read_to_string(playlist)?;
    Ok(text.lines().filter(|line| is_segment(line)).map(|line| folder.join(line)).collect())
}

/// The playlist with its segments in the folder named like itself.
fn rewritten(text: &str, target: &Path) -> io::Result<String> {
    let stem = target.file_stem().and_then(|stem| stem.to_str());
    let stem = stem.ok_or_else(|| io::Error::other("a playlist without name"))?;
    let line = |line: &str| match line.rsplit_once('/').filter(|_| is_segment(line)) {
        Some((_, segment)) => format!("{stem}/{segment}\n"),
        None => format!("{line}\n"),
    };
    Ok(text.lines().map(line).collect())
}

fn is_segment(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}
