//! What billing tells: plans on sale, how orders ended, what a subscription allows. The account's streams carry it too.

use async_trait::async_trait;
use contracts::billing::{OrderCompleted, OrderFailed, PlanPublished, SubscriptionUpdated};
use database::Tx;
use messaging::{Reaction, ReactionError, Reactions, Received};

use super::{Announced, announce};
use crate::{
    domain::{
        audience::Audience,
        order::{Failure, State},
        revocation::Revocation,
    },
    store::{order, plan, plan_limit, stream_event},
};

pub(super) fn add(reactions: Reactions) -> Reactions {
    reactions.on(LearnPlan).on(NoteCompletion).on(NoteFailure).on(LearnRate)
}

impl Announced for OrderCompleted {
    fn audience(&self) -> Audience {
        Audience::user(self.user_id)
    }
}

impl Announced for OrderFailed {
    fn audience(&self) -> Audience {
        Audience::user(self.user_id)
    }
}

impl Announced for SubscriptionUpdated {
    fn audience(&self) -> Audience {
        Audience::user(self.user_id)
    }
}

struct LearnPlan;

#[async_trait]
impl Reaction for LearnPlan {
    type Event = PlanPublished;

    async fn react(&self, tx: &Tx, received: &Received<PlanPublished>) -> Result<(), ReactionError> {
        Ok(plan::learn(tx, &received.event).await?)
    }
}

struct NoteCompletion;

#[async_trait]
impl Reaction for NoteCompletion {
    type Event = OrderCompleted;

    async fn react(&self, tx: &Tx, received: &Received<OrderCompleted>) -> Result<(), ReactionError> {
        let event = &received.event;
        order::settle(tx, event.order_id, State::Completed, None, event.completed_at).await?;
        Ok(announce(tx, received).await?)
    }
}

struct NoteFailure;

#[async_trait]
impl Reaction for NoteFailure {
    type Event = OrderFailed;

    async fn react(&self, tx: &Tx, received: &Received<OrderFailed>) -> Result<(), ReactionError> {
        let event = &received.event;
        let failure = Failure {
            reason: event.reason.clone(),
            detail: event.detail.clone(),
        };
        order::settle(tx, event.order_id, State::Failed, Some(&failure), event.failed_at).await?;
        Ok(announce(tx, received).await?)
    }
}

struct LearnRate;

#[async_trait]
impl Reaction for LearnRate {
    type Event = SubscriptionUpdated;

    async fn react(&self, tx: &Tx, received: &Received<SubscriptionUpdated>) -> Result<(), ReactionError> {
        let event = &received.event;
        if plan_limit::learn(tx, event.user_id, &event.subscription).await? {
            // The rate is remembered with the user's credentials, at every replica.
            stream_event::append_revocation(tx, Revocation::Knowledge(event.user_id)).await?;
        }
        Ok(announce(tx, received).await?)
    }
}
