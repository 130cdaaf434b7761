//! The order of tasks: moves, also at the same time, and what happens when there is no room.

use std::collections::HashSet;

use contracts::{
    id::TaskId,
    project::{TaskMoved, TaskUpdated},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    team::{project_of, text},
    work::Team,
};

#[tokio::test]
async fn a_task_goes_where_it_is_put_and_the_others_stay_in_order() {
    let team = Team::start().await;
    let mut ids = Vec::new();
    for title in ["A", "B", "C", "D"] {
        ids.push(team.task(title).await);
    }
    let put = async |task: usize, body: Value| {
        let answer = team
            .bruno
            .post(format!("/v1/tasks/{}/move", ids[task]), body)
            .await
            .expect(200);
        assert_eq!(
            answer.header("etag"),
            Some(format!("\"v{}\"", answer.json["version"]).as_str())
        );
        team.titles("").await.concat()
    };
    assert_eq!(put(3, json!({ "before": ids[0] })).await, "DABC");
    assert_eq!(put(0, json!({ "after": ids[2] })).await, "DBCA");
    assert_eq!(put(3, json!({ "before": ids[2] })).await, "BDCA");
    assert_eq!(put(1, json!({})).await, "DCAB");
    assert_eq!(put(1, json!({ "after": ids[0] })).await, "DCAB", "where it was already");
    assert_eq!(team.task("E").await.len(), ids[0].len());
    assert_eq!(team.titles("").await.concat(), "DCABE", "a new task comes last");
    let moved = team.app.published_of::<TaskMoved>().await;
    assert_eq!(moved.len(), 5);
    assert_eq!(
        (moved[0].version, moved[0].actor_id, moved[0].task_id.to_string()),
        (2, team.bruno.id, ids[3].clone())
    );
}

#[tokio::test]
async fn on_a_board_a_move_can_change_the_state_in_one_step() {
    let team = Team::start().await;
    let (a, b) = (team.task("A").await, team.task("B").await);
    let moved = team
        .ada
        .post(format!("/v1/tasks/{b}/move"), json!({ "before": a, "status": "done" }))
        .await
        .expect(200);
    assert_eq!(
        (&moved.json["status"], &moved.json["version"]),
        (&json!("done"), &json!(3))
    );
    assert_eq!(team.titles("").await, ["B", "A"]);
    let updated = &team.app.published_of::<TaskUpdated>().await[0];
    assert_eq!(
        (updated.previous_status.as_deref(), updated.task.version),
        (Some("todo"), 2)
    );
    assert_eq!(team.app.published_of::<TaskMoved>().await[0].version, 3);
    let read = team.ada.get(format!("/v1/tasks/{b}")).await.expect(200).json;
    assert_eq!(read, moved.json);
}

#[tokio::test]
async fn a_move_next_to_something_that_is_not_in_the_project_changes_nothing() {
    let team = Team::start().await;
    let (a, b) = (team.task("A").await, team.task("B").await);
    let other = project_of(&team.ada, "Other").await;
    let foreign = team
        .ada
        .post(format!("/v1/projects/{other}/tasks"), json!({ "title": "F" }))
        .await
        .expect(201)
        .json;
    let path = format!("/v1/tasks/{b}/move");
    let unknown = TaskId::new().to_string();
    for (body, wrong) in [
        (json!({ "before": unknown, "status": "done" }), "#/before"),
        (json!({ "after": foreign["id"] }), "#/after"),
        (json!({ "before": b }), "#/before"),
        (json!({ "before": "tsk_1" }), "#/before"),
        (json!({ "before": a, "after": a }), "#/after"),
        (json!({ "status": "gone" }), "#/status"),
        (json!({ "next": a }), "#/next"),
    ] {
        assert_eq!(
            team.ada.post(&path, body.clone()).await.expect(422).wrong(),
            [wrong],
            "{body}"
        );
    }
    assert_eq!(team.titles("").await, ["A", "B"]);
    assert_eq!(team.titles("status=done").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_thousand_moves_to_one_place_make_room_for_themselves() {
    let team = Team::start().await;
    let (a, b, c) = (team.task("A").await, team.task("B").await, team.task("C").await);
    // Each time one of the two goes directly behind A, the gap there is halved.
    for round in 0..1000 {
        let task = if round % 2 == 0 { &c } else { &b };
        let moved = team
            .ada
            .post(format!("/v1/tasks/{task}/move"), json!({ "after": a }))
            .await
            .expect(200)
            .json;
        assert!(text(&moved["position"]).len() <= 96);
    }
    assert_eq!(team.titles("").await, ["A", "B", "C"]);
    let listed = team.ada.get(team.tasks()).await.expect(200).json;
    for task in listed["items"].as_array().unwrap() {
        let read = team
            .ada
            .get(format!("/v1/tasks/{}", text(&task["id"])))
            .await
            .expect(200)
            .json;
        assert_eq!(&read, task, "the list tells the position that the task has");
    }
}

/// One move of the property test: which task, next to which, on which side.
type Move = (usize, usize, bool);

async fn moves_at_once_keep_the_order(moves: Vec<Vec<Move>>) {
    const TASKS: usize = 6;
    let team = Team::start().await;
    let mut ids = Vec::new();
    for number in 0..TASKS {
        ids.push(team.task(&number.to_string()).await);
    }
    for round in moves {
        // Each task moves once at most in a round, so that what each wanted can be checked at the end of it.
        let mut taken = HashSet::new();
        let round: Vec<Move> = round
            .into_iter()
            .filter(|(task, other, _)| task != other && taken.insert(*task))
            .collect();
        let calls = round.iter().map(|(task, other, before)| {
            let side = if *before { "before" } else { "after" };
            team.ada
                .post(format!("/v1/tasks/{}/move", ids[*task]), json!({ side: ids[*other] }))
                .send()
        });
        for answer in futures_util::future::join_all(calls).await {
            let _ = answer.expect(200);
        }
        let order: Vec<usize> = team
            .titles("")
            .await
            .iter()
            .map(|title| title.parse().unwrap())
            .collect();
        assert_eq!(
            order.iter().collect::<HashSet<_>>().len(),
            TASKS,
            "each task once: {order:?}"
        );
        let last = last_to_move(&team, &ids).await;
        if let Some((task, other, before)) = round.iter().find(|(task, ..)| *task == last) {
            let place = |task: &usize| order.iter().position(|other| other == task).unwrap();
            let expected = if *before {
                place(other).checked_sub(1)
            } else {
                Some(place(other) + 1)
            };
            assert_eq!(Some(place(task)), expected, "{task} next to {other} in {order:?}");
        }
    }
}

/// Who moved last: nobody can have come between it and its neighbour since.
async fn last_to_move(team: &Team, ids: &[String]) -> usize {
    let moved = team.app.published_of::<TaskMoved>().await;
    let last = moved.last().map(|event| event.task_id.to_string());
    ids.iter()
        .position(|id| Some(id) == last.as_ref())
        .unwrap_or(usize::MAX)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn tasks_moved_by_many_at_the_same_time_keep_one_order_and_the_last_stands_where_it_was_put(
        moves in prop::collection::vec(prop::collection::vec((0_usize..6, 0_usize..6, any::<bool>()), 1..6), 1..6)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(moves_at_once_keep_the_order(moves));
    }
}
