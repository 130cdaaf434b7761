//! A session that ended is void at every replica at once.

use async_trait::async_trait;
use contracts::auth::SessionRevoked;
use database::Tx;
use messaging::{Reaction, ReactionError, Reactions, Received};

use crate::{domain::revocation::Revocation, store::stream_event};

pub(super) fn add(reactions: Reactions) -> Reactions {
    reactions.on(EndSession)
}

struct EndSession;

#[async_trait]
impl Reaction for EndSession {
    type Event = SessionRevoked;

    async fn react(&self, tx: &Tx, received: &Received<SessionRevoked>) -> Result<(), ReactionError> {
        Ok(stream_event::append_revocation(tx, Revocation::Session(received.event.session_id)).await?)
    }
}
