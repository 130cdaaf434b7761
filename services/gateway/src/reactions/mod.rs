//! What the gateway does when it hears events: it writes down what streams shall carry, who is a member of what, and what
//! ended. Delivery is the tail's work ([`crate::edge::tail`]): reactions run in one replica, clients hang on all of them.

mod billing;
mod comment;
mod import;
mod member;
mod notification;
mod project;
mod session;
mod task;
mod token;
mod user;

use std::marker::PhantomData;

use async_trait::async_trait;
use contracts::Event;
use database::Tx;
use messaging::{Reaction, ReactionError, Reactions, Received};
use sea_orm::DbErr;

use crate::{
    domain::{announcement::Announcement, audience::Audience},
    store::stream_event,
};

/// All reactions of the gateway.
pub fn reactions() -> Reactions {
    let reactions = task::add(Reactions::new());
    let reactions = comment::add(reactions);
    let reactions = project::add(reactions);
    let reactions = member::add(reactions);
    let reactions = import::add(reactions);
    let reactions = notification::add(reactions);
    let reactions = session::add(reactions);
    let reactions = token::add(reactions);
    let reactions = user::add(reactions);
    billing::add(reactions)
}

/// An event that goes through streams as it is.
trait Announced: Event {
    /// Whom it concerns.
    fn audience(&self) -> Audience;
}

/// The reaction to an event that does nothing but go through streams.
struct Announce<E>(PhantomData<fn() -> E>);

impl<E> Announce<E> {
    const fn new() -> Self {
        Self(PhantomData)
    }
}

#[async_trait]
impl<E: Announced> Reaction for Announce<E> {
    type Event = E;

    async fn react(&self, tx: &Tx, received: &Received<E>) -> Result<(), ReactionError> {
        Ok(announce(tx, received).await?)
    }
}

/// Appends the event for its audience.
async fn announce<E: Announced>(tx: &Tx, received: &Received<E>) -> Result<(), DbErr> {
    let audience = received.event.audience();
    let data =
        serde_json::to_value(&received.event).map_err(|error| DbErr::Custom(format!("event as JSON: {error}")))?;
    let announcement = Announcement {
        kind: Announcement::kind(E::TYPE).to_owned(),
        id: received.envelope.id.to_string(),
        occurred_at: received.envelope.time.to_string(),
        project_id: audience.project.map(|id| id.to_string()),
        data,
    };
    let payload =
        serde_json::to_string(&announcement).map_err(|error| DbErr::Custom(format!("announcement: {error}")))?;
    stream_event::append(tx, &announcement.kind, audience, payload).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_name_this_service_as_a_consumer_of_exactly_what_it_reacts_to() {
        let reactions = reactions();
        let differences = contracts::consumers::differences("gateway", |event_type| reactions.handles(event_type));
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}
