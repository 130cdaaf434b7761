//! Members over HTTP.

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
use contracts::id::UserId;
use database::{Db, Tx};
use identity::{Bearer, ProjectRole};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Header, Path, Query},
    types::Example,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Tag;
use crate::{
    domain::{
        access::Member as Asking,
        invitation::Invitation,
        member::{self, Invite, MemberError, may_decide_about},
    },
    store::{self, access, activity::record_activity},
};

/// What somebody is in a project; each may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename = "ProjectRole", rename_all = "lowercase")]
pub enum Role {
    /// Reads everything.
    Viewer,
    /// Works on tasks and comments.
    Member,
    /// Manages members, labels and the project's settings.
    Admin,
    /// Archives and deletes the project and makes other owners.
    Owner,
}

impl From<ProjectRole> for Role {
    fn from(role: ProjectRole) -> Self {
        match role {
            ProjectRole::Viewer => Role::Viewer,
            ProjectRole::Member => Role::Member,
            ProjectRole::Admin => Role::Admin,
            ProjectRole::Owner => Role::Owner,
        }
    }
}

/// Whether somebody is in, or asked to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum MemberStatus {
    /// A member.
    Active,
    /// The address has no account yet; whoever registers it becomes a member.
    Pending,
}

/// Somebody to be added.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct AddMember {
    /// Address of the account; without one the address is invited.
    #[oai(validator(max_length = 254))]
    pub email: String,
    /// `viewer`, `member`, `admin` or, when an owner asks, `owner`.
    #[oai(validator(pattern = "^(viewer|member|admin|owner)$"))]
    pub role: String,
}

impl Example for AddMember {
    fn example() -> Self {
        Self {
            email: "bruno@example.com".to_owned(),
            role: "member".to_owned(),
        }
    }
}

/// What a member shall be.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct UpdateMember {
    /// `viewer`, `member`, `admin` or, when an owner asks, `owner`.
    #[oai(validator(pattern = "^(viewer|member|admin|owner)$"))]
    pub role: String,
}

impl Example for UpdateMember {
    fn example() -> Self {
        Self {
            role: "admin".to_owned(),
        }
    }
}

/// A member of a project, or somebody who is asked to become one.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Member {
    /// Whether they are in.
    pub status: MemberStatus,
    /// Who; null while they are asked.
    pub user_id: Option<String>,
    /// The invitation, while they are asked.
    pub invitation_id: Option<String>,
    /// Their address; null for a moment after they registered.
    pub email: Option<String>,
    /// For mentions, without `@`; null for a moment after they registered.
    pub handle: Option<String>,
    /// Name to show; null for a moment after they registered.
    pub display_name: Option<String>,
    /// As what.
    pub role: Role,
    /// When they came; null while they are asked.
    pub joined_at: Option<String>,
    /// Rises with each change of the membership; null while they are asked.
    pub version: Option<i64>,
}

impl Example for Member {
    fn example() -> Self {
        Self {
            status: MemberStatus::Active,
            user_id: Some("usr_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned()),
            invitation_id: None,
            email: Some("bruno@example.com".to_owned()),
            handle: Some("bruno".to_owned()),
            display_name: Some("Bruno Keller".to_owned()),
            role: Role::Member,
            joined_at: Some("2026-11-13T09:30:00Z".to_owned()),
            version: Some(1),
        }
    }
}

impl Member {
    fn active(row: store::member::Listed) -> Self {
        Self {
            status: MemberStatus::Active,
            user_id: Some(row.user_id.to_string()),
            invitation_id: None,
            email: row.email,
            handle: row.handle,
            display_name: row.display_name,
            role: row.role.into(),
            joined_at: Some(row.joined_at.to_string()),
            version: Some(row.version),
        }
    }

