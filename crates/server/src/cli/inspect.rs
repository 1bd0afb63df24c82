//! `tapedeck inspect`

use std::path::PathBuf;

use clap::Args;

/// What to look at.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints for people what a report says, or what is in a recording, finished or still growing: lengths, gaps with their
causes, numbers, and a timeline of one line for each picture and sound. A report that lists the recording and lies beside
it is printed after it. Of any other media file that FFmpeg reads it prints what its packets tell. Changes nothing.

Examples:
  tapedeck inspect data/library/app/task_room_1611736812853_00000017.report.json
  tapedeck inspect data/spool/17/0000-C-alice.mp4
  tapedeck inspect film.mkv")]
pub struct InspectArgs {
    /// A report (*.report.json), a recording, or another media file
    pub path: PathBuf,
}
