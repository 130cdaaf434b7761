//! Endpoints that receive webhooks.

use contracts::{
    Timestamp,
    id::{ProjectId, UserId, WebhookId},
};
use database::Tx;
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbBackend, DbErr, IntoActiveModel, QueryOrder, QuerySelect, Statement,
    entity::prelude::*, sea_query::Expr,
};

use crate::domain::webhook::Filter;

/// A row of `webhooks`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhooks")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookId,
    /// Whose.
    pub user_id: UserId,
    /// Where it is.
    pub url: String,
    /// What its owner calls it.
    pub description: String,
    /// [`Filter`] as a JSON list.
    pub event_types: String,
    /// Whether it gets anything.
    pub enabled: bool,
    /// Why it was disabled, unless its owner did it.
    pub disabled_reason: Option<String>,
    /// The secret, sealed.
    pub secret: String,
    /// The secret before it, sealed.
    pub old_secret: Option<String>,
    /// Until when the old secret signs too.
    pub old_secret_until: Option<Timestamp>,
    /// Since when all attempts fail.
    pub failing_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its owner changed it last, or it was disabled.
    pub updated_at: Timestamp,
    /// Rises by one with each such change.
    pub version: i64,
}

/// None: rows name each other by id alone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// What it wants to hear.
    ///
    /// # Errors
    /// The row was not written by this service.
    pub fn filter(&self) -> Result<Filter, DbErr> {
        filter(&self.event_types)
    }

    /// Where a secret of it is sealed.
    pub fn place(id: WebhookId) -> String {
        format!("webhooks/{id}")
    }
}

fn filter(stored: &str) -> Result<Filter, DbErr> {
    let entries =
        serde_json::from_str(stored).map_err(|error| DbErr::Type(format!("webhooks.event_types: {error}")))?;
    Ok(Filter::of_stored(entries))
}

/// As the database keeps it.
pub fn stored(filter: &Filter) -> String {
    serde_json::Value::from(filter.entries().to_vec()).to_string()
}

/// Keeps a new endpoint.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &Tx, webhook: &Model) -> Result<(), DbErr> {
    Entity::insert(webhook.clone().into_active_model())
        .exec_without_returning(tx)
        .await
        .map(drop)
}

/// How many endpoints `user` has. Hold the user's inbox, or two requests could each add the last one.
///
/// # Errors
/// The database's.
pub async fn count(tx: &Tx, user: UserId) -> Result<u64, DbErr> {
    Entity::find().filter(Column::UserId.eq(user)).count(tx).await
}

/// The endpoints of `user`, oldest first.
///
/// # Errors
/// The database's.
pub async fn all(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::UserId.eq(user))
        .order_by_asc(Column::Id)
        .all(db)
        .await
}

/// Those with an id after `id`, in the order of ids.
///
/// # Errors
/// The database's.
pub async fn sealed_after(db: &impl ConnectionTrait, id: &str, most: u64) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::Id.gt(id))
        .order_by_asc(Column::Id)
        .limit(most)
        .all(db)
        .await
}

/// Keeps the secrets as they are sealed now, unless they were changed since `before` was read. Nothing of it is a change that
/// its owner would see.
///
/// # Errors
/// The database's.
pub async fn reseal(tx: &Tx, before: &Model, secret: Option<&str>, old: Option<&str>) -> Result<(), DbErr> {
    let old = old.or(before.old_secret.as_deref());
    Entity::update_many()
        .col_expr(Column::Secret, Expr::value(secret.unwrap_or(&before.secret)))
        .col_expr(Column::OldSecret, Expr::value(old))
        .filter(Column::Id.eq(before.id))
        .filter(Column::Secret.eq(before.secret.as_str()))
        .exec(tx)
        .await
        .map(drop)
}

/// An endpoint of `user`.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, user: UserId, id: WebhookId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).filter(Column::UserId.eq(user)).one(db).await
}

/// The same, to change it: others wait until this transaction ends.
///
/// # Errors
/// The database's.
pub async fn take(tx: &Tx, user: UserId, id: WebhookId) -> Result<Option<Model>, DbErr> {
    let mut query = Entity::find_by_id(id).filter(Column::UserId.eq(user));
    if tx.get_database_backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    query.one(tx).await
}

