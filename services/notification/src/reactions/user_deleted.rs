//! `user.deleted`: everything about them goes, and the service says so.

use async_trait::async_trait;
use chassis::Clock;
use contracts::{auth::UserDeleted, notification::NotificationErased};
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store::erasure;

pub(super) struct UserDeletedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for UserDeletedReaction {
    type Event = UserDeleted;

    async fn react(&self, tx: &Tx, received: &Received<UserDeleted>) -> Result<(), ReactionError> {
        let UserDeleted { user_id, version, .. } = received.event;
        erasure::erase(tx, user_id, version).await?;
        let event = NotificationErased {
            user_id,
            erased_at: self.clock.now(),
        };
        messaging::append(tx, &event)?;
        Ok(())
    }
}
