//! What the operator does with the projections: `analytics rebuild`.

use std::{
    fmt::Write as _,
    io::Write as _,
    time::{Duration, Instant},
};

use chassis::Clock;
use clap::{Arg, ArgAction, ArgMatches, Command};
use contracts::Timestamp;
use database::Db;

use crate::rebuild::{Order, Report, rebuild};

/// Between two lines of progress.
const PAUSE: Duration = Duration::from_secs(1);

/// The command line.
pub fn command() -> Command {
    Command::new("rebuild")
        .about("Make the projections again from the log of events, compare, and put them in place; the old ones serve meanwhile")
        .arg(
            Arg::new("since")
                .long("since")
                .value_name("TIME")
                .value_parser(clap::value_parser!(Timestamp))
                .help("Only what happened from then on, such as 2026-03-01T00:00:00Z"),
        )
        .arg(
            Arg::new("compare-only")
                .long("compare-only")
                .action(ArgAction::SetTrue)
                .help("Tell how the rebuilt ones differ, and leave the old ones in place"),
        )
}

/// Carries it out; answers what to print.
///
/// # Errors
/// Why nothing was rebuilt.
pub async fn execute(arguments: &ArgMatches, db: &Db, clock: &Clock) -> anyhow::Result<String> {
    let order = Order {
        since: arguments.get_one::<Timestamp>("since").copied(),
        compare_only: arguments.get_flag("compare-only"),
    };
    let begun = Instant::now();
    let mut last = None::<Instant>;
    let report = rebuild(db, clock, order, |done, total| {
        if done == total || last.is_none_or(|last| last.elapsed() >= PAUSE) {
            last = Some(Instant::now());
            let rate = done as f64 / begun.elapsed().as_secs_f64().max(0.001);
            // Whoever does not read it does not miss it.
            let _ = writeln!(std::io::stderr(), "{done} of {total} events, {rate:.0} a second");
        }
    })
    .await?;
    Ok(text(&report))
}

fn text(report: &Report) -> String {
    let Report {
        since,
        events,
        seconds,
        parity,
        swapped,
    } = report;
    let since = since.map_or_else(String::new, |since| format!(" since {since}"));
    let rate = *events as f64 / seconds.max(0.001);
    let mut text = format!("replayed {events} events{since} in {seconds:.1} s, {rate:.0} a second\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{:<14} {:>10} {:>10} {:>10} {:>10}",
        "table", "equal", "different", "missing", "added"
    );
    for one in parity {
        let _ = writeln!(
            text,
            "{:<14} {:>10} {:>10} {:>10} {:>10}",
            one.table, one.equal, one.different, one.missing, one.added
        );
    }
    let differing = parity.iter().filter(|one| !one.holds()).count();
    text.push_str(match (differing, swapped) {
        (0, true) => "the rebuilt tables say the same, and serve now",
        (0, false) => "the rebuilt tables say the same; the old ones serve on",
        (_, true) => "the rebuilt tables say something else, and serve now",
        (_, false) => "the rebuilt tables say something else; the old ones serve on",
    });
    text
}
