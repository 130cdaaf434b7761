//! The tables of the projections, which exist once or, during a rebuild, twice: the live ones and their shadows.
//!
//! One definition serves both, so a rebuilt table is what a migration makes. A migration that changes a projection has to
//! change the definition with it.

use sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// Which set of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tables {
    prefix: &'static str,
}

impl Tables {
    /// Those that answers are made from.
    pub const LIVE: Self = Self { prefix: "" };
    /// Those that a rebuild fills.
    pub const SHADOW: Self = Self { prefix: "shadow_" };

    /// The table's name in this set.
    pub fn name(self, table: &str) -> String {
        format!("{}{table}", self.prefix)
    }

    /// `sql` with `{p}` in front of every table's name replaced.
    pub fn sql(self, sql: &str) -> String {
        sql.replace("{p}", self.prefix)
    }
}

/// A projection's table: its name, its key, its other columns, and the column that says when a row begins to matter, if rows
/// can be told apart by time.
#[derive(Debug, Clone, Copy)]
pub struct Projection {
    /// Name of the live table.
    pub name: &'static str,
    /// Columns of the key.
    pub key: &'static [&'static str],
    /// The others.
    pub values: &'static [&'static str],
    /// The column by which a row belongs to one quarter of an hour, or to one moment.
    pub time: Option<&'static str>,
}

impl Projection {
    /// All columns.
    pub fn columns(&self) -> Vec<&'static str> {
        [self.key, self.values].concat()
    }
}

/// Every projection.
pub const PROJECTIONS: [Projection; 8] = [
    Projection {
        name: "tasks",
        key: &["task_id"],
        values: &[
            "project_id",
            "created_by",
            "created_at",
            "history",
            "status",
            "changed_at",
            "due_at",
            "was_done",
        ],
        time: None,
    },
    Projection {
        name: "projects",
        key: &["project_id"],
        values: &["name", "name_version", "deleted_at", "finished"],
        time: None,
    },
    Projection {
        name: "members",
        key: &["project_id", "user_id"],
        values: &["active", "version"],
        time: None,
    },
    Projection {
        name: "users",
        key: &["user_id"],
        values: &["registered_at", "disabled", "status_version", "deleted_at"],
        time: None,
    },
    Projection {
        name: "activity",
        key: &["user_id", "slot", "kind"],
        values: &["count"],
        time: Some("slot"),
    },
    Projection {
        name: "volume",
        key: &["slot", "type"],
        values: &["count"],
        time: Some("slot"),
    },
    Projection {
        name: "delays",
        key: &["slot", "bound_ms"],
        values: &["count"],
        time: Some("slot"),
    },
    Projection {
        name: "subscriptions",
        key: &["subscription_id", "version"],
        values: &["at", "mrr_minor", "currency"],
        time: Some("at"),
    },
];

const SCHEMA: &str = "
CREATE TABLE {p}tasks (
    task_id TEXT PRIMARY KEY, project_id TEXT NOT NULL, created_by TEXT, created_at BIGINT, history TEXT NOT NULL,
    status TEXT NOT NULL, changed_at BIGINT NOT NULL, due_at BIGINT, was_done BOOLEAN NOT NULL){clustered};
CREATE TABLE {p}projects (
    project_id TEXT PRIMARY KEY, name TEXT NOT NULL, name_version BIGINT NOT NULL, deleted_at BIGINT, finished BIGINT NOT NULL){clustered};
CREATE TABLE {p}members (
    project_id TEXT NOT NULL, user_id TEXT NOT NULL, active BOOLEAN NOT NULL, version BIGINT NOT NULL,
    PRIMARY KEY (project_id, user_id)){clustered};
CREATE TABLE {p}users (
    user_id TEXT PRIMARY KEY, registered_at BIGINT, disabled BOOLEAN NOT NULL, status_version BIGINT NOT NULL, deleted_at BIGINT){clustered};
CREATE TABLE {p}activity (
    user_id TEXT NOT NULL, slot BIGINT NOT NULL, kind TEXT NOT NULL, count BIGINT NOT NULL,
    PRIMARY KEY (user_id, slot, kind)){clustered};
CREATE TABLE {p}volume (
    slot BIGINT NOT NULL, type TEXT NOT NULL, count BIGINT NOT NULL, PRIMARY KEY (slot, type)){clustered};
CREATE TABLE {p}delays (
    slot BIGINT NOT NULL, bound_ms BIGINT NOT NULL, count BIGINT NOT NULL, PRIMARY KEY (slot, bound_ms)){clustered};
CREATE TABLE {p}subscriptions (
    subscription_id TEXT NOT NULL, version BIGINT NOT NULL, at BIGINT NOT NULL, mrr_minor BIGINT NOT NULL, currency TEXT NOT NULL,
    PRIMARY KEY (subscription_id, version)){clustered};
";

/// Names of indexes stay with their table through a swap, so each generation of tables has names of its own.
const INDEXES: &str = "
CREATE INDEX tasks_by_project_{g} ON {p}tasks (project_id, changed_at);
CREATE INDEX tasks_due_{g} ON {p}tasks (due_at) WHERE status IN ('todo', 'in_progress', 'in_review') AND due_at IS NOT NULL;
CREATE INDEX tasks_by_change_{g} ON {p}tasks (changed_at);
CREATE INDEX members_by_user_{g} ON {p}members (user_id);
CREATE INDEX users_by_registration_{g} ON {p}users (registered_at);
CREATE INDEX activity_by_slot_{g} ON {p}activity (slot, user_id);
";

/// Creates the tables of a set, without what speeds up reading them.
///
/// # Errors
/// The database's.
pub async fn create(db: &impl ConnectionTrait, tables: Tables) -> Result<(), DbErr> {
    let clustered = match db.get_database_backend() {
        DbBackend::Postgres => "",
        _ => " WITHOUT ROWID",
    };
    let sql = tables.sql(SCHEMA).replace("{clustered}", clustered);
    db.execute_unprepared(&sql).await.map(drop)
}

/// Creates their indexes, named after `generation`.
///
/// # Errors
/// The database's.
pub async fn index(db: &impl ConnectionTrait, tables: Tables, generation: &str) -> Result<(), DbErr> {
    let sql = tables.sql(INDEXES).replace("{g}", generation);
    db.execute_unprepared(&sql).await.map(drop)
}

/// Removes the tables of a set, those that are there.
///
/// # Errors
/// The database's.
pub async fn remove(db: &impl ConnectionTrait, tables: Tables) -> Result<(), DbErr> {
    for projection in PROJECTIONS {
        db.execute_unprepared(&format!("DROP TABLE IF EXISTS {}", tables.name(projection.name)))
            .await?;
    }
    Ok(())
}
