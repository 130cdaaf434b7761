//! Writes that share a commit do not share their fate.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
};

use database::{Db, Tx, testing::TestDatabase};
use futures_util::FutureExt;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

async fn table() -> TestDatabase {
    let database = TestDatabase::create().await;
    database
        .db()
        .write(async |tx| {
            tx.execute_unprepared("CREATE TABLE words (word TEXT PRIMARY KEY)")
                .await?;
            let number = match tx.get_database_backend() {
                DbBackend::Postgres => "BIGINT GENERATED ALWAYS AS IDENTITY",
                _ => "INTEGER",
            };
            tx.execute_unprepared(&format!("CREATE TABLE notes (number {number} PRIMARY KEY, word TEXT)"))
                .await
                .map(drop)
        })
        .await
        .unwrap();
    database
}

async fn say(tx: &Tx, word: &str) -> Result<(), DbErr> {
    let insert = "INSERT INTO words (word) VALUES ($1)";
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        insert,
        [word.into()],
    ))
    .await
    .map(drop)
}

/// Says the word in the rows that come before the commit.
fn note(tx: &Tx, word: &str) {
    tx.insert_later("INSERT INTO notes (word)", [word.into()]);
}

async fn notes(db: &Db) -> Vec<String> {
    let query = Statement::from_string(db.backend(), "SELECT word FROM notes ORDER BY number");
    let rows = db.read().query_all_raw(query).await.unwrap();
    rows.iter().map(|row| row.try_get("", "word").unwrap()).collect()
}

