//! `payment.failed`: who pays is told why, and when it is tried again.

use async_trait::async_trait;
use chassis::Clock;
use contracts::billing::PaymentFailed;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::domain::notification::{Kind, News, one_line};

pub(super) struct PaymentFailedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for PaymentFailedReaction {
    type Event = PaymentFailed;

    async fn react(&self, tx: &Tx, received: &Received<PaymentFailed>) -> Result<(), ReactionError> {
        let event = &received.event;
        let next = match event.next_attempt_at {
            Some(at) => format!("It is tried again at {at}."),
            None => "It is not tried again.".to_owned(),
        };
        let news = News {
            detail: format!("{}. {next}", one_line(&event.reason).trim_end_matches('.')),
            ..News::new(
                Kind::PaymentFailed,
                format!("payment:{}:{}", event.payment_id, event.attempt),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &news, [event.user_id], self.clock.now()).await?)
    }
}
