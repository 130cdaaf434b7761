//! What a batch of events says to the projections.
//!
//! News are sums, sets by version and first-known facts: adding events in another order, or in other batches, gives the same
//! projections. That is what makes late events harmless and a rebuild comparable with what it replaces.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{
    Event, Timestamp,
    analytics::{MilestoneReached, ReportGenerated},
    auth, billing,
    id::{ProjectId, TaskId, UserId},
    project,
};
use serde::de::DeserializeOwned;

use super::{
    activity::{Kind, slot},
    business::Subscribed,
    event::Logged,
    task::Task,
};

/// Upper bounds by which delays are counted, in milliseconds.
pub const DELAY_BOUNDS: [i64; 18] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 3_600_000, 86_400_000,
];

/// The value of an event is not what its type promises.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It cannot be read.
    #[error("not a {event_type}")]
    Value {
        /// Which type.
        event_type: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// A status that this release does not know.
    #[error("{event_type} has the status {status:?}, which this release does not know")]
    Status {
        /// Which type.
        event_type: String,
        /// The status.
        status: String,
    },
}

/// What is new about a project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProjectNews {
    /// Its newest name and the version that it is of.
    pub name: Option<(i64, String)>,
    /// When it ended.
    pub deleted_at: Option<Timestamp>,
}

/// A membership in its newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Version of the membership.
    pub version: i64,
    /// Whether they are a member.
    pub active: bool,
}

/// What is new about a user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserNews {
    /// When they opened the account.
    pub registered_at: Option<Timestamp>,
    /// Whether it is shut, and the version that it is of.
    pub disabled: Option<(i64, bool)>,
    /// When they closed it for good.
    pub deleted_at: Option<Timestamp>,
}

/// What a batch of events says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// Tasks with what is new of their histories.
    pub tasks: BTreeMap<TaskId, Task>,
    /// Projects.
    pub projects: BTreeMap<ProjectId, ProjectNews>,
    /// Memberships.
    pub members: BTreeMap<(ProjectId, UserId), Membership>,
    /// Users.
    pub users: BTreeMap<UserId, UserNews>,
    /// What users did in which quarter of an hour.
    pub activity: BTreeMap<(UserId, Timestamp, Kind), u64>,
    /// Events by quarter and type.
    pub volume: BTreeMap<(Timestamp, String), u64>,
    /// Events by quarter and upper bound of their delay.
    pub delays: BTreeMap<(Timestamp, i64), u64>,
    /// Subscriptions in their versions.
    pub subscriptions: BTreeMap<String, Subscribed>,
}

impl News {
    /// Adds what `event` says.
    ///
    /// # Errors
    /// When its value is not of its type.
    pub fn add(&mut self, event: &Logged) -> Result<(), Unreadable> {
        self.measure(event);
        match event.event_type.as_str() {
            auth::UserRegistered::TYPE => self.user_registered(event, &read(event)?),
            auth::UserUpdated::TYPE => {
                let update: auth::UserUpdated = read(event)?;
                self.status(update.user_id, update.user.version, update.user.disabled);
                self.act(update.user_id, Kind::Other, event.time);
            }
            auth::UserDisabled::TYPE => {
                let shut: auth::UserDisabled = read(event)?;
                self.status(shut.user_id, shut.version, true);
            }
            auth::UserEnabled::TYPE => {
                let opened: auth::UserEnabled = read(event)?;
                self.status(opened.user_id, opened.version, false);
            }
            auth::UserDeleted::TYPE => {
                let deleted: auth::UserDeleted = read(event)?;
                self.users.entry(deleted.user_id).or_default().deleted_at = Some(deleted.deleted_at);
            }
            auth::SessionStarted::TYPE => {
                self.act(read::<auth::SessionStarted>(event)?.user_id, Kind::Other, event.time);
            }
            auth::TokenCreated::TYPE => {
                self.act(read::<auth::TokenCreated>(event)?.user_id, Kind::Other, event.time);
            }
            billing::SubscriptionUpdated::TYPE => self.subscription(read(event)?),
            MilestoneReached::TYPE | ReportGenerated::TYPE => {}
            _ => self.project_event(event)?,
        }
        Ok(())
    }

