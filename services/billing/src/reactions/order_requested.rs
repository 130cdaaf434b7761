//! `order.requested`: the order is kept, priced and invoiced; its payment is for the cashier, outside of this transaction.

use std::sync::Arc;

use async_trait::async_trait;
use contracts::gateway::OrderRequested;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::{flow, state::State};

pub(super) struct OrderRequestedReaction {
    pub(super) state: Arc<State>,
}

#[async_trait]
impl Reaction for OrderRequestedReaction {
    type Event = OrderRequested;

    async fn react(&self, tx: &Tx, received: &Received<OrderRequested>) -> Result<(), ReactionError> {
        let now = self.state.clock.now();
        Ok(flow::order::receive(&self.state, tx, &received.event, now).await?)
    }
}
