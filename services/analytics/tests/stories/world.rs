//! The people and things of the stories, and the events that other services publish about them.

use analytics::Analytics;
use chassis::Clock;
use contracts::{
    Envelope, Event, EventId, Timestamp,
    auth::{UserDeleted, UserProfile, UserRegistered},
    id::{CommentId, ProjectId, TaskId, UserId},
    project::{
        CommentCreated, MemberAdded, MemberRemoved, ProjectCreated, ProjectSnapshot, TaskCreated, TaskDeleted,
        TaskSnapshot, TaskUpdated,
    },
};
use messaging::inbox::Outcome;
use serde_json::Value;
use testkit::{Actor, TestService};

pub(crate) type App = TestService<Analytics>;

/// The service, at a time after all that the stories tell of.
pub(crate) async fn start() -> App {
    App::at("", after_the_stories()).await
}

/// The machine's clock, put forward if it has to be.
pub(crate) fn after_the_stories() -> Clock {
    let clock = Clock::system();
    clock.advance(at("2026-12-01T00:00:00Z").since(clock.now()));
    clock
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An event as it was published at a time, ready to be delivered any number of times.
#[derive(Clone)]
pub(crate) struct Published {
    pub(crate) envelope: Envelope,
    pub(crate) value: Vec<u8>,
}

pub(crate) fn published<E: Event>(event: &E, time: Timestamp) -> Published {
    Published {
        envelope: Envelope {
            id: EventId::new(),
            source: format!("/services/{}", E::TOPIC.publisher()),
            event_type: E::TYPE.to_owned(),
            time,
            subject: event.key(),
            causation_id: None,
            traceparent: None,
            tracestate: None,
        },
        value: serde_json::to_vec(event).unwrap(),
    }
}

pub(crate) async fn deliver(app: &App, event: &Published) {
    let outcome = app.deliver_as(&event.envelope, event.value.clone()).await;
    assert!(matches!(outcome, Outcome::Applied | Outcome::Duplicate), "{outcome:?}");
}

pub(crate) async fn tell<E: Event>(app: &App, event: &E, time: &str) -> EventId {
    let published = published(event, at(time));
    deliver(app, &published).await;
    published.envelope.id
}

/// A project with its first owner.
#[derive(Clone)]
pub(crate) struct Team {
    pub(crate) project: ProjectId,
    pub(crate) owner: Actor,
}

impl Team {
    /// Made on the first of January.
    pub(crate) async fn new(app: &App) -> Self {
        let team = Self {
            project: ProjectId::new(),
            owner: app.user(),
        };
        tell(app, &team.created(), "2026-01-01T08:00:00Z").await;
        tell(app, &team.added(team.owner.id, 1), "2026-01-01T08:00:00Z").await;
        team
    }

    pub(crate) fn created(&self) -> ProjectCreated {
        ProjectCreated {
            project_id: self.project,
            project: ProjectSnapshot {
                project_id: self.project,
                name: "Apollo".to_owned(),
                description: String::new(),
                archived_at: None,
                version: 1,
            },
            actor_id: self.owner.id,
        }
    }

    pub(crate) fn added(&self, user: UserId, version: i64) -> MemberAdded {
        MemberAdded {
            project_id: self.project,
            project_name: "Apollo".to_owned(),
            user_id: user,
            role: "member".to_owned(),
            actor_id: self.owner.id,
            version,
        }
    }

    pub(crate) fn removed(&self, user: UserId, version: i64) -> MemberRemoved {
        MemberRemoved {
            project_id: self.project,
            project_name: "Apollo".to_owned(),
            user_id: user,
            actor_id: self.owner.id,
            version,
        }
    }

    pub(crate) fn path(&self, figure: &str, query: &str) -> String {
        format!("/v1/analytics/projects/{}/{figure}?{query}", self.project)
    }

    /// What the owner is told.
    pub(crate) async fn figures(&self, figure: &str, query: &str) -> Value {
        self.owner.get(self.path(figure, query)).await.expect(200).json
    }

    /// The events of a task that has each status from its time on.
    pub(crate) fn task(&self, story: &[(&str, &str)]) -> Vec<Published> {
        self.task_of(self.owner.id, None, story)
    }

    /// The same of somebody, with a due time.
    pub(crate) fn task_of(&self, user: UserId, due: Option<&str>, story: &[(&str, &str)]) -> Vec<Published> {
        let id = TaskId::new();
        let created_at = at(story[0].0);
        let mut previous: Option<String> = None;
        story
            .iter()
            .enumerate()
            .map(|(index, (time, status))| {
                let version = index as i64 + 1;
                let before = previous.replace((*status).to_owned());
                if *status == "deleted" {
                    let deleted = TaskDeleted {
                        task_id: id,
                        project_id: self.project,
                        title: "Fix the valve".to_owned(),
                        actor_id: user,
                        version,
                    };
                    return published(&deleted, at(time));
                }
                let task = TaskSnapshot {
                    task_id: id,
                    project_id: self.project,
                    title: "Fix the valve".to_owned(),
                    status: (*status).to_owned(),
                    priority: "none".to_owned(),
                    due_at: due.map(at),
                    assignee_ids: vec![],
                    labels: vec![],
                    created_by: user,
                    created_at,
                    completed_at: (*status == "done").then(|| at(time)),
                    version,
                };
                match before {
                    None => published(
                        &TaskCreated {
                            task_id: id,
                            task,
                            actor_id: user,
                        },
                        at(time),
                    ),
                    Some(before) => published(
                        &TaskUpdated {
                            task_id: id,
                            task,
                            changed: vec!["status".to_owned()],
                            previous_status: Some(before),
                            actor_id: user,
                        },
                        at(time),
                    ),
                }
            })
            .collect()
    }

    /// The events of a task reach the service.
    pub(crate) async fn work(&self, app: &App, story: &[(&str, &str)]) {
        for event in self.task(story) {
            deliver(app, &event).await;
        }
    }
}

pub(crate) fn registered(user: UserId) -> UserRegistered {
    UserRegistered {
        user_id: user,
        user: UserProfile {
            user_id: user,
            email: format!("{user}@example.com"),
            handle: "ada".to_owned(),
            display_name: "Ada Lovelace".to_owned(),
            email_verified: true,
            role: "user".to_owned(),
            disabled: false,
            version: 1,
        },
    }
}

pub(crate) fn deleted(user: UserId, time: &str) -> UserDeleted {
    UserDeleted {
        user_id: user,
        deleted_at: at(time),
        version: 9,
    }
}

pub(crate) fn comment(team: &Team, author: UserId, excerpt: &str) -> CommentCreated {
    CommentCreated {
        comment_id: CommentId::new(),
        task_id: TaskId::new(),
        project_id: team.project,
        task_title: "Fix the valve".to_owned(),
        author_id: author,
        excerpt: excerpt.to_owned(),
        mentioned_ids: vec![],
        participant_ids: vec![],
        version: 1,
    }
}

pub(crate) fn admin(app: &App) -> Actor {
    app.user_with(|claims| claims.role = identity::Role::Admin)
}

/// One field of every point.
pub(crate) fn column(figures: &Value, name: &str) -> Vec<u64> {
    figures["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point[name].as_u64().unwrap_or_else(|| panic!("{name} in {point}")))
        .collect()
}
