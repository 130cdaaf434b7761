//! `order.failed`: who ordered is told why, and what to do.

use async_trait::async_trait;
use chassis::Clock;
use contracts::billing::OrderFailed;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::domain::notification::{Kind, News, one_line};

pub(super) struct OrderFailedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for OrderFailedReaction {
    type Event = OrderFailed;

    async fn react(&self, tx: &Tx, received: &Received<OrderFailed>) -> Result<(), ReactionError> {
        let event = &received.event;
        let news = News {
            subject: one_line(&event.plan),
            detail: one_line(&event.detail),
            ..News::new(
                Kind::OrderFailed,
                format!("order:{}", event.order_id),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &news, [event.user_id], self.clock.now()).await?)
    }
}
