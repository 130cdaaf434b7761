//! The live stream.

use std::time::Duration;

use contracts::{
    Timestamp,
    auth::{SessionRevoked, UserDisabled},
    billing::OrderCompleted,
    id::{NotificationId, OrderId, ProjectId, SubscriptionId, TaskId, UserId},
    notification::NotificationCreated,
    project::{MemberAdded, MemberRemoved, ProjectDeleted, TaskMoved},
};
use serde_json::json;
use testkit::eventually;

use crate::{
    follower::{Follower, Said},
    support::{Answer, Edge, SOON},
};

fn joins(user: UserId, project: ProjectId, version: i64) -> MemberAdded {
    MemberAdded {
        project_id: project,
        project_name: "Apollo".into(),
        user_id: user,
        role: "member".into(),
        actor_id: user,
        version,
    }
}

fn leaves(user: UserId, project: ProjectId, version: i64) -> MemberRemoved {
    MemberRemoved {
        project_id: project,
        project_name: "Apollo".into(),
        user_id: user,
        actor_id: user,
        version,
    }
}

fn moved(project: ProjectId, version: i64) -> TaskMoved {
    TaskMoved {
        task_id: TaskId::new(),
        project_id: project,
        position: "80".into(),
        actor_id: UserId::new(),
        version,
    }
}

fn notified(user: UserId) -> NotificationCreated {
    NotificationCreated {
        notification_id: NotificationId::new(),
        user_id: user,
        kind: "mentioned".into(),
        title: "Bob mentioned you".into(),
        body: String::new(),
        actor_id: None,
        project_id: None,
        task_id: None,
        comment_id: None,
        unread_count: 1,
        created_at: Timestamp::now(),
    }
}

/// Until what was heard so far has gone to the streams that there are. Who comes later hears nothing of it.
async fn handed_over(edge: &Edge) {
    let witness = edge.user();
    let mut stream = Follower::new(edge, &witness, None).await;
    edge.hear(&notified(witness.id)).await;
    assert_eq!(stream.names(1).await, ["notification.created"]);
}

#[tokio::test]
async fn a_user_sees_what_happens_in_their_projects_and_their_notifications_and_nothing_else() {
    let edge = Edge::in_front_of(&[]).await;
    let (ada, apollo, foreign) = (edge.user(), ProjectId::new(), ProjectId::new());
    edge.hear(&joins(ada.id, apollo, 1)).await;
    edge.hear(&joins(UserId::new(), foreign, 1)).await;
    handed_over(&edge).await;
    let mut stream = Follower::new(&edge, &ada, None).await;
    edge.hear(&moved(foreign, 1)).await;
    edge.hear(&notified(UserId::new())).await;
    let id = edge.hear(&moved(apollo, 7)).await;
    edge.hear(&notified(ada.id)).await;

    let said = stream.next().await.unwrap();
    assert_eq!(said.event, "task.moved");
    assert_eq!(said.data["type"], "task.moved");
    assert_eq!(said.data["id"], json!(id));
    assert_eq!(said.data["project_id"], json!(apollo));
    assert_eq!(said.data["data"]["version"], 7);
    assert!(said.data["occurred_at"].as_str().unwrap().parse::<Timestamp>().is_ok());
    assert_eq!(stream.next().await.unwrap().event, "notification.created");
}

#[tokio::test]
async fn who_joins_or_leaves_a_project_hears_of_it_and_of_what_happens_in_between() {
    let edge = Edge::in_front_of(&[]).await;
    let (ada, apollo) = (edge.user(), ProjectId::new());
    let mut stream = Follower::new(&edge, &ada, None).await;
    edge.hear(&moved(apollo, 1)).await;
    edge.hear(&joins(ada.id, apollo, 1)).await;
    edge.hear(&moved(apollo, 2)).await;
    edge.hear(&leaves(ada.id, apollo, 2)).await;
    edge.hear(&moved(apollo, 3)).await;
    edge.hear(&joins(ada.id, apollo, 1)).await;
    edge.hear(&notified(ada.id)).await;
    let names = stream.names(5).await;
    assert_eq!(
        names,
        [
            "member.added",
            "task.moved",
            "member.removed",
            "member.added",
            "notification.created"
        ]
    );
    let mut again = Follower::new(&edge, &ada, None).await;
    edge.hear(&moved(apollo, 4)).await;
    edge.hear(&notified(ada.id)).await;
    assert_eq!(
        again.names(1).await,
        ["notification.created"],
        "an old word of joining does not bring them back"
    );
}

