//! Events become messages to webhooks: one for each endpoint of somebody whom it concerns that wants to hear of it.
//!
//! The message's id is the event's, so an event that is handled again makes no second message, and a receiver with two
//! endpoints can tell that both were told of one thing. An endpoint that is disabled gets a delivery that ended at once: it
//! is there to be replayed.

use std::marker::PhantomData;

use async_trait::async_trait;
use chassis::Clock;
use contracts::{
    Event, EventId, Timestamp,
    analytics::{MilestoneReached, ReportGenerated},
    billing::{
        InvoiceCredited, InvoiceIssued, InvoicePaid, OrderCompleted, OrderFailed, PaymentFailed, PaymentSucceeded,
        SubscriptionUpdated, UsageThresholdReached,
    },
    event::TYPE_PREFIX,
    id::{ProjectId, UserId},
    project::{
        CommentCreated, CommentDeleted, CommentUpdated, MemberAdded, MemberInvited, MemberRemoved, MemberRoleChanged,
        ProjectCreated, ProjectDeleted, ProjectUpdated, TaskAssigned, TaskCreated, TaskDeleted, TaskDueSoon,
        TaskUpdated,
    },
};
use database::Tx;
use messaging::{Reaction, ReactionError, Received};
use sea_orm::DbErr;
use serde::Serialize;

use crate::{
    domain::delivery::Channel,
    store::{
        delivery::{self, Model},
        webhook::{Concerned, listeners},
    },
};

/// What is sent: the payload that Standard Webhooks recommends.
#[derive(Serialize)]
struct Message<'a, E> {
    r#type: &'a str,
    timestamp: Timestamp,
    data: &'a E,
}

/// Sends `event` to the endpoints of those concerned.
pub(crate) async fn broadcast<E: Event>(
    tx: &Tx,
    event: &E,
    id: EventId,
    concerned: &Concerned,
    happened_at: Timestamp,
    now: Timestamp,
) -> Result<(), DbErr> {
    let event_type = E::TYPE.strip_prefix(TYPE_PREFIX).unwrap_or(E::TYPE);
    let listeners = listeners(tx, concerned, event_type).await?;
    if listeners.is_empty() {
        return Ok(());
    }
    let payload = payload(event_type, happened_at, event)?;
    let deliveries = listeners.into_iter().map(|listener| {
        let (target, message) = (listener.id.to_string(), id.to_string());
        let waiting = Model::new(
            Channel::Webhook,
            listener.user,
            target,
            message,
            event_type,
            payload.clone(),
            now,
        );
        match listener.enabled {
            true => waiting,
            false => waiting.not_sent("the webhook was disabled when this happened"),
        }
    });
    delivery::insert(tx, deliveries.collect()).await
}

/// The body of a message.
pub(crate) fn payload(event_type: &str, happened_at: Timestamp, data: &impl Serialize) -> Result<String, DbErr> {
    let message = Message {
        r#type: event_type,
        timestamp: happened_at,
        data,
    };
    serde_json::to_string(&message).map_err(|error| DbErr::Custom(format!("message as JSON: {error}")))
}

/// An event that webhooks can hear.
pub(super) trait Concerns: Event {
    /// Whom it concerns.
    fn concerns(&self) -> Concerned;
}

macro_rules! concerns {
    ($($event:ty: $of:expr;)*) => {$(
        impl Concerns for $event {
            fn concerns(&self) -> Concerned {
                let of: fn(&Self) -> Concerned = $of;
                of(self)
            }
        }
    )*};
}

fn members(project: ProjectId, also: &[UserId]) -> Concerned {
    Concerned::Members {
        project,
        also: also.to_vec(),
    }
}

fn user(user: UserId) -> Concerned {
    Concerned::Users(vec![user])
}

concerns! {
    // Nobody is a member yet.
    ProjectCreated: |event| user(event.actor_id);
    ProjectUpdated: |event| members(event.project_id, &[event.actor_id]);
    ProjectDeleted: |event| members(event.project_id, &[event.actor_id]);
    MemberInvited: |event| members(event.project_id, &[event.actor_id]);
    MemberAdded: |event| members(event.project_id, &[]);
    MemberRoleChanged: |event| members(event.project_id, &[]);
    MemberRemoved: |event| members(event.project_id, &[]);
    TaskCreated: |event| members(event.task.project_id, &[event.task.created_by]);
    TaskUpdated: |event| members(event.task.project_id, &[event.actor_id]);
    TaskAssigned: |event| members(event.project_id, &[event.actor_id, event.assignee_id]);
    TaskDeleted: |event| members(event.project_id, &[event.actor_id]);
    TaskDueSoon: |event| members(event.project_id, &[]);
    CommentCreated: |event| members(event.project_id, &[event.author_id]);
    CommentUpdated: |event| members(event.project_id, &[event.author_id]);
    CommentDeleted: |event| members(event.project_id, &[event.actor_id]);
    MilestoneReached: |event| members(event.project_id, &[]);
    ReportGenerated: |event| user(event.user_id);
    OrderCompleted: |event| user(event.user_id);
    OrderFailed: |event| user(event.user_id);
    SubscriptionUpdated: |event| user(event.user_id);
    InvoiceIssued: |event| user(event.user_id);
    InvoicePaid: |event| user(event.user_id);
    InvoiceCredited: |event| user(event.user_id);
    PaymentSucceeded: |event| user(event.user_id);
    PaymentFailed: |event| user(event.user_id);
    UsageThresholdReached: |event| user(event.user_id);
}

/// Every event of one type becomes messages.
pub(super) struct Broadcast<E> {
    clock: Clock,
    event: PhantomData<fn() -> E>,
}

impl<E> Broadcast<E> {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            event: PhantomData,
        }
    }
}

#[async_trait]
impl<E: Concerns> Reaction for Broadcast<E> {
    type Event = E;

    async fn react(&self, tx: &Tx, received: &Received<E>) -> Result<(), ReactionError> {
        let Received { envelope, event } = received;
        let concerned = event.concerns();
        Ok(broadcast(tx, event, envelope.id, &concerned, envelope.time, self.clock.now()).await?)
    }
}
