//! `user.registered`: the directory learns the user.

use async_trait::async_trait;
use contracts::auth::UserRegistered;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store::user;

pub(super) struct UserRegisteredReaction;

#[async_trait]
impl Reaction for UserRegisteredReaction {
    type Event = UserRegistered;

    async fn react(&self, tx: &Tx, received: &Received<UserRegistered>) -> Result<(), ReactionError> {
        Ok(user::learn_profile(tx, &received.event.user).await?)
    }
}
