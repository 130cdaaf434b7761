//! Files that become tasks: what is taken, what is reported, and that nothing is done twice.

use contracts::project::{ImportProgressed, TaskAssigned, TaskCreated};
use serde_json::{Value, json};
use testkit::{Actor, Answer};

use crate::{
    team::{App, person, text, walk},
    work::Team,
};

/// Sends a file.
pub(crate) async fn send(actor: &Actor, path: &str, kind: &str, file: impl Into<Vec<u8>>) -> Answer {
    actor
        .request("POST", path)
        .header("content-type", kind)
        .body(file)
        .await
}

/// Sends a file, has it imported, and answers the import.
pub(crate) async fn import(app: &App, actor: &Actor, path: &str, kind: &str, file: impl Into<Vec<u8>>) -> Value {
    let accepted = send(actor, path, kind, file).await.expect(202);
    app.step_workers().await;
    let location = accepted.header("location").expect("a location").to_owned();
    actor.get(location).await.expect(200).json["import"].clone()
}

/// What became of the rows of an import.
pub(crate) async fn report(actor: &Actor, import: &Value) -> Vec<Value> {
    walk(actor, &format!("/v1/imports/{}/report", text(&import["id"])), 100).await
}

/// The tasks of the project that an import filled, in their order.
pub(crate) async fn tasks(actor: &Actor, import: &Value) -> Vec<Value> {
    walk(
        actor,
        &format!("/v1/projects/{}/tasks", text(&import["project_id"])),
        100,
    )
    .await
}

fn counts(import: &Value) -> [u64; 3] {
    ["created", "skipped", "rejected"].map(|name| import[name].as_u64().unwrap_or(u64::MAX))
}

const TEAM: &str = "title,description,status,priority,due_at,labels,assignees\r\n\
    Fix the valve,\"It leaks\r\nabove \"\"four\"\" bar.\",in progress,P1,2026-12-01,\"bug, hardware\",ada\r\n\
    Paint the door,,,,,,nobody@example.com\r\n";

#[tokio::test]
async fn a_csv_file_becomes_a_project_of_its_sender_with_everything_it_says() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let import = import(&app, &ada, "/v1/projects/import?name=Apollo", "text/csv", TEAM).await;
    assert_eq!(
        (&import["status"], &import["format"]),
        (&json!("completed"), &json!("csv")),
        "{import}"
    );
    assert_eq!(counts(&import), [2, 0, 0]);
    let tasks = tasks(&ada, &import).await;
    let valve = &tasks[0];
    assert_eq!(valve["title"], "Fix the valve");
    assert_eq!(valve["description"], "It leaks\r\nabove \"four\" bar.");
    assert_eq!(
        (&valve["status"], &valve["priority"]),
        (&json!("in_progress"), &json!("high"))
    );
    assert_eq!(valve["due_at"], "2026-12-01T23:59:59Z");
    assert_eq!(valve["labels"], json!(["bug", "hardware"]));
    assert_eq!(valve["assignee_ids"], json!([ada.id]));
    assert_eq!(tasks[1]["title"], "Paint the door");
    let lines = report(&ada, &import).await;
    assert_eq!(lines[0]["task_id"], valve["id"]);
    assert_eq!(lines[1]["line"], 4, "the quoted line break counts");
    let problem = &lines[1]["problems"][0];
    assert!(text(&problem["detail"]).contains("nobody@example.com"), "{problem}");
    let project = ada
        .get(format!("/v1/projects/{}", text(&import["project_id"])))
        .await
        .expect(200)
        .json;
    assert_eq!(
        (&project["name"], &project["role"]),
        (&json!("Apollo"), &json!("owner"))
    );
}

