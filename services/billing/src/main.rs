//! The billing service: see the crate's documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::run::<billing::Billing>()
}