/// Keeps what was changed.
///
/// # Errors
/// The database's.
pub async fn update(tx: &Tx, webhook: &Model) -> Result<(), DbErr> {
    Entity::update(webhook.clone().into_active_model().reset_all())
        .exec(tx)
        .await
        .map(drop)
}

/// Forgets an endpoint; its deliveries go with [`super::delivery::remove_of_target`].
///
/// # Errors
/// The database's.
pub async fn remove(tx: &Tx, id: WebhookId) -> Result<(), DbErr> {
    Entity::delete_by_id(id).exec(tx).await.map(drop)
}

/// Forgets all endpoints of `user`.
///
/// # Errors
/// The database's.
pub async fn remove_all(tx: &Tx, user: UserId) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::UserId.eq(user))
        .exec(tx)
        .await
        .map(drop)
}

/// Notes that an attempt worked.
///
/// # Errors
/// The database's.
pub async fn recovered(tx: &Tx, id: WebhookId) -> Result<(), DbErr> {
    let webhook = ActiveModel {
        id: Set(id),
        failing_since: Set(None),
        ..Default::default()
    };
    // It may have been deleted since the attempt began.
    Entity::update_many()
        .set(webhook)
        .filter(Column::Id.eq(id))
        .exec(tx)
        .await
        .map(drop)
}

/// Notes that an attempt failed; answers the endpoint if there still is one.
///
/// # Errors
/// The database's.
pub async fn failed(tx: &Tx, id: WebhookId, now: Timestamp) -> Result<Option<Model>, DbErr> {
    let update = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "UPDATE webhooks SET failing_since = COALESCE(failing_since, $2) WHERE id = $1 RETURNING *",
        [id.into(), now.into()],
    );
    Entity::find().from_raw_sql(update).one(tx).await
}

/// Whom a message concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concerned {
    /// The members of a project. `also` are users who are members for certain, as they did something there: what they did
    /// may be heard of before their membership.
    Members {
        /// Which project.
        project: ProjectId,
        /// Who is a member for certain.
        also: Vec<UserId>,
    },
    /// These users.
    Users(Vec<UserId>),
}

/// An endpoint that hears a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Which.
    pub id: WebhookId,
    /// Whose.
    pub user: UserId,
    /// Whether it is enabled.
    pub enabled: bool,
}

/// The endpoints of those concerned that want to hear messages of this type. Shut accounts hear nothing.
///
/// # Errors
/// The database's.
pub async fn listeners(tx: &Tx, concerned: &Concerned, event_type: &str) -> Result<Vec<Listener>, DbErr> {
    let (who, values) = match concerned {
        Concerned::Members { project, also } => {
            let also_values = also.iter().map(|user| Value::from(*user));
            let or = match also.len() {
                0 => String::new(),
                count => format!(" OR user_id IN ({})", super::placeholders(2, count)),
            };
            (
                format!("(user_id IN (SELECT user_id FROM memberships WHERE project_id = $1 AND role <> ''){or})"),
                std::iter::once(Value::from(*project))
                    .chain(also_values)
                    .collect::<Vec<_>>(),
            )
        }
        Concerned::Users(users) if users.is_empty() => return Ok(Vec::new()),
        Concerned::Users(users) => (
            format!("user_id IN ({})", super::placeholders(1, users.len())),
            users.iter().map(|user| (*user).into()).collect(),
        ),
    };
    let sql = format!(
        "SELECT id, user_id, enabled, event_types FROM webhooks WHERE {who}
         AND NOT EXISTS (SELECT 1 FROM users WHERE users.id = webhooks.user_id AND users.disabled)"
    );
    let rows = tx
        .query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
        .await?;
    let mut listeners = Vec::new();
    for row in rows {
        let types: String = row.try_get("", "event_types")?;
        if filter(&types)?.hears(event_type) {
            listeners.push(Listener {
                id: row.try_get("", "id")?,
                user: row.try_get("", "user_id")?,
                enabled: row.try_get("", "enabled")?,
            });
        }
    }
    Ok(listeners)
}
