//! Tasks over HTTP.

use chassis::{
    Clock, FieldError, Problem,
    http::{
        answer::{Created, NoContent, Tagged},
        idempotency::{Key, once},
        json::Json,
        precondition,
    },
};
use database::Db;
use identity::{Bearer, ProjectRole};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
    types::{Example, MaybeUndefined},
};
use serde::{Deserialize, Serialize};

use super::{
    Tag,
    task_answer::{Priority, Status, Task},
};
use crate::{
    domain::{
        task::{self, Destination, TaskError},
        task_change::{Change, Wish},
    },
    store,
};

/// A task to be made.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct CreateTask {
    /// One line, 1 to 200 characters.
    #[oai(validator(min_length = 1, max_length = 200))]
    pub title: String,
    /// Any text, at most 20,000 characters.
    #[oai(validator(max_length = 20000))]
    pub description: Option<String>,
    /// `todo` when left out.
    pub status: Option<Status>,
    /// `none` when left out.
    pub priority: Option<Priority>,
    /// RFC 3339 with an offset; kept in UTC.
    pub due_at: Option<String>,
    /// Members of the project who shall work on it, at most 50.
    #[oai(validator(max_items = 50))]
    pub assignee_ids: Option<Vec<String>>,
    /// Names of labels, at most 50. One that the project does not have yet is made, up to 500 in a project.
    #[oai(validator(max_items = 50))]
    pub labels: Option<Vec<String>>,
}

impl Example for CreateTask {
    fn example() -> Self {
        Self {
            title: "Fix the valve".to_owned(),
            description: Some("It leaks above four bar.".to_owned()),
            status: None,
            priority: Some(Priority::High),
            due_at: Some("2026-12-01T17:00:00+01:00".to_owned()),
            assignee_ids: Some(Vec::new()),
            labels: Some(vec!["hardware".to_owned()]),
        }
    }
}

impl CreateTask {
    fn parse(self) -> Result<Change, Vec<FieldError>> {
        let wish = Wish {
            title: Some(self.title),
            description: self.description,
            status: self.status.map(Into::into),
            priority: self.priority.map(Into::into),
            due_at: self.due_at.map(Some),
            assignee_ids: self.assignee_ids,
            labels: self.labels,
        };
        Change::parse(wish, "")
    }
}

/// What shall be different; what is left out stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields, default)]
#[oai(deny_unknown_fields, example)]
pub struct UpdateTask {
    /// One line, 1 to 200 characters.
    #[oai(validator(min_length = 1, max_length = 200))]
    pub title: MaybeUndefined<String>,
    /// At most 20,000 characters; null clears it.
    #[oai(validator(max_length = 20000))]
    pub description: MaybeUndefined<String>,
    /// How far it is.
    pub status: MaybeUndefined<Status>,
    /// How much it matters; null is `none`.
    pub priority: MaybeUndefined<Priority>,
    /// RFC 3339 with an offset; null: no due time.
    pub due_at: MaybeUndefined<String>,
    /// All who shall work on it; null: nobody.
    #[oai(validator(max_items = 50))]
    pub assignee_ids: MaybeUndefined<Vec<String>>,
    /// All its labels; null: none.
    #[oai(validator(max_items = 50))]
    pub labels: MaybeUndefined<Vec<String>>,
}

impl Example for UpdateTask {
    fn example() -> Self {
        Self {
            status: MaybeUndefined::Value(Status::InProgress),
            due_at: MaybeUndefined::Null,
            ..Self::default()
        }
    }
}

impl UpdateTask {
    /// What it says, and at `at` in the body what it must not say.
    pub(super) fn wish(self, at: &str) -> Result<Wish, Vec<FieldError>> {
        let nulls = [("/title", self.title.is_null()), ("/status", self.status.is_null())];
        let wrong: Vec<FieldError> = nulls
            .into_iter()
            .filter(|(_, null)| *null)
            .map(|(name, _)| {
                FieldError::new(
                    format!("{at}{name}"),
                    "must not be null; leave it out to keep it as it is",
                )
            })
            .collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Wish {
            title: self.title.take(),
            description: or_empty(self.description),
            status: self.status.take().map(Into::into),
            priority: match self.priority {
                MaybeUndefined::Null => Some(task::Priority::None),
                given => given.take().map(Into::into),
            },
            due_at: self.due_at.into(),
            assignee_ids: or_empty(self.assignee_ids),
            labels: or_empty(self.labels),
        })
    }
}

fn or_empty<T: Default>(given: MaybeUndefined<T>) -> Option<T> {
    match given {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(T::default()),
        MaybeUndefined::Value(value) => Some(value),
    }
}

/// Where a task shall stand. Without `before` and `after` it goes to the end of its project.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct MoveTask {
    /// The task that it shall stand directly before.
    pub before: Option<String>,
    /// The task that it shall stand directly after.
    pub after: Option<String>,
    /// Its status from then on, for boards whose columns are the states.
    pub status: Option<Status>,
}

impl Example for MoveTask {
    fn example() -> Self {
        Self {
            before: None,
            after: Some("tsk_01k9xqv4pqe8p9h2zj6w3ndc5r".to_owned()),
            status: Some(Status::InReview),
        }
    }
}

