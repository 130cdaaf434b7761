//! `user.updated`: receipts go to the new address.

use async_trait::async_trait;
use contracts::auth::UserUpdated;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store;

pub(super) struct UserUpdatedReaction;

#[async_trait]
impl Reaction for UserUpdatedReaction {
    type Event = UserUpdated;

    async fn react(&self, tx: &Tx, received: &Received<UserUpdated>) -> Result<(), ReactionError> {
        let user = &received.event.user;
        Ok(store::account::learn_email(tx, user.user_id, &user.email, user.version).await?)
    }
}
