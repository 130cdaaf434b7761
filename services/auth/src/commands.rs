//! What the operator does with accounts: `auth users list|promote`.

use chassis::Clock;
use contracts::id::UserId;
use database::Db;
use identity::Role;
use sea_orm::DbErr;

use crate::{
    domain::{
        email,
        user::{User, UserError},
    },
    store,
};

/// Users at most in one listing.
const PAGE: u64 = 200;

/// Makes the user with this address an admin; answers them as they are then.
///
/// # Errors
/// [`UserError::NotFound`], or the database's.
pub async fn promote(db: &Db, clock: &Clock, address: &str) -> Result<User, UserError> {
    let (key, now) = (email::key(address), clock.now());
    db.write(async |tx| {
        let found = store::user::by_email(tx, &key).await?.ok_or(UserError::NotFound)?;
        let mut user = store::user::for_change(tx, found.id).await?.ok_or(UserError::NotFound)?;
        if let Some(updated) = user.set_role(Role::Admin, now) {
            store::user::update(tx, &user).await?;
            messaging::append(tx, &updated).await?;
        }
        Ok(user)
    })
    .await
}

/// Users whose address, handle or name contain `query`, in the order they registered, page by page after `after`.
///
/// # Errors
/// The database's.
pub async fn list(db: &Db, query: Option<&str>, after: Option<UserId>) -> Result<Vec<User>, DbErr> {
    store::user::search(db.read(), query, after, PAGE).await
}
