//! A service of a bad release: it stands in the place of the good one (`/good`), and does wrong what `FAULT` says.
//!
//! - `crash`: ends at start.
//! - `deaf`: runs, and never becomes healthy.
//! - `late`: works, and becomes unhealthy after 20 s.
//! - `migration`: has a migration that fails.

use std::{
    env, fs,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

const GOOD: &str = "/good";
/// When `late` becomes unhealthy.
const LATE_S: f64 = 20.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let asked = arguments.first().map_or("serve", String::as_str);
    let fault = env::var("FAULT").unwrap_or_default();
    let mut good = Command::new(GOOD);
    good.args(&arguments);
    match (fault.as_str(), asked) {
        // What the release says of itself is right, as it would be.
        (_, "release" | "events" | "users") => {}
        ("crash", "serve") => {
            eprintln!("this version crashes at start");
            return ExitCode::from(70);
        }
        ("deaf", "serve") => loop {
            std::thread::park();
        },
        ("late", "healthcheck") if age().is_none_or(|age| age > LATE_S) => {
            eprintln!("this version is unhealthy by now");
            return ExitCode::FAILURE;
        }
        ("migration", "serve") => {
            let Ok(url) = fs::read_to_string("/run/secrets/database_url") else {
                eprintln!("/run/secrets/database_url cannot be read");
                return ExitCode::FAILURE;
            };
            let separator = if url.contains('?') { '&' } else { '?' };
            good.env_remove("CLOUDTASKHUB_DATABASE__URL_FILE").env(
                "CLOUDTASKHUB_DATABASE__URL",
                format!("{}{separator}options[search_path]=spoiled", url.trim()),
            );
        }
        _ => {}
    }
    let error = good.exec();
    eprintln!("{GOOD} cannot be started: {error}");
    ExitCode::FAILURE
}

/// For how long the container's first process has run, in seconds. proc(5)
fn age() -> Option<f64> {
    /// Ticks of a second; on Linux always this many.
    const TICKS: f64 = 100.0;
    let up: f64 = fs::read_to_string("/proc/uptime")
        .ok()?
        .split(' ')
        .next()?
        .parse()
        .ok()?;
    let stat = fs::read_to_string("/proc/1/stat").ok()?;
    // The name, in brackets, may have anything in it; the time of the start is the 20th field after it.
    let started: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    Some(up - started / TICKS)
}
