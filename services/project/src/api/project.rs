//! Projects over HTTP.

use chassis::{
    Clock, FieldError, Problem,
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
    types::{Example, MaybeUndefined},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Tag, member::Role};
use crate::{
    domain::{
        member::Membership,
        project::{self, ProjectChange, ProjectDraft, ProjectError},
    },
    store::{self, access, activity::record_activity},
};

/// A project to be made.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct CreateProject {
    /// One line, 1 to 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: String,
    /// What it is about, at most 5,000 characters.
    #[oai(validator(max_length = 5000))]
    pub description: Option<String>,
}

impl Example for CreateProject {
    fn example() -> Self {
        Self {
            name: "Website relaunch".to_owned(),
            description: Some("New brand, new pages, same address.".to_owned()),
        }
    }
}

/// What shall be different; what is left out stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields, default)]
#[oai(deny_unknown_fields, example)]
pub struct UpdateProject {
    /// One line, 1 to 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: MaybeUndefined<String>,
    /// At most 5,000 characters; null clears it.
    #[oai(validator(max_length = 5000))]
    pub description: MaybeUndefined<String>,
    /// `true` puts the project away: it can be read, not changed. `false` takes it out again. For owners.
    pub archived: MaybeUndefined<bool>,
}

impl Example for UpdateProject {
    fn example() -> Self {
        Self {
            name: MaybeUndefined::Value("Website relaunch 2027".to_owned()),
            ..Self::default()
        }
    }
}

/// A project, as the caller sees it.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Project {
    /// Its id.
    pub id: String,
    /// One line.
    pub name: String,
    /// What it is about; empty when nobody said.
    pub description: String,
    /// What the caller is in it.
    pub role: Role,
    /// Whether it is put away.
    pub archived: bool,
    /// When it was put away.
    pub archived_at: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: String,
    /// When it changed last.
    pub updated_at: String,
    /// Rises with each change; the `ETag` is made of it.
    pub version: i64,
}

impl Example for Project {
    fn example() -> Self {
        Self {
            id: "prj_01k9xqv4pqe8p9h2zj6w3ndc5r".to_owned(),
            name: "Website relaunch".to_owned(),
            description: "New brand, new pages, same address.".to_owned(),
            role: Role::Owner,
            archived: false,
            archived_at: None,
            created_by: "usr_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            created_at: "2026-11-13T09:30:00Z".to_owned(),
            updated_at: "2026-11-13T09:30:00Z".to_owned(),
            version: 1,
        }
    }
}

impl Project {
    fn seen_as(project: project::Project, role: ProjectRole) -> Self {
        Self {
            id: project.id.to_string(),
            name: project.name,
            description: project.description,
            role: role.into(),
            archived: project.archived_at.is_some(),
            archived_at: project.archived_at.map(|at| at.to_string()),
            created_by: project.created_by.to_string(),
            created_at: project.created_at.to_string(),
            updated_at: project.updated_at.to_string(),
            version: project.version,
        }
    }
}

