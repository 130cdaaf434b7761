//! Lists of tasks: filters, orders, pages, and what a list does with nonsense.

use serde_json::json;

use crate::{
    team::{App, add, person, project_of, text, walk},
    work::{Team, titles},
};

#[tokio::test]
async fn every_filter_shows_what_it_says_and_filters_add_up() {
    let team = Team::start().await;
    let (ada, bruno) = (team.ada.id.to_string(), team.bruno.id.to_string());
    let body = json!({ "title": "A", "status": "done", "priority": "low", "assignee_ids": [ada], "labels": ["Red"] });
    team.task_with(body).await;
    let body =
        json!({ "title": "B", "priority": "high", "assignee_ids": [ada, bruno], "due_at": "2031-01-01T00:00:00Z" });
    team.task_with(body).await;
    let body = json!({ "title": "C", "due_at": "2031-02-01T00:00:00Z", "labels": ["red", "blue"] });
    team.bruno.post(team.tasks(), body).await.expect(201);
    for (query, expected) in [
        ("", vec!["A", "B", "C"]),
        ("status=done", vec!["A"]),
        ("status=done,todo", vec!["A", "B", "C"]),
        ("priority=low,high", vec!["A", "B"]),
        ("assignee=me", vec!["A", "B"]),
        (&format!("assignee={bruno}"), vec!["B"]),
        (&format!("created_by={bruno}"), vec!["C"]),
        ("created_by=me", vec!["A", "B"]),
        ("label=RED", vec!["A", "C"]),
        ("label=green", vec![]),
        ("due_before=2031-01-15T00:00:00Z", vec!["B"]),
        ("due_after=2031-01-15T00:00:00%2B01:00", vec!["C"]),
        (
            "due_after=2031-01-01T00:00:00Z&due_before=2031-02-01T00:00:00Z",
            vec!["B"],
        ),
        ("updated_since=2001-01-01T00:00:00Z", vec!["A", "B", "C"]),
        ("updated_since=2101-01-01T00:00:00Z", vec![]),
        ("label=red&status=todo", vec!["C"]),
        ("assignee=me&priority=high&due_before=2031-06-01T00:00:00Z", vec!["B"]),
    ] {
        assert_eq!(team.titles(query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn each_order_is_total_and_the_same_page_by_page_and_all_at_once() {
    let team = Team::start().await;
    for (title, priority, due) in [
        ("A", "low", Some("2031-03-01T00:00:00Z")),
        ("B", "urgent", None),
        ("C", "low", Some("2031-01-01T00:00:00Z")),
        ("D", "none", None),
        ("E", "medium", Some("2031-01-01T00:00:00Z")),
    ] {
        team.task_with(json!({ "title": title, "priority": priority, "due_at": due }))
            .await;
    }
    let first = team.ada.get(format!("{}?limit=1", team.tasks())).await.expect(200).json;
    let path = format!("/v1/tasks/{}", text(&first["items"][0]["id"]));
    team.ada
        .patch(path, json!({ "description": "changed last" }))
        .header("if-match", "*")
        .await
        .expect(200);
    for (sort, expected) in [
        ("position", "ABCDE"),
        ("-position", "EDCBA"),
        ("created_at", "ABCDE"),
        ("-created_at", "EDCBA"),
        ("updated_at", "BCDEA"),
        ("-updated_at", "AEDCB"),
        ("due_at", "CEABD"),
        ("-due_at", "AECDB"),
        ("priority", "DACEB"),
        ("-priority", "BECAD"),
    ] {
        let query = format!("{}?sort={sort}", team.tasks());
        for limit in [1, 2, 3, 5] {
            let found: String = walk(&team.ada, &query, limit)
                .await
                .iter()
                .map(|task| text(&task["title"]))
                .collect();
            assert_eq!(found, expected, "{sort}, {limit} at a time");
        }
    }
}

#[tokio::test]
async fn a_task_that_appears_while_somebody_pages_is_neither_shown_twice_nor_pushes_others_out() {
    let team = Team::start().await;
    for title in ["A", "B", "C"] {
        team.task(title).await;
    }
    let page = team
        .ada
        .get(format!("{}?sort=-created_at&limit=2", team.tasks()))
        .await
        .expect(200)
        .json;
    assert_eq!(titles(&page["items"]), ["C", "B"]);
    team.task("D").await;
    let next = format!(
        "{}?sort=-created_at&limit=2&cursor={}",
        team.tasks(),
        text(&page["next_cursor"])
    );
    assert_eq!(titles(&team.ada.get(next).await.expect(200).json["items"]), ["A"]);
}

#[tokio::test]
async fn a_cursor_belongs_to_one_list_with_one_filter_and_one_order() {
    let team = Team::start().await;
    for title in ["A", "B", "C"] {
        team.task(title).await;
    }
    let cursor = text(&team.ada.get(format!("{}?limit=1", team.tasks())).await.expect(200).json["next_cursor"]);
    let other = project_of(&team.ada, "Other").await;
    for path in [
        format!("{}?cursor={cursor}&sort=-position", team.tasks()),
        format!("{}?cursor={cursor}&status=todo", team.tasks()),
        format!("/v1/projects/{other}/tasks?cursor={cursor}"),
        format!("/v1/me/tasks?cursor={cursor}"),
        format!("{}?cursor=nonsense", team.tasks()),
        format!("{}?cursor=", team.tasks()),
        format!("{}?cursor=%00%ff", team.tasks()),
    ] {
        let refused = team.ada.get(&path).await.expect(400);
        assert_eq!(
            (refused.problem(), refused.wrong()),
            ("malformed-request", vec!["?cursor"]),
            "{path}"
        );
    }
}

#[tokio::test]
async fn nonsense_in_a_query_is_told_parameter_by_parameter() {
    let team = Team::start().await;
    let query =
        "status=open&priority=&assignee=ada&label=&due_before=soon&due_after=1&updated_since=x&q=%20&sort=title";
    let refused = team.ada.get(format!("{}?{query}", team.tasks())).await.expect(422);
    let expected = [
        "?status",
        "?priority",
        "?assignee",
        "?due_before",
        "?due_after",
        "?updated_since",
        "?q",
        "?label",
        "?sort",
    ];
    assert_eq!(
        (refused.problem(), refused.wrong()),
        ("validation-failed", expected.to_vec())
    );
    for limit in ["0", "201"] {
        let refused = team
            .ada
            .get(format!("{}?limit={limit}", team.tasks()))
            .await
            .expect(422);
        assert_eq!(refused.wrong(), ["?limit"]);
    }
    assert!([400, 422].contains(&team.ada.get(format!("{}?limit=ten", team.tasks())).await.status));
}

#[tokio::test]
async fn words_find_tasks_of_the_project_and_no_operator_breaks_the_query() {
    let team = Team::start().await;
    team.task_with(json!({ "title": "Fix the valve", "description": "It leaks above four bar: see pump-7/B." }))
        .await;
    team.task("Größe prüfen").await;
    let other = project_of(&team.ada, "Other").await;
    team.ada
        .post(format!("/v1/projects/{other}/tasks"), json!({ "title": "valve" }))
        .await
        .expect(201);
    for (q, expected) in [
        ("valve", vec!["Fix the valve"]),
        ("VAL", vec!["Fix the valve"]),
        ("leak%20fix", vec!["Fix the valve"]),
        ("leak%20nothing", vec![]),
        ("pump-7", vec!["Fix the valve"]),
        ("gr%C3%B6%C3%9Fe", vec!["Größe prüfen"]),
        ("%22valve", vec!["Fix the valve"]),
        ("valve%20AND%20(", vec![]),
        ("title%3Avalve%20OR%20x", vec![]),
        ("-valve*%20%26%20%7C%20!fix%20%3C-%3E", vec!["Fix the valve"]),
        ("%27%3B%20DROP%20TABLE%20tasks%3B", vec![]),
        ("%22%27*()%5E%3A%26%7C!", vec![]),
        ("%00", vec![]),
        ("%E2%92%B6", vec![]),
    ] {
        assert_eq!(team.titles(&format!("q={q}")).await, expected, "{q}");
    }
}

#[tokio::test]
async fn my_tasks_are_those_i_work_on_in_active_projects_of_mine_the_first_due_first() {
    let app = App::start().await;
    let team = Team::of(app).await;
    let bruno = team.bruno.id.to_string();
    let other = project_of(&team.ada, "Other").await;
    add(&team.ada, &other, "Bruno", "viewer").await;
    let task = |title: &str, due: Option<&str>, status: &str| json!({ "title": title, "due_at": due, "status": status, "assignee_ids": [bruno] });
    team.task_with(task("never due", None, "todo")).await;
    team.task_with(task("late", Some("2032-01-01T00:00:00Z"), "in_review"))
        .await;
    team.task_with(task("done", Some("2030-01-01T00:00:00Z"), "done")).await;
    team.task("not mine").await;
    let early = task("early", Some("2031-01-01T00:00:00Z"), "todo");
    team.ada
        .post(format!("/v1/projects/{other}/tasks"), early)
        .await
        .expect(201);

    let mine =
        async |query: &str| titles(&team.bruno.get(format!("/v1/me/tasks{query}")).await.expect(200).json["items"]);
    assert_eq!(mine("").await, ["early", "late", "never due"]);
    assert_eq!(mine("?due_before=2031-06-01T00:00:00Z").await, ["early"]);
    assert_eq!(mine("?status=done").await, ["done"]);
    let walked = walk(&team.bruno, "/v1/me/tasks", 1).await;
    assert_eq!(
        walked.iter().map(|task| text(&task["title"])).collect::<Vec<_>>(),
        ["early", "late", "never due"]
    );
    assert_eq!(
        team.bruno.get("/v1/me/tasks?status=x").await.expect(422).wrong(),
        ["?status"]
    );

    let path = format!("/v1/projects/{other}");
    team.ada
        .patch(path, json!({ "archived": true }))
        .header("if-match", "*")
        .await
        .expect(200);
    assert_eq!(mine("").await, ["late", "never due"], "without the archived project");
    team.ada
        .delete(format!("/v1/projects/{}/members/{bruno}", team.project))
        .await
        .expect(204);
    assert_eq!(
        mine("").await,
        Vec::<String>::new(),
        "without the project he was removed from"
    );
    person(&team.app, "Nina").await.get("/v1/me/tasks").await.expect(200);
}
