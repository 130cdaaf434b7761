//! A database for one test: a file in a temporary folder, or a schema of the PostgreSQL server that `DATABASE_URL` names.

use database::{Db, Options};
use sea_orm::ConnectionTrait;

/// Removed when dropped.
pub(crate) enum Place {
    Folder(tempfile::TempDir),
    Schema { server: String, name: String },
}

impl Place {
    pub(crate) async fn make() -> Self {
        let Ok(server) = std::env::var("DATABASE_URL") else {
            return Self::Folder(tempfile::tempdir().expect("a temporary folder"));
        };
        let name = contracts::EventId::new().to_string().replace("evt_", "test_");
        on_server(&server, &format!("CREATE SCHEMA {name}")).await;
        Self::Schema { server, name }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Folder(folder) => format!("sqlite://{}?mode=rwc", folder.path().join("test.db").display()),
            Self::Schema { server, name } => {
                let separator = if server.contains('?') { '&' } else { '?' };
                format!("{server}{separator}options=-csearch_path%3D{name}")
            }
        }
    }
}

async fn on_server(server: &str, statement: &str) {
    let options = Options {
        max_connections: 1,
        ..Options::new(server)
    };
    let db = Db::open(&options).await.expect("the server that DATABASE_URL names");
    let done: Result<(), sea_orm::DbErr> = db
        .write(async |tx| tx.execute_unprepared(statement).await.map(|_| ()))
        .await;
    done.expect(statement);
    db.close().await.expect("the server that DATABASE_URL names");
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Schema { server, name } = self {
            let (server, name) = (server.clone(), name.clone());
            // Dropped inside a runtime, which may not block on another: so on a thread of its own.
            let removing = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime");
                runtime.block_on(on_server(&server, &format!("DROP SCHEMA {name} CASCADE")));
            });
            if removing.join().is_err() && !std::thread::panicking() {
                panic!("the schema of the test could not be removed");
            }
        }
    }
}
