//! Tasks, their labels, assignees and comments, and the full-text search over them.
//!
//! A task's row holds its label names and assignees once more as JSON lists (the join tables are for filters), and the
//! whole task as clients get it in `json`: a page of tasks is one query that decodes nothing. A migration that adds a
//! field to that answer rewrites `json`. SQLite's FTS5 tables hold no copy of the texts (`content=`) and follow them by triggers;
//! PostgreSQL derives a `tsvector`. Merging rarely (`automerge`) makes an insert cheaper and a search hardly dearer.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

pub(super) struct CreateTasks;

impl sea_orm_migration::MigrationName for CreateTasks {
    fn name(&self) -> &str {
        "m2001_tasks"
    }
}

/// `{seq}`: numbers rows in the order they were made. `{c}`: compares texts byte by byte, as SQLite always does.
const TABLES: &str = "
    CREATE TABLE tasks (
        {seq}, id TEXT NOT NULL UNIQUE, project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        title TEXT NOT NULL, description TEXT NOT NULL, status TEXT NOT NULL, priority INTEGER NOT NULL, due_at BIGINT,
        position TEXT {c} NOT NULL, assignee_ids TEXT NOT NULL, labels TEXT NOT NULL,
        created_by TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, completed_at BIGINT,
        due_soon_for BIGINT, version BIGINT NOT NULL, json TEXT NOT NULL{tasks_text});
    CREATE UNIQUE INDEX tasks_by_position ON tasks (project_id, position);
    CREATE INDEX tasks_by_change ON tasks (project_id, updated_at);
    CREATE INDEX tasks_unannounced_by_due ON tasks (due_at)
        WHERE due_at IS NOT NULL AND status NOT IN ('done', 'cancelled') AND due_soon_for IS DISTINCT FROM due_at;

    CREATE TABLE task_assignees (
        task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE, user_id TEXT NOT NULL,
        PRIMARY KEY (task_id, user_id));
    CREATE INDEX task_assignees_by_user ON task_assignees (user_id, task_id);

    CREATE TABLE labels (
        id TEXT PRIMARY KEY, project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        name TEXT NOT NULL, name_key TEXT {c} NOT NULL, colour TEXT NOT NULL,
        created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, version BIGINT NOT NULL,
        UNIQUE (project_id, name_key));

    CREATE TABLE task_labels (
        task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
        label_id TEXT NOT NULL REFERENCES labels (id) ON DELETE CASCADE,
        PRIMARY KEY (task_id, label_id));
    CREATE INDEX task_labels_by_label ON task_labels (label_id, task_id);

    CREATE TABLE comments (
        {seq}, id TEXT NOT NULL UNIQUE, task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
        project_id TEXT NOT NULL, author_id TEXT NOT NULL, body TEXT NOT NULL, mentioned_ids TEXT NOT NULL,
        created_at BIGINT NOT NULL, edited_at BIGINT, version BIGINT NOT NULL{comments_text});
    CREATE INDEX comments_by_task ON comments (task_id, seq);
";

const SQLITE_SEARCH: &str = "
    CREATE VIRTUAL TABLE task_search USING fts5 (
        title, description, content='tasks', content_rowid='seq', columnsize=0, tokenize='unicode61 remove_diacritics 2');
    INSERT INTO task_search (task_search, rank) VALUES ('automerge', 16);
    CREATE TRIGGER tasks_searchable AFTER INSERT ON tasks BEGIN
        INSERT INTO task_search (rowid, title, description) VALUES (new.seq, new.title, new.description);
    END;
    CREATE TRIGGER tasks_unsearchable AFTER DELETE ON tasks BEGIN
        INSERT INTO task_search (task_search, rowid, title, description) VALUES ('delete', old.seq, old.title, old.description);
    END;
    CREATE TRIGGER tasks_searchable_anew AFTER UPDATE OF title, description ON tasks
    WHEN old.title <> new.title OR old.description <> new.description BEGIN
        INSERT INTO task_search (task_search, rowid, title, description) VALUES ('delete', old.seq, old.title, old.description);
        INSERT INTO task_search (rowid, title, description) VALUES (new.seq, new.title, new.description);
    END;

    CREATE VIRTUAL TABLE comment_search USING fts5 (
        body, content='comments', content_rowid='seq', columnsize=0, tokenize='unicode61 remove_diacritics 2');
    INSERT INTO comment_search (comment_search, rank) VALUES ('automerge', 16);
    CREATE TRIGGER comments_searchable AFTER INSERT ON comments BEGIN
        INSERT INTO comment_search (rowid, body) VALUES (new.seq, new.body);
    END;
    CREATE TRIGGER comments_unsearchable AFTER DELETE ON comments BEGIN
        INSERT INTO comment_search (comment_search, rowid, body) VALUES ('delete', old.seq, old.body);
    END;
    CREATE TRIGGER comments_searchable_anew AFTER UPDATE OF body ON comments WHEN old.body <> new.body BEGIN
        INSERT INTO comment_search (comment_search, rowid, body) VALUES ('delete', old.seq, old.body);
        INSERT INTO comment_search (rowid, body) VALUES (new.seq, new.body);
    END;
";

const POSTGRES_SEARCH: &str = "
    CREATE INDEX tasks_by_text ON tasks USING gin (search);
    CREATE INDEX comments_by_text ON comments USING gin (search);
";

/// PostgreSQL's parser takes `pump-7/b` for a number and a path: without punctuation it finds words, as FTS5 does.
fn tsvector(text: &str) -> String {
    let words = format!("translate({text}, $p$!\"#$%&'()*+,-./:;<=>?@[\\]^_`{{|}}~$p$, repeat(' ', 32))");
    format!(", search tsvector GENERATED ALWAYS AS (to_tsvector('simple', {words})) STORED")
}

#[async_trait::async_trait]
impl MigrationTrait for CreateTasks {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let (seq, compare, tasks_text, comments_text, search) = match manager.get_database_backend() {
            DbBackend::Postgres => (
                "seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
                "COLLATE \"C\"",
                tsvector("title || ' ' || description"),
                tsvector("body"),
                POSTGRES_SEARCH,
            ),
            _ => (
                "seq INTEGER PRIMARY KEY",
                "",
                String::new(),
                String::new(),
                SQLITE_SEARCH,
            ),
        };
        let tables = TABLES
            .replace("{seq}", seq)
            .replace("{c}", compare)
            .replace("{tasks_text}", &tasks_text)
            .replace("{comments_text}", &comments_text);
        connection.execute_unprepared(&tables).await?;
        connection.execute_unprepared(search).await?;
        Ok(())
    }
}