    fn pending(invitation: Invitation) -> Self {
        Self {
            status: MemberStatus::Pending,
            user_id: None,
            invitation_id: Some(invitation.id.to_string()),
            email: Some(invitation.email),
            handle: None,
            display_name: None,
            role: invitation.role.into(),
            joined_at: None,
            version: None,
        }
    }
}

impl From<MemberError> for Problem {
    fn from(error: MemberError) -> Self {
        let text = error.to_string();
        match error {
            MemberError::Access(error) => error.into(),
            MemberError::NotFound => Problem::not_found("member-not-found", text),
            MemberError::OwnersOnly => Problem::forbidden("project-role-too-low", text),
            MemberError::LastOwner => Problem::conflict("last-owner", text),
            MemberError::AlreadyMember => Problem::conflict("already-member", text),
            MemberError::AlreadyInvited => Problem::conflict("already-invited", text),
            MemberError::TooManyInvitations(_) => Problem::conflict("too-many-invitations", text),
            MemberError::AccountDisabled => Problem::conflict("account-disabled", text),
            MemberError::Precondition(problem) => problem,
            MemberError::Quota(error) => error.into(),
            MemberError::Key(error) => error.into(),
            MemberError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on members.
pub struct MemberApi {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

#[OpenApi]
impl MemberApi {
    /// Add somebody by e-mail address. Without an account the address is invited, and whoever registers it becomes a member.
    ///
    /// 402 `quota-exceeded` when the plan of the project's maker allows no more people in their projects.
    #[oai(
        path = "/v1/projects/:id/members",
        method = "post",
        operation_id = "addMember",
        tag = "Tag::Members"
    )]
    async fn add_member(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// Send the request again with the same key, and it is still done once.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        body: Json<AddMember>,
    ) -> Result<Created<Member>, Problem> {
        let operation = format!("POST /v1/projects/{}/members", id.0);
        let key = Key::parse(key.0.as_deref(), caller.user, &operation, &body.0)?;
        let invite = Invite::parse(&body.0.email, &body.0.role).map_err(Problem::invalid)?;
        let answer = once(&self.db, key.as_ref(), async |tx| {
            store::user::lock_address(tx, invite.address.key()).await?;
            let asking = access::project(tx, &caller, &id.0, ProjectRole::Admin).await?;
            may_decide_about(asking.role, invite.role)?;
            let answer = match store::user::by_address(tx, invite.address.key()).await? {
                Some(user) if user.disabled => return Err(MemberError::AccountDisabled),
                Some(user) => {
                    let member = self.join(tx, &asking, user.id, invite.role).await?;
                    // One that was held back, when the account had no room.
                    store::invitation::delete_of(tx, asking.project.id, invite.address.key()).await?;
                    member
                }
                None => self.invite(tx, &asking, &invite).await?,
            };
            Ok::<_, MemberError>(answer)
        })
        .await?;
        let location = match (&answer.user_id, &answer.invitation_id) {
            (_, Some(invitation)) => format!("/v1/projects/{}/invitations/{invitation}", id.0),
            (user, None) => format!("/v1/projects/{}/members/{}", id.0, user.as_deref().unwrap_or_default()),
        };
        Ok(Created {
            location,
            version: answer.version,
            body: answer,
        })
    }

    /// List the members in the order they came.
    #[oai(
        path = "/v1/projects/:id/members",
        method = "get",
        operation_id = "listMembers",
        tag = "Tag::Members"
    )]
    async fn list_members(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Member>>, Problem> {
        let project = access::project(self.db.read(), &caller, &id.0, ProjectRole::Viewer)
            .await?
            .project;
        let limit = page::limit(limit.0)?;
        let list = format!("members {}", project.id);
        let after = page::position(&list, cursor.0.as_deref())?;
        let rows = store::member::list(self.db.read(), project.id, after, limit + 1)
            .await
            .map_err(Problem::internal)?;
        Ok(Json(page::page(
            rows,
            limit,
            &list,
            |row| (row.joined_at, row.user_id),
            Member::active,
        )))
    }

    /// Change what a member is. Admins manage everybody below owner; only owners make, change or remove owners.
    #[oai(
        path = "/v1/projects/:id/members/:user_id",
        method = "patch",
        operation_id = "updateMember",
        tag = "Tag::Members"
    )]
    async fn update_member(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        user_id: Path<String>,
        /// The `ETag` of the membership that was changed, `"v"` and its version; without it any is.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<UpdateMember>,
    ) -> Result<Tagged<Member>, Problem> {
        let expected = if_match
            .0
            .as_deref()
            .map(|tags| precondition::if_match(Some(tags)))
            .transpose()?;
        let role = member::role(&body.0.role).map_err(|wrong| Problem::invalid(vec![wrong]))?;
        let now = self.clock.now();
        let answer = self
            .db
            .write(async |tx| {
                let asking = access::whole_project(tx, &caller, &id.0, ProjectRole::Admin).await?;
                asking.unarchived()?;
                let mut member = find(tx, &asking, &user_id.0).await?;
                if let Some(expected) = &expected {
                    expected.check(member.version)?;
                }
                let others = store::member::other_owners(tx, asking.project.id, member.user).await?;
                let before = member.role;
                let event = member.change_role(&asking.project, role, (caller.user, asking.role), others)?;
                if let Some(event) = event {
                    store::member::update_role(tx, asking.project.id, &member).await?;
                    let data = json!({ "role": role.name(), "previous_role": before.name() });
                    let subject = member.user.to_string();
                    record_activity(
                        tx,
                        asking.project.id,
                        caller.user,
                        "member.role_changed",
                        &subject,
                        data,
                        now,
                    )
                    .await?;
                    messaging::append(tx, &event)?;
                }
                let row = store::member::listed(tx, asking.project.id, member.user).await?;
                Ok::<_, MemberError>(Member::active(row.ok_or(MemberError::NotFound)?))
            })
            .await?;
        Ok(Tagged {
            version: answer.version.unwrap_or_default(),
            body: answer,
        })
    }

