//! `stackctl`: releases of the stack on Docker Swarm. `stackctl help` lists its commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
