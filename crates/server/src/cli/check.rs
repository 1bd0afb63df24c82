//! `tapedeck check`

use clap::Args;

use super::options::ConfigArgs;

/// What to compare.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints one line per fault and ends with status 1 if there is any. Remarks about tasks with files follow as lines that
begin with \"note:\" and are no faults. Changes nothing. What a running server is working on at the moment may show as a
fault.

Examples:
  tapedeck check
  tapedeck check --data-dir /srv/tapedeck --quick")]
pub struct CheckArgs {
    /// Look at names and sizes only, not into the files
    #[arg(long)]
    pub quick: bool,
    #[command(flatten)]
    pub config: ConfigArgs,
}
