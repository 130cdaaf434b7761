//! A project's figures and one's own.

use contracts::project::ProjectDeleted;
use rstest::rstest;
use serde_json::{Value, json};

use crate::world::{Team, column, comment, deliver, start, tell};

#[tokio::test]
async fn a_team_sees_what_it_made_and_finished_day_by_day() {
    let app = start().await;
    let team = Team::new(&app).await;
    team.work(
        &app,
        &[("2026-03-02T09:00:00Z", "todo"), ("2026-03-03T09:00:00Z", "done")],
    )
    .await;
    team.work(
        &app,
        &[("2026-03-02T10:00:00Z", "todo"), ("2026-03-04T10:00:00Z", "cancelled")],
    )
    .await;
    let figures = team.figures("throughput", "from=2026-03-02&to=2026-03-04").await;
    assert_eq!(column(&figures, "created"), [2, 0, 0]);
    assert_eq!(column(&figures, "completed"), [0, 1, 0]);
    assert_eq!(column(&figures, "cancelled"), [0, 0, 1]);
    assert_eq!(
        figures["whole"],
        json!({
            "date": "2026-03-02", "from": "2026-03-02T00:00:00Z", "to": "2026-03-05T00:00:00Z",
            "created": 2, "completed": 1, "reopened": 0, "cancelled": 1,
        })
    );
    assert_eq!((&figures["bucket"], &figures["tz"]), (&json!("day"), &json!("UTC")));
}

#[rstest]
// On the night of 29 March 2026 Berlin's clocks go from two to three: 23 hours, from 23:00 to 22:00 UTC.
#[case("Europe/Berlin", "2026-03-28", "2026-03-30", &["2026-03-28T22:59:59Z", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z", "2026-03-29T22:00:00Z"], &[1, 2, 1])]
// New York's go back on 1 November: 25 hours, from 04:00 to 05:00 UTC.
#[case("America/New_York", "2026-10-31", "2026-11-02", &["2026-11-01T03:59:59Z", "2026-11-01T04:00:00Z", "2026-11-02T04:59:59Z", "2026-11-02T05:00:00Z"], &[1, 2, 1])]
// Half an hour off.
#[case("Asia/Kolkata", "2026-05-01", "2026-05-02", &["2026-05-01T18:29:59Z", "2026-05-01T18:30:00Z"], &[1, 1])]
// Samoa had no 30 December 2011: the 29th is followed by the 31st.
#[case("Pacific/Apia", "2011-12-29", "2011-12-31", &["2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z"], &[1, 1])]
#[tokio::test]
async fn days_are_those_of_the_callers_time_zone(
    #[case] tz: &str,
    #[case] from: &str,
    #[case] to: &str,
    #[case] made: &[&str],
    #[case] counts: &[u64],
) {
    let app = start().await;
    let team = Team::new(&app).await;
    for time in made {
        team.work(&app, &[(*time, "todo")]).await;
    }
    let figures = team
        .figures(
            "throughput",
            &format!("from={from}&to={to}&tz={}", tz.replace('/', "%2F")),
        )
        .await;
    assert_eq!(column(&figures, "created"), counts, "{figures}");
}

#[tokio::test]
async fn the_other_figures_tell_stock_durations_lateness_and_age() {
    let app = start().await;
    let team = Team::new(&app).await;
    team.work(
        &app,
        &[
            ("2026-03-02T08:00:00Z", "todo"),
            ("2026-03-02T10:00:00Z", "in_progress"),
            ("2026-03-03T10:00:00Z", "in_review"),
            ("2026-03-03T12:00:00Z", "done"),
        ],
    )
    .await;
    let late = team.task_of(
        team.owner.id,
        Some("2026-03-03T00:00:00Z"),
        &[("2026-03-02T12:00:00Z", "todo"), ("2026-03-04T12:00:00Z", "deleted")],
    );
    for event in &late {
        deliver(&app, event).await;
    }
    let range = "from=2026-03-01&to=2026-03-04";

    let flow = team.figures("cumulative-flow", range).await;
    let stock = ["todo", "in_progress", "in_review", "done"].map(|status| column(&flow, status));
    assert_eq!(stock, [[0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]]);

    let durations = team.figures("cycle-time", range).await;
    assert_eq!(column(&durations, "completed"), [0, 0, 1, 0]);
    assert_eq!(durations["whole"]["cycle_p85_s"], 26 * 3600);
    assert_eq!(durations["whole"]["lead_p50_s"], 28 * 3600);
    assert_eq!(durations["points"][0]["cycle_p50_s"], Value::Null);

    let burndown = team.figures("burndown", range).await;
    assert_eq!(column(&burndown, "remaining"), [0, 2, 1, 0]);
    assert_eq!(column(&burndown, "scope"), [0, 2, 2, 1]);

    // At the end of the second, which is the due time itself, it is not late yet.
    let overdue = team.figures("overdue", range).await;
    assert_eq!(column(&overdue, "overdue"), [0, 0, 1, 0]);
    assert_eq!(overdue["points"][2]["oldest_due_at"], "2026-03-03T00:00:00Z");

    let age = team.figures("work-in-progress", range).await;
    assert_eq!(column(&age, "tasks"), [0, 1, 0, 0]);
    assert_eq!(age["points"][1]["oldest_s"], 14 * 3600);
}

