//! What an account's plan allows, and how much of it is used.
//!
//! An account is the maker of its projects. Triggers count, so that no way to a row goes around the counting, also not that
//! of an older release on this schema, and a new task costs no further statement. On PostgreSQL tasks are counted once
//! a statement, not once a row: an import adds thousands at a time.
//!
//! A project's tasks and members are deleted before it, not by the cascade after it: then it still says whose they were.

use database::{MigrationTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

pub(super) struct CreateQuotas;

impl sea_orm_migration::MigrationName for CreateQuotas {
    fn name(&self) -> &str {
        "m4001_quotas"
    }
}

/// `people`: each once, in however many projects (`account_people.projects`) they are. An absent limit is none.
const TABLES: &str = "
    CREATE TABLE account_limits (
        user_id TEXT PRIMARY KEY, plan TEXT NOT NULL, projects BIGINT, members BIGINT, tasks BIGINT, version BIGINT NOT NULL);
    CREATE TABLE account_usage (
        user_id TEXT PRIMARY KEY, projects BIGINT NOT NULL, people BIGINT NOT NULL, tasks BIGINT NOT NULL);
    CREATE TABLE account_people (
        account_id TEXT NOT NULL, user_id TEXT NOT NULL, projects BIGINT NOT NULL, PRIMARY KEY (account_id, user_id));
    CREATE INDEX projects_by_maker ON projects (created_by);
    ALTER TABLE invitations ADD COLUMN held_back TEXT;
";

/// Counts what there is of `{accounts}`.
const COUNT: &str = "
    DELETE FROM account_people WHERE account_id IN ({accounts});
    DELETE FROM account_usage WHERE user_id IN ({accounts});
    INSERT INTO account_usage (user_id, projects, people, tasks)
        SELECT p.created_by, COUNT(*), 0,
               (SELECT COUNT(*) FROM tasks t JOIN projects q ON q.id = t.project_id WHERE q.created_by = p.created_by)
        FROM projects p WHERE p.created_by IN ({accounts}) GROUP BY p.created_by;
    INSERT INTO account_people (account_id, user_id, projects)
        SELECT p.created_by, m.user_id, COUNT(*) FROM members m JOIN projects p ON p.id = m.project_id
        WHERE m.removed_at IS NULL AND p.created_by IN ({accounts}) GROUP BY p.created_by, m.user_id;
";

const SQLITE: &str = "
    CREATE TRIGGER projects_counted AFTER INSERT ON projects BEGIN
        INSERT INTO account_usage (user_id, projects, people, tasks) VALUES (new.created_by, 1, 0, 0)
        ON CONFLICT (user_id) DO UPDATE SET projects = account_usage.projects + 1;
    END;
    CREATE TRIGGER projects_uncounted BEFORE DELETE ON projects BEGIN
        DELETE FROM tasks WHERE project_id = old.id;
        DELETE FROM members WHERE project_id = old.id;
        UPDATE account_usage SET projects = projects - 1 WHERE user_id = old.created_by;
    END;
    CREATE TRIGGER projects_counted_anew AFTER UPDATE OF created_by ON projects WHEN old.created_by <> new.created_by BEGIN
        {moved}
    END;

    CREATE TRIGGER tasks_counted AFTER INSERT ON tasks BEGIN
        UPDATE account_usage SET tasks = tasks + 1
        WHERE user_id = (SELECT created_by FROM projects WHERE id = new.project_id);
    END;
    CREATE TRIGGER tasks_uncounted AFTER DELETE ON tasks BEGIN
        UPDATE account_usage SET tasks = tasks - 1
        WHERE user_id = (SELECT created_by FROM projects WHERE id = old.project_id);
    END;

    CREATE TRIGGER members_counted AFTER INSERT ON members WHEN new.removed_at IS NULL BEGIN
        {join}
    END;
    CREATE TRIGGER members_counted_again AFTER UPDATE OF removed_at ON members
    WHEN old.removed_at IS NOT NULL AND new.removed_at IS NULL BEGIN
        {join}
    END;
    CREATE TRIGGER members_uncounted AFTER UPDATE OF removed_at ON members
    WHEN old.removed_at IS NULL AND new.removed_at IS NOT NULL BEGIN
        {leave}
    END;
    CREATE TRIGGER members_gone AFTER DELETE ON members WHEN old.removed_at IS NULL BEGIN
        {leave}
    END;

    CREATE TRIGGER people_counted AFTER INSERT ON account_people BEGIN
        UPDATE account_usage SET people = people + 1 WHERE user_id = new.account_id;
    END;
    CREATE TRIGGER people_uncounted AFTER DELETE ON account_people BEGIN
        UPDATE account_usage SET people = people - 1 WHERE user_id = old.account_id;
    END;
";

/// `NEW` is in a project.
const JOIN: &str = "
    INSERT INTO account_people (account_id, user_id, projects)
        SELECT created_by, NEW.user_id, 1 FROM projects WHERE id = NEW.project_id
    ON CONFLICT (account_id, user_id) DO UPDATE SET projects = account_people.projects + 1;
";

/// `OLD` is not any more.
const LEAVE: &str = "
    UPDATE account_people SET projects = projects - 1
    WHERE account_id = (SELECT created_by FROM projects WHERE id = OLD.project_id) AND user_id = OLD.user_id;
    DELETE FROM account_people
    WHERE account_id = (SELECT created_by FROM projects WHERE id = OLD.project_id) AND user_id = OLD.user_id AND projects < 1;
";

const POSTGRES: &str = "
    CREATE FUNCTION count_project() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
        INSERT INTO account_usage (user_id, projects, people, tasks) VALUES (NEW.created_by, 1, 0, 0)
        ON CONFLICT (user_id) DO UPDATE SET projects = account_usage.projects + 1;
        RETURN NULL;
    END $body$;
    CREATE FUNCTION uncount_project() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
        DELETE FROM tasks WHERE project_id = OLD.id;
        DELETE FROM members WHERE project_id = OLD.id;
        UPDATE account_usage SET projects = projects - 1 WHERE user_id = OLD.created_by;
        RETURN OLD;
    END $body$;
    CREATE FUNCTION count_project_anew() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
        {moved}
        RETURN NULL;
    END $body$;
    CREATE TRIGGER projects_counted AFTER INSERT ON projects FOR EACH ROW EXECUTE FUNCTION count_project();
    CREATE TRIGGER projects_uncounted BEFORE DELETE ON projects FOR EACH ROW EXECUTE FUNCTION uncount_project();
    CREATE TRIGGER projects_counted_anew AFTER UPDATE OF created_by ON projects
        FOR EACH ROW WHEN (OLD.created_by <> NEW.created_by) EXECUTE FUNCTION count_project_anew();

    CREATE FUNCTION count_tasks() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
        UPDATE account_usage a SET tasks = a.tasks + n.tasks
        FROM (SELECT p.created_by, COUNT(*) AS tasks FROM added t JOIN projects p ON p.id = t.project_id GROUP BY p.created_by) n
        WHERE a.user_id = n.created_by;
        RETURN NULL;
    END $body$;
    CREATE FUNCTION uncount_tasks() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
        UPDATE account_usage a SET tasks = a.tasks - n.tasks
        FROM (SELECT p.created_by, COUNT(*) AS tasks FROM gone t JOIN projects p ON p.id = t.project_id GROUP BY p.created_by) n
        WHERE a.user_id = n.created_by;
        RETURN NULL;
    END $body$;
    CREATE TRIGGER tasks_counted AFTER INSERT ON tasks
        REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_tasks();
    CREATE TRIGGER tasks_uncounted AFTER DELETE ON tasks
        REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION uncount_tasks();

    CREATE FUNCTION count_member() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
        {join}
        RETURN NULL;
    END $body$;
    CREATE FUNCTION uncount_member() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
        {leave}
        RETURN NULL;
    END $body$;
    CREATE TRIGGER members_counted AFTER INSERT ON members
        FOR EACH ROW WHEN (NEW.removed_at IS NULL) EXECUTE FUNCTION count_member();
    CREATE TRIGGER members_counted_again AFTER UPDATE OF removed_at ON members
        FOR EACH ROW WHEN (OLD.removed_at IS NOT NULL AND NEW.removed_at IS NULL) EXECUTE FUNCTION count_member();
    CREATE TRIGGER members_uncounted AFTER UPDATE OF removed_at ON members
        FOR EACH ROW WHEN (OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL) EXECUTE FUNCTION uncount_member();
    CREATE TRIGGER members_gone AFTER DELETE ON members
        FOR EACH ROW WHEN (OLD.removed_at IS NULL) EXECUTE FUNCTION uncount_member();

    CREATE FUNCTION count_person() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
        UPDATE account_usage SET people = people + 1 WHERE user_id = NEW.account_id;
        RETURN NULL;
    END $body$;
    CREATE FUNCTION uncount_person() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
        UPDATE account_usage SET people = people - 1 WHERE user_id = OLD.account_id;
        RETURN NULL;
    END $body$;
    CREATE TRIGGER people_counted AFTER INSERT ON account_people FOR EACH ROW EXECUTE FUNCTION count_person();
    CREATE TRIGGER people_uncounted AFTER DELETE ON account_people FOR EACH ROW EXECUTE FUNCTION uncount_person();
";

#[async_trait::async_trait]
impl MigrationTrait for CreateQuotas {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let triggers = match manager.get_database_backend() {
            DbBackend::Postgres => POSTGRES,
            _ => SQLITE,
        };
        let triggers = triggers
            .replace(
                "{moved}",
                &COUNT.replace("{accounts}", "OLD.created_by, NEW.created_by"),
            )
            .replace("{join}", JOIN)
            .replace("{leave}", LEAVE);
        connection.execute_unprepared(TABLES).await?;
        // Making a trigger waits for who writes and keeps others waiting: what is counted next is all there is.
        connection.execute_unprepared(&triggers).await?;
        let all = COUNT.replace("{accounts}", "SELECT created_by FROM projects");
        connection.execute_unprepared(&all).await?;
        Ok(())
    }
}
