//! News become projections: one statement to read the tasks that changed, one to write each table, whatever the number of
//! events.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{
    Timestamp,
    id::{ProjectId, TaskId, UserId},
};
use database::Tx;
use sea_orm::{ConnectionTrait, DbErr};
use serde::Serialize;
use serde_json::json;

use super::{
    projection::Tables,
    rows::{columns, execute, json as parameter, query, source, texts},
    task,
};
use crate::domain::{
    news::{News, ProjectNews},
    task::Task,
};

/// What a fold did that others may want to act on.
#[derive(Debug, Default)]
pub struct Folded {
    /// Tasks that were done for the first time, with their projects.
    pub finished: Vec<(ProjectId, TaskId)>,
    /// People who closed their accounts.
    pub deleted: Vec<UserId>,
}

/// Adds `news` to the projections of a set of tables. Hold [`super::lock`].
///
/// # Errors
/// The database's.
pub async fn apply(tx: &Tx, tables: Tables, mut news: News) -> Result<Folded, DbErr> {
    let mut folded = Folded::default();
    let tasks = std::mem::take(&mut news.tasks);
    folded.finished = self::tasks(tx, tables, tasks).await?;
    projects(tx, tables, std::mem::take(&mut news.projects), &folded.finished).await?;
    users(tx, tables, &news).await?;
    folded.deleted = news
        .users
        .iter()
        .filter(|(_, user)| user.deleted_at.is_some())
        .map(|(user, _)| *user)
        .collect();
    for table in ["activity", "members"] {
        if !folded.deleted.is_empty() {
            let list = texts(tx.get_database_backend(), 1);
            let sql = format!("DELETE FROM {} WHERE user_id IN {list}", tables.name(table));
            execute(tx, sql, [parameter(&folded.deleted)?]).await?;
        }
    }
    let erased = erased(tx, tables, &news.people()).await?;
    news.forget(&erased);
    members(tx, tables, &news).await?;
    counts(tx, tables, &news).await?;
    subscriptions(tx, tables, &news).await?;
    Ok(folded)
}

/// Writes `rows` with one statement, if there are any.
async fn write(
    tx: &Tx,
    tables: Tables,
    into: &str,
    kinds: &[&str],
    conflict: &str,
    rows: &[impl Serialize],
) -> Result<(), DbErr> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO {{p}}{into} SELECT {} FROM {} WHERE true ON CONFLICT {conflict}",
        columns(kinds),
        source(tx.get_database_backend(), 1)
    );
    execute(tx, tables.sql(&sql), [parameter(&rows)?]).await.map(drop)
}

async fn tasks(tx: &Tx, tables: Tables, news: BTreeMap<TaskId, Task>) -> Result<Vec<(ProjectId, TaskId)>, DbErr> {
    if news.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<TaskId> = news.keys().copied().collect();
    let mut known = task::these(tx, tables, &ids).await?;
    let mut finished = Vec::new();
    let mut rows = Vec::with_capacity(news.len());
    for (id, new) in news {
        let task = match known.remove(&id) {
            Some(mut task) => {
                let was_done = task.was_done();
                task.merge(new);
                if task.was_done() && !was_done {
                    finished.push((task.project, id));
                }
                task
            }
            None => {
                if new.was_done() {
                    finished.push((new.project, id));
                }
                new
            }
        };
        rows.push(task::row(id, &task));
    }
    task::write(tx, tables, &rows).await?;
    Ok(finished)
}

async fn projects(
    tx: &Tx,
    tables: Tables,
    mut news: BTreeMap<ProjectId, ProjectNews>,
    finished: &[(ProjectId, TaskId)],
) -> Result<(), DbErr> {
    let mut counts: BTreeMap<ProjectId, i64> = BTreeMap::new();
    for (project, _) in finished {
        *counts.entry(*project).or_default() += 1;
        news.entry(*project).or_default();
    }
    let rows: Vec<serde_json::Value> = news
        .iter()
        .map(|(id, project)| {
            let (version, name) = project.name.clone().unwrap_or((-1, String::new()));
            let deleted_at = project.deleted_at.map(Timestamp::as_micros);
            json!([
                id,
                name,
                version,
                deleted_at,
                counts.get(id).copied().unwrap_or_default()
            ])
        })
        .collect();
    write(
        tx,
        tables,
        "projects AS t (project_id, name, name_version, deleted_at, finished)",
        &["TEXT", "TEXT", "BIGINT", "BIGINT", "BIGINT"],
        "(project_id) DO UPDATE SET
            name = CASE WHEN excluded.name_version > t.name_version THEN excluded.name ELSE t.name END,
            name_version = CASE WHEN excluded.name_version > t.name_version THEN excluded.name_version ELSE t.name_version END,
            deleted_at = COALESCE(t.deleted_at, excluded.deleted_at), finished = t.finished + excluded.finished",
        &rows,
    )
    .await
}

