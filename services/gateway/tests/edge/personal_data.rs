//! Files that go up, everything about a person that comes down, and what is left of one who is gone.

use contracts::{
    Timestamp,
    auth::UserDeleted,
    gateway::GatewayErased,
    id::{ImportId, NotificationId, ProjectId},
    notification::NotificationCreated,
    project::{ImportProgressed, MemberAdded},
};
use messaging::outbox;
use poem::{Request, Response, http::StatusCode};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::{Answer, Edge, Service, User, body, generated, json_answer, nowhere};

fn part(request: Request) -> std::future::Ready<Response> {
    let (path, token) = (
        request.uri().path().to_owned(),
        request.header("authorization").map(str::to_owned),
    );
    std::future::ready(json_answer(&json!({ "path": path, "token": token })))
}

fn others(address: std::net::SocketAddr) -> Vec<(&'static str, std::net::SocketAddr)> {
    let others = gateway::settings::UPSTREAMS
        .iter()
        .filter(|service| **service != "auth");
    others.map(|service| (*service, address)).collect()
}

fn notification(edge_user: &User) -> NotificationCreated {
    NotificationCreated {
        notification_id: NotificationId::new(),
        user_id: edge_user.id,
        kind: "mentioned".to_owned(),
        title: "Grace mentioned you".to_owned(),
        body: String::new(),
        actor_id: None,
        project_id: None,
        task_id: None,
        comment_id: None,
        created_at: Timestamp::now(),
        unread_count: 1,
    }
}

#[tokio::test]
async fn a_personal_data_export_has_a_part_of_every_service() {
    let service = Service::answering(part);
    let edge = Edge::in_front_of(&others(service.address)).await;
    let ada = edge.user();
    edge.hear(&notification(&ada)).await;
    let answer = edge.get(&ada, "/v1/me/export").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.header("content-disposition").contains("attachment"));
    let export: Value = answer.json();
    assert_eq!(export["user_id"], json!(ada.id));
    assert_eq!(
        export["gateway"]["stream_events"][0]["data"]["title"],
        "Grace mentioned you"
    );
    assert_eq!(export["auth"]["authorization"], format!("Bearer {}", ada.token));
    for (service, _) in others(service.address) {
        assert_eq!(export[service]["path"], format!("/v1/personal-data/{service}"));
        assert_eq!(export[service]["token"], format!("Bearer {}", ada.token));
    }
}

#[tokio::test]
async fn an_export_with_a_hole_in_it_is_refused_and_says_whose_part_is_missing() {
    let service = Service::answering(part);
    let broken = Service::answering(|_| std::future::ready(StatusCode::INTERNAL_SERVER_ERROR.into()));
    for address in [nowhere(), broken.address] {
        let mut services = others(service.address);
        services.retain(|(service, _)| *service != "project");
        services.push(("project", address));
        let edge = Edge::in_front_of(&services).await;
        let answer = edge.get(&edge.user(), "/v1/me/export").await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "export-incomplete"));
        assert!(
            answer.json()["detail"].as_str().unwrap().starts_with("project "),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_part_that_breaks_off_breaks_the_export_off() {
    let service = Service::answering(part);
    let torn = Service::answering(|_| async {
        // So much that the head is on its way when it breaks off.
        let piece = || Ok(bytes::Bytes::from(vec![b' '; 300_000]));
        let pieces = [piece(), piece(), piece(), piece(), Err(std::io::Error::other("gone"))];
        Response::builder().body(body(futures_util::stream::iter(pieces)))
    });
    let mut services = others(service.address);
    services.retain(|(service, _)| *service != "project");
    services.push(("project", torn.address));
    let edge = Edge::in_front_of(&services).await;
    let request = edge
        .request(reqwest::Method::GET, "/v1/me/export")
        .bearer_auth(&edge.user().token);
    let answered = request.send().await.unwrap();
    assert_eq!(answered.status(), 200);
    assert!(answered.text().await.is_err(), "nobody takes it for whole");
}

#[tokio::test]
async fn nothing_of_a_closed_account_is_kept_and_it_is_said() {
    let edge = Edge::in_front_of(&[]).await;
    let (ada, project) = (edge.user(), ProjectId::new());
    edge.hear(&notification(&ada)).await;
    edge.hear(&MemberAdded {
        project_id: project,
        project_name: "Apollo".to_owned(),
        user_id: ada.id,
        role: "owner".to_owned(),
        actor_id: ada.id,
        version: 1,
    })
    .await;
    edge.hear(&UserDeleted {
        user_id: ada.id,
        deleted_at: Timestamp::now(),
        version: 2,
    })
    .await;
    let left = edge.get(&ada, "/v1/personal-data/gateway").await.json();
    assert_eq!(left, json!({ "order_ids": [], "project_ids": [], "stream_events": [] }));
    let published = outbox::Entity::find().all(edge.db.read()).await.unwrap();
    let erased: Vec<GatewayErased> = published
        .iter()
        .filter(|row| row.event_type == <GatewayErased as contracts::Event>::TYPE)
        .map(|row| serde_json::from_str(&row.payload).unwrap())
        .collect();
    assert_eq!(erased.iter().map(|event| event.user_id).collect::<Vec<_>>(), [ada.id]);
}

#[tokio::test]
async fn the_progress_of_an_import_goes_to_who_asked_for_it() {
    let edge = Edge::in_front_of(&[]).await;
    let ada = edge.user();
    let progress = ImportProgressed {
        import_id: ImportId::new(),
        user_id: ada.id,
        project_id: None,
        status: "running".to_owned(),
        rows_read: 1000,
        created: 990,
        skipped: 0,
        rejected: 10,
        at: Timestamp::now(),
    };
    edge.hear(&progress).await;
    let kept = edge.get(&ada, "/v1/personal-data/gateway").await.json();
    let event = &kept["stream_events"][0];
    assert_eq!(
        (&event["type"], &event["data"]["rows_read"]),
        (&json!("import.progressed"), &json!(1000))
    );
}

#[tokio::test]
async fn a_file_may_be_larger_than_other_bodies_and_is_refused_at_its_own_limit() {
    let project = Service::echoing();
    let settings = "[http]\nbody_limit_bytes = 1000\nupload_limit_bytes = 500000";
    let edge = Edge::with(&[("project", project.address)], settings).await;
    let ada = edge.user();
    let send = async |chunks: usize| {
        let request = edge
            .request(reqwest::Method::POST, "/v1/projects/import?name=Apollo")
            .bearer_auth(&ada.token)
            .header("content-type", "text/csv");
        Answer::of(
            request
                .body(reqwest::Body::wrap_stream(generated(chunks, 1000)))
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    let taken = send(400).await;
    assert_eq!(
        (taken.status, taken.json()["body"].as_str().map(str::len)),
        (200, Some(400_000))
    );
    let refused = send(501).await;
    assert_eq!((refused.status, refused.problem().as_str()), (413, "body-too-large"));
    assert!(refused.text.contains("500000"), "{}", refused.text);
}