#[tokio::test]
async fn imported_tasks_are_published_like_any_other_and_so_is_the_progress() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let import = import(&app, &ada, "/v1/projects/import?name=Apollo", "text/csv", TEAM).await;
    let created: Vec<TaskCreated> = app.published_of().await;
    let titles: Vec<&str> = created.iter().map(|event| event.task.title.as_str()).collect();
    assert_eq!(titles, ["Fix the valve", "Paint the door"]);
    assert_eq!(created[0].task.assignee_ids, [ada.id]);
    assert_eq!(app.published_of::<TaskAssigned>().await.len(), 1);
    let progress: Vec<ImportProgressed> = app.published_of().await;
    let told: Vec<(&str, u64)> = progress
        .iter()
        .map(|event| (event.status.as_str(), event.created))
        .collect();
    assert_eq!(told, [("running", 0), ("completed", 2)]);
    assert_eq!(
        progress[1].project_id.map(|id| id.to_string()),
        import["project_id"].as_str().map(str::to_owned)
    );
    let activity = ada
        .get(format!("/v1/projects/{}/activity", text(&import["project_id"])))
        .await
        .expect(200)
        .json;
    assert_eq!(activity["items"][0]["kind"], "tasks.imported");
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let file = "id,title,due_at\n1,Fix the valve,\n2,,\n1,Again,\n3,Paint the door,soon\n";
    let path = "/v1/projects/import?name=Apollo&dry_run=true";
    let import = import(&app, &ada, path, "text/csv", file).await;
    assert_eq!(
        (&import["status"], &import["project_id"]),
        (&json!("completed"), &Value::Null),
        "{import}"
    );
    assert_eq!(counts(&import), [1, 1, 2]);
    let lines = report(&ada, &import).await;
    let told: Vec<_> = lines
        .iter()
        .map(|line| (&line["line"], &line["outcome"], &line["problems"][0]["pointer"]))
        .collect();
    let expected = [
        (&json!(2), &json!("created"), &Value::Null),
        (&json!(3), &json!("rejected"), &json!("#/title")),
        (&json!(4), &json!("skipped"), &json!("#")),
        (&json!(5), &json!("rejected"), &json!("#/due_at")),
    ];
    assert_eq!(told, expected);
    assert_eq!(ada.get("/v1/projects").await.expect(200).json["items"], json!([]));
    assert_eq!(app.published_of::<TaskCreated>().await, []);
    let detail = ada
        .get(format!("/v1/imports/{}", text(&import["id"])))
        .await
        .expect(200)
        .json;
    assert_eq!(
        detail["problems"].as_array().map(Vec::len),
        Some(2),
        "the rejected rows are shown at once"
    );
}

#[tokio::test]
async fn repeating_an_import_doubles_neither_project_nor_task() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let path = "/v1/projects/import?name=Apollo";
    let file = "id,title\n1,Fix the valve\n,Paint the door\n,Paint the door\n";
    let first = import(&app, &ada, path, "text/csv", file).await;
    assert_eq!(counts(&first), [3, 0, 0]);
    let again = import(&app, &ada, path, "text/csv", format!("{file}2,Sweep the yard\n")).await;
    assert_eq!(counts(&again), [1, 3, 0]);
    assert_eq!(again["project_id"], first["project_id"]);
    let into = format!("/v1/projects/{}/import", text(&first["project_id"]));
    assert_eq!(counts(&import(&app, &ada, &into, "text/csv", file).await), [0, 3, 0]);
    assert_eq!(tasks(&ada, &first).await.len(), 4);
}

#[tokio::test]
async fn the_same_file_sent_twice_at_once_is_one_project_with_each_task_once() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let path = "/v1/projects/import?name=Apollo";
    for _ in 0..2 {
        send(&ada, path, "text/csv", "title\nFix the valve\n").await.expect(202);
    }
    app.step_workers().await;
    let imports = ada.get("/v1/imports").await.expect(200).json["items"].clone();
    let created = imports
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|import| import["created"].as_u64());
    assert_eq!(created.sum::<u64>(), 1, "{imports}");
    let projects = ada.get("/v1/projects").await.expect(200).json["items"].clone();
    assert_eq!(projects.as_array().map(Vec::len), Some(1), "{projects}");
}

#[tokio::test]
async fn a_task_that_was_imported_and_deleted_does_not_come_back() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let path = "/v1/projects/import?name=Apollo";
    let first = import(&app, &ada, path, "text/csv", "id,title\n1,Fix the valve\n").await;
    let task = text(&tasks(&ada, &first).await[0]["id"]);
    ada.delete(format!("/v1/tasks/{task}"))
        .header("if-match", "*")
        .await
        .expect(204);
    assert_eq!(
        counts(&import(&app, &ada, path, "text/csv", "id,title\n1,Fix the valve\n").await),
        [0, 1, 0]
    );
}

