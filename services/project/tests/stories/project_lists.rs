//! Lists of projects, and what all lists of this service have in common: pages, cursors, limits.

use serde_json::Value;

use crate::team::{App, add, person, project_of, text, walk};

#[tokio::test]
async fn the_list_shows_my_projects_newest_first_page_by_page() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let mut mine = Vec::new();
    for number in 0..5 {
        mine.push(project_of(&ada, &format!("Apollo {number}")).await);
        project_of(&bruno, "not Ada's").await;
    }
    mine.reverse();
    for limit in [1, 2, 5, 200] {
        let ids: Vec<String> = walk(&ada, "/v1/projects", limit)
            .await
            .iter()
            .map(|item| text(&item["id"]))
            .collect();
        assert_eq!(ids, mine, "limit {limit}");
    }
}

#[tokio::test]
async fn a_page_begun_before_a_project_was_made_goes_on_without_it_and_without_gaps() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let (first, second) = (project_of(&ada, "one").await, project_of(&ada, "two").await);
    let page = ada.get("/v1/projects?limit=1").await.expect(200).json;
    assert_eq!(page["items"][0]["id"], second);
    project_of(&ada, "three").await;
    let cursor = text(&page["next_cursor"]);
    let rest = ada
        .get(format!("/v1/projects?limit=1&cursor={cursor}"))
        .await
        .expect(200)
        .json;
    assert_eq!(rest["items"][0]["id"], first);
    assert_eq!(rest["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_cursor_from_elsewhere_is_refused_with_what_to_do() {
    let app = App::start().await;
    let (ada, bruno) = (person(&app, "Ada").await, person(&app, "Bruno").await);
    let id = project_of(&ada, "one").await;
    project_of(&ada, "two").await;
    add(&ada, &id, "Bruno", "member").await;
    project_of(&bruno, "three").await;
    let adas = text(&ada.get("/v1/projects?limit=1").await.expect(200).json["next_cursor"]);
    let members = text(
        &ada.get(format!("/v1/projects/{id}/members?limit=1"))
            .await
            .expect(200)
            .json["next_cursor"],
    );

    for (who, path) in [
        (&bruno, format!("/v1/projects?cursor={adas}")),
        (&ada, format!("/v1/projects?archived=true&cursor={adas}")),
        (&ada, format!("/v1/projects?cursor={members}")),
        (&ada, "/v1/projects?cursor=".to_owned()),
        (&ada, "/v1/projects?cursor=%F0%9F%92%A9".to_owned()),
        (&ada, "/v1/projects?cursor=bnVsbA".to_owned()),
        (&ada, format!("/v1/projects?cursor={}", "A".repeat(4000))),
        (&ada, format!("/v1/projects/{id}/members?cursor={adas}")),
        (&ada, format!("/v1/projects/{id}/activity?cursor={members}")),
        (&ada, format!("/v1/projects/{id}/invitations?cursor={members}")),
    ] {
        let answer = who.get(&path).await.expect(400);
        assert_eq!(answer.problem(), "malformed-request", "{path}");
        assert_eq!(answer.wrong(), ["?cursor"], "{path}");
    }
}

#[tokio::test]
async fn a_page_has_1_to_200_items() {
    let app = App::start().await;
    let ada = person(&app, "Ada").await;
    let id = project_of(&ada, "Apollo").await;
    for list in [
        "",
        &format!("/{id}/members"),
        &format!("/{id}/activity"),
        &format!("/{id}/invitations"),
    ] {
        for limit in ["0", "201", "10000", "-1", "many", "1.5", "99999999999999999999999"] {
            let answer = ada.get(format!("/v1/projects{list}?limit={limit}")).await.expect(422);
            assert_eq!(answer.wrong(), ["?limit"]);
        }
        ada.get(format!("/v1/projects{list}?limit=200")).await.expect(200);
    }
    assert_eq!(
        ada.get("/v1/projects?archived=perhaps").await.expect(422).wrong(),
        ["?archived"]
    );
}
