//! A personal access token that was revoked is void at every replica at once.

use async_trait::async_trait;
use contracts::auth::TokenRevoked;
use database::Tx;
use messaging::{Reaction, ReactionError, Reactions, Received};

use crate::{domain::revocation::Revocation, store::stream_event};

pub(super) fn add(reactions: Reactions) -> Reactions {
    reactions.on(EndToken)
}

struct EndToken;

#[async_trait]
impl Reaction for EndToken {
    type Event = TokenRevoked;

    async fn react(&self, tx: &Tx, received: &Received<TokenRevoked>) -> Result<(), ReactionError> {
        Ok(stream_event::append_revocation(tx, Revocation::Token(received.event.token_id)).await?)
    }
}
