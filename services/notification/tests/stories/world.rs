//! The people and things of the stories, and the events that other services publish about them.

use chassis::Clock;
use contracts::{
    Timestamp,
    auth::{SessionStarted, UserDisabled, UserPasswordChanged, UserProfile, UserRegistered, UserUpdated},
    id::{CommentId, NotificationId, ProjectId, SessionId, TaskId, UserId},
    project::{
        CommentCreated, CommentDeleted, CommentUpdated, MemberAdded, MemberRemoved, ProjectDeleted, TaskAssigned,
        TaskDeleted, TaskDueSoon,
    },
};
use notification::Notification;
use serde_json::Value;
use testkit::{Actor, TestService};

/// The service under test.
pub(crate) struct App {
    service: TestService<Notification>,
    mails: tempfile::TempDir,
}

/// What cannot be left out.
const MASTER_KEY: &str = "master_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""; // pragma: allowlist secret

impl App {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// With these settings.
    pub(crate) async fn with(settings: &str) -> Self {
        Self::at(settings, Clock::system()).await
    }

    /// With these settings, at the time of `clock`. Mails go to a folder, unless the settings say otherwise.
    pub(crate) async fn at(settings: &str, clock: Clock) -> Self {
        let mails = tempfile::tempdir().unwrap();
        let folder = match settings.contains("mail_url") {
            true => String::new(),
            false => format!("mail_url = \"file://{}\"\n", mails.path().display()),
        };
        let own = settings.strip_prefix("[notification]").unwrap_or(settings);
        let settings = format!("[notification]\n{MASTER_KEY}\n{folder}{own}");
        Self {
            service: TestService::at(&settings, clock).await,
            mails,
        }
    }

    /// All mails that were sent, oldest first.
    pub(crate) fn mails(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.mails.path()).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort_unstable();
        files
            .iter()
            .map(|file| std::fs::read_to_string(file).unwrap())
            .collect()
    }

    /// Replaces what `user` wants to hear of.
    pub(crate) async fn prefer(&self, user: &Actor, preferences: Value) {
        let call = user.request("PUT", "/v1/notification-preferences");
        call.header("if-match", "*").json(&preferences).await.expect(200);
    }
}

impl std::ops::Deref for App {
    type Target = TestService<Notification>;

    fn deref(&self) -> &Self::Target {
        &self.service
    }
}

/// A project with one task.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) project: ProjectId,
    pub(crate) task: TaskId,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            project: ProjectId::new(),
            task: TaskId::new(),
        }
    }

    pub(crate) fn assigned(&self, assignee: UserId, actor: UserId, version: i64) -> TaskAssigned {
        TaskAssigned {
            task_id: self.task,
            project_id: self.project,
            title: "Fix the valve".to_owned(),
            assignee_id: assignee,
            actor_id: actor,
            version,
        }
    }

    pub(crate) fn task_deleted(&self, actor: UserId) -> TaskDeleted {
        TaskDeleted {
            task_id: self.task,
            project_id: self.project,
            title: "Fix the valve".to_owned(),
            actor_id: actor,
            version: 99,
        }
    }

    pub(crate) fn due(&self, due_at: &str, users: &[UserId]) -> TaskDueSoon {
        TaskDueSoon {
            task_id: self.task,
            project_id: self.project,
            title: "Fix the valve".to_owned(),
            due_at: due_at.parse().unwrap(),
            user_ids: users.to_vec(),
        }
    }

    pub(crate) fn comment(&self, author: UserId, mentioned: &[UserId], participants: &[UserId]) -> CommentCreated {
        CommentCreated {
            comment_id: CommentId::new(),
            task_id: self.task,
            project_id: self.project,
            task_title: "Fix the valve".to_owned(),
            author_id: author,
            excerpt: "the pressure is too high".to_owned(),
            mentioned_ids: mentioned.to_vec(),
            participant_ids: participants.to_vec(),
            version: 1,
        }
    }

    pub(crate) fn edited(&self, comment: &CommentCreated, excerpt: &str, mentioned: &[UserId]) -> CommentUpdated {
        CommentUpdated {
            comment_id: comment.comment_id,
            task_id: self.task,
            project_id: self.project,
            task_title: comment.task_title.clone(),
            author_id: comment.author_id,
            excerpt: excerpt.to_owned(),
            mentioned_ids: mentioned.to_vec(),
            version: comment.version + 1,
        }
    }

    pub(crate) fn comment_deleted(&self, comment: &CommentCreated) -> CommentDeleted {
        CommentDeleted {
            comment_id: comment.comment_id,
            task_id: self.task,
            project_id: self.project,
            actor_id: comment.author_id,
            version: comment.version + 1,
        }
    }

    pub(crate) fn added(&self, user: UserId, actor: UserId, version: i64) -> MemberAdded {
        MemberAdded {
            project_id: self.project,
            project_name: "Apollo".to_owned(),
            user_id: user,
            role: "member".to_owned(),
            actor_id: actor,
            version,
        }
    }

    pub(crate) fn removed(&self, user: UserId, actor: UserId, version: i64) -> MemberRemoved {
        MemberRemoved {
            project_id: self.project,
            project_name: "Apollo".to_owned(),
            user_id: user,
            actor_id: actor,
            version,
        }
    }

    pub(crate) fn deleted(&self, actor: UserId) -> ProjectDeleted {
        ProjectDeleted {
            project_id: self.project,
            actor_id: actor,
            version: 9,
        }
    }
}

