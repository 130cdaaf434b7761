//! `session.started`: a sign-in with an unseen client is told of, unless it is the user's first.

use async_trait::async_trait;
use chassis::Clock;
use contracts::auth::SessionStarted;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::{
    domain::session::SignIn,
    store::{inbox, session},
};

pub(super) struct SessionStartedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for SessionStartedReaction {
    type Event = SessionStarted;

    async fn react(&self, tx: &Tx, received: &Received<SessionStarted>) -> Result<(), ReactionError> {
        let event = &received.event;
        let sign_in = SignIn {
            session: event.session_id,
            user: event.user_id,
            client: event.client.clone(),
            unseen_client: event.unseen_client,
            started_at: event.started_at,
        };
        inbox::lock(tx, [sign_in.user]).await?;
        let outcome = sign_in.after(session::first(tx, event.user_id).await?);
        if let Some(first) = &outcome.first {
            session::remember(tx, first).await?;
        }
        if let Some(later) = &outcome.tell {
            notify(tx, &later.news(), [later.user], self.clock.now()).await?;
        }
        Ok(())
    }
}
