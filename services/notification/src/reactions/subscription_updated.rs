//! `subscription.updated`: the account is told when it is past due, and when it went back to the free plan.

use async_trait::async_trait;
use chassis::Clock;
use contracts::billing::SubscriptionUpdated;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::domain::notification::{Kind, News, one_line};

pub(super) struct SubscriptionUpdatedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for SubscriptionUpdatedReaction {
    type Event = SubscriptionUpdated;

    async fn react(&self, tx: &Tx, received: &Received<SubscriptionUpdated>) -> Result<(), ReactionError> {
        let event = &received.event;
        let kind = match event.change.as_str() {
            "past_due" => Kind::SubscriptionPastDue,
            "downgraded" => Kind::SubscriptionDowngraded,
            _ => return Ok(()),
        };
        let subscription = &event.subscription;
        let news = News {
            subject: one_line(&subscription.plan),
            ..News::new(
                kind,
                format!("subscription:{}:{}", subscription.subscription_id, subscription.version),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &news, [event.user_id], self.clock.now()).await?)
    }
}
