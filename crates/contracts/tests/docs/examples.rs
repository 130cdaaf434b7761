//! One example of every event, of one story: Ada invites Grace, they work on a task.

use std::str::FromStr;

use contracts::{Event, Timestamp, auth::*, gateway::*, id::*, notification::*, project::*};
use serde_json::Value;

/// An event as it travels.
pub(crate) struct Example {
    pub(crate) type_name: &'static str,
    pub(crate) key: String,
    pub(crate) value: Value,
}

fn of<E: Event>(event: &E) -> Example {
    Example {
        type_name: E::TYPE,
        key: event.key(),
        value: serde_json::to_value(event).unwrap(),
    }
}

fn id<T: FromStr<Err = InvalidId>>(text: &str) -> T {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// When the examples happen.
pub(crate) fn moment() -> Timestamp {
    at("2026-03-01T12:00:00.25Z")
}

/// One of each.
pub(crate) fn all() -> Vec<Example> {
    let ada: UserId = id("usr_01k9z3t5x1f6w8y0a2b4c6d8eg");
    let grace: UserId = id("usr_01k9z3t8m2g7x9z1b3c5d7e9fh");
    let project_id: ProjectId = id("prj_01k9z3tr7pe9nsb6f3x5m1q2za");
    let task_id: TaskId = id("tsk_01k9z3tzjhf5k8w0c4v2d6r9ye");
    let comment_id: CommentId = id("cmt_01k9z3v0n4e7h2m5s8x1b3g6ja");
    let session_id: SessionId = id("ses_01k9z3ta6ne8k3q6t9w2y5b8cd");
    let token_id: TokenId = id("pat_01k9z3tc4hf1m4r7v0x3z6d9ge");
    let notification_id: NotificationId = id("ntf_01k9z3v0q8e2m9xkq4t1c7h5wd");
    let (project_name, title) = ("Apollo".to_owned(), "Fix the valve".to_owned());
    let user = |version| UserProfile {
        user_id: grace,
        email: "grace@example.com".to_owned(),
        handle: "grace".to_owned(),
        display_name: "Grace Hopper".to_owned(),
        email_verified: version > 1,
        role: "user".to_owned(),
        disabled: false,
        version,
    };
    let project = |version| ProjectSnapshot {
        project_id,
        name: project_name.clone(),
        description: "To the moon and back.".to_owned(),
        archived_at: None,
        version,
    };
    let task = |status: &str, version| TaskSnapshot {
        task_id,
        project_id,
        title: title.clone(),
        status: status.to_owned(),
        priority: "high".to_owned(),
        due_at: Some(at("2026-03-03T17:00:00Z")),
        assignee_ids: vec![grace],
        labels: vec!["hydraulics".to_owned()],
        created_by: ada,
        created_at: at("2026-03-01T09:30:00Z"),
        completed_at: None,
        version,
    };
    let excerpt = "@grace can you look at the pressure log?".to_owned();
    vec![
        of(&UserRegistered {
            user_id: grace,
            user: user(1),
        }),
        of(&UserUpdated {
            user_id: grace,
            user: user(2),
        }),
        of(&UserDisabled {
            user_id: grace,
            version: 3,
        }),
        of(&UserEnabled {
            user_id: grace,
            version: 4,
        }),
        of(&UserPasswordChanged {
            user_id: grace,
            by_reset: false,
            version: 5,
        }),
        of(&SessionStarted {
            session_id,
            user_id: grace,
            client: "Firefox on Linux".to_owned(),
            unseen_client: true,
            started_at: moment(),
        }),
        of(&SessionRevoked {
            session_id,
            user_id: grace,
            reason: "logout".to_owned(),
        }),
        of(&TokenCreated {
            token_id,
            user_id: grace,
            name: "build server".to_owned(),
            scopes: vec!["tasks:read".to_owned()],
            expires_at: Some(at("2026-06-01T00:00:00Z")),
        }),
        of(&TokenRevoked {
            token_id,
            user_id: grace,
        }),
        of(&ProjectCreated {
            project_id,
            project: project(1),
            actor_id: ada,
        }),
        of(&ProjectUpdated {
            project_id,
            project: project(2),
            changed: vec!["description".to_owned()],
            actor_id: ada,
        }),
        of(&ProjectDeleted {
            project_id,
            actor_id: ada,
            version: 3,
        }),
        of(&MemberInvited {
            invitation_id: id("inv_01k9z3tw9re4n7s0v3y6b9e2gf"),
            project_id,
            project_name: project_name.clone(),
            email: "grace@example.com".to_owned(),
            role: "member".to_owned(),
            actor_id: ada,
        }),
        of(&MemberAdded {
            project_id,
            project_name: project_name.clone(),
            user_id: grace,
            role: "member".to_owned(),
            actor_id: ada,
            version: 1,
        }),
        of(&MemberRoleChanged {
            project_id,
            project_name: project_name.clone(),
            user_id: grace,
            role: "admin".to_owned(),
            actor_id: ada,
            version: 2,
        }),
        of(&MemberRemoved {
            project_id,
            project_name,
            user_id: grace,
            actor_id: ada,
            version: 3,
        }),
        of(&TaskCreated {
            task_id,
            task: task("todo", 1),
            actor_id: ada,
        }),
        of(&TaskUpdated {
            task_id,
            task: task("in_progress", 2),
            changed: vec!["status".to_owned()],
            previous_status: Some("todo".to_owned()),
            actor_id: grace,
        }),
        of(&TaskAssigned {
            task_id,
            project_id,
            title: title.clone(),
            assignee_id: grace,
            actor_id: ada,
            version: 1,
        }),
        of(&TaskMoved {
            task_id,
            project_id,
            position: "8180".to_owned(),
            actor_id: ada,
            version: 3,
        }),
        of(&TaskDeleted {
            task_id,
            project_id,
            title: title.clone(),
            actor_id: ada,
            version: 4,
        }),
        of(&TaskDueSoon {
            task_id,
            project_id,
            title: title.clone(),
            due_at: at("2026-03-03T17:00:00Z"),
            user_ids: vec![grace],
        }),
        of(&CommentCreated {
            comment_id,
            task_id,
            project_id,
            task_title: title.clone(),
            author_id: ada,
            excerpt: excerpt.clone(),
            mentioned_ids: vec![grace],
            participant_ids: vec![grace],
            version: 1,
        }),
        of(&CommentUpdated {
            comment_id,
            task_id,
            project_id,
            task_title: title.clone(),
            author_id: ada,
            excerpt: excerpt.clone(),
            mentioned_ids: vec![],
            version: 2,
        }),
        of(&CommentDeleted {
            comment_id,
            task_id,
            project_id,
            actor_id: ada,
            version: 3,
        }),
        of(&NotificationCreated {
            notification_id,
            user_id: grace,
            kind: "mentioned".to_owned(),
            title: format!("Ada Lovelace mentioned you on “{title}”"),
            body: excerpt,
            actor_id: Some(ada),
            project_id: Some(project_id),
            task_id: Some(task_id),
            comment_id: Some(comment_id),
            created_at: moment(),
            unread_count: 4,
        }),
        of(&NotificationRead {
            user_id: grace,
            notification_ids: vec![notification_id],
            up_to: None,
            unread_count: 3,
        }),
        of(&ClientThrottled {
            client: format!("user:{grace}"),
            user_id: Some(grace),
            policy: "client".to_owned(),
            throttled_at: moment(),
        }),
    ]
}
