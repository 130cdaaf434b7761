//! What this service holds about the caller, for the personal-data export; streamed, as it may be much.

use bytes::Bytes;
use chassis::Problem;
use contracts::id::UserId;
use database::Db;
use futures_util::{StreamExt, stream};
use identity::Bearer;
use poem::{Body, IntoResponse, Response};
use poem_openapi::{
    ApiResponse, OpenApi,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
};
use sea_orm::DbErr;
use serde_json::json;

use super::Tag;
use crate::store::{
    self,
    personal_data::{self, List},
};

/// Elements of a page.
const PAGE: u64 = 500;

/// A JSON object that is written while it is read.
pub struct Streamed(Body);

impl IntoResponse for Streamed {
    fn into_response(self) -> Response {
        Response::builder().content_type("application/json").body(self.0)
    }
}

impl ApiResponse for Streamed {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Everything that is held.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: "application/json",
                    schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("object"))),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(_: &mut Registry) {}
}

/// The export's part of project.
pub struct PersonalDataApi {
    /// The database.
    pub db: Db,
}

/// What was written so far.
struct Writing {
    db: Db,
    user: UserId,
    lists: std::slice::Iter<'static, List>,
    current: Option<List>,
    after: String,
}

#[OpenApi]
impl PersonalDataApi {
    /// Read everything that project holds about the caller: directory entry, memberships, tasks, comments, activity, imports.
    #[oai(
        path = "/v1/personal-data/project",
        method = "get",
        operation_id = "getProjectPersonalData",
        tag = "Tag::Activity"
    )]
    async fn personal_data(&self, Bearer(caller): Bearer) -> Result<Streamed, Problem> {
        let head = self.head(caller.user).await.map_err(Problem::internal)?;
        let writing = Writing {
            db: self.db.clone(),
            user: caller.user,
            lists: List::ALL.iter(),
            current: None,
            after: String::new(),
        };
        let rest = stream::unfold(Some(writing), |writing| async move {
            let mut writing = writing?;
            match writing.next().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some(writing))),
                Ok(None) => Some((Ok(Bytes::from_static(b"}\n")), None)),
                Err(error) => {
                    tracing::error!(error = %error, "a personal-data export breaks off");
                    Some((Err(std::io::Error::other(error)), None))
                }
            }
        });
        let head = stream::iter([Ok::<_, std::io::Error>(Bytes::from(head))]);
        Ok(Streamed(Body::from_bytes_stream(head.chain(rest))))
    }
}

impl PersonalDataApi {
    /// The beginning of the object: what is short.
    async fn head(&self, user: UserId) -> Result<String, DbErr> {
        let db = self.db.read();
        let profile = store::user::find(db, user)
            .await?
            .map(|known| json!({ "email": known.email, "handle": known.handle, "display_name": known.display_name }));
        let memberships = personal_data::memberships(db, user).await?;
        let imports = store::import::of_user(db, user, None, 1000).await?;
        let imports: Vec<_> = imports
            .into_iter()
            .map(|import| json!({ "id": import.id, "created_at": import.created_at, "rows": import.rows_read }))
            .collect();
        Ok(format!(
            "{{\"user_id\":{},\"profile\":{},\"memberships\":{},\"imports\":{}",
            json!(user),
            json!(profile),
            json!(memberships),
            json!(imports)
        ))
    }
}

impl Writing {
    /// The next piece; `None` when all lists are written.
    async fn next(&mut self) -> Result<Option<Bytes>, DbErr> {
        let mut text = String::new();
        let (list, fresh) = match self.current {
            Some(list) => (list, false),
            None => match self.lists.next() {
                Some(list) => {
                    self.after.clear();
                    text = format!(",\"{}\":[", list.name());
                    (*list, true)
                }
                None => return Ok(None),
            },
        };
        let (elements, last) = personal_data::elements(self.db.read(), self.user, list, &self.after, PAGE).await?;
        if !fresh && !elements.is_empty() {
            text.push(',');
        }
        let whole = (elements.len() as u64) < PAGE;
        text.push_str(&elements.join(","));
        self.after = last.unwrap_or_default();
        self.current = (!whole).then_some(list);
        if whole {
            text.push(']');
        }
        Ok(Some(text.into()))
    }
}
