//! How fast events are folded as they come, and replayed by a rebuild.
//!
//! `cargo bench -p analytics -- 200000` on an SQLite file with durable commits; on the server of `DATABASE_URL` when that is
//! set, in its current schema, which must be empty.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::time::{Duration, Instant};

use analytics::{
    Analytics,
    domain::{event::Logged, news::News},
    rebuild::{Order, rebuild},
    store::{self, projection::Tables},
};
use chassis::Clock;
use contracts::{
    Event, EventId, Timestamp,
    id::{CommentId, ProjectId, TaskId, UserId},
    project::{CommentCreated, TaskCreated, TaskSnapshot, TaskUpdated},
};
use database::{Db, Options};
use sea_orm::DbErr;

/// Events of one batch as the consumer makes it.
const BATCH: usize = 200;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let events = std::env::args().find_map(|argument| argument.parse().ok());
    runtime.block_on(measure(events.unwrap_or(200_000)));
}

async fn measure(events: usize) {
    let folder = tempfile::tempdir().unwrap();
    let options = match std::env::var("DATABASE_URL") {
        Ok(url) => Options::new(url),
        Err(_) => Options::file(&folder.path().join("analytics.db")),
    };
    let db = Db::open(&options).await.unwrap();
    database::migrate(&db, &chassis::migrations::<Analytics>())
        .await
        .unwrap();
    let log = log(events);

    let begun = Instant::now();
    for batch in log.chunks(BATCH) {
        let done: Result<(), DbErr> = db
            .write(async |tx| {
                store::lock(tx).await?;
                store::event::insert(tx, batch).await?;
                let mut news = News::default();
                batch.iter().try_for_each(|event| news.add(event)).unwrap();
                store::fold::apply(tx, Tables::LIVE, news).await.map(drop)
            })
            .await;
        done.unwrap();
    }
    tell("written down and folded as they come", log.len(), begun.elapsed());

    let report = rebuild(&db, &Clock::system(), Order::default(), |_, _| {})
        .await
        .unwrap();
    assert!(report.parity.iter().all(store::rebuild::Parity::holds), "{report:?}");
    let seconds = Duration::from_secs_f64(report.seconds);
    tell("rebuilt, compared, swapped", log.len(), seconds);
    db.close().await.unwrap();
}

fn tell(what: &str, events: usize, took: Duration) {
    let rate = events as f64 / took.as_secs_f64();
    println!(
        "{what:<40} {events:>8} events {:>7.2} s {rate:>9.0} 1/s",
        took.as_secs_f64()
    );
}

/// Of five events one makes a task, three change one, one is a comment; 200 projects, 500 people, 90 days.
fn log(count: usize) -> Vec<Logged> {
    let projects: Vec<ProjectId> = (0..200).map(|_| ProjectId::new()).collect();
    let people: Vec<UserId> = (0..500).map(|_| UserId::new()).collect();
    let begin = Timestamp::now() - Duration::from_secs(90 * 24 * 3600);
    let pause = Duration::from_secs(90 * 24 * 3600) / u32::try_from(count).unwrap();
    let mut open: Vec<TaskSnapshot> = Vec::new();
    (0..count)
        .map(|index| {
            let time = begin + pause * u32::try_from(index).unwrap();
            let actor_id = people[index * 7 % people.len()];
            let project_id = projects[index * 11 % projects.len()];
            match index % 5 {
                0 => {
                    let task = TaskSnapshot {
                        task_id: TaskId::new(),
                        project_id,
                        title: format!("Fix valve {index} of the second stage"),
                        status: "todo".to_owned(),
                        priority: "high".to_owned(),
                        due_at: Some(time + Duration::from_secs(5 * 24 * 3600)),
                        assignee_ids: vec![people[index * 13 % people.len()]],
                        labels: vec!["pressure".to_owned(), "stage two".to_owned()],
                        created_by: actor_id,
                        created_at: time,
                        completed_at: None,
                        version: 1,
                    };
                    open.push(task.clone());
                    let task_id = task.task_id;
                    logged(
                        &TaskCreated {
                            task_id,
                            task,
                            actor_id,
                        },
                        time,
                    )
                }
                4 => {
                    let comment = CommentCreated {
                        comment_id: CommentId::new(),
                        task_id: TaskId::new(),
                        project_id,
                        task_title: "Fix the valve".to_owned(),
                        author_id: actor_id,
                        excerpt: "the pressure is too high, and the log says why".to_owned(),
                        mentioned_ids: vec![],
                        participant_ids: vec![people[0]],
                        version: 1,
                    };
                    logged(&comment, time)
                }
                _ => {
                    // Work begins some time after a task was made, so that its events lie apart in the log.
                    let place = open.len().saturating_sub(200 + index % 50);
                    let task = &mut open[place];
                    let previous = task.status.clone();
                    task.status = match previous.as_str() {
                        "todo" => "in_progress",
                        "in_progress" => "in_review",
                        "in_review" => "done",
                        _ => "in_progress",
                    }
                    .to_owned();
                    task.version += 1;
                    task.completed_at = (task.status == "done").then_some(time);
                    let update = TaskUpdated {
                        task_id: task.task_id,
                        task: task.clone(),
                        changed: vec!["status".to_owned()],
                        previous_status: Some(previous),
                        actor_id,
                    };
                    logged(&update, time)
                }
            }
        })
        .collect()
}

fn logged<E: Event>(event: &E, time: Timestamp) -> Logged {
    Logged {
        id: EventId::new(),
        event_type: E::TYPE.to_owned(),
        source: format!("/services/{}", E::TOPIC.publisher()),
        subject: event.key(),
        time,
        received_at: time + Duration::from_millis(40),
        trace_id: Some(format!("{:032x}", time.as_micros())),
        causation_id: None,
        data: serde_json::to_string(event).unwrap(),
    }
}
