//! `user.registered`: the directory learns the user, and the invitations of their address become memberships, as far as the
//! plans of the projects' accounts allow.

use async_trait::async_trait;
use chassis::Clock;
use contracts::{
    Timestamp,
    auth::{UserProfile, UserRegistered},
    id::UserId,
};
use database::Tx;
use messaging::{Reaction, ReactionError, Received};
use serde_json::json;

use crate::{
    domain::{
        invitation::{self, Invitation},
        quota::QuotaError,
    },
    store,
};

pub(super) struct UserRegisteredReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for UserRegisteredReaction {
    type Event = UserRegistered;

    async fn react(&self, tx: &Tx, received: &Received<UserRegistered>) -> Result<(), ReactionError> {
        learn(tx, &received.event.user, &self.clock).await
    }
}

/// Takes a profile into the directory. What is older than what is known changes nothing: its invitations were seen to when
/// the newer one came.
pub(super) async fn learn(tx: &Tx, user: &UserProfile, clock: &Clock) -> Result<(), ReactionError> {
    let address = invitation::key(&user.email);
    store::user::lock_address(tx, &address).await?;
    if !store::user::learn_profile(tx, user).await? {
        return Ok(());
    }
    for invitation in store::invitation::of_address(tx, &address).await? {
        accept(tx, user.user_id, &invitation, clock.now()).await?;
    }
    Ok(())
}

/// Makes the invitation a membership of `user`, who has its address. When the account of the project has no room, it stays
/// with the reason. The caller holds the lock of the address.
pub(super) async fn accept(
    tx: &Tx,
    user: UserId,
    invitation: &Invitation,
    now: Timestamp,
) -> Result<(), ReactionError> {
    // Deleted under us: its invitations went with it.
    let Some(project) = store::project::find(tx, invitation.project_id).await? else {
        return Ok(());
    };
    // A member already, by another way: their role stays.
    let member = store::member::find(tx, project.id, user).await?.is_some();
    if !member {
        match store::quota::room_for(tx, project.created_by, user).await {
            Ok(()) => {}
            Err(QuotaError::Exceeded(exceeded)) => {
                return Ok(store::invitation::hold_back(tx, invitation.id, &exceeded.to_string()).await?);
            }
            Err(QuotaError::Store(error)) => return Err(error.into()),
        }
    }
    // Nobody withdrew it meanwhile.
    if !store::invitation::delete(tx, invitation.id).await? || member {
        return Ok(());
    }
    let added = store::member::add(tx, project.id, user, invitation.role, now).await?;
    let Some(member) = added else { return Ok(()) };
    let subject = user.to_string();
    let data = json!({ "role": member.role.name() });
    store::activity::record_activity(
        tx,
        project.id,
        invitation.invited_by,
        "member.added",
        &subject,
        data,
        now,
    )
    .await?;
    messaging::append(tx, &member.added(&project, invitation.invited_by))?;
    Ok(())
}
