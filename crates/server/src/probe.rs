//! `tapedeck probe`: what is in the recording of a synthetic user.

use std::process::ExitCode;

use anyhow::Context;
use synth::probe::{ProbeOptions, probe_file};

use crate::cli::probe::ProbeArgs;

/// Prints the report, for people or as JSON.
pub fn run(args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let options = ProbeOptions {
        tone_hz: args.tone,
        fps: args.fps,
        loop_seconds: args.loop_seconds,
        region: args.region.as_ref().and_then(|region| region.as_slice().try_into().ok()),
        list_pictures: args.pictures,
        ..ProbeOptions::default()
    };
    let report = probe_file(&args.file, &options).with_context(|| format!("cannot probe {}", args.file.display()))?;
    match args.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => println!("{report}"),
    }
    Ok(ExitCode::SUCCESS)
}
