//! `user.disabled`: nothing is put into that inbox any more.

use async_trait::async_trait;
use contracts::auth::UserDisabled;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store::user;

pub(super) struct UserDisabledReaction;

#[async_trait]
impl Reaction for UserDisabledReaction {
    type Event = UserDisabled;

    async fn react(&self, tx: &Tx, received: &Received<UserDisabled>) -> Result<(), ReactionError> {
        Ok(user::learn_status(tx, received.event.user_id, true, received.event.version).await?)
    }
}
