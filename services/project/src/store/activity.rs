//! What happened in a project, for its members to read.

use std::collections::BTreeMap;

use contracts::{
    Timestamp,
    id::{ActivityId, ProjectId, UserId},
};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};
use serde_json::Value;

/// Adds an entry: `actor` did `kind` (`task.created`) to `subject`; `data` is a JSON object to show.
///
/// # Errors
/// The database's.
pub async fn record_activity(
    tx: &database::Tx,
    project: ProjectId,
    actor: UserId,
    kind: &str,
    subject: &str,
    data: Value,
    now: Timestamp,
) -> Result<(), DbErr> {
    let insert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO activity (id, project_id, actor_id, kind, subject_id, data, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
            ActivityId::new().into(),
            project.into(),
            actor.into(),
            kind.into(),
            subject.into(),
            data.to_string().into(),
            now.into(),
        ],
    );
    tx.execute_raw(insert).await?;
    Ok(())
}

/// An entry with the name of who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which entry.
    pub id: ActivityId,
    /// Who did it.
    pub actor_id: UserId,
    /// Their name, when the directory knows it.
    pub actor_name: Option<String>,
    /// What was done.
    pub kind: String,
    /// To what.
    pub subject_id: String,
    /// What to show.
    pub data: BTreeMap<String, Value>,
    /// When.
    pub created_at: Timestamp,
}

impl Listed {
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let data: String = row.try_get("", "data")?;
        Ok(Self {
            id: row.try_get("", "id")?,
            actor_id: row.try_get("", "actor_id")?,
            actor_name: row.try_get("", "actor_name")?,
            kind: row.try_get("", "kind")?,
            subject_id: row.try_get("", "subject_id")?,
            data: serde_json::from_str(&data).map_err(|error| DbErr::Json(error.to_string()))?,
            created_at: row.try_get("", "created_at")?,
        })
    }
}

/// A page of a project's entries, the newest first, after entry `after`.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &impl ConnectionTrait,
    project: ProjectId,
    after: Option<ActivityId>,
    limit: u64,
) -> Result<Vec<Listed>, DbErr> {
    let position = if after.is_some() { "AND a.id < $3" } else { "" };
    let mut values: Vec<sea_orm::Value> = vec![project.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    values.extend(after.map(sea_orm::Value::from));
    let sql = format!(
        "SELECT a.id, a.actor_id, NULLIF(u.display_name, '') AS actor_name, a.kind, a.subject_id, a.data, a.created_at
         FROM activity a LEFT JOIN users u ON u.id = a.actor_id
         WHERE a.project_id = $1 {position} ORDER BY a.id DESC LIMIT $2"
    );
    let query = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.query_all_raw(query).await?.iter().map(Listed::read).collect()
}