async fn words(db: &Db) -> Vec<String> {
    let query = Statement::from_string(db.backend(), "SELECT word FROM words ORDER BY word");
    let rows = db.read().query_all_raw(query).await.unwrap();
    rows.iter().map(|row| row.try_get("", "word").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_writers_were_told_is_there_after_opening_the_database_again() {
    let database = table().await;
    let writers: Vec<_> = (0..100)
        .map(|n| {
            let db = database.db();
            tokio::spawn(async move { db.write(async |tx| say(tx, &format!("{n:03}")).await).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let again = database.replica().await.unwrap();
    assert_eq!(words(&again).await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writes_share_a_commit() {
    let database = TestDatabase::sqlite().await;
    let mut registry = prometheus_client::registry::Registry::default();
    database.db().register_metrics(&mut registry);
    let db = database.db();
    db.write(async |tx| {
        tx.execute_unprepared("CREATE TABLE words (word TEXT PRIMARY KEY)")
            .await
            .map(drop)
    })
    .await
    .unwrap();
    let all = (0..50).map(|n| db.write(async move |tx| say(tx, &n.to_string()).await));
    futures_util::future::try_join_all(all).await.unwrap();
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
    let count = |name: &str| -> u64 {
        metrics
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    };
    assert_eq!(count("database_write_seconds_count"), 51);
    assert!(count("database_group_writes_count") < 20, "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_is_rolled_back_alone() {
    let database = table().await;
    let db = database.db();
    let good = (0..20).map(|n| db.write(async move |tx| say(tx, &n.to_string()).await));
    let bad = (0..20).map(|n| {
        db.write(async move |tx| {
            say(tx, &format!("bad {n}")).await?;
            Err::<(), _>(DbErr::Custom("the rule says no".to_owned()))
        })
    });
    let (good, bad) = tokio::join!(
        futures_util::future::join_all(good),
        futures_util::future::join_all(bad)
    );
    assert!(good.iter().all(Result::is_ok));
    assert!(
        bad.iter()
            .all(|answer| answer.as_ref().unwrap_err().to_string().contains("the rule says no"))
    );
    let words = words(&db).await;
    assert_eq!(words.len(), 20);
    assert!(words.iter().all(|word| !word.starts_with("bad")));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_wait_for_the_commit_come_in_order_with_their_own_write_alone() {
    let database = table().await;
    let db = database.db();
    let good = (0..20).map(|n| {
        db.write(async move |tx| {
            (0..10).for_each(|step| note(tx, &format!("{n} {step}")));
            Ok::<_, DbErr>(())
        })
    });
    let bad = (0..20).map(|n| {
        db.write(async move |tx| {
            note(tx, &format!("bad {n}"));
            Err::<(), _>(DbErr::Custom("the rule says no".to_owned()))
        })
    });
    let (good, bad) = tokio::join!(
        futures_util::future::join_all(good),
        futures_util::future::join_all(bad)
    );
    assert!(good.iter().all(Result::is_ok));
    assert!(bad.iter().all(Result::is_err));
    let notes = notes(&db).await;
    assert_eq!(notes.len(), 200);
    for n in 0..20 {
        let begin = format!("{n} ");
        let steps: Vec<&str> = notes.iter().filter_map(|note| note.strip_prefix(&begin)).collect();
        assert_eq!(steps, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_inserted_before_the_commit_fails_the_write() {
    let database = table().await;
    let db = database.db();
    let failed = db.write(async |tx| {
        say(tx, "half").await?;
        tx.insert_later("INSERT INTO nowhere (word)", ["lost".into()]);
        Ok::<_, DbErr>(())
    });
    failed.await.unwrap_err();
    assert!(words(&db).await.is_empty());
    db.write(async |tx| say(tx, "next").await).await.unwrap();
    assert_eq!(words(&db).await, ["next"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_fails_its_own_write() {
    let database = table().await;
    let db = database.db();
    db.write(async |tx| say(tx, "taken").await).await.unwrap();
    let other = db.write(async |tx| say(tx, "free").await);
    let twice = db.write(async |tx| {
        say(tx, "half").await?;
        say(tx, "taken").await
    });
    let (other, twice) = tokio::join!(other, twice);
    other.unwrap();
    assert!(database::is_unique_violation(&twice.unwrap_err()));
    assert_eq!(words(&db).await, ["free", "taken"]);
}

/// Polls `work` so many times and drops it.
async fn poll_and_drop<T>(work: impl Future<Output = T>, polls: u32) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_dropped_at_any_moment_is_whole_or_gone_and_blocks_nobody() {
    let database = table().await;
    let db = database.db();
    for polls in 1..40_u32 {
        let dropped = poll_and_drop(
            db.write(async |tx| {
                note(tx, &format!("{polls:02} noted"));
                say(tx, &format!("{polls:02} first")).await?;
                say(tx, &format!("{polls:02} second")).await
            }),
            polls,
        );
        let other = db.write(async |tx| say(tx, &format!("{polls:02} other")).await);
        let (_, other) = tokio::join!(dropped, other);
        other.unwrap();
    }
    // A commit that was on its way when its writer was dropped may land a little later: this one comes after it.
    db.write(async |tx| say(tx, "last").await).await.unwrap();
    let notes = notes(&db).await;
    let words = words(&db).await;
    for polls in 1..40 {
        let found = |what: &str| words.contains(&format!("{polls:02} {what}"));
        assert_eq!(found("first"), found("second"), "dropped after {polls} polls");
        let noted = notes.contains(&format!("{polls:02} noted"));
        assert_eq!(found("first"), noted, "dropped after {polls} polls");
        assert!(found("other"), "the one beside it, dropped after {polls} polls");
    }
}

// On one thread: writes that ask at once are queued before the committer can come between them.
#[tokio::test]
async fn a_write_dropped_between_others_takes_none_of_them_along() {
    let database = table().await;
    let db = database.db();
    for polls in 1..60_u32 {
        let before = db.write(async |tx| say(tx, &format!("{polls:02} before")).await);
        let dropped = poll_and_drop(
            db.write(async |tx| {
                note(tx, &format!("{polls:02} noted"));
                say(tx, &format!("{polls:02} first")).await?;
                say(tx, &format!("{polls:02} second")).await
            }),
            polls,
        );
        let after = db.write(async |tx| say(tx, &format!("{polls:02} after")).await);
        let (before, _, after) = tokio::join!(before, dropped, after);
        before.unwrap();
        after.unwrap();
    }
    db.write(async |tx| say(tx, "last").await).await.unwrap();
    let notes = notes(&db).await;
    let words = words(&database.replica().await.unwrap()).await;
    for polls in 1..60 {
        let found = |what: &str| words.contains(&format!("{polls:02} {what}"));
        assert!(found("before"), "the one before it, dropped after {polls} polls");
        assert!(found("after"), "the one after it, dropped after {polls} polls");
        assert_eq!(found("first"), found("second"), "dropped after {polls} polls");
        let noted = notes.contains(&format!("{polls:02} noted"));
        assert_eq!(found("first"), noted, "dropped after {polls} polls");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn among_many_writers_that_are_aborted_whoever_was_told_ok_is_there() {
    let database = table().await;
    let writers: Vec<_> = (0..300_u32)
        .map(|n| {
            let db = database.db();
            let write = async move {
                db.write(async |tx| {
                    say(tx, &format!("{n:03} first")).await?;
                    say(tx, &format!("{n:03} second")).await
                })
                .await
            };
            // Each third is dropped, at another moment each time.
            tokio::spawn(async move {
                if n % 3 == 0 {
                    poll_and_drop(write, 1 + n / 3 % 30).await
                } else {
                    Some(write.await)
                }
            })
        })
        .collect();
    let mut told = Vec::new();
    for (n, writer) in writers.into_iter().enumerate() {
        match writer.await.unwrap() {
            Some(Ok(())) => told.push(n),
            Some(Err(error)) => panic!("{n} was not dropped, and failed: {error}"),
            None => assert_eq!(n % 3, 0),
        }
    }
    assert!(told.len() >= 200);
    database.db().write(async |tx| say(tx, "last").await).await.unwrap();
    let words = words(&database.replica().await.unwrap()).await;
    for n in 0..300 {
        let found = |what: &str| words.contains(&format!("{n:03} {what}"));
        assert_eq!(found("first"), found("second"), "{n}");
        assert!(found("first") || !told.contains(&n), "{n} was told Ok and is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_panics_is_rolled_back_and_the_next_one_works() {
    let database = table().await;
    let db = database.db();
    let panicking = AssertUnwindSafe(db.write(async |tx| {
        say(tx, "half").await?;
        if std::hint::black_box(true) {
            panic!("a bug");
        }
        Ok::<_, DbErr>(())
    }));
    let beside = db.write(async |tx| say(tx, "beside").await);
    let (panicked, beside) = tokio::join!(panicking.catch_unwind(), beside);
    assert!(panicked.is_err());
    beside.unwrap();
    db.write(async |tx| say(tx, "next").await).await.unwrap();
    assert_eq!(words(&db).await, ["beside", "next"]);
}

// On one thread: writes that ask at once are queued before the committer can come between them.
#[tokio::test]
async fn a_commit_that_fails_fails_every_write_of_its_group() {
    let database = TestDatabase::sqlite().await;
    let db = database.db();
    db.write(async |tx| {
        tx.execute_unprepared(
            "CREATE TABLE words (word TEXT PRIMARY KEY);
             CREATE TABLE refers (word TEXT REFERENCES words (word) DEFERRABLE INITIALLY DEFERRED)",
        )
        .await
        .map(drop)
    })
    .await
    .unwrap();
    // A deferred constraint is checked at the commit, which belongs to all.
    let told = AtomicU32::new(0);
    let bad = async {
        let bad = db
            .write(async |tx| {
                tx.execute_unprepared("INSERT INTO refers VALUES ('nothing')")
                    .await
                    .map(drop)
            })
            .await;
        told.fetch_add(u32::from(bad.is_err()), Ordering::SeqCst);
    };
    let good = async {
        let good = db.write(async |tx| say(tx, "hello").await).await;
        told.fetch_add(u32::from(good.is_err()), Ordering::SeqCst);
    };
    tokio::join!(bad, good);
    assert_eq!(told.load(Ordering::SeqCst), 2);
    assert!(words(&db).await.is_empty(), "nobody was told Ok, nothing is there");
    db.write(async |tx| say(tx, "next").await).await.unwrap();
    assert_eq!(words(&db).await, ["next"], "the next group is not affected");
}

// On one thread: writes that ask at once are queued before the committer can come between them.
#[tokio::test]
async fn a_transaction_that_sqlite_ended_by_itself_fails_its_group_and_the_next_begins_anew() {
    let database = TestDatabase::sqlite().await;
    let db = database.db();
    db.write(async |tx| {
        tx.execute_unprepared("CREATE TABLE words (word TEXT PRIMARY KEY)")
            .await
            .map(drop)
    })
    .await
    .unwrap();
    let before = db.write(async |tx| say(tx, "before").await);
    // What a full disk does: the whole transaction is gone, not only this write's savepoint.
    let ended = db.write(async |tx| {
        say(tx, "half").await?;
        tx.execute_unprepared("INSERT OR ROLLBACK INTO words SELECT 'half'")
            .await
            .map(drop)
    });
    let after = db.write(async |tx| say(tx, "after").await);
    let (before, ended, after) = tokio::join!(before, ended, after);
    assert!(before.is_err(), "it shared the transaction that is gone");
    assert!(ended.is_err());
    after.unwrap();
    assert_eq!(words(&db).await, ["after"]);
    let error = before.unwrap_err();
    assert!(database::is_transient(&error), "it may be tried again: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_is_announced_and_no_rollback() {
    let database = table().await;
    let db = database.db();
    let mut commits = db.commits();
    commits.mark_unchanged();
    db.write(async |_| Err::<(), _>(DbErr::Custom("no".to_owned())))
        .await
        .unwrap_err();
    assert!(!commits.has_changed().unwrap());
    db.write(async |tx| say(tx, "hello").await).await.unwrap();
    assert!(commits.has_changed().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_database_refuses_further_writes_instead_of_hanging() {
    let database = table().await;
    let db = Arc::new(database.replica().await.unwrap());
    db.write(async |tx| say(tx, "hello").await).await.unwrap();
    db.close().await.unwrap();
    assert!(db.write(async |tx| say(tx, "late").await).await.is_err());
    assert_eq!(words(&database.db()).await, ["hello"]);
}
