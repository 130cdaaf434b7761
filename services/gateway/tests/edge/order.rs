//! The order of the stream's events, which clients resume by, when several replicas write at once.

use std::sync::Arc;

use database::Db;
use gateway::{
    Gateway,
    domain::audience::Audience,
    store::stream_event::{self, StreamEvent},
};
use sea_orm::DbErr;
use testkit::TestService;
use tokio::{sync::Notify, task::JoinSet};

async fn append(tx: &database::Tx, word: &str) -> Result<(), DbErr> {
    stream_event::append(tx, "task.updated", Audience::replicas(), word.to_owned()).await
}

/// What a replica sees that has seen everything up to `seen`.
async fn news(db: &Db, seen: i64) -> Vec<StreamEvent> {
    stream_event::after(db.read(), seen, 500).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_not_seen_before_one_that_began_earlier() {
    let app = TestService::<Gateway>::start().await;
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut writers = JoinSet::new();
    let (db, tell, wait) = (app.db.clone(), Arc::clone(&begun), Arc::clone(&go_on));
    writers.spawn(async move {
        db.write(async |tx| {
            append(tx, "first").await?;
            tell.notify_one();
            wait.notified().await;
            Ok::<_, DbErr>(())
        })
        .await
    });
    begun.notified().await;
    let db = app.db.clone();
    writers.spawn(async move { db.write(async |tx| append(tx, "second").await).await });
    // Time enough for the second to overtake the first, if anything let it.
    for _ in 0..100 {
        assert_eq!(news(&app.db, 0).await, []);
    }
    go_on.notify_one();
    while let Some(written) = writers.join_next().await {
        written.unwrap().unwrap();
    }
    let words: Vec<String> = news(&app.db, 0).await.into_iter().map(|event| event.payload).collect();
    assert_eq!(words, ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_the_events_of_many_writers_misses_none() {
    let app = TestService::<Gateway>::start().await;
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let db = app.db.clone();
        writers.spawn(async move {
            for turn in 0..20 {
                let written = db.write(async |tx| {
                    for part in 0..3 {
                        append(tx, &format!("{writer}-{turn}-{part}")).await?;
                    }
                    // Its numbers are never used.
                    if turn % 5 == 0 {
                        return Err(DbErr::Custom("rolled back".to_owned()));
                    }
                    Ok(())
                });
                assert_eq!(written.await.is_err(), turn % 5 == 0);
            }
        });
    }
    let mut followed = Vec::new();
    loop {
        // Asked before the look, so that the last look sees everything.
        let over = writers.is_empty();
        let seen = followed.last().map_or(0, |event: &StreamEvent| event.seq);
        followed.extend(news(&app.db, seen).await);
        if over {
            break;
        }
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
    }
    assert_eq!(followed.len(), 8 * 16 * 3);
    assert_eq!(followed, news(&app.db, 0).await);
}
