//! `events …`: dead letters, publishing again, lag. Everything that changes something asks for a reason and is audited.

use clap::{Arg, ArgMatches, Command, value_parser};
use contracts::{Timestamp, id::DeadLetterId};
use database::Db;
use messaging::{
    dead_letter::{Model, State},
    inbox::Intake,
    operator::{self, Order, Report},
};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::{
    assembled::{Assembled, Configured},
    clock::Clock,
    process,
    service::Service,
    tasks::Tasks,
};

pub(super) fn command() -> Command {
    let id = Arg::new("id")
        .required(true)
        .value_parser(value_parser!(DeadLetterId))
        .help("Its id: dlq_…");
    let order = [
        Arg::new("reason")
            .long("reason")
            .required(true)
            .help("Why; kept in the audit"),
        Arg::new("actor")
            .long("actor")
            .env("USER")
            .required(true)
            .help("Who; kept in the audit"),
    ];
    let state = Arg::new("state")
        .long("state")
        .value_parser(["dead", "parked", "redriven", "discarded"])
        .help("Only those; by default the dead and the parked");
    let limit = Arg::new("limit")
        .long("limit")
        .value_parser(value_parser!(u64))
        .default_value("100")
        .help("How many at most");
    let dlq = Command::new("dlq")
        .about("Events that could not be handled, and those that wait behind them")
        .subcommand_required(true)
        .subcommand(
            Command::new("list")
                .about("List them, oldest first")
                .args([state, limit]),
        )
        .subcommand(
            Command::new("show")
                .about("Show one, with its value and its audit")
                .arg(id.clone()),
        )
        .subcommand(
            Command::new("redrive")
                .about("Handle one again, and then those that wait behind it")
                .arg(id.clone())
                .args(order.clone()),
        )
        .subcommand(
            Command::new("discard")
                .about("Give one up, and handle those that wait behind it")
                .arg(id)
                .args(order),
        );
    let since = Arg::new("since")
        .long("since")
        .required(true)
        .value_parser(value_parser!(Timestamp))
        .help("RFC 3339: 2026-03-01T12:00:00Z");
    Command::new("events")
        .about("Look after events")
        .subcommand_required(true)
        .subcommand(dlq)
        .subcommand(
            Command::new("republish")
                .about("Publish again what was published since a time, after a broker was lost; inboxes drop what they know")
                .arg(since),
        )
        .subcommand(Command::new("lag").about("How far the consumer is behind, by partition"))
}

/// Carries out one of them; answers what to print.
pub(super) async fn execute<S: Service>(
    matches: &ArgMatches,
    configured: Configured<S>,
    db: &Db,
) -> anyhow::Result<String> {
    match matches.subcommand() {
        Some(("dlq", matches)) => dead_letters::<S>(matches, configured, db).await,
        Some(("republish", arguments)) => {
            let since = arguments
                .get_one::<Timestamp>("since")
                .copied()
                .unwrap_or_else(Timestamp::now);
            let count = operator::republish(db, since).await?;
            Ok(format!("{count} events will be published again by the running service"))
        }
        Some(("lag", _)) => lag::<S>(configured, db).await,
        _ => anyhow::bail!("no command is given; --help lists them"),
    }
}

async fn dead_letters<S: Service>(matches: &ArgMatches, configured: Configured<S>, db: &Db) -> anyhow::Result<String> {
    let Some((action, arguments)) = matches.subcommand() else {
        anyhow::bail!("no command is given; --help lists them")
    };
    if action == "list" {
        let state = arguments.get_one::<String>("state").and_then(|name| state(name));
        let limit = arguments.get_one::<u64>("limit").copied().unwrap_or(100);
        let letters = operator::list(db, state, limit).await?;
        return Ok(match letters.as_slice() {
            [] => "there are none".to_owned(),
            letters => letters.iter().map(line).collect::<Vec<_>>().join("\n"),
        });
    }
    let Some(id) = arguments.get_one::<DeadLetterId>("id").copied() else {
        anyhow::bail!("an id is missing")
    };
    if action == "show" {
        return show(db, id).await;
    }
    let text = |name: &str| arguments.get_one::<String>(name).cloned().unwrap_or_default();
    let order = Order::new(text("actor"), text("reason"))?;
    let intake = intake::<S>(configured, db).await?;
    let report = match action {
        "redrive" => operator::redrive(&intake, id, &order).await?,
        _ => operator::discard(&intake, id, &order).await?,
    };
    Ok(told(action, &report))
}

