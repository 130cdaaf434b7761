//! The operator's command.

use analytics::{Analytics, commands};
use chassis::{Desk, Service};

use crate::world::{App, Team, start};

/// `analytics rebuild …`
async fn rebuild(app: &App, arguments: &[&str]) -> Result<String, String> {
    let words = std::iter::once("rebuild").chain(arguments.iter().copied());
    let matches = commands::command()
        .try_get_matches_from(words)
        .map_err(|error| error.to_string())?;
    let desk = Desk {
        settings: analytics::settings::AnalyticsSettings {
            keep_events: std::time::Duration::MAX,
            report_delay: std::time::Duration::ZERO,
        },
        db: app.db.clone(),
        clock: app.clock.clone(),
    };
    Analytics::command("rebuild", &matches, &desk)
        .await
        .map_err(|error| format!("{error:#}"))
}

#[tokio::test]
async fn the_operator_is_told_what_was_replayed_and_how_the_tables_compare() {
    let app = start().await;
    let team = Team::new(&app).await;
    team.work(
        &app,
        &[("2026-03-02T09:00:00Z", "todo"), ("2026-03-03T09:00:00Z", "done")],
    )
    .await;
    let compared = rebuild(&app, &["--compare-only"]).await.unwrap();
    assert!(
        compared.ends_with("the rebuilt tables say the same; the old ones serve on"),
        "{compared}"
    );
    let told = rebuild(&app, &[]).await.unwrap();
    assert!(told.starts_with("replayed 4 events in "), "{told}");
    assert!(
        told.ends_with("the rebuilt tables say the same, and serve now"),
        "{told}"
    );
    let tasks = told.lines().find(|line| line.starts_with("tasks")).unwrap();
    let numbers: Vec<&str> = tasks.split_whitespace().skip(1).collect();
    assert_eq!(numbers, ["1", "0", "0", "0"]);
    let since = rebuild(&app, &["--since", "2026-03-03T09:10:00Z"]).await.unwrap();
    assert!(
        since.starts_with("replayed 1 events since 2026-03-03T09:00:00Z in "),
        "{since}"
    );
}

#[tokio::test]
async fn a_time_that_is_none_is_refused_with_an_example() {
    let app = start().await;
    for wrong in ["yesterday", "2026-03-01", ""] {
        let told = rebuild(&app, &["--since", wrong]).await.unwrap_err();
        assert!(told.contains("2026-03-01T12:00:00Z"), "{told}");
    }
}
