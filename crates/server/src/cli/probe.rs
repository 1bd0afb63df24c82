//! `tapedeck probe`

use std::path::PathBuf;

use clap::Args;

/// Which recording, and what is known of its user.
#[derive(Debug, Args)]
#[command(after_help = "\
Finds again what `tapedeck publish` sent: frame numbers, flashes and beeps, and with them missing, repeated or swapped
pictures, gaps, and how far sound and picture are apart.

Examples:
  tapedeck probe recordings/1790000000000-0000-C-user-1.mp4
  tapedeck probe --json --fps 30 file.mp4")]
pub struct ProbeArgs {
    /// The recording
    pub file: PathBuf,
    /// Print the whole report as JSON
    #[arg(long)]
    pub json: bool,
    /// List every picture in the report
    #[arg(long = "list")]
    pub pictures: bool,
    /// Frames per second that the user sent [default: found in the recording]
    #[arg(long)]
    pub fps: Option<f64>,
    /// Frequency of the user's tone in Hz [default: the strongest of any user]
    #[arg(long, value_name = "HZ")]
    pub tone: Option<u32>,
    /// Seconds after which the frame numbers start again [default: found in the recording]
    #[arg(long, value_name = "SECONDS")]
    pub loop_seconds: Option<u32>,
    /// Where in a mixed picture the user is, in pixels
    #[arg(long, value_name = "X,Y,W,H", value_delimiter = ',', num_args = 4)]
    pub region: Option<Vec<u32>>,
}
