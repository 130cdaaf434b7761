//! What project publishes: projects, members, tasks, comments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    event::events,
    id::{CommentId, ImportId, InvitationId, ProjectId, TaskId, UserId},
};

/// A project as its members see it. `version` rises by one with each change of the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectSnapshot {
    /// Which project.
    pub project_id: ProjectId,
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// When it was put away; absent while it is active.
    pub archived_at: Option<Timestamp>,
    /// Version after this event.
    pub version: i64,
}

/// A task as its project's members see it. `version` rises by one with each change of the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskSnapshot {
    /// Which task.
    pub task_id: TaskId,
    /// Its project.
    pub project_id: ProjectId,
    /// One line.
    pub title: String,
    /// `todo`, `in_progress`, `in_review`, `done` or `cancelled`.
    pub status: String,
    /// `none`, `low`, `medium`, `high` or `urgent`.
    pub priority: String,
    /// When it is due.
    pub due_at: Option<Timestamp>,
    /// Who works on it.
    pub assignee_ids: Vec<UserId>,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it reached `done` last; absent while it is not done.
    pub completed_at: Option<Timestamp>,
    /// Version after this event.
    pub version: i64,
}

/// A project was made; its maker is its first owner (a `member.added` says so too).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectCreated {
    /// Which project.
    pub project_id: ProjectId,
    /// The new project.
    pub project: ProjectSnapshot,
    /// Who made it.
    pub actor_id: UserId,
}

/// A project's name, description or archive state changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectUpdated {
    /// Which project.
    pub project_id: ProjectId,
    /// The project after the change.
    pub project: ProjectSnapshot,
    /// Names of the changed fields.
    pub changed: Vec<String>,
    /// Who did it.
    pub actor_id: UserId,
}

/// A project and everything in it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectDeleted {
    /// Which project.
    pub project_id: ProjectId,
    /// Who did it.
    pub actor_id: UserId,
    /// Version after this event.
    pub version: i64,
}

/// An address without an account was asked into a project. Who has an account is a member at once, without an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberInvited {
    /// Which invitation.
    pub invitation_id: InvitationId,
    /// To which project.
    pub project_id: ProjectId,
    /// Its name.
    pub project_name: String,
    /// Who is asked.
    pub email: String,
    /// `viewer`, `member`, `admin` or `owner`.
    pub role: String,
    /// Who asks.
    pub actor_id: UserId,
}

/// Somebody is a member of a project from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberAdded {
    /// To which project.
    pub project_id: ProjectId,
    /// Its name.
    pub project_name: String,
    /// Who.
    pub user_id: UserId,
    /// `viewer`, `member`, `admin` or `owner`.
    pub role: String,
    /// Who added them; equal to `user_id` for the maker of the project.
    pub actor_id: UserId,
    /// Version of the membership: rises with each change, also over removal and return.
    pub version: i64,
}

/// A member's role changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberRoleChanged {
    /// In which project.
    pub project_id: ProjectId,
    /// Its name.
    pub project_name: String,
    /// Who.
    pub user_id: UserId,
    /// The new role.
    pub role: String,
    /// Who did it.
    pub actor_id: UserId,
    /// Version of the membership after this event.
    pub version: i64,
}

/// Somebody is no member any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberRemoved {
    /// From which project.
    pub project_id: ProjectId,
    /// Its name.
    pub project_name: String,
    /// Who.
    pub user_id: UserId,
    /// Who did it; equal to `user_id` when they left.
    pub actor_id: UserId,
    /// Version of the membership after this event.
    pub version: i64,
}

/// A task was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskCreated {
    /// Which task.
    pub task_id: TaskId,
    /// The new task.
    pub task: TaskSnapshot,
    /// Who made it.
    pub actor_id: UserId,
}

/// A task changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskUpdated {
    /// Which task.
    pub task_id: TaskId,
    /// The task after the change.
    pub task: TaskSnapshot,
    /// Names of the changed fields.
    pub changed: Vec<String>,
    /// The status before, when it changed.
    pub previous_status: Option<String>,
    /// Who did it.
    pub actor_id: UserId,
}

/// Somebody shall work on a task from now on; also published for assignees of a new task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskAssigned {
    /// Which task.
    pub task_id: TaskId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its title.
    pub title: String,
    /// Who shall work on it.
    pub assignee_id: UserId,
    /// Who decided that.
    pub actor_id: UserId,
    /// Version of the task after this event.
    pub version: i64,
}

