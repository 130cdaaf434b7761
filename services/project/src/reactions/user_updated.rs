//! `user.updated`: the directory learns the new names, address and status; a new address may have been invited.

use async_trait::async_trait;
use chassis::Clock;
use contracts::auth::UserUpdated;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

pub(super) struct UserUpdatedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for UserUpdatedReaction {
    type Event = UserUpdated;

    async fn react(&self, tx: &Tx, received: &Received<UserUpdated>) -> Result<(), ReactionError> {
        super::user_registered::learn(tx, &received.event.user, &self.clock).await
    }
}
