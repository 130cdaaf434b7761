//! Labels over HTTP.

use chassis::{
    Clock, FieldError, Problem,
    http::{
        answer::{Created, NoContent, Tagged},
        idempotency::{Key, once},
        json::Json,
        page::Page,
        precondition,
    },
};
use database::Db;
use identity::{Bearer, ProjectRole};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
    types::Example,
};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::label::{self, LabelError, LabelName},
    store::{self, access},
};

/// A label to be made.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct CreateLabel {
    /// One line, 1 to 50 characters; unique in the project, whatever the case.
    #[oai(validator(min_length = 1, max_length = 50))]
    pub name: String,
    /// `#` and six hexadecimal digits; one is chosen when left out.
    #[oai(validator(pattern = "^#[0-9A-Fa-f]{6}$"))]
    pub colour: Option<String>,
}

impl Example for CreateLabel {
    fn example() -> Self {
        Self {
            name: "hardware".to_owned(),
            colour: Some("#1f77b4".to_owned()),
        }
    }
}

/// What shall be different; what is left out stays as it is.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct UpdateLabel {
    /// One line, 1 to 50 characters.
    #[oai(validator(min_length = 1, max_length = 50))]
    pub name: Option<String>,
    /// `#` and six hexadecimal digits.
    #[oai(validator(pattern = "^#[0-9A-Fa-f]{6}$"))]
    pub colour: Option<String>,
}

impl Example for UpdateLabel {
    fn example() -> Self {
        Self {
            name: Some("plumbing".to_owned()),
            colour: None,
        }
    }
}

/// A label of a project.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Label {
    /// Its id.
    pub id: String,
    /// In which project.
    pub project_id: String,
    /// Its name.
    pub name: String,
    /// `#rrggbb`
    pub colour: String,
    /// How many tasks have it; only in lists.
    pub task_count: Option<i64>,
    /// When it was made.
    pub created_at: String,
    /// When it changed last.
    pub updated_at: String,
    /// Rises with each change; the `ETag` is made of it.
    pub version: i64,
}

impl Example for Label {
    fn example() -> Self {
        Self {
            id: "lbl_01k9xqv4pqe8p9h2zj6w3ndc5r".to_owned(),
            project_id: "prj_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            name: "hardware".to_owned(),
            colour: "#1f77b4".to_owned(),
            task_count: Some(3),
            created_at: "2026-11-13T09:30:00Z".to_owned(),
            updated_at: "2026-11-13T09:30:00Z".to_owned(),
            version: 1,
        }
    }
}

impl Label {
    fn shown(label: label::Label, task_count: Option<i64>) -> Self {
        Self {
            id: label.id.to_string(),
            project_id: label.project_id.to_string(),
            name: label.name,
            colour: label.colour,
            task_count,
            created_at: label.created_at.to_string(),
            updated_at: label.updated_at.to_string(),
            version: label.version,
        }
    }
}