impl From<TaskError> for Problem {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::NotFound => Problem::not_found("task-not-found", error.to_string()),
            TaskError::Access(error) => error.into(),
            TaskError::Invalid(errors) => Problem::invalid(errors),
            TaskError::Precondition(problem) => problem,
            TaskError::Quota(error) => error.into(),
            TaskError::Key(error) => error.into(),
            TaskError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on single tasks.
pub struct TaskApi {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

#[OpenApi]
impl TaskApi {
    /// Create a task at the end of a project. For members; viewers may not.
    ///
    /// 402 `quota-exceeded` when the plan of the project's maker allows no more tasks in their projects.
    #[oai(
        path = "/v1/projects/:id/tasks",
        method = "post",
        operation_id = "createTask",
        tag = "Tag::Tasks"
    )]
    async fn create_task(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// Send the request again with the same key, and it is still done once.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        body: Json<CreateTask>,
    ) -> Result<Created<Task>, Problem> {
        let key = Key::parse(
            key.0.as_deref(),
            caller.user,
            &format!("POST /v1/projects/{}/tasks", id.0),
            &body.0,
        )?;
        let change = body.0.parse().map_err(Problem::invalid)?;
        let now = self.clock.now();
        let answer = once(&self.db, key.as_ref(), async |tx| {
            let room = store::room::for_task(tx, &caller, &id.0).await?;
            Ok::<_, TaskError>(Task::from(store::task::create(tx, &room, change, now).await?))
        })
        .await?;
        Ok(Created {
            location: format!("/v1/tasks/{}", answer.id),
            version: Some(answer.version),
            body: answer,
        })
    }

    /// Read a task.
    #[oai(path = "/v1/tasks/:id", method = "get", operation_id = "getTask", tag = "Tag::Tasks")]
    async fn get_task(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<Tagged<Task>, Problem> {
        let (task, _) = store::task::access(self.db.read(), &caller, &id.0, ProjectRole::Viewer).await?;
        Ok(Tagged {
            version: task.version,
            body: task.into(),
        })
    }

    /// Change a task.
    #[oai(
        path = "/v1/tasks/:id",
        method = "patch",
        operation_id = "updateTask",
        tag = "Tag::Tasks"
    )]
    async fn update_task(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// The `ETag` of the version that was changed, or `*`.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<UpdateTask>,
    ) -> Result<Tagged<Task>, Problem> {
        let expected = precondition::if_match(if_match.0.as_deref())?;
        let change = body
            .0
            .wish("")
            .and_then(|wish| Change::parse(wish, ""))
            .map_err(Problem::invalid)?;
        let now = self.clock.now();
        let task = self
            .db
            .write(async |tx| {
                let (mut task, _) = store::task::access(tx, &caller, &id.0, ProjectRole::Member).await?;
                expected.check(task.version)?;
                store::task::change(tx, &mut task, change, "", caller.user, now).await?;
                Ok::<_, TaskError>(task)
            })
            .await?;
        Ok(Tagged {
            version: task.version,
            body: task.into(),
        })
    }

    /// Delete a task with its comments. For members; there is no way back.
    #[oai(
        path = "/v1/tasks/:id",
        method = "delete",
        operation_id = "deleteTask",
        tag = "Tag::Tasks"
    )]
    async fn delete_task(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// The `ETag` of the version that was seen last, or `*`.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<NoContent, Problem> {
        let expected = precondition::if_match(if_match.0.as_deref())?;
        let now = self.clock.now();
        self.db
            .write(async |tx| {
                let (task, _) = store::task::access(tx, &caller, &id.0, ProjectRole::Member).await?;
                expected.check(task.version)?;
                store::task::remove(tx, &task, caller.user, now).await
            })
            .await?;
        Ok(NoContent)
    }

    /// Put a task directly before or after another of its project, or at the end.
    ///
    /// Moves at the same time come one after the other, and each is carried out on the order that it finds: no version is
    /// needed. With `status` the task changes its state in the same step.
    #[oai(
        path = "/v1/tasks/:id/move",
        method = "post",
        operation_id = "moveTask",
        tag = "Tag::Tasks"
    )]
    async fn move_task(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        body: Json<MoveTask>,
    ) -> Result<Tagged<Task>, Problem> {
        let task = id.0.parse().map_err(|_| TaskError::NotFound)?;
        let to = Destination::parse(task, body.0.before.as_deref(), body.0.after.as_deref());
        let to = to.map_err(|error| Problem::invalid(vec![error]))?;
        let change = Change {
            status: body.0.status.map(Into::into),
            ..Change::default()
        };
        let now = self.clock.now();
        let task = self
            .db
            .write(async |tx| {
                let project = store::task_order::project_of(tx, task).await?;
                store::task_order::lock(tx, project).await?;
                let (mut task, _) = store::task::access(tx, &caller, &id.0, ProjectRole::Member).await?;
                store::task::change(tx, &mut task, change, "", caller.user, now).await?;
                store::task_order::relocate(tx, &mut task, to, caller.user, now).await?;
                Ok::<_, TaskError>(task)
            })
            .await?;
        Ok(Tagged {
            version: task.version,
            body: task.into(),
        })
    }
}
