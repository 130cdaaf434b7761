//! Lists of tasks over HTTP.

use chassis::{
    FieldError, Problem,
    http::{
        json::Json,
        page::{self, Page},
    },
};
use database::Db;
use identity::Bearer;
use poem::{IntoResponse, Response};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    registry::{MetaResponses, Registry},
};

use super::{Tag, task_answer::Task};
use crate::{
    domain::{
        access::AccessError,
        task::Status,
        task_page::{Asked, Filter, Sort, SortKey},
    },
    store::task_page::{self, Scope},
};

/// A page of tasks whose JSON is ready: as [`Page<Task>`] to clients and in the document.
pub struct TaskPage(String);

impl IntoResponse for TaskPage {
    fn into_response(self) -> Response {
        Response::builder().content_type("application/json").body(self.0)
    }
}

impl ApiResponse for TaskPage {
    fn meta() -> MetaResponses {
        Json::<Page<Task>>::meta()
    }

    fn register(registry: &mut Registry) {
        Json::<Page<Task>>::register(registry);
    }
}

/// Lists of tasks.
pub struct TaskPageApi {
    /// The database.
    pub db: Db,
}

#[OpenApi]
impl TaskPageApi {
    /// List the tasks of a project, in the order that its members gave them unless `sort` says otherwise.
    #[oai(
        path = "/v1/projects/:id/tasks",
        method = "get",
        operation_id = "listTasks",
        tag = "Tag::Tasks"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter")]
    async fn list_tasks(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// Only in these states: `todo`, `in_progress`, `in_review`, `done`, `cancelled`; several with commas.
        status: Query<Option<String>>,
        /// Only with these priorities: `none`, `low`, `medium`, `high`, `urgent`; several with commas.
        priority: Query<Option<String>>,
        /// Only on which this user works: an id, or `me`.
        assignee: Query<Option<String>>,
        /// Only with the label of this name, in whatever case.
        label: Query<Option<String>>,
        /// Only due before this time, RFC 3339.
        due_before: Query<Option<String>>,
        /// Only due at this time or after, RFC 3339.
        due_after: Query<Option<String>>,
        /// Only made by this user: an id, or `me`.
        created_by: Query<Option<String>>,
        /// Only changed at this time or after, RFC 3339.
        updated_since: Query<Option<String>>,
        /// Only with all these words, or words beginning with them, in title or description.
        q: Query<Option<String>>,
        /// `position` (the default), `created_at`, `updated_at`, `due_at` or `priority`; `-` before it: the other way round.
        sort: Query<Option<String>>,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<TaskPage, Problem> {
        let asked = Asked {
            status: status.0,
            priority: priority.0,
            assignee: assignee.0,
            label: label.0,
            due_before: due_before.0,
            due_after: due_after.0,
            created_by: created_by.0,
            updated_since: updated_since.0,
            q: q.0,
            sort: sort.0,
        };
        let (filter, sort) = asked.parse(caller.user).map_err(Problem::invalid)?;
        let limit = page::limit(limit.0)?;
        let project = id.0.parse().map_err(|_| AccessError::NotFound)?;
        self.page(
            Scope::Project(project, caller.user),
            &filter,
            sort,
            limit,
            cursor.0.as_deref(),
        )
        .await
    }

    /// List the tasks that the caller works on, in all their active projects, the first due first.
    #[oai(
        path = "/v1/me/tasks",
        method = "get",
        operation_id = "listMyTasks",
        tag = "Tag::Tasks"
    )]
    async fn list_my_tasks(
        &self,
        Bearer(caller): Bearer,
        /// Only in these states; several with commas. Those still to be done by default.
        status: Query<Option<String>>,
        /// Only due before this time, RFC 3339.
        due_before: Query<Option<String>>,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<TaskPage, Problem> {
        let asked = Asked {
            status: status.0,
            due_before: due_before.0,
            ..Asked::default()
        };
        let (mut filter, _) = asked.parse(caller.user).map_err(Problem::invalid)?;
        if filter.status.is_empty() {
            filter.status = vec![Status::Todo, Status::InProgress, Status::InReview];
        }
        let limit = page::limit(limit.0)?;
        let sort = Sort {
            key: SortKey::DueAt,
            descending: false,
        };
        self.page(
            Scope::AssignedTo(caller.user),
            &filter,
            sort,
            limit,
            cursor.0.as_deref(),
        )
        .await
    }
}

impl TaskPageApi {
    async fn page(
        &self,
        scope: Scope,
        filter: &Filter,
        sort: Sort,
        limit: u64,
        cursor: Option<&str>,
    ) -> Result<TaskPage, Problem> {
        let list = format!("tasks {scope:?} {filter:?} {sort:?}");
        let after: Option<task_page::After> = page::position(&list, cursor)?;
        if after.as_ref().is_some_and(|after| !task_page::fits(after, sort)) {
            let wrong = FieldError::parameter("cursor", "must be the next_cursor of the page before");
            return Err(Problem::malformed("the cursor is not from this list").with_errors(vec![wrong]));
        }
        let lines = task_page::list(self.db.read(), scope, filter, sort, after.as_ref(), limit).await?;
        // A cursor is base64: nothing in it needs escaping.
        let next = lines.next.map_or_else(
            || "null".to_owned(),
            |next| format!("\"{}\"", page::cursor(&list, &next)),
        );
        Ok(TaskPage(format!(
            "{{\"items\":[{}],\"next_cursor\":{next}}}",
            lines.json
        )))
    }
}
