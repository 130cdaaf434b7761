//! `erasure.…_completed`: a service holds nothing of a closed account any more; after the last one nobody does.

use std::marker::PhantomData;

use async_trait::async_trait;
use contracts::auth::UserErased;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::{domain::erasure::Erased, store};

pub(super) struct ErasedReaction<E>(PhantomData<fn() -> E>);

impl<E> ErasedReaction<E> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

#[async_trait]
impl<E: Erased> Reaction for ErasedReaction<E> {
    type Event = E;

    async fn react(&self, tx: &Tx, received: &Received<E>) -> Result<(), ReactionError> {
        let (user, at) = (received.event.user(), received.event.at());
        if store::erasure::note(tx, user, E::SERVICE, at).await? {
            let erased = UserErased {
                user_id: user,
                erased_at: at,
            };
            messaging::append(tx, &erased)?;
        }
        Ok(())
    }
}