#[tokio::test]
async fn members_hear_that_their_project_is_gone() {
    let edge = Edge::in_front_of(&[]).await;
    let (ada, apollo) = (edge.user(), ProjectId::new());
    edge.hear(&joins(ada.id, apollo, 1)).await;
    handed_over(&edge).await;
    let mut stream = Follower::new(&edge, &ada, None).await;
    edge.hear(&ProjectDeleted {
        project_id: apollo,
        actor_id: UserId::new(),
        version: 3,
    })
    .await;
    assert_eq!(stream.names(1).await, ["project.deleted"]);
}

#[tokio::test]
async fn a_stream_that_is_resumed_misses_nothing_and_repeats_nothing() {
    let edge = Edge::in_front_of(&[]).await;
    let (ada, apollo) = (edge.user(), ProjectId::new());
    edge.hear(&joins(ada.id, apollo, 1)).await;
    handed_over(&edge).await;
    let mut versions = Vec::new();
    let mut stream = Follower::new(&edge, &ada, None).await;
    let mut sent = 0;
    // It breaks off and comes back again and again, while things go on happening, more than a page in between.
    for pause in [3, 0, 450, 1, 20] {
        for _ in 0..5 {
            sent += 1;
            edge.hear(&moved(apollo, sent)).await;
        }
        for _ in 0..5 {
            versions.push(stream.next().await.unwrap().data["data"]["version"].as_i64().unwrap());
        }
        let last = stream.last;
        drop(stream);
        for _ in 0..pause {
            sent += 1;
            edge.hear(&moved(apollo, sent)).await;
        }
        stream = Follower::new(&edge, &ada, last).await;
        for _ in 0..pause {
            versions.push(stream.next().await.unwrap().data["data"]["version"].as_i64().unwrap());
        }
    }
    assert_eq!(versions, (1..=sent).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_can_be_resumed_by_a_query_parameter_too() {
    let edge = Edge::in_front_of(&[]).await;
    let ada = edge.user();
    let stream = Follower::new(&edge, &ada, None).await;
    edge.hear(&notified(ada.id)).await;
    let path = format!("/v1/stream?last_event_id={}", stream.last.unwrap());
    let response = edge
        .request(reqwest::Method::GET, &path)
        .bearer_auth(&ada.token)
        .send()
        .await
        .unwrap();
    let mut resumed = Follower::of(response);
    assert_eq!(resumed.names(1).await, ["notification.created"]);
}

#[tokio::test]
async fn a_past_that_is_not_there_any_more_is_told() {
    let edge = Edge::with(&[], "[gateway.stream]\nretention_events = 2").await;
    let ada = edge.user();
    for _ in 0..10 {
        edge.hear(&notified(ada.id)).await;
    }
    let oldest = async || gateway::store::stream_event::bounds(edge.db.read()).await.unwrap().0;
    // The worker may be in its pause: prune as it does.
    edge.db
        .write(async |tx| gateway::store::stream_event::prune(tx, Timestamp::from_micros(0), 2, 100).await)
        .await
        .unwrap();
    assert_eq!(oldest().await, 9);
    for gone in [1, 7, 1000] {
        let mut request = edge.request(reqwest::Method::GET, "/v1/stream").bearer_auth(&ada.token);
        request = request.header("last-event-id", gone);
        let response = request.send().await.unwrap();
        let mut stream = Follower::of(response);
        assert_eq!(stream.names(1).await, ["reset"], "{gone}");
        edge.hear(&notified(ada.id)).await;
        assert_eq!(
            stream.names(1).await,
            ["notification.created"],
            "and it goes on from now"
        );
    }
}

#[tokio::test]
async fn a_last_event_id_that_is_none_is_told() {
    let edge = Edge::in_front_of(&[]).await;
    let ada = edge.user();
    for wrong in ["-1", "abc", "1.5", "99999999999999999999"] {
        let request = edge
            .request(reqwest::Method::GET, "/v1/stream")
            .bearer_auth(&ada.token)
            .header("last-event-id", wrong);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "malformed-request"),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_stream_ends_at_once_when_its_session_is_revoked_or_its_user_disabled() {
    let edge = Edge::in_front_of(&[]).await;
    let (ada, bob) = (edge.user(), edge.user());
    let (mut of_ada, mut of_bob) = (
        Follower::new(&edge, &ada, None).await,
        Follower::new(&edge, &bob, None).await,
    );
    edge.hear(&SessionRevoked {
        session_id: ada.session,
        user_id: ada.id,
        reason: "revoked".into(),
    })
    .await;
    assert_eq!(
        of_ada.next().await,
        Some(Said {
            event: "closed".into(),
            data: json!({"reason": "session_revoked"})
        })
    );
    assert_eq!(of_ada.next().await, None);
    edge.hear(&UserDisabled {
        user_id: bob.id,
        version: 2,
    })
    .await;
    assert_eq!(of_bob.next().await.unwrap().data, json!({"reason": "user_disabled"}));
    assert_eq!(of_bob.next().await, None);
}

#[tokio::test]
async fn a_stream_ends_with_the_credential() {
    let edge = Edge::with(&[], "[gateway.stream]\nheartbeat_s = 1").await;
    let ada = edge.user();
    let mut stream = Follower::new(&edge, &ada, None).await;
    edge.clock.advance(Duration::from_secs(601));
    assert_eq!(stream.next().await.unwrap().data, json!({"reason": "expired"}));
}

#[tokio::test]
async fn when_the_process_stops_clients_are_told_when_to_come_back() {
    let edge = Edge::in_front_of(&[]).await;
    let ada = edge.user();
    let mut stream = Follower::new(&edge, &ada, None).await;
    edge.stop.cancel();
    let block = stream.block().await.unwrap();
    assert!(
        block
            .iter()
            .any(|(name, millis)| name == "retry" && millis.parse::<u64>().is_ok()),
        "{block:?}"
    );
    assert!(
        block.contains(&("data".to_owned(), "{\"reason\":\"shutdown\"}".to_owned())),
        "{block:?}"
    );
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn silence_is_broken_by_a_comment() {
    let edge = Edge::with(&[], "[gateway.stream]\nheartbeat_s = 1").await;
    let mut stream = Follower::new(&edge, &edge.user(), None).await;
    assert_eq!(
        stream.block().await.unwrap(),
        [(String::new(), "still here".to_owned())]
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_others_get_everything() {
    let edge = Edge::with(&[], "[gateway.stream]\nbuffer = 8").await;
    let (slow, quick, apollo) = (edge.user(), edge.user(), ProjectId::new());
    edge.hear(&joins(slow.id, apollo, 1)).await;
    edge.hear(&joins(quick.id, apollo, 1)).await;
    handed_over(&edge).await;
    let asleep = Follower::new(&edge, &slow, None).await;
    let mut awake = Follower::new(&edge, &quick, None).await;
    // Enough to fill every buffer on the way.
    let large = "x".repeat(400_000);
    let mut sent = 0;
    while !edge
        .metrics()
        .contains("gateway_streams_ended_total{reason=\"slow\"} 1")
    {
        sent += 1;
        assert!(sent < 500, "it is never cut off");
        let event = TaskMoved {
            position: large.clone(),
            ..moved(apollo, sent)
        };
        edge.hear(&event).await;
        assert_eq!(
            awake.next().await.unwrap().data["data"]["version"],
            json!(sent),
            "nothing is missed"
        );
    }
    // When it wakes up it learns why.
    let mut asleep = asleep;
    let mut last = None;
    while let Some(said) = asleep.next().await {
        last = Some(said);
    }
    assert_eq!(
        last,
        Some(Said {
            event: "closed".into(),
            data: json!({"reason": "slow"})
        })
    );
    edge.hear(&moved(apollo, 0)).await;
    assert_eq!(awake.names(1).await, ["task.moved"]);
}

#[tokio::test]
async fn a_user_has_only_so_many_streams_and_closing_one_makes_room() {
    let edge = Edge::with(&[], "[gateway.stream]\nper_user = 2\nheartbeat_s = 1").await;
    let ada = edge.user();
    let first = Follower::new(&edge, &ada, None).await;
    let _second = Follower::new(&edge, &ada, None).await;
    let answer = edge.get(&ada, "/v1/stream").await;
    assert_eq!((answer.status, answer.problem().as_str()), (429, "too-many-streams"));
    drop(first);
    eventually(SOON, async || {
        edge.request(reqwest::Method::GET, "/v1/stream")
            .bearer_auth(&ada.token)
            .send()
            .await
            .unwrap()
            .status()
            == 200
    })
    .await;
}

#[tokio::test]
async fn the_account_hears_how_its_order_ended_and_nobody_else_does() {
    let edge = Edge::in_front_of(&[]).await;
    let (ada, bob) = (edge.user(), edge.user());
    let (mut to_ada, mut to_bob) = (
        Follower::new(&edge, &ada, None).await,
        Follower::new(&edge, &bob, None).await,
    );
    let order = OrderId::new();
    let completed = OrderCompleted {
        order_id: order,
        user_id: ada.id,
        subscription_id: SubscriptionId::new(),
        plan: "team".into(),
        seats: 3,
        invoice_id: None,
        completed_at: Timestamp::now(),
    };
    edge.hear(&completed).await;
    edge.hear(&notified(bob.id)).await;
    let said = to_ada.next().await.unwrap();
    assert_eq!(
        (said.event.as_str(), &said.data["data"]["order_id"]),
        ("order.completed", &json!(order))
    );
    assert_eq!(to_bob.names(1).await, ["notification.created"]);
}
