//! `stackctl`: releases of the stack on Docker Swarm. `stackctl help` lists its commands.

mod commands;

use std::{io::Write, process::ExitCode};

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match commands::run(commands::Arguments::parse()).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            drop(writeln!(std::io::stderr(), "stackctl: {error:#}"));
            ExitCode::from(1)
        }
    }
}
