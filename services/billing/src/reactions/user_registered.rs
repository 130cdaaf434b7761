//! `user.registered`: the account begins, with the free plan.

use std::sync::Arc;

use async_trait::async_trait;
use contracts::auth::UserRegistered;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::{flow, state::State, store};

pub(super) struct UserRegisteredReaction {
    pub(super) state: Arc<State>,
}

#[async_trait]
impl Reaction for UserRegisteredReaction {
    type Event = UserRegistered;

    async fn react(&self, tx: &Tx, received: &Received<UserRegistered>) -> Result<(), ReactionError> {
        let (user, now) = (&received.event.user, self.state.clock.now());
        flow::account::take(&self.state, tx, user.user_id, now).await?;
        Ok(store::account::learn_email(tx, user.user_id, &user.email, user.version).await?)
    }
}
