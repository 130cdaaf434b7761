//! `subscription.updated`: what the account's projects may hold from now on. Nothing is deleted when that is less than they
//! hold; when it is more, people who were held back come in.

use async_trait::async_trait;
use chassis::Clock;
use contracts::billing::SubscriptionUpdated;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::user_registered::accept;
use crate::{domain::invitation, store};

/// People who come in with one event at most.
const AT_ONCE: u64 = 500;

pub(super) struct SubscriptionUpdatedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for SubscriptionUpdatedReaction {
    type Event = SubscriptionUpdated;

    async fn react(&self, tx: &Tx, received: &Received<SubscriptionUpdated>) -> Result<(), ReactionError> {
        let event = &received.event;
        if !store::quota::learn(tx, event.user_id, &event.subscription).await? {
            return Ok(());
        }
        let waiting = store::invitation::held_back_by(tx, event.user_id, AT_ONCE).await?;
        // Addresses before projects, and always in one order: see `lock_address`.
        let mut addresses: Vec<String> = waiting.iter().map(|waiting| invitation::key(&waiting.email)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        for address in &addresses {
            store::user::lock_address(tx, address).await?;
        }
        for waiting in waiting {
            let user = store::user::by_address(tx, &invitation::key(&waiting.email)).await?;
            if let Some(user) = user.filter(|user| !user.disabled) {
                accept(tx, user.id, &waiting, self.clock.now()).await?;
            }
        }
        Ok(())
    }
}