/// A task stands elsewhere in its project's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskMoved {
    /// Which task.
    pub task_id: TaskId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its new place: texts compare byte by byte in the order of the tasks.
    pub position: String,
    /// Who did it.
    pub actor_id: UserId,
    /// Version of the task after this event.
    pub version: i64,
}

/// A task is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskDeleted {
    /// Which task.
    pub task_id: TaskId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its title.
    pub title: String,
    /// Who did it.
    pub actor_id: UserId,
    /// Version of the task after this event.
    pub version: i64,
}

/// A task that is not done comes due soon; published once for each due time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskDueSoon {
    /// Which task.
    pub task_id: TaskId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its title.
    pub title: String,
    /// When it is due.
    pub due_at: Timestamp,
    /// Whom it concerns: the assignees, or the maker when there is none.
    pub user_ids: Vec<UserId>,
}

/// A comment was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommentCreated {
    /// Which comment.
    pub comment_id: CommentId,
    /// On which task.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: ProjectId,
    /// The task's title.
    pub task_title: String,
    /// Who wrote it.
    pub author_id: UserId,
    /// The first 200 characters.
    pub excerpt: String,
    /// Members of the project whom the text mentions, the author excepted.
    pub mentioned_ids: Vec<UserId>,
    /// Maker and assignees of the task, the author excepted.
    pub participant_ids: Vec<UserId>,
    /// Version of the comment after this event.
    pub version: i64,
}

/// A comment's text changed. `mentioned_ids` are those that the old text did not mention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommentUpdated {
    /// Which comment.
    pub comment_id: CommentId,
    /// On which task.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: ProjectId,
    /// The task's title.
    pub task_title: String,
    /// Who wrote it.
    pub author_id: UserId,
    /// The first 200 characters.
    pub excerpt: String,
    /// Newly mentioned members, the author excepted.
    pub mentioned_ids: Vec<UserId>,
    /// Version of the comment after this event.
    pub version: i64,
}

/// A comment is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommentDeleted {
    /// Which comment.
    pub comment_id: CommentId,
    /// On which task.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: ProjectId,
    /// Who did it.
    pub actor_id: UserId,
    /// Version of the comment after this event.
    pub version: i64,
}

/// An import went on: published at its start, now and then on the way, and at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportProgressed {
    /// Which import.
    pub import_id: ImportId,
    /// Who asked for it.
    pub user_id: UserId,
    /// The project that it fills; absent for a dry run.
    pub project_id: Option<ProjectId>,
    /// `running`, `completed` or `failed`.
    pub status: String,
    /// Rows read so far.
    pub rows_read: u64,
    /// Tasks created so far.
    pub created: u64,
    /// Rows that were there already.
    pub skipped: u64,
    /// Rows that could not be taken.
    pub rejected: u64,
    /// When.
    pub at: Timestamp,
}

/// The project service holds nothing personal of a closed account any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectErased {
    /// Whose account.
    pub user_id: UserId,
    /// When.
    pub erased_at: Timestamp,
}

events! { Project:
    ProjectCreated = "project.created.v1" by project_id;
    ProjectUpdated = "project.updated.v1" by project_id;
    ProjectDeleted = "project.deleted.v1" by project_id;
    MemberInvited = "member.invited.v1" by project_id;
    MemberAdded = "member.added.v1" by project_id;
    MemberRoleChanged = "member.role_changed.v1" by project_id;
    MemberRemoved = "member.removed.v1" by project_id;
    TaskCreated = "task.created.v1" by task_id;
    TaskUpdated = "task.updated.v1" by task_id;
    TaskAssigned = "task.assigned.v1" by task_id;
    TaskMoved = "task.moved.v1" by task_id;
    TaskDeleted = "task.deleted.v1" by task_id;
    TaskDueSoon = "task.due_soon.v1" by task_id;
    CommentCreated = "comment.created.v1" by comment_id;
    CommentUpdated = "comment.updated.v1" by comment_id;
    CommentDeleted = "comment.deleted.v1" by comment_id;
    ImportProgressed = "import.progressed.v1" by import_id;
    ProjectErased = "erasure.project_completed.v1" by user_id;
}
