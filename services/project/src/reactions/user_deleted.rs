//! `user.deleted`: the person leaves every project and is forgotten; what they made stays, as that of a deleted user.
//!
//! A project that nobody else is in is deleted. One that they were the last owner of goes to the member of the highest role
//! who has been in it the longest, whose account works. All of it is one transaction with the word that it is done.

use async_trait::async_trait;
use chassis::Clock;
use contracts::{
    Timestamp,
    auth::UserDeleted,
    id::{ProjectId, UserId},
    project::ProjectErased,
};
use database::Tx;
use identity::ProjectRole;
use messaging::{Reaction, ReactionError, Received};
use serde_json::json;

use crate::{domain::project::Project, store};

pub(super) struct UserDeletedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for UserDeletedReaction {
    type Event = UserDeleted;

    async fn react(&self, tx: &Tx, received: &Received<UserDeleted>) -> Result<(), ReactionError> {
        let (event, now) = (&received.event, self.clock.now());
        for project in store::member::projects_of(tx, event.user_id).await? {
            leave(tx, project, event.user_id, now).await?;
        }
        store::erasure::forget(tx, event.user_id, event.version, now).await?;
        let erased = ProjectErased {
            user_id: event.user_id,
            erased_at: now,
        };
        messaging::append(tx, &erased)?;
        Ok(())
    }
}

async fn leave(tx: &Tx, id: ProjectId, user: UserId, now: Timestamp) -> Result<(), ReactionError> {
    store::access::lock_project(tx, id).await?;
    let (Some(project), Some(mut member)) = (
        store::project::find(tx, id).await?,
        store::member::find(tx, id, user).await?,
    ) else {
        return Ok(());
    };
    if member.role == ProjectRole::Owner && store::member::other_owners(tx, id, user).await? == 0 {
        match store::member::heir(tx, id, user).await? {
            Some(heir) => hand_over(tx, &project, heir, user, now).await?,
            None => {
                store::project::delete(tx, id).await?;
                messaging::append(tx, &project.delete(user))?;
                return Ok(());
            }
        }
    }
    // Somebody else owns it now, so nothing holds them.
    if let Ok(removed) = member.remove(&project, (user, ProjectRole::Owner), 1) {
        store::member::remove(tx, id, &member, now).await?;
        store::activity::record_activity(tx, id, user, "member.removed", &user.to_string(), json!({}), now).await?;
        messaging::append(tx, &removed)?;
    }
    Ok(())
}

async fn hand_over(tx: &Tx, project: &Project, heir: UserId, by: UserId, now: Timestamp) -> Result<(), ReactionError> {
    let Some(mut owner) = store::member::find(tx, project.id, heir).await? else {
        return Ok(());
    };
    let before = owner.role;
    if let Ok(Some(changed)) = owner.change_role(project, ProjectRole::Owner, (by, ProjectRole::Owner), 1) {
        store::member::update_role(tx, project.id, &owner).await?;
        let data = json!({ "role": owner.role.name(), "previous_role": before.name() });
        let subject = heir.to_string();
        store::activity::record_activity(tx, project.id, by, "member.role_changed", &subject, data, now).await?;
        messaging::append(tx, &changed)?;
    }
    Ok(())
}
