//! The server: configuration, command line, HTTP API, worker, assembly. The binary `tapedeck` only calls [`cli::main`].

pub mod api;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dev;
pub mod fetch;
pub mod inspect;
pub mod probe;
pub mod process;
pub mod publish;
pub mod record;
pub mod serve;
pub mod shutdown;
pub mod startup;
pub mod tasks;
pub mod token;
pub mod turns;
pub mod worker;
