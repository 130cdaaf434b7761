//! Slack's incoming webhooks: the caller's own, and those of projects that they manage. An address is a secret: who gave it
//! knows it, and nobody is shown it again.

use std::sync::Arc;

use chassis::{
    Clock, Problem,
    http::{answer::NoContent, json::Json},
};
use contracts::id::ProjectId;
use database::{Db, Tx};
use identity::{Bearer, access::ProjectRole};
use poem_openapi::{Object, OpenApi, param::Path, types::Example};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::slack::{self, SlackError},
    secrets::Secrets,
    store::{membership, slack as store},
};

/// Operations on Slack's webhooks.
pub struct SlackApi {
    /// The service's database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Seals the addresses.
    pub secrets: Arc<Secrets>,
    /// Whether a target may be anywhere.
    pub allow_private: bool,
}

/// Where messages are posted.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct SetSlackWebhook {
    /// The address of an incoming webhook, as Slack shows it: <https://hooks.slack.com/services/…>
    #[oai(validator(max_length = 2000))]
    pub url: String,
}

impl Example for SetSlackWebhook {
    fn example() -> Self {
        Self {
            url: "https://hooks.slack.com/services/T00000000/B00000000/xxxxxxxx".to_owned(), // pragma: allowlist secret
        }
    }
}

/// A Slack webhook that is set. Its address is not shown.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct SlackWebhook {
    /// Who set it.
    pub set_by: String,
    /// When.
    pub set_at: String,
}

impl Example for SlackWebhook {
    fn example() -> Self {
        Self {
            set_by: "usr_01k9z3t5x1f6w8y0a2b4c6d8eg".to_owned(),
            set_at: "2026-03-01T12:00:00Z".to_owned(),
        }
    }
}

impl From<store::Model> for SlackWebhook {
    fn from(row: store::Model) -> Self {
        Self {
            set_by: row.user_id.to_string(),
            set_at: row.created_at.to_string(),
        }
    }
}

#[OpenApi]
impl SlackApi {
    /// Have the caller's notifications posted to Slack.
    #[oai(
        path = "/v1/slack",
        method = "put",
        operation_id = "setSlackWebhook",
        tag = "Tag::Slack"
    )]
    async fn set_slack_webhook(
        &self,
        Bearer(caller): Bearer,
        body: Json<SetSlackWebhook>,
    ) -> Result<Json<SlackWebhook>, Problem> {
        let row = self.row(caller.user.to_string(), caller.user, &body.0)?;
        let kept = row.clone();
        self.db
            .write(async |tx| store::keep(tx, kept).await)
            .await
            .map_err(SlackError::from)?;
        Ok(Json(row.into()))
    }

    /// Whether the caller has a Slack webhook.
    #[oai(
        path = "/v1/slack",
        method = "get",
        operation_id = "getSlackWebhook",
        tag = "Tag::Slack"
    )]
    async fn get_slack_webhook(&self, Bearer(caller): Bearer) -> Result<Json<SlackWebhook>, Problem> {
        let found = store::find(self.db.read(), &caller.user.to_string()).await;
        let row = found.map_err(SlackError::from)?.ok_or(SlackError::NotFound)?;
        Ok(Json(row.into()))
    }

    /// Have nothing posted to Slack any more.
    #[oai(
        path = "/v1/slack",
        method = "delete",
        operation_id = "removeSlackWebhook",
        tag = "Tag::Slack"
    )]
    async fn remove_slack_webhook(&self, Bearer(caller): Bearer) -> Result<NoContent, Problem> {
        let owner = caller.user.to_string();
        self.db.write(async |tx| remove(tx, &owner).await).await?;
        Ok(NoContent)
    }

    /// Have what happens in a project posted to Slack. For admins and owners of the project.
    #[oai(
        path = "/v1/projects/:id/slack",
        method = "put",
        operation_id = "setProjectSlackWebhook",
        tag = "Tag::Slack"
    )]
    async fn set_project_slack_webhook(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        body: Json<SetSlackWebhook>,
    ) -> Result<Json<SlackWebhook>, Problem> {
        let project = parsed(&id.0)?;
        let row = self.row(project.to_string(), caller.user, &body.0)?;
        let kept = row.clone();
        self.db
            .write(async |tx| {
                manages(tx, project, caller.user).await?;
                Ok::<_, SlackError>(store::keep(tx, kept).await?)
            })
            .await?;
        Ok(Json(row.into()))
    }

    /// Whether a project has a Slack webhook. For admins and owners of the project.
    #[oai(
        path = "/v1/projects/:id/slack",
        method = "get",
        operation_id = "getProjectSlackWebhook",
        tag = "Tag::Slack"
    )]
    async fn get_project_slack_webhook(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
    ) -> Result<Json<SlackWebhook>, Problem> {
        let project = parsed(&id.0)?;
        manages(self.db.read(), project, caller.user).await?;
        let found = store::find(self.db.read(), &project.to_string()).await;
        let row = found.map_err(SlackError::from)?.ok_or(SlackError::NotFound)?;
        Ok(Json(row.into()))
    }

    /// Have nothing of a project posted to Slack any more. For admins and owners of the project.
    #[oai(
        path = "/v1/projects/:id/slack",
        method = "delete",
        operation_id = "removeProjectSlackWebhook",
        tag = "Tag::Slack"
    )]
    async fn remove_project_slack_webhook(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        let project = parsed(&id.0)?;
        self.db
            .write(async |tx| {
                manages(tx, project, caller.user).await?;
                remove(tx, &project.to_string()).await
            })
            .await?;
        Ok(NoContent)
    }
}

impl SlackApi {
    fn row(
        &self,
        owner: String,
        user: contracts::id::UserId,
        given: &SetSlackWebhook,
    ) -> Result<store::Model, Problem> {
        let url = slack::target(&given.url, self.allow_private).map_err(|wrong| Problem::invalid(vec![wrong]))?;
        let url = self
            .secrets
            .seal_slack(&owner, url.as_str())
            .map_err(SlackError::from)?;
        Ok(store::Model {
            owner,
            user_id: user,
            url,
            created_at: self.clock.now(),
        })
    }
}

fn parsed(id: &str) -> Result<ProjectId, SlackError> {
    id.parse().map_err(|_| SlackError::NoProject)
}

/// The caller is an admin or owner of the project, as far as this service has heard.
async fn manages(
    db: &impl sea_orm::ConnectionTrait,
    project: ProjectId,
    user: contracts::id::UserId,
) -> Result<(), SlackError> {
    let role = membership::role(db, project, user)
        .await?
        .ok_or(SlackError::NoProject)?;
    match role.parse::<ProjectRole>() {
        Ok(role) if role >= ProjectRole::Admin => Ok(()),
        _ => Err(SlackError::Role),
    }
}

async fn remove(tx: &Tx, owner: &str) -> Result<(), SlackError> {
    match store::remove(tx, owner).await? {
        true => Ok(()),
        false => Err(SlackError::NotFound),
    }
}

impl From<SlackError> for Problem {
    fn from(error: SlackError) -> Self {
        match error {
            SlackError::NotFound => Problem::not_found("slack-webhook-not-found", error.to_string()),
            SlackError::NoProject => Problem::not_found("project-not-found", error.to_string()),
            SlackError::Role => Problem::forbidden("project-role-too-low", error.to_string()),
            SlackError::Seal(_) | SlackError::Store(_) => Problem::internal(error),
        }
    }
}