    fn project_event(&mut self, event: &Logged) -> Result<(), Unreadable> {
        match event.event_type.as_str() {
            project::ProjectCreated::TYPE => {
                let created: project::ProjectCreated = read(event)?;
                self.name(created.project_id, created.project.version, &created.project.name);
                self.act(created.actor_id, Kind::Other, event.time);
            }
            project::ProjectUpdated::TYPE => {
                let updated: project::ProjectUpdated = read(event)?;
                self.name(updated.project_id, updated.project.version, &updated.project.name);
                self.act(updated.actor_id, Kind::Other, event.time);
            }
            project::ProjectDeleted::TYPE => {
                let deleted: project::ProjectDeleted = read(event)?;
                self.projects.entry(deleted.project_id).or_default().deleted_at = Some(event.time);
                self.act(deleted.actor_id, Kind::Other, event.time);
            }
            project::MemberInvited::TYPE => {
                self.act(read::<project::MemberInvited>(event)?.actor_id, Kind::Other, event.time);
            }
            project::MemberAdded::TYPE => {
                let added: project::MemberAdded = read(event)?;
                // Before any version of the project itself: its own events know better.
                self.name(added.project_id, 0, &added.project_name);
                self.member(added.project_id, added.user_id, added.version, true);
                self.act(added.actor_id, Kind::Other, event.time);
            }
            project::MemberRoleChanged::TYPE => {
                let changed: project::MemberRoleChanged = read(event)?;
                self.member(changed.project_id, changed.user_id, changed.version, true);
                self.act(changed.actor_id, Kind::Other, event.time);
            }
            project::MemberRemoved::TYPE => {
                let removed: project::MemberRemoved = read(event)?;
                self.member(removed.project_id, removed.user_id, removed.version, false);
                self.act(removed.actor_id, Kind::Other, event.time);
            }
            project::TaskCreated::TYPE => {
                let created: project::TaskCreated = read(event)?;
                self.task(event, created.task_id, &created.task)?;
                self.act(created.actor_id, Kind::TaskCreated, event.time);
            }
            project::TaskUpdated::TYPE => self.task_updated(event, &read(event)?)?,
            project::TaskMoved::TYPE => self.act(read::<project::TaskMoved>(event)?.actor_id, Kind::Other, event.time),
            project::TaskDeleted::TYPE => {
                let deleted: project::TaskDeleted = read(event)?;
                let task = self.tasks.entry(deleted.task_id);
                task.or_insert_with(|| Task::of(deleted.project_id))
                    .bury(deleted.version, event.time);
                self.act(deleted.actor_id, Kind::Other, event.time);
            }
            project::CommentCreated::TYPE => {
                self.act(
                    read::<project::CommentCreated>(event)?.author_id,
                    Kind::Comment,
                    event.time,
                );
            }
            project::CommentUpdated::TYPE => {
                self.act(
                    read::<project::CommentUpdated>(event)?.author_id,
                    Kind::Other,
                    event.time,
                );
            }
            project::CommentDeleted::TYPE => {
                self.act(
                    read::<project::CommentDeleted>(event)?.actor_id,
                    Kind::Other,
                    event.time,
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// The users whom these news are about.
    pub fn people(&self) -> BTreeSet<UserId> {
        let active = self.activity.keys().map(|(user, ..)| *user);
        let members = self.members.keys().map(|(_, user)| *user);
        active.chain(members).chain(self.users.keys().copied()).collect()
    }

    /// Leaves out what is told of people who closed their accounts.
    pub fn forget(&mut self, erased: &BTreeSet<UserId>) {
        self.activity.retain(|(user, ..), _| !erased.contains(user));
        self.members.retain(|(_, user), _| !erased.contains(user));
    }

    fn measure(&mut self, event: &Logged) {
        let slot = slot(event.time);
        *self.volume.entry((slot, event.event_type.clone())).or_default() += 1;
        let delay = event.received_at.since(event.time).as_millis();
        let bound = DELAY_BOUNDS
            .into_iter()
            .find(|bound| delay <= u128::from(bound.unsigned_abs()))
            .unwrap_or(i64::MAX);
        *self.delays.entry((slot, bound)).or_default() += 1;
    }

    fn act(&mut self, user: UserId, kind: Kind, time: Timestamp) {
        *self.activity.entry((user, slot(time), kind)).or_default() += 1;
    }

    fn user_registered(&mut self, event: &Logged, registered: &auth::UserRegistered) {
        let user = self.users.entry(registered.user_id).or_default();
        user.registered_at = Some(event.time);
        self.status(registered.user_id, registered.user.version, registered.user.disabled);
        self.act(registered.user_id, Kind::Other, event.time);
    }

    fn status(&mut self, user: UserId, version: i64, disabled: bool) {
        let user = self.users.entry(user).or_default();
        if user.disabled.is_none_or(|(known, _)| version > known) {
            user.disabled = Some((version, disabled));
        }
    }

    fn name(&mut self, project: ProjectId, version: i64, name: &str) {
        let project = self.projects.entry(project).or_default();
        if project.name.as_ref().is_none_or(|(known, _)| version > *known) {
            project.name = Some((version, text(name)));
        }
    }

    fn member(&mut self, project: ProjectId, user: UserId, version: i64, active: bool) {
        let news = Membership { version, active };
        let known = self.members.entry((project, user)).or_insert_with(|| news.clone());
        if version > known.version {
            *known = news;
        }
    }

    fn task(&mut self, event: &Logged, id: TaskId, snapshot: &project::TaskSnapshot) -> Result<(), Unreadable> {
        let task = self.tasks.entry(id).or_insert_with(|| Task::of(snapshot.project_id));
        task.learn(snapshot, event.time).ok_or_else(|| Unreadable::Status {
            event_type: event.event_type.clone(),
            status: snapshot.status.clone(),
        })
    }

    fn task_updated(&mut self, event: &Logged, updated: &project::TaskUpdated) -> Result<(), Unreadable> {
        let matters = |field: &String| matches!(field.as_str(), "status" | "due_at" | "assignee_ids");
        if updated.changed.iter().any(matters) {
            self.task(event, updated.task_id, &updated.task)?;
        }
        let finished = updated.task.status == "done" && updated.previous_status.is_some();
        let kind = if finished { Kind::TaskCompleted } else { Kind::Other };
        self.act(updated.actor_id, kind, event.time);
        Ok(())
    }

    fn subscription(&mut self, updated: billing::SubscriptionUpdated) {
        let snapshot = updated.subscription;
        let key = format!("{} {}", snapshot.subscription_id, snapshot.version);
        self.subscriptions.entry(key).or_insert_with(|| Subscribed {
            subscription: snapshot.subscription_id,
            version: snapshot.version,
            at: updated.changed_at,
            mrr_minor: snapshot.mrr_minor,
            currency: text(&snapshot.currency),
        });
    }
}

/// PostgreSQL stores no NUL.
fn text(text: &str) -> String {
    text.replace('\0', "")
}

fn read<E: Event + DeserializeOwned>(event: &Logged) -> Result<E, Unreadable> {
    serde_json::from_str(&event.data).map_err(|source| Unreadable::Value {
        event_type: E::TYPE.to_owned(),
        source,
    })
}
