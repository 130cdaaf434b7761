//! Exports over HTTP: a project as one file, streamed page by page.

use std::collections::HashMap;

use bytes::Bytes;
use chassis::{FieldError, Problem};
use database::Db;
use futures_util::{StreamExt, stream};
use identity::{Bearer, ProjectRole};
use poem::{
    Body, IntoResponse, Response,
    http::{StatusCode, header},
};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
};
use sea_orm::DbErr;
use serde_json::json;

use super::Tag;
use crate::{
    domain::{position::Position, project::Project, task::Task},
    formats::export::{self, ExportedComment, ExportedTask},
    store::{self, access},
};

/// Tasks of a page.
const PAGE: u64 = 200;

/// What the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Json,
}

/// A file as the answer.
pub struct Export {
    kind: Kind,
    name: String,
    body: Body,
}

impl IntoResponse for Export {
    fn into_response(self) -> Response {
        let (kind, ending) = match self.kind {
            Kind::Csv => ("text/csv; charset=utf-8", "csv"),
            Kind::Json => ("application/json", "json"),
        };
        Response::builder()
            .content_type(kind)
            .header(
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{}.{ending}\"", self.name),
            )
            .body(self.body)
    }
}

impl ApiResponse for Export {
    fn meta() -> MetaResponses {
        let media = |content_type, schema| MetaMediaType {
            content_type,
            schema: MetaSchemaRef::Inline(Box::new(schema)),
        };
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The project.",
                status: Some(200),
                status_range: None,
                content: vec![
                    media("application/json", MetaSchema::new("object")),
                    media("text/csv", MetaSchema::new("string")),
                ],
                headers: vec![],
            }],
        }
    }

    fn register(_: &mut Registry) {}
}

/// Exporting.
pub struct ExportApi {
    /// The database.
    pub db: Db,
}

#[OpenApi]
impl ExportApi {
    /// Export a project as CSV or JSON; an import makes the same project of it again.
    ///
    /// CSV holds the tasks, JSON also the project's description, the labels' colours and the comments. A CSV cell that a
    /// spreadsheet would take for a formula begins with an apostrophe, which an import takes away again. The tasks come in
    /// their order; one that is moved while the file is read may be missing from it or be in it twice.
    #[oai(
        path = "/v1/projects/:id/export",
        method = "get",
        operation_id = "exportProject",
        tag = "Tag::Imports"
    )]
    async fn export_project(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// `csv` or `json`; counts more than `Accept`.
        format: Query<Option<String>>,
        /// `text/csv` or `application/json`, which is the default.
        #[oai(name = "Accept")]
        accept: Header<Option<String>>,
    ) -> Result<Export, Problem> {
        let project = access::project(self.db.read(), &caller, &id.0, ProjectRole::Viewer)
            .await?
            .project;
        let kind = kind(format.0.as_deref(), accept.0.as_deref())?;
        let name = project.id.to_string();
        let mut pages = Pages::begin(self.db.clone(), project, kind)
            .await
            .map_err(Problem::internal)?;
        // The first page may still fail as a whole.
        let first = pages.next().await.map_err(Problem::internal)?;
        let rest = stream::unfold(Some(pages), |pages| async move {
            let mut pages = pages?;
            match pages.next().await {
                Ok(None) => None,
                Ok(Some(bytes)) => Some((Ok(bytes), Some(pages))),
                Err(error) => {
                    tracing::error!(error = %error, "an export breaks off");
                    Some((Err(std::io::Error::other(error)), None))
                }
            }
        });
        let first = stream::iter(first.map(Ok::<_, std::io::Error>));
        Ok(Export {
            kind,
            name,
            body: Body::from_bytes_stream(first.chain(rest)),
        })
    }
}

fn kind(format: Option<&str>, accept: Option<&str>) -> Result<Kind, Problem> {
    match format {
        Some("csv") => return Ok(Kind::Csv),
        Some("json") => return Ok(Kind::Json),
        Some(_) => {
            return Err(Problem::invalid(vec![FieldError::parameter(
                "format",
                "must be csv or json",
            )]));
        }
        None => {}
    }
    let accept = accept.unwrap_or("*/*");
    let asked = accept
        .split(',')
        .map(|media| media.split(';').next().unwrap_or_default().trim());
    for media in asked {
        match media {
            "text/csv" | "text/*" => return Ok(Kind::Csv),
            "application/json" | "application/*" | "*/*" => return Ok(Kind::Json),
            _ => {}
        }
    }
    let detail = "an export is text/csv or application/json";
    Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", detail))
}

/// The file, page by page.
struct Pages {
    db: Db,
    kind: Kind,
    project: Project,
    /// What comes before the first task.
    head: Option<Vec<u8>>,
    after: Option<Position>,
    ended: bool,
    written: bool,
}

impl Pages {
    async fn begin(db: Db, project: Project, kind: Kind) -> Result<Self, DbErr> {
        let head = match kind {
            Kind::Csv => export::csv_header().map_err(|error| DbErr::Custom(error.to_string()))?,
            Kind::Json => {
                let labels = store::label::all(db.read(), project.id).await?;
                let labels: Vec<_> = (labels.into_iter())
                    .map(|(label, _)| json!({ "name": label.name, "colour": label.colour }))
                    .collect();
                let about = json!({ "name": project.name, "description": project.description });
                format!(
                    "{{\"format\":\"{}\",\"project\":{about},\"labels\":{},\"tasks\":[",
                    export::MARK,
                    json!(labels)
                )
                .into()
            }
        };
        Ok(Self {
            db,
            kind,
            project,
            head: Some(head),
            after: None,
            ended: false,
            written: false,
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, DbErr> {
        if self.ended {
            return Ok(None);
        }
        let tasks = store::export::tasks(self.db.read(), self.project.id, self.after.as_ref(), PAGE).await?;
        self.ended = (tasks.len() as u64) < PAGE;
        self.after = tasks.last().map(|task| task.position.clone());
        let tasks = self.named(tasks).await?;
        let mut page = self.head.take().unwrap_or_default();
        let unwritable = |error: std::io::Error| DbErr::Custom(format!("writing an export: {error}"));
        match self.kind {
            Kind::Csv => page.extend(export::csv_tasks(&tasks).map_err(unwritable)?),
            Kind::Json => {
                for task in &tasks {
                    page.extend_from_slice(if self.written { b",\n" } else { b"\n" });
                    self.written = true;
                    serde_json::to_writer(&mut page, task).map_err(|error| unwritable(error.into()))?;
                }
                if self.ended {
                    page.extend_from_slice(b"\n]}\n");
                }
            }
        }
        Ok(Some(page.into()))
    }

    async fn named(&self, tasks: Vec<Task>) -> Result<Vec<ExportedTask>, DbErr> {
        let names = store::export::names(self.db.read(), &tasks).await?;
        let mut comments = match self.kind {
            Kind::Csv => HashMap::new(),
            Kind::Json => store::export::comments(self.db.read(), &tasks).await?,
        };
        let exported = tasks.into_iter().map(|task| {
            let people = task
                .assignee_ids
                .iter()
                .map(|id| names.get(id).cloned().unwrap_or_else(|| id.to_string()))
                .collect();
            let comments = comments.remove(&task.id.to_string()).unwrap_or_default();
            let comments = comments.into_iter().map(|comment| ExportedComment {
                author: comment.author,
                body: comment.body,
                created_at: comment.created_at,
            });
            ExportedTask::new(task, people, comments.collect())
        });
        Ok(exported.collect())
    }
}
