//! What happens in a project is posted to its Slack, if its admins have set one: new and finished tasks, comments, milestones.

use std::marker::PhantomData;

use async_trait::async_trait;
use chassis::Clock;
use contracts::{
    Event,
    analytics::MilestoneReached,
    id::{ProjectId, UserId},
    project::{CommentCreated, TaskCreated, TaskUpdated},
};
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use crate::{
    domain::{delivery::Channel, notification::one_line, slack},
    store::{
        delivery::{self, Model},
        slack as hooks, user,
    },
};

/// A line for a project's channel.
pub(super) struct Line {
    project: ProjectId,
    /// Who did it; put in front of `what`.
    actor: Option<UserId>,
    what: String,
    more: String,
}

/// An event that a project's channel may want to show.
pub(super) trait Shown: Event {
    /// What to show; `None` when it is not worth it.
    fn line(&self) -> Option<Line>;
}

impl Shown for TaskCreated {
    fn line(&self) -> Option<Line> {
        Some(Line {
            project: self.task.project_id,
            actor: Some(self.task.created_by),
            what: format!("made the task “{}”", one_line(&self.task.title)),
            more: String::new(),
        })
    }
}

impl Shown for TaskUpdated {
    fn line(&self) -> Option<Line> {
        let finished =
            self.task.status == "done" && self.previous_status.as_ref().is_some_and(|before| before != "done");
        finished.then(|| Line {
            project: self.task.project_id,
            actor: Some(self.actor_id),
            what: format!("finished the task “{}”", one_line(&self.task.title)),
            more: String::new(),
        })
    }
}

impl Shown for CommentCreated {
    fn line(&self) -> Option<Line> {
        Some(Line {
            project: self.project_id,
            actor: Some(self.author_id),
            what: format!("commented on “{}”", one_line(&self.task_title)),
            more: one_line(&self.excerpt),
        })
    }
}

impl Shown for MilestoneReached {
    fn line(&self) -> Option<Line> {
        Some(Line {
            project: self.project_id,
            actor: None,
            what: format!(
                "“{}” reached {} finished tasks",
                one_line(&self.project_name),
                self.value
            ),
            more: String::new(),
        })
    }
}

/// Posts events of one type.
pub(super) struct ProjectSlack<E> {
    clock: Clock,
    event: PhantomData<fn() -> E>,
}

impl<E> ProjectSlack<E> {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            event: PhantomData,
        }
    }
}

#[async_trait]
impl<E: Shown> Reaction for ProjectSlack<E> {
    type Event = E;

    async fn react(&self, tx: &Tx, received: &Received<E>) -> Result<(), ReactionError> {
        let Some(line) = received.event.line() else {
            return Ok(());
        };
        let owner = line.project.to_string();
        let Some(hook) = hooks::find(tx, &owner).await? else {
            return Ok(());
        };
        let title = match line.actor {
            Some(actor) => {
                let names = user::names(tx, [actor]).await?;
                format!("{} {}", names.get(&actor).map_or("Someone", String::as_str), line.what)
            }
            None => line.what,
        };
        let (payload, message) = (slack::message(&title, &line.more), received.envelope.id.to_string());
        let event_type = received.envelope.event_type.as_str();
        let event_type = event_type
            .strip_prefix(contracts::event::TYPE_PREFIX)
            .unwrap_or(event_type);
        let now = self.clock.now();
        let post = Model::new(Channel::Slack, hook.user_id, owner, message, event_type, payload, now);
        let post = Model {
            project_id: Some(line.project),
            ..post
        };
        Ok(delivery::insert(tx, vec![post]).await?)
    }
}