#[tokio::test]
async fn the_same_idempotency_key_is_one_import_and_another_file_under_it_is_refused() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let post = |file: &'static str| {
        ada.request("POST", "/v1/projects/import?name=Apollo")
            .header("content-type", "text/csv")
            .header("idempotency-key", "k-1")
            .body(file)
    };
    let first = post("title\nFix the valve\n").await.expect(202).json;
    let again = post("title\nFix the valve\n").await.expect(202).json;
    assert_eq!(first["id"], again["id"]);
    assert_eq!(
        post("title\nAnother\n").await.expect(422).problem(),
        "idempotency-key-reused"
    );
    app.step_workers().await;
    assert_eq!(app.published_of::<TaskCreated>().await.len(), 1);
    assert_eq!(
        ada.get("/v1/imports").await.expect(200).json["items"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn a_broken_quote_costs_its_row_and_no_other() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let file = "title,description\nFix the valve,fine\nPaint,\"never closed\nSweep the yard,fine\n";
    let import = import(&app, &ada, "/v1/projects/import?name=Apollo", "text/csv", file).await;
    assert_eq!(counts(&import), [2, 0, 1]);
    let lines = report(&ada, &import).await;
    assert_eq!(
        (&lines[1]["outcome"], &lines[1]["line"]),
        (&json!("rejected"), &json!(3))
    );
    assert!(
        text(&lines[1]["problems"][0]["detail"]).contains("quote"),
        "{}",
        lines[1]
    );
}

#[tokio::test]
async fn letters_arrive_whole_in_every_encoding() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let utf_16: Vec<u8> = "\u{feff}title\nGröße\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let files: [(&str, &str, Vec<u8>, &str); 5] = [
        ("plain", "text/csv", "title\nGröße\n".into(), "UTF-8"),
        ("mark", "text/csv", "\u{feff}title\nGröße\n".into(), "UTF-8"),
        ("wide", "text/csv", utf_16, "UTF-16LE"),
        (
            "named",
            "text/csv; charset=iso-8859-1",
            b"title\nGr\xF6\xDFe\n".into(),
            "windows-1252",
        ),
        ("guessed", "text/csv", b"title\nGr\xF6\xDFe\n".into(), "windows-1252"),
    ];
    for (name, kind, file, charset) in files {
        let path = format!("/v1/projects/import?name={name}");
        let import = import(&app, &ada, &path, kind, file).await;
        assert_eq!(tasks(&ada, &import).await[0]["title"], "Größe", "{name}");
        assert_eq!(import["charset"], charset, "{name}");
        assert_eq!(
            import["notes"].as_array().map(Vec::len),
            Some(usize::from(name == "guessed")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_row_that_is_not_in_the_named_encoding_is_told_and_the_others_are_taken() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let file = b"title\nGr\xF6\xDFe\nfine\n";
    let import = import(
        &app,
        &ada,
        "/v1/projects/import?name=Apollo&charset=utf-8",
        "text/csv",
        file,
    )
    .await;
    assert_eq!(counts(&import), [1, 0, 1]);
}

#[tokio::test]
async fn semicolons_tabs_and_the_column_names_of_other_tools_are_understood() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    for (name, file) in [
        ("a", "Summary;State;Sprint\nFix, please;Closed;7\n"),
        ("b", "Name\tStatus\tSprint\nFix, please\tdone\t7\n"),
    ] {
        let path = format!("/v1/projects/import?name={name}");
        let import = import(&app, &ada, &path, "text/csv", file).await;
        let task = &tasks(&ada, &import).await[0];
        assert_eq!(
            (&task["title"], &task["status"]),
            (&json!("Fix, please"), &json!("done"))
        );
        assert_eq!(import["notes"], json!(["columns that were not read: Sprint"]));
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_fails_as_a_whole_and_leaves_nothing() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let files = [
        ("text/csv", "status,due\ntodo,\n", "title"),
        ("text/csv", "title,name\na,b\n", "two columns"),
        ("application/json", "[{\"title\": \"Fix\"}, {\"title\": ", "JSON"),
        ("application/json", "{\"boards\": []}", "Trello"),
        ("text/csv", "title\n\n\" \"\n", "none of the rows"),
    ];
    for (kind, file, why) in files {
        let import = import(&app, &ada, "/v1/projects/import?name=Apollo", kind, file).await;
        assert_eq!(import["status"], "failed", "{file}");
        assert!(text(&import["failure"]).contains(why), "{file}: {}", import["failure"]);
    }
    assert_eq!(ada.get("/v1/projects").await.expect(200).json["items"], json!([]));
}

#[tokio::test]
async fn more_rows_than_may_come_at_once_are_refused_before_the_first_is_taken() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let file = format!("title\n{}", "x\n".repeat(100_001));
    let import = import(&app, &ada, "/v1/projects/import?name=Apollo", "text/csv", file).await;
    assert_eq!(import["status"], "failed");
    assert!(text(&import["failure"]).contains("100000"), "{}", import["failure"]);
    assert_eq!(counts(&import), [0, 0, 0]);
}

#[tokio::test]
async fn what_is_no_import_is_refused_with_what_to_do() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let refused = |answer: Answer| (answer.status, answer.problem().to_owned());
    let path = "/v1/projects/import?name=Apollo";
    assert_eq!(
        refused(send(&ada, path, "text/csv", "").await),
        (400, "malformed-request".to_owned())
    );
    let wrong = send(&ada, path, "image/png", "x").await;
    assert_eq!(refused(wrong), (415, "unsupported-media-type".to_owned()));
    let wrong = send(&ada, "/v1/projects/import?format=xls", "text/csv", "title\nx\n").await;
    assert_eq!(wrong.wrong(), ["?name", "?format"]);
    assert_eq!(ada.get("/v1/imports").await.expect(200).json["items"], json!([]));
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_by_its_length_and_while_it_is_read() {
    let app = App::with("[http]\nbody_limit_bytes = 100\nupload_limit_bytes = 5000").await;
    let ada = person(&app, "Ada").await;
    let path = "/v1/projects/import?name=Apollo";
    let file = |rows: usize| format!("title\n{}", "a title\n".repeat(rows));
    assert_eq!(
        send(&ada, path, "text/csv", file(600)).await.status,
        202,
        "more than other bodies may have"
    );
    for call in [
        ada.request("POST", path).body(file(700)),
        ada.request("POST", path).chunked(file(700)),
    ] {
        let refused = call.header("content-type", "text/csv").await;
        assert_eq!((refused.status, refused.problem()), (413, "body-too-large"));
        assert!(text(&refused.json["detail"]).contains("5000"), "{}", refused.json);
    }
    assert_eq!(
        ada.get("/v1/imports").await.expect(200).json["items"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn a_form_with_the_file_is_as_good_as_the_file_itself() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let part = |name: &str, text: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"tasks.csv\"\r\n\r\n{text}\r\n")
    };
    let form = part("file", "title\nFix the valve\n") + "--x--\r\n";
    let kind = "multipart/form-data; boundary=x";
    let import = import(&app, &ada, "/v1/projects/import?name=Apollo", kind, form).await;
    assert_eq!(counts(&import), [1, 0, 0]);
    for form in [
        part("name", "Apollo") + "--x--\r\n",
        part("file", "title\nx\n") + &part("more", "x") + "--x--\r\n",
        "--x--\r\n".to_owned(),
        part("file", "title\nx\n"),
    ] {
        let refused = send(&ada, "/v1/projects/import?name=Apollo", kind, form).await;
        assert_eq!((refused.status, refused.problem()), (400, "malformed-request"));
    }
}

#[tokio::test]
async fn only_members_import_into_a_project_and_only_who_imports_sees_it() {
    let team = Team::start().await;
    let path = format!("/v1/projects/{}/import", team.project);
    let file = "title\nFix the valve\n";
    assert_eq!(send(&team.vera, &path, "text/csv", file).await.status, 403);
    assert_eq!(send(&team.otto, &path, "text/csv", file).await.status, 404);
    let import = import(&team.app, &team.bruno, &path, "text/csv", file).await;
    assert_eq!(counts(&import), [1, 0, 0]);
    let own = format!("/v1/imports/{}", text(&import["id"]));
    for path in [own.clone(), format!("{own}/report")] {
        assert_eq!(team.ada.get(&path).await.problem(), "import-not-found");
    }
}

#[tokio::test]
async fn somebody_who_is_put_out_of_the_project_while_the_import_waits_imports_nothing() {
    let team = Team::start().await;
    let path = format!("/v1/projects/{}/import", team.project);
    let accepted = send(&team.bruno, &path, "text/csv", "title\nFix the valve\n")
        .await
        .expect(202);
    let member = format!("/v1/projects/{}/members/{}", team.project, team.bruno.id);
    team.ada.delete(member).header("if-match", "*").await.expect(204);
    team.app.step_workers().await;
    let import = team
        .bruno
        .get(accepted.header("location").unwrap())
        .await
        .expect(200)
        .json;
    assert_eq!(import["import"]["status"], "failed");
    assert_eq!(team.titles("").await, Vec::<String>::new());
}

#[tokio::test]
async fn there_are_only_so_many_imports_of_one_user_at_a_time() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let path = "/v1/projects/import?name=Apollo";
    for _ in 0..5 {
        send(&ada, path, "text/csv", "title\nx\n").await.expect(202);
    }
    assert_eq!(
        send(&ada, path, "text/csv", "title\nx\n").await.problem(),
        "too-many-imports"
    );
    app.step_workers().await;
    send(&ada, path, "text/csv", "title\nx\n").await.expect(202);
}
