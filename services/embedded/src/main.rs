//! `cloudtaskhub`: the whole hub in one process.

use std::process::ExitCode;

fn main() -> ExitCode {
    embedded::main()
}
