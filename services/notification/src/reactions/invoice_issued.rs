//! `invoice.issued`: who pays is told how much and until when.

use async_trait::async_trait;
use chassis::Clock;
use contracts::billing::InvoiceIssued;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::domain::{
    money::shown,
    notification::{Kind, News, one_line},
};

pub(super) struct InvoiceIssuedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for InvoiceIssuedReaction {
    type Event = InvoiceIssued;

    async fn react(&self, tx: &Tx, received: &Received<InvoiceIssued>) -> Result<(), ReactionError> {
        let event = &received.event;
        let amount = shown(event.total_minor, &event.currency);
        let news = News {
            subject: one_line(&event.number),
            detail: format!("It is over {amount}, to be paid until {}.", event.due_at),
            ..News::new(
                Kind::InvoiceIssued,
                format!("invoice:{}", event.invoice_id),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &news, [event.user_id], self.clock.now()).await?)
    }
}
