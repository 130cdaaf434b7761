//! Changing many tasks at once over HTTP.

use chassis::{Clock, Problem, http::json::Json};
use database::Db;
use identity::{Bearer, ProjectRole};
use poem_openapi::{
    Object, OpenApi,
    param::Path,
    types::{Example, MaybeUndefined},
};
use serde::{Deserialize, Serialize};

use super::{
    Tag,
    task::UpdateTask,
    task_answer::{Status, Task},
};
use crate::{
    domain::bulk::Bulk,
    store::{self, access},
};

/// One change of many tasks: either `change` or `delete`.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct BulkTasks {
    /// Which tasks, 1 to 200 ids. One that is named twice counts once.
    #[oai(validator(min_items = 1, max_items = 200))]
    pub task_ids: Vec<String>,
    /// The new values, the same for each.
    pub change: Option<UpdateTask>,
    /// `true`: delete them.
    pub delete: Option<bool>,
}

impl Example for BulkTasks {
    fn example() -> Self {
        Self {
            task_ids: vec!["tsk_01k9xqv4pqe8p9h2zj6w3ndc5r".to_owned()],
            change: Some(UpdateTask {
                status: MaybeUndefined::Value(Status::Done),
                ..UpdateTask::default()
            }),
            delete: None,
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct BulkResult {
    /// How many tasks were meant.
    pub count: usize,
    /// The tasks as they are now, in the order they were named; empty after a deletion.
    pub items: Vec<Task>,
}

/// Operations on many tasks.
pub struct BulkApi {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

#[OpenApi]
impl BulkApi {
    /// Change or delete up to 200 tasks of a project: all of them, or none when one cannot be. For members.
    #[oai(
        path = "/v1/projects/:id/tasks/bulk",
        method = "post",
        operation_id = "bulkTasks",
        tag = "Tag::Tasks"
    )]
    async fn bulk_tasks(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        body: Json<BulkTasks>,
    ) -> Result<Json<BulkResult>, Problem> {
        let wish = body
            .0
            .change
            .map(|change| change.wish("/change"))
            .transpose()
            .map_err(Problem::invalid)?;
        let bulk = Bulk::parse(&body.0.task_ids, wish, body.0.delete.unwrap_or(false)).map_err(Problem::invalid)?;
        let count = bulk.tasks.len();
        let now = self.clock.now();
        let tasks = self
            .db
            .write(async |tx| {
                let member = access::project(tx, &caller, &id.0, ProjectRole::Member).await?;
                store::bulk::carry_out(tx, member.project.id, bulk, caller.user, now).await
            })
            .await?;
        Ok(Json(BulkResult {
            count,
            items: tasks.into_iter().map(Task::from).collect(),
        }))
    }
}
