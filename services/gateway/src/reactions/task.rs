//! Changes of tasks go to the members of their project.

use contracts::project::{TaskAssigned, TaskCreated, TaskDeleted, TaskDueSoon, TaskMoved, TaskUpdated};
use messaging::Reactions;

use super::{Announce, Announced};
use crate::domain::audience::Audience;

pub(super) fn add(reactions: Reactions) -> Reactions {
    reactions
        .on(Announce::<TaskCreated>::new())
        .on(Announce::<TaskUpdated>::new())
        .on(Announce::<TaskAssigned>::new())
        .on(Announce::<TaskMoved>::new())
        .on(Announce::<TaskDeleted>::new())
        .on(Announce::<TaskDueSoon>::new())
}

impl Announced for TaskCreated {
    fn audience(&self) -> Audience {
        Audience::project(self.task.project_id)
    }
}

impl Announced for TaskUpdated {
    fn audience(&self) -> Audience {
        Audience::project(self.task.project_id)
    }
}

impl Announced for TaskAssigned {
    fn audience(&self) -> Audience {
        Audience::project(self.project_id)
    }
}

impl Announced for TaskMoved {
    fn audience(&self) -> Audience {
        Audience::project(self.project_id)
    }
}

impl Announced for TaskDeleted {
    fn audience(&self) -> Audience {
        Audience::project(self.project_id)
    }
}

impl Announced for TaskDueSoon {
    fn audience(&self) -> Audience {
        Audience::project(self.project_id)
    }
}
