//! The project service as a process.

fn main() -> std::process::ExitCode {
    chassis::run::<project::Project>()
}
