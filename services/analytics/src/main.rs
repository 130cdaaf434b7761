//! The analytics service: see the crate's documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::run::<analytics::Analytics>()
}