/// The reactions are those of the running service, so a redrive does exactly what the consumer would have done.
async fn intake<S: Service>(configured: Configured<S>, db: &Db) -> anyhow::Result<Intake> {
    let verifier = process::verifier(&configured.core.identity)?;
    let (registry, stop) = (Registry::default(), CancellationToken::new());
    let assembled = Assembled::new::<S>(
        configured,
        db.clone(),
        Clock::system(),
        verifier,
        registry,
        Tasks::new(S::NAME),
        stop,
    )
    .await?;
    Ok(Intake::new(
        db.clone(),
        S::NAME,
        env!("CARGO_PKG_VERSION"),
        assembled.reactions,
    ))
}

async fn lag<S: Service>(configured: Configured<S>, db: &Db) -> anyhow::Result<String> {
    let settings = configured.core.broker.clone();
    let intake = intake::<S>(configured, db).await?;
    if settings.place == crate::settings::BrokerPlace::Embedded {
        anyhow::bail!(
            "the embedded broker lives inside the running hub; its lag is among the hub's metrics (consumer_lag)"
        );
    }
    let broker = process::connect(&settings, S::NAME).await?;
    let offsets = operator::lag(&broker, S::NAME, intake.reactions()).await?;
    let lines = offsets
        .iter()
        .map(|offsets| format!("{:<28} {:>4} {:>12}", offsets.topic, offsets.partition, offsets.lag()));
    let total: i64 = offsets.iter().map(messaging::operator::Offsets::lag).sum();
    let head = format!("{:<28} {:>4} {:>12}", "topic", "part", "lag");
    Ok(std::iter::once(head)
        .chain(lines)
        .chain([format!("total {total}")])
        .collect::<Vec<_>>()
        .join("\n"))
}

fn state(name: &str) -> Option<State> {
    [State::Dead, State::Parked, State::Redriven, State::Discarded]
        .into_iter()
        .find(|state| state.to_string() == name)
}

fn line(letter: &Model) -> String {
    let kind = letter.event_type.as_deref().unwrap_or("-");
    let key = letter.key.as_deref().unwrap_or("-");
    format!(
        "{}  {:<8} {}  {kind}  {key}  {}",
        letter.id, letter.state, letter.created_at, letter.error
    )
}

async fn show(db: &Db, id: DeadLetterId) -> anyhow::Result<String> {
    let (letter, audit) = operator::show(db, id).await?;
    let mut lines = vec![
        line(&letter),
        format!(
            "from      {} partition {} offset {}",
            letter.topic, letter.partition_id, letter.message_offset
        ),
        format!("attempts  {} by release {}", letter.attempts, letter.service_version),
        format!("headers   {}", letter.headers),
        format!("value     {}", String::from_utf8_lossy(&letter.payload)),
    ];
    lines.extend(audit.iter().map(|entry| {
        format!(
            "{}  {} by {}: {} → {}",
            entry.at, entry.action, entry.actor, entry.reason, entry.outcome
        )
    }));
    Ok(lines.join("\n"))
}

fn told(action: &str, report: &Report) -> String {
    let done = if action == "redrive" { "redriven" } else { "discarded" };
    let handled = report.handled;
    match &report.stopped_at {
        None => format!("{done}; {handled} events were handled"),
        Some((id, error)) => format!("{done}; {handled} events were handled, then {id} stopped the rest: {error}"),
    }
}
