//! `subscription.updated`: access tokens say the new plan from the next one on. `user.updated` tells the gateway to ask
//! again about credentials that it remembers, and then it is given such a token at once.

use async_trait::async_trait;
use chassis::Clock;
use contracts::billing::SubscriptionUpdated;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store;

pub(super) struct SubscriptionUpdatedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for SubscriptionUpdatedReaction {
    type Event = SubscriptionUpdated;

    async fn react(&self, tx: &Tx, received: &Received<SubscriptionUpdated>) -> Result<(), ReactionError> {
        let event = &received.event;
        // An account that is gone has no plan.
        let Some(mut user) = store::user::for_change(tx, event.user_id).await? else {
            return Ok(());
        };
        let subscription = &event.subscription;
        let (news, updated) = user.learn_plan(&subscription.plan, subscription.version, self.clock.now());
        if news {
            store::user::update(tx, &user).await?;
        }
        if let Some(updated) = updated {
            messaging::append(tx, &updated)?;
        }
        Ok(())
    }
}
