//! The command line: one subcommand per kind of use. Arguments are described in `cli/`, work is done elsewhere.

pub mod check;
pub mod inspect;
pub mod options;
pub mod probe;
pub mod publish;
pub mod record;
pub mod serve;
pub mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Records real-time rooms: an embedded room server that speaks the LiveKit protocol, and the recording OpenAPI.
#[derive(Debug, Parser)]
#[command(name = "tapedeck", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "First steps:
  tapedeck serve --dev
  tapedeck publish --room demo --users 2
  tapedeck record --room demo --out recordings

Every subcommand has --help with examples.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server: rooms, OpenAPI, recorders
    Serve(serve::ServeArgs),
    /// Send synthetic users into a room
    Publish(publish::PublishArgs),
    /// Make an access token with which a client joins a room
    Token(token::TokenArgs),
    /// Record a room straight into a folder
    Record(record::RecordArgs),
    /// Compare the database with the files of spool and library
    Check(check::CheckArgs),
    /// Print a report, or what is in a recording
    Inspect(inspect::InspectArgs),
    /// Judge a recording of synthetic users by its content
    Probe(probe::ProbeArgs),
    /// The child process that records a room
    #[command(hide = true)]
    Recorder,
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Publish(args) => crate::publish::run(&args),
        Command::Token(args) => crate::token::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Check(args) => crate::check::run(&args),
        Command::Inspect(args) => crate::inspect::run(&args),
        Command::Probe(args) => crate::probe::run(&args),
        Command::Recorder => crate::process::run_recorder(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("tapedeck: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests;
