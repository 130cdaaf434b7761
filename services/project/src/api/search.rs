//! Finding tasks and comments over HTTP.

use chassis::{
    Problem,
    http::{
        json::Json,
        page::{self, Page},
    },
};
use database::Db;
use identity::Bearer;
use poem_openapi::{Enum, Object, OpenApi, param::Query, types::Example};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::search::{Words, excerpt},
    store::search::{self, Hit},
};

/// Characters of an excerpt at most.
const EXCERPT: usize = 160;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum SearchKind {
    /// A task.
    Task,
    /// A comment on a task.
    Comment,
}

/// A task or a comment that has the words.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct SearchHit {
    /// What it is.
    pub kind: SearchKind,
    /// In which project.
    pub project_id: String,
    /// The task, or the task that the comment is on.
    pub task_id: String,
    /// The comment; null when it is a task.
    pub comment_id: Option<String>,
    /// Title of the task.
    pub title: String,
    /// The part of the description or comment around the first word found.
    pub excerpt: String,
    /// Who wrote it.
    pub author_id: String,
    /// When it was written.
    pub created_at: String,
}

impl Example for SearchHit {
    fn example() -> Self {
        Self {
            kind: SearchKind::Task,
            project_id: "prj_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            task_id: "tsk_01k9xqv4pqe8p9h2zj6w3ndc5r".to_owned(),
            comment_id: None,
            title: "Fix the valve".to_owned(),
            excerpt: "It leaks above four bar.".to_owned(),
            author_id: "usr_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            created_at: "2026-11-13T09:30:00Z".to_owned(),
        }
    }
}

impl SearchHit {
    fn shown(hit: Hit, words: &Words) -> Self {
        Self {
            kind: if hit.comment_id.is_some() {
                SearchKind::Comment
            } else {
                SearchKind::Task
            },
            project_id: hit.project_id.to_string(),
            task_id: hit.task_id.to_string(),
            comment_id: hit.comment_id.map(|id| id.to_string()),
            title: hit.title,
            excerpt: excerpt(&hit.text, words, EXCERPT),
            author_id: hit.author_id.to_string(),
            created_at: hit.created_at.to_string(),
        }
    }
}

/// Finding things.
pub struct SearchApi {
    /// The database.
    pub db: Db,
}

#[OpenApi]
impl SearchApi {
    /// Find tasks and comments in the caller's projects, the newest first.
    #[oai(path = "/v1/search", method = "get", operation_id = "search", tag = "Tag::Search")]
    async fn search(
        &self,
        Bearer(caller): Bearer,
        /// Words that must all be there; longer words that begin with them count too. At most 200 characters.
        q: Query<String>,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<SearchHit>>, Problem> {
        let words = Words::parse(&q.0).map_err(|error| Problem::invalid(vec![error]))?;
        let limit = page::limit(limit.0)?;
        let list = format!("search {} {words:?}", caller.user);
        let after = page::position(&list, cursor.0.as_deref())?.unwrap_or(search::START);
        let hits = search::hits(self.db.read(), caller.user, &words, after, limit + 1)
            .await
            .map_err(Problem::internal)?;
        Ok(Json(page::page(
            hits,
            limit,
            &list,
            |(_, end)| *end,
            |(hit, _)| SearchHit::shown(hit, &words),
        )))
    }
}
