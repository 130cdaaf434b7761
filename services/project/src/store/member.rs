//! Who is in a project. A row stays as a tombstone when its member goes, so that the version rises over their return.

use std::collections::{HashMap, HashSet};

use contracts::{
    Timestamp,
    id::{ProjectId, UserId},
};
use identity::ProjectRole;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, QueryResult, Statement, entity::prelude::*};

use super::json_list;
use crate::domain::member::Membership;

/// A row of `members`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "members")]
pub struct Model {
    /// In which project.
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: ProjectId,
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// `viewer`, `member`, `admin` or `owner`.
    pub role: String,
    /// Since when, counted from the last return.
    pub joined_at: Timestamp,
    /// When they went; absent while they are a member.
    pub removed_at: Option<Timestamp>,
    /// Rises by one with each change, also over removal and return.
    pub version: i64,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A role as it is stored.
///
/// # Errors
/// When the database holds something else.
pub fn role(text: &str) -> Result<ProjectRole, DbErr> {
    text.parse()
        .map_err(|_| DbErr::Type(format!("{text:?} is no project role")))
}

/// Which of `users` are members of the project now, in no particular order.
///
/// # Errors
/// The database's.
pub async fn members_among(
    tx: &impl ConnectionTrait,
    project: ProjectId,
    users: &[UserId],
) -> Result<Vec<UserId>, DbErr> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let found = Entity::find()
        .filter(Column::ProjectId.eq(project))
        .filter(Column::UserId.is_in(users.iter().copied()))
        .filter(Column::RemovedAt.is_null())
        .all(tx)
        .await?;
    Ok(found.into_iter().map(|member| member.user_id).collect())
}

/// The members of the project whom `names` name by handle or e-mail address, without case and without `@` before a handle.
///
/// # Errors
/// The database's.
pub async fn members_by_handle_or_email(
    tx: &impl ConnectionTrait,
    project: ProjectId,
    names: &[String],
) -> Result<Vec<UserId>, DbErr> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let list = (2..names.len() + 2)
        .map(|place| format!("${place}"))
        .collect::<Vec<_>>()
        .join(", ");
    let mut values: Vec<sea_orm::Value> = vec![project.into()];
    values.extend(names.iter().map(|name| name.to_lowercase().into()));
    let query = Statement::from_sql_and_values(
        tx.get_database_backend(),
        format!(
            "SELECT m.user_id FROM members m JOIN users u ON u.id = m.user_id
             WHERE m.project_id = $1 AND m.removed_at IS NULL AND (u.handle_key IN ({list}) OR u.email_key IN ({list}))"
        ),
        values,
    );
    tx.query_all_raw(query)
        .await?
        .iter()
        .map(|row| row.try_get("", "user_id"))
        .collect()
}

/// The members of the project whom `names`, in lower case, name by handle, address or id; each under that name.
///
/// # Errors
/// The database's.
pub async fn by_names(
    tx: &impl ConnectionTrait,
    project: ProjectId,
    names: &HashSet<String>,
) -> Result<HashMap<String, UserId>, DbErr> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = tx.get_database_backend();
    let list = json_list::table(backend, "$2");
    let names: Vec<&String> = names.iter().collect();
    let query = Statement::from_sql_and_values(
        backend,
        format!(
            "SELECT n.value, m.user_id FROM {list} n JOIN users u ON n.value IN (u.handle_key, u.email_key)
             JOIN members m ON m.user_id = u.id WHERE m.project_id = $1 AND m.removed_at IS NULL
             UNION SELECT n.value, m.user_id FROM {list} n JOIN members m ON m.user_id = n.value
             WHERE m.project_id = $1 AND m.removed_at IS NULL"
        ),
        [project.into(), json_list::value(&names).into()],
    );
    let rows = tx.query_all_raw(query).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}

/// A member with what the directory knows of them. A user who registered a moment ago may not have arrived there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: ProjectRole,
    /// Since when.
    pub joined_at: Timestamp,
    /// Version of the membership.
    pub version: i64,
    /// Address.
    pub email: Option<String>,
    /// For mentions.
    pub handle: Option<String>,
    /// Name to show.
    pub display_name: Option<String>,
}

impl Listed {
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let text: String = row.try_get("", "role")?;
        Ok(Self {
            user_id: row.try_get("", "user_id")?,
            role: role(&text)?,
            joined_at: row.try_get("", "joined_at")?,
            version: row.try_get("", "version")?,
            email: row.try_get("", "email")?,
            handle: row.try_get("", "handle")?,
            display_name: row.try_get("", "display_name")?,
        })
    }
}

const LISTED: &str = "SELECT m.user_id, m.role, m.joined_at, m.version,
        NULLIF(u.email, '') AS email, NULLIF(u.handle, '') AS handle, NULLIF(u.display_name, '') AS display_name
     FROM members m LEFT JOIN users u ON u.id = m.user_id
     WHERE m.project_id = $1 AND m.removed_at IS NULL";

