//! `user.deleted`: the subscription ends, what is personal goes, and others hear that it has.

use std::sync::Arc;

use async_trait::async_trait;
use contracts::auth::UserDeleted;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::{flow, state::State};

pub(super) struct UserDeletedReaction {
    pub(super) state: Arc<State>,
}

#[async_trait]
impl Reaction for UserDeletedReaction {
    type Event = UserDeleted;

    async fn react(&self, tx: &Tx, received: &Received<UserDeleted>) -> Result<(), ReactionError> {
        let now = self.state.clock.now();
        Ok(flow::account::close(&self.state, tx, received.event.user_id, now).await?)
    }
}
