//! A disabled user is out at every replica at once; a changed one is asked about again; one who is gone is forgotten.

use async_trait::async_trait;
use contracts::{
    Timestamp,
    auth::{UserDeleted, UserDisabled, UserUpdated},
    gateway::GatewayErased,
};
use database::Tx;
use messaging::{Reaction, ReactionError, Reactions, Received};

use crate::{
    domain::revocation::Revocation,
    store::{membership, order, plan_limit, stream_event},
};

pub(super) fn add(reactions: Reactions) -> Reactions {
    reactions.on(EndUser).on(ForgetUser).on(EraseUser)
}

struct EndUser;

#[async_trait]
impl Reaction for EndUser {
    type Event = UserDisabled;

    async fn react(&self, tx: &Tx, received: &Received<UserDisabled>) -> Result<(), ReactionError> {
        Ok(stream_event::append_revocation(tx, Revocation::User(received.event.user_id)).await?)
    }
}

struct ForgetUser;

#[async_trait]
impl Reaction for ForgetUser {
    type Event = UserUpdated;

    async fn react(&self, tx: &Tx, received: &Received<UserUpdated>) -> Result<(), ReactionError> {
        Ok(stream_event::append_revocation(tx, Revocation::Knowledge(received.event.user_id)).await?)
    }
}

struct EraseUser;

#[async_trait]
impl Reaction for EraseUser {
    type Event = UserDeleted;

    async fn react(&self, tx: &Tx, received: &Received<UserDeleted>) -> Result<(), ReactionError> {
        let user = received.event.user_id;
        membership::leave_all(tx, user).await?;
        stream_event::forget_user(tx, user).await?;
        order::forget(tx, user).await?;
        plan_limit::forget(tx, user).await?;
        stream_event::append_revocation(tx, Revocation::User(user)).await?;
        let erased = GatewayErased {
            user_id: user,
            erased_at: Timestamp::now(),
        };
        messaging::append(tx, &erased)?;
        Ok(())
    }
}
