//! `user.enabled`: notifications come again; what happened meanwhile is not made up for.

use async_trait::async_trait;
use contracts::auth::UserEnabled;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store::user;

pub(super) struct UserEnabledReaction;

#[async_trait]
impl Reaction for UserEnabledReaction {
    type Event = UserEnabled;

    async fn react(&self, tx: &Tx, received: &Received<UserEnabled>) -> Result<(), ReactionError> {
        Ok(user::learn_status(tx, received.event.user_id, false, received.event.version).await?)
    }
}
