//! What happened in a project, for its members to read.

use std::collections::BTreeMap;

use contracts::{
    Timestamp,
    id::{ActivityId, ProjectId, UserId},
};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, QueryResult, Statement, entity::prelude::*};
use serde_json::Value;

/// A row of `activity`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "activity")]
pub struct Model {
    /// Which entry; sorts by time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ActivityId,
    /// In which project.
    pub project_id: ProjectId,
    /// Who did it.
    pub actor_id: UserId,
    /// What was done: `task.created`.
    pub kind: String,
    /// Id of what it was done to.
    pub subject_id: String,
    /// What to show without looking anything up, a JSON object.
    pub data: String,
    /// When.
    pub created_at: Timestamp,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

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
    let row = ActiveModel {
        id: Set(ActivityId::new()),
        project_id: Set(project),
        actor_id: Set(actor),
        kind: Set(kind.to_owned()),
        subject_id: Set(subject.to_owned()),
        data: Set(data.to_string()),
        created_at: Set(now),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
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
