//! `user.updated`: the directory learns the new name and status.

use async_trait::async_trait;
use contracts::auth::UserUpdated;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store::user;

pub(super) struct UserUpdatedReaction;

#[async_trait]
impl Reaction for UserUpdatedReaction {
    type Event = UserUpdated;

    async fn react(&self, tx: &Tx, received: &Received<UserUpdated>) -> Result<(), ReactionError> {
        Ok(user::learn_profile(tx, &received.event.user).await?)
    }
}