impl From<LabelError> for Problem {
    fn from(error: LabelError) -> Self {
        match error {
            LabelError::NotFound => Problem::not_found("label-not-found", error.to_string()),
            LabelError::Access(error) => error.into(),
            LabelError::Task(error) => (*error).into(),
            LabelError::NameTaken => Problem::conflict("label-name-taken", error.to_string()),
            LabelError::TooMany => Problem::conflict("label-limit-reached", error.to_string()),
            LabelError::InWideUse(_) => Problem::conflict("label-in-wide-use", error.to_string()),
            LabelError::Precondition(problem) => problem,
            LabelError::Key(error) => error.into(),
            LabelError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on labels.
pub struct LabelApi {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

#[OpenApi]
impl LabelApi {
    /// Create a label. For members; a label that a task names is made without it, too. At most 500 in a project.
    #[oai(
        path = "/v1/projects/:id/labels",
        method = "post",
        operation_id = "createLabel",
        tag = "Tag::Labels"
    )]
    async fn create_label(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// Send the request again with the same key, and it is still done once.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        body: Json<CreateLabel>,
    ) -> Result<Created<Label>, Problem> {
        let key = Key::parse(
            key.0.as_deref(),
            caller.user,
            &format!("POST /v1/projects/{}/labels", id.0),
            &body.0,
        )?;
        let (name, colour) = both(
            LabelName::parse("/name", &body.0.name),
            body.0
                .colour
                .as_deref()
                .map(|colour| label::colour("/colour", colour))
                .transpose(),
        )?;
        let now = self.clock.now();
        let answer = once(&self.db, key.as_ref(), async |tx| {
            let member = access::project(tx, &caller, &id.0, ProjectRole::Member).await?;
            let label = store::label::new(member.project.id, &name, colour, now);
            if !store::label::insert(tx, &label, &name).await? {
                return Err(LabelError::NameTaken);
            }
            store::label::within_limit(tx, member.project.id).await?;
            Ok(Label::shown(label, None))
        })
        .await?;
        let location = format!("/v1/projects/{}/labels/{}", answer.project_id, answer.id);
        Ok(Created {
            location,
            version: Some(answer.version),
            body: answer,
        })
    }

    /// List the labels of a project by name, with the number of tasks that have each. There are never more than 500, so
    /// it is one page.
    #[oai(
        path = "/v1/projects/:id/labels",
        method = "get",
        operation_id = "listLabels",
        tag = "Tag::Labels"
    )]
    async fn list_labels(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<Json<Page<Label>>, Problem> {
        let member = access::project(self.db.read(), &caller, &id.0, ProjectRole::Viewer).await?;
        let labels = store::label::all(self.db.read(), member.project.id)
            .await
            .map_err(Problem::internal)?;
        let items = labels
            .into_iter()
            .map(|(label, count)| Label::shown(label, Some(count)))
            .collect();
        Ok(Json(Page {
            items,
            next_cursor: None,
        }))
    }

    /// Rename or recolour a label. For admins. A new name is a change of every task that has the label.
    #[oai(
        path = "/v1/projects/:id/labels/:label_id",
        method = "patch",
        operation_id = "updateLabel",
        tag = "Tag::Labels"
    )]
    async fn update_label(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        label_id: Path<String>,
        /// The `ETag` of the version that was changed, or `*`.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<UpdateLabel>,
    ) -> Result<Tagged<Label>, Problem> {
        let expected = precondition::if_match(if_match.0.as_deref())?;
        let (name, colour) = both(
            body.0
                .name
                .as_deref()
                .map(|name| LabelName::parse("/name", name))
                .transpose(),
            body.0
                .colour
                .as_deref()
                .map(|colour| label::colour("/colour", colour))
                .transpose(),
        )?;
        let now = self.clock.now();
        let label = self
            .db
            .write(async |tx| {
                let member = access::project(tx, &caller, &id.0, ProjectRole::Admin).await?;
                let mut label = store::label::find(tx, member.project.id, &label_id.0).await?;
                expected.check(label.version)?;
                store::label::change(tx, &mut label, name, colour, caller.user, now).await?;
                Ok::<_, LabelError>(label)
            })
            .await?;
        Ok(Tagged {
            version: label.version,
            body: Label::shown(label, None),
        })
    }

    /// Delete a label and take it off every task. For admins.
    #[oai(
        path = "/v1/projects/:id/labels/:label_id",
        method = "delete",
        operation_id = "deleteLabel",
        tag = "Tag::Labels"
    )]
    async fn delete_label(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        label_id: Path<String>,
        /// The `ETag` of the version that was seen last, or `*`.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<NoContent, Problem> {
        let expected = precondition::if_match(if_match.0.as_deref())?;
        let now = self.clock.now();
        self.db
            .write(async |tx| {
                let member = access::project(tx, &caller, &id.0, ProjectRole::Admin).await?;
                let label = store::label::find(tx, member.project.id, &label_id.0).await?;
                expected.check(label.version)?;
                store::label::delete(tx, &label, caller.user, now).await
            })
            .await?;
        Ok(NoContent)
    }
}

fn both<N, C>(name: Result<N, FieldError>, colour: Result<C, FieldError>) -> Result<(N, C), Problem> {
    match (name, colour) {
        (Ok(name), Ok(colour)) => Ok((name, colour)),
        (name, colour) => Err(Problem::invalid(
            [name.err(), colour.err()].into_iter().flatten().collect(),
        )),
    }
}
