//! `user.registered`: the directory learns the user, and the invitations of their address become memberships.

use async_trait::async_trait;
use chassis::Clock;
use contracts::auth::{UserProfile, UserRegistered};
use database::Tx;
use messaging::{Reaction, ReactionError, Received};
use serde_json::json;

use crate::{
    domain::{invitation, project::Project},
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
    let now = clock.now();
    for invitation in store::invitation::take_all(tx, &address).await? {
        // Deleted under us: its invitations went with it.
        let Some(project) = store::project::find(tx, invitation.project_id).await? else {
            continue;
        };
        join(tx, &project, user, &invitation, now).await?;
    }
    Ok(())
}

async fn join(
    tx: &Tx,
    project: &Project,
    user: &UserProfile,
    invitation: &invitation::Invitation,
    now: contracts::Timestamp,
) -> Result<(), ReactionError> {
    let added = store::member::add(tx, project.id, user.user_id, invitation.role, now).await?;
    // A member already, by another way: their role stays.
    let Some(member) = added else { return Ok(()) };
    let subject = user.user_id.to_string();
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
    messaging::append(tx, &member.added(project, invitation.invited_by)).await?;
    Ok(())
}