    /// Remove a member; with the caller's own id: leave. The last owner can do neither.
    #[oai(
        path = "/v1/projects/:id/members/:user_id",
        method = "delete",
        operation_id = "removeMember",
        tag = "Tag::Members"
    )]
    async fn remove_member(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        user_id: Path<String>,
    ) -> Result<NoContent, Problem> {
        let now = self.clock.now();
        self.db
            .write(async |tx| {
                let asking = access::whole_project(tx, &caller, &id.0, ProjectRole::Viewer).await?;
                if user_id.0 != caller.user.to_string() {
                    asking.at_least(ProjectRole::Admin)?;
                    asking.unarchived()?;
                }
                let mut member = find(tx, &asking, &user_id.0).await?;
                let others = store::member::other_owners(tx, asking.project.id, member.user).await?;
                let event = member.remove(&asking.project, (caller.user, asking.role), others)?;
                store::member::remove(tx, asking.project.id, &member, now).await?;
                let subject = member.user.to_string();
                record_activity(
                    tx,
                    asking.project.id,
                    caller.user,
                    "member.removed",
                    &subject,
                    json!({}),
                    now,
                )
                .await?;
                messaging::append(tx, &event)?;
                Ok::<_, MemberError>(())
            })
            .await?;
        Ok(NoContent)
    }
}

async fn find(tx: &Tx, asking: &Asking, user: &str) -> Result<member::Membership, MemberError> {
    let user: UserId = user.parse().map_err(|_| MemberError::NotFound)?;
    store::member::find(tx, asking.project.id, user)
        .await?
        .ok_or(MemberError::NotFound)
}

impl MemberApi {
    async fn join(&self, tx: &Tx, asking: &Asking, user: UserId, role: ProjectRole) -> Result<Member, MemberError> {
        let (project, now) = (&asking.project, self.clock.now());
        if store::member::find(tx, project.id, user).await?.is_some() {
            return Err(MemberError::AlreadyMember);
        }
        store::quota::room_for(tx, project.created_by, user).await?;
        let added = store::member::add(tx, project.id, user, role, now).await?;
        let member = added.ok_or(MemberError::AlreadyMember)?;
        let (subject, data) = (user.to_string(), json!({ "role": role.name() }));
        record_activity(tx, project.id, asking.user, "member.added", &subject, data, now).await?;
        messaging::append(tx, &member.added(project, asking.user))?;
        let row = store::member::listed(tx, project.id, user).await?;
        Ok(Member::active(row.ok_or(MemberError::NotFound)?))
    }

    async fn invite(&self, tx: &Tx, asking: &Asking, invite: &Invite) -> Result<Member, MemberError> {
        let (project, now) = (&asking.project, self.clock.now());
        if store::invitation::count(tx, project.id).await? >= member::INVITATIONS_MAX {
            return Err(MemberError::TooManyInvitations(member::INVITATIONS_MAX));
        }
        let (invitation, event) = Invitation::send(project, &invite.address, invite.role, asking.user, now);
        if !store::invitation::insert(tx, &invitation).await? {
            return Err(MemberError::AlreadyInvited);
        }
        // Not the address: viewers read the activity, and it is nobody's account yet.
        let (subject, data) = (invitation.id.to_string(), json!({ "role": invite.role.name() }));
        record_activity(tx, project.id, asking.user, "member.invited", &subject, data, now).await?;
        messaging::append(tx, &event)?;
        Ok(Member::pending(invitation))
    }
}
