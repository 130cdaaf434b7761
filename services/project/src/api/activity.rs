//! The activity of a project over HTTP.

use std::collections::BTreeMap;

use chassis::{
    Problem,
    http::{
        json::Json,
        page::{self, Page},
    },
};
use database::Db;
use identity::{Bearer, ProjectRole};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::Example,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Tag;
use crate::store::{self, access};

/// Something that happened in a project.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Activity {
    /// Its id.
    pub id: String,
    /// What was done: `task.created`, `member.removed`, …
    pub kind: String,
    /// Who did it.
    pub actor_id: String,
    /// Their name; null for a moment after they registered.
    pub actor_name: Option<String>,
    /// Id of what it was done to.
    pub subject_id: String,
    /// What to show, without looking anything up; its fields depend on `kind`.
    pub data: BTreeMap<String, Value>,
    /// When.
    pub created_at: String,
}

impl Example for Activity {
    fn example() -> Self {
        Self {
            id: "act_01k9xr0b1se5qa8v3n7y2m4c6d".to_owned(),
            kind: "member.added".to_owned(),
            actor_id: "usr_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            actor_name: Some("Ada Okafor".to_owned()),
            subject_id: "usr_01k9xqw6r3f2t8m5b7c9d1e4ha".to_owned(),
            data: BTreeMap::from([("role".to_owned(), "member".into())]),
            created_at: "2026-11-13T09:30:00Z".to_owned(),
        }
    }
}

impl From<store::activity::Listed> for Activity {
    fn from(row: store::activity::Listed) -> Self {
        Self {
            id: row.id.to_string(),
            kind: row.kind,
            actor_id: row.actor_id.to_string(),
            actor_name: row.actor_name,
            subject_id: row.subject_id,
            data: row.data,
            created_at: row.created_at.to_string(),
        }
    }
}

/// Operations on the activity.
pub struct ActivityApi {
    /// The database.
    pub db: Db,
}

#[OpenApi]
impl ActivityApi {
    /// List what happened in a project, the newest first.
    #[oai(
        path = "/v1/projects/:id/activity",
        method = "get",
        operation_id = "listActivity",
        tag = "Tag::Activity"
    )]
    async fn list_activity(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Activity>>, Problem> {
        let project = access::project(self.db.read(), &caller, &id.0, ProjectRole::Viewer)
            .await?
            .project;
        let limit = page::limit(limit.0)?;
        let list = format!("activity {}", project.id);
        let after = page::position(&list, cursor.0.as_deref())?;
        let rows = store::activity::list(self.db.read(), project.id, after, limit + 1)
            .await
            .map_err(Problem::internal)?;
        Ok(Json(page::page(rows, limit, &list, |row| row.id, Activity::from)))
    }
}