#[tokio::test]
async fn what_was_settled_before_the_range_still_counts_as_stock() {
    let app = start().await;
    let team = Team::new(&app).await;
    team.work(
        &app,
        &[("2026-01-02T08:00:00Z", "todo"), ("2026-01-03T08:00:00Z", "done")],
    )
    .await;
    team.work(&app, &[("2026-01-02T08:00:00Z", "todo")]).await;
    let flow = team
        .figures("cumulative-flow", "from=2026-03-01&to=2026-03-14&bucket=week")
        .await;
    // The week of Sunday, 1 March, began on 23 February.
    assert_eq!(flow["from"], "2026-02-23T00:00:00Z");
    assert_eq!(column(&flow, "done"), [1, 1, 1]);
    assert_eq!(column(&flow, "todo"), [1, 1, 1]);
    let burndown = team.figures("burndown", "from=2026-03-02&to=2026-03-03").await;
    assert_eq!(column(&burndown, "ideal"), [1, 0]);
}

#[tokio::test]
async fn a_table_is_given_to_who_asks_for_one() {
    let app = start().await;
    let team = Team::new(&app).await;
    team.work(&app, &[("2026-03-02T09:00:00Z", "todo")]).await;
    let path = team.path("throughput", "from=2026-03-02&to=2026-03-03");
    let answer = team.owner.get(&path).header("accept", "text/csv").await.expect(200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/csv; charset=utf-8; header=present")
    );
    assert_eq!(
        answer.text(),
        "date,from,to,created,completed,reopened,cancelled\n\
         2026-03-02,2026-03-02T00:00:00Z,2026-03-03T00:00:00Z,1,0,0,0\n\
         2026-03-03,2026-03-03T00:00:00Z,2026-03-04T00:00:00Z,0,0,0,0\n"
    );
    for figure in [
        "cumulative-flow",
        "cycle-time",
        "burndown",
        "overdue",
        "work-in-progress",
    ] {
        let path = team.path(figure, "from=2026-03-02&to=2026-03-03");
        let table = team
            .owner
            .get(path)
            .header("accept", "text/csv")
            .await
            .expect(200)
            .text();
        let widths: Vec<usize> = table.lines().map(|line| line.split(',').count()).collect();
        assert!(
            widths.len() == 3 && widths.iter().all(|width| *width == widths[0]),
            "{table}"
        );
    }
}

#[rstest]
#[case("from=2026-03-02&to=2026-03-01", &["?from"])]
#[case("from=soon", &["?from"])]
#[case("tz=Europe/Atlantis", &["?tz"])]
#[case("tz=..%2F..%2Fetc%2Fpasswd", &["?tz"])]
#[case("bucket=fortnight&to=never", &["?bucket", "?to"])]
#[case("from=2020-01-01&to=2026-01-01", &["?from"])]
#[tokio::test]
async fn a_range_that_cannot_be_is_explained(#[case] query: &str, #[case] wrong: &[&str]) {
    let app = start().await;
    let team = Team::new(&app).await;
    for path in [team.path("throughput", query), format!("/v1/analytics/me?{query}")] {
        let answer = team.owner.get(&path).await.expect(422);
        assert_eq!(answer.problem(), "validation-failed");
        assert_eq!(answer.wrong(), wrong, "{path}");
    }
}

#[tokio::test]
async fn who_leaves_or_whose_project_ends_sees_its_figures_no_more() {
    let app = start().await;
    let team = Team::new(&app).await;
    let bob = app.user();
    let path = team.path("throughput", "");
    bob.get(&path).await.expect(404);
    tell(&app, &team.added(bob.id, 1), "2026-03-01T00:00:00Z").await;
    bob.get(&path).await.expect(200);
    tell(&app, &team.removed(bob.id, 2), "2026-03-02T00:00:00Z").await;
    // The addition comes again, late and under another id: the removal is newer.
    tell(&app, &team.added(bob.id, 1), "2026-03-01T00:00:00Z").await;
    assert_eq!(bob.get(&path).await.expect(404).problem(), "project-not-found");
    let gone = ProjectDeleted {
        project_id: team.project,
        actor_id: team.owner.id,
        version: 2,
    };
    tell(&app, &gone, "2026-03-03T00:00:00Z").await;
    team.owner.get(&path).await.expect(404);
}

#[tokio::test]
async fn everybody_sees_what_they_did_themselves() {
    let app = start().await;
    let team = Team::new(&app).await;
    let bob = app.user();
    team.work(
        &app,
        &[("2026-03-02T09:00:00Z", "todo"), ("2026-03-03T09:00:00Z", "done")],
    )
    .await;
    tell(&app, &comment(&team, team.owner.id, "well"), "2026-03-03T10:00:00Z").await;
    tell(&app, &comment(&team, bob.id, "done"), "2026-03-03T10:00:00Z").await;
    let mine = team
        .owner
        .get("/v1/analytics/me?from=2026-03-02&to=2026-03-03")
        .await
        .expect(200)
        .json;
    assert_eq!(column(&mine, "tasks_created"), [1, 0]);
    assert_eq!(column(&mine, "tasks_completed"), [0, 1]);
    assert_eq!(column(&mine, "comments"), [0, 1]);
    assert_eq!(column(&mine, "actions"), [1, 2]);
    let bobs = bob
        .get("/v1/analytics/me?from=2026-03-02&to=2026-03-03")
        .await
        .expect(200)
        .json;
    assert_eq!(bobs["whole"]["actions"], 1);
}