impl From<ProjectError> for Problem {
    fn from(error: ProjectError) -> Self {
        match error {
            ProjectError::Access(error) => error.into(),
            ProjectError::Precondition(problem) => problem,
            ProjectError::Quota(error) => error.into(),
            ProjectError::Key(error) => error.into(),
            ProjectError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on projects.
pub struct ProjectApi {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

#[OpenApi]
impl ProjectApi {
    /// Create a project; the caller is its first owner.
    ///
    /// 402 `quota-exceeded` when the caller's plan allows no more projects.
    #[oai(
        path = "/v1/projects",
        method = "post",
        operation_id = "createProject",
        tag = "Tag::Projects"
    )]
    async fn create_project(
        &self,
        Bearer(caller): Bearer,
        /// Send the request again with the same key, and it is still done once.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        body: Json<CreateProject>,
    ) -> Result<Created<Project>, Problem> {
        let key = Key::parse(key.0.as_deref(), caller.user, "POST /v1/projects", &body.0)?;
        let draft = ProjectDraft::parse(&body.0.name, body.0.description.as_deref()).map_err(Problem::invalid)?;
        let now = self.clock.now();
        let answer = once(&self.db, key.as_ref(), async |tx| {
            let (project, created) = draft.create(caller.user, now);
            let owner = Membership::first_owner(caller.user, now);
            store::project::insert(tx, &project).await?;
            store::member::add(tx, project.id, owner.user, owner.role, now).await?;
            let (subject, data) = (project.id.to_string(), json!({ "name": project.name }));
            record_activity(tx, project.id, caller.user, "project.created", &subject, data, now).await?;
            messaging::append(tx, &created)?;
            messaging::append(tx, &owner.added(&project, caller.user))?;
            Ok::<_, ProjectError>(Project::seen_as(project, owner.role))
        })
        .await?;
        Ok(Created {
            location: format!("/v1/projects/{}", answer.id),
            version: Some(answer.version),
            body: answer,
        })
    }

    /// List the caller's projects, the newest first.
    #[oai(
        path = "/v1/projects",
        method = "get",
        operation_id = "listProjects",
        tag = "Tag::Projects"
    )]
    async fn list_projects(
        &self,
        Bearer(caller): Bearer,
        /// `true`: those put away; `false`: those in use, which is the default.
        #[oai(default)]
        archived: Query<bool>,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Project>>, Problem> {
        let limit = page::limit(limit.0)?;
        let list = format!("projects {} {}", caller.user, archived.0);
        let after = page::position(&list, cursor.0.as_deref())?;
        let rows = store::project::of_user(self.db.read(), caller.user, archived.0, after, limit + 1)
            .await
            .map_err(Problem::internal)?;
        let item = |(project, role)| Project::seen_as(project, role);
        Ok(Json(page::page(rows, limit, &list, |(project, _)| project.id, item)))
    }

    /// Read a project.
    #[oai(
        path = "/v1/projects/:id",
        method = "get",
        operation_id = "getProject",
        tag = "Tag::Projects"
    )]
    async fn get_project(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<Tagged<Project>, Problem> {
        let member = access::project(self.db.read(), &caller, &id.0, ProjectRole::Viewer).await?;
        Ok(Tagged {
            version: member.project.version,
            body: Project::seen_as(member.project, member.role),
        })
    }

    /// Change, archive or restore a project. Name and description are for admins, archiving and restoring for owners.
    #[oai(
        path = "/v1/projects/:id",
        method = "patch",
        operation_id = "updateProject",
        tag = "Tag::Projects"
    )]
    async fn update_project(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// The `ETag` of the version that was changed, or `*`.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<UpdateProject>,
    ) -> Result<Tagged<Project>, Problem> {
        let expected = precondition::if_match(if_match.0.as_deref())?;
        let change = body.0.parse().map_err(Problem::invalid)?;
        let least = if change.moves_archive() {
            ProjectRole::Owner
        } else {
            ProjectRole::Admin
        };
        let now = self.clock.now();
        let (project, role) = self
            .db
            .write(async |tx| {
                let member = access::whole_project(tx, &caller, &id.0, least).await?;
                expected.check(member.project.version)?;
                let (project, event) = member.project.change(change, caller.user, now)?;
                if let Some(event) = event {
                    store::project::update(tx, &project).await?;
                    let (subject, data) = (project.id.to_string(), json!({ "changed": event.changed }));
                    record_activity(tx, project.id, caller.user, "project.updated", &subject, data, now).await?;
                    messaging::append(tx, &event)?;
                }
                Ok::<_, ProjectError>((project, member.role))
            })
            .await?;
        Ok(Tagged {
            version: project.version,
            body: Project::seen_as(project, role),
        })
    }

    /// Delete a project with everything in it. For owners; there is no way back.
    #[oai(
        path = "/v1/projects/:id",
        method = "delete",
        operation_id = "deleteProject",
        tag = "Tag::Projects"
    )]
    async fn delete_project(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// The `ETag` of the version that was seen last, or `*`.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<NoContent, Problem> {
        let expected = precondition::if_match(if_match.0.as_deref())?;
        self.db
            .write(async |tx| {
                let member = access::whole_project(tx, &caller, &id.0, ProjectRole::Owner).await?;
                expected.check(member.project.version)?;
                store::project::delete(tx, member.project.id).await?;
                messaging::append(tx, &member.project.delete(caller.user))?;
                Ok::<_, ProjectError>(())
            })
            .await?;
        Ok(NoContent)
    }
}

impl UpdateProject {
    fn parse(self) -> Result<ProjectChange, Vec<FieldError>> {
        let description = match self.description {
            MaybeUndefined::Null => Some(String::new()),
            given => given.take(),
        };
        let mut wrong = Vec::new();
        for (pointer, null) in [("/name", self.name.is_null()), ("/archived", self.archived.is_null())] {
            if null {
                wrong.push(FieldError::new(
                    pointer,
                    "must not be null; leave it out to keep it as it is",
                ));
            }
        }
        let change = ProjectChange::parse(
            self.name.value().map(String::as_str),
            description.as_deref(),
            self.archived.take(),
        );
        match change {
            Ok(change) if wrong.is_empty() => Ok(change),
            Ok(_) => Err(wrong),
            Err(more) => Err([wrong, more].concat()),
        }
    }
}
