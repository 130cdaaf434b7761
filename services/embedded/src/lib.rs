//! All services in one process: `make run`.
//!
//! They are the services as they run anywhere: six hosts on one port, each with a database of its own (SQLite files in the
//! data folder), the gateway calling the others over HTTP, and every reaction going through a broker that speaks Kafka's
//! protocol. Only where things are is decided here.

mod banner;
mod client;
mod demo;
mod hub;
mod secrets;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Command, FromArgMatches, Subcommand};
use client::client;

/// Where the hub is.
#[derive(Debug, Clone, Args)]
struct Place {
    /// Folder for databases, secrets and mails
    #[arg(long, global = true, default_value = "./data")]
    data: PathBuf,
    /// Port of the public API, on the loopback address
    #[arg(long, global = true, default_value_t = 8080)]
    port: u16,
    /// Port of /livez, /readyz and /metrics; the one after --port unless given
    #[arg(long, global = true)]
    internal_port: Option<u16>,
}

#[derive(Debug, Subcommand)]
enum Own {
    /// Run the hub
    Serve {
        /// Where traces go: http://localhost:4317 (OTLP over gRPC)
        #[arg(long)]
        otlp: Option<String>,
        /// Run as if this part were down, to see what an outage does; may be given several times
        #[arg(long, value_name = "PART", value_parser = hub::PARTS)]
        without: Vec<String>,
    },
    /// Fill a running hub with a believable team
    Demo(demo::Options),
    /// Show that an order accepted while billing or the broker is down is completed afterwards, once
    DemoOutage,
}

/// `main` of the hub's binary.
pub fn main() -> ExitCode {
    let command = Command::new("cloudtaskhub")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A team task hub: all services in one process.")
        .subcommand_required(true)
        .arg_required_else_help(true);
    // Their commands are the same wherever the data is.
    let services = hub::services(Path::new(""), &[]);
    let command = Own::augment_subcommands(Place::augment_args(command)).subcommands(services.commands());
    let matches = command.get_matches();
    let place = match Place::from_arg_matches(&matches) {
        Ok(place) => place,
        Err(error) => error.exit(),
    };
    let done = match matches.subcommand() {
        Some((service, matches)) if !Own::has_subcommand(service) => hub::operate(&place, service, matches),
        _ => match Own::from_arg_matches(&matches) {
            Ok(Own::Serve { otlp, without }) => hub::serve(&place, otlp.as_deref(), &without),
            Ok(Own::Demo(options)) => show(demo::run(options)),
            Ok(Own::DemoOutage) => show(demo::outage::run()),
            Err(error) => error.exit(),
        },
    };
    done.unwrap_or_else(|error| {
        complain(&error);
        ExitCode::FAILURE
    })
}

fn show(demo: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(demo)?;
    Ok(ExitCode::SUCCESS)
}

/// One line, causes included.
#[expect(clippy::print_stderr, reason = "this is where errors end")]
fn complain(error: &anyhow::Error) {
    eprintln!("cloudtaskhub: {}", chassis::worker::chain(error.as_ref()));
}
