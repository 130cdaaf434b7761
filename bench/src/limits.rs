//! What the machine could do at most: an answer with nothing behind it, a commit with nothing around it.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use database::{Db, Options};
use poem::{Route, Server, get, handler, listener::TcpListener};
use sea_orm::{ConnectionTrait, DbErr};

use crate::{client::Client, hub::free_address};

#[handler]
fn hello() -> &'static str {
    "{\"hello\":\"world\"}"
}

pub(crate) async fn serve_bare(port: u16) -> anyhow::Result<()> {
    Server::new(TcpListener::bind(("127.0.0.1", port)))
        .run(Route::new().at("/", get(hello)))
        .await?;
    Ok(())
}

/// Answers a second of Poem alone, in a process of its own as the hub is.
pub(crate) async fn bare_http(clients: usize, length: Duration) -> anyhow::Result<f64> {
    let address = free_address()?;
    let mut server = tokio::process::Command::new(std::env::current_exe()?)
        .args(["bare", "--port", &address.port().to_string()])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    while Client::connect(address).await.is_err() {
        anyhow::ensure!(server.try_wait()?.is_none(), "the bare server ended");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answered = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let answered = Arc::clone(&answered);
        let mut client = Client::connect(address).await?;
        running.spawn(async move {
            while begun.elapsed() < length {
                client.call("GET", "/", "", None).await?;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    server.kill().await?;
    Ok(answered.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64())
}

/// Durable one-row commits a second: by one writer, and by `clients` writers that share commits.
pub(crate) async fn sqlite_commits(length: Duration, clients: usize) -> anyhow::Result<(f64, f64)> {
    let folder = tempfile::tempdir()?;
    let db = Db::open(&Options::file(&folder.path().join("bare.db"))).await?;
    db.write(async |tx| {
        tx.execute_unprepared("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
            .await
            .map(|_| ())
    })
    .await?;
    let alone = commits(&db, 1, length).await?;
    let together = commits(&db, clients, length).await?;
    db.close().await?;
    Ok((alone, together))
}

async fn commits(db: &Db, writers: usize, length: Duration) -> anyhow::Result<f64> {
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let (db, done) = (db.clone(), Arc::clone(&done));
        running.spawn(async move {
            while begun.elapsed() < length {
                db.write::<_, DbErr, _>(async |tx| tx.execute_unprepared("INSERT INTO t (v) VALUES ('x')").await)
                    .await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, DbErr>(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64())
}
