//! Invitations that wait for an account.

use contracts::{
    Timestamp,
    id::{InvitationId, ProjectId, UserId},
};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbErr, PaginatorTrait, QueryOrder, QuerySelect, Statement, TryInsertResult,
    entity::prelude::*,
};

use crate::domain::invitation::{Invitation, key};

/// A row of `invitations`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub struct Model {
    /// Which invitation; sorts by time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvitationId,
    /// To which project.
    pub project_id: ProjectId,
    /// Who is asked, as it was typed.
    pub email: String,
    /// The address for comparing.
    pub email_key: String,
    /// As what.
    pub role: String,
    /// Who asked.
    pub invited_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Why it did not become a membership when its address registered.
    pub held_back: Option<String>,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Invitation {
    type Error = DbErr;

    fn try_from(row: Model) -> Result<Self, DbErr> {
        Ok(Self {
            id: row.id,
            project_id: row.project_id,
            email: row.email,
            role: super::member::role(&row.role)?,
            invited_by: row.invited_by,
            created_at: row.created_at,
            held_back: row.held_back,
        })
    }
}

/// Adds an invitation; `false` when the address has one to this project.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &database::Tx, invitation: &Invitation) -> Result<bool, DbErr> {
    let row = ActiveModel {
        id: Set(invitation.id),
        project_id: Set(invitation.project_id),
        email: Set(invitation.email.clone()),
        email_key: Set(key(&invitation.email)),
        role: Set(invitation.role.name().to_owned()),
        invited_by: Set(invitation.invited_by),
        created_at: Set(invitation.created_at),
        held_back: Set(invitation.held_back.clone()),
    };
    let inserted = Entity::insert(row)
        .on_conflict_do_nothing_on([Column::ProjectId, Column::EmailKey])
        .exec_without_returning(tx)
        .await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(1..)))
}

/// How many wait in a project.
///
/// # Errors
/// The database's.
pub async fn count(tx: &database::Tx, project: ProjectId) -> Result<u64, DbErr> {
    Entity::find().filter(Column::ProjectId.eq(project)).count(tx).await
}

/// A page of a project's invitations, the oldest first, after invitation `after`.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &impl ConnectionTrait,
    project: ProjectId,
    after: Option<InvitationId>,
    limit: u64,
) -> Result<Vec<Invitation>, DbErr> {
    let mut query = Entity::find()
        .filter(Column::ProjectId.eq(project))
        .order_by_asc(Column::Id)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after));
    }
    query.all(db).await?.into_iter().map(Invitation::try_from).collect()
}

/// One invitation to a project.
///
/// # Errors
/// The database's.
pub async fn find(
    tx: &database::Tx,
    project: ProjectId,
    invitation: InvitationId,
) -> Result<Option<Invitation>, DbErr> {
    let row = Entity::find_by_id(invitation)
        .filter(Column::ProjectId.eq(project))
        .one(tx)
        .await?;
    row.map(Invitation::try_from).transpose()
}

/// Removes an invitation; `false` when somebody else did.
///
/// # Errors
/// The database's.
pub async fn delete(tx: &database::Tx, invitation: InvitationId) -> Result<bool, DbErr> {
    Ok(Entity::delete_by_id(invitation).exec(tx).await?.rows_affected == 1)
}

/// Removes what may be left of an address's invitation to a project.
///
/// # Errors
/// The database's.
pub async fn delete_of(tx: &database::Tx, project: ProjectId, address_key: &str) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::ProjectId.eq(project))
        .filter(Column::EmailKey.eq(address_key))
        .exec(tx)
        .await?;
    Ok(())
}

/// All invitations of an address, the oldest first.
///
/// # Errors
/// The database's.
pub async fn of_address(tx: &database::Tx, address_key: &str) -> Result<Vec<Invitation>, DbErr> {
    let query = Entity::find()
        .filter(Column::EmailKey.eq(address_key))
        .order_by_asc(Column::Id);
    query.all(tx).await?.into_iter().map(Invitation::try_from).collect()
}

/// The invitations to projects of `account` that were held back, the oldest first, `limit` at most.
///
/// # Errors
/// The database's.
pub async fn held_back_by(tx: &database::Tx, account: UserId, limit: u64) -> Result<Vec<Invitation>, DbErr> {
    let sql = "SELECT i.* FROM invitations i JOIN projects p ON p.id = i.project_id
               WHERE p.created_by = $1 AND i.held_back IS NOT NULL ORDER BY i.id LIMIT $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [account.into(), limit.into()];
    let query = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    let rows = Entity::find().from_raw_sql(query).all(tx).await?;
    rows.into_iter().map(Invitation::try_from).collect()
}

/// Keeps an invitation that could not become a membership, with the reason.
///
/// # Errors
/// The database's.
pub async fn hold_back(tx: &database::Tx, invitation: InvitationId, reason: &str) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(invitation),
        held_back: Set(Some(reason.to_owned())),
        ..Default::default()
    };
    Entity::update(row).exec(tx).await?;
    Ok(())
}
