//! Projects.

use contracts::{
    Timestamp,
    id::{ProjectId, UserId},
};
use identity::ProjectRole;
use sea_orm::{
    ConnectionTrait, DbErr, FromQueryResult, IntoActiveModel, QuerySelect, Statement, entity::prelude::*,
    sea_query::LockType,
};

use crate::domain::{
    project::Project,
    quota::{Meter, QuotaError},
};

/// A row of `projects`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "projects")]
pub struct Model {
    /// Which project.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProjectId,
    /// One line.
    pub name: String,
    /// Empty when there is none.
    pub description: String,
    /// When it was put away; absent while it is active.
    pub archived_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// Rises by one with each change.
    pub version: i64,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<Model> for Project {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            archived_at: row.archived_at,
            created_by: row.created_by,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        }
    }
}

impl From<Project> for Model {
    fn from(project: Project) -> Self {
        Self {
            id: project.id,
            name: project.name,
            description: project.description,
            archived_at: project.archived_at,
            created_by: project.created_by,
            created_at: project.created_at,
            updated_at: project.updated_at,
            version: project.version,
        }
    }
}

/// Adds a project, if its maker's plan allows one more.
///
/// # Errors
/// See [`QuotaError`].
pub async fn insert(tx: &database::Tx, project: &Project) -> Result<(), QuotaError> {
    super::quota::room(tx, project.created_by, Meter::Projects, 1).await?;
    let row = Model::from(project.clone()).into_active_model();
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// Writes what may change of a project.
///
/// # Errors
/// The database's.
pub async fn update(tx: &database::Tx, project: &Project) -> Result<(), DbErr> {
    let row = Model::from(project.clone()).into_active_model().reset_all();
    Entity::update(row).exec(tx).await?;
    Ok(())
}

/// Removes a project and everything in it: all other tables refer to it with `ON DELETE CASCADE`.
///
/// # Errors
/// The database's.
pub async fn delete(tx: &database::Tx, project: ProjectId) -> Result<(), DbErr> {
    Entity::delete_by_id(project).exec(tx).await?;
    Ok(())
}

/// A page of the projects that `user` is a member of, with their role; the newest first, after project `after`.
///
/// # Errors
/// The database's.
pub async fn of_user(
    db: &impl ConnectionTrait,
    user: UserId,
    archived: bool,
    after: Option<ProjectId>,
    limit: u64,
) -> Result<Vec<(Project, ProjectRole)>, DbErr> {
    let state = if archived { "IS NOT NULL" } else { "IS NULL" };
    let position = if after.is_some() { "AND m.project_id < $3" } else { "" };
    let mut values: Vec<sea_orm::Value> = vec![user.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    values.extend(after.map(sea_orm::Value::from));
    let query = Statement::from_sql_and_values(
        db.get_database_backend(),
        format!(
            "SELECT p.id, p.name, p.description, p.archived_at, p.created_by, p.created_at, p.updated_at, p.version, m.role
             FROM members m JOIN projects p ON p.id = m.project_id
             WHERE m.user_id = $1 AND m.removed_at IS NULL AND p.archived_at {state} {position}
             ORDER BY m.project_id DESC LIMIT $2"
        ),
        values,
    );
    let rows = db.query_all_raw(query).await?;
    rows.iter()
        .map(|row| {
            let role: String = row.try_get("", "role")?;
            Ok((Model::from_query_result(row, "")?.into(), super::member::role(&role)?))
        })
        .collect()
}

/// A project, by its id alone: for reactions, where nobody asks. On PostgreSQL it stays until the transaction ends.
///
/// # Errors
/// The database's.
pub async fn find(tx: &database::Tx, project: ProjectId) -> Result<Option<Project>, DbErr> {
    let query = Entity::find_by_id(project).lock(LockType::KeyShare);
    Ok(query.one(tx).await?.map(Project::from))
}
