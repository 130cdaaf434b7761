//! The embedded hub with crash points compiled in: what the stories start, stop and kill.

use std::process::ExitCode;

fn main() -> ExitCode {
    embedded::main()
}
