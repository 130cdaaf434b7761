//! `project.deleted`: nobody is told of anything in it any more, and comments are not shown.

use async_trait::async_trait;
use contracts::project::ProjectDeleted;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::store::{
    membership,
    notification::{Hidden, blank_excerpts},
    slack, tombstone,
};

pub(super) struct ProjectDeletedReaction;

#[async_trait]
impl Reaction for ProjectDeletedReaction {
    type Event = ProjectDeleted;

    async fn react(&self, tx: &Tx, received: &Received<ProjectDeleted>) -> Result<(), ReactionError> {
        let project = received.event.project_id;
        membership::end_all(tx, project).await?;
        slack::remove(tx, &project.to_string()).await?;
        tombstone::bury_project(tx, project, received.envelope.time).await?;
        Ok(blank_excerpts(tx, Hidden::Project(project)).await?)
    }
}
