//! `tapedeck inspect`: reports and recordings, told to people.

mod recording;
mod report;
#[cfg(test)]
mod tests;
mod timeline;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use rules::ledger::Report;

use crate::cli::inspect::InspectArgs;
use crate::worker::library::REPORT;

/// Prints what is known of the file.
pub fn run(args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let path = &args.path;
    if path.extension().is_some_and(|extension| extension == "json") {
        print!("{}", report::text(&read(path)?));
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", recording::text(path)?);
    if let Some((beside, told)) = beside(path) {
        print!("\n{}:\n{}", beside.display(), report::text(&told));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<Report> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is no report", path.display()))
}

/// The report in the recording's folder that lists it.
fn beside(path: &Path) -> Option<(PathBuf, Report)> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let reports = entries.filter(|path| path.to_str().is_some_and(|path| path.ends_with(REPORT)));
    reports.filter_map(|path| Some((read(&path).ok()?, path))).find_map(|(report, path)| {
        let lists = report.files.iter().any(|file| file.path.rsplit('/').next() == Some(name));
        lists.then_some((path, report))
    })
}

/// A length of time: `1:02:03.450`, without hours where there are none.
fn time(ms: i64) -> String {
    let (hours, minutes, rest) = (ms / 3_600_000, ms / 60_000 % 60, ms % 60_000);
    let seconds = format!("{:02}.{:03}", rest / 1000, rest % 1000);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds}") } else { format!("{minutes}:{seconds}") }
}
