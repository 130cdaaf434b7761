//! Files that hold more than the plan of an account has room for.

use contracts::billing::PlanLimits;
use serde_json::{Value, json};
use testkit::Actor;

use crate::{
    imports::{import, report, tasks as made},
    quotas::{allow, counted, projects, tasks},
    team::{App, add, person, project_of, text, walk},
};

const APOLLO: &str = "/v1/projects/import?name=Apollo";

fn rows(count: usize) -> String {
    (1..=count).fold("title\n".to_owned(), |file, n| file + &format!("Task {n}\n"))
}

fn counts(import: &Value) -> (&str, [u64; 3]) {
    let counts = ["created", "skipped", "rejected"].map(|name| import[name].as_u64().unwrap_or(u64::MAX));
    (import["status"].as_str().unwrap_or_default(), counts)
}

/// What became of the rows, without the tasks that were made of them.
async fn outcomes(actor: &Actor, import: &Value) -> Vec<Value> {
    let mut lines = report(actor, import).await;
    for line in &mut lines {
        line["task_id"].take();
    }
    lines
}

#[tokio::test]
async fn an_import_takes_what_the_plan_has_room_for_and_the_rest_under_a_larger_one() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    allow(&app, ada.id, tasks(2), 1).await;
    let first = import(&app, &ada, APOLLO, "text/csv", rows(3)).await;
    assert_eq!(counts(&first), ("completed", [2, 0, 1]), "{first}");
    let lines = report(&ada, &first).await;
    assert_eq!(
        (&lines[2]["line"], &lines[2]["outcome"]),
        (&json!(4), &json!("rejected"))
    );
    let why = text(&lines[2]["problems"][0]["detail"]);
    assert!(why.contains("the plan free") && why.contains("allows 2 tasks"), "{why}");

    allow(&app, ada.id, tasks(10), 2).await;
    let again = import(&app, &ada, APOLLO, "text/csv", rows(3)).await;
    assert_eq!(counts(&again), ("completed", [1, 2, 0]), "{again}");
    assert_eq!(made(&ada, &again).await.len(), 3);
}

#[tokio::test]
async fn a_dry_run_says_of_every_row_what_the_plan_will_say() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let project = project_of(&ada, "Apollo").await;
    ada.post(
        format!("/v1/projects/{project}/tasks"),
        json!({ "title": "There before" }),
    )
    .await
    .expect(201);
    // More than one batch, and the limit in the middle of one.
    allow(&app, ada.id, tasks(701), 1).await;
    let path = format!("/v1/projects/{project}/import");
    let dry = import(&app, &ada, &format!("{path}?dry_run=true"), "text/csv", rows(1100)).await;
    assert_eq!(counts(&dry), ("completed", [700, 0, 400]), "{dry}");
    assert_eq!(counted(&app.db, ada.id).await, (1, 1, 1), "nothing was made");
    let real = import(&app, &ada, &path, "text/csv", rows(1100)).await;
    assert_eq!(counts(&real), counts(&dry));
    assert_eq!(outcomes(&ada, &real).await, outcomes(&ada, &dry).await);
    assert_eq!(counted(&app.db, ada.id).await, (1, 1, 701));
}

#[tokio::test]
async fn the_plan_of_the_projects_maker_counts_and_not_that_of_who_imports() {
    let app = App::start().await;
    let (ada, bob) = (person(&app, "Ada").await, person(&app, "Bob").await);
    let project = project_of(&ada, "Apollo").await;
    add(&ada, &project, "Bob", "member").await;
    allow(&app, ada.id, tasks(1), 1).await;
    for path in ["import?dry_run=true", "import"] {
        let path = format!("/v1/projects/{project}/{path}");
        let import = import(&app, &bob, &path, "text/csv", rows(2)).await;
        assert_eq!(counts(&import), ("completed", [1, 0, 1]), "{import}");
    }
}

#[tokio::test]
async fn an_import_whose_project_has_no_room_is_given_up_and_a_dry_run_says_so_before() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    project_of(&ada, "There before").await;
    allow(&app, ada.id, projects(1), 1).await;
    for (file, dry_run) in [(rows(1), true), (rows(1), false), (rows(0), true), (rows(0), false)] {
        let refused = import(&app, &ada, &format!("{APOLLO}&dry_run={dry_run}"), "text/csv", file).await;
        assert_eq!(counts(&refused), ("failed", [0, 0, 0]), "{refused}");
        let why = text(&refused["failure"]);
        assert!(why.contains("allows 1 projects"), "{why}");
    }
    assert_eq!(walk(&ada, "/v1/projects", 10).await.len(), 1);
}

#[tokio::test]
async fn an_import_of_which_no_row_has_room_has_failed() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let limits = PlanLimits {
        projects: Some(5),
        ..tasks(0)
    };
    allow(&app, ada.id, limits, 1).await;
    for dry_run in [true, false] {
        let refused = import(&app, &ada, &format!("{APOLLO}&dry_run={dry_run}"), "text/csv", rows(2)).await;
        assert_eq!(counts(&refused), ("failed", [0, 0, 2]), "{refused}");
    }
    assert!(walk(&ada, "/v1/projects", 10).await.is_empty());
}
