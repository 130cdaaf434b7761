//! Changes of comments go to the members of their project.

use contracts::project::{CommentCreated, CommentDeleted, CommentUpdated};
use messaging::Reactions;

use super::{Announce, Announced};
use crate::domain::audience::Audience;

pub(super) fn add(reactions: Reactions) -> Reactions {
    reactions
        .on(Announce::<CommentCreated>::new())
        .on(Announce::<CommentUpdated>::new())
        .on(Announce::<CommentDeleted>::new())
}

impl Announced for CommentCreated {
    fn audience(&self) -> Audience {
        Audience::project(self.project_id)
    }
}

impl Announced for CommentUpdated {
    fn audience(&self) -> Audience {
        Audience::project(self.project_id)
    }
}

impl Announced for CommentDeleted {
    fn audience(&self) -> Audience {
        Audience::project(self.project_id)
    }
}
