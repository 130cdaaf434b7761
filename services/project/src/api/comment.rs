//! Comments over HTTP.

use chassis::{
    Clock, Problem,
    http::{
        answer::{Created, NoContent, Tagged},
        idempotency::{Key, once},
        json::Json,
        page::{self, Page},
        precondition,
    },
};
use database::Db;
use identity::{Bearer, ProjectRole};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    types::Example,
};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::comment::{self, CommentError},
    store,
};

/// The text of a comment.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct WriteComment {
    /// 1 to 10,000 characters. `@handle` or `@address` mentions a member of the project.
    #[oai(validator(min_length = 1, max_length = 10000))]
    pub body: String,
}

impl Example for WriteComment {
    fn example() -> Self {
        Self {
            body: "@ada could you look at this?".to_owned(),
        }
    }
}

/// A comment on a task.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Comment {
    /// Its id.
    pub id: String,
    /// On which task.
    pub task_id: String,
    /// In which project.
    pub project_id: String,
    /// Who wrote it, or imported it.
    pub author_id: String,
    /// Who wrote it where it was imported from, by the name used there; null for a comment written here.
    pub original_author: Option<String>,
    /// The text.
    pub body: String,
    /// Members whom the text mentions.
    pub mentioned_ids: Vec<String>,
    /// When it was written.
    pub created_at: String,
    /// When it was changed last; null when never.
    pub edited_at: Option<String>,
    /// Rises with each change; the `ETag` is made of it.
    pub version: i64,
}

impl Example for Comment {
    fn example() -> Self {
        Self {
            id: "cmt_01k9xqv4pqe8p9h2zj6w3ndc5r".to_owned(),
            task_id: "tsk_01k9xqv4pqe8p9h2zj6w3ndc5r".to_owned(),
            project_id: "prj_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            author_id: "usr_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            original_author: None,
            body: "@ada could you look at this?".to_owned(),
            mentioned_ids: vec!["usr_01k9xqt0vte0mbgkz9hm4rvw3f".to_owned()],
            created_at: "2026-11-13T09:30:00Z".to_owned(),
            edited_at: None,
            version: 1,
        }
    }
}

impl From<comment::Comment> for Comment {
    fn from(comment: comment::Comment) -> Self {
        Self {
            id: comment.id.to_string(),
            task_id: comment.task_id.to_string(),
            project_id: comment.project_id.to_string(),
            author_id: comment.author_id.to_string(),
            original_author: comment.original_author,
            body: comment.body,
            mentioned_ids: comment.mentioned_ids.iter().map(ToString::to_string).collect(),
            created_at: comment.created_at.to_string(),
            edited_at: comment.edited_at.map(|at| at.to_string()),
            version: comment.version,
        }
    }
}

impl From<CommentError> for Problem {
    fn from(error: CommentError) -> Self {
        match error {
            CommentError::NotFound => Problem::not_found("comment-not-found", error.to_string()),
            CommentError::Task(error) => error.into(),
            CommentError::Access(error) => error.into(),
            CommentError::NotYours | CommentError::NotYoursToDelete => {
                Problem::forbidden("comment-not-yours", error.to_string())
            }
            CommentError::Precondition(problem) => problem,
            CommentError::Key(error) => error.into(),
            CommentError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on comments.
pub struct CommentApi {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

#[OpenApi]
impl CommentApi {
    /// Comment on a task. For members; viewers may not.
    #[oai(
        path = "/v1/tasks/:id/comments",
        method = "post",
        operation_id = "createComment",
        tag = "Tag::Comments"
    )]
    async fn create_comment(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// Send the request again with the same key, and it is still done once.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        body: Json<WriteComment>,
    ) -> Result<Created<Comment>, Problem> {
        let key = Key::parse(
            key.0.as_deref(),
            caller.user,
            &format!("POST /v1/tasks/{}/comments", id.0),
            &body.0,
        )?;
        let body = comment::body(&body.0.body).map_err(|error| Problem::invalid(vec![error]))?;
        let now = self.clock.now();
        let answer = once(&self.db, key.as_ref(), async |tx| {
            let (task, _) = store::task::access(tx, &caller, &id.0, ProjectRole::Member).await?;
            Ok::<_, CommentError>(Comment::from(
                store::comment::create(tx, &task, body, caller.user, now).await?,
            ))
        })
        .await?;
        Ok(Created {
            location: format!("/v1/comments/{}", answer.id),
            version: Some(answer.version),
            body: answer,
        })
    }

    /// List the comments on a task, the oldest first.
    #[oai(
        path = "/v1/tasks/:id/comments",
        method = "get",
        operation_id = "listComments",
        tag = "Tag::Comments"
    )]
    async fn list_comments(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Comment>>, Problem> {
        let limit = page::limit(limit.0)?;
        let (task, _) = store::task::access(self.db.read(), &caller, &id.0, ProjectRole::Viewer).await?;
        let list = format!("comments {}", task.id);
        let after = page::position(&list, cursor.0.as_deref())?.unwrap_or(0);
        let rows = store::comment::list(self.db.read(), task.id, after, limit + 1)
            .await
            .map_err(Problem::internal)?;
        Ok(Json(page::page(
            rows,
            limit,
            &list,
            |(_, seq)| *seq,
            |(comment, _)| comment.into(),
        )))
    }

    /// Change the text of a comment. For who wrote it.
    #[oai(
        path = "/v1/comments/:id",
        method = "patch",
        operation_id = "updateComment",
        tag = "Tag::Comments"
    )]
    async fn update_comment(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// The `ETag` of the version that was changed, or `*`.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<WriteComment>,
    ) -> Result<Tagged<Comment>, Problem> {
        let expected = precondition::if_match(if_match.0.as_deref())?;
        let body = comment::body(&body.0.body).map_err(|error| Problem::invalid(vec![error]))?;
        let now = self.clock.now();
        let comment = self
            .db
            .write(async |tx| {
                let reached = store::comment::access(tx, &caller, &id.0).await?;
                reached.may_change(caller.user)?;
                expected.check(reached.comment.version)?;
                Ok::<_, CommentError>(store::comment::change(tx, reached, body, now).await?)
            })
            .await?;
        Ok(Tagged {
            version: comment.version,
            body: comment.into(),
        })
    }

    /// Delete a comment. For who wrote it, and for admins of the project.
    #[oai(
        path = "/v1/comments/:id",
        method = "delete",
        operation_id = "deleteComment",
        tag = "Tag::Comments"
    )]
    async fn delete_comment(
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
                let reached = store::comment::access(tx, &caller, &id.0).await?;
                reached.may_delete(caller.user)?;
                expected.check(reached.comment.version)?;
                Ok::<_, CommentError>(store::comment::remove(tx, &reached, caller.user, now).await?)
            })
            .await?;
        Ok(NoContent)
    }
}