async fn users(tx: &Tx, tables: Tables, news: &News) -> Result<(), DbErr> {
    let rows: Vec<serde_json::Value> = news
        .users
        .iter()
        .map(|(id, user)| {
            let (version, disabled) = user.disabled.unwrap_or((-1, false));
            let (registered_at, deleted_at) = (user.registered_at, user.deleted_at);
            json!([
                id,
                registered_at.map(Timestamp::as_micros),
                disabled,
                version,
                deleted_at.map(Timestamp::as_micros)
            ])
        })
        .collect();
    write(
        tx,
        tables,
        "users AS t (user_id, registered_at, disabled, status_version, deleted_at)",
        &["TEXT", "BIGINT", "BOOLEAN", "BIGINT", "BIGINT"],
        "(user_id) DO UPDATE SET
            registered_at = COALESCE(t.registered_at, excluded.registered_at),
            disabled = CASE WHEN excluded.status_version > t.status_version THEN excluded.disabled ELSE t.disabled END,
            status_version = CASE WHEN excluded.status_version > t.status_version THEN excluded.status_version ELSE t.status_version END,
            deleted_at = COALESCE(t.deleted_at, excluded.deleted_at)",
        &rows,
    )
    .await
}

async fn members(tx: &Tx, tables: Tables, news: &News) -> Result<(), DbErr> {
    let rows: Vec<serde_json::Value> = news
        .members
        .iter()
        .map(|((project, user), member)| json!([project, user, member.active, member.version]))
        .collect();
    write(
        tx,
        tables,
        "members AS t (project_id, user_id, active, version)",
        &["TEXT", "TEXT", "BOOLEAN", "BIGINT"],
        "(project_id, user_id) DO UPDATE SET active = excluded.active, version = excluded.version
         WHERE excluded.version > t.version",
        &rows,
    )
    .await
}

async fn counts(tx: &Tx, tables: Tables, news: &News) -> Result<(), DbErr> {
    let rows: Vec<serde_json::Value> = news
        .activity
        .iter()
        .map(|((user, slot, kind), count)| json!([user, slot.as_micros(), kind.name(), count]))
        .collect();
    write(
        tx,
        tables,
        "activity AS t (user_id, slot, kind, count)",
        &["TEXT", "BIGINT", "TEXT", "BIGINT"],
        "(user_id, slot, kind) DO UPDATE SET count = t.count + excluded.count",
        &rows,
    )
    .await?;
    let rows: Vec<serde_json::Value> = news
        .volume
        .iter()
        .map(|((slot, event_type), count)| json!([slot.as_micros(), event_type, count]))
        .collect();
    write(
        tx,
        tables,
        "volume AS t (slot, type, count)",
        &["BIGINT", "TEXT", "BIGINT"],
        "(slot, type) DO UPDATE SET count = t.count + excluded.count",
        &rows,
    )
    .await?;
    let rows: Vec<serde_json::Value> = news
        .delays
        .iter()
        .map(|((slot, bound), count)| json!([slot.as_micros(), bound, count]))
        .collect();
    write(
        tx,
        tables,
        "delays AS t (slot, bound_ms, count)",
        &["BIGINT", "BIGINT", "BIGINT"],
        "(slot, bound_ms) DO UPDATE SET count = t.count + excluded.count",
        &rows,
    )
    .await
}

async fn subscriptions(tx: &Tx, tables: Tables, news: &News) -> Result<(), DbErr> {
    let rows: Vec<serde_json::Value> = news
        .subscriptions
        .values()
        .map(|state| {
            let (at, mrr) = (state.at.as_micros(), state.mrr_minor);
            json!([state.subscription, state.version, at, mrr, state.currency])
        })
        .collect();
    write(
        tx,
        tables,
        "subscriptions (subscription_id, version, at, mrr_minor, currency)",
        &["TEXT", "BIGINT", "BIGINT", "BIGINT", "TEXT"],
        "(subscription_id, version) DO NOTHING",
        &rows,
    )
    .await
}

/// Those of `people` who closed their accounts.
async fn erased(tx: &Tx, tables: Tables, people: &BTreeSet<UserId>) -> Result<BTreeSet<UserId>, DbErr> {
    if people.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = format!(
        "SELECT user_id FROM {{p}}users WHERE deleted_at IS NOT NULL AND user_id IN {}",
        texts(tx.get_database_backend(), 1)
    );
    let rows = query(tx, tables.sql(&sql), [parameter(people)?]).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
