//! Pending invitations over HTTP.

use chassis::{
    Clock, Problem,
    http::{
        answer::NoContent,
        json::Json,
        page::{self, Page},
    },
};
use contracts::id::InvitationId;
use database::Db;
use identity::{Bearer, ProjectRole};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::Example,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Tag, member::Role};
use crate::{
    domain::{
        invitation::{self, InvitationError},
        member::may_decide_about,
    },
    store::{self, access, activity::record_activity},
};

/// An invitation that waits for an account with its address.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Invitation {
    /// Its id.
    pub id: String,
    /// Who is asked.
    pub email: String,
    /// As what.
    pub role: Role,
    /// Who asked.
    pub invited_by: String,
    /// When.
    pub created_at: String,
    /// Why whoever registered the address is not a member yet; null while there is no account with it. They become one when
    /// the plan of the project's account allows it.
    pub held_back: Option<String>,
}

impl Example for Invitation {
    fn example() -> Self {
        Self {
            id: "inv_01k9xqz8g7f4n9q5x2v1d6t3sa".to_owned(),
            email: "chiyo@example.com".to_owned(),
            role: Role::Member,
            invited_by: "usr_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            created_at: "2026-11-13T09:30:00Z".to_owned(),
            held_back: None,
        }
    }
}

impl From<invitation::Invitation> for Invitation {
    fn from(invitation: invitation::Invitation) -> Self {
        Self {
            id: invitation.id.to_string(),
            email: invitation.email,
            role: invitation.role.into(),
            invited_by: invitation.invited_by.to_string(),
            created_at: invitation.created_at.to_string(),
            held_back: invitation.held_back,
        }
    }
}

impl From<InvitationError> for Problem {
    fn from(error: InvitationError) -> Self {
        match error {
            InvitationError::Access(error) => error.into(),
            InvitationError::NotFound => Problem::not_found("invitation-not-found", error.to_string()),
            InvitationError::OwnersOnly => Problem::forbidden("project-role-too-low", error.to_string()),
            InvitationError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on invitations.
pub struct InvitationApi {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

#[OpenApi]
impl InvitationApi {
    /// List the invitations that wait for an account, the oldest first. For admins.
    #[oai(
        path = "/v1/projects/:id/invitations",
        method = "get",
        operation_id = "listInvitations",
        tag = "Tag::Members"
    )]
    async fn list_invitations(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Invitation>>, Problem> {
        let member = access::project(self.db.read(), &caller, &id.0, ProjectRole::Viewer).await?;
        member.at_least(ProjectRole::Admin)?;
        let limit = page::limit(limit.0)?;
        let list = format!("invitations {}", member.project.id);
        let after = page::position(&list, cursor.0.as_deref())?;
        let rows = store::invitation::list(self.db.read(), member.project.id, after, limit + 1)
            .await
            .map_err(Problem::internal)?;
        Ok(Json(page::page(rows, limit, &list, |row| row.id, Invitation::from)))
    }

    /// Withdraw an invitation. For admins.
    #[oai(
        path = "/v1/projects/:id/invitations/:invitation_id",
        method = "delete",
        operation_id = "withdrawInvitation",
        tag = "Tag::Members"
    )]
    async fn withdraw_invitation(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        invitation_id: Path<String>,
    ) -> Result<NoContent, Problem> {
        let now = self.clock.now();
        self.db
            .write(async |tx| {
                let asking = access::project(tx, &caller, &id.0, ProjectRole::Admin).await?;
                let project = asking.project.id;
                let invitation: InvitationId = invitation_id.0.parse().map_err(|_| InvitationError::NotFound)?;
                let found = store::invitation::find(tx, project, invitation).await?;
                let invitation = found.ok_or(InvitationError::NotFound)?;
                may_decide_about(asking.role, invitation.role).map_err(|_| InvitationError::OwnersOnly)?;
                if !store::invitation::delete(tx, invitation.id).await? {
                    return Err(InvitationError::NotFound);
                }
                let (subject, data) = (invitation.id.to_string(), json!({ "role": invitation.role.name() }));
                record_activity(tx, project, caller.user, "invitation.withdrawn", &subject, data, now).await?;
                Ok::<_, InvitationError>(())
            })
            .await?;
        Ok(NoContent)
    }
}
