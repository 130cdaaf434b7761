//! Changes of a project go to its members; a deleted project has none any more.

use async_trait::async_trait;
use contracts::project::{ProjectCreated, ProjectDeleted, ProjectUpdated};
use database::Tx;
use messaging::{Reaction, ReactionError, Reactions, Received};

use super::{Announce, Announced, announce};
use crate::{domain::audience::Audience, store::membership};

pub(super) fn add(reactions: Reactions) -> Reactions {
    reactions
        .on(Announce::<ProjectCreated>::new())
        .on(Announce::<ProjectUpdated>::new())
        .on(ForgetProject)
}

impl Announced for ProjectCreated {
    /// The maker is told though the word of their membership is still on its way.
    fn audience(&self) -> Audience {
        Audience::project_and(self.project_id, self.actor_id)
    }
}

impl Announced for ProjectUpdated {
    fn audience(&self) -> Audience {
        Audience::project(self.project_id)
    }
}

impl Announced for ProjectDeleted {
    /// Who did it is told on resuming as well, when nobody is a member any more.
    fn audience(&self) -> Audience {
        Audience::project_and(self.project_id, self.actor_id)
    }
}

struct ForgetProject;

#[async_trait]
impl Reaction for ForgetProject {
    type Event = ProjectDeleted;

    async fn react(&self, tx: &Tx, received: &Received<ProjectDeleted>) -> Result<(), ReactionError> {
        membership::forget_project(tx, received.event.project_id).await?;
        Ok(announce(tx, received).await?)
    }
}