/// A page of the members in the order they came, after the one who came at `after.0` with the id `after.1`.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &impl ConnectionTrait,
    project: ProjectId,
    after: Option<(Timestamp, UserId)>,
    limit: u64,
) -> Result<Vec<Listed>, DbErr> {
    let position = if after.is_some() {
        "AND (m.joined_at, m.user_id) > ($3, $4)"
    } else {
        ""
    };
    let mut values: Vec<sea_orm::Value> = vec![project.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    if let Some((joined_at, user)) = after {
        values.extend([joined_at.into(), user.into()]);
    }
    let sql = format!("{LISTED} {position} ORDER BY m.joined_at, m.user_id LIMIT $2");
    let query = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.query_all_raw(query).await?.iter().map(Listed::read).collect()
}

/// One member with what the directory knows of them.
///
/// # Errors
/// The database's.
pub async fn listed(db: &impl ConnectionTrait, project: ProjectId, user: UserId) -> Result<Option<Listed>, DbErr> {
    let sql = format!("{LISTED} AND m.user_id = $2");
    let values = [project.into(), user.into()];
    let query = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.query_one_raw(query).await?.as_ref().map(Listed::read).transpose()
}

/// The present membership of a user.
///
/// # Errors
/// The database's.
pub async fn find(tx: &impl ConnectionTrait, project: ProjectId, user: UserId) -> Result<Option<Membership>, DbErr> {
    let row = Entity::find_by_id((project, user))
        .filter(Column::RemovedAt.is_null())
        .one(tx)
        .await?;
    row.map(|row| {
        Ok(Membership {
            user: row.user_id,
            role: role(&row.role)?,
            joined_at: row.joined_at,
            version: row.version,
        })
    })
    .transpose()
}

/// Makes `user` a member, for the first time or again; `None` when they are one.
///
/// # Errors
/// The database's.
pub async fn add(
    tx: &database::Tx,
    project: ProjectId,
    user: UserId,
    role: ProjectRole,
    now: Timestamp,
) -> Result<Option<Membership>, DbErr> {
    let upsert = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO members (project_id, user_id, role, joined_at, removed_at, version) VALUES ($1, $2, $3, $4, NULL, 1)
         ON CONFLICT (project_id, user_id) DO UPDATE
            SET role = excluded.role, joined_at = excluded.joined_at, removed_at = NULL, version = members.version + 1
            WHERE members.removed_at IS NOT NULL
         RETURNING version",
        [project.into(), user.into(), role.name().into(), now.into()],
    );
    let row = tx.query_one_raw(upsert).await?;
    row.map(|row| {
        Ok(Membership {
            user,
            role,
            joined_at: now,
            version: row.try_get("", "version")?,
        })
    })
    .transpose()
}

/// Writes a member's new role.
///
/// # Errors
/// The database's.
pub async fn update_role(tx: &database::Tx, project: ProjectId, member: &Membership) -> Result<(), DbErr> {
    let row = ActiveModel {
        project_id: Set(project),
        user_id: Set(member.user),
        role: Set(member.role.name().to_owned()),
        version: Set(member.version),
        ..Default::default()
    };
    Entity::update(row).exec(tx).await?;
    Ok(())
}

/// Turns a membership into its tombstone.
///
/// # Errors
/// The database's.
pub async fn remove(tx: &database::Tx, project: ProjectId, member: &Membership, now: Timestamp) -> Result<(), DbErr> {
    let row = ActiveModel {
        project_id: Set(project),
        user_id: Set(member.user),
        removed_at: Set(Some(now)),
        version: Set(member.version),
        ..Default::default()
    };
    Entity::update(row).exec(tx).await?;
    Ok(())
}

/// How many owners with a working account the project has beside `user`.
///
/// # Errors
/// The database's.
pub async fn other_owners(tx: &database::Tx, project: ProjectId, user: UserId) -> Result<u64, DbErr> {
    let query = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "SELECT COUNT(*) AS owners FROM members m LEFT JOIN users u ON u.id = m.user_id
         WHERE m.project_id = $1 AND m.user_id <> $2 AND m.role = 'owner' AND m.removed_at IS NULL
            AND COALESCE(u.disabled, FALSE) = FALSE",
        [project.into(), user.into()],
    );
    let row = tx.query_one_raw(query).await?;
    let owners: i64 = row
        .map(|row| row.try_get("", "owners"))
        .transpose()?
        .unwrap_or_default();
    Ok(owners.unsigned_abs())
}

/// The projects that the user is a member of, in a fixed order, so that two who lock them one by one cannot deadlock.
///
/// # Errors
/// The database's.
pub async fn projects_of(tx: &database::Tx, user: UserId) -> Result<Vec<ProjectId>, DbErr> {
    let query = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "SELECT project_id FROM members WHERE user_id = $1 AND removed_at IS NULL ORDER BY project_id",
        [user.into()],
    );
    let rows = tx.query_all_raw(query).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Who owns the project when `user` is gone: of those whose accounts work, and else of all, the one of the highest role who
/// has been in it the longest.
///
/// # Errors
/// The database's.
pub async fn heir(tx: &database::Tx, project: ProjectId, user: UserId) -> Result<Option<UserId>, DbErr> {
    let query = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "SELECT m.user_id FROM members m LEFT JOIN users u ON u.id = m.user_id
         WHERE m.project_id = $1 AND m.user_id <> $2 AND m.removed_at IS NULL
         ORDER BY CASE WHEN COALESCE(u.disabled, FALSE) THEN 1 ELSE 0 END,
            CASE m.role WHEN 'owner' THEN 0 WHEN 'admin' THEN 1 WHEN 'member' THEN 2 ELSE 3 END, m.joined_at, m.user_id
         LIMIT 1",
        [project.into(), user.into()],
    );
    let row = tx.query_one_raw(query).await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}
