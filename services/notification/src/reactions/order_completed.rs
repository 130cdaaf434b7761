//! `order.completed`: who ordered is told.

use async_trait::async_trait;
use chassis::Clock;
use contracts::billing::OrderCompleted;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::domain::notification::{Kind, News, one_line};

pub(super) struct OrderCompletedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for OrderCompletedReaction {
    type Event = OrderCompleted;

    async fn react(&self, tx: &Tx, received: &Received<OrderCompleted>) -> Result<(), ReactionError> {
        let event = &received.event;
        let news = News {
            subject: one_line(&event.plan),
            detail: format!("It has {} seats.", event.seats),
            ..News::new(
                Kind::OrderCompleted,
                format!("order:{}", event.order_id),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &news, [event.user_id], self.clock.now()).await?)
    }
}
