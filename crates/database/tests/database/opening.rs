//! What cannot be opened is told in one clear line.

use std::time::Duration;

use database::{Db, Leases, Options, testing::TestDatabase};
use sea_orm::ConnectionTrait;

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.db");
    Db::open(&Options::file(&file)).await.unwrap().ping().await.unwrap();
    assert!(file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_file_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("auth.db");
    std::fs::write(&file, "this is no database ".repeat(200)).unwrap();
    let error = Db::open(&Options::file(&file)).await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("sqlite://{}: the file is corrupt", file.display())),
        "{error}"
    );
    assert!(
        error.contains("restore it from a backup") && !error.contains('\n'),
        "{error}"
    );
    assert_eq!(
        std::fs::read_to_string(&file).unwrap().len(),
        4000,
        "it is left as it was"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    // Permissions do not stop root, who may run the tests; a file where the folder should be does.
    std::fs::write(folder.path().join("data"), "").unwrap();
    let file = folder.path().join("data/auth.db");
    let error = Db::open(&Options::file(&file)).await.unwrap_err().to_string();
    assert!(error.contains("cannot open or create the file"), "{error}");
    assert!(
        error.contains("may this user write to it?") && !error.contains('\n'),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_waited_for_and_then_named_without_its_password() {
    let options = Options {
        wait: Duration::from_millis(200),
        ..Options::new("postgres://hub:s3cret@127.0.0.1:1/auth")
    };
    let error = Db::open(&options).await.unwrap_err().to_string();
    assert!(
        error.starts_with("postgres://127.0.0.1:1/auth: cannot open the database"),
        "{error}"
    );
    assert!(!error.contains("s3cret"));
}

/// A server that refuses every login, in PostgreSQL's words; answers its port.
async fn refusing(code: &'static str, message: &'static str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
            let mut answer = vec![b'E'];
            answer.extend(u32::try_from(fields.len() + 4).unwrap().to_be_bytes());
            answer.extend(fields.as_bytes());
            // Whatever the client begins with; it may be gone already.
            let mut startup = [0; 1024];
            if matches!(client.read(&mut startup).await, Ok(1..)) {
                let _ = client.write_all(&answer).await;
            }
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_as_such_and_not_shown() {
    let port = refusing("28P01", "password authentication failed for user \"hub\"").await;
    let options = Options {
        wait: Duration::from_millis(200),
        ..Options::new(format!("postgres://hub:s3cret@127.0.0.1:{port}/auth?sslmode=disable"))
    };
    let error = Db::open(&options).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "postgres://127.0.0.1:{port}/auth: the server refuses the login (password authentication failed for user \"hub\"); \
             has it a role of that name, with the password of database.url?"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_made_in_time_is_told_as_such() {
    let port = refusing("3D000", "database \"auth\" does not exist").await;
    let options = Options {
        wait: Duration::from_millis(200),
        ..Options::new(format!("postgres://hub:s3cret@127.0.0.1:{port}/auth?sslmode=disable"))
    };
    let error = Db::open(&options).await.unwrap_err().to_string();
    assert!(
        error.contains("the server has no such database (database \"auth\" does not exist); create it"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: set DATABASE_URL"]
async fn a_login_and_a_database_that_are_made_later_are_waited_for() {
    let url = std::env::var("DATABASE_URL").unwrap();
    let server = Db::open(&Options::new(&url)).await.unwrap();
    let place: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let name = format!("later_{}", uuid::Uuid::now_v7().simple());
    let options = Options::new(format!(
        "postgres://{name}:secret@{}:{}/{name}",
        place.get_host(),
        place.get_port()
    ));
    let opened = tokio::spawn(async move { Db::open(&options).await });
    for made in [
        format!("CREATE ROLE {name} LOGIN PASSWORD 'secret'"),
        format!("CREATE DATABASE {name} OWNER {name}"),
    ] {
        assert!(!opened.is_finished(), "it waits");
        server.read().execute_unprepared(&made).await.unwrap();
    }
    let db = opened.await.unwrap().unwrap();
    db.close().await.unwrap();
    for gone in [format!("DROP DATABASE {name}"), format!("DROP ROLE {name}")] {
        server.read().execute_unprepared(&gone).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_no_database_is_refused() {
    for url in ["", "auth.db", "mysql://localhost/auth"] {
        let error = Db::open(&Options::new(url)).await.unwrap_err().to_string();
        assert!(
            error.contains("expected sqlite:///path/file.db or postgres://"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connections_for_reading_refuse_to_write() {
    let database = TestDatabase::sqlite().await;
    let refused = database
        .db()
        .read()
        .execute_unprepared("CREATE TABLE sneaky (id INTEGER)")
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("readonly"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_held_by_one_replica_and_passes_on_when_it_ends() {
    let database = TestDatabase::create().await;
    let mut first = Leases::new(database.db(), "relay", 4);
    assert_eq!(first.hold().await.unwrap(), [0, 1, 2, 3]);
    assert_eq!(first.hold().await.unwrap(), [0, 1, 2, 3], "again and again");
    if database.db().backend() == sea_orm::DbBackend::Postgres {
        let mut second = Leases::new(database.replica().await.unwrap(), "relay", 4);
        assert!(second.hold().await.unwrap().is_empty());
        let mut other = Leases::new(database.replica().await.unwrap(), "other work", 4);
        assert_eq!(
            other.hold().await.unwrap().len(),
            4,
            "another work has leases of its own"
        );
        drop(first);
        let taken = tokio::time::timeout(Duration::from_secs(30), async {
            while second.hold().await.unwrap().len() < 4 {
                tokio::task::yield_now().await;
            }
        });
        taken.await.expect("the leases pass on");
    }
}
