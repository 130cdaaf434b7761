//! The auth service as a process.

fn main() -> std::process::ExitCode {
    chassis::run::<auth::Auth>()
}
