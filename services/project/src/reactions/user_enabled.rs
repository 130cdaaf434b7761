//! `user.enabled`: the account is open again.

use async_trait::async_trait;
use contracts::auth::UserEnabled;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store;

pub(super) struct UserEnabledReaction;

#[async_trait]
impl Reaction for UserEnabledReaction {
    type Event = UserEnabled;

    async fn react(&self, tx: &Tx, received: &Received<UserEnabled>) -> Result<(), ReactionError> {
        let event = &received.event;
        store::user::learn_status(tx, event.user_id, false, event.version).await?;
        Ok(())
    }
}