pub(crate) fn profile(user: UserId, name: &str, version: i64) -> UserProfile {
    UserProfile {
        user_id: user,
        email: format!("{user}@example.com"),
        handle: "someone".to_owned(),
        display_name: name.to_owned(),
        email_verified: true,
        role: "user".to_owned(),
        disabled: false,
        version,
    }
}

pub(crate) fn registered(user: UserId, name: &str) -> UserRegistered {
    UserRegistered {
        user_id: user,
        user: profile(user, name, 1),
    }
}

pub(crate) fn renamed(user: UserId, name: &str, version: i64) -> UserUpdated {
    UserUpdated {
        user_id: user,
        user: profile(user, name, version),
    }
}

pub(crate) fn disabled(user: UserId, version: i64) -> UserDisabled {
    UserDisabled { user_id: user, version }
}

pub(crate) fn password_changed(user: UserId, by_reset: bool, version: i64) -> UserPasswordChanged {
    UserPasswordChanged {
        user_id: user,
        by_reset,
        version,
    }
}

pub(crate) fn signed_in(user: UserId, client: &str, unseen_client: bool, started_at: Timestamp) -> SessionStarted {
    SessionStarted {
        session_id: SessionId::new(),
        user_id: user,
        client: client.to_owned(),
        unseen_client,
        started_at,
    }
}

/// The whole inbox, newest first.
pub(crate) async fn inbox(user: &Actor) -> Vec<Value> {
    user.get("/v1/notifications?limit=200").await.expect(200).json["items"]
        .as_array()
        .cloned()
        .unwrap()
}

/// The titles in the inbox, newest first.
pub(crate) async fn titles(user: &Actor) -> Vec<String> {
    inbox(user)
        .await
        .iter()
        .map(|one| one["title"].as_str().unwrap().to_owned())
        .collect()
}

/// The types in the inbox, newest first.
pub(crate) async fn types(user: &Actor) -> Vec<String> {
    inbox(user)
        .await
        .iter()
        .map(|one| one["type"].as_str().unwrap().to_owned())
        .collect()
}

/// The number on the badge; also what the inbox itself says, as the two must never differ.
pub(crate) async fn badge(user: &Actor) -> u64 {
    let count = user.get("/v1/notifications/unread-count").await.expect(200).json["unread_count"]
        .as_u64()
        .unwrap();
    let unread = user.get("/v1/notifications?unread=true&limit=200").await.expect(200);
    assert_eq!(
        unread.json["items"].as_array().unwrap().len() as u64,
        count,
        "the badge is not what is unread"
    );
    count
}

pub(crate) fn id_of(notification: &Value) -> NotificationId {
    notification["id"].as_str().unwrap().parse().unwrap()
}
