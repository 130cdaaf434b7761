//! `usage.threshold_reached`: the account is told before, and when, a limit is reached.

use async_trait::async_trait;
use chassis::Clock;
use contracts::billing::UsageThresholdReached;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::domain::notification::{Kind, News, one_line};

pub(super) struct UsageThresholdReachedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for UsageThresholdReachedReaction {
    type Event = UsageThresholdReached;

    async fn react(&self, tx: &Tx, received: &Received<UsageThresholdReached>) -> Result<(), ReactionError> {
        let event = &received.event;
        let news = News {
            subject: format!("{} % of the {}", event.percent, one_line(&event.meter)),
            detail: format!(
                "{} of {} in the plan “{}”.",
                event.used,
                event.limit,
                one_line(&event.plan)
            ),
            ..News::new(
                Kind::UsageThresholdReached,
                // It may be reached again after it fell below.
                format!("usage:{}:{}:{}", event.meter, event.percent, event.reached_at),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &news, [event.user_id], self.clock.now()).await?)
    }
}
